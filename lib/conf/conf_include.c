/* conf_include.c: whole files, and what @include names. */
#include "conf/conf_reader.h"

#include "base/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALK_DEPTH 16	/* folders that a ** goes down */
#define WALK_MAX   4096 /* folders it looks into */

/* ---- one file ---- */

static bool read_all(int fd, struct buf *text)
{
	ssize_t n = 1;
	while (n != 0 && buf_reserve(text, 16384)) {
		n = read(fd, text->p + text->n, 16384);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			text->n += (size_t)n;
	}
	if (text->failed)
		errno = EFBIG;
	return !text->failed;
}

static bool is_in(const struct conf_file_id *v, size_t n, struct conf_file_id id)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].dev == id.dev && v[i].ino == id.ino)
			return true;
	return false;
}

/* The place to complain at: the @include, or the file itself where there is none. */
static struct conf_pos blame(struct conf_pos from, const char *path)
{
	return from.line ? from : (struct conf_pos){path, 0, 0};
}

/* Whether a file may be read now: no cycle, not too many. */
static bool may_read(struct conf_reader *r, const char *path, struct conf_file_id id, struct conf_pos from)
{
	if (is_in(r->open, r->open_n, id)) {
		conf_report_add(r->report, CONF_ERROR, blame(from, path), "'%s' includes itself", path);
		return false;
	}
	if (r->open_n == CONF_OPEN_MAX) {
		conf_report_add(r->report, CONF_ERROR, blame(from, path), "@include is nested too deeply");
		return false;
	}
	if (r->seen_n == CONF_FILES_MAX || r->bytes > CONF_BYTES_MAX) {
		conf_report_add(
			r->report, CONF_ERROR, blame(from, path), "too much is included: '%s' is not read", path);
		return false;
	}
	return true;
}

static void report_missing(struct conf_reader *r, const char *path, struct conf_pos from, int code)
{
	if (!from.line || code != ENOENT)
		conf_report_add(r->report, CONF_ERROR, blame(from, path), "cannot read '%s': %s", path, strerror(code));
	else
		conf_report_add(r->report, CONF_WARNING, from, "there is no file '%s': nothing is included%s", path,
			strchr(path, ',') ? " (an @include takes one path or pattern)" : "");
}

/* Opens and reads; false if it is reported why not. */
static bool load(
	struct conf_reader *r, const char *path, struct conf_pos from, struct buf *text, struct conf_file_id *id)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0) {
		report_missing(r, path, from, errno);
		if (fd >= 0)
			close(fd);
		return false;
	}
	*id = (struct conf_file_id){st.st_dev, st.st_ino};
	bool ok = may_read(r, path, *id, from);
	if (ok && S_ISDIR(st.st_mode)) {
		conf_report_add(r->report, CONF_ERROR, blame(from, path),
			"include error %s - Is a directory (%s/*.conf would be its files)", path, path);
		ok = false;
	}
	if (ok && !read_all(fd, text)) {
		report_missing(r, path, from, errno);
		ok = false;
	}
	close(fd);
	return ok;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n > m && strcmp(s + n - m, end) == 0;
}

void conf_include_file(struct conf_reader *r, struct conf_cursor *c, const char *path, struct conf_pos from)
{
	struct conf_file_id id;
	struct buf text;
	buf_init(&text, CONF_VALUE_MAX);
	if (load(r, path, from, &text, &id)) {
		r->bytes += text.n;
		r->seen = mem_realloc(r->seen, (r->seen_n + 1) * sizeof *r->seen);
		r->seen[r->seen_n++] = id;
		r->open[r->open_n++] = id;
		const char *name = conf_arena_copy(r->arena, path, strlen(path));
		bool main = r->seen_n == 1;
		if ((main && r->main_is_yaml) || ends_with(name, ".yaml") || ends_with(name, ".yml"))
			conf_yaml(r, c, name, buf_span(&text));
		else
			conf_parse(r, c, name, buf_span(&text));
		r->open_n--;
	}
	buf_free(&text);
}

/* ---- patterns ---- */

struct paths {
	char **v;
	size_t n, walked;
};

static void paths_add(struct paths *p, const char *path)
{
	if (p->n >= CONF_FILES_MAX)
		return;
	p->v = mem_realloc(p->v, (p->n + 1) * sizeof *p->v);
	p->v[p->n++] = mem_strdup(path);
}

static void paths_free(struct paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		mem_free(p->v[i]);
	mem_free(p->v);
}

static int by_name(const void *a, const void *b)
{
	const char *const *pa = a, *const *pb = b;
	return strcmp(*pa, *pb);
}

static void paths_sort(struct paths *p)
{
	if (p->n)
		qsort(p->v, p->n, sizeof *p->v, by_name);
}

/* The text with the signs of patterns escaped. */
static void put_literal(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (strchr("*?[]{}\\", s.p[i]))
			buf_put_byte(out, '\\');
		buf_put_byte(out, s.p[i]);
	}
}

