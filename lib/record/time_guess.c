/*
 * time_guess.c: takes the parts out of the text one after the other, each leaving a blank behind: the day of the week, the time of day with its zone, then
 * the first kind of date that fits. The order decides what an ambiguous text means, so it is Ruby's.
 */
#include "record/time_guess.h"

#include "record/strptime.h"
#include "record/time_text.h"

#include <strings.h>

#define TEXT_MAX 128
#define DIGITS	 14

struct guess {
	char s[TEXT_MAX + 2]; /* lower case; what means nothing is a blank; 0-terminated */
	struct strptime_fields f;
	const struct zone *zone;
	struct event_time now;
};

/* A number as it stands in the text: with an apostrophe or a sign, and how many digits. */
struct number {
	bool there, quote, negative;
	unsigned digits;
	int64_t v;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_word(char c)
{
	return is_digit(c) || is_alpha(c) || c == '_';
}

static const char *skip_blanks(const char *p)
{
	while (*p == ' ')
		p++;
	return p;
}

/* Digits at p; NULL if there are none, or more than any date has. */
static const char *take_digits(const char *p, struct number *n)
{
	*n = (struct number){.there = true};
	for (; is_digit(*p); p++, n->digits++) {
		if (n->digits >= DIGITS)
			return NULL;
		n->v = n->v * 10 + (*p - '0');
	}
	return n->digits ? p : NULL;
}

/* '?-?digits */
static const char *take_number(const char *p, struct number *n)
{
	bool quote = *p == '\'', negative;
	p += quote;
	negative = *p == '-';
	p = take_digits(p + negative, n);
	n->quote = quote;
	n->negative = negative;
	return p;
}

static void blank(struct guess *g, const char *from, const char *to)
{
	memset(g->s + (from - g->s), ' ', (size_t)(to - from));
}

/* ---- names ---- */

static const char month_names[12][4] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
static const char day_names[7][4] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static int find_name(const char (*names)[4], int count, const char *p)
{
	for (int i = 0; i < count; i++)
		if (strncmp(p, names[i], 3) == 0)
			return i;
	return -1;
}

static const char *take_month(const char *p, int64_t *month)
{
	int i = find_name(month_names, 12, p);
	*month = i + 1;
	return i < 0 ? NULL : p + 3;
}

/* Past what is none of `stop`, no digit and no blank: the rest of a name, a point, an ordinal's ending. */
static const char *skip_rest(const char *p, const char *stop)
{
	while (*p && *p != ' ' && !is_digit(*p) && !strchr(stop, *p))
		p++;
	return p;
}

/* The names of days say nothing that the date does not; they only must not be taken for zones. */
static void take_weekday(struct guess *g)
{
	for (const char *p = g->s; *p; p++) {
		if ((p > g->s && is_word(p[-1])) || find_name(day_names, 7, p) < 0)
			continue;
		blank(g, p, skip_rest(p, "-/"));
		return;
	}
}

/* ---- time of day ---- */

static bool zone_by_name(const struct guess *g, const char *p, size_t n, int32_t *offset)
{
	static const struct {
		const char *name;
		int hours;
	} names[] = {{"utc", 0}, {"z", 0}, {"ut", 0}, {"gmt", 0}, {"est", -5}, {"edt", -4}, {"cst", -6}, {"cdt", -5},
		{"mst", -7}, {"mdt", -6}, {"pst", -8}, {"pdt", -7}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i].name) == n && memcmp(names[i].name, p, n) == 0) {
			*offset = names[i].hours * 3600;
			return true;
		}
	if (n == 1 && *p != 'j') { /* the military's: A +1 ... M +12, N -1 ... Y -12 */
		int i = *p - 'a';
		*offset = (i < 9 ? i + 1 : i < 13 ? i : 12 - i) * 3600;
		return true;
	}
	struct civil c;
	civil_from_seconds(g->now.sec, &c);
	for (unsigned month = 1; month <= 7; month += 6) {
		const char *local;
		*offset = zone_offset(g->zone, civil_to_seconds(c.year, month, 1, 12, 0, 0), &local);
		if (local && strlen(local) == n && strncasecmp(local, p, n) == 0)
			return true;
	}
	return false;
}

