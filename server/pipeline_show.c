/* pipeline_show.c: what a configuration amounts to, for people. */
#include "pipeline_impl.h"

#include "buffer_conf.h"
#include "flow.h"
#include "format/formatter.h"
#include "format/inject_values.h"
#include "parse/parser.h"

#include <string.h>

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

/* ---- the configuration in force --------------------------------------------------------------------------------------- */

struct shower {
	struct conf_show_other other; /* first: it is handed back */
	const struct pipeline *pipeline;
};

static void put_indent(struct buf *out, unsigned indent)
{
	for (unsigned i = 0; i < indent; i++)
		buf_put_str(out, "  ");
}

/* Whether a plugin was made of that section, or of a copy of it. */
static bool is_of(const void *conf, const struct conf_section *s)
{
	const struct conf_section *own = ((const struct conf_common *)conf)->section;
	return own && own->pos.line == s->pos.line && own->pos.column == s->pos.column &&
	       own->pos.file == s->pos.file && strcmp(own->name, s->name) == 0;
}

static const struct output *output_of(const struct list *outputs, const struct conf_section *s)
{
	for (size_t i = 0; i < outputs->n; i++)
		if (is_of(((const struct output *)outputs->v[i])->conf, s))
			return outputs->v[i];
	return NULL;
}

static const char *default_type(const struct conf_schema *schema, const struct conf_schema *text)
{
	const struct conf_sub *sub = schema->subs;
	while (sub && sub->schema && sub->schema != text)
		sub++;
	return sub && sub->schema ? sub->type : NULL;
}

static bool takes(const struct conf_schema *schema, const struct conf_schema *text)
{
	const struct conf_sub *sub = schema->subs;
	while (sub && sub->schema && sub->schema != text)
		sub++;
	return sub && sub->schema;
}

