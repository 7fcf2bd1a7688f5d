#include "parse/extract_values.h"

#include "base/mem.h"
#include "parse/time_reader.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"
#include "record/ruby_text.h"
#include "record/zone.h"

#include <stddef.h>

struct extract_values_conf {
	struct conf_common common;
	char *tag_key, *time_key;
	bool keep_tag_key, keep_time_key;
	int time_type;
	char *time_format, *timezone;
	bool localtime, utc;
};

struct extract_values {
	struct extract_values_conf *conf;
	struct span tag_key, time_key; /* p NULL: not asked for */
	struct time_reader *time;
};

#define AT(field) .offset = offsetof(struct extract_values_conf, field)

static const struct conf_choice time_types[] = {
	{"float", TIME_TYPE_FLOAT}, {"unixtime", TIME_TYPE_UNIXTIME}, {"string", TIME_TYPE_STRING}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "tag_key", .type = CONF_STRING, AT(tag_key), .help = "The field that is the tag."},
	{.name = "keep_tag_key",
		.type = CONF_BOOL,
		AT(keep_tag_key),
		.value = "false",
		.help = "It stays in the record."},
	{.name = "time_key", .type = CONF_STRING, AT(time_key), .help = "The field that is the time."},
	{.name = "keep_time_key",
		.type = CONF_BOOL,
		AT(keep_time_key),
		.value = "false",
		.help = "It stays in the record."},
	{.name = "time_type",
		.type = CONF_ENUM,
		AT(time_type),
		.value = "float",
		.choices = time_types,
		.help = "Seconds since 1970 with a fraction, without one, or text."},
	{.name = "time_format",
		.type = CONF_STRING,
		AT(time_format),
		.help = "With `time_type string`: its form; not set: it is found out."},
	{.name = "localtime",
		.type = CONF_BOOL,
		AT(localtime),
		.value = "true",
		.help = "Times without a zone are in the machine's zone; false: in UTC."},
	{.name = "utc", .type = CONF_BOOL, AT(utc), .value = "false", .help = "Times without a zone are in UTC."},
	{.name = "timezone", .type = CONF_STRING, AT(timezone), .help = "The zone of times without one."},
	{.name = NULL},
};

const struct conf_schema extract_values_schema = {
	.name = "extract",
	.title = "values taken from records",
	.size = sizeof(struct extract_values_conf),
	.params = params,
	.help = "Takes tag and time of an event from its record.",
};

static bool make(struct extract_values *e, const struct conf_section *s, const struct conf_rules *rules,
	struct conf_report *report)
{
	struct err err;
	size_t errors = report->errors;
	e->conf = conf_make(&extract_values_schema, s, rules, report);
	const struct extract_values_conf *c = e->conf;
	if (conf_is_given(&extract_values_schema, c, "localtime") && conf_is_given(&extract_values_schema, c, "utc") &&
		c->localtime == c->utc)
		conf_report_add(report, CONF_ERROR, conf_where(c, "utc"),
			"both of utc and localtime are specified, use only one of them");
	if (c->time_format && !c->time_key)
		conf_report_add(report, CONF_WARNING, conf_where(c, "time_format"),
			"'time_format' specified without 'time_key', will be ignored");
	if (c->timezone && !c->time_key && !zone_find(c->timezone, &err))
		conf_report_add(report, CONF_ERROR, conf_where(c, "timezone"), "%s", err.text);
	if (c->tag_key)
		e->tag_key = span_str(c->tag_key);
	if (c->time_key) {
		struct time_reader_conf t = {.type = (enum time_type)c->time_type,
			.format = c->time_format,
			.localtime = c->localtime,
			.utc = c->utc,
			.timezone = c->timezone};
		e->time_key = span_str(c->time_key);
		e->time = time_reader_new(&t, &err);
		if (!e->time)
			conf_report_add(report, CONF_ERROR, conf_where(c, c->timezone ? "timezone" : "time_format"),
				"%s", err.text);
	}
	return report->errors == errors;
}

struct extract_values *extract_values_make(
	const struct conf_section *section, const struct conf_rules *rules, struct conf_report *report)
{
	const struct conf_section *s = section->sections;
	while (s && strcmp(s->name, "extract") != 0)
		s = s->next;
	if (!s)
		return NULL;
	struct extract_values *e = mem_zalloc(sizeof *e);
	if (make(e, s, rules, report) && (e->tag_key.p || e->time_key.p))
		return e;
	extract_values_free(e);
	return NULL;
}

void extract_values_free(struct extract_values *e)
{
	if (!e)
		return;
	time_reader_free(e->time);
	conf_free(&extract_values_schema, e->conf);
	mem_free(e);
}

/* The record without the fields that are not kept. */
static bool put_rest(const struct extract_values *e, struct span record, struct buf *room)
{
	const uint8_t *p = record.p, *end = p + record.n;
	struct mp_token map, t;
	uint32_t count = 0;
	if (mp_read(&p, end, &map) != MP_OK || map.type != MP_MAP || !mp_put_map_room(room))
		return false;
	for (uint32_t i = 0; i < map.count; i++) {
		const uint8_t *key = p, *q = p;
		size_t key_n = mp_length(p, end), value_n = key_n ? mp_length(p + key_n, end) : 0;
		if (!value_n)
			return false;
		p += key_n + value_n;
		bool text = mp_read(&q, end, &t) == MP_OK && t.type == MP_STR;
		if (text && e->tag_key.p && !e->conf->keep_tag_key && span_eq(t.body, e->tag_key))
			continue;
		if (text && e->time_key.p && !e->conf->keep_time_key && span_eq(t.body, e->time_key))
			continue;
		buf_put(room, key, key_n + value_n);
		count++;
	}
	mp_set_map_head(room, 0, count);
	return !room->failed;
}

bool extract_values_get(const struct extract_values *e, struct span record, struct event_time now, struct buf *room,
	struct extracted *out, const char **why)
{
	struct span tag = e->tag_key.p ? mp_map_get(record, e->tag_key) : (struct span){0};
	struct span time = e->time_key.p ? mp_map_get(record, e->time_key) : (struct span){0};
	bool cut = (tag.n && !e->conf->keep_tag_key) || (time.n && !e->conf->keep_time_key);
	*out = (struct extracted){.has_tag = tag.n > 0, .has_time = time.n > 0, .record = record};
	*why = NULL;
	if (time.n && !time_reader_value(e->time, time, now, &out->time)) {
		*why = "invalid time format";
		return false;
	}
	buf_clear(room);
	*why = "the record is too large";
	if (cut && !put_rest(e, record, room))
		return false;
	size_t n = room->n;
	if (tag.n && !ruby_to_s(room, tag))
		return false;
	if (cut)
		out->record = span_of(room->p, n);
	out->tag = span_of(room->p + n, room->n - n);
	*why = NULL;
	return true;
}
