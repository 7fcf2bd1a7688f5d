#include "tail_glob.h"

#include "base/clock.h"
#include "base/mem.h"
#include "record/time_format.h"

#include <dirent.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FOLDERS_MAX 100000u /* that a `**` walks through */

struct list {
	char **v;
	size_t n, cap;
};

static void list_add(struct list *l, char *take_path)
{
	if (l->n + 1 >= l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->v = mem_realloc(l->v, l->cap * sizeof *l->v);
	}
	l->v[l->n++] = take_path;
	l->v[l->n] = NULL;
}

bool tail_glob_is(const struct tail_glob *g, const char *path)
{
	const char *open = strchr(path, '['), *brace = strchr(path, '{');
	if (strchr(path, '*'))
		return true;
	if (g->policy == GLOB_BACKWARD_COMPATIBLE)
		return false;
	return strchr(path, '?') || (open && strchr(open, ']')) ||
	       (g->policy == GLOB_ALWAYS && brace && strchr(brace, ',') && strchr(brace, '}'));
}

void tail_glob_folder(const char *path, struct buf *out)
{
	size_t n = strcspn(path, "*?[{");
	while (n && path[n - 1] != '/')
		n--;
	buf_put(out, path, n);
	if (!n)
		buf_put_byte(out, '.');
}

/* ---- globs --------------------------------------------------------------------------------------------------------------- */

static int64_t mtime_of(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
}

/* Those modified since `oldest_ns` (0: all). */
static void add_matches(struct list *out, const char *pattern, int64_t oldest_ns)
{
	glob_t g = {0};
	struct stat st;
	if (glob(pattern, GLOB_BRACE, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			if (!oldest_ns || (stat(g.gl_pathv[i], &st) == 0 && mtime_of(&st) >= oldest_ns))
				list_add(out, mem_strdup(g.gl_pathv[i]));
	globfree(&g);
}

/* A folder's name as a pattern that means just it. */
static char *literally(const char *folder, const char *rest)
{
	struct buf b;
	buf_init(&b, 1u << 20);
	for (; *folder; folder++) {
		if (strchr("*?[]{}\\,", *folder))
			buf_put_byte(&b, '\\');
		buf_put_byte(&b, (uint8_t)*folder);
	}
	buf_put_str(&b, rest);
	return buf_take(&b);
}

/* The folders in a folder that a `**` goes into: no hidden ones and no links. */
static void add_folders(struct list *out, const char *folder)
{
	DIR *d = opendir(*folder ? folder : ".");
	const struct dirent *e;
	struct stat st;
	while (d && out->n < FOLDERS_MAX && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
			continue;
		char *path = mem_printf("%s%s/", folder, e->d_name);
		if (e->d_type == DT_DIR || (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)))
			list_add(out, path);
		else
			mem_free(path);
	}
	if (d)
		closedir(d);
}

static void list_free(struct list *l)
{
	tail_glob_free(l->v);
	*l = (struct list){0};
}

/* All folders below those in `begin`, and themselves. */
static void walk(struct list *begin)
{
	for (size_t i = 0; i < begin->n; i++)
		add_folders(begin, begin->v[i]);
}

/* A part of the pattern that is the word ** means any folders, none too; the first of them is taken here, the others are mere stars. */
static void expand_pattern(struct list *out, const char *pattern, int64_t oldest_ns)
{
	struct list folders = {0};
	const char *stars = strncmp(pattern, "**/", 3) == 0 ? pattern : strstr(pattern, "/**/");
	if (!stars) {
		add_matches(out, pattern, oldest_ns);
		return;
	}
	size_t before = stars == pattern ? 0 : (size_t)(stars - pattern) + 1;
	char *prefix = mem_strndup(pattern, before);
	if (!before)
		list_add(&folders, mem_strdup(""));
	else
		add_matches(&folders, prefix, 0);
	walk(&folders);
	for (size_t i = 0; i < folders.n; i++) {
		char *inner = literally(folders.v[i], pattern + before + 3);
		add_matches(out, inner, oldest_ns);
		mem_free(inner);
	}
	list_free(&folders);
	mem_free(prefix);
}

/* ---- expansion ---------------------------------------------------------------------------------------------------------------- */

static void expand(const struct tail_glob *g, char *const *paths, int64_t now_ns, int64_t oldest_ns, struct list *out)
{
	struct event_time now = {.sec = now_ns / NS_PER_S, .nsec = (uint32_t)(now_ns % NS_PER_S)};
	struct time_zone zone = {0};
	zone.offset = zone_offset(g->zone, now.sec, &zone.name);
	for (; *paths; paths++) {
		struct buf path;
		buf_init(&path, 1u << 20);
		if (time_format_put(&path, *paths, now, zone)) {
			if (tail_glob_is(g, *paths))
				expand_pattern(out, buf_cstr(&path), oldest_ns);
			else
				list_add(out, mem_strdup(buf_cstr(&path)));
		}
		buf_free(&path);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct list *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, compare);
}

char **tail_glob_expand(const struct tail_glob *g, int64_t now_ns)
{
	struct list all = {0}, out = {0}, excluded = {0};
	expand(g, g->paths, now_ns, g->recent_ns ? now_ns - g->recent_ns : 0, &all);
	if (g->excluded)
		expand(g, g->excluded, now_ns, 0, &excluded);
	sort(&all);
	sort(&excluded);
	for (size_t i = 0; i < all.n; i++) {
		bool twice = i + 1 < all.n && strcmp(all.v[i], all.v[i + 1]) == 0;
		if (!twice && !(excluded.n && bsearch(&all.v[i], excluded.v, excluded.n, sizeof *excluded.v, compare)))
			list_add(&out, mem_strdup(all.v[i]));
	}
	list_free(&all);
	list_free(&excluded);
	return out.v;
}

void tail_glob_free(char **paths)
{
	for (size_t i = 0; paths && paths[i]; i++)
		mem_free(paths[i]);
	mem_free(paths);
}
