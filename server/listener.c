#include "listener.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <unistd.h>

#define ACCEPT_MAX 64 /* connections taken in one turn, so that the admin endpoints are served as well */

#define BACKLOG_MAX 65536 /* those that are let in at the end: more come only from a flood */

struct listener {
	int fd;
	const char *id;
	struct event *readable;
	struct event *resume;
	struct worker **workers;
	unsigned worker_count, turn;
	struct listener_hooks hooks;
	struct log_limit limit;
};

struct handover {
	struct mail mail;
	struct worker *worker;
	struct listener_hooks hooks;
	int fd;
	struct peer peer;
};

static void deliver_handover(struct mail *m)
{
	struct handover *h = (struct handover *)m;
	h->hooks.adopt(h->hooks.arg, h->worker, h->fd, &h->peer);
	mem_free(h);
}

/* Among workers of equal load, in turn. */
static struct worker *least_loaded(struct listener *l)
{
	struct worker *best = NULL;
	unsigned least = 0;
	for (unsigned i = 0; i < l->worker_count; i++) {
		struct worker *w = l->workers[(l->turn + i) % l->worker_count];
		unsigned load = atomic_load_explicit(worker_load(w), memory_order_relaxed);
		if (!best || load < least) {
			best = w;
			least = load;
		}
	}
	l->turn++;
	return best;
}

/* EMFILE and the like: the connection stays in the backlog, and asking again at once would only burn the CPU. */
static void pause_listener(struct listener *l, int error)
{
	uint64_t held;
	struct timeval wait = {.tv_usec = 200000};
	event_del(l->readable);
	event_add(l->resume, &wait);
	if (log_allowed(&l->limit, 10 * NS_PER_S, &held))
		log_error(l->id,
			"no new connection can be taken: those that are there are served, others wait; raise "
			"LimitNOFILE "
			"(ulimit -n) or set max_connections",
			LOG_S("error", error == EMFILE || error == ENFILE ? "no file descriptor is left"
									  : "the system has no memory for it"),
			LOG_U("held_back", held));
}

static void on_resume(evutil_socket_t fd, short events, void *arg)
{
	struct listener *l = arg;
	(void)fd;
	(void)events;
	event_add(l->readable, NULL);
}

static void hand_over(struct listener *l, struct handover *h)
{
	peer_name(&h->peer);
	if (!l->hooks.admit(l->hooks.arg, &h->peer)) {
		close(h->fd);
		mem_free(h);
		return;
	}
	h->mail.deliver = deliver_handover;
	h->hooks = l->hooks;
	h->worker = least_loaded(l);
	atomic_fetch_add(worker_load(h->worker), 1);
	worker_post(h->worker, &h->mail);
}

/* Takes one connection. 0, or accept(2)'s errno. */
static int accept_one(struct listener *l)
{
	struct handover *h = mem_zalloc(sizeof *h);
	h->peer.len = sizeof h->peer.un;
	h->fd = accept4(l->fd, &h->peer.sa, &h->peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (h->fd < 0) {
		int error = errno;
		mem_free(h);
		return error == ECONNABORTED || error == EINTR ? 0 : error;
	}
	hand_over(l, h);
	return 0;
}

static void on_accept(evutil_socket_t fd, short events, void *arg)
{
	struct listener *l = arg;
	int error = 0;
	(void)fd;
	(void)events;
	for (int i = 0; i < ACCEPT_MAX && !error; i++)
		error = accept_one(l);
	if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)
		pause_listener(l, error);
}

struct listener *listener_new(struct event_base *base, int fd, const char *id, struct worker **workers,
	unsigned worker_count, const struct listener_hooks *hooks)
{
	struct listener *l = mem_zalloc(sizeof *l);
	*l = (struct listener){.fd = fd, .id = id, .workers = workers, .worker_count = worker_count, .hooks = *hooks};
	l->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_accept, l);
	l->resume = event_new(base, -1, 0, on_resume, l);
	if (!l->readable || !l->resume || event_add(l->readable, NULL) < 0) {
		listener_free(l);
		return NULL;
	}
	return l;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	if (l->readable)
		event_free(l->readable);
	if (l->resume)
		event_free(l->resume);
	/* Whoever is in the backlog believes to be connected, and close() would reset them: they are let in, to be seen off like the others. */
	for (int i = 0; i < BACKLOG_MAX && accept_one(l) == 0; i++)
		;
	close(l->fd);
	mem_free(l);
}
