/* pipeline_plugin.c: a section of a configuration as a source, a filter or an output. */
#include "pipeline_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "in_dead_letters.h"
#include "in_own_log.h"
#include "pipeline_worker.h"
#include "record/tag_match.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdio.h>
#include <string.h>

/* Another kind of plugin has that name: what and where it is. NULL if there is none. */
static const char *other_kind(enum plugin_kind kind, const char *name)
{
	static const char *const sections[] = {
		"an input, in a <source>", "an output, in a <match>", "a filter, in a <filter>"};
	for (int k = PLUGIN_INPUT; k <= PLUGIN_FILTER; k++)
		if (k != (int)kind && plugin_find((enum plugin_kind)k, name))
			return sections[k];
	return NULL;
}

static void unknown_plugin(struct builder *b, enum plugin_kind kind, const struct conf_pair *type)
{
	const char *names[256];
	size_t n = 0;
	const char *instead = plugin_instead(kind, type->value);
	for (const struct plugin *const *p = plugin_list; *p && n < 255; p++)
		if ((*p)->kind == kind)
			names[n++] = (*p)->name;
	names[n] = NULL;
	const char *near = conf_nearest(type->value, names), *other = other_kind(kind, type->value);
	if (other && !instead)
		conf_report_add(b->report, CONF_ERROR, type->value_pos, "Unknown %s plugin '%s': it is %s",
			plugin_kind_name(kind), type->value, other);
	else if (instead)
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
	char *labels = metrics_labels("plugin_id", s->id, "type", s->plugin ? s->plugin->name : s->id, NULL);
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

void builder_holder(struct builder *b, struct holder **h)
{
	struct pipeline *p = b->pipeline;
	list_add(&p->holders, h);
	if (p->held)
		return;
	p->held = mem_zalloc(sizeof *p->held);
	p->held->id = mem_strdup("held");
	p->held->router = pipeline_router(p, "", 0);
	p->held->error_router = pipeline_router(p, "@ERROR", 0);
	count_source(b, p->held);
}

void builder_source(struct builder *b, const struct conf_section *section)
{
	const struct plugin *p = plugin_of(b, PLUGIN_INPUT, section);
	if (!p)
		return;
	struct source *s = mem_zalloc(sizeof *s);
	s->plugin = p;
	s->conf = conf_make(p->schema, section, b->rules, b->report);
	const struct conf_common *c = s->conf;
	s->id = make_id(b, PLUGIN_INPUT, p, c);
	list_add(&b->pipeline->sources, s);
	long worker = worker_of_source(b, section);
	s->router = c->label ? builder_label(b, c->label, conf_where(c, "@label"))
			     : pipeline_router(b->pipeline, "", worker);
	s->error_router = pipeline_router(b->pipeline, "@ERROR", worker);
	s->home = b->pipeline;
	count_source(b, s);
	s->self = p->input->create(s, b);
}

static void count_output(struct builder *b, struct output *o)
{
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, NULL);
	o->n.emitted_events = metrics_counter(
		b->metrics, "weir_output_emitted_events_total", labels, "Events given to the output.");
	o->n.emitted_batches = metrics_counter(
		b->metrics, "weir_output_emitted_batches_total", labels, "Batches of events given to the output.");
	o->n.delivered = metrics_counter(b->metrics, "weir_output_delivered_events_total", labels,
		"Events that the destination has taken, or had already.");
	mem_free(labels);
}

struct output *builder_output(struct builder *b, const struct conf_section *section)
{
	const struct plugin *p = plugin_of(b, PLUGIN_OUTPUT, section);
	if (!p)
		return NULL;
	struct output *o = mem_zalloc(sizeof *o);
	o->plugin = p;
	o->conf = conf_make(p->schema, section, b->rules, b->report);
	o->id = make_id(b, PLUGIN_OUTPUT, p, o->conf);
	list_add(b->primary ? &b->pipeline->secondaries : &b->pipeline->outputs, o);
	count_output(b, o);
	o->self = p->output->create(o, b);
	return o;
}

/* Adds a rule to all the routers that it stands in: one of the top level is every worker's. */
static void add_rule(struct builder *b, const struct conf_section *section, struct filter *f, struct output *o)
{
	struct err err;
	for (size_t i = 0; i < b->pipeline->scopes.n; i++) {
		const struct scope *s = b->pipeline->scopes.v[i];
		bool within = s->workers.first >= b->workers.first && s->workers.last <= b->workers.last;
		if (strcmp(s->label, b->label) != 0 || (b->workers.first >= 0 && !within))
			continue;
		if (!(f ? router_add_filter(s->router, section->arg, f, &err)
			: router_add_match(s->router, section->arg, o, &err)))
			conf_report_add(
				b->report, CONF_ERROR, section->arg_pos, "the pattern cannot be used: %s", err.text);
	}
}

