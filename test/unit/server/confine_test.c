/* What weir denies itself: system calls, files outside of its folders. Each case in a process of its own, for nothing of it can be taken back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"
#include "confine.h"
#include "landlock.h"
#include "privileges.h"
#include "syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GOOD, NOT_HERE = 77 };

/* What `fn` returns in a process of its own; skips the test where the kernel cannot do it. */
static void in_child(int (*fn)(const char *folder), const char *folder)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(fn(folder));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NOT_HERE)
		skip();
	assert_int_equal(WEXITSTATUS(status), GOOD);
}

static int fail_at(int line)
{
	fprintf(stderr, "confine_test.c:%d: %s\n", line, strerror(errno));
	return 1;
}

#define MUST(x)                                   \
	do {                                      \
		errno = 0;                        \
		if (!(x))                         \
			return fail_at(__LINE__); \
	} while (0)
#define DENIED(call, with) ((call) < 0 && errno == (with))

static void *nothing(void *arg)
{
	return arg;
}

static int calls(const char *folder)
{
	char *argv[] = {(char[]){"true"}, NULL};
	struct err err;
	pthread_t thread;
	(void)folder;
	privileges_lock();
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	if (!syscall_filter_install(&err))
		return NOT_HERE;
	MUST(DENIED(execv("/bin/true", argv), EPERM));
	MUST(DENIED(mount("none", "/", "tmpfs", MS_REMOUNT, NULL), EPERM));
	MUST(DENIED(syscall(SYS_bpf, 0, NULL, 0), EPERM));
	MUST(DENIED(syscall(SYS_adjtimex, NULL), EPERM));
	MUST(DENIED(syscall(SYS_execve, NULL, NULL, NULL), EPERM));
#ifdef __x86_64__
	MUST(DENIED(syscall(0x40000000 | SYS_getpid), EPERM)); /* as an x32 program would */
#endif
	MUST(open("/dev/null", O_RDWR | O_CLOEXEC) >= 0);
	MUST(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
	return GOOD;
}

static int make(const char *folder, const char *name)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static int in_folder(const char *folder, const char *command, const char *from, const char *to)
{
	char a[512], b[512];
	snprintf(a, sizeof a, "%s/%s", folder, from);
	snprintf(b, sizeof b, "%s/%s", folder, to);
	return strcmp(command, "mkdir") == 0	? mkdir(a, 0700)
	       : strcmp(command, "unlink") == 0 ? unlink(a)
						: rename(a, b);
}

/* FOLDER/in is allowed, FOLDER/out is not. */
static int files(const char *folder)
{
	struct err err;
	char in[256];
	snprintf(in, sizeof in, "%s/in", folder);
	MUST(in_folder(folder, "mkdir", "in", "") == 0 && in_folder(folder, "mkdir", "out", "") == 0);
	MUST(make(folder, "out/there") >= 0 && make(folder, "in/there") >= 0);
	privileges_lock();
	if (!landlock_confine((const char *const[]){in}, 1, &err))
		return NOT_HERE;
	MUST(make(folder, "in/a") >= 0 && make(folder, "in/there") >= 0);
	MUST(in_folder(folder, "mkdir", "in/sub", "") == 0);
	MUST(in_folder(folder, "rename", "in/a", "in/sub/b") == 0);
	MUST(in_folder(folder, "unlink", "in/sub/b", "") == 0);
	MUST(open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0);
	MUST(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
	MUST(DENIED(make(folder, "out/a"), EACCES));
	MUST(DENIED(make(folder, "out/there"), EACCES));
	MUST(DENIED(in_folder(folder, "mkdir", "out/sub", ""), EACCES));
	MUST(DENIED(in_folder(folder, "unlink", "out/there", ""), EACCES));
	MUST(in_folder(folder, "rename", "in/there", "out/x") < 0);
	MUST(DENIED(in_folder(folder, "mkdir", "in", ""), EEXIST)); /* how folders are made one by one */
	return GOOD;
}

/* ---- which folders a configuration means ------------------------------------------------------------------------------ */

static bool load(struct loaded *l, const char *folder, const char *text)
{
	char *whole = mem_printf("<system>\n root_dir %s/root\n</system>\n%s", folder, text);
	struct cmdline cmd = {.inline_text = whole};
	bool ok = loaded_for_tool(l, &cmd);
	mem_free(whole);
	return ok;
}

static char *with_folder(const char *folder, const char *text)
{
	const char *at = strstr(text, "HERE");
	return at ? mem_printf("%.*s%s%s", (int)(at - text), text, folder, at + 4) : mem_strdup(text);
}

static bool is_allowed(const struct confinement *c, const char *folder, const char *text)
{
	struct loaded l;
	struct err err;
	char *whole = with_folder(folder, text);
	bool ok = load(&l, folder, whole);
	if (ok) {
		ok = confine_allows(c, &l, &err);
		loaded_free(&l);
	}
	mem_free(whole);
	return ok;
}

#define NONE "<parse>\n  @type none\n </parse>\n"

static int folders(const char *folder)
{
	static const struct {
		const char *text;
		bool allowed;
	} cases[] = {
		{"<match **>\n @type null\n</match>\n", true},
		{"<match **>\n @type file\n path HERE/out/b/${tag}/x\n <buffer tag>\n </buffer>\n</match>\n", true},
		{"<match **>\n @type file\n path HERE/out/other/deep/x\n</match>\n", true},
		{"<match **>\n @type file\n path HERE/elsewhere/x\n</match>\n", false},
		{"<match **>\n @type file\n path HERE/${tag}/x\n <buffer tag>\n </buffer>\n</match>\n", false},
		{"<match **>\n @type file\n path HERE/out/../elsewhere/x\n</match>\n", false},
		{"<match **>\n @type null\n <buffer>\n  @type file\n  path HERE/buffers/b\n </buffer>\n</match>\n",
			true},
		{"<match **>\n @type http\n endpoint http://127.0.0.1\n <buffer>\n  @type file\n  path "
		 "HERE/buffers/b\n "
		 "</buffer>\n</match>\n",
			false},
		{"<source>\n @type tail\n tag a\n path /tmp/x\n pos_file HERE/root/a.pos\n " NONE "</source>\n", true},
		{"<source>\n @type tail\n tag a\n path /tmp/x\n pos_file HERE/a.pos\n " NONE "</source>\n", false},
		{"<source>\n @type unix\n path HERE/x/sock\n</source>\n", false},
	};
	struct loaded l;
	MUST(in_folder(folder, "mkdir", "root", "") == 0 && in_folder(folder, "mkdir", "out", "") == 0);
	MUST(in_folder(folder, "mkdir", "out/a", "") == 0);
	char *first = with_folder(folder, "<match **>\n @type file\n path HERE/out/a/x\n</match>\n");
	MUST(load(&l, folder, first));
	privileges_lock();
	struct confinement *c = confine(&l, NULL);
	if (!DENIED(make(folder, "none"), EACCES))
		return NOT_HERE;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (is_allowed(c, folder, cases[i].text) != cases[i].allowed) {
			fprintf(stderr, "case %zu is wrong\n", i);
			return 1;
		}
	}
	/* A folder that was removed can be made again. */
	MUST(make(folder, "out/b") >= 0);
	confine_free(c);
	loaded_free(&l);
	mem_free(first);
	return GOOD;
}

static int user(const char *folder)
{
	struct err err;
	(void)folder;
	MUST(!privileges_become("no such user", NULL, &err) && strstr(err.text, "there is no user"));
	MUST(!privileges_become(NULL, "no such group", &err) && strstr(err.text, "there is no group"));
	if (geteuid() != 0)
		return NOT_HERE;
	MUST(privileges_become("0", NULL, &err)); /* that it is */
	MUST(privileges_become("65534", "12345", &err));
	MUST(getuid() == 65534 && geteuid() == 65534 && getgid() == 12345 && getegid() == 12345);
	MUST(setuid(0) < 0 && setgid(0) < 0);
	MUST(!privileges_become("0", NULL, &err) && strstr(err.text, "only root"));
	return GOOD;
}

static void run(int (*fn)(const char *folder))
{
	char folder[] = "/tmp/confine_test.XXXXXX";
	assert_non_null(mkdtemp(folder));
	in_child(fn, folder);
	char *command = mem_printf("rm -rf '%s'", folder);
	assert_int_equal(system(command), 0);
	mem_free(command);
}

static void test_calls(void **state)
{
	(void)state;
	run(calls);
}

static void test_files(void **state)
{
	(void)state;
	run(files);
}

static void test_folders(void **state)
{
	(void)state;
	run(folders);
}

static void test_user(void **state)
{
	(void)state;
	run(user);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