static bool has_section(const struct conf_section *s, const char *name)
{
	for (s = s->sections; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return true;
	return false;
}

/* What the section asks for; what was wrong with it was told when the plugin was made. */
static void show_parser(const struct conf_section *s, const char *type, struct buf *out, unsigned indent)
{
	struct conf_rules rules = {0};
	struct conf_report ignored;
	conf_report_init(&ignored);
	struct parser *p = parser_make(s, type, &rules, &ignored);
	if (p)
		parser_show(p, out, indent);
	parser_free(p);
	conf_report_free(&ignored);
}

static void show_formatter(const struct conf_section *s, const char *type, struct buf *out, unsigned indent)
{
	struct conf_rules rules = {0};
	struct conf_report ignored;
	conf_report_init(&ignored);
	struct formatter *f = type ? formatter_make(s, type, &rules, &ignored) : NULL;
	if (f)
		formatter_show(f, out, indent);
	formatter_free(f);
	conf_report_free(&ignored);
}

static void show_inject(const struct conf_section *s, struct buf *out, unsigned indent)
{
	struct conf_rules rules = {0};
	struct conf_report ignored;
	conf_report_init(&ignored);
	struct inject_values *i = inject_values_make(s, 0, &rules, &ignored);
	if (i)
		inject_values_show(i, out, indent);
	inject_values_free(i);
	conf_report_free(&ignored);
}

static void put_section(const char *name, struct buf *inside, struct buf *out, unsigned indent)
{
	if (inside->n) {
		put_indent(out, indent);
		buf_printf(out, "<%s>\n", name);
		buf_put_span(out, buf_span(inside));
		put_indent(out, indent);
		buf_printf(out, "</%s>\n", name);
	}
	buf_free(inside);
}

/* A plugin, and the sections that are not there: v0.12's flat parameters, and what a type is by default. */
static void show_conf(const struct shower *w, const struct conf_schema *schema, const void *conf,
	const struct conf_section *made_from, struct buf *out, unsigned indent)
{
	const struct conf_section *s = made_from ? made_from : ((const struct conf_common *)conf)->section;
	struct buf inside;
	conf_show_inside(schema, conf, out, indent, &w->other);
	if (!s)
		return;
	if (takes(schema, &parser_section_schema) && !has_section(s, "parse")) {
		buf_init(&inside, SIZE_MAX);
		show_parser(s, default_type(schema, &parser_section_schema), &inside, indent + 1);
		put_section("parse", &inside, out, indent);
	}
	if (takes(schema, &formatter_section_schema) && !has_section(s, "format")) {
		buf_init(&inside, SIZE_MAX);
		show_formatter(s, default_type(schema, &formatter_section_schema), &inside, indent + 1);
		put_section("format", &inside, out, indent);
	}
	if (takes(schema, &inject_values_schema) && !has_section(s, "inject")) {
		buf_init(&inside, SIZE_MAX);
		show_inject(s, &inside, indent + 1);
		put_section("inject", &inside, out, indent);
	}
}

static void show_output(const struct shower *w, const struct output *o, struct buf *out, unsigned indent)
{
	show_conf(w, o->plugin->schema, o->conf, NULL, out, indent);
	if (!o->own_buffer)
		return;
	put_indent(out, indent);
	buf_printf(out, *o->own_buffer->common.arg ? "<buffer %s>\n" : "<buffer>\n", o->own_buffer->common.arg);
	conf_show_inside(&buffer_conf_schema, o->own_buffer, out, indent + 1, NULL);
	put_indent(out, indent);
	buf_put_str(out, "</buffer>\n");
}

static const struct source *source_of(const struct pipeline *p, const struct conf_section *s)
{
	for (size_t i = 0; i < p->sources.n; i++)
		if (is_of(((const struct source *)p->sources.v[i])->conf, s))
			return p->sources.v[i];
	return NULL;
}

/* The table of the plugin that was made from a section; NULL if there is none. */
static const struct conf_schema *schema_of(const struct pipeline *p, const struct conf_section *s)
{
	const struct source *source = source_of(p, s);
	if (source)
		return source->plugin->schema;
	for (size_t i = 0; i < p->filters.n; i++)
		if (is_of(((const struct filter *)p->filters.v[i])->conf, s))
			return ((const struct filter *)p->filters.v[i])->plugin->schema;
	const struct output *o = output_of(&p->outputs, s);
	o = o ? o : output_of(&p->secondaries, s);
	return o ? o->plugin->schema : NULL;
}

/* A <parse>, <pattern> or <format>: what it holds is its type's. */
static void show_text_type(const struct shower *w, const struct conf_section *s, struct buf *out, unsigned indent)
{
	const struct conf_schema *plugin = s->parent ? schema_of(w->pipeline, s->parent) : NULL;
	const struct source *source = s->parent ? source_of(w->pipeline, s->parent) : NULL;
	if (strcmp(s->name, "format") == 0)
		show_formatter(s, plugin ? default_type(plugin, &formatter_section_schema) : NULL, out, indent);
	else
		show_parser(source && source->section ? source->section : s,
			plugin ? default_type(plugin, &parser_section_schema) : NULL, out, indent);
	for (const struct conf_section *p = s->sections; p; p = p->next) {
		put_indent(out, indent);
		buf_printf(out, "<%s>\n", p->name);
		w->other.show(&w->other, p, out, indent + 1);
		put_indent(out, indent);
		buf_printf(out, "</%s>\n", p->name);
	}
}

static void show_other(
	const struct conf_show_other *other, const struct conf_section *s, struct buf *out, unsigned indent)
{
	const struct shower *w = (const struct shower *)other;
	const struct output *o = output_of(&w->pipeline->outputs, s);
	o = o ? o : output_of(&w->pipeline->secondaries, s);
	if (o)
		show_output(w, o, out, indent);
	else
		show_text_type(w, s, out, indent);
}

static const char *show_plugin(const struct shower *w, const struct conf_section *s, struct buf *out, unsigned indent)
{
	const struct pipeline *p = w->pipeline;
	for (size_t i = 0; i < p->sources.n; i++) {
		const struct source *source = p->sources.v[i];
		if (is_of(source->conf, s)) {
			show_conf(w, source->plugin->schema, source->conf, source->section, out, indent);
			return source->id;
		}
	}
	for (size_t i = 0; i < p->filters.n; i++) {
		const struct filter *f = p->filters.v[i];
		if (is_of(f->conf, s)) {
			show_conf(w, f->plugin->schema, f->conf, NULL, out, indent);
			return f->id;
		}
	}
	const struct output *o = output_of(&p->outputs, s);
	if (o)
		show_output(w, o, out, indent);
	return o ? o->id : "";
}

static void show_sections(const struct shower *w, const struct conf_section *parent, struct buf *out, unsigned indent)
{
	for (const struct conf_section *s = parent->sections; s; s = s->next) {
		bool holder = strcmp(s->name, "label") == 0 || strcmp(s->name, "worker") == 0;
		struct buf inside;
		if (strcmp(s->name, "system") == 0)
			continue;
		buf_init(&inside, SIZE_MAX);
		const char *id = "";
		if (holder)
			show_sections(w, s, &inside, indent + 1);
		else
			id = show_plugin(w, s, &inside, indent + 1);
		if (*id) {
			put_indent(out, indent);
			buf_printf(out, "# %s\n", id);
		}
		put_indent(out, indent);
		buf_printf(out, *s->arg ? "<%s %s>\n" : "<%s>\n", s->name, s->arg);
		buf_put_span(out, buf_span(&inside));
		put_indent(out, indent);
		buf_printf(out, "</%s>\n\n", s->name);
		buf_free(&inside);
	}
}

void pipeline_show(const struct pipeline *p, struct buf *out)
{
	struct shower w = {{show_other}, p};
	show_sections(&w, p->root, out, 0);
}
