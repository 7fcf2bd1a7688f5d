/*
 * listener.h: listening sockets, in the main thread. A new connection goes to the worker that serves the fewest; accepting in one place spreads even two
 * connections over two workers, and lets a reload keep the socket. When descriptors run out, the listener pauses instead of spinning.
 */
#ifndef WEIR_LISTENER_H
#define WEIR_LISTENER_H

#include "peer.h"
#include "worker.h"

struct listener;

struct listener_hooks {
	/* In the main thread, before the connection is handed on: false refuses it (it is closed). */
	bool (*admit)(void *arg, const struct peer *peer);
	/* In the worker's thread: takes the descriptor (non-blocking). */
	void (*adopt)(void *arg, struct worker *w, int fd, const struct peer *peer);
	void *arg;
};

/* Takes the listening descriptor. `id` is the plugin's, for the log; it must outlive the listener. */
struct listener *listener_new(struct event_base *base, int fd, const char *id, struct worker **workers,
	unsigned worker_count, const struct listener_hooks *hooks);
/* Hands on who is in the backlog, then closes the socket: the kernel refuses new connections. NULL is allowed. */
void listener_free(struct listener *l);

#endif
