/* pipeline_show.c: what a configuration amounts to, for people. */
#include "pipeline_impl.h"

#include "buffer_conf.h"
#include "flow.h"
#include "format/formatter.h"
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

static void show_output(const struct shower *w, const struct output *o, struct buf *out, unsigned indent)
{
	conf_show_inside(o->plugin->schema, o->conf, out, indent, &w->other);
	if (!o->own_buffer)
		return;
	put_indent(out, indent);
	buf_printf(out, *o->own_buffer->common.arg ? "<buffer %s>\n" : "<buffer>\n", o->own_buffer->common.arg);
	conf_show_inside(&buffer_conf_schema, o->own_buffer, out, indent + 1, NULL);
	put_indent(out, indent);
	buf_put_str(out, "</buffer>\n");
}

/* A <parse>, <pattern> or <format>: what it holds is its type's. */
static void show_text_type(const struct shower *w, const struct conf_section *s, struct buf *out, unsigned indent)
{
	const struct conf_pair *type = conf_section_get(s, "@type");
	const struct conf_schema *schema = NULL;
	struct conf_rules rules = {0};
	struct conf_report ignored;
	if (!type)
		type = conf_section_get(s, strcmp(s->name, "pattern") == 0 ? "format" : "type");
	if (type)
		schema = strcmp(s->name, "format") == 0 ? formatter_type_schema(type->value)
							: parser_type_schema(type->value);
	if (!schema)
		return;
	conf_report_init(&ignored); /* it was told when the plugin was made */
	void *conf = conf_make(schema, s, &rules, &ignored);
	if (strcmp(type->name, "format") == 0) {
		put_indent(out, indent);
		buf_printf(out, "@type %s\n", type->value);
	}
	conf_show_inside(schema, conf, out, indent, NULL);
	conf_free(schema, conf);
	conf_report_free(&ignored);
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
			conf_show_inside(source->plugin->schema, source->conf, out, indent, &w->other);
			return source->id;
		}
	}
	for (size_t i = 0; i < p->filters.n; i++) {
		const struct filter *f = p->filters.v[i];
		if (is_of(f->conf, s)) {
			conf_show_inside(f->plugin->schema, f->conf, out, indent, &w->other);
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
