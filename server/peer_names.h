/*
 * peer_names.h: the names of a worker's peers that send datagrams: a text cannot wait in its socket while its sender's name is looked up, as a connection's can.
 * The worker's thread only.
 */
#ifndef WEIR_PEER_NAMES_H
#define WEIR_PEER_NAMES_H

#include "peer.h"
#include "worker.h"

struct peer_names;

/* `known` is called after each look-up. */
struct peer_names *peer_names_new(struct worker *w, void (*known)(void *arg), void *arg);
void peer_names_free(struct peer_names *n); /* NULL is allowed */

/* The peer's name (its address as text, if it has none); NULL: it is being looked up. Good until the next call. */
const char *peer_names_get(struct peer_names *n, const struct peer *p);

#endif
