/*
 * filter_concat.c: <filter> @type concat: lines that came as events of their own become one event again. The waiting is holder.c's; here is which events belong
 * together, and what is made of them.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/regexp.h"
#include "concat_conf.h"
#include "holder.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/json_put.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#include <stdlib.h>

#define COMPARE_MAX \
	65536u /* pairs of keys that are compared; of larger records the last one's own fields are left out */

enum mode { MODE_LINES, MODE_REGEXP, MODE_PARTIAL, MODE_METADATA, MODE_CRI };

/* Docker's names: what it is part of, which of them, whether it is the last, and what tells that it is one at all. */
struct metadata_names {
	const char *message, *id, *ordinal, *last, *mark;
};

static const struct metadata_names metadata_names[] = {
	[DOCKER_FLUENTD] = {"partial_message", "partial_id", "partial_ordinal", "partial_last", "partial_message"},
	[DOCKER_JOURNALD] = {"CONTAINER_PARTIAL_MESSAGE", "CONTAINER_PARTIAL_ID", "CONTAINER_PARTIAL_ORDINAL",
		"CONTAINER_PARTIAL_LAST", "CONTAINER_PARTIAL_ID"},
	[DOCKER_JOURNALD_LOWERCASE] = {"container_partial_message", "container_partial_id", "container_partial_ordinal",
		"container_partial_last", "container_partial_id"},
};

struct concat {
	struct filter *filter;
	const struct concat_conf *conf;
	enum mode mode;
	struct regexp *start, *end, *continuous;
	const struct metadata_names *names;
	const struct router *router, *timeout_router;
	struct holder *holder;
};

/* ---- fields ---------------------------------------------------------------------------------------------------------- */

static struct span field(struct span record, const char *name)
{
	return mp_map_get(record, span_str(name));
}

/* The bytes of a string; false if it is none. */
static bool text_of(struct span value, struct span *text)
{
	const uint8_t *p = value.p;
	struct mp_token t;
	if (!value.n || mp_read(&p, p + value.n, &t) != MP_OK || (t.type != MP_STR && t.type != MP_BIN))
		return false;
	*text = t.body;
	return true;
}

static bool is_text(struct span value, const char *want)
{
	struct span text;
	return text_of(value, &text) && span_eq(text, span_str(want));
}

/* Ruby's to_i of a string or a number, as far as ordinals go. */
static uint64_t ordinal_of(struct span value)
{
	const uint8_t *p = value.p;
	struct mp_token t;
	uint64_t n = 0;
	if (!value.n || mp_read(&p, p + value.n, &t) != MP_OK)
		return 0;
	if (t.type == MP_UINT)
		return t.u;
	if (t.type != MP_STR)
		return 0;
	for (size_t i = 0; i < t.body.n && i < 18 && t.body.p[i] >= '0' && t.body.p[i] <= '9'; i++)
		n = 10 * n + (t.body.p[i] - '0');
	return n;
}

/* ---- which belong together -------------------------------------------------------------------------------------------- */

static bool identify(void *self, const struct event *e, struct buf *id)
{
	const struct concat *c = self;
	struct span text;
	if (!text_of(field(e->record, c->conf->key), &text))
		return false;
	if (c->mode == MODE_PARTIAL && !field(e->record, c->conf->partial_key).n)
		return false;
	if (c->mode == MODE_METADATA && !field(e->record, c->names->mark).n)
		return false;
	if (c->conf->stream_identity_key)
		buf_put_span(id, field(e->record, c->conf->stream_identity_key));
	if (c->mode == MODE_METADATA)
		buf_put_span(id, field(e->record, c->names->id));
	return true;
}

static bool matches(const struct regexp *r, struct span text)
{
	return r && regexp_search_bytes(r, text) == REGEXP_YES;
}

static void take_by_regexp(const struct concat *c, struct holding *t)
{
	struct span text = {0};
	(void)text_of(field(holding_event(t)->record, c->conf->key), &text);
	bool is_start = matches(c->start, text), is_end = matches(c->end, text);
	if (is_start)
		holding_flush(t);
	else if (!is_end && !holding_count(t) && c->start) {
		holding_pass(t); /* of an event whose beginning is not here */
		return;
	} else if (!is_end && holding_count(t) && c->continuous && !matches(c->continuous, text)) {
		holding_flush(t);
		holding_pass(t);
		return;
	}
	holding_keep(t);
	if (is_end)
		holding_flush(t);
}

static void take_part(const struct concat *c, struct holding *t)
{
	const struct event *e = holding_event(t);
	bool is_last = !is_text(field(e->record, c->conf->partial_key), c->conf->partial_value);
	bool is_over = holding_count(t) && holding_bytes(t) + e->record.n > (size_t)c->conf->buffer_limit_size;
	switch (is_over ? c->conf->buffer_overflow_method : OVERFLOW_IGNORE) {
	case OVERFLOW_TRUNCATE:
		holding_flush(t);
		holding_drop(t);
		return;
	case OVERFLOW_DROP:
		holding_drop_held(t);
		holding_drop(t);
		return;
	case OVERFLOW_NEW:
		holding_flush(t);
		break;
	default:
		break;
	}
	holding_keep(t);
	if (is_last)
		holding_flush(t);
}

