/* out_copy.c: <match> @type copy: each <store> gets the events. */
#include "base/mem.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"

#include <stddef.h>
#include <string.h>

enum { COPY_NO, COPY_SHALLOW, COPY_DEEP, COPY_MARSHAL };

struct copy_conf {
	struct conf_common common;
	int mode;
	struct conf_list stores;
};

static const struct conf_choice modes[] = {
	{"no_copy", COPY_NO},
	{"shallow", COPY_SHALLOW},
	{"deep", COPY_DEEP},
	{"marshal", COPY_MARSHAL},
	{NULL, 0},
};

static const struct conf_param params[] = {
	{.name = "copy_mode",
		.type = CONF_ENUM,
		.offset = offsetof(struct copy_conf, mode),
		.value = "no_copy",
		.choices = modes,
		.help = "Accepted: what one store does to an event never shows in another."},
	{.name = "deep_copy",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "what one store does to an event never shows in another"},
	{.name = NULL},
};

/* A <store> is a whole output; it is made by the builder from its section, so its keys are not this table's. */
static const struct conf_schema store_schema = {
	.name = "store",
	.title = "store of the copy output",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.free_sections = true,
	.help = "An output: `@type` and its parameters. Its argument may be ignore_error or ignore_if_prev_success.",
};

static const struct conf_sub subs[] = {
	{.schema = &store_schema, .offset = offsetof(struct copy_conf, stores), .required = true, .multi = true},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "match",
	.title = "copy output",
	.size = sizeof(struct copy_conf),
	.params = params,
	.subs = subs,
	.help = "Gives events to each of its `<store>` sections. Every buffered store has a buffer of its own: one "
		"that is down never holds up the others.",
};

struct store {
	struct output *output;
	bool ignore_error;	     /* what it refuses does not keep a message from being acknowledged */
	bool ignore_if_prev_success; /* the same, if a store before it took the events */
};

struct copy {
	struct store *stores;
	size_t n;
};

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = text; (p = strstr(p, word)); p += n)
		if ((p == text || strchr(" ,\t", p[-1])) && (!p[n] || strchr(" ,\t", p[n])))
			return true;
	return false;
}

static void *create(struct output *o, struct builder *b)
{
	const struct copy_conf *c = o->conf;
	struct copy *copy = mem_zalloc(sizeof *copy);
	size_t ignoring = 0;
	bool prev_success = false;
	copy->stores = mem_array(c->stores.n, sizeof *copy->stores);
	for (size_t i = 0; i < c->stores.n; i++) {
		const struct conf_common *store = c->stores.v[i];
		struct store made = {
			.output = builder_output(b, store->section),
			.ignore_error = has_word(store->arg, "ignore_error"),
			.ignore_if_prev_success = has_word(store->arg, "ignore_if_prev_success"),
		};
		if (i == 0 && made.ignore_if_prev_success)
			conf_report_add(builder_report(b), CONF_ERROR, store->pos,
				"ignore_if_prev_success must specify 2nd or later <store> directives");
		ignoring += made.ignore_error;
		prev_success |= made.ignore_if_prev_success;
		if (made.output)
			copy->stores[copy->n++] = made;
	}
	if (ignoring == c->stores.n && ignoring > 1 && !prev_success)
		conf_report_add(builder_report(b), CONF_WARNING, c->common.pos,
			"ignore_errors are specified in all <store>, but ignore_if_prev_success is not specified. Is "
			"this "
			"intended? A message that no store takes would be acknowledged");
	return copy;
}

static void destroy(void *self)
{
	struct copy *copy = self;
	if (!copy)
		return;
	mem_free(copy->stores);
	mem_free(copy);
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	struct copy *copy = o->self;
	bool taken = false;
	for (size_t i = 0; i < copy->n; i++) {
		const struct store *s = &copy->stores[i];
		taken |= ingest_try_emit(in, s->output, b, s->ignore_error || (s->ignore_if_prev_success && taken));
	}
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_copy = {
	.kind = PLUGIN_OUTPUT,
	.name = "copy",
	.help = "Gives events to several outputs.",
	.schema = &schema,
	.output = &ops,
};
