/* out_stdout.c: <match> @type stdout: a line for each event on standard output, as fluentd prints it. For looking, not for keeping. */
#include "batch.h"
#include "base/mem.h"
#include "format/formatter.h"
#include "format/inject_values.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/event.h"
#include "record/msgpack_scan.h"

#include <stddef.h>
#include <stdio.h>

#define BATCH_MAX (1u << 30)

struct out_stdout_conf {
	struct conf_common common;
	struct conf_list format, inject;
};

static const struct conf_param params[] = {
	{.name = "use_logger",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "events go to standard output, weir's own log does not"},
	FORMATTER_FLAT_PARAMS,
	INJECT_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &formatter_section_schema, .offset = offsetof(struct out_stdout_conf, format)},
	{.schema = &inject_values_schema, .offset = offsetof(struct out_stdout_conf, inject)},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "match",
	.title = "stdout output",
	.size = sizeof(struct out_stdout_conf),
	.params = params,
	.subs = subs,
	.help = "Prints each event on standard output: time, tag, record as JSON, or as `<format>` says.",
};

struct out_stdout {
	struct formatter *formatter;
	struct inject_values *inject; /* NULL = none */
};

static void destroy(void *self)
{
	struct out_stdout *s = self;
	if (!s)
		return;
	formatter_free(s->formatter);
	inject_values_free(s->inject);
	mem_free(s);
}

static void *create(struct output *o, struct builder *b)
{
	static const struct conf_rules rules;
	const struct out_stdout_conf *c = o->conf;
	struct conf_report *report = builder_report(b);
	size_t errors = report->errors;
	struct out_stdout *s = mem_zalloc(sizeof *s);
	s->formatter = formatter_make(c->common.section, "stdout", &rules, report);
	s->inject = inject_values_make(c->common.section, 0, &rules, report);
	if (report->errors == errors)
		return s;
	destroy(s);
	return NULL;
}

/* One line, whatever the formatter ends with. */
static void put_line(
	const struct out_stdout *s, struct span tag, const struct event *e, struct buf *record, struct buf *out)
{
	struct span r = e->record;
	size_t start = out->n;
	if (s->inject) {
		buf_clear(record);
		if (!inject_values_put(s->inject, tag, e->time, r, record))
			return;
		r = buf_span(record);
	}
	if (!formatter_put(s->formatter, tag, e->time, r, out))
		return;
	if (out->n > start && out->p[out->n - 1] == '\n')
		out->n--;
	if (out->n > start && out->p[out->n - 1] == '\r')
		out->n--;
	buf_put_byte(out, '\n');
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	struct buf out, record;
	const uint8_t *p = b->entries.p, *end = p + b->entries.n;
	(void)in;
	counter_add(o->n.delivered, b->count);
	buf_init(&out, BATCH_MAX);
	buf_init(&record, BATCH_MAX);
	while (p < end) {
		struct event e;
		size_t used;
		if (event_read(p, end, MP_DEPTH_LIMIT, &e, &used) != EVENT_OK)
			break;
		if (e.kind == EVENT_TIME_NOW)
			e.time = (struct event_time){
				.sec = b->received_ns / 1000000000, .nsec = (uint32_t)(b->received_ns % 1000000000)};
		put_line(o->self, b->tag, &e, &record, &out);
		p += used;
	}
	fwrite(out.p, 1, out.n, stdout);
	fflush(stdout);
	buf_free(&record);
	buf_free(&out);
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_stdout = {
	.kind = PLUGIN_OUTPUT,
	.name = "stdout",
	.help = "Prints events.",
	.schema = &schema,
	.output = &ops,
};
