#include "pipeline.h"

#include "base/mem.h"
#include "buffer_conf.h"
#include "chunk_keys.h"
#include "flow.h"
#include "pipeline_impl.h"
#include "pipeline_worker.h"

#include <string.h>

void list_add(struct list *l, void *p)
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

const struct conf_rules *builder_rules(struct builder *b)
{
	return b->rules;
}

const struct system_conf *builder_system(const struct builder *b)
{
	return b->system;
}

struct router *pipeline_router(const struct pipeline *p, const char *label, long worker)
{
	struct router *found = NULL;
	label = strcmp(label, "@ROOT") == 0 ? "" : label;
	for (size_t i = 0; i < p->scopes.n; i++) {
		const struct scope *s = p->scopes.v[i];
		if (strcmp(s->label, label) != 0)
			continue;
		if (s->workers.first < 0)
			found = s->router;
		else if (s->workers.first <= worker && worker <= s->workers.last)
			return s->router;
	}
	return found;
}

const struct router *pipeline_top(const struct pipeline *p)
{
	return pipeline_router(p, "", -1);
}

const struct router *builder_router(struct builder *b)
{
	return pipeline_router(b->pipeline, b->label, b->workers.first);
}

const struct router *builder_label(struct builder *b, const char *label, struct conf_pos pos)
{
	const struct router *r = pipeline_router(b->pipeline, label, b->workers.first);
	if (!r)
		conf_report_add(b->report, CONF_ERROR, pos, "%s label not found: there is no <label %s>", label, label);
	return r;
}

/* ---- scopes --------------------------------------------------------------------------------------------------------- */

static void add_scope(struct builder *b, const char *label, struct worker_range workers)
{
	struct scope *s = mem_alloc(sizeof *s);
	*s = (struct scope){label, workers, router_new(*label ? label : NULL)};
	list_add(&b->pipeline->scopes, s);
}

static void add_label(struct builder *b, const struct conf_section *s, struct worker_range workers)
{
	if (!*s->arg)
		conf_report_add(b->report, CONF_ERROR, s->pos, "Missing symbol argument on <label> directive");
	else if (strcmp(s->arg, "@ROOT") == 0)
		conf_report_add(b->report, CONF_ERROR, s->arg_pos,
			"@ROOT for <label> is not permitted, reserved for getting root router");
	else if (pipeline_router(b->pipeline, s->arg, workers.first))
		conf_report_add(b->report, CONF_ERROR, s->pos, "Section <label %s> appears twice", s->arg);
	else
		add_scope(b, s->arg, workers);
}

static void add_labels(struct builder *b, const struct conf_section *parent, struct worker_range workers)
{
	for (const struct conf_section *s = parent->sections; s; s = s->next)
		if (strcmp(s->name, "label") == 0)
			add_label(b, s, workers);
}

/* Of each worker that has rules of its own a top level, for those stand behind what all have. */
static void add_worker_scopes(struct builder *b, const struct conf_section *section)
{
	struct worker_range r;
	if (!worker_section(b, section, &r))
		return;
	for (long id = r.first; worker_has_rules(section) && id <= r.last; id++)
		if (pipeline_router(b->pipeline, "", id) == pipeline_router(b->pipeline, "", -1))
			add_scope(b, "", (struct worker_range){id, id});
	add_labels(b, section, r);
}

