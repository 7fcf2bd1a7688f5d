/*
 * strftime.c: Ruby's Time#strftime, with its corner cases: the width of a number replaces its own, `-` undoes widths that stand
 * before directives with a width of their own, a flag behind a width makes everything literal.
 */
#include "record/time_format.h"

#include "base/clock.h"
#include "record/time_text.h"

#define WIDTH_MAX 1024
#define SEC_MAX	  INT64_C(9000000000000000000)

struct spec {
	char directive;
	bool left;   /* - : no padding */
	bool upper;  /* ^ */
	bool change; /* # : the other case */
	char pad;    /* '0', ' ' (_), or 0: what the directive has by itself */
	int width;   /* -1 = none; `-` sets 0 */
	int colons;
};

struct source {
	struct event_time t;
	struct time_zone zone;
	struct civil c; /* in that zone */
};

static void format_all(struct buf *out, const char *format, const struct source *s);

static void put_pad(struct buf *out, char c, int n)
{
	if (n <= 0 || !buf_reserve(out, (size_t)n))
		return;
	memset(out->p + out->n, c, (size_t)n);
	out->n += (size_t)n;
}

/* A number with at least `width` places, if the spec does not say otherwise. */
static void put_number(struct buf *out, const struct spec *spec, char pad, int width, int64_t v)
{
	char digits[24];
	int n = 0, places = spec->left ? 1 : spec->width > 0 ? spec->width : width;
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
	do
		digits[n++] = (char)('0' + u % 10);
	while (u /= 10);
	pad = spec->pad ? spec->pad : pad;
	if (pad == ' ')
		put_pad(out, ' ', places - n - (v < 0));
	if (v < 0)
		buf_put_byte(out, '-');
	if (pad == '0')
		put_pad(out, '0', places - n - (v < 0));
	while (n)
		buf_put_byte(out, (uint8_t)digits[--n]);
}

