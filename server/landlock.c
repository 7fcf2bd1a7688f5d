#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of versions 2 and 3; headers may be older than the kernel. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

/* The first version denies each rename from one folder to another. */
#define OLDEST 2

#define WRITES                                                                                             \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |  \
		LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
		LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)
#define NEVER                                                                                        \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
		LANDLOCK_ACCESS_FS_MAKE_FIFO)

static bool allow(int ruleset, const char *folder, uint64_t access, struct err *err)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access};
	rule.parent_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return err_sys(err, errno, "the folder %s cannot be opened", folder);
	long rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	int code = errno;
	close(rule.parent_fd);
	return rc == 0 || err_sys(err, code, "no rule can be made for the folder %s", folder);
}

/* Devices too: /dev/null, /dev/stdout and a terminal. */
static bool allow_all(int ruleset, const char *const *folders, size_t n, uint64_t writes, struct err *err)
{
	uint64_t devices = writes & (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE);
	bool ok = access("/dev", F_OK) != 0 || allow(ruleset, "/dev", devices, err);
	for (size_t i = 0; ok && i < n; i++)
		ok = allow(ruleset, folders[i], writes, err);
	return ok;
}

bool landlock_confine(const char *const *folders, size_t n, struct err *err)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < OLDEST)
		return err_set(err, version < 0 && errno == EPERM ? "landlock is not allowed here"
								  : "this kernel has no landlock, or an old one");
	uint64_t writes = WRITES | (version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
	struct landlock_ruleset_attr attr = {.handled_access_fs = writes | NEVER};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (ruleset < 0)
		return err_sys(err, errno, "landlock makes no rules");
	bool ok = allow_all(ruleset, folders, n, writes, err);
	if (ok && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		ok = err_sys(err, errno, "landlock cannot be put in force");
	close(ruleset);
	return ok;
}
