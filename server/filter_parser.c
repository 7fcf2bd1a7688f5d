/*
 * filter_parser.c: <filter> @type parser: a field's text becomes fields. What cannot be parsed goes to <label @ERROR> or the dead letters, and with
 * reserve_data also on as it was.
 */
#include "batch.h"
#include "base/mem.h"
#include "elastic/record_edit.h"
#include "ingest.h"
#include "parse/parser.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/event.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"
#include "record/record_path.h"

#include <pthread.h>
#include <stddef.h>

#define RECORD_MAX (256u << 20)
#define COMPARE_MAX \
	65536 /* pairs of keys that a merge compares; larger records get both fields, of which the later one counts */

struct filter_parser_conf {
	struct conf_common common;
	char *key_name;
	bool reserve_data, reserve_time, remove_key_name_field, replace_invalid_sequence, emit_invalid_record_to_error;
	char *inject_key_prefix, *hash_value_field;
	struct conf_list parse;
};

#define AT(field) .offset = offsetof(struct filter_parser_conf, field)

static const struct conf_param params[] = {
	{.name = "key_name",
		.type = CONF_STRING,
		AT(key_name),
		.required = true,
		.help = "The field with the text (record accessor)."},
	{.name = "reserve_data",
		.type = CONF_BOOL,
		AT(reserve_data),
		.value = "false",
		.help = "The event's other fields stay; and an event that cannot be parsed goes on as it is."},
	{.name = "reserve_time",
		.type = CONF_BOOL,
		AT(reserve_time),
		.value = "false",
		.help = "The event keeps its time. Otherwise it gets the text's. A text without a time leaves the "
			"event's, "
			"whatever `estimate_current_event` says (fluentd takes the present time): a message that is "
			"sent again must be the same again."},
	{.name = "remove_key_name_field",
		.type = CONF_BOOL,
		AT(remove_key_name_field),
		.value = "false",
		.help = "With `reserve_data`: the field with the text goes once it has been parsed."},
	{.name = "inject_key_prefix",
		.type = CONF_STRING,
		AT(inject_key_prefix),
		.help = "Stands before the names of the new fields."},
	{.name = "hash_value_field",
		.type = CONF_STRING,
		AT(hash_value_field),
		.help = "The new fields become one of this name."},
	{.name = "replace_invalid_sequence",
		.type = CONF_BOOL,
		AT(replace_invalid_sequence),
		.value = "false",
		.help = "Bytes of the text that are no UTF-8 become `?`; otherwise such a text cannot be parsed."},
	{.name = "emit_invalid_record_to_error",
		.type = CONF_BOOL,
		AT(emit_invalid_record_to_error),
		.value = "true",
		.help = "What cannot be parsed goes to `<label @ERROR>`, or if there is none to the dead letters; "
			"false: "
			"it is only counted."},
	{.name = "suppress_parse_error_log",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "lines of weir's log that repeat themselves are held back"},
	PARSER_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &parser_section_schema, AT(parse)},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "filter",
	.title = "parser filter",
	.size = sizeof(struct filter_parser_conf),
	.params = params,
	.subs = subs,
	.help = "Parses a field's text by its `<parse>` section and makes fields of it.",
};

/* What one call of apply works with; kept for the next one. */
struct work {
	struct work *next;
	struct parser_room room;
	struct buf values, rest, text;
};

struct filter_parser {
	const struct filter_parser_conf *conf;
	struct record_path *path;
	struct parser *parser;
	pthread_mutex_t lock; /* of `idle` */
	struct work *idle;
};

/* One event on its way. */
struct event_run {
	struct filter *f;
	struct ingest *in;
	const struct batch *batch;
	struct work *work;
	struct buf *out;
	struct span entry;
	struct event event;
	struct span record;	/* the event's, without the parsed field once that has been taken out */
	struct event_time time; /* the event's; that of receipt if it has none */
	uint32_t count;
	bool removed, bad_utf8, scrubbed;
};

/* ---- making ---- */

