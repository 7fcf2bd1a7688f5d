#include "pipeline.h"

#include "base/mem.h"
#include "buffer_conf.h"
#include "chunk_keys.h"
#include "flow.h"
#include "router.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdio.h>
#include <string.h>

struct list {
	void **v;
	size_t n;
};

struct pipeline {
	struct list sources, outputs, filters;
	struct list routers;	 /* the first one is the top level's */
	struct list secondaries; /* outputs in <secondary>: their flow is their primary's */
	struct list keys;	 /* chunk_keys */
	struct list memory;	 /* sections made here */
};

struct builder {
	struct pipeline *pipeline;
	const struct system_conf *system;
	const struct conf_rules *rules;
	struct metrics *metrics;
	struct conf_report *report;
	const char *label;	      /* of the section that is being built; "" at the top level */
	const char *pattern;	      /* of the <match> or <filter> that is being built */
	const struct output *primary; /* whose <secondary> is being built; NULL = none */
};

static void add(struct list *l, void *p)
{
	l->v = mem_realloc(l->v, (l->n + 1) * sizeof *l->v);
	l->v[l->n++] = p;
}

struct conf_report *builder_report(struct builder *b)
{
	return b->report;
}

struct metrics *builder_metrics(struct builder *b)
{
	return b->metrics;
}

const char *builder_root(struct builder *b)
{
	return system_state_dir(b->system);
}

static struct router *find_router(const struct pipeline *p, const char *label)
{
	for (size_t i = 1; i < p->routers.n; i++)
		if (strcmp(router_label(p->routers.v[i]), label) == 0)
			return p->routers.v[i];
	return strcmp(label, "@ROOT") == 0 ? p->routers.v[0] : NULL;
}

const struct conf_rules *builder_rules(struct builder *b)
{
	return b->rules;
}

const struct router *builder_router(struct builder *b)
{
	return *b->label ? find_router(b->pipeline, b->label) : b->pipeline->routers.v[0];
}

const struct router *builder_label(struct builder *b, const char *label, struct conf_pos pos)
{
	const struct router *r = find_router(b->pipeline, label);
	if (!r)
		conf_report_add(b->report, CONF_ERROR, pos, "%s label not found: there is no <label %s>", label, label);
	return r;
}

/* ---- plugins -------------------------------------------------------------------------------------------------------- */

static void unknown_plugin(struct builder *b, enum plugin_kind kind, const struct conf_pair *type)
{
	const char *names[256];
	size_t n = 0;
	const char *instead = plugin_instead(kind, type->value);
	for (const struct plugin *const *p = plugin_list; *p && n < 255; p++)
		if ((*p)->kind == kind)
			names[n++] = (*p)->name;
	names[n] = NULL;
	const char *near = conf_nearest(type->value, names);
	if (instead)
		conf_report_add(b->report, CONF_ERROR, type->value_pos, "weir has no %s plugin '%s': %s",
			plugin_kind_name(kind), type->value, instead);
	else if (near)
		conf_report_add(b->report, CONF_ERROR, type->value_pos, "Unknown %s plugin '%s': did you mean '%s'?",
			plugin_kind_name(kind), type->value, near);
	else
		conf_report_add(b->report, CONF_ERROR, type->value_pos,
			"Unknown %s plugin '%s': `weir plugins` lists those that there are", plugin_kind_name(kind),
			type->value);
}

static bool is_taken_in(const struct list *outputs, const char *id)
{
	for (size_t i = 0; i < outputs->n; i++)
		if (strcmp(((struct output *)outputs->v[i])->id, id) == 0)
			return true;
	return false;
}

static const struct plugin *plugin_of(struct builder *b, enum plugin_kind kind, const struct conf_section *s)
{
	const struct conf_pair *type = conf_section_get(s, "@type");
	if (!type)
		type = conf_section_get(s, "type");
	if (!type && b->primary)
		return b->primary->plugin; /* as in fluentd */
	if (!type || !*type->value) {
		conf_report_add(b->report, CONF_ERROR, s->pos, "Missing '@type' parameter on <%s> directive", s->name);
		return NULL;
	}
	const struct plugin *p = plugin_find(kind, type->value);
	if (!p)
		unknown_plugin(b, kind, type);
	return p;
}

