#include "confine.h"

#include "base/log.h"
#include "base/mem.h"
#include "landlock.h"
#include "syscall_filter.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

/* AddressSanitizer traces its own process to look for leaks, and runs a program that names its findings' lines. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

struct confinement {
	bool files; /* landlock is in force */
	char **folders;
	size_t n;
};

/* ---- folders ---------------------------------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Cuts the last part off; of "." too. */
static void go_up(char *path)
{
	char *slash = strrchr(path, '/');
	if (!slash)
		*path = '/';
	else if (slash == path)
		path[1] = 0;
	else
		*slash = 0;
}

/* The folder that is there, in or below which a path is made; *whole: nothing is missing in between. For the caller to mem_free. */
static char *folder_of(const char *path, enum conf_writes is, bool *whole)
{
	size_t fixed = strcspn(path, "$%*"); /* behind it stands what events and the time make it */
	char *p = mem_printf("%s%.*s", *path == '/' ? "" : "./", (int)fixed, path), real[PATH_MAX];
	if (is == CONF_WRITES_FILE || path[fixed])
		go_up(p);
	*whole = is_folder(p);
	while (!is_folder(p) || !realpath(p, real))
		go_up(p); /* there is "/" at last */
	mem_free(p);
	return mem_strdup(real);
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);
	return strncmp(path, folder, n) == 0 && (path[n] == '/' || !path[n] || folder[n - 1] == '/');
}

static bool has(const struct confinement *c, const char *folder)
{
	for (size_t i = 0; i < c->n; i++)
		if (is_below(folder, c->folders[i]))
			return true;
	return false;
}

static void add_folder(struct confinement *c, char *folder)
{
	if (has(c, folder)) {
		mem_free(folder);
		return;
	}
	c->folders = mem_realloc(c->folders, (c->n + 1) * sizeof *c->folders);
	c->folders[c->n++] = folder;
}

/* With the folder above it, so that one that is removed can be made again. */
static void add(void *arg, enum conf_writes is, const char *path)
{
	bool whole;
	char *folder = folder_of(path, is, &whole), *slash = strrchr(folder, '/');
	if (whole && slash > folder)
		*slash = 0;
	add_folder(arg, folder);
	char real[PATH_MAX];
	if (is == CONF_WRITES_FILE && realpath(path, real)) /* a link: also where it leads */
		add_folder(arg, folder_of(real, is, &whole));
}

static void each_written(
	const struct loaded *l, void (*fn)(void *arg, enum conf_writes is, const char *path), void *arg)
{
	conf_each_written(&system_conf_schema, l->system, fn, arg);
	pipeline_each_written(l->pipeline, fn, arg);
}

static void add_all(struct confinement *c, const struct loaded *conf, const char *log_path)
{
	bool whole;
	add_folder(c, folder_of(system_state_dir(conf->system), CONF_WRITES_FOLDER, &whole));
	if (log_path)
		add(c, CONF_WRITES_FILE, log_path);
	each_written(conf, add, c);
}

/* ---- in force --------------------------------------------------------------------------------------------------------- */

static void tell(const struct confinement *c, bool calls, const struct err *no_calls, const struct err *no_files)
{
	struct buf text;
	buf_init(&text, 64 << 10);
	buf_put_str(&text, "confined: ");
	if (calls)
		buf_printf(&text, "no programs, %zu system calls denied", syscall_filter_count());
	else
		buf_printf(&text, "all system calls are possible (%s)", no_calls->text);
	if (!c->files)
		buf_printf(&text, "; files are written wherever weir's user may (%s)", no_files->text);
	for (size_t i = 0; c->files && i < c->n; i++)
		buf_printf(&text, "%s%s", i ? ", " : "; files are written only below ", c->folders[i]);
	log_info(NULL, buf_cstr(&text));
	buf_free(&text);
}

struct confinement *confine(const struct loaded *conf, const char *log_path)
{
	struct confinement *c = mem_zalloc(sizeof *c);
	struct err no_calls, no_files;
	if (!conf->system->confine || SANITIZED)
		return c;
	add_all(c, conf, log_path);
	c->files = landlock_confine((const char *const *)c->folders, c->n, &no_files);
	bool calls = syscall_filter_install(&no_calls);
	tell(c, calls, &no_calls, &no_files);
	return c;
}

struct question {
	const struct confinement *c;
	struct err *err;
	bool no;
};

static void ask(void *arg, enum conf_writes is, const char *path)
{
	struct question *q = arg;
	bool whole;
	char *folder = folder_of(path, is, &whole);
	if (!q->no && !has(q->c, folder))
		q->no = !err_set(
			q->err, "it writes to %s, and weir denied itself all but some folders when it started", path);
	mem_free(folder);
}

bool confine_allows(const struct confinement *c, const struct loaded *conf, struct err *err)
{
	struct question q = {.c = c, .err = err};
	if (c->files)
		each_written(conf, ask, &q);
	return !q.no;
}

void confine_free(struct confinement *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		mem_free(c->folders[i]);
	mem_free(c->folders);
	mem_free(c);
}
