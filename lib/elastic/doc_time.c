#include "elastic/doc_time.h"

#include "record/json_number.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "record/time_text.h"

#include <math.h>

#define NSEC_PER_SEC 1000000000

struct text {
	const uint8_t *p, *end;
};

static bool is_digit(const struct text *s, size_t i)
{
	return (size_t)(s->end - s->p) > i && s->p[i] >= '0' && s->p[i] <= '9';
}

static bool take(struct text *s, char c)
{
	if (s->p == s->end || *s->p != (uint8_t)c)
		return false;
	s->p++;
	return true;
}

static bool take_one_of(struct text *s, const char *set)
{
	if (s->p == s->end || *s->p == 0 || !strchr(set, *s->p))
		return false;
	s->p++;
	return true;
}

/* Exactly `n` digits, and a number of at most `max`. */
static bool take_number(struct text *s, unsigned n, unsigned max, unsigned *v)
{
	*v = 0;
	for (unsigned i = 0; i < n; i++) {
		if (!is_digit(s, i))
			return false;
		*v = *v * 10 + (s->p[i] - '0');
	}
	s->p += n;
	return *v <= max;
}

/* Digits of a fraction; those behind the ninth count for nothing. */
static bool take_fraction(struct text *s, uint32_t *nsec)
{
	if (!is_digit(s, 0))
		return false;
	uint32_t unit = NSEC_PER_SEC / 10;
	for (; is_digit(s, 0); s->p++, unit /= 10)
		*nsec += (uint32_t)(*s->p - '0') * unit;
	return true;
}

/* HH:MM[:SS[.fraction]], or without colons. */
static bool take_clock(struct text *s, int64_t *sec, uint32_t *nsec)
{
	unsigned hour, minute, second = 0;
	if (!take_number(s, 2, 24, &hour))
		return false;
	const bool colon = take(s, ':');
	if (!take_number(s, 2, 59, &minute))
		return false;
	if (colon ? take(s, ':') : is_digit(s, 0)) {
		if (!take_number(s, 2, 60, &second))
			return false;
		if (take_one_of(s, ".,") && !take_fraction(s, nsec))
			return false;
	}
	*sec += hour * 3600 + minute * 60 + second;
	return hour < 24 || (minute == 0 && second == 0);
}

static bool take_word(struct text *s, const char *word)
{
	const size_t n = strlen(word);
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* Z, UTC, GMT, +HH, +HHMM, +HH:MM: changes the local seconds to UTC. Nothing is UTC, too. */
static bool take_zone(struct text *s, int64_t *sec)
{
	unsigned hour, minute = 0;
	if (s->p == s->end || take_one_of(s, "Zz") || take_word(s, "UTC") || take_word(s, "GMT"))
		return true;
	const bool minus = *s->p == '-';
	if (!take_one_of(s, "+-") || !take_number(s, 2, 23, &hour))
		return false;
	if ((take(s, ':') || is_digit(s, 0)) && !take_number(s, 2, 59, &minute))
		return false;
	const int64_t offset = hour * 3600 + minute * 60;
	*sec += minus ? offset : -offset;
	return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
	const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return month == 2 ? 28u + leap : 30 + ((month + month / 8) & 1);
}

static bool read_iso8601(struct text s, struct event_time *t)
{
	unsigned year, month, day;
	if (!take_number(&s, 4, 9999, &year))
		return false;
	const bool dash = take(&s, '-');
	if (!take_number(&s, 2, 12, &month) || (dash && !take(&s, '-')) || !take_number(&s, 2, 31, &day))
		return false;
	if (month == 0 || day == 0 || day > month_days(year, month))
		return false;
	t->sec = civil_to_seconds(year, month, day, 0, 0, 0);
	t->nsec = 0;
	if (s.p == s.end)
		return true;
	/* 20010203040506 has no T. */
	if (!take_one_of(&s, "Tt ") && (dash || !is_digit(&s, 0)))
		return false;
	if (!take_clock(&s, &t->sec, &t->nsec))
		return false;
	take(&s, ' ');
	return take_zone(&s, &t->sec) && s.p == s.end;
}

/* By its size a number tells its unit: in seconds 10^11 is the year 5138. */
static bool from_integer(int64_t v, struct event_time *t)
{
	int64_t per = 1;
	const uint64_t size = v < 0 ? -(uint64_t)v : (uint64_t)v;
	for (uint64_t least = UINT64_C(100000000000); per < NSEC_PER_SEC && size >= least; least *= 1000)
		per *= 1000;
	const int64_t sec = v / per - (v % per < 0);
	*t = (struct event_time){sec, (uint32_t)((v - sec * per) * (NSEC_PER_SEC / per))};
	return true;
}

static bool from_float(double v, struct event_time *t)
{
	if (!isfinite(v) || fabs(v) >= 1e17)
		return false;
	while (fabs(v) >= 1e11)
		v /= 1000;
	const double whole = floor(v);
	const uint32_t nsec = (uint32_t)((v - whole) * NSEC_PER_SEC);
	*t = (struct event_time){(int64_t)whole, nsec < NSEC_PER_SEC ? nsec : NSEC_PER_SEC - 1};
	return true;
}

/* A string of 9 to 19 digits, as senders write epoch numbers; shorter ones are dates. */
static bool read_epoch(struct text s, struct event_time *t)
{
	const size_t n = (size_t)(s.end - s.p);
	uint64_t v = 0;
	if (n < 9 || n > 19)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(&s, i))
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	return v <= INT64_MAX && from_integer((int64_t)v, t);
}

static bool from_string(struct span text, struct event_time *t)
{
	const struct text s = {text.p, text.p + text.n};
	return read_iso8601(s, t) || read_epoch(s, t);
}

static bool by_format(struct span text, const struct time_format *format, struct event_time event, struct event_time *t)
{
	struct time_parsed parsed;
	if (!time_format_parse(format, text, event, 0, &parsed))
		return false;
	*t = parsed.time;
	return true;
}

bool doc_time_read(struct span value, const struct time_format *format, struct event_time event, struct event_time *t)
{
	struct mp_token token;
	char text[JSON_NUMBER_MAX];
	const uint8_t *p = value.p;
	if (value.n == 0 || mp_read(&p, value.p + value.n, &token) != MP_OK)
		return false;
	switch (token.type) {
	case MP_STR:
	case MP_BIN:
		return format ? by_format(token.body, format, event, t) : from_string(token.body, t);
	case MP_UINT:
	case MP_INT:
		if (token.type == MP_UINT && token.u > INT64_MAX)
			return false;
		if (!format)
			return from_integer(token.i, t);
		return by_format(span_of(text, (size_t)((char *)json_put_i64((uint8_t *)text, token.i) - text)), format,
			event, t);
	case MP_FLOAT32:
	case MP_FLOAT64:
		if (!format)
			return from_float(token.d, t);
		return by_format(span_of(text, json_format_double(token.d, text)), format, event, t);
	case MP_EXT:
		return time_text_from_ext(token.ext_type, token.body, t);
	default:
		return false;
	}
}
