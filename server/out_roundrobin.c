/* out_roundrobin.c: <match> @type roundrobin: each batch goes to one of the stores, by weight. */
#include "base/mem.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stddef.h>

struct store_conf {
	struct conf_common common;
	int64_t weight;
};

struct roundrobin_conf {
	struct conf_common common;
	struct conf_list stores;
};

static const struct conf_param store_params[] = {
	{.name = "weight",
		.type = CONF_INT,
		.offset = offsetof(struct store_conf, weight),
		.value = "1",
		.min = 1,
		.max = 1000000,
		.help = "How much this store gets, in relation to the others."},
	{.name = NULL},
};

static const struct conf_schema store_schema = {
	.name = "store",
	.title = "store of the roundrobin output",
	.size = sizeof(struct store_conf),
	.params = store_params,
	.free_keys = true,
	.free_sections = true,
	.help = "An output: `@type` and its parameters, and its `weight`.",
};

static const struct conf_sub subs[] = {
	{.schema = &store_schema, .offset = offsetof(struct roundrobin_conf, stores), .required = true, .multi = true},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "match",
	.title = "roundrobin output",
	.size = sizeof(struct roundrobin_conf),
	.subs = subs,
	.help = "Gives each batch of events to one of its `<store>` sections. Which one follows from what the batch "
		"is, so "
		"that a sender's repetition goes where the first copy went.",
};

struct roundrobin {
	struct output **stores;
	uint64_t *until; /* of weights: the store's share ends before it */
	size_t n;
};

static void *create(struct output *o, struct builder *b)
{
	const struct roundrobin_conf *c = o->conf;
	struct roundrobin *r = mem_zalloc(sizeof *r);
	uint64_t total = 0;
	r->stores = mem_array(c->stores.n, sizeof *r->stores);
	r->until = mem_array(c->stores.n, sizeof *r->until);
	for (size_t i = 0; i < c->stores.n; i++) {
		const struct store_conf *store = c->stores.v[i];
		struct output *made = builder_store(b, store->common.section, "weight");
		if (!made)
			continue;
		total += (uint64_t)store->weight;
		r->until[r->n] = total;
		r->stores[r->n++] = made;
	}
	return r;
}

static void destroy(void *self)
{
	struct roundrobin *r = self;
	if (!r)
		return;
	mem_free(r->stores);
	mem_free(r->until);
	mem_free(r);
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	const struct roundrobin *r = o->self;
	uint64_t at = XXH3_64bits(b->key, FRAME_KEY_LEN) % r->until[r->n - 1];
	size_t i = 0;
	while (at >= r->until[i])
		i++;
	ingest_emit(in, r->stores[i], b);
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_roundrobin = {
	.kind = PLUGIN_OUTPUT,
	.name = "roundrobin",
	.help = "Spreads events over several outputs.",
	.schema = &schema,
	.output = &ops,
};
