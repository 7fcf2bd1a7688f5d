/* pipeline_show.c: what a configuration amounts to, for people. */
#include "pipeline_impl.h"

#include "flow.h"

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
