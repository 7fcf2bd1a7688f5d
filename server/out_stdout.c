/* out_stdout.c: <match> @type stdout: a line for each event on standard output, as fluentd prints it. For looking, not for keeping. */
#include "batch.h"
#include "base/mem.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/event.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "record/time_text.h"

#include <stdio.h>

static const struct conf_schema schema = {
	.name = "match",
	.title = "stdout output",
	.size = sizeof(struct conf_common),
	.help = "Prints each event on standard output: time, tag, record as JSON.",
};

static void *create(struct output *o, struct builder *b)
{
	(void)b;
	return o;
}

static void destroy(void *self)
{
	(void)self;
}

static void put_time(struct buf *out, struct event_time t)
{
	struct civil c;
	civil_from_seconds(t.sec, &c);
	buf_printf(out, "%04lld-%02u-%02u %02u:%02u:%02u.%09u +0000", (long long)c.year, c.month, c.day, c.hour,
		c.minute, c.second, t.nsec);
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	struct buf out;
	const uint8_t *p = b->entries.p, *end = p + b->entries.n;
	(void)o;
	(void)in;
	buf_init(&out, 1u << 30);
	while (p < end) {
		struct event e;
		size_t used;
		if (event_read(p, end, MP_DEPTH_LIMIT, &e, &used) != EVENT_OK)
			break;
		if (e.kind == EVENT_TIME_NOW)
			e.time = (struct event_time){
				.sec = b->received_ns / 1000000000, .nsec = (uint32_t)(b->received_ns % 1000000000)};
		put_time(&out, e.time);
		buf_put_byte(&out, ' ');
		buf_put_span(&out, b->tag);
		buf_put_str(&out, ": ");
		const uint8_t *record = e.record.p;
		json_put(&out, &record, e.record.p + e.record.n, MP_DEPTH_LIMIT);
		buf_put_byte(&out, '\n');
		p += used;
	}
	fwrite(out.p, 1, out.n, stdout);
	fflush(stdout);
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
