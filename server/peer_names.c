#include "peer_names.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "resolver.h"

#include <stdio.h>

#define REMEMBER_NS (60 * NS_PER_S)
#define NAMES_MAX   4096u /* peers; when there are more, all are forgotten: addresses of datagrams are easily made up */

struct peer_name {
	struct peer_names *names;
	struct peer_name *next; /* of those that are being looked up */
	struct resolving *resolving;
	int64_t until_ns;
	bool forgotten; /* not in the map any more: freed when the look-up ends */
	char name[256]; /* "" = not known yet */
};

struct peer_names {
	struct worker *worker;
	struct map *map; /* address -> struct peer_name */
	struct peer_name *first;
	void (*known)(void *arg);
	void *arg;
};

struct peer_names *peer_names_new(struct worker *w, void (*known)(void *arg), void *arg)
{
	struct peer_names *n = mem_alloc(sizeof *n);
	*n = (struct peer_names){.worker = w, .map = map_new(), .known = known, .arg = arg};
	return n;
}

/* Those that are being looked up live on without a place in the map. */
static void forget(void *value)
{
	struct peer_name *p = value;
	if (p->resolving)
		p->forgotten = true;
	else
		mem_free(p);
}

void peer_names_free(struct peer_names *n)
{
	if (!n)
		return;
	map_free(n->map, forget);
	while (n->first) {
		struct peer_name *p = n->first;
		n->first = p->next;
		resolve_cancel(p->resolving);
		mem_free(p);
	}
	mem_free(n);
}

static void on_resolved(void *arg, const char *name)
{
	struct peer_name *p = arg, **link;
	struct peer_names *n = p->names;
	for (link = &n->first; *link != p; link = &(*link)->next)
		;
	*link = p->next;
	p->resolving = NULL;
	if (p->forgotten) {
		mem_free(p);
	} else {
		snprintf(p->name, sizeof p->name, "%s", name);
		p->until_ns = clock_mono_ns() + REMEMBER_NS;
	}
	n->known(n->arg);
}

const char *peer_names_get(struct peer_names *n, const struct peer *peer)
{
	struct span key = span_str(peer->ip);
	struct peer_name *p = map_get(n->map, key);
	if (p && (p->resolving || clock_mono_ns() < p->until_ns))
		return *p->name ? p->name : NULL;
	if (!p) {
		if (map_count(n->map) >= NAMES_MAX) {
			map_free(n->map, forget);
			n->map = map_new();
		}
		void **place = map_put(n->map, key);
		if (!place)
			return peer->ip;
		*place = p = mem_zalloc(sizeof *p);
		p->names = n;
	}
	/* A name that is out of date serves until the new one is here. */
	p->resolving = resolve_peer(n->worker, peer, on_resolved, p);
	p->next = n->first;
	n->first = p;
	return *p->name ? p->name : NULL;
}
