/*
 * out_detect_exceptions.c: <match> @type detect_exceptions: the lines of a stack trace that came as events of their own become one event; everything else goes on
 * as it came. Then the events meet the rules once more, under another tag.
 */
#include "base/mem.h"
#include "holder.h"
#include "ingest.h"
#include "parse/stack_trace.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#include <stddef.h>

#define ENTRIES_MAX ((size_t)1 << 30)

struct detect_conf {
	struct conf_common common;
	char *remove_tag_prefix, *message, *stream;
	struct conf_array languages;
	int64_t multiline_flush_interval_ns, max_lines, max_bytes;
	bool force_line_breaks;
};

#define AT(field) .offset = offsetof(struct detect_conf, field)

static const struct conf_param params[] = {
	{.name = "remove_tag_prefix",
		.type = CONF_STRING,
		AT(remove_tag_prefix),
		.required = true,
		.help = "Taken, with the dot behind it, from the beginning of the tag. Events whose tag does not begin "
			"with it "
			"come here again, in a circle, and end as dead letters."},
	{.name = "message",
		.type = CONF_STRING,
		AT(message),
		.value = "",
		.help = "The field with the line. Empty: `message`, or if there is none `log`."},
	{.name = "languages",
		.type = CONF_ARRAY,
		AT(languages),
		.value = "[]",
		.help = "Whose stack traces: java, javascript (js), csharp, python (py), php, go, ruby (rb), dart, "
			"all. None: "
			"all."},
	{.name = "multiline_flush_interval",
		.type = CONF_TIME,
		AT(multiline_flush_interval_ns),
		.value = "1s",
		.help = "A trace goes on so long after its first line, whether or not more of it may come; looked at "
			"once a "
			"second. 0: "
			"never (fluentd's default)."},
	{.name = "max_lines",
		.type = CONF_INT,
		AT(max_lines),
		.value = "1000",
		.help = "Lines of a trace at most; 0: no limit but the 16,384 of all streams."},
	{.name = "max_bytes",
		.type = CONF_SIZE,
		AT(max_bytes),
		.value = "0",
		.help = "Bytes of a trace at most; 0: no limit but the 16 MiB of all streams."},
	{.name = "stream",
		.type = CONF_STRING,
		AT(stream),
		.value = "",
		.help = "The field that tells the streams of a tag apart. Empty: a tag is one stream."},
	{.name = "force_line_breaks",
		.type = CONF_BOOL,
		AT(force_line_breaks),
		.value = "false",
		.help = "A line feed is put before each line but the first, where the line has none."},
	{.name = NULL},
};

static const struct conf_schema schema = {
	.name = "match",
	.title = "detect_exceptions output",
	.size = sizeof(struct detect_conf),
	.params = params,
	.help = "Joins the lines of stack traces. Its events go to `@label`, else to the rules among which it stands, "
		"without "
		"`remove_tag_prefix`. Lines that wait for others are on disk (`held` in weir's folder) before they are "
		"acknowledged, and survive a crash.",
};

struct detect {
	struct output *output;
	const struct detect_conf *conf;
	struct stack_trace *trace;
	const struct router *router;
	struct holder *holder;
	char *prefix; /* with its dot */
};

/* ---- which belong together ------------------------------------------------------------------------------------------ */

/* What the holder keeps for a stream: the machine's state, and the bytes of the lines. */
static int64_t pack(unsigned state, uint64_t bytes)
{
	return (int64_t)(bytes * TRACE_STATES + state);
}

static const char *field_of(const struct detect *d, struct span record)
{
	if (*d->conf->message)
		return d->conf->message;
	return mp_map_get(record, SPAN_LIT("message")).n ? "message" : "log";
}

static bool line_of(const struct detect *d, struct span record, struct span *line)
{
	struct span value = mp_map_get(record, span_str(field_of(d, record)));
	const uint8_t *p = value.p;
	struct mp_token t;
	if (!value.n || mp_read(&p, p + value.n, &t) != MP_OK || t.type != MP_STR)
		return false;
	*line = t.body;
	return true;
}

static bool identify(void *self, const struct event *e, struct buf *id)
{
	const struct detect *d = self;
	if (*d->conf->stream)
		buf_put_span(id, mp_map_get(e->record, span_str(d->conf->stream)));
	return true;
}

static void take(void *self, struct holding *t)
{
	const struct detect *d = self;
	uint64_t packed = (uint64_t)holding_state(t), bytes = packed / TRACE_STATES;
	unsigned state = packed % TRACE_STATES;
	struct span line;
	enum trace_step step = TRACE_NONE;
	if (line_of(d, holding_event(t)->record, &line)) {
		if (d->conf->max_bytes && bytes + line.n > (uint64_t)d->conf->max_bytes) {
			holding_flush(t);
			state = 0;
		}
		step = stack_trace_step(d->trace, &state, line);
	}
	if (step == TRACE_NONE || step == TRACE_START)
		holding_flush(t);
	if (step == TRACE_NONE) {
		holding_pass(t);
		return;
	}
	bytes = holding_count(t) ? bytes + line.n : line.n;
	holding_keep(t);
	holding_set_state(t, pack(state, bytes));
	if (step == TRACE_END || (d->conf->max_lines && holding_count(t) >= (uint64_t)d->conf->max_lines))
		holding_flush(t);
}