static bool id_is_taken(const struct pipeline *p, const char *id)
{
	for (size_t i = 0; i < p->sources.n; i++)
		if (strcmp(((struct source *)p->sources.v[i])->id, id) == 0)
			return true;
	if (is_taken_in(&p->outputs, id) || is_taken_in(&p->secondaries, id))
		return true;
	for (size_t i = 0; i < p->filters.n; i++)
		if (strcmp(((struct filter *)p->filters.v[i])->id, id) == 0)
			return true;
	return false;
}

/*
 * The @id, or a name made from what the plugin is and where it stands, not from its number in the file: it names the folder of a buffer, which must be found
 * again when something else in the file has changed.
 */
static char *make_id(struct builder *b, enum plugin_kind kind, const struct plugin *p, const struct conf_common *c)
{
	char text[1024];
	if (c->id) {
		if (id_is_taken(b->pipeline, c->id))
			conf_report_add(b->report, CONF_ERROR, conf_where(c, "@id"),
				"Duplicated plugin id `%s`. Check whole configuration and fix it.", c->id);
		return mem_strdup(c->id);
	}
	for (unsigned nth = 0;; nth++) {
		int n = snprintf(text, sizeof text, "%d|%s|%s|%u", (int)kind, b->label, b->pattern, nth);
		size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
		char *id = mem_printf("%s-%06x", p->name, (unsigned)(XXH3_64bits(text, len) & 0xffffff));
		if (!id_is_taken(b->pipeline, id))
			return id;
		mem_free(id);
	}
}

static void count_source(struct builder *b, struct source *s)
{
	char *labels = metrics_labels("plugin_id", s->id, "type", s->plugin->name, NULL);
	struct metrics *m = b->metrics;
	s->n.messages = metrics_counter(m, "weir_source_messages_total", labels, "Messages received whole.");
	s->n.events = metrics_counter(m, "weir_source_events_total", labels, "Events received, bad ones as well.");
	s->n.bytes = metrics_counter(m, "weir_source_bytes_total", labels, "Bytes of messages received whole.");
	s->n.skipped = metrics_counter(
		m, "weir_source_skipped_events_total", labels, "Bad events; they are dead letters.");
	s->n.dropped = metrics_counter(
		m, "weir_source_dropped_messages_total", labels, "Messages that were no use; they are dead letters.");
	s->n.markers = metrics_counter(
		m, "weir_source_markers_total", labels, "Fluent Bit group markers, which are no events.");
	s->n.unmatched = metrics_counter(
		m, "weir_source_unmatched_events_total", labels, "Events that no <match> wanted.");
	s->n.refused = metrics_counter(m, "weir_source_refused_events_total", labels,
		"Events that could not be stored and were not acknowledged.");
	s->n.filtered = metrics_counter(
		m, "weir_source_filtered_events_total", labels, "Events that filters took out.");
	s->n.repeated_messages = metrics_counter(m, "weir_source_repeated_messages_total", labels,
		"Messages that a sender sent again and weir had already: acknowledged, not stored again.");
	s->n.repeated_events = metrics_counter(
		m, "weir_source_repeated_events_total", labels, "Events in repeated messages.");
	s->n.errors = metrics_counter(m, "weir_source_error_events_total", labels, "Events that failed in a filter.");
	mem_free(labels);
}

static void build_source(struct builder *b, const struct conf_section *section)
{
	const struct plugin *p = plugin_of(b, PLUGIN_INPUT, section);
	if (!p)
		return;
	struct source *s = mem_zalloc(sizeof *s);
	size_t errors = b->report->errors;
	s->plugin = p;
	s->conf = conf_make(p->schema, section, b->rules, b->report);
	const struct conf_common *c = s->conf;
	s->id = make_id(b, PLUGIN_INPUT, p, c);
	add(&b->pipeline->sources, s);
	s->router = c->label ? builder_label(b, c->label, conf_where(c, "@label")) : b->pipeline->routers.v[0];
	s->error_router = find_router(b->pipeline, "@ERROR");
	count_source(b, s);
	if (b->report->errors == errors)
		s->self = p->input->create(s, b);
}

static void count_output(struct builder *b, struct output *o)
{
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, NULL);
	o->n.emitted_events = metrics_counter(
		b->metrics, "weir_output_emitted_events_total", labels, "Events given to the output.");
	o->n.emitted_batches = metrics_counter(
		b->metrics, "weir_output_emitted_batches_total", labels, "Batches of events given to the output.");
	mem_free(labels);
}

