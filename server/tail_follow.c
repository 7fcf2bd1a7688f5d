#include "tail.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SOON_NS	     (20 * NS_PER_MS) /* after a change in a folder: more changes may follow */
#define SOON_GAP_NS  NS_PER_S	      /* between two that changes have asked for */
#define TOLD_OF_MAX  1000u	      /* files with numbers of their own: they are kept for good */
#define LOG_EVERY_NS (10 * NS_PER_S)

/* ---- identity ----------------------------------------------------------------------------------------------------------- */

static int64_t born_at(int fd)
{
	struct statx x;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &x) < 0 || !(x.stx_mask & STATX_BTIME))
		return 0;
	return x.stx_btime.tv_sec * NS_PER_S + x.stx_btime.tv_nsec;
}

static bool is_same(const struct tail_file *f, const struct stat *st)
{
	return f->device == st->st_dev && f->entry->at.inode == st->st_ino;
}

static bool is_at(const struct tail_file *f, const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && is_same(f, &st);
}

static struct tail_file *find_open(struct tail *t, const struct stat *st)
{
	struct tail_file *f = t->files;
	while (f && !is_same(f, st))
		f = f->next;
	return f;
}

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

/* The * of the tag is the path with dots for slashes. */
static char *make_tag(const char *tag, const char *path)
{
	const char *star = strchr(tag, '*');
	struct buf b;
	if (!star)
		return mem_strdup(tag);
	buf_init(&b, 1u << 16);
	buf_put(&b, tag, (size_t)(star - tag));
	size_t begin = b.n;
	for (; *path; path++) {
		bool dot = *path == '/' || *path == '.';
		if (!dot || (b.n > begin && b.p[b.n - 1] != '.'))
			buf_put_byte(&b, dot ? '.' : (uint8_t)*path);
	}
	buf_put(&b, star + 1, strcspn(star + 1, "*"));
	char *made = buf_take(&b);
	return made ? made : mem_strdup(tag);
}

static void count_files(struct tail *t)
{
	int64_t n = 0;
	for (const struct tail_file *f = t->files; f; f = f->next)
		n++;
	gauge_set(t->followed, n);
}

/* The numbers that fluentd's prometheus_tail_monitor has of each file, under its names. */
static void number(struct tail *t, struct tail_file *f)
{
	if (t->told_of == TOLD_OF_MAX)
		return;
	char *labels = metrics_labels("path", f->name, "plugin_id", t->source->id, "type", "tail", NULL);
	t->told_of++;
	f->position = metrics_gauge(t->metrics, "fluentd_tail_file_position", labels,
		"Bytes of the file whose events are stored (the first 1,000 files of a source).");
	f->inode = metrics_gauge(t->metrics, "fluentd_tail_file_inode", labels, "The file's inode.");
	mem_free(labels);
}

void tail_tell(struct tail_file *f)
{
	if (!f->position || f->leaving)
		return;
	gauge_set(f->position, (int64_t)f->entry->at.pos);
	gauge_set(f->inode, (int64_t)f->entry->at.inode);
}

/* Takes the descriptor. */
static struct tail_file *add_file(struct tail *t, const char *path, int fd, const struct stat *st, struct tail_entry *e)
{
	struct tail_file *f = mem_zalloc(sizeof *f);
	f->tail = t;
	f->path = mem_strdup(path);
	f->name = mem_strdup(path);
	f->tag = make_tag(t->conf->tag, path);
	f->fd = fd;
	f->device = st->st_dev;
	f->entry = e;
	f->looked_at = UINT64_MAX;
	f->next = t->files;
	e->used = true;
	t->files = f;
	number(t, f);
	if (t->watch && !tail_watch_file(t->watch, fd, f))
		t->watched = false;
	return f;
}

static void free_file(struct tail *t, struct tail_file *f)
{
	struct tail_file **p = &t->files;
	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	if (t->watch)
		tail_watch_forget(t->watch, f);
	close(f->fd);
	mem_free(f->path);
	mem_free(f->name);
	mem_free(f->tag);
	mem_free(f);
}

/* It was read to its end. What is known of it stays while it is there: it may be of interest again. */
static void close_file(struct tail *t, struct tail_file *f)
{
	log_debug(t->source->id, "a file is let go of", LOG_S("path", f->path));
	f->entry->used = false;
	if (!is_at(f, f->entry->path))
		tail_pos_drop(t->pos, f->entry);
	free_file(t, f);
}

