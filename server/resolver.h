/*
 * resolver.h: names of peers (reverse DNS) for workers, which never wait: a thread of its own asks the system, and remembers answers for a minute.
 */
#ifndef WEIR_RESOLVER_H
#define WEIR_RESOLVER_H

#include "peer.h"
#include "worker.h"

struct resolving;

/* Calls done(arg, name) in the worker's thread, later; the address as text if it has no name. */
struct resolving *resolve_peer(
	struct worker *w, const struct peer *peer, void (*done)(void *arg, const char *name), void *arg);
/* In the worker's thread, before done: it will not be called. */
void resolve_cancel(struct resolving *r);

#endif
