/*
 * router.h: from a tag to what happens to its events: filters in file order, then the first <match> that fits.
 *
 * A router is one label's rules (or the top level's). It is built at start and never changes; each worker keeps a cache of its
 * own, so a tag is matched once, however many directives there are.
 */
#ifndef WEIR_ROUTER_H
#define WEIR_ROUTER_H

#include "base/err.h"
#include "base/span.h"

#include <stdatomic.h>

struct filter;
struct output;
struct router;

/* What happens to one tag's events. */
struct route {
	struct output *output; /* NULL: no <match> fits */
	struct filter **filters;
	unsigned filter_count;
};

struct router *router_new(const char *label); /* NULL label: the top level */
void router_free(struct router *r);
const char *router_label(const struct router *r);

/* Rules in file order. The pattern is a <filter>'s or <match>'s argument. */
bool router_add_filter(struct router *r, const char *pattern, struct filter *f, struct err *err);
bool router_add_match(struct router *r, const char *pattern, struct output *o, struct err *err);

/* A worker's cache of routes. */
struct route_cache;
struct route_cache *route_cache_new(void);
void route_cache_free(struct route_cache *c);

/* Forgets everything if it has grown over its bound: tags come from the net. Called when nobody holds a route. */
void route_cache_trim(struct route_cache *c);

/* Forgets everything: the routers are others now. Called when nobody holds a route. */
void route_cache_forget(struct route_cache *c);

/* The route of a tag; good until route_cache_trim. */
const struct route *router_find(const struct router *r, struct route_cache *c, struct span tag);

#endif