void tail_forget_all(struct tail *t)
{
	while (t->files)
		free_file(t, t->files);
}

static void leave(struct tail *t, struct tail_file *f)
{
	struct stat st;
	f->leaving = true;
	f->leave_ns = clock_mono_ns() + t->conf->rotate_wait_ns;
	if (stat(f->path, &st) == 0 && !is_same(f, &st)) {
		counter_add(t->rotated, 1);
		log_info(t->source->id, "detected rotation: the old file is read on for rotate_wait, and to its end",
			LOG_S("path", f->path), LOG_U("inode", f->entry->at.inode));
	}
	tail_ready(f);
}

/* The file has another name now, which is followed as well. */
static void take_name(struct tail *t, struct tail_file *f, const char *path)
{
	struct tail_entry *e = tail_pos_add(t->pos, path, &f->entry->at);
	if (!e)
		return;
	log_info(t->source->id, "a file was renamed: it is followed under its new name", LOG_S("from", f->path),
		LOG_S("to", path));
	tail_pos_drop(t->pos, f->entry);
	e->used = true;
	f->entry = e;
	mem_free(f->path);
	f->path = mem_strdup(path);
	f->leaving = f->last = false;
	f->found = true;
}

/* ---- entries ---------------------------------------------------------------------------------------------------------------- */

/* app.log is rotated to app.log.1, app.log-20260807, app-2026.log: names that begin as it does. */
static bool is_rotated_name(const char *name, const char *of)
{
	const char *dot = strrchr(of, '.');
	return strncmp(name, of, dot && dot != of ? (size_t)(dot - of) : strlen(of)) == 0;
}

/* The same for whole paths: in the same folder. */
static bool is_rotated_path(const char *path, const char *of)
{
	const char *name = strrchr(path, '/'), *of_name = strrchr(of, '/');
	return name && of_name && name - path == of_name - of && memcmp(path, of, (size_t)(name - path)) == 0 &&
	       is_rotated_name(name + 1, of_name + 1);
}

/* Whether an entry nobody uses is about this file. */
static bool is_about(struct tail *t, const struct tail_entry *e, const char *path, const struct stat *st, int64_t born)
{
	if (e->used || e->at.inode != st->st_ino)
		return false;
	if (e->at.born_ns && born)
		return e->at.born_ns == born;
	return strcmp(e->path, path) == 0 || t->conf->follow_inodes || (!t->begun && is_rotated_path(path, e->path));
}

static struct tail_entry *find_entry(struct tail *t, const char *path, const struct stat *st, int64_t born, bool *known)
{
	struct tail_entry *const *v, *other = NULL;
	size_t n = tail_pos_entries(t->pos, &v);
	*known = false;
	for (size_t i = n; i-- > 0;) {
		bool here = strcmp(v[i]->path, path) == 0;
		*known |= here && v[i]->at.inode; /* fluentd writes 0 before it has opened a file */
		if (!is_about(t, v[i], path, st, born))
			continue;
		if (here)
			return v[i];
		other = v[i];
	}
	if (!other)
		return NULL;
	struct tail_entry *e = tail_pos_add(t->pos, path, &other->at);
	if (e)
		tail_pos_drop(t->pos, other);
	return e;
}

static struct tail_entry *new_entry(struct tail *t, const char *path, const struct stat *st, int64_t born, bool known)
{
	bool head = t->conf->read_from_head || t->begun || known;
	struct tail_place at = {.inode = st->st_ino,
		.born_ns = born,
		.generation = tail_new_generation(),
		.pos = head ? 0 : (uint64_t)st->st_size};
	return tail_pos_add(t->pos, path, &at);
}

/* What the entry says of a file that weir begins to follow. */
static void take_up(struct tail *t, struct tail_file *f, const struct stat *st, int64_t born)
{
	struct tail_place *at = &f->entry->at;
	uint64_t size = (uint64_t)st->st_size;
	at->born_ns = born;
	if (at->pos > size || at->end > size || (at->end && at->end <= at->pos)) {
		counter_add(t->truncated, 1);
		log_info(t->source->id, "the file was truncated: it is read from its head", LOG_S("path", f->path),
			LOG_U("position", at->pos), LOG_U("size", size));
		tail_restart(f);
	} else {
		if (!at->generation)
			at->generation = tail_new_generation();
		tail_pos_put(t->pos, f->entry);
	}
}