/* +09, +0900, +09:00, +090000, +09:00:00; anything else tells no zone. */
static bool zone_by_digits(const char *p, size_t n, int32_t *offset)
{
	char d[7] = "000000";
	size_t digits = 0;
	bool colons = n > 3 && p[3] == ':';
	for (size_t i = 1; i < n; i++) {
		if (colons && i % 3 == 0) {
			if (p[i] != ':')
				return false;
			continue;
		}
		if (!is_digit(p[i]) || digits == 6)
			return false;
		d[digits++] = p[i];
	}
	if (digits != 2 && digits != 4 && digits != 6)
		return false;
	int32_t v = ((d[0] - '0') * 10 + d[1] - '0') * 3600 + ((d[2] - '0') * 10 + d[3] - '0') * 60 +
		    (d[4] - '0') * 10 + d[5] - '0';
	*offset = p[0] == '-' ? -v : v;
	return true;
}

static const char *skip_digits(const char *p)
{
	while (is_digit(*p))
		p++;
	return p;
}

/* A zone behind a time: [gmt|ut|utc]+digits[:digits[:digits]], or a word. What is no zone that is known says nothing, but it is taken too. */
static const char *take_zone(struct guess *g, const char *p)
{
	const char *start = p, *sign = p;
	int32_t offset;
	bool ok = false;
	while (is_alpha(*sign))
		sign++;
	size_t letters = (size_t)(sign - start);
	bool prefix = letters == 0 || (letters == 3 && (!strncmp(p, "gmt", 3) || !strncmp(p, "utc", 3))) ||
		      (letters == 2 && !strncmp(p, "ut", 2));
	if (prefix && (*sign == '+' || *sign == '-') && is_digit(sign[1])) {
		p = skip_digits(sign + 1);
		if ((*p == ':' || *p == '.' || *p == ',') && is_digit(p[1])) {
			p = skip_digits(p + 1);
			if (*p == ':' && is_digit(p[1]))
				p = skip_digits(p + 1);
		}
		ok = letters == 0 && zone_by_digits(sign, (size_t)(p - sign), &offset);
	} else if (letters && !is_word(*sign)) {
		p = sign;
		ok = zone_by_name(g, start, letters, &offset);
	}
	if (ok)
		field_set(&g->f, FIELD_OFFSET, offset);
	return p;
}

static void set_fraction(struct guess *g, const char *p, const char *end)
{
	int64_t nsec = 0, unit = 100000000;
	for (; p < end && is_digit(*p); p++, unit /= 10)
		nsec += (*p - '0') * unit;
	field_set(&g->f, FIELD_NSEC, nsec);
}

/* :minute[:second[.fraction]] behind the hour; NULL if that is not what is there. */
static const char *take_minutes(struct guess *g, const char *p)
{
	struct number n;
	p = skip_blanks(p);
	if (*p != ':' || !(p = take_digits(skip_blanks(p + 1), &n)))
		return NULL;
	field_set(&g->f, FIELD_MINUTE, n.v);
	const char *q = skip_blanks(p);
	if (*q != ':' || !(q = take_digits(skip_blanks(q + 1), &n)))
		return p;
	field_set(&g->f, FIELD_SECOND, n.v);
	if ((*q == '.' || *q == ',') && is_digit(q[1])) {
		const char *end = skip_digits(q + 1);
		set_fraction(g, q + 1, end);
		return end;
	}
	return *q == '.' || *q == ',' ? q + 1 : q;
}

static const char *take_half(struct guess *g, const char *p)
{
	const char *q = skip_blanks(p);
	if ((*q != 'a' && *q != 'p') || q[1] != 'm' || is_word(q[2]))
		return p;
	g->f.v[FIELD_HOUR] = g->f.v[FIELD_HOUR] % 12 + (*q == 'p' ? 12 : 0);
	return q + 2;
}

