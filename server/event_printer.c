#include "event_printer.h"

#include "base/mem.h"
#include "batch.h"
#include "format/formatter.h"
#include "format/inject_values.h"
#include "record/event.h"
#include "record/msgpack_scan.h"

#include <stdio.h>

#define BATCH_MAX (1u << 30)

struct event_printer {
	struct formatter *formatter;
	struct inject_values *inject; /* NULL = none */
};

void event_printer_free(struct event_printer *p)
{
	if (!p)
		return;
	formatter_free(p->formatter);
	inject_values_free(p->inject);
	mem_free(p);
}

struct event_printer *event_printer_make(
	const struct conf_section *section, const struct conf_rules *rules, struct conf_report *report)
{
	size_t errors = report->errors;
	struct event_printer *p = mem_zalloc(sizeof *p);
	p->formatter = formatter_make(section, "stdout", rules, report);
	p->inject = inject_values_make(section, 0, rules, report);
	if (report->errors == errors)
		return p;
	event_printer_free(p);
	return NULL;
}

static void put_line(
	const struct event_printer *p, struct span tag, const struct event *e, struct buf *record, struct buf *out)
{
	struct span r = e->record;
	size_t start = out->n;
	if (p->inject) {
		buf_clear(record);
		if (!inject_values_put(p->inject, tag, e->time, r, record))
			return;
		r = buf_span(record);
	}
	if (!formatter_put(p->formatter, tag, e->time, r, out))
		return;
	if (out->n > start && out->p[out->n - 1] == '\n')
		out->n--;
	if (out->n > start && out->p[out->n - 1] == '\r')
		out->n--;
	buf_put_byte(out, '\n');
}

void event_printer_print(const struct event_printer *p, const struct batch *b)
{
	struct buf out, record;
	const uint8_t *at = b->entries.p, *end = at + b->entries.n;
	struct event e;
	size_t used;
	buf_init(&out, BATCH_MAX);
	buf_init(&record, BATCH_MAX);
	for (; at < end && event_read(at, end, MP_DEPTH_LIMIT, &e, &used) == EVENT_OK; at += used) {
		if (e.kind == EVENT_TIME_NOW)
			e.time = (struct event_time){
				.sec = b->received_ns / 1000000000, .nsec = (uint32_t)(b->received_ns % 1000000000)};
		put_line(p, b->tag, &e, &record, &out);
	}
	fwrite(out.p, 1, out.n, stdout);
	fflush(stdout);
	buf_free(&record);
	buf_free(&out);
}