/* ---- new files ---------------------------------------------------------------------------------------------------------------- */

static void cannot_open(struct tail *t, const char *path, int error)
{
	uint64_t held;
	bool again = t->conf->ignore_repeated_permission_error;
	if (error != ENOENT && log_allowed(&t->log_denied, again ? INT64_MAX / 2 : LOG_EVERY_NS, &held))
		log_warn(t->source->id, "a file is unreadable: it is excluded and would be examined next time",
			LOG_S("path", path), LOG_S("error", strerror(error)), LOG_U("held_back", held));
}

/* Opens a regular file; -1: there is none to read. */
static int open_file(struct tail *t, const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		cannot_open(t, path, errno);
	if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void follow(struct tail *t, const char *path)
{
	struct stat st;
	bool known;
	int fd = open_file(t, path, &st);
	if (fd < 0)
		return;
	int64_t born = born_at(fd);
	struct tail_entry *e = find_entry(t, path, &st, born, &known);
	if (!e)
		e = new_entry(t, path, &st, born, known);
	if (!e) {
		cannot_open(t, path, EINVAL);
		close(fd);
		return;
	}
	struct tail_file *f = add_file(t, path, fd, &st, e);
	f->found = true;
	take_up(t, f, &st, born);
	tail_tell(f);
	log_info(t->source->id, "following tail of a file", LOG_S("path", path), LOG_U("position", e->at.pos));
	tail_ready(f);
}

/* ---- files that were rotated while weir was down ------------------------------------------------------------------------------------- */

/* The file of that inode in the folder of `path`. For mem_free; NULL: there is none. */
static char *find_rotated(const char *path, uint64_t inode)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup("./");
	char *found = NULL;
	DIR *d = opendir(folder);
	const struct dirent *e;
	while (d && !found && (e = readdir(d)) != NULL)
		if (e->d_ino == inode && is_rotated_name(e->d_name, slash ? slash + 1 : path))
			found = mem_printf("%s%s", folder, e->d_name);
	if (d)
		closedir(d);
	mem_free(folder);
	return found;
}

/* Reads the rest of it. False: this is not it. */
static bool follow_rest(struct tail *t, struct tail_entry *e, const char *now)
{
	struct stat st;
	int fd = open_file(t, now, &st);
	if (fd < 0)
		return false;
	int64_t born = born_at(fd);
	if (st.st_ino != e->at.inode || (uint64_t)st.st_size < e->at.pos || find_open(t, &st) ||
		(e->at.born_ns && born && e->at.born_ns != born)) {
		close(fd);
		return false;
	}
	log_info(t->source->id, "a file was rotated while weir was down: the rest of it is read",
		LOG_S("path", e->path), LOG_S("now", now), LOG_U("position", e->at.pos), LOG_I("size", st.st_size));
	struct tail_file *f = add_file(t, e->path, fd, &st, e);
	take_up(t, f, &st, born);
	f->leaving = true;
	f->leave_ns = clock_mono_ns();
	tail_ready(f);
	return true;
}

/* Entries that no file was found for: the file has another name now, or is gone. */
static void take_orphans(struct tail *t)
{
	struct tail_entry *const *v;
	struct stat st;
	for (size_t i = tail_pos_entries(t->pos, &v); i-- > 0; tail_pos_entries(t->pos, &v)) {
		struct tail_entry *e = v[i];
		if (e->used || (stat(e->path, &st) == 0 && st.st_ino == e->at.inode))
			continue;
		char *now = find_rotated(e->path, e->at.inode);
		if (!now || !follow_rest(t, e, now)) {
			log_info(t->source->id, "a file of the pos_file is gone", LOG_S("path", e->path),
				LOG_U("inode", e->at.inode), LOG_U("position", e->at.pos));
			tail_pos_drop(t->pos, e);
		}
		mem_free(now);
	}
}

/* ---- refresh --------------------------------------------------------------------------------------------------------------------------- */

static void take_target(struct tail *t, const struct map *by_path, const char *path)
{
	struct stat st;
	struct tail_file *f = map_get(by_path, span_str(path));
	if (stat(path, &st) < 0) {
		cannot_open(t, path, errno);
		return;
	}
	if (f && is_same(f, &st)) {
		f->found = true;
		return;
	}
	f = find_open(t, &st);
	if (f && (f->leaving || !is_at(f, f->path)))
		take_name(t, f, path);
	else
		follow(t, path);
}

