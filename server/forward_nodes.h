/*
 * forward_nodes.h: the servers of a forward output: which one is next. By weight among those that are thought alive; standby ones take over the weight of
 * those that are not. A server that failed rests for recover_wait; then one flush thread tries it. Any thread.
 */
#ifndef WEIR_FORWARD_NODES_H
#define WEIR_FORWARD_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct forward_node {
	const char *name, *host;
	unsigned port;
	const char *shared_key, *username, *password;
	bool standby;
	unsigned weight;
};

struct forward_nodes;
struct forward_nodes *forward_nodes_new(
	const struct forward_node *v, size_t n, int64_t recover_wait_ns); /* v must live */
void forward_nodes_free(struct forward_nodes *s);
const struct forward_node *forward_nodes_at(const struct forward_nodes *s, size_t i);

/*
 * The next server for which tried[i] is false; false if there is none left. Those that rest come last, so that events are not kept back where a server has
 * come back early. now_ns: monotonic.
 */
bool forward_nodes_pick(struct forward_nodes *s, const bool *tried, int64_t now_ns, size_t *index);

/* What came of it. True if that is news. */
bool forward_nodes_worked(struct forward_nodes *s, size_t i);
bool forward_nodes_failed(struct forward_nodes *s, size_t i, int64_t now_ns);

#endif