static void expand_glob(struct paths *out, const char *pattern)
{
	glob_t g = {0};
	if (glob(pattern, GLOB_BRACE | GLOB_NOSORT, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			paths_add(out, g.gl_pathv[i]);
	globfree(&g);
}

static bool is_plain_dir(const char *dir, const char *name, struct buf *path)
{
	struct stat st;
	buf_clear(path);
	buf_printf(path, "%s/%s", dir, name);
	return name[0] != '.' && lstat(buf_cstr(path), &st) == 0 && S_ISDIR(st.st_mode);
}

static void expand(struct paths *out, struct span base, const char *pattern, unsigned depth);

/* dir/rest and the same in every folder below, as ** has it: no hidden ones, no links. */
static void walk(struct paths *out, const char *dir, const char *rest, unsigned depth)
{
	DIR *d = opendir(*dir ? dir : "/");
	struct buf path;
	buf_init(&path, SIZE_MAX);
	if (d && out->walked++ < WALK_MAX && depth < WALK_DEPTH) {
		expand(out, span_str(dir), rest, depth);
		for (struct dirent *e; (e = readdir(d));)
			if (is_plain_dir(dir, e->d_name, &path))
				walk(out, buf_cstr(&path), rest, depth + 1);
	}
	if (d)
		closedir(d);
	buf_free(&path);
}

/* What base/pattern stands for; base is taken literally, the pattern may hold Ruby's two stars. */
static void expand(struct paths *out, struct span base, const char *pattern, unsigned depth)
{
	const char *stars = strncmp(pattern, "**/", 3) == 0 ? pattern : strstr(pattern, "/**/");
	struct buf full;
	struct paths dirs = {0};
	buf_init(&full, SIZE_MAX);
	put_literal(&full, base);
	if (!stars || depth >= WALK_DEPTH) {
		buf_printf(&full, "/%s", pattern);
		expand_glob(out, buf_cstr(&full));
	} else {
		if (stars > pattern) {
			buf_put_byte(&full, '/');
			buf_put(&full, pattern, (size_t)(stars - pattern));
		}
		expand_glob(&dirs, buf_cstr(&full));
		for (size_t i = 0; i < dirs.n; i++)
			walk(out, dirs.v[i], stars + (stars > pattern ? 4 : 3), depth + 1);
	}
	paths_free(&dirs);
	buf_free(&full);
}

static void include_pattern(
	struct conf_reader *r, struct conf_cursor *c, struct span base, const char *pattern, struct conf_pos from)
{
	struct paths paths = {0};
	expand(&paths, base, pattern, 0);
	paths_sort(&paths);
	for (size_t i = 0; i < paths.n; i++)
		if (i == 0 || strcmp(paths.v[i], paths.v[i - 1]) != 0)
			conf_include_file(r, c, paths.v[i], from);
	paths_free(&paths);
}

/* ---- @include ---- */

/* The folder of the including file, without the last /; that of the process for the command line. */
static struct span folder_of(const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	return slash ? span_of(file, (size_t)(slash - file)) : span_str(".");
}

/* file:///path with %20 and the like decoded. */
static char *path_of_uri(struct conf_reader *r, const char *uri)
{
	size_t n = 0;
	const char *from = uri + strlen("file://");
	char *path = conf_arena_copy(r->arena, from, strlen(from));
	for (; *from; from++) {
		bool coded = from[0] == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2]);
		if (coded) {
			char hex[] = {from[1], from[2], 0};
			path[n++] = (char)strtoul(hex, NULL, 16);
			from += 2;
		} else {
			path[n++] = *from;
		}
	}
	path[n] = 0;
	return path;
}

static bool has_scheme(const char *s)
{
	const char *p = s;
	while (isalnum((unsigned char)*p) || *p == '+' || *p == '-' || *p == '.')
		p++;
	return p > s && strncmp(p, "://", 3) == 0;
}

void conf_include(struct conf_reader *r, struct conf_cursor *c, struct span what, struct conf_pos from)
{
	const char *path = conf_arena_copy(r->arena, what.p, what.n);
	if (r->env.no_files)
		return;
	if (strncmp(path, "file://", 7) == 0) {
		path = path_of_uri(r, path);
	} else if (has_scheme(path)) {
		conf_report_add(r->report, CONF_ERROR, from,
			"weir does not fetch its configuration: please download '%s' and @include the file", path);
		return;
	}
	bool absolute = *path == '/';
	struct span base = absolute ? span_str("") : folder_of(from.file);
	path += absolute;
	if (strpbrk(path, "*?[{")) {
		include_pattern(r, c, base, path, from);
		return;
	}
	struct buf full;
	buf_init(&full, SIZE_MAX);
	/* A path beside a file that was named without a folder stays without one. */
	if (absolute || (from.file && strchr(from.file, '/'))) {
		buf_put_span(&full, base);
		buf_put_byte(&full, '/');
	}
	buf_put_str(&full, path);
	conf_include_file(r, c, buf_cstr(&full), from);
	buf_free(&full);
}

void conf_include_dir(struct conf_reader *r, struct conf_cursor *c, const char *dir)
{
	struct paths paths = {0};
	DIR *d = opendir(dir);
	struct buf path;
	struct stat st;
	buf_init(&path, SIZE_MAX);
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.' || !(ends_with(e->d_name, ".conf") || ends_with(e->d_name, ".yaml") ||
						   ends_with(e->d_name, ".yml")))
			continue;
		buf_clear(&path);
		buf_printf(&path, "%s/%s", dir, e->d_name);
		if (stat(buf_cstr(&path), &st) == 0 && S_ISREG(st.st_mode))
			paths_add(&paths, buf_cstr(&path));
	}
	if (d)
		closedir(d);
	else if (errno != ENOENT)
		conf_report_add(r->report, CONF_ERROR, (struct conf_pos){dir, 0, 0}, "cannot read the folder: %s",
			strerror(errno));
	paths_sort(&paths);
	for (size_t i = 0; i < paths.n; i++) {
		bool known = stat(paths.v[i], &st) == 0 &&
			     is_in(r->seen, r->seen_n, (struct conf_file_id){st.st_dev, st.st_ino});
		if (!known)
			conf_include_file(r, c, paths.v[i], (struct conf_pos){0});
	}
	paths_free(&paths);
	buf_free(&path);
}