/* `F`, or `F:` and more. */
static bool is_full(struct span value)
{
	struct span tag;
	return !text_of(value, &tag) || (tag.n && tag.p[0] == 'F' && (tag.n == 1 || tag.p[1] == ':'));
}

static bool is_true(struct span value)
{
	return is_text(value, "true") || (value.n && *value.p == 0xc3);
}

static void take(void *self, struct holding *t)
{
	const struct concat *c = self;
	struct span record = holding_event(t)->record;
	bool is_last = false;
	switch (c->mode) {
	case MODE_REGEXP:
		take_by_regexp(c, t);
		return;
	case MODE_PARTIAL:
		take_part(c, t);
		return;
	case MODE_LINES:
		is_last = holding_count(t) + 1 >= (uint64_t)c->conf->n_lines;
		break;
	case MODE_METADATA:
		is_last = is_true(field(record, c->names->last));
		break;
	case MODE_CRI:
		is_last = is_full(field(record, c->conf->partial_cri_logtag_key));
		break;
	}
	holding_keep(t);
	if (is_last)
		holding_flush(t);
}

/* ---- what is made of them ---------------------------------------------------------------------------------------------- */

static bool is_key(struct span key, const char *name)
{
	return name && is_text(key, name);
}

/* The field that marks parts: the joined event has the last part's, or none. */
static const char *mark_of(const struct concat *c)
{
	return c->mode == MODE_PARTIAL ? c->conf->partial_key
	       : c->mode == MODE_CRI   ? c->conf->partial_cri_logtag_key
				       : NULL;
}

static bool is_left_out(const struct concat *c, struct span key)
{
	const struct metadata_names *n = c->names;
	if (c->mode == MODE_CRI)
		return is_key(key, c->conf->partial_cri_stream_key);
	return c->mode == MODE_METADATA && !c->conf->keep_partial_metadata &&
	       (is_key(key, n->message) || is_key(key, n->id) || is_key(key, n->ordinal) || is_key(key, n->last));
}

struct pairs {
	const uint8_t *p, *end;
	uint32_t left;
};

static struct pairs pairs_of(struct span record)
{
	struct pairs m = {.p = record.p, .end = record.p + record.n};
	struct mp_token t;
	if (mp_read(&m.p, m.end, &t) == MP_OK && t.type == MP_MAP)
		m.left = t.count;
	return m;
}

static bool next_pair(struct pairs *m, struct span *key, struct span *value)
{
	if (!m->left--)
		return false;
	*key = span_of(m->p, mp_length(m->p, m->end));
	m->p += key->n;
	*value = span_of(m->p, mp_length(m->p, m->end));
	m->p += value->n;
	return key->n && value->n;
}

static bool has_key(struct span record, struct span key)
{
	struct pairs m = pairs_of(record);
	struct span k, v;
	while (next_pair(&m, &k, &v))
		if (span_eq(k, key))
			return true;
	return false;
}

/* In the order of arrival, or of Docker's ordinals. */
struct part {
	uint64_t ordinal;
	unsigned place;
	struct span text;
};

