#include "format/inject_values.h"

#include "base/mem.h"
#include "format/time_writer.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#include <stddef.h>
#include <unistd.h>

enum { FLOAT, UNIXTIME, MILLIS, MICROS, NANOS, STRING };

struct inject_values_conf {
	struct conf_common common;
	char *hostname_key, *hostname, *worker_id_key, *tag_key, *time_key;
	int time_type;
	char *time_format, *timezone;
	bool localtime, utc;
};

enum { HOSTNAME, WORKER_ID, TAG, TIME, VALUES };

struct inject_values {
	struct inject_values_conf *conf;
	struct conf_pair pairs[16]; /* of a section that was made from flat parameters */
	struct conf_section section;
	struct span key[VALUES]; /* p NULL: not asked for */
	char hostname[256];
	unsigned worker_id;
	struct time_writer time;
};

#define AT(field) .offset = offsetof(struct inject_values_conf, field)

static const struct conf_choice time_types[] = {{"float", FLOAT}, {"unixtime", UNIXTIME}, {"unixtime_millis", MILLIS},
	{"unixtime_micros", MICROS}, {"unixtime_nanos", NANOS}, {"string", STRING}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "hostname_key", .type = CONF_STRING, AT(hostname_key), .help = "The field for the host name."},
	{.name = "hostname", .type = CONF_STRING, AT(hostname), .help = "The host name; not set: the machine's."},
	{.name = "worker_id_key", .type = CONF_STRING, AT(worker_id_key), .help = "The field for the worker's number."},
	{.name = "tag_key", .type = CONF_STRING, AT(tag_key), .help = "The field for the tag."},
	{.name = "time_key", .type = CONF_STRING, AT(time_key), .help = "The field for the event's time."},
	{.name = "time_type",
		.type = CONF_ENUM,
		AT(time_type),
		.value = "float",
		.choices = time_types,
		.help = "Seconds with a fraction, whole seconds, milliseconds ... since 1970, or text."},
	{.name = "time_format",
		.type = CONF_STRING,
		AT(time_format),
		.help = "With `time_type string`: strftime directives; not set: ISO 8601."},
	{.name = "localtime",
		.type = CONF_BOOL,
		AT(localtime),
		.value = "true",
		.help = "In the machine's zone; false: in UTC."},
	{.name = "utc", .type = CONF_BOOL, AT(utc), .value = "false", .help = "In UTC."},
	{.name = "timezone", .type = CONF_STRING, AT(timezone), .help = "In this zone: `+09:00`, `Asia/Tokyo`."},
	{.name = "time_format_fallbacks",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "it is for reading times"},
	{.name = NULL},
};

const struct conf_schema inject_values_schema = {
	.name = "inject",
	.title = "values put into records",
	.size = sizeof(struct inject_values_conf),
	.params = params,
	.help = "Puts host name, worker, tag and time into records.",
};

/* ---- flat parameters of v0.12 ---- */

static bool is_true(const struct conf_section *s, const char *name)
{
	const struct conf_pair *p = conf_section_get(s, name);
	return p && (!*p->value || strcmp(p->value, "true") == 0 || strcmp(p->value, "yes") == 0);
}

static struct conf_pair *find_pair(struct inject_values *i, size_t n, const char *name)
{
	for (size_t k = 0; k < n; k++)
		if (strcmp(i->pairs[k].name, name) == 0)
			return &i->pairs[k];
	return NULL;
}

static void set_default(
	struct inject_values *i, size_t *n, const char *name, const char *value, const struct conf_pair *asks)
{
	if (!find_pair(i, *n, name))
		i->pairs[(*n)++] = (struct conf_pair){.name = name,
			.value = value,
			.value_len = strlen(value),
			.name_pos = asks->name_pos,
			.value_pos = asks->value_pos};
}

/* NULL: there are none. */
static const struct conf_section *flat_section(struct inject_values *i, const struct conf_section *s)
{
	static const char *const copied[] = {"time_key", "time_format", "timezone", "tag_key", "localtime", "utc"};
	size_t n = 0;
	for (size_t k = 0; k < sizeof copied / sizeof *copied; k++) {
		const struct conf_pair *p = conf_section_get(s, copied[k]);
		if (p)
			i->pairs[n++] = *p;
	}
	if (is_true(s, "include_time_key")) {
		set_default(i, &n, "time_key", "time", conf_section_get(s, "include_time_key"));
		set_default(i, &n, "time_type", is_true(s, "time_as_epoch") ? "unixtime" : "string",
			conf_section_get(s, "include_time_key"));
	} else if (is_true(s, "time_as_epoch")) {
		set_default(i, &n, "time_key", "time", conf_section_get(s, "time_as_epoch"));
		set_default(i, &n, "time_type", "unixtime", conf_section_get(s, "time_as_epoch"));
	}
	if (is_true(s, "include_tag_key"))
		set_default(i, &n, "tag_key", "tag", conf_section_get(s, "include_tag_key"));
	for (size_t k = 0; k < n; k++)
		i->pairs[k].next = k + 1 < n ? &i->pairs[k + 1] : NULL;
	i->section = (struct conf_section){
		.name = "inject", .arg = "", .pos = s->pos, .pairs = i->pairs, .parent = s->parent};
	return n ? &i->section : NULL;
}

/* ---- making ---- */

static struct span key_of(const char *name)
{
	return name ? span_str(name) : (struct span){0};
}

