/* filter_flatten_hash.c: <filter> @type flatten_hash: {"a":{"b":1}} becomes {"a.b":1}. */
#include "base/mem.h"
#include "elastic/record_edit.h"
#include "filter_walk.h"

#include <stddef.h>

struct flatten_conf {
	struct conf_common common;
	char *separator;
	bool flatten_array;
};

#define AT(field) .offset = offsetof(struct flatten_conf, field)

static const struct conf_param params[] = {
	{.name = "separator", .type = CONF_STRING, AT(separator), .value = ".", .help = "Stands between the names."},
	{.name = "flatten_array",
		.type = CONF_BOOL,
		AT(flatten_array),
		.value = "true",
		.help = "Elements of arrays become fields as well, named by their numbers from 0; false: arrays stay."},
	{.name = NULL},
};

static const struct conf_schema schema = {
	.name = "filter",
	.title = "flatten_hash filter",
	.size = sizeof(struct flatten_conf),
	.params = params,
	.help = "Makes one level of nested maps and arrays. Empty ones vanish; of two fields that get one name the "
		"later "
		"counts.",
};

struct flatten {
	const struct flatten_conf *conf;
	struct filter_pool pool;
};

static void destroy(void *self)
{
	struct flatten *t = self;
	if (!t)
		return;
	filter_pool_destroy(&t->pool, filter_scratch_free);
	mem_free(t);
}

static void *create(struct filter *f, struct builder *b)
{
	struct flatten *t = mem_zalloc(sizeof *t);
	(void)b;
	t->conf = f->conf;
	filter_pool_init(&t->pool);
	return t;
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	struct flatten *t = f->self;
	struct filter_scratch *scratch = filter_scratch_take(&t->pool);
	struct filter_walk w;
	filter_walk_begin(&w, f, in, b, out);
	while (filter_walk_next(&w)) {
		buf_clear(&scratch->buf);
		if (record_edit_flatten(w.record, span_str(t->conf->separator), t->conf->flatten_array, &scratch->buf))
			filter_walk_put_raw(&w, buf_span(&scratch->buf));
		else
			filter_walk_fail(&w, "filter_limit", "the flat record would be larger than 64 MiB");
	}
	filter_pool_give(&t->pool, &scratch->room);
	return w.count;
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_flatten_hash = {
	.kind = PLUGIN_FILTER,
	.name = "flatten_hash",
	.help = "Flattens nested records.",
	.schema = &schema,
	.filter = &ops,
};
