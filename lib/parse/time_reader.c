#include "parse/time_reader.h"

#include "base/mem.h"
#include "parse/ruby_number.h"
#include "parse/time_fast.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "record/time_format.h"
#include "record/time_guess.h"
#include "record/zone.h"

#include <inttypes.h>
#include <stdio.h>

/* One way to read a time; mixed has several. */
struct way {
	enum time_type type; /* not TIME_TYPE_MIXED */
	struct time_format *format;
	const struct zone *zone; /* of texts without one */
	struct time_fast fast;
};

struct time_reader {
	struct way *ways;
	size_t n;
	bool mixed;
};

static bool add_text(struct time_reader *r, const char *format, const struct time_reader_conf *c, struct err *err)
{
	struct way *w = &r->ways[r->n];
	bool local = c->localtime && !c->utc && !c->timezone;
	*w = (struct way){.type = TIME_TYPE_STRING};
	if (!format && !local)
		return err_set(err, "specifying timezone requires time format");
	/* A zone in the text, and Time.iso8601, know nothing of the parameters. */
	bool own = format && (strstr(format, "%z") || strstr(format, "%Z") || strcmp(format, "%iso8601") == 0);
	if (own || local)
		w->zone = zone_local();
	else
		w->zone = c->timezone ? zone_find(c->timezone, err) : zone_utc();
	if (!w->zone)
		return false;
	if (format)
		w->format = time_format_new(format);
	time_fast_compile(&w->fast, format);
	r->n++;
	return true;
}

/* Among several forms fluentd takes "unixtime" as "float" too: whatever is a number is a time, its fraction counts. */
static bool add_mixed(struct time_reader *r, const char *format, const struct time_reader_conf *c, struct err *err)
{
	if (strcmp(format, "unixtime") != 0 && strcmp(format, "float") != 0)
		return add_text(r, format, c, err);
	r->ways[r->n++] = (struct way){.type = TIME_TYPE_FLOAT};
	return true;
}

static bool add_all(struct time_reader *r, const struct time_reader_conf *c, struct err *err)
{
	if (c->type == TIME_TYPE_STRING)
		return add_text(r, c->format, c, err);
	if (c->type != TIME_TYPE_MIXED) {
		r->ways[r->n++] = (struct way){.type = c->type};
		return true;
	}
	r->mixed = true;
	if (c->format && !add_mixed(r, c->format, c, err))
		return false;
	for (size_t i = 0; c->fallbacks && c->fallbacks[i]; i++)
		if (!add_mixed(r, c->fallbacks[i], c, err))
			return false;
	return r->n || err_set(err, "time_type is :mixed but time_format and time_format_fallbacks is empty.");
}

struct time_reader *time_reader_new(const struct time_reader_conf *c, struct err *err)
{
	struct time_reader *r = mem_zalloc(sizeof *r);
	size_t most = 1;
	while (c->fallbacks && c->fallbacks[most - 1])
		most++;
	r->ways = mem_array(most + 1, sizeof *r->ways);
	/* Of an unknown zone fluentd says so even where nothing would need it. */
	if ((!c->timezone || zone_find(c->timezone, err)) && add_all(r, c, err))
		return r;
	time_reader_free(r);
	return NULL;
}

void time_reader_free(struct time_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		time_format_free(r->ways[i].format);
	mem_free(r->ways);
	mem_free(r);
}

static bool whole_seconds(struct span text, int64_t *sec)
{
	struct ruby_int v = ruby_to_i(text);
	if (v.too_large || v.magnitude > INT64_MAX)
		return false;
	*sec = v.negative ? -(int64_t)v.magnitude : (int64_t)v.magnitude;
	return true;
}