static bool make(struct inject_values *i, const struct conf_section *s, const struct conf_rules *rules,
	struct conf_report *report)
{
	struct err err;
	size_t errors = report->errors;
	i->conf = conf_make(&inject_values_schema, s, rules, report);
	const struct inject_values_conf *c = i->conf;
	if (conf_is_given(&inject_values_schema, c, "localtime") && conf_is_given(&inject_values_schema, c, "utc") &&
		c->localtime == c->utc)
		conf_report_add(report, CONF_ERROR, conf_where(c, "utc"),
			"both of utc and localtime are specified, use only one of them");
	if (c->time_format && !c->time_key)
		conf_report_add(report, CONF_WARNING, conf_where(c, "time_format"),
			"'time_format' specified without 'time_key', will be ignored");
	i->key[HOSTNAME] = key_of(c->hostname_key);
	i->key[WORKER_ID] = key_of(c->worker_id_key);
	i->key[TAG] = key_of(c->tag_key);
	i->key[TIME] = key_of(c->time_key);
	if (!c->hostname && gethostname(i->hostname, sizeof i->hostname - 1) != 0)
		conf_report_add(
			report, CONF_ERROR, c->common.pos, "the machine's host name cannot be told; set 'hostname'");
	if (!time_writer_init(&i->time, c->time_format, c->localtime && !c->utc, c->timezone, &err))
		conf_report_add(report, CONF_ERROR, conf_where(c, "timezone"), "%s", err.text);
	return report->errors == errors;
}

struct inject_values *inject_values_make(const struct conf_section *section, unsigned worker_id,
	const struct conf_rules *rules, struct conf_report *report)
{
	struct inject_values *i = mem_zalloc(sizeof *i);
	const struct conf_section *s = section->sections;
	while (s && strcmp(s->name, "inject") != 0)
		s = s->next;
	if (!s)
		s = flat_section(i, section);
	i->worker_id = worker_id;
	if (s && make(i, s, rules, report))
		for (size_t k = 0; k < VALUES; k++)
			if (i->key[k].p)
				return i;
	inject_values_free(i);
	return NULL;
}

void inject_values_show(const struct inject_values *i, struct buf *out, unsigned indent)
{
	conf_show_params(&inject_values_schema, i->conf, out, indent);
}

void inject_values_free(struct inject_values *i)
{
	if (!i)
		return;
	conf_free(&inject_values_schema, i->conf);
	mem_free(i);
}

/* ---- putting ---- */

static bool put_time(const struct inject_values *i, struct event_time t, struct buf *out)
{
	const int64_t sec = t.sec, nsec = t.nsec;
	switch (i->conf->time_type) {
	case UNIXTIME:
		return mp_put_int(out, sec);
	case MILLIS:
		return mp_put_int(out, sec * 1000 + nsec / 1000000);
	case MICROS:
		return mp_put_int(out, sec * 1000000 + nsec / 1000);
	case NANOS:
		return mp_put_int(out, sec * 1000000000 + nsec);
	case STRING: {
		/* How long the text is shows when it is written. */
		size_t at = out->n;
		if (!buf_put(out, "\xdb\0\0\0\0", 5) || !time_writer_put(&i->time, t, out))
			return false;
		be32_put(out->p + at + 1, (uint32_t)(out->n - at - 5));
		return true;
	}
	default: {
		const int64_t us = sec * 1000000 + nsec / 1000;
		return mp_put_double(out, (double)us / 1000000);
	}
	}
}

static bool put_value(
	const struct inject_values *i, int which, struct span tag, struct event_time time, struct buf *out)
{
	switch (which) {
	case HOSTNAME:
		return mp_put_str(out, span_str(i->conf->hostname ? i->conf->hostname : i->hostname));
	case WORKER_ID:
		return mp_put_uint(out, i->worker_id);
	case TAG:
		return mp_put_str(out, tag);
	default:
		return put_time(i, time, out);
	}
}

static int find_key(const struct inject_values *i, struct span key)
{
	for (int k = VALUES - 1; k >= 0; k--)
		if (i->key[k].p && span_eq(i->key[k], key))
			return k;
	return -1;
}

bool inject_values_put(
	const struct inject_values *i, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	const uint8_t *p = record.p, *end = p + record.n;
	struct mp_token map, token;
	bool done[VALUES] = {false};
	size_t head = out->n;
	if (mp_read(&p, end, &map) != MP_OK || map.type != MP_MAP || !mp_put_map_room(out))
		return false;
	uint32_t count = map.count;
	for (uint32_t n = 0; n < map.count; n++) {
		const uint8_t *key = p;
		p += mp_length(p, end);
		const uint8_t *q = key;
		int which = mp_read(&q, end, &token) == MP_OK && token.type == MP_STR ? find_key(i, token.body) : -1;
		size_t value = mp_length(p, end);
		if (p == key || !value)
			return false;
		buf_put(out, key, (size_t)(p - key));
		if (which >= 0)
			put_value(i, which, tag, time, out);
		else
			buf_put(out, p, value);
		if (which >= 0)
			done[which] = true;
		p += value;
	}
	for (int k = 0; k < VALUES; k++) {
		/* Of two values for one field the later one counts. */
		if (!i->key[k].p || done[k] || find_key(i, i->key[k]) != k)
			continue;
		mp_put_str(out, i->key[k]);
		put_value(i, k, tag, time, out);
		count++;
	}
	mp_set_map_head(out, head, count);
	return !out->failed;
}
