#include "tail_watch.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define FILE_EVENTS   (IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)
#define FOLDER_EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)
#define EVENTS_SIZE   (64u << 10)

/* One file; of an inode that has two names there are two. */
struct watched {
	struct watched *next; /* of the same inode */
	int wd;
	void *file;
};

struct tail_watch {
	struct tail_watch_hooks hooks;
	int fd;
	struct event *event;
	struct map *by_wd;   /* to the first struct watched */
	struct map *by_file; /* to its struct watched; the key is the pointer */
	struct map *folders; /* by path; the value is its wd + 1 */
	bool told;
};

/* ---- what the system tells ----------------------------------------------------------------------------------------------- */

static void folder_is_gone(struct tail_watch *w, int wd)
{
	struct map_iter i = {0};
	while (map_next(w->folders, &i)) {
		if ((intptr_t)i.value != wd + 1)
			continue;
		char *path = mem_strndup(i.key.p, i.key.n);
		map_remove(w->folders, span_str(path));
		mem_free(path);
		return;
	}
}

static void take_event(struct tail_watch *w, const struct inotify_event *e)
{
	struct watched *x = map_get(w->by_wd, span_of(&e->wd, sizeof e->wd));
	if (e->mask & IN_IGNORED && !x)
		folder_is_gone(w, e->wd);
	if (!x) {
		w->hooks.folder(w->hooks.arg);
		return;
	}
	for (struct watched *next; x; x = next) {
		next = x->next;
		w->hooks.changed(w->hooks.arg, x->file, (e->mask & ~(uint32_t)IN_MODIFY) != 0);
	}
}

static void on_events(evutil_socket_t fd, short events, void *arg)
{
	struct tail_watch *w = arg;
	static _Thread_local _Alignas(struct inotify_event) uint8_t bytes[EVENTS_SIZE];
	ssize_t n = read(fd, bytes, sizeof bytes);
	(void)events;
	for (ssize_t at = 0; at < n;) {
		struct inotify_event e;
		memcpy(&e, bytes + at, sizeof e);
		at += (ssize_t)sizeof e + (ssize_t)e.len;
		take_event(w, &e);
	}
}

/* ---- what is watched ----------------------------------------------------------------------------------------------------------- */

static bool complain(struct tail_watch *w, int error)
{
	if (!w->told)
		log_warn(w->hooks.id,
			"changes of files cannot be watched (inotify): all are looked at once a second instead; raise "
			"fs.inotify.max_user_watches or max_user_instances",
			LOG_S("error", strerror(error)));
	w->told = true;
	return false;
}

bool tail_watch_file(struct tail_watch *w, int fd, void *file)
{
	char path[64];
	/* By the descriptor: the name may be another file's already. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int wd = inotify_add_watch(w->fd, path, FILE_EVENTS);
	if (wd < 0)
		return complain(w, errno);
	struct watched *x = mem_alloc(sizeof *x);
	void **first = map_put(w->by_wd, span_of(&wd, sizeof wd));
	void **own = first ? map_put(w->by_file, span_of(&file, sizeof file)) : NULL;
	if (!own) {
		mem_free(x);
		return complain(w, ENOMEM);
	}
	*x = (struct watched){.next = *first, .wd = wd, .file = file};
	*first = x;
	*own = x;
	return true;
}

void tail_watch_forget(struct tail_watch *w, void *file)
{
	struct watched *x = map_remove(w->by_file, span_of(&file, sizeof file));
	if (!x)
		return;
	struct watched *first = map_get(w->by_wd, span_of(&x->wd, sizeof x->wd));
	struct watched **p = &first;
	while (*p != x)
		p = &(*p)->next;
	*p = x->next;
	map_remove(w->by_wd, span_of(&x->wd, sizeof x->wd));
	void **place = first ? map_put(w->by_wd, span_of(&x->wd, sizeof x->wd)) : NULL;
	if (place)
		*place = first;
	else
		inotify_rm_watch(w->fd, x->wd);
	mem_free(x);
}

void tail_watch_folder(struct tail_watch *w, const char *path)
{
	if (map_get(w->folders, span_str(path)))
		return;
	int wd = inotify_add_watch(w->fd, path, FOLDER_EVENTS);
	if (wd < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			complain(w, errno);
		return;
	}
	void **place = map_put(w->folders, span_str(path));
	if (place)
		*place = (void *)(intptr_t)(wd + 1);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

struct tail_watch *tail_watch_new(struct worker *worker, const struct tail_watch_hooks *hooks)
{
	struct tail_watch *w = mem_zalloc(sizeof *w);
	w->hooks = *hooks;
	w->by_wd = map_new();
	w->by_file = map_new();
	w->folders = map_new();
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		complain(w, errno);
	else
		w->event = event_new(worker_base(worker), w->fd, EV_READ | EV_PERSIST, on_events, w);
	if (w->event && event_add(w->event, NULL) == 0)
		return w;
	tail_watch_free(w);
	return NULL;
}

void tail_watch_free(struct tail_watch *w)
{
	if (!w)
		return;
	if (w->event)
		event_free(w->event);
	if (w->fd >= 0)
		close(w->fd);
	map_free(w->by_wd, NULL);
	map_free(w->by_file, mem_free);
	map_free(w->folders, NULL);
	mem_free(w);
}