static void take_time(struct guess *g)
{
	for (const char *p = g->s; *p; p++) {
		struct number hour;
		if (!is_digit(*p))
			continue;
		const char *q = take_digits(p, &hour), *minutes = q ? take_minutes(g, q) : NULL;
		if (minutes) {
			field_set(&g->f, FIELD_HOUR, hour.v);
			q = take_half(g, minutes);
			const char *zone = skip_blanks(q), *end = take_zone(g, zone);
			blank(g, p, end > zone ? end : q);
			return;
		}
		p = skip_digits(p) - 1;
	}
}

/* ---- dates ---- */

static void set_year(struct guess *g, const struct number *y)
{
	int64_t v = y->negative ? -y->v : y->v;
	if (!y->negative && y->digits <= 2)
		v += v >= 69 ? 1900 : 2000;
	field_set(&g->f, FIELD_YEAR, v);
}

/* Year, month and day as they were found; whichever end has more than two digits is the year. With two parts only they are month and day. */
static bool set_date(struct guess *g, struct number y, int64_t month, struct number d)
{
	if (y.there && !d.there && !y.quote && y.digits <= 2) {
		/* 08/07: no year */
		d = (struct number){.there = true, .digits = 2, .v = month};
		month = y.v;
		y.there = false;
	} else if (d.there && (d.quote || d.digits > 2)) {
		struct number swap = y;
		y = d;
		d = swap;
	}
	if (y.there)
		set_year(g, &y);
	field_set(&g->f, FIELD_MONTH, month);
	if (d.there)
		field_set(&g->f, FIELD_DAY, d.v);
	return true;
}

static bool day_with_month(struct guess *g, struct number d, const char *p, int64_t month)
{
	struct number y = {0};
	const char *q = skip_blanks(skip_rest(p, "-'"));
	if (!take_number(q, &y))
		y.there = false;
	if (!y.there && (d.quote || d.digits > 2)) { /* 2026 Aug */
		y = d;
		d.there = false;
		set_year(g, &y);
		field_set(&g->f, FIELD_MONTH, month);
		return true;
	}
	return set_date(g, y, month, d);
}

/* 7 Aug 2026, 7th of... is not; 07/Aug/2026 is: what stands between day and month may be anything but a digit, a blank and a minus. */
static bool date_eu(struct guess *g)
{
	for (const char *p = g->s; *p; p++) {
		struct number d;
		int64_t month;
		if (!is_digit(*p))
			continue;
		const char *q = take_digits(p, &d), *m = NULL;
		if (!q)
			return false;
		/* The name may begin within the run of letters or behind blanks. */
		const char *run = skip_rest(q, "-"), *name = skip_blanks(run);
		m = take_month(name, &month);
		for (const char *in = run; !m && in-- > q;)
			m = take_month(in, &month);
		d.quote = p > g->s && p[-1] == '\'';
		if (m)
			return day_with_month(g, d, m, month);
		p = q - 1;
	}
	return false;
}

/* Aug 7 2026, August 7th, 2026 */
static bool date_us(struct guess *g)
{
	for (const char *p = g->s; *p; p++) {
		struct number d, y = {0};
		int64_t month;
		const char *q = p > g->s && is_word(p[-1]) ? NULL : take_month(p, &month);
		if (!q)
			continue;
		q = skip_blanks(skip_rest(q, "-'"));
		bool quote = *q == '\'';
		if (!(q = take_digits(q + quote, &d)))
			continue;
		d.quote = quote;
		q = skip_blanks(skip_rest(q, "-'"));
		q = skip_blanks(*q == ',' ? q + 1 : q);
		if (!take_number(q, &y))
			y.there = false;
		if (!y.there && (d.quote || d.digits > 2)) { /* Aug 2026 */
			y = d;
			d.there = false;
			set_year(g, &y);
			field_set(&g->f, FIELD_MONTH, month);
			return true;
		}
		return set_date(g, y, month, d);
	}
	return false;
}

