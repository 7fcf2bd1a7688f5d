#include "file_watch.h"

#include "base/mem.h"

#include <event2/event.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LOOK_S 2

struct file_watch {
	struct event *timer;
	void (*fn)(void *arg);
	void *arg;
	const struct conf_section *root;
	uint64_t known, seen; /* the files as they were when they were read; at the last look */
};

static bool names_a_file(const struct conf_pair *p)
{
	static const char *const parts[] = {"cert", "key_path", "client_key", "private_key", "ca_path", "ca_file"};
	if (p->value[0] != '/' || strstr(p->name, "passphrase"))
		return false;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strstr(p->name, parts[i]))
			return true;
	return false;
}

static uint64_t look_at(const char *path, uint64_t before)
{
	struct stat st;
	struct {
		uint64_t device, inode, size, sec, nsec;
	} now = {0};
	if (stat(path, &st) == 0) {
		now.device = (uint64_t)st.st_dev;
		now.inode = (uint64_t)st.st_ino;
		now.size = (uint64_t)st.st_size;
		now.sec = (uint64_t)st.st_mtim.tv_sec;
		now.nsec = (uint64_t)st.st_mtim.tv_nsec;
	}
	return XXH3_64bits_withSeed(&now, sizeof now, before);
}

/* All files that the sections name, as one number. */
static uint64_t look(const struct conf_section *root)
{
	uint64_t sum = 0;
	for (const struct conf_section *s = root; s;) {
		for (const struct conf_pair *p = s->pairs; p; p = p->next)
			if (names_a_file(p))
				sum = look_at(p->value, sum);
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

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct file_watch *w = arg;
	(void)fd;
	(void)events;
	uint64_t now = look(w->root);
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

void file_watch_set(struct file_watch *w, const struct conf_section *root)
{
	w->root = root;
	w->known = w->seen = look(root);
}