struct output *builder_output(struct builder *b, const struct conf_section *section)
{
	const struct plugin *p = plugin_of(b, PLUGIN_OUTPUT, section);
	if (!p)
		return NULL;
	struct output *o = mem_zalloc(sizeof *o);
	size_t errors = b->report->errors;
	o->plugin = p;
	o->conf = conf_make(p->schema, section, b->rules, b->report);
	o->id = make_id(b, PLUGIN_OUTPUT, p, o->conf);
	add(b->primary ? &b->pipeline->secondaries : &b->pipeline->outputs, o);
	count_output(b, o);
	if (b->report->errors == errors)
		o->self = p->output->create(o, b);
	return o;
}

static void build_match(struct builder *b, struct router *r, const struct conf_section *section)
{
	struct err err;
	b->pattern = section->arg;
	struct output *o = builder_output(b, section);
	if (o && !router_add_match(r, section->arg, o, &err))
		conf_report_add(b->report, CONF_ERROR, section->arg_pos, "the pattern cannot be used: %s", err.text);
	b->pattern = "";
}

static void build_filter(struct builder *b, struct router *r, const struct conf_section *section)
{
	struct err err;
	const struct plugin *p = plugin_of(b, PLUGIN_FILTER, section);
	if (!p)
		return;
	struct filter *f = mem_zalloc(sizeof *f);
	size_t errors = b->report->errors;
	b->pattern = section->arg;
	f->plugin = p;
	f->conf = conf_make(p->schema, section, b->rules, b->report);
	f->id = make_id(b, PLUGIN_FILTER, p, f->conf);
	add(&b->pipeline->filters, f);
	char *labels = metrics_labels("plugin_id", f->id, "type", p->name, NULL);
	f->n.in = metrics_counter(b->metrics, "weir_filter_in_events_total", labels, "Events that came to the filter.");
	f->n.out = metrics_counter(b->metrics, "weir_filter_out_events_total", labels, "Events that went on.");
	mem_free(labels);
	if (!router_add_filter(r, section->arg, f, &err))
		conf_report_add(b->report, CONF_ERROR, section->arg_pos, "the pattern cannot be used: %s", err.text);
	if (b->report->errors == errors)
		f->self = p->filter->create(f, b);
	b->pattern = "";
}

static void build_rules(struct builder *b, struct router *r, const struct conf_section *parent)
{
	for (const struct conf_section *s = parent->sections; s; s = s->next) {
		if (strcmp(s->name, "match") == 0)
			build_match(b, r, s);
		else if (strcmp(s->name, "filter") == 0)
			build_filter(b, r, s);
		else if (parent->parent)
			conf_report_add(b->report, b->rules->strict ? CONF_ERROR : CONF_WARNING, s->pos,
				"section <%s> is not used in <%s %s>: a label holds <filter> and <match>", s->name,
				parent->name, parent->arg);
	}
}

/* ---- the flow of an output ------------------------------------------------------------------------------------------------ */

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
		if (!secondary->plugin->output->flush)
			conf_report_add(b->report, CONF_ERROR, s->pos,
				"@type %s cannot stand in <secondary>: it keeps nothing; secondary_file, file, "
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
	const char *type = c->common.type;
	char *path = buffer_conf_path(c, builder_root(b), o->id);
	if (type && strcmp(type, "file") != 0 && strcmp(type, "file_single") != 0 && strcmp(type, "memory") != 0)
		conf_report_add(b->report, CONF_ERROR, conf_where(c, "@type"),
			"Unknown buffer plugin '%s': file or memory", type);
	else
		report_same_path(b, o, c, path);
	o->flow = flow_new(o, c, keys && chunk_keys_timekey(keys), path);
	make_secondary(b, o, c);
}

/* The <buffer> section, or what v0.12's flat parameters of the output's own section amount to. */
static struct buffer_conf *flat_buffer(struct builder *b, const struct output *o)
{
	static const struct conf_section none = {.name = "buffer", .arg = ""};
	const struct conf_section *own = ((struct conf_common *)o->conf)->section;
	struct conf_section *flat = own ? buffer_conf_from_flat(own) : NULL;
	if (flat)
		add(&b->pipeline->memory, flat);
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
	struct buffer_conf *made = c ? NULL : flat_buffer(b, o);
	if (c)
		buffer_conf_flat_unused(((struct conf_common *)o->conf)->section, b->report);
	make_flow(b, o, c ? c : made, NULL);
	if (made)
		conf_free(&buffer_conf_schema, made);
}