/* Three numbers between two separators; with '/', the third may be missing and its separator is anything. */
static bool date_of_three(struct guess *g, char separator)
{
	for (const char *p = g->s; *p; p++) {
		struct number a, month, c = {0};
		if (!is_digit(*p))
			continue;
		const char *q = take_digits(p, &a);
		if (!q)
			return false;
		a.quote = p > g->s && p[-1] == '\'';
		const char *end = q;
		if (*q == separator && (q = take_digits(separator == '-' ? q + 1 : skip_blanks(q + 1), &month))) {
			const char *third = *q && (*q == separator || separator == '/') ? q + 1 : NULL;
			if (third && separator != '-')
				third = skip_blanks(third);
			if (!third || !take_number(third, &c))
				c.there = false;
			if (c.there || separator == '/')
				return set_date(g, a, month.v, c);
		}
		p = end - 1;
	}
	return false;
}

/* 7-Aug-2026; Aug-7-2026 */
static bool date_vms(struct guess *g)
{
	for (const char *p = g->s; *p; p++) {
		int64_t month;
		struct number before = {0}, after = {0}, last = {0};
		const char *q = take_month(p, &month), *digits = p - 1;
		if (!q)
			continue;
		while (*q && !strchr("-/.", *q))
			q++;
		if (*q != '-' || !(q = take_number(q + 1, &after)))
			continue;
		if (p > g->s && *digits == '-') {
			while (digits > g->s && is_digit(digits[-1]))
				digits--;
			if (take_digits(digits, &before) && before.digits)
				return set_date(g, after, month, before);
		}
		if (p > g->s && is_word(p[-1]))
			continue;
		if (*q != '-' || !take_number(q + 1, &last))
			last.there = false;
		return set_date(g, last, month, after);
	}
	return false;
}

/* 2026-219: year and day of it */
static bool date_ordinal(struct guess *g)
{
	for (const char *p = g->s; *p; p++) {
		struct number y, d;
		if (!is_digit(*p))
			continue;
		const char *q = take_digits(p, &y), *end = q;
		if (!q)
			return false;
		if (y.digits == 4 && *q == '-' && (q = take_digits(q + 1, &d)) && d.digits == 3 && !is_word(*q)) {
			field_set(&g->f, FIELD_YEAR, y.v);
			field_set(&g->f, FIELD_YDAY, d.v);
			return true;
		}
		p = end - 1;
	}
	return false;
}

static bool month_alone(struct guess *g)
{
	for (const char *p = g->s; *p; p++) {
		int64_t month;
		if ((p == g->s || !is_word(p[-1])) && take_month(p, &month)) {
			field_set(&g->f, FIELD_MONTH, month);
			return true;
		}
	}
	return false;
}

/* 7th */
static bool day_alone(struct guess *g)
{
	for (const char *p = g->s; *p; p++) {
		struct number d;
		if (!is_digit(*p))
			continue;
		const char *q = take_digits(p, &d);
		if (!q)
			return false;
		if ((!strncmp(q, "st", 2) || !strncmp(q, "nd", 2) || !strncmp(q, "rd", 2) || !strncmp(q, "th", 2)) &&
			!is_word(q[2])) {
			field_set(&g->f, FIELD_DAY, d.v);
			return true;
		}
		p = q - 1;
	}
	return false;
}

/* `n` digits at p for that field. */
static const char *pair(struct guess *g, const char *p, unsigned n, enum strptime_field field)
{
	int64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v = v * 10 + (p[i] - '0');
	if (field == FIELD_YEAR && n == 2)
		v += v >= 69 ? 1900 : 2000;
	field_set(&g->f, field, v);
	return p + n;
}