static void watch_folders(struct tail *t, char *const *targets)
{
	struct buf folder;
	if (!t->watch)
		return;
	for (char *const *p = targets; p && *p; p++) {
		const char *slash = strrchr(*p, '/');
		char *path = slash ? mem_strndup(*p, (size_t)(slash - *p) + 1) : mem_strdup("./");
		tail_watch_folder(t->watch, path);
		mem_free(path);
	}
	for (char *const *p = t->paths; *p; p++) {
		buf_init(&folder, 1u << 16);
		tail_glob_folder(*p, &folder);
		if (!strchr(buf_cstr(&folder), '%'))
			tail_watch_folder(t->watch, buf_cstr(&folder));
		buf_free(&folder);
	}
}

static struct map *map_paths(struct tail *t)
{
	struct map *by_path = map_new();
	for (struct tail_file *f = t->files; f; f = f->next) {
		void **place = f->leaving ? NULL : map_put(by_path, span_str(f->path));
		f->found = false;
		if (place)
			*place = f;
	}
	return by_path;
}

void tail_refresh(struct tail *t)
{
	char **targets = tail_glob_expand(&t->glob, clock_wall_ns());
	struct map *by_path = map_paths(t);
	t->refreshed_ns = clock_mono_ns();
	t->refresh_ns = t->refreshed_ns + t->conf->refresh_ns;
	/* Before it is looked which files there are: what comes after it is told. */
	watch_folders(t, targets);
	for (char **p = targets; p && *p; p++)
		take_target(t, by_path, *p);
	for (struct tail_file *f = t->files; f; f = f->next)
		if (!f->found && !f->leaving)
			leave(t, f);
	if (!t->begun)
		take_orphans(t);
	t->begun = true;
	count_files(t);
	map_free(by_path, NULL);
	tail_glob_free(targets);
}

void tail_refresh_soon(struct tail *t)
{
	int64_t wait = t->refreshed_ns + SOON_GAP_NS - clock_mono_ns();
	struct timeval tv = {0};
	if (t->stopping || !t->begun || event_pending(t->refresh, EV_TIMEOUT, NULL))
		return;
	if (wait < SOON_NS)
		wait = SOON_NS;
	tv.tv_sec = wait / NS_PER_S;
	tv.tv_usec = wait % NS_PER_S / 1000;
	event_add(t->refresh, &tv);
}

/* ---- once a second ------------------------------------------------------------------------------------------------------------------------ */

static bool is_read_to_end(const struct tail_file *f)
{
	struct stat st;
	return !f->in_flight && !f->entry->at.end && !f->skipped && fstat(f->fd, &st) == 0 &&
	       (uint64_t)st.st_size == f->entry->at.pos;
}

static void look_at(struct tail *t, struct tail_file *f, int64_t now, bool timer)
{
	if (timer && !f->leaving && !is_at(f, f->path))
		tail_refresh_soon(t);
	if (f->leaving && !f->last && now >= f->leave_ns)
		f->last = true;
	if (t->conf->multiline_flush_ns != CONF_NIL_INT && t->multiline && f->looked_at != UINT64_MAX &&
		f->looked_at > f->entry->at.pos && now - f->came_ns >= t->conf->multiline_flush_ns)
		f->flush = true;
	if (timer || f->last || f->flush || f->retry_ns || t->conf->read_bytes_limit > 0)
		tail_ready(f);
	f->retry_ns = now >= f->retry_ns ? 0 : f->retry_ns;
}

void tail_look_around(struct tail *t)
{
	int64_t now = clock_mono_ns();
	bool timer = t->conf->enable_watch_timer || !t->watched;
	if (now >= t->refresh_ns)
		tail_refresh(t);
	for (struct tail_file *f = t->files, *next; f; f = next) {
		next = f->next;
		if (f->last && !f->ready && is_read_to_end(f))
			close_file(t, f);
		else
			look_at(t, f, now, timer);
	}
	if (t->compact_ns && now >= t->compact_ns) {
		t->compact_ns = now + t->conf->pos_file_compaction_ns;
		take_orphans(t);
		tail_pos_compact(t->pos);
	}
}