const struct chunk_keys *builder_split_flow(struct builder *b, struct output *o, const struct buffer_conf *c,
	const char *default_keys, int64_t default_timekey_ns)
{
	if (borrow_flow(b, o, c)) {
		const struct chunk_keys *keys = flow_keys(o->flow);
		return keys ? keys : b->pipeline->keys.n ? b->pipeline->keys.v[0] : NULL;
	}
	struct buffer_conf *made = c ? NULL : flat_buffer(b, o);
	if (c)
		buffer_conf_flat_unused(((struct conf_common *)o->conf)->section, b->report);
	struct chunk_keys *keys = chunk_keys_new(c ? c : made, default_keys, default_timekey_ns, b->report);
	add(&b->pipeline->keys, keys);
	make_flow(b, o, c ? c : made, keys);
	flow_set_keys(o->flow, keys);
	if (made)
		conf_free(&buffer_conf_schema, made);
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
	add(&b->pipeline->memory, copy);
	for (const struct conf_pair *p = section->pairs; p; p = p->next) {
		if (strcmp(p->name, without) == 0)
			continue;
		*last = mem_alloc(sizeof **last);
		**last = *p;
		(*last)->next = NULL;
		add(&b->pipeline->memory, *last);
		last = &(*last)->next;
	}
	return builder_output(b, copy);
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------------- */

static void make_labels(struct builder *b, const struct conf_section *root)
{
	add(&b->pipeline->routers, router_new(NULL));
	for (const struct conf_section *s = root->sections; s; s = s->next) {
		if (strcmp(s->name, "label") != 0)
			continue;
		if (!*s->arg)
			conf_report_add(b->report, CONF_ERROR, s->pos, "Missing symbol argument on <label> directive");
		else if (strcmp(s->arg, "@ROOT") == 0)
			conf_report_add(b->report, CONF_ERROR, s->arg_pos,
				"@ROOT for <label> is not permitted, reserved for getting root router");
		else if (find_router(b->pipeline, s->arg))
			conf_report_add(b->report, CONF_ERROR, s->pos, "Section <label %s> appears twice", s->arg);
		else
			add(&b->pipeline->routers, router_new(s->arg));
	}
}

static bool is_known(const char *name)
{
	static const char *const known[] = {"source", "match", "filter", "label", "system", "worker", NULL};
	for (size_t i = 0; known[i]; i++)
		if (strcmp(known[i], name) == 0)
			return true;
	return false;
}

static void build_all(struct builder *b, const struct conf_section *root)
{
	make_labels(b, root);
	for (const struct conf_section *s = root->sections; s; s = s->next) {
		struct router *r;
		if (strcmp(s->name, "label") == 0 && (r = find_router(b->pipeline, s->arg))) {
			b->label = s->arg;
			build_rules(b, r, s);
			b->label = "";
		} else if (!is_known(s->name)) {
			conf_report_add(b->report, b->rules->strict ? CONF_ERROR : CONF_WARNING, s->pos,
				"section <%s> is not used in <ROOT>", s->name);
		}
	}
	build_rules(b, b->pipeline->routers.v[0], root);
	for (const struct conf_section *s = root->sections; s; s = s->next)
		if (strcmp(s->name, "source") == 0)
			build_source(b, s);
	for (const struct conf_pair *p = root->pairs; p; p = p->next)
		conf_report_add(b->report, b->rules->strict ? CONF_ERROR : CONF_WARNING, p->name_pos,
			"parameter '%s' in <ROOT> is not used: parameters stand in sections", p->name);
}

struct pipeline *pipeline_new(const struct conf_section *root, const struct system_conf *system,
	const struct conf_rules *rules, struct metrics *m, struct conf_report *report)
{
	struct pipeline *p = mem_zalloc(sizeof *p);
	struct builder b = {
		.pipeline = p,
		.system = system,
		.rules = rules,
		.metrics = m,
		.report = report,
		.label = "",
		.pattern = "",
	};
	const struct buffer_conf no_keys = {.common.schema = &buffer_conf_schema};
	add(&p->keys, chunk_keys_new(&no_keys, "", CONF_NIL_INT, report));
	build_all(&b, root);
	return p;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->sources.n; i++) {
		struct source *s = p->sources.v[i];
		s->plugin->input->destroy(s->self);
		conf_free(s->plugin->schema, s->conf);
		mem_free(s->id);
		mem_free(s);
	}
	for (size_t i = 0; i < p->filters.n; i++) {
		struct filter *f = p->filters.v[i];
		f->plugin->filter->destroy(f->self);
		conf_free(f->plugin->schema, f->conf);
		mem_free(f->id);
		mem_free(f);
	}
	for (size_t i = 0; i < p->outputs.n; i++) {
		struct output *o = p->outputs.v[i];
		flow_free(o->flow);
		o->plugin->output->destroy(o->self);
		conf_free(o->plugin->schema, o->conf);
		mem_free(o->id);
		mem_free(o);
	}
	for (size_t i = 0; i < p->secondaries.n; i++) {
		struct output *o = p->secondaries.v[i];
		o->plugin->output->destroy(o->self);
		conf_free(o->plugin->schema, o->conf);
		mem_free(o->id);
		mem_free(o);
	}
	for (size_t i = 0; i < p->keys.n; i++)
		chunk_keys_free(p->keys.v[i]);
	for (size_t i = 0; i < p->memory.n; i++)
		mem_free(p->memory.v[i]);
	mem_free(p->secondaries.v);
	mem_free(p->keys.v);
	mem_free(p->memory.v);
	for (size_t i = 0; i < p->routers.n; i++)
		router_free(p->routers.v[i]);
	mem_free(p->sources.v);
	mem_free(p->filters.v);
	mem_free(p->outputs.v);
	mem_free(p->routers.v);
	mem_free(p);
}

