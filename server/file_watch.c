#include "file_watch.h"

#include "base/mem.h"

#include <event2/event.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LOOK_S 2

struct file_watch {
	struct event *timer;
	void (*fn)(void *arg);
	void *arg;
	const struct conf_tree *tree;
	uint64_t known, seen; /* the files as they were when they were read; at the last look */
};

static bool names_a_file(const struct conf_pair *p)
{
	static const char *const parts[] = {
		"cert", "key_path", "client_key", "private_key", "ca_path", "ca_file", "geoip2_database"};
	if (strstr(p->name, "passphrase"))
		return false;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strstr(p->name, parts[i]))
			return true;
	return false;
}

static uint64_t mix(const struct stat *st, uint64_t before)
{
	const uint64_t now[] = {(uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec};
	return XXH3_64bits_withSeed(now, sizeof now, before);
}

static uint64_t look_at(const char *path, uint64_t before)
{
	struct stat st;
	if (stat(path, &st) < 0)
		st = (struct stat){0};
	return mix(&st, before);
}

/* One path, or several: /a,/b or ["/a","/b"]. */
static uint64_t look_at_value(const char *value, uint64_t sum)
{
	static const char between[] = "[]\", ";
	for (const char *p = value + strspn(value, between); *p;) {
		size_t n = strcspn(p, between);
		char path[PATH_MAX];
		if (*p == '/' && n < sizeof path) {
			memcpy(path, p, n);
			path[n] = 0;
			sum = look_at(path, sum);
		}
		p += n;
		p += strspn(p, between);
	}
	return sum;
}

static uint64_t look_at_named(const struct conf_section *root)
{
	uint64_t sum = 0;
	for (const struct conf_section *s = root; s;) {
		for (const struct conf_pair *p = s->pairs; p; p = p->next)
			if (names_a_file(p))
				sum = look_at_value(p->value, sum);
		if (s->sections) {
			s = s->sections;
			continue;
		}
		while (s != root && !s->next)
			s = s->parent;
		s = s == root ? NULL : s->next;
	}
	return sum;
}

/* All files as one number: as they are, or with `as_read` as those were that have been read. */
static uint64_t look(const struct conf_tree *tree, bool as_read)
{
	uint64_t sum = look_at_named(conf_tree_root(tree));
	for (const struct conf_file *f = conf_tree_files(tree); f; f = f->next)
		sum = as_read ? mix(&f->st, sum) : look_at(f->path, sum);
	return sum;
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct file_watch *w = arg;
	(void)fd;
	(void)events;
	uint64_t now = look(w->tree, false);
	bool still = now == w->seen;
	w->seen = now;
	if (now == w->known || !still)
		return;
	w->known = now;
	w->fn(w->arg);
}

struct file_watch *file_watch_new(struct event_base *base, void (*fn)(void *arg), void *arg)
{
	struct file_watch *w = mem_zalloc(sizeof *w);
	struct timeval interval = {.tv_sec = LOOK_S};
	w->fn = fn;
	w->arg = arg;
	w->timer = event_new(base, -1, EV_PERSIST, on_timer, w);
	if (w->timer && event_add(w->timer, &interval) == 0)
		return w;
	file_watch_free(w);
	return NULL;
}

void file_watch_free(struct file_watch *w)
{
	if (!w)
		return;
	if (w->timer)
		event_free(w->timer);
	mem_free(w);
}

void file_watch_set(struct file_watch *w, const struct conf_tree *tree)
{
	w->tree = tree;
	w->known = w->seen = look(tree, true);
}
