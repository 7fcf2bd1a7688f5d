/* pipeline_flow.c: the buffer of an output, its <secondary>, and sections that it holds. */
#include "pipeline_impl.h"

#include "base/mem.h"
#include "buffer_conf.h"
#include "chunk_keys.h"
#include "flow.h"

#include <string.h>

static void report_same_path(struct builder *b, const struct output *o, const struct buffer_conf *c, const char *path)
{
	for (size_t i = 0; i < b->pipeline->outputs.n; i++) {
		const struct output *other = b->pipeline->outputs.v[i];
		if (other != o && other->flow && strcmp(flow_path(other->flow), path) == 0)
			conf_report_add(b->report, CONF_ERROR,
				c->path ? conf_where(c, "path") : ((struct conf_common *)o->conf)->pos,
				"Other output '%s' already uses the same buffer path: %s", other->id, path);
	}
}

static bool keeps_nothing(const char *type)
{
	return strcmp(type, "stdout") == 0 || strcmp(type, "null") == 0;
}

static void make_secondary(struct builder *b, struct output *o, const struct buffer_conf *c)
{
	const struct conf_section *own = ((struct conf_common *)o->conf)->section;
	for (const struct conf_section *s = own ? own->sections : NULL; s; s = s->next) {
		if (strcmp(s->name, "secondary") != 0)
			continue;
		b->primary = o;
		struct output *secondary = builder_output(b, s);
		b->primary = NULL;
		if (!secondary)
			return;
		if (keeps_nothing(secondary->plugin->name))
			conf_report_add(b->report, CONF_WARNING, s->pos,
				"@type %s in <secondary> would keep nothing: what cannot be delivered becomes dead "
				"letters instead",
				secondary->plugin->name);
		else if (!secondary->plugin->output->flush)
			conf_report_add(b->report, CONF_ERROR, s->pos,
				"@type %s cannot stand in <secondary>: secondary_file, file, "
				"forward, http and "
				"elasticsearch can",
				secondary->plugin->name);
		else
			flow_set_secondary(o->flow, secondary);
		if (c->retry_forever)
			conf_report_add(b->report, CONF_WARNING, s->pos,
				"<secondary> with 'retry_forever', only unrecoverable errors are moved to secondary: "
				"it is "
				"never used");
		return;
	}
}

/* Gives the output a flow; with `keys` one that splits chunks by them. */
static void make_flow(struct builder *b, struct output *o, const struct buffer_conf *c, const struct chunk_keys *keys)
{
	char *path = buffer_conf_path(c, builder_root(b), o->id);
	report_same_path(b, o, c, path);
	o->flow = flow_new(o, c, keys && chunk_keys_timekey(keys), path);
	make_secondary(b, o, c);
}

/* The <buffer> section, or what v0.12's flat parameters of the output's own section amount to. */
static struct buffer_conf *flat_buffer(struct builder *b, const struct output *o)
{
	static const struct conf_section none = {.name = "buffer", .arg = ""};
	const struct conf_section *own = ((struct conf_common *)o->conf)->section;
	struct conf_section *flat = own ? buffer_conf_from_flat(own, b->report) : NULL;
	if (flat)
		list_add(&b->pipeline->memory, flat);
	return conf_make(&buffer_conf_schema, flat ? flat : &none, b->rules, b->report);
}

/* Within <secondary>: true, and there is nothing more to make. */
static bool borrow_flow(struct builder *b, struct output *o, const struct buffer_conf *c)
{
	if (!b->primary)
		return false;
	if (c)
		conf_report_add(b->report, CONF_ERROR, c->common.pos,
			"<buffer> section cannot be written in <secondary>: it flushes its primary's chunks");
	o->flow = b->primary->flow;
	return true;
}

void builder_flow(struct builder *b, struct output *o, const struct buffer_conf *c)
{
	if (borrow_flow(b, o, c))
		return;
	if (c)
		buffer_conf_flat_unused(((struct conf_common *)o->conf)->section, b->report);
	else
		c = o->own_buffer = flat_buffer(b, o);
	make_flow(b, o, c, NULL);
}

const struct chunk_keys *builder_split_flow(struct builder *b, struct output *o, struct buffer_conf *c,
	const char *default_keys, int64_t default_timekey_ns)
{
	if (borrow_flow(b, o, c)) {
		const struct chunk_keys *keys = flow_keys(o->flow);
		return keys ? keys : b->pipeline->keys.n ? b->pipeline->keys.v[0] : NULL;
	}
	if (c)
		buffer_conf_flat_unused(((struct conf_common *)o->conf)->section, b->report);
	else
		c = o->own_buffer = flat_buffer(b, o);
	if (c->timekey_ns == CONF_NIL_INT)
		c->timekey_ns = default_timekey_ns;
	struct chunk_keys *keys = chunk_keys_new(c, default_keys, default_timekey_ns, b->report);
	list_add(&b->pipeline->keys, keys);
	make_flow(b, o, c, keys);
	flow_set_keys(o->flow, keys);
	return keys;
}

const struct output *builder_primary(const struct builder *b)
{
	return b->primary;
}

const struct conf_schema secondary_schema = {
	.name = "secondary",
	.title = "secondary of an output",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.free_sections = true,
	.help = "An output (`@type`, else the same as outside) for chunks that the output has failed to deliver for "
		"retry_secondary_threshold of retry_timeout, or of retry_max_times. Without one, a chunk that keeps "
		"failing by "
		"itself becomes dead letters, and one whose destination is down stays in the buffer.",
};

struct output *builder_store(struct builder *b, const struct conf_section *section, const char *without)
{
	struct conf_section *copy = mem_alloc(sizeof *copy);
	struct conf_pair **last = &copy->pairs;
	*copy = *section;
	copy->pairs = NULL;
	list_add(&b->pipeline->memory, copy);
	for (const struct conf_pair *p = section->pairs; p; p = p->next) {
		if (strcmp(p->name, without) == 0)
			continue;
		*last = mem_alloc(sizeof **last);
		**last = *p;
		(*last)->next = NULL;
		list_add(&b->pipeline->memory, *last);
		last = &(*last)->next;
	}
	return builder_output(b, copy);
}