static void change_case(uint8_t *p, size_t n, bool upper)
{
	for (size_t i = 0; i < n; i++) {
		if (upper && p[i] >= 'a' && p[i] <= 'z')
			p[i] = (uint8_t)(p[i] - 'a' + 'A');
		else if (!upper && p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (uint8_t)(p[i] - 'A' + 'a');
	}
}

enum text_case { AS_IS, UPPER, LOWER };

static void put_text(struct buf *out, const struct spec *spec, struct span text, enum text_case how)
{
	if (text.n && !spec->left && spec->width > 0 && (size_t)spec->width > text.n)
		put_pad(out, spec->pad ? spec->pad : ' ', spec->width - (int)text.n);
	size_t at = out->n;
	if (buf_put_span(out, text) && how != AS_IS)
		change_case(out->p + at, text.n, how == UPPER);
}

/* Several directives as one: padded as a whole, `-` or not. */
static void put_composite(struct buf *out, const struct spec *spec, const char *format, const struct source *s)
{
	struct buf part;
	buf_init(&part, 256);
	format_all(&part, format, s);
	if (spec->upper)
		change_case(part.p, part.n, true);
	if (part.n < (size_t)(spec->width > 0 ? spec->width : 0))
		put_pad(out, spec->pad ? spec->pad : ' ', spec->width - (int)part.n);
	buf_put_span(out, buf_span(&part));
	buf_free(&part);
}

static void put_fraction(struct buf *out, const struct spec *spec, int digits, uint32_t nsec)
{
	char text[9];
	if (spec->width > 0)
		digits = spec->width;
	for (int i = 8; i >= 0; i--, nsec /= 10)
		text[i] = (char)('0' + nsec % 10);
	buf_put(out, text, (size_t)(digits < 9 ? digits : 9));
	put_pad(out, '0', digits - 9);
}

/* +hhmm, or with as many colons as were asked for; three: as short as can be. A width is the hours' share of it. */
static void put_zone_offset(struct buf *out, const struct spec *spec, const struct time_zone *zone)
{
	const bool utc = zone->offset == 0 && zone->name && strcmp(zone->name, "UTC") == 0;
	const char sign = zone->offset < 0 || (utc && spec->left) ? '-' : '+'; /* %-z: "-0000", RFC 3339's unknown */
	const int off = zone->offset < 0 ? -zone->offset : zone->offset;
	const int hour = off / 3600, minute = off / 60 % 60, second = off % 60;
	const bool minutes = spec->colons < 3 || minute || second;
	const bool seconds = spec->colons == 2 || (spec->colons == 3 && second);
	const int rest = (minutes ? (spec->colons ? 3 : 2) : 0) + (seconds ? 3 : 0);
	int hour_width = spec->width - 1 - rest > 2 ? spec->width - 1 - rest : 2;
	if (spec->pad == ' ') {
		hour_width -= hour >= 10 ? 2 : 1;
		put_pad(out, ' ', hour_width);
		buf_printf(out, "%c%d", sign, hour);
	} else {
		buf_printf(out, "%c%0*d", sign, hour_width, hour);
	}
	if (minutes)
		buf_printf(out, "%s%02d", spec->colons ? ":" : "", minute);
	if (seconds)
		buf_printf(out, ":%02d", second);
}

/* ISO 8601: the week's Thursday says which year it belongs to. */
static void iso_week(const struct civil *c, int64_t *year, unsigned *week)
{
	struct civil thursday;
	const int64_t day = civil_to_seconds(c->year, c->month, c->day, 0, 0, 0);
	const int monday_0 = (int)(c->wday + 6) % 7;
	civil_from_seconds(day + (3 - monday_0) * 86400, &thursday);
	*year = thursday.year;
	*week = (thursday.yday - 1) / 7 + 1;
}

static void put_iso_week(struct buf *out, const struct spec *spec, const struct civil *c)
{
	int64_t year;
	unsigned week;
	iso_week(c, &year, &week);
	if (spec->directive == 'V')
		put_number(out, spec, '0', 2, week);
	else if (spec->directive == 'G')
		put_number(out, spec, '0', year < 0 ? 5 : 4, year);
	else
		put_number(out, spec, '0', 2, (year % 100 + 100) % 100);
}

static void put_name(struct buf *out, const struct spec *spec, const char *name, bool whole)
{
	put_text(out, spec, span_of(name, whole ? strlen(name) : 3), spec->upper || spec->change ? UPPER : AS_IS);
}

/* The directives for text; false if the spec's is none of them. */
static bool put_word(struct buf *out, const struct spec *spec, const struct source *s)
{
	static const char *const days[] = {
		"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
	static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July", "August",
		"September", "October", "November", "December"};
	const char *half = s->c.hour < 12 ? "AM" : "PM", *zone = s->zone.name ? s->zone.name : "";
	switch (spec->directive) {
	case 'a':
	case 'A':
		put_name(out, spec, days[s->c.wday], spec->directive == 'A');
		return true;
	case 'b':
	case 'h':
	case 'B':
		put_name(out, spec, months[s->c.month - 1], spec->directive == 'B');
		return true;
	case 'p':
		put_text(out, spec, span_str(half), spec->change ? LOWER : AS_IS);
		return true;
	case 'P':
		put_text(out, spec, span_str(half), spec->change || spec->upper ? AS_IS : LOWER);
		return true;
	case 'Z':
		put_text(out, spec, span_str(zone), spec->change ? LOWER : spec->upper ? UPPER : AS_IS);
		return true;
	case 'n':
		put_text(out, spec, SPAN_LIT("\n"), AS_IS);
		return true;
	case 't':
		put_text(out, spec, SPAN_LIT("\t"), AS_IS);
		return true;
	case '%':
		put_text(out, spec, SPAN_LIT("%"), AS_IS);
		return true;
	}
	return false;
}

/* The directives for numbers of years, months, weeks and days. */
static bool put_date(struct buf *out, const struct spec *spec, const struct civil *c)
{
	switch (spec->directive) {
	case 'Y':
		put_number(out, spec, '0', c->year < 0 ? 5 : 4, c->year);
		return true;
	case 'C':
		put_number(out, spec, '0', 2, c->year / 100 - (c->year % 100 < 0));
		return true;
	case 'y':
		put_number(out, spec, '0', 2, (c->year % 100 + 100) % 100);
		return true;
	case 'm':
		put_number(out, spec, '0', 2, c->month);
		return true;
	case 'd':
		put_number(out, spec, '0', 2, c->day);
		return true;
	case 'e':
		put_number(out, spec, ' ', 2, c->day);
		return true;
	case 'j':
		put_number(out, spec, '0', 3, c->yday);
		return true;
	case 'u':
		put_number(out, spec, '0', 1, c->wday ? c->wday : 7);
		return true;
	case 'w':
		put_number(out, spec, '0', 1, c->wday);
		return true;
	case 'U':
		put_number(out, spec, '0', 2, (c->yday + 6 - c->wday) / 7);
		return true;
	case 'W':
		put_number(out, spec, '0', 2, (c->yday + 6 - (c->wday + 6) % 7) / 7);
		return true;
	case 'V':
	case 'G':
	case 'g':
		put_iso_week(out, spec, c);
		return true;
	}
	return false;
}

static int64_t msec_of(struct event_time t)
{
	int64_t msec;
	if (__builtin_mul_overflow(t.sec, 1000, &msec) || __builtin_add_overflow(msec, t.nsec / 1000000, &msec))
		return t.sec < 0 ? INT64_MIN : INT64_MAX;
	return msec;
}

/* The directives for the time of day, for zones, and for seconds since 1970. */
static bool put_clock(struct buf *out, const struct spec *spec, const struct source *s)
{
	const struct civil *c = &s->c;
	switch (spec->directive) {
	case 'H':
		put_number(out, spec, '0', 2, c->hour);
		return true;
	case 'k':
		put_number(out, spec, ' ', 2, c->hour);
		return true;
	case 'I':
		put_number(out, spec, '0', 2, (c->hour + 11) % 12 + 1);
		return true;
	case 'l':
		put_number(out, spec, ' ', 2, (c->hour + 11) % 12 + 1);
		return true;
	case 'M':
		put_number(out, spec, '0', 2, c->minute);
		return true;
	case 'S':
		put_number(out, spec, '0', 2, c->second);
		return true;
	case 'L':
		put_fraction(out, spec, 3, s->t.nsec);
		return true;
	case 'N':
		put_fraction(out, spec, 9, s->t.nsec);
		return true;
	case 'z':
		put_zone_offset(out, spec, &s->zone);
		return true;
	case 's':
		put_number(out, spec, '0', 1, s->t.sec);
		return true;
	case 'Q':
		put_number(out, spec, '0', 1, msec_of(s->t));
		return true;
	}
	return false;
}

static const char *composite_of(char directive)
{
	switch (directive) {
	case 'c':
		return "%a %b %e %H:%M:%S %Y";
	case 'D':
	case 'x':
		return "%m/%d/%y";
	case 'F':
		return "%Y-%m-%d";
	case 'R':
		return "%H:%M";
	case 'r':
		return "%I:%M:%S %p";
	case 'T':
	case 'X':
		return "%H:%M:%S";
	case 'v':
		return "%e-%^b-%4Y";
	case '+':
		return "%a %b %e %H:%M:%S %Z %Y";
	}
	return NULL;
}

/* One flag, or a whole width, at *p; false if there is none or it may not stand there. */
static bool read_flag(const char **p, struct spec *spec)
{
	const char c = **p;
	if (c >= '0' && c <= '9') {
		spec->pad = c == '0' ? '0' : spec->pad;
		for (spec->width = 0; **p >= '0' && **p <= '9'; ++*p)
			if ((spec->width = spec->width * 10 + (**p - '0')) > WIDTH_MAX)
				return false;
		return true;
	}
	if (spec->width > 0 || !c || !strchr("-^#_", c))
		return false;
	if (c == '-') {
		spec->left = true;
		spec->pad = 0;
		spec->width = 0;
	} else if (c == '_') {
		spec->pad = ' ';
	}
	spec->upper |= c == '^';
	spec->change |= c == '#';
	++*p;
	return true;
}

/* Reads what follows a %, up to and with the directive's letter. */
static const char *read_spec(const char *p, struct spec *spec)
{
	*spec = (struct spec){.width = -1};
	while (read_flag(&p, spec))
		;
	if (*p == ':') {
		size_t colons = strspn(p, ":");
		if (colons > 3 || p[colons] != 'z')
			return p;
		spec->colons = (int)colons;
		p += colons;
	} else if ((*p == 'E' && p[1] && strchr("cCxXyY", p[1])) ||
		   (*p == 'O' && p[1] && strchr("deHkIlmMSuUVwWy", p[1]))) {
		p++;
	}
	spec->directive = *p;
	return *p ? p + 1 : p;
}

static bool put_directive(struct buf *out, const struct spec *spec, const struct source *s)
{
	const char *composite = composite_of(spec->directive);
	if (composite) {
		put_composite(out, spec, composite, s);
		return true;
	}
	return spec->directive && (put_date(out, spec, &s->c) || put_clock(out, spec, s) || put_word(out, spec, s));
}

static void format_all(struct buf *out, const char *format, const struct source *s)
{
	for (const char *p = format; *p;) {
		struct spec spec;
		size_t literal = strcspn(p, "%");
		buf_put(out, p, literal);
		p += literal;
		if (!*p)
			return;
		const char *end = read_spec(p + 1, &spec);
		if (!put_directive(out, &spec, s))
			buf_put(out, p, (size_t)(end - p));
		p = end;
	}
}

bool time_format_put(struct buf *out, const char *format, struct event_time t, struct time_zone zone)
{
	struct source s = {.t = t, .zone = zone};
	/* A peer may claim any 64 bits; near their ends there is no room to reckon. */
	s.t.sec = t.sec > SEC_MAX ? SEC_MAX : t.sec < -SEC_MAX ? -SEC_MAX : t.sec;
	civil_from_seconds(s.t.sec + zone.offset, &s.c);
	format_all(out, format, &s);
	return !out->failed;
}