static int64_t state_of(void *self, const struct held_event *first)
{
	const struct detect *d = self;
	unsigned state = 0;
	uint64_t bytes = 0;
	for (const struct held_event *e = first; e; e = e->next) {
		struct span line;
		if (!line_of(d, e->record, &line))
			continue;
		stack_trace_step(d->trace, &state, line);
		bytes += line.n;
	}
	return pack(state, bytes);
}

/* ---- what is made of them --------------------------------------------------------------------------------------------- */

static bool breaks(const struct detect *d, const struct held_event *first, const struct held_event *e, struct span line)
{
	return d->conf->force_line_breaks && e != first && (!line.n || !memchr(line.p, '\n', line.n));
}

static void put_lines(const struct detect *d, const struct held_event *first, struct buf *out)
{
	size_t n = 0;
	struct span line;
	for (const struct held_event *e = first; e; e = e->next)
		if (line_of(d, e->record, &line))
			n += line.n + breaks(d, first, e, line);
	mp_put_str_head(out, n);
	for (const struct held_event *e = first; e; e = e->next) {
		if (!line_of(d, e->record, &line))
			continue;
		if (breaks(d, first, e, line))
			buf_put_byte(out, '\n');
		buf_put_span(out, line);
	}
}

/* The first line's event with all lines. */
static bool join(void *self, const struct held_event *first, unsigned count, struct buf *out)
{
	const struct detect *d = self;
	const uint8_t *p = first->record.p, *end = p + first->record.n;
	struct span value = mp_map_get(first->record, span_str(field_of(d, first->record)));
	struct mp_token map;
	if (count == 1 || mp_read(&p, end, &map) != MP_OK || !value.n)
		return buf_put_span(out, first->entry);
	buf_put_byte(out, 0x92);
	if (first->metadata.n)
		buf_put_byte(out, 0x92);
	mp_put_event_time(out, first->time);
	buf_put_span(out, first->metadata);
	buf_put(out, first->record.p, (size_t)(value.p - first->record.p));
	put_lines(d, first, out);
	buf_put(out, value.p + value.n, (size_t)(end - (value.p + value.n)));
	return !out->failed;
}

static struct span renamed(const struct detect *d, struct span tag)
{
	size_t n = strlen(d->prefix);
	return tag.n >= n && memcmp(tag.p, d->prefix, n) == 0 ? span_of(tag.p + n, tag.n - n) : tag;
}

static void emit_joined(void *self, struct ingest *in, const struct batch *b, bool late)
{
	const struct detect *d = self;
	struct batch to = *b;
	(void)late;
	to.tag = renamed(d, b->tag);
	ingest_route(in, d->router, &to);
}

static const struct holder_ops holder_ops = {
	.identify = identify, .take = take, .state_of = state_of, .join = join, .emit = emit_joined};

/* ---- the output ----------------------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
	struct detect *d = self;
	if (!d)
		return;
	holder_free(d->holder);
	stack_trace_free(d->trace);
	mem_free(d->prefix);
	mem_free(d);
}

static void *create(struct output *o, struct builder *b)
{
	const struct detect_conf *c = o->conf;
	struct detect *d = mem_zalloc(sizeof *d);
	struct holder_options options = {.id = o->id,
		.type = o->plugin->name,
		.timeout_ns = c->multiline_flush_interval_ns,
		.from_first = true,
		.section = c->common.section};
	unsigned languages = 0;
	for (size_t i = 0; i < c->languages.n; i++) {
		unsigned one = trace_language(c->languages.v[i]);
		if (!one)
			conf_report_add(builder_report(b), CONF_ERROR, conf_where(c, "languages"),
				"Unknown language: %s", c->languages.v[i]);
		languages |= one;
	}
	d->output = o;
	d->conf = c;
	d->prefix = mem_printf("%s.", c->remove_tag_prefix ? c->remove_tag_prefix : "");
	d->router = c->common.label ? builder_label(b, c->common.label, conf_where(c, "@label")) : builder_router(b);
	d->trace = stack_trace_new(languages ? languages : TRACE_ALL);
	d->holder = holder_new(&options, &holder_ops, d, builder_metrics(b));
	builder_holder(b, &d->holder);
	return d;
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	const struct detect *d = o->self;
	struct buf out;
	struct batch to = {.tag = renamed(d, b->tag), .received_ns = b->received_ns};
	buf_init(&out, ENTRIES_MAX);
	to.count = holder_take(d->holder, in, b, &out);
	to.entries = buf_span(&out);
	batch_part_key(b, span_str(o->id), to.key);
	if (to.count)
		ingest_route(in, d->router, &to);
	buf_free(&out);
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_detect_exceptions = {
	.kind = PLUGIN_OUTPUT,
	.name = "detect_exceptions",
	.help = "Joins the lines of stack traces.",
	.schema = &schema,
	.output = &ops,
};