static void make_scopes(struct builder *b, const struct conf_section *root)
{
	add_scope(b, "", EVERY_WORKER);
	add_labels(b, root, EVERY_WORKER);
	for (const struct conf_section *s = root->sections; s; s = s->next)
		if (strcmp(s->name, "worker") == 0)
			add_worker_scopes(b, s);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static const char *const directives[] = {"source", "match", "filter", "label", "system", "worker", NULL};

static void not_used(struct builder *b, const struct conf_section *s)
{
	enum conf_severity severity = b->rules->strict ? CONF_ERROR : CONF_WARNING;
	const char *near = conf_nearest(s->name, directives);
	if (strcmp(s->parent->name, "label") == 0)
		conf_report_add(b->report, severity, s->pos,
			"section <%s> is not used in <label %s>: a label holds <filter> and <match>", s->name,
			s->parent->arg);
	else
		conf_report_add(b->report, severity, s->pos,
			near ? "section <%s> is not used in <ROOT>: did you mean <%s>?"
			     : "section <%s> is not used in <ROOT>",
			s->name, near);
}

/* The filters and matches of a label, of the top level, or of a <worker>. */
static void build_rules(struct builder *b, const struct conf_section *parent)
{
	const struct conf_section *all = NULL;
	for (const struct conf_section *s = parent->sections; s; s = s->next) {
		bool match = strcmp(s->name, "match") == 0, filter = strcmp(s->name, "filter") == 0;
		if (all && (match || filter))
			conf_report_add(b->report, CONF_WARNING, s->pos,
				"this <%s> is never reached: <%s%s%s> in line %u takes every event before it", s->name,
				all->name, *all->arg ? " " : "", all->arg, all->pos.line);
		if (match && !all && (!*s->arg || strcmp(s->arg, "**") == 0))
			all = s;
		if (match)
			builder_match(b, s);
		else if (filter)
			builder_filter(b, s);
		else if (strcmp(parent->name, "label") == 0)
			not_used(b, s);
	}
}

static void build_labels(struct builder *b, const struct conf_section *parent)
{
	for (const struct conf_section *s = parent->sections; s; s = s->next) {
		if (strcmp(s->name, "label") != 0 || !pipeline_router(b->pipeline, s->arg, b->workers.first))
			continue;
		b->label = s->arg;
		build_rules(b, s);
		b->label = "";
	}
}

static void build_sources(struct builder *b, const struct conf_section *parent)
{
	for (const struct conf_section *s = parent->sections; s; s = s->next)
		if (strcmp(s->name, "source") == 0)
			builder_source(b, s);
}

/* What stands in <worker> sections, by one of the functions above. */
static void build_workers(struct builder *b, const struct conf_section *root,
	void (*build)(struct builder *b, const struct conf_section *parent))
{
	for (const struct conf_section *s = root->sections; s; s = s->next) {
		if (strcmp(s->name, "worker") == 0 && worker_section(b, s, &b->workers))
			build(b, s);
		b->workers = EVERY_WORKER;
	}
}

static void check_root(struct builder *b, const struct conf_section *root)
{
	for (const struct conf_section *s = root->sections; s; s = s->next) {
		bool found = false;
		for (size_t i = 0; directives[i]; i++)
			found |= strcmp(directives[i], s->name) == 0;
		if (!found)
			not_used(b, s);
	}
	for (const struct conf_pair *p = root->pairs; p; p = p->next)
		conf_report_add(b->report, b->rules->strict ? CONF_ERROR : CONF_WARNING, p->name_pos,
			"parameter '%s' in <ROOT> is not used: parameters stand in sections", p->name);
}

static void build_all(struct builder *b, const struct conf_section *root)
{
	check_root(b, root);
	make_scopes(b, root);
	build_labels(b, root);
	build_workers(b, root, build_labels);
	build_rules(b, root);
	build_workers(b, root, build_rules);
	builder_own_log(b);
	builder_dead_letters(b);
	build_sources(b, root);
	build_workers(b, root, build_sources);
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
		.workers = EVERY_WORKER,
		.pattern = "",
	};
	const struct buffer_conf no_keys = {.common.schema = &buffer_conf_schema};
	p->root = root;
	list_add(&p->keys, chunk_keys_new(&no_keys, "", CONF_NIL_INT, report));
	build_all(&b, root);
	return p;
}

static void source_free(struct source *s)
{
	s->plugin->input->destroy(s->self);
	conf_free(s->plugin->schema, s->conf);
	mem_free(s->id);
	mem_free(s);
}

/* ---- a reload ------------------------------------------------------------------------------------------------------ */

static const struct conf_section *section_of(const struct source *s)
{
	return ((const struct conf_common *)s->conf)->section;
}

static bool same_source(const struct source *a, const struct source *b)
{
	const struct conf_section *x = section_of(a), *y = section_of(b);
	return a->started && a->plugin == b->plugin && strcmp(a->id, b->id) == 0 && !x == !y &&
	       (!x || conf_section_equal(x, y));
}

static void keep_source(struct pipeline *p, size_t at, struct pipeline *old, size_t was)
{
	struct source *running = old->sources.v[was], *twin = p->sources.v[at];
	running->router = twin->router;
	running->error_router = twin->error_router;
	p->sources.v[at] = running;
	old->sources.v[was] = old->sources.v[--old->sources.n];
	source_free(twin);
}

void pipeline_take_over(struct pipeline *p, struct pipeline *old)
{
	for (size_t i = 0; i < p->sources.n; i++)
		for (size_t k = 0; k < old->sources.n; k++)
			if (same_source(old->sources.v[k], p->sources.v[i])) {
				keep_source(p, i, old, k);
				break;
			}
	/* What the others have read, and what comes while they end, goes the new way. */
	for (size_t k = 0; k < old->sources.n; k++) {
		struct source *s = old->sources.v[k];
		const struct router *label = pipeline_router(
			p, router_label(s->router) ? router_label(s->router) : "", 0);
		s->router = label ? label : pipeline_top(p);
		s->error_router = pipeline_router(p, "@ERROR", 0);
	}
}