static void compact_date(struct guess *g, const char *p, unsigned digits)
{
	bool ordinal = digits == 3 || digits == 5 || digits == 7;
	unsigned year = digits >= 7 ? 4 : digits >= 5 ? 2 : 0;
	const char *end = p + digits;
	if (year)
		p = pair(g, p, year, FIELD_YEAR);
	if (ordinal) {
		pair(g, p, 3, FIELD_YDAY);
		return;
	}
	if (digits > 2)
		p = pair(g, p, 2, FIELD_MONTH);
	p = pair(g, p, 2, FIELD_DAY);
	if (p + 2 <= end)
		p = pair(g, p, 2, FIELD_HOUR);
	if (p + 2 <= end)
		p = pair(g, p, 2, FIELD_MINUTE);
	if (p + 2 <= end)
		pair(g, p, 2, FIELD_SECOND);
}

/* 20260807, 20260807T120000Z, 20260807120000.5+0900, 0807, 219 */
static bool date_compact(struct guess *g)
{
	const char *p = g->s;
	struct number n;
	while (*p && !is_digit(*p))
		p++;
	const char *q = take_digits(p, &n);
	if (!q || n.digits < 2 || n.digits == 9 || n.digits == 11 || n.digits == 13)
		return false;
	compact_date(g, p, n.digits);
	const char *t = skip_blanks(q);
	t = skip_blanks(*t == 't' ? t + 1 : t);
	struct number time;
	const char *time_end = take_digits(t, &time);
	if (time_end && time.digits <= 6 && time.digits % 2 == 0 && n.digits <= 8) {
		static const enum strptime_field fields[] = {FIELD_HOUR, FIELD_MINUTE, FIELD_SECOND};
		for (unsigned i = 0; i < 3 && i < time.digits / 2; i++)
			t = pair(g, t, 2, fields[i]);
		q = time_end;
	}
	if (*q == '.' || *q == ',') {
		const char *end = skip_digits(q + 1);
		set_fraction(g, q + 1, end);
		q = end;
	}
	if ((*q == 'z' && !is_word(q[1])) || *q == '+' || *q == '-')
		take_zone(g, q);
	return true;
}

static bool take_date(struct guess *g)
{
	return date_eu(g) || date_us(g) || date_of_three(g, '-') || date_vms(g) || date_of_three(g, '/') ||
	       date_of_three(g, '.') || date_ordinal(g) || month_alone(g) || day_alone(g) || date_compact(g);
}

/* ---- the whole ---- */

static void take_text(struct guess *g, struct span text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + 32);
		bool means = is_alpha((char)c) || is_digit((char)c) || (c && strchr("-+',./:@[]", c));
		g->s[n++] = means ? (char)c : ' ';
	}
	g->s[n] = 0;
}

/* What strptime's reader has checked already in its own way. */
static bool fields_ok(const struct strptime_fields *f)
{
	static const struct {
		enum strptime_field field;
		int64_t min, max;
	} ranges[] = {{FIELD_MONTH, 1, 12}, {FIELD_DAY, 1, 31}, {FIELD_YDAY, 1, 366}, {FIELD_HOUR, 0, 24},
		{FIELD_MINUTE, 0, 59}, {FIELD_SECOND, 0, 60}};
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		if (field_is_set(f, ranges[i].field) &&
			(f->v[ranges[i].field] < ranges[i].min || f->v[ranges[i].field] > ranges[i].max))
			return false;
	return true;
}

bool time_guess(struct span text, struct event_time now, const struct zone *zone, struct event_time *out)
{
	struct guess g = {.zone = zone, .now = now};
	struct time_parsed parsed = {0};
	if (text.n > TEXT_MAX)
		return false;
	take_text(&g, text);
	take_weekday(&g);
	take_time(&g);
	take_date(&g);
	/* strptime_resolve completes from `now` in UTC, so `now` is given as the clock of the zone shows it. */
	struct event_time local = now;
	local.sec += field_is_set(&g.f, FIELD_OFFSET) ? 0 : zone_offset(zone, now.sec, NULL);
	if (!g.f.set || !fields_ok(&g.f) || !strptime_resolve(&g.f, local, 0, &parsed))
		return false;
	if (!parsed.has_zone)
		parsed.time.sec = zone_to_utc(zone, parsed.time.sec);
	*out = parsed.time;
	return true;
}
