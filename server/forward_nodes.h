/*
 * forward_nodes.h: the servers of a forward output: which one is next. By weight among those that are thought alive; standby ones take over the weight of
 * those that are not. A server that failed rests for recover_wait; then it is found out beside the delivery whether it can be connected to, and only if it
 * can does one flush thread try it. Any thread.
 */
#ifndef WEIR_FORWARD_NODES_H
#define WEIR_FORWARD_NODES_H

#include "base/arena.h"

struct forward_node {
	const char *name, *host;
	unsigned port;
	const char *shared_key, *username, *password; /* shared_key: NULL = the output's */
	bool standby;
	unsigned weight;
};

/* Servers with all their strings. One owner. */
struct forward_list {
	struct arena arena;
	struct forward_node *v;
	size_t n;
};

void forward_list_init(struct forward_list *l);
void forward_list_free(struct forward_list *l);
/* Copies. False: there are too many. */
bool forward_list_add(struct forward_list *l, const struct forward_node *node);
/* Whether one of them is the same in everything. */
bool forward_list_has(const struct forward_list *l, const struct forward_node *node);

/* A list that stays as it is, and how its servers do. */
struct forward_nodes;

/* Copies. What is known of servers that `before` (NULL = none) has at the same address is taken over. The caller holds it. */
struct forward_nodes *forward_nodes_new(
	const struct forward_node *v, size_t n, int64_t recover_wait_ns, struct forward_nodes *before);
struct forward_nodes *forward_nodes_hold(struct forward_nodes *s); /* once more: returns s */
void forward_nodes_free(struct forward_nodes *s); /* when the last one that held it lets go; NULL is allowed */
const struct forward_list *forward_nodes_list(const struct forward_nodes *s);
const struct forward_node *forward_nodes_at(const struct forward_nodes *s, size_t i);

/*
 * The next server for which tried[i] is false; false if there is none left. Those that rest come last, so that events are not kept back where a server has
 * come back early. now_ns: monotonic.
 */
bool forward_nodes_pick(struct forward_nodes *s, const bool *tried, int64_t now_ns, size_t *index);

/*
 * A server whose rest is over, and of which nobody finds out yet: the caller does. False: there is none. forward_nodes_probe must follow, with a socket that is being
 * connected (it is taken over; -1 = there is none) and until when that may take.
 */
bool forward_nodes_due(struct forward_nodes *s, int64_t now_ns, size_t *index);
void forward_nodes_probe(struct forward_nodes *s, size_t i, int fd, int64_t now_ns, int64_t until_ns);

/*
 * What heartbeats tell: a server has answered, and if its rest is over it may be tried again; or nothing was heard of it since `since_ns` (no answer, no
 * delivery), and it rests. True if that is news.
 */
void forward_nodes_seen(struct forward_nodes *s, size_t i, int64_t now_ns);
bool forward_nodes_silent(struct forward_nodes *s, size_t i, int64_t now_ns, int64_t since_ns);

/* What came of it. True if that is news. */
bool forward_nodes_worked(struct forward_nodes *s, size_t i, int64_t now_ns);
bool forward_nodes_failed(struct forward_nodes *s, size_t i, int64_t now_ns);

#endif