void builder_match(struct builder *b, const struct conf_section *section)
{
	b->pattern = section->arg;
	struct output *o = builder_output(b, section);
	if (o)
		add_rule(b, section, NULL, o);
	b->pattern = "";
}

void builder_filter(struct builder *b, const struct conf_section *section)
{
	const struct plugin *p = plugin_of(b, PLUGIN_FILTER, section);
	if (!p)
		return;
	struct filter *f = mem_zalloc(sizeof *f);
	b->pattern = section->arg;
	f->plugin = p;
	f->conf = conf_make(p->schema, section, b->rules, b->report);
	f->id = make_id(b, PLUGIN_FILTER, p, f->conf);
	list_add(&b->pipeline->filters, f);
	char *labels = metrics_labels("plugin_id", f->id, "type", p->name, NULL);
	f->n.in = metrics_counter(b->metrics, "weir_filter_in_events_total", labels, "Events that came to the filter.");
	f->n.out = metrics_counter(b->metrics, "weir_filter_out_events_total", labels, "Events that went on.");
	mem_free(labels);
	add_rule(b, section, f, NULL);
	f->self = p->filter->create(f, b);
	b->pattern = "";
}

/* ---- weir's own log --------------------------------------------------------------------------------------------------- */

/* The first <match> of the top level that takes the tag. */
static const struct conf_section *match_of(const struct conf_section *root, const char *tag)
{
	for (const struct conf_section *s = root->sections; s; s = s->next) {
		struct err err;
		struct tag_match *m = strcmp(s->name, "match") == 0 ? tag_match_compile(s->arg, &err) : NULL;
		bool takes = m && tag_match(m, span_str(tag));
		tag_match_free(m);
		if (takes)
			return s;
	}
	return NULL;
}

/*
 * The levels whose lines go somewhere. At the top level only a pattern that names them asks for them: fluentd gives them to any `**` too, and then finds its
 * own log among people's events.
 */
static unsigned own_log_levels(const struct builder *b, const struct router *label)
{
	unsigned levels = 0;
	struct route_cache *cache = route_cache_new();
	for (int level = LOG_TRACE; level <= LOG_FATAL; level++) {
		char tag[32];
		snprintf(tag, sizeof tag, "fluent.%s", log_level_name((enum log_level)level));
		const struct conf_section *match = match_of(b->pipeline->root, tag);
		const struct conf_pair *type = match ? conf_section_get(match, "@type") : NULL;
		bool null = type && strcmp(type->value, "null") == 0;
		const struct output *o = label ? router_find(label, cache, span_str(tag))->output : NULL;
		if (label ? o && strcmp(o->plugin->name, "null") != 0 : match && strstr(match->arg, "fluent") && !null)
			levels |= 1U << level;
	}
	route_cache_free(cache);
	return levels;
}

void builder_dead_letters(struct builder *b)
{
	const struct router *label = pipeline_router(b->pipeline, "@DEAD_LETTER", 0);
	if (!label)
		return;
	struct source *s = mem_zalloc(sizeof *s);
	s->plugin = &in_dead_letters;
	s->conf = conf_make(in_dead_letters.schema, NULL, b->rules, b->report);
	s->id = mem_strdup("dead_letters");
	list_add(&b->pipeline->sources, s);
	s->router = label;
	s->error_router = pipeline_router(b->pipeline, "@ERROR", 0);
	count_source(b, s);
	s->self = s->plugin->input->create(s, b);
}

void builder_own_log(struct builder *b)
{
	const struct router *label = pipeline_router(b->pipeline, "@FLUENT_LOG", 0);
	unsigned levels = own_log_levels(b, label);
	if (!levels)
		return;
	struct source *s = mem_zalloc(sizeof *s);
	s->plugin = &in_own_log;
	s->conf = conf_make(in_own_log.schema, NULL, b->rules, b->report);
	((struct own_log_conf *)s->conf)->levels = levels;
	s->id = mem_strdup("fluent_log");
	list_add(&b->pipeline->sources, s);
	s->router = label ? label : pipeline_router(b->pipeline, "", 0);
	s->error_router = pipeline_router(b->pipeline, "@ERROR", 0);
	s->home = b->pipeline;
	count_source(b, s);
	s->self = s->plugin->input->create(s, b);
}