bool pipeline_has_source_of(const struct pipeline *p, const struct pipeline *home)
{
	for (size_t i = 0; i < p->sources.n; i++)
		if (((struct source *)p->sources.v[i])->home == home)
			return true;
	return false;
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static void filter_free(struct filter *f)
{
	f->plugin->filter->destroy(f->self);
	conf_free(f->plugin->schema, f->conf);
	mem_free(f->id);
	mem_free(f);
}

/* All but its flow, which a secondary one has from its primary. */
static void output_free(struct output *o)
{
	o->plugin->output->destroy(o->self);
	conf_free(o->plugin->schema, o->conf);
	mem_free(o->id);
	mem_free(o);
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->sources.n; i++)
		source_free(p->sources.v[i]);
	for (size_t i = 0; i < p->filters.n; i++)
		filter_free(p->filters.v[i]);
	for (size_t i = 0; i < p->outputs.n; i++) {
		struct output *o = p->outputs.v[i];
		flow_free(o->flow);
		conf_free(&buffer_conf_schema, o->own_buffer);
		output_free(o);
	}
	for (size_t i = 0; i < p->secondaries.n; i++)
		output_free(p->secondaries.v[i]);
	for (size_t i = 0; i < p->keys.n; i++)
		chunk_keys_free(p->keys.v[i]);
	for (size_t i = 0; i < p->memory.n; i++)
		mem_free(p->memory.v[i]);
	log_drop_plugin_levels(p->log_levels);
	mem_free(p->log_levels);
	if (p->held)
		mem_free(p->held->id);
	mem_free(p->held);
	mem_free(p->holders.v);
	mem_free(p->secondaries.v);
	mem_free(p->keys.v);
	mem_free(p->memory.v);
	for (size_t i = 0; i < p->scopes.n; i++) {
		struct scope *s = p->scopes.v[i];
		router_free(s->router);
		mem_free(s);
	}
	mem_free(p->sources.v);
	mem_free(p->filters.v);
	mem_free(p->outputs.v);
	mem_free(p->scopes.v);
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

size_t pipeline_holders(const struct pipeline *p, struct holder **const **v)
{
	*v = (void *)p->holders.v;
	return p->holders.n;
}

struct source *pipeline_held_source(const struct pipeline *p)
{
	return p->held;
}

/* ---- what is written ------------------------------------------------------------------------------------------------- */

void pipeline_each_written(
	const struct pipeline *p, void (*fn)(void *arg, enum conf_writes is, const char *path), void *arg)
{
	for (size_t i = 0; i < p->sources.n; i++) {
		const struct source *s = p->sources.v[i];
		conf_each_written(s->plugin->schema, s->conf, fn, arg);
	}
	for (size_t i = 0; i < p->outputs.n; i++) {
		const struct output *o = p->outputs.v[i];
		conf_each_written(o->plugin->schema, o->conf, fn, arg);
		if (o->flow && !flow_in_memory(o->flow))
			fn(arg, CONF_WRITES_FILE, flow_path(o->flow)); /* the folder above it may be new as well */
	}
	for (size_t i = 0; i < p->secondaries.n; i++) {
		const struct output *o = p->secondaries.v[i];
		conf_each_written(o->plugin->schema, o->conf, fn, arg);
	}
}

/* ---- the log levels of plugins ---------------------------------------------------------------------------------------- */

static size_t add_level(struct log_plugin_level *v, size_t n, const char *id, const void *conf)
{
	const struct conf_common *c = conf;
	v[n].plugin = id;
	return c->log_level && log_level_parse(c->log_level, &v[n].level) ? n + 1 : n;
}

void pipeline_set_log_levels(struct pipeline *p)
{
	size_t n = 0;
	struct log_plugin_level *v = mem_array(
		p->sources.n + p->filters.n + p->outputs.n + p->secondaries.n + 1, sizeof *v);
	for (size_t i = 0; i < p->sources.n; i++)
		n = add_level(v, n, ((struct source *)p->sources.v[i])->id, ((struct source *)p->sources.v[i])->conf);
	for (size_t i = 0; i < p->filters.n; i++)
		n = add_level(v, n, ((struct filter *)p->filters.v[i])->id, ((struct filter *)p->filters.v[i])->conf);
	for (size_t i = 0; i < p->outputs.n; i++)
		n = add_level(v, n, ((struct output *)p->outputs.v[i])->id, ((struct output *)p->outputs.v[i])->conf);
	for (size_t i = 0; i < p->secondaries.n; i++)
		n = add_level(
			v, n, ((struct output *)p->secondaries.v[i])->id, ((struct output *)p->secondaries.v[i])->conf);
	p->log_levels = v;
	log_set_plugin_levels(v, n);
}
