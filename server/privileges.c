#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct identity {
	const char *name; /* NULL: the user has none */
	uid_t uid;
	gid_t gid;
};

static bool number_of(const char *text, unsigned *number)
{
	size_t n = strspn(text, "0123456789");
	if (!n || text[n] || n > 9)
		return false;
	*number = (unsigned)strtoul(text, NULL, 10);
	return true;
}

static bool find_user(const char *user, struct identity *who, struct err *err)
{
	unsigned number;
	bool is_number = number_of(user, &number);
	const struct passwd *p = is_number ? getpwuid(number) : getpwnam(user);
	if (!p && !is_number)
		return err_set(err, "--user: there is no user %s", user);
	*who = p ? (struct identity){p->pw_name, p->pw_uid, p->pw_gid} : (struct identity){NULL, number, number};
	return true;
}

static bool find_group(const char *group, gid_t *gid, struct err *err)
{
	unsigned number;
	if (number_of(group, &number)) {
		*gid = number;
		return true;
	}
	const struct group *g = getgrnam(group);
	if (!g)
		return err_set(err, "--group: there is no group %s", group);
	*gid = g->gr_gid;
	return true;
}

/* Of what is permitted only the right to listen below port 1024 stays; it is lost without an error where it was not there. */
static void keep_low_ports(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
	unsigned low_ports = 1u << CAP_NET_BIND_SERVICE;
	if (syscall(SYS_capget, &head, sets) == 0)
		low_ports &= sets[0].permitted;
	memset(sets, 0, sizeof sets);
	sets[0].permitted = sets[0].effective = low_ports;
	(void)syscall(SYS_capset, &head, sets);
}

static bool change(const struct identity *who, struct err *err)
{
	bool to_root = who->uid == 0;
	if (!to_root)
		(void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	int groups = who->name ? initgroups(who->name, who->gid) : setgroups(1, &who->gid);
	if (groups < 0 || setresgid(who->gid, who->gid, who->gid) < 0 || setresuid(who->uid, who->uid, who->uid) < 0)
		return err_sys(err, errno, "--user, --group: only root can become another user or group");
	if (to_root)
		return true;
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	keep_low_ports();
	if (setuid(0) == 0)
		return err_set(err, "--user: root's rights could not be given up");
	return true;
}

bool privileges_become(const char *user, const char *group, struct err *err)
{
	struct identity who = {NULL, geteuid(), getegid()};
	if (!user && !group)
		return true;
	if ((user && !find_user(user, &who, err)) || (group && !find_group(group, &who.gid, err)))
		return false;
	if (who.uid == geteuid() && who.uid == getuid() && who.gid == getegid() && who.gid == getgid())
		return true;
	return change(&who, err);
}

void privileges_lock(void)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* every kernel since 3.5 has it */
}
