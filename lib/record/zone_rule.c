#include "record/zone_rule.h"

#include "record/time_text.h"

/* ---- reading: POSIX.1 8.3, with the hours of -167 to 167 that RFC 8536 3.3.1 allows ---- */

struct reader {
	const uint8_t *p, *end;
};

static bool take(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != (uint8_t)c)
		return false;
	r->p++;
	return true;
}

static bool read_number(struct reader *r, int max, int *v)
{
	const uint8_t *start = r->p;
	*v = 0;
	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
		*v = *v * 10 + (*r->p - '0');
		if (*v > max)
			return false;
	}
	return r->p > start;
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool read_name(struct reader *r, char name[ZONE_ABBR_MAX])
{
	bool quoted = take(r, '<');
	const uint8_t *start = r->p;
	while (r->p < r->end && (quoted ? *r->p != '>' : is_letter(*r->p)))
		r->p++;
	size_t n = (size_t)(r->p - start);
	if (n < 3 || n >= ZONE_ABBR_MAX)
		return false;
	memcpy(name, start, n);
	name[n] = 0;
	return !quoted || take(r, '>');
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(struct reader *r, int32_t *sec)
{
	int hour, minute = 0, second = 0;
	bool negative = take(r, '-');
	if (!negative)
		take(r, '+');
	if (!read_number(r, 167, &hour) || (take(r, ':') && !read_number(r, 59, &minute)) ||
		(take(r, ':') && !read_number(r, 59, &second)))
		return false;
	*sec = hour * 3600 + minute * 60 + second;
	if (negative)
		*sec = -*sec;
	return true;
}

static bool read_change(struct reader *r, struct zone_change *c)
{
	*c = (struct zone_change){.kind = 'D', .time = 7200};
	if (!take(r, ','))
		return false;
	if (take(r, 'M')) {
		c->kind = 'M';
		if (!read_number(r, 12, &c->month) || !c->month || !take(r, '.') || !read_number(r, 5, &c->week) ||
			!c->week || !take(r, '.') || !read_number(r, 6, &c->wday))
			return false;
	} else {
		if (take(r, 'J'))
			c->kind = 'J';
		if (!read_number(r, 365, &c->day) || (c->kind == 'J' && !c->day))
			return false;
	}
	return !take(r, '/') || read_time(r, &c->time);
}

bool zone_rule_parse(struct zone_rule *rule, struct span text)
{
	struct reader r = {text.p, text.p + text.n};
	int32_t west;
	*rule = (struct zone_rule){0};
	if (!read_name(&r, rule->std_name) || !read_time(&r, &west))
		return false;
	rule->std = -west;
	if (r.p == r.end)
		return true;
	rule->has_dst = true;
	rule->dst = rule->std + 3600;
	if (!read_name(&r, rule->dst_name))
		return false;
	if (r.p < r.end && *r.p != ',') {
		if (!read_time(&r, &west))
			return false;
		rule->dst = -west;
	}
	return read_change(&r, &rule->start) && read_change(&r, &rule->end) && r.p == r.end;
}

/* ---- asking ---- */

/* The change in that year, in seconds since 1970 by a clock that is `offset` east of UTC. */
static int64_t change_at(const struct zone_change *c, int64_t year, int32_t offset)
{
	int64_t jan1 = civil_to_seconds(year, 1, 1, 0, 0, 0), day = 0;
	struct civil first;
	if (c->kind == 'M') {
		int64_t month = civil_to_seconds(year, (unsigned)c->month, 1, 0, 0, 0);
		int64_t next = c->month == 12 ? civil_to_seconds(year + 1, 1, 1, 0, 0, 0)
					      : civil_to_seconds(year, (unsigned)c->month + 1, 1, 0, 0, 0);
		civil_from_seconds(month, &first);
		day = month + ((c->wday + 7 - (int)first.wday) % 7 + (c->week - 1) * 7) * INT64_C(86400);
		while (day >= next)
			day -= 7 * 86400;
	} else {
		bool leap = civil_to_seconds(year + 1, 1, 1, 0, 0, 0) - jan1 > INT64_C(365) * 86400;
		int n = c->kind == 'D' ? c->day : c->day - 1 + (leap && c->day > 59);
		day = jan1 + n * INT64_C(86400);
	}
	return day + c->time - offset;
}

int32_t zone_rule_offset(const struct zone_rule *r, int64_t sec, const char **name)
{
	bool dst = false;
	if (r->has_dst) {
		struct civil c;
		civil_from_seconds(sec + r->std, &c);
		int64_t start = change_at(&r->start, c.year, r->std), end = change_at(&r->end, c.year, r->dst);
		dst = start < end ? sec >= start && sec < end : sec >= start || sec < end;
	}
	if (name)
		*name = dst ? r->dst_name : r->std_name;
	return dst ? r->dst : r->std;
}