size_t pipeline_sources(const struct pipeline *p, struct source *const **v)
{
	*v = (struct source *const *)p->sources.v;
	return p->sources.n;
}

size_t pipeline_outputs(const struct pipeline *p, struct output *const **v)
{
	*v = (struct output *const *)p->outputs.v;
	return p->outputs.n;
}

size_t pipeline_filters(const struct pipeline *p, struct filter *const **v)
{
	*v = (struct filter *const *)p->filters.v;
	return p->filters.n;
}

void pipeline_describe(const struct pipeline *p, struct buf *out)
{
	for (size_t i = 0; i < p->sources.n; i++) {
		const struct source *s = p->sources.v[i];
		buf_printf(out, "  source  %-14s %-24s ", s->plugin->name, s->id);
		if (s->self && s->plugin->input->describe)
			s->plugin->input->describe(s, out);
		buf_put_byte(out, '\n');
	}
	for (size_t i = 0; i < p->filters.n; i++) {
		const struct filter *f = p->filters.v[i];
		buf_printf(out, "  filter  %-14s %-24s %s\n", f->plugin->name, f->id,
			((const struct conf_common *)f->conf)->arg);
	}
	for (size_t i = 0; i < p->outputs.n; i++) {
		const struct output *o = p->outputs.v[i];
		buf_printf(out, "  match   %-14s %-24s %s ", o->plugin->name, o->id,
			((const struct conf_common *)o->conf)->arg);
		if (o->self && o->plugin->output->describe)
			o->plugin->output->describe(o, out);
		if (o->flow)
			buf_printf(out, ", buffer %s", flow_path(o->flow));
		buf_put_byte(out, '\n');
	}
	for (size_t i = 0; i < p->secondaries.n; i++) {
		const struct output *o = p->secondaries.v[i];
		buf_printf(out, "  second  %-14s %-24s ", o->plugin->name, o->id);
		if (o->self && o->plugin->output->describe)
			o->plugin->output->describe(o, out);
		buf_put_byte(out, '\n');
	}
}

static void show_section(const struct plugin *p, const void *conf, const char *id, struct buf *out)
{
	buf_printf(out, "# %s\n", id);
	conf_show(p->schema, conf, out, 0);
	buf_put_byte(out, '\n');
}

void pipeline_show(const struct pipeline *p, struct buf *out)
{
	for (size_t i = 0; i < p->sources.n; i++) {
		const struct source *s = p->sources.v[i];
		show_section(s->plugin, s->conf, s->id, out);
	}
	for (size_t i = 0; i < p->filters.n; i++) {
		const struct filter *f = p->filters.v[i];
		show_section(f->plugin, f->conf, f->id, out);
	}
	for (size_t i = 0; i < p->outputs.n; i++) {
		const struct output *o = p->outputs.v[i];
		show_section(o->plugin, o->conf, o->id, out);
	}
	for (size_t i = 0; i < p->secondaries.n; i++) {
		const struct output *o = p->secondaries.v[i];
		show_section(o->plugin, o->conf, o->id, out);
	}
}