static void destroy(void *self)
{
	struct filter_parser *p = self;
	if (!p)
		return;
	while (p->idle) {
		struct work *w = p->idle;
		p->idle = w->next;
		parser_room_free(&w->room);
		buf_free(&w->values);
		buf_free(&w->rest);
		buf_free(&w->text);
		mem_free(w);
	}
	parser_free(p->parser);
	record_path_free(p->path);
	pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

static void *create(struct filter *f, struct builder *b)
{
	const struct filter_parser_conf *c = f->conf;
	struct filter_parser *p = mem_zalloc(sizeof *p);
	struct err err;
	pthread_mutex_init(&p->lock, NULL);
	p->conf = c;
	p->path = c->key_name ? record_path_compile(c->key_name, &err) : NULL;
	if (c->key_name && !p->path)
		conf_report_add(builder_report(b), CONF_ERROR, conf_where(c, "key_name"), "key_name: %s", err.text);
	p->parser = parser_make(c->common.section, NULL, builder_rules(b), builder_report(b));
	if (p->path && p->parser)
		return p;
	destroy(p);
	return NULL;
}

/* ---- one record ---- */

/*
 * The parser gives a text without a time the one that it was told, which is the event's own. It goes on as it came: ids derive from times, so one that was taken from the clock would
 * make a repetition of the message look like another message.
 */
static void put_time(const struct event_run *r, const struct event_time *t)
{
	if (t && (t->sec != r->time.sec || t->nsec != r->time.nsec))
		mp_put_event_time(r->out, *t);
	else if (r->event.kind == EVENT_TIME)
		mp_put_event_time(r->out, r->event.time);
	else
		mp_put_uint(r->out, 0); /* the time of receipt, as it came */
}

static uint32_t map_count(struct span *map)
{
	if (!map->n)
		return 0;
	const uint8_t *p = map->p, *end = p + map->n;
	struct mp_token t;
	if (mp_read(&p, end, &t) != MP_OK || t.type != MP_MAP)
		return 0;
	*map = span_of(p, (size_t)(end - p));
	return t.count;
}

static struct span take_object(struct span *s)
{
	struct span object = span_of(s->p, mp_length(s->p, s->p + s->n));
	*s = span_of(s->p + object.n, s->n - object.n);
	return object;
}

/* The parsed fields with their prefix, in one field if asked for, as pairs without a head; *count is how many. */
static struct span make_values(struct event_run *r, struct span values, uint32_t *count)
{
	const struct filter_parser_conf *c = ((struct filter_parser *)r->f->self)->conf;
	struct span prefix = span_str(c->inject_key_prefix);
	struct buf *out = &r->work->values;
	*count = map_count(&values);
	if (!c->hash_value_field && !c->inject_key_prefix)
		return values;
	buf_clear(out);
	if (c->hash_value_field) {
		mp_put_str(out, span_str(c->hash_value_field));
		mp_put_map_head(out, *count);
	}
	for (uint32_t i = 0; i < *count; i++) {
		struct span key = take_object(&values), value = take_object(&values);
		const uint8_t *p = key.p;
		struct mp_token t;
		if (c->inject_key_prefix && mp_read(&p, p + key.n, &t) == MP_OK && t.type == MP_STR) {
			mp_put_str_head(out, prefix.n + t.body.n);
			buf_put_span(out, prefix);
			buf_put_span(out, t.body);
		} else {
			buf_put_span(out, key);
		}
		buf_put_span(out, value);
	}
	if (c->hash_value_field)
		*count = 1;
	return buf_span(out);
}

static bool has_key(struct span pairs, uint32_t count, struct span key)
{
	while (count--) {
		if (span_eq(take_object(&pairs), key))
			return true;
		take_object(&pairs);
	}
	return false;
}

/* The record's fields that no parsed one replaces, then the parsed ones. */
static void put_merged(const struct event_run *r, struct span values, uint32_t values_count)
{
	struct span record = r->record;
	uint32_t count = map_count(&record), kept = 0;
	bool compare = (uint64_t)count * values_count <= COMPARE_MAX;
	size_t head = r->out->n;
	mp_put_map_room(r->out);
	for (uint32_t i = 0; i < count; i++) {
		struct span key = take_object(&record), value = take_object(&record);
		if (compare && has_key(values, values_count, key))
			continue;
		buf_put_span(r->out, key);
		buf_put_span(r->out, value);
		kept++;
	}
	buf_put_span(r->out, values);
	mp_set_map_head(r->out, head, kept + values_count);
}

/* An event to go on. `t` NULL: with its own time. */
static void put_event(struct event_run *r, const struct event_time *t, struct span values)
{
	const struct filter_parser_conf *c = ((struct filter_parser *)r->f->self)->conf;
	size_t start = r->out->n;
	uint32_t count;
	buf_clear(&r->work->values);
	struct span made = make_values(r, values, &count);
	buf_put_byte(r->out, 0x92);
	if (r->event.metadata.n)
		buf_put_byte(r->out, 0x92);
	put_time(r, t);
	buf_put_span(r->out, r->event.metadata);
	if (c->reserve_data) {
		put_merged(r, made, count);
	} else {
		mp_put_map_head(r->out, count);
		buf_put_span(r->out, made);
	}
	if (!r->out->failed && !r->work->values.failed) {
		r->count++;
		return;
	}
	r->out->n = start;
	r->out->failed = false;
	ingest_error(r->in, r->f->id, r->batch, r->entry, "parse_error", "no memory for the parsed record");
}

static void fail(const struct event_run *r, const char *reason, const char *text)
{
	const struct filter_parser_conf *c = ((struct filter_parser *)r->f->self)->conf;
	if (c->emit_invalid_record_to_error)
		ingest_error(r->in, r->f->id, r->batch, r->entry, reason, text);
}

/* Takes the parsed field out, once. */
static void remove_field(struct event_run *r)
{
	const struct filter_parser *p = r->f->self;
	struct buf *rest = &r->work->rest;
	if (r->removed || !p->conf->remove_key_name_field || !p->conf->reserve_data)
		return;
	buf_clear(rest);
	r->removed = true;
	if (record_edit_remove(r->record, p->path, rest))
		r->record = buf_span(rest);
}

static void take(void *arg, const struct parsed *parsed)
{
	struct event_run *r = arg;
	const struct filter_parser_conf *c = ((struct filter_parser *)r->f->self)->conf;
	switch (parsed->result) {
	case PARSE_OK:
		remove_field(r);
		put_event(r, parsed->has_time && !c->reserve_time ? &parsed->time : NULL, parsed->record);
		break;
	case PARSE_NO_MATCH:
		fail(r, "parse_no_match", parsed->why);
		if (c->reserve_data)
			put_event(r, NULL, (struct span){0});
		break;
	case PARSE_BAD_UTF8:
		if (c->replace_invalid_sequence && !r->scrubbed) {
			r->bad_utf8 = true;
			break;
		}
		fail(r, "parse_error", parsed->why);
		break;
	case PARSE_ERROR:
		fail(r, "parse_error", parsed->why);
		break;
	}
}

static void parse_text(struct event_run *r, struct span text)
{
	const struct filter_parser *p = r->f->self;
	parser_parse(p->parser, text, r->time, &r->work->room, take, r);
	if (!r->bad_utf8)
		return;
	r->scrubbed = true;
	buf_clear(&r->work->text);
	if (parser_scrub(&r->work->text, text, "?"))
		parser_parse(p->parser, buf_span(&r->work->text), r->time, &r->work->room, take, r);
	else
		fail(r, "parse_error", "the record is too large");
}

static void parse_event(struct event_run *r)
{
	const int64_t received = r->batch->received_ns;
	const struct filter_parser *p = r->f->self;
	struct span value = record_path_get(p->path, r->event.record);
	const uint8_t *q = value.p;
	struct mp_token t;
	r->time = r->event.time;
	if (r->event.kind == EVENT_TIME_NOW)
		r->time = (struct event_time){.sec = received / 1000000000, .nsec = (uint32_t)(received % 1000000000)};
	if (!value.n || *value.p == 0xc0) {
		if (p->conf->reserve_data)
			put_event(r, NULL, (struct span){0});
		fail(r, "parse_no_key", "the field to parse does not exist");
	} else if (mp_read(&q, q + value.n, &t) == MP_OK && (t.type == MP_STR || t.type == MP_BIN)) {
		parse_text(r, t.body);
	} else {
		fail(r, "parse_error", "the field to parse is no text");
	}
}

/* ---- a batch ---- */

static struct work *take_work(struct filter_parser *p)
{
	pthread_mutex_lock(&p->lock);
	struct work *w = p->idle;
	if (w)
		p->idle = w->next;
	pthread_mutex_unlock(&p->lock);
	if (w)
		return w;
	w = mem_zalloc(sizeof *w);
	parser_room_init(&w->room, RECORD_MAX);
	buf_init(&w->values, RECORD_MAX);
	buf_init(&w->rest, RECORD_MAX);
	buf_init(&w->text, RECORD_MAX);
	return w;
}

static void give_work(struct filter_parser *p, struct work *w)
{
	pthread_mutex_lock(&p->lock);
	w->next = p->idle;
	p->idle = w;
	pthread_mutex_unlock(&p->lock);
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	const uint8_t *p = b->entries.p, *end = p + b->entries.n;
	struct event_run r = {.f = f, .in = in, .batch = b, .out = out};
	r.work = take_work(f->self);
	while (p < end) {
		size_t used;
		if (event_read(p, end, MP_DEPTH_LIMIT, &r.event, &used) != EVENT_OK)
			break;
		r.entry = span_of(p, used);
		r.record = r.event.record;
		r.removed = r.bad_utf8 = r.scrubbed = false;
		parse_event(&r);
		p += used;
	}
	give_work(f->self, r.work);
	return r.count;
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_parser = {
	.kind = PLUGIN_FILTER,
	.name = "parser",
	.help = "Parses a field's text.",
	.schema = &schema,
	.filter = &ops,
};
