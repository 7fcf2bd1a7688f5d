#include "router.h"

#include "base/mem.h"
#include "plugin.h"
#include "record/tag_match.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <sys/random.h>

#define CACHE_SLOTS 16384u /* a power of two */
#define CACHE_MAX   8192u  /* routes kept; then the cache starts anew: tags come from the net */

struct rule {
	struct rule *next;
	struct tag_match *pattern;
	struct filter *filter; /* or */
	struct output *output;
};

struct router {
	char *label;
	struct rule *first, **last;
};

struct cached {
	struct cached *next;
	const struct router *router;
	struct route route;
	size_t tag_len;
	uint8_t tag[];
};

struct route_cache {
	uint64_t seed;
	unsigned used;
	struct cached *hot; /* the last one found: senders repeat their tag */
	struct cached *slots[CACHE_SLOTS];
};

struct router *router_new(const char *label)
{
	struct router *r = mem_zalloc(sizeof *r);
	r->label = label ? mem_strdup(label) : NULL;
	r->last = &r->first;
	return r;
}

void router_free(struct router *r)
{
	if (!r)
		return;
	for (struct rule *rule = r->first, *next; rule; rule = next) {
		next = rule->next;
		tag_match_free(rule->pattern);
		mem_free(rule);
	}
	mem_free(r->label);
	mem_free(r);
}

const char *router_label(const struct router *r)
{
	return r->label;
}

static bool add(struct router *r, const char *pattern, struct filter *f, struct output *o, struct err *err)
{
	struct tag_match *m = tag_match_compile(pattern, err);
	if (!m)
		return false;
	struct rule *rule = mem_alloc(sizeof *rule);
	*rule = (struct rule){.pattern = m, .filter = f, .output = o};
	*r->last = rule;
	r->last = &rule->next;
	return true;
}

bool router_add_filter(struct router *r, const char *pattern, struct filter *f, struct err *err)
{
	return add(r, pattern, f, NULL, err);
}

bool router_add_match(struct router *r, const char *pattern, struct output *o, struct err *err)
{
	return add(r, pattern, NULL, o, err);
}

/* fluentd's rule: filters count only where they stand before the first <match> that fits. */
static void resolve(const struct router *r, struct span tag, struct route *route)
{
	struct filter **filters = NULL;
	unsigned n = 0;
	struct output *output = NULL;
	for (const struct rule *rule = r->first; rule && !output; rule = rule->next) {
		if (!tag_match(rule->pattern, tag))
			continue;
		if (rule->output) {
			output = rule->output;
		} else {
			filters = mem_realloc(filters, (n + 1) * sizeof *filters);
			filters[n++] = rule->filter;
		}
	}
	*route = (struct route){.output = output, .filters = filters, .filter_count = n};
}

/* ---- the cache ---------------------------------------------------------------------------------------------- */

struct route_cache *route_cache_new(void)
{
	struct route_cache *c = mem_zalloc(sizeof *c);
	if (getrandom(&c->seed, sizeof c->seed, 0) != sizeof c->seed)
		c->seed = (uint64_t)(uintptr_t)c; /* hash flooding is then a little easier, nothing else */
	return c;
}

static void forget_all(struct route_cache *c)
{
	for (unsigned i = 0; i < CACHE_SLOTS; i++) {
		for (struct cached *e = c->slots[i], *next; e; e = next) {
			next = e->next;
			mem_free(e->route.filters);
			mem_free(e);
		}
		c->slots[i] = NULL;
	}
	c->used = 0;
	c->hot = NULL;
}

void route_cache_free(struct route_cache *c)
{
	if (!c)
		return;
	forget_all(c);
	mem_free(c);
}

void route_cache_forget(struct route_cache *c)
{
	forget_all(c);
}

void route_cache_trim(struct route_cache *c)
{
	if (c->used > CACHE_MAX)
		forget_all(c);
}

static bool is_it(const struct cached *e, const struct router *r, struct span tag)
{
	return e->router == r && e->tag_len == tag.n && memcmp(e->tag, tag.p, tag.n) == 0;
}

const struct route *router_find(const struct router *r, struct route_cache *c, struct span tag)
{
	if (c->hot && is_it(c->hot, r, tag))
		return &c->hot->route;
	unsigned at = (unsigned)XXH3_64bits_withSeed(tag.p, tag.n, c->seed ^ (uint64_t)(uintptr_t)r) &
		      (CACHE_SLOTS - 1);
	for (struct cached *e = c->slots[at]; e; e = e->next) {
		if (is_it(e, r, tag)) {
			c->hot = e;
			return &e->route;
		}
	}
	struct cached *e = mem_alloc(sizeof *e + tag.n);
	*e = (struct cached){.next = c->slots[at], .router = r, .tag_len = tag.n};
	if (tag.n)
		memcpy(e->tag, tag.p, tag.n);
	resolve(r, tag, &e->route);
	c->slots[at] = e;
	c->used++;
	c->hot = e;
	return &e->route;
}