/* Seconds, a point, and up to nine digits of a fraction; what is behind a second point is ignored. */
static bool seconds_and_fraction(struct span text, struct event_time *out)
{
	const uint8_t *point = text.n ? memchr(text.p, '.', text.n) : NULL, *end = text.p + text.n;
	uint32_t nsec = 0, unit = 100000000;
	if (point)
		text.n = (size_t)(point - text.p);
	for (const uint8_t *p = point ? point + 1 : end; p < end && *p >= '0' && *p <= '9' && unit; p++, unit /= 10)
		nsec += (uint32_t)(*p - '0') * unit;
	out->nsec = nsec;
	return whole_seconds(text, &out->sec);
}

static bool read_text(const struct way *w, struct span text, struct event_time now, struct event_time *out)
{
	struct time_parsed parsed;
	struct time_fast_parsed fast;
	int64_t now_local = now.sec + (w->fast.has_year ? 0 : zone_offset(w->zone, now.sec, NULL));
	if (time_fast_read(&w->fast, text, now_local, &fast)) {
		*out = fast.time;
		if (!fast.has_zone)
			out->sec = zone_to_utc(w->zone, out->sec);
		return true;
	}
	if (!w->format)
		return time_guess(text, now, w->zone, out);
	now.sec += zone_offset(w->zone, now.sec, NULL);
	if (!time_format_parse(w->format, text, now, 0, &parsed))
		return false;
	*out = parsed.time;
	if (!parsed.has_zone)
		out->sec = zone_to_utc(w->zone, out->sec);
	return true;
}

static bool read_way(const struct way *w, struct span text, struct event_time now, struct event_time *out)
{
	switch (w->type) {
	case TIME_TYPE_UNIXTIME:
		out->nsec = 0;
		return whole_seconds(text, &out->sec);
	case TIME_TYPE_FLOAT:
		return seconds_and_fraction(text, out);
	default:
		return read_text(w, text, now, out);
	}
}

bool time_reader_text(const struct time_reader *r, struct span text, struct event_time now, struct event_time *out)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct way *w = &r->ways[i];
		if (r->mixed && w->type != TIME_TYPE_STRING && !ruby_is_number(text))
			continue;
		if (read_way(w, text, now, out))
			return true;
	}
	return false;
}

/* Numbers are taken as they are printed; texts by a format are made of no number. */
static bool read_number(const struct time_reader *r, struct span text, struct event_time *out)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->ways[i].type != TIME_TYPE_STRING)
			return read_way(&r->ways[i], text, (struct event_time){0}, out);
	return false;
}

/* Seconds with a fraction of up to six digits, which are what people write: true if they are the number's shortest text. */
static bool microseconds(double d, struct event_time *out)
{
	if (!(d >= 0 && d < 4e9))
		return false;
	int64_t us = (int64_t)(d * 1e6 + 0.5);
	*out = (struct event_time){us / 1000000, (uint32_t)(us % 1000000) * 1000};
	return (double)us / 1e6 == d;
}

bool time_reader_value(const struct time_reader *r, struct span value, struct event_time now, struct event_time *out)
{
	const uint8_t *p = value.p;
	struct mp_token t;
	char text[JSON_NUMBER_MAX];
	size_t n;
	if (value.n == 0 || mp_read(&p, value.p + value.n, &t) != MP_OK)
		return false;
	switch (t.type) {
	case MP_STR:
	case MP_BIN:
		return time_reader_text(r, t.body, now, out);
	case MP_UINT:
		return read_number(r, span_of(text, (size_t)snprintf(text, sizeof text, "%" PRIu64, t.u)), out);
	case MP_INT:
		return read_number(r, span_of(text, (size_t)snprintf(text, sizeof text, "%" PRId64, t.i)), out);
	case MP_FLOAT32:
	case MP_FLOAT64:
		if (!r->mixed && r->ways[0].type == TIME_TYPE_FLOAT && microseconds(t.d, out))
			return true;
		n = json_format_double(t.d, text);
		return !memchr(text, 'e', n) && read_number(r, span_of(text, n), out);
	default:
		return false;
	}
}