static int by_ordinal(const void *a, const void *b)
{
	const struct part *x = a, *y = b;
	if (x->ordinal != y->ordinal)
		return x->ordinal < y->ordinal ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

static void put_joined(const struct concat *c, const struct held_event *first, unsigned count, struct buf *out)
{
	struct span separator = span_str(c->conf->separator);
	struct part *parts = mem_array(count, sizeof *parts);
	size_t n = separator.n * (count - 1);
	unsigned i = 0;
	for (const struct held_event *e = first; e; e = e->next, i++) {
		parts[i] = (struct part){.place = i};
		(void)text_of(field(e->record, c->conf->key), &parts[i].text);
		if (c->mode == MODE_METADATA)
			parts[i].ordinal = ordinal_of(field(e->record, c->names->ordinal));
		n += parts[i].text.n;
	}
	if (c->mode == MODE_METADATA)
		qsort(parts, count, sizeof *parts, by_ordinal);
	mp_put_str_head(out, n);
	for (i = 0; i < count; i++) {
		if (i)
			buf_put_span(out, separator);
		buf_put_span(out, parts[i].text);
	}
	mem_free(parts);
}

/* The first part's fields, with the joined text; then those that only the last part has. */
static void put_record(const struct concat *c, const struct held_event *first, const struct held_event *last,
	unsigned count, struct buf *out)
{
	struct pairs m = pairs_of(first->record), more = pairs_of(last->record);
	const char *mark = mark_of(c);
	struct span key, value;
	uint32_t fields = 0;
	size_t head = out->n;
	bool compare = (uint64_t)m.left * more.left <= COMPARE_MAX, joined = false;
	mp_put_map_room(out);
	while (next_pair(&m, &key, &value)) {
		bool is_text_key = is_key(key, c->conf->key);
		if (is_left_out(c, key) || is_key(key, mark) || (is_text_key && joined))
			continue;
		buf_put_span(out, key);
		if (is_text_key)
			put_joined(c, first, count, out);
		else
			buf_put_span(out, value);
		joined = joined || is_text_key;
		fields++;
	}
	while (compare && next_pair(&more, &key, &value)) {
		bool is_mark = is_key(key, mark);
		if (is_left_out(c, key) || (is_mark ? !c->conf->keep_partial_key : has_key(first->record, key)))
			continue;
		buf_put_span(out, key);
		buf_put_span(out, value);
		fields++;
	}
	mp_set_map_head(out, head, fields);
}

static bool join(void *self, const struct held_event *first, unsigned count, struct buf *out)
{
	const struct concat *c = self;
	const struct held_event *last = first;
	while (last->next)
		last = last->next;
	struct event_time time = c->conf->use_first_timestamp ? first->time : last->time;
	buf_put_byte(out, 0x92);
	if (first->metadata.n)
		buf_put_byte(out, 0x92);
	mp_put_event_time(out, time);
	buf_put_span(out, first->metadata);
	put_record(c, first, last, count, out);
	return !out->failed;
}

static void emit(void *self, struct ingest *in, const struct batch *b, bool late)
{
	const struct concat *c = self;
	if (late && c->timeout_router) {
		ingest_route(in, c->timeout_router, b);
	} else if (late && ingest_has_error_label(in)) {
		ingest_error(in, c->filter->id, b, b->entries, "concat_timeout",
			"nothing but time has completed the event (timeout_label says where such events go)");
	} else {
		counter_add(c->filter->n.out, b->count);
		ingest_route_behind(in, c->router, c->filter, b);
	}
}

static const struct holder_ops holder_ops = {.identify = identify, .take = take, .join = join, .emit = emit};

/* ---- making ------------------------------------------------------------------------------------------------------------ */

static void destroy(void *self)
{
	struct concat *c = self;
	if (!c)
		return;
	holder_free(c->holder);
	regexp_free(c->start);
	regexp_free(c->end);
	regexp_free(c->continuous);
	mem_free(c);
}

static struct regexp *compile(const struct concat *c, struct builder *b, const char *name, const struct conf_regexp *r)
{
	unsigned flags = (r->ignore_case ? REGEXP_IGNORE_CASE : 0) | (r->extended ? REGEXP_EXTENDED : 0) |
			 (r->multi_line ? REGEXP_MULTI_LINE : 0);
	struct err err;
	if (!r->source)
		return NULL;
	struct regexp *made = regexp_compile(span_str(r->source), flags, &err);
	if (!made)
		conf_report_add(builder_report(b), CONF_ERROR, conf_where(c->conf, name), "%s: %s", name, err.text);
	return made;
}

static enum mode mode_of(const struct concat_conf *c)
{
	if (c->n_lines != CONF_NIL_INT)
		return MODE_LINES;
	if (c->partial_key)
		return MODE_PARTIAL;
	return c->use_partial_metadata ? MODE_METADATA : c->use_partial_cri_logtag ? MODE_CRI : MODE_REGEXP;
}

static void *create(struct filter *f, struct builder *b)
{
	const struct concat_conf *conf = f->conf;
	struct concat *c = mem_zalloc(sizeof *c);
	size_t errors = builder_report(b)->errors;
	struct holder_options o = {.id = f->id,
		.type = f->plugin->name,
		.timeout_ns = conf->flush_interval_ns,
		.section = conf->common.section};
	*c = (struct concat){.filter = f, .conf = conf, .mode = mode_of(conf), .router = builder_router(b)};
	c->names = &metadata_names[conf->partial_metadata_format];
	c->start = compile(c, b, "multiline_start_regexp", &conf->start);
	c->end = compile(c, b, "multiline_end_regexp", &conf->end);
	c->continuous = compile(c, b, "continuous_line_regexp", &conf->continuous);
	if (conf->timeout_label)
		c->timeout_router = builder_label(b, conf->timeout_label, conf_where(conf, "timeout_label"));
	if (builder_report(b)->errors > errors) {
		destroy(c);
		return NULL;
	}
	c->holder = holder_new(&o, &holder_ops, c, builder_metrics(b));
	builder_holder(b, &c->holder);
	return c;
}

/* weir's own log: what a filter says of such an event would be the next one. */
static bool is_own_log(struct span tag)
{
	static const char *const tags[] = {
		"fluent.trace", "fluent.debug", "fluent.info", "fluent.warn", "fluent.error", "fluent.fatal"};
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
		if (span_eq(tag, span_str(tags[i])))
			return true;
	return false;
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	const struct concat *c = f->self;
	if (is_own_log(b->tag) && buf_put_span(out, b->entries))
		return b->count;
	return holder_take(c->holder, in, b, out);
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_concat = {
	.kind = PLUGIN_FILTER,
	.name = "concat",
	.help = "Joins lines that came as events of their own.",
	.schema = &concat_schema,
	.filter = &ops,
};
