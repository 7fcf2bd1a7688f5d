/*
 * strptime.c: text to fields, as Ruby's Date._strptime does it. The fields become a time in strptime_date.c.
 *
 * The format is compiled to one operation a directive, with composite ones (%F) taken apart. What has to be known of the
 * directive that follows (a year takes four digits before another number, else all there are) is looked up then.
 */
#include "record/strptime.h"

#include "base/mem.h"

#include <strings.h>

struct number;
struct op {
	enum { OP_LITERAL, OP_SPACE, OP_NUMBER, OP_WDAY, OP_MONTH, OP_HALF, OP_ZONE, OP_ISO8601, OP_NEVER } code;
	uint8_t arg;		     /* OP_LITERAL: the byte; OP_NUMBER: the most digits to take, 0 = all there are */
	const struct number *number; /* OP_NUMBER */
};

struct time_format {
	struct op *ops;
	size_t n, cap;
};

struct cursor {
	const uint8_t *p, *end;
};

/* How a directive's number is read. */
static const struct number {
	char directive;
	uint8_t width;	       /* most digits; 0 = all there are */
	uint8_t before_number; /* the same where another number follows directly */
	enum { PLAIN, SPACE_FOR_ZERO, MINUS, SIGN } begin;
	int lo, hi; /* hi = 0: any */
	enum strptime_field field;
} numbers[] = {
	{'C', 0, 2, PLAIN, 0, 0, FIELD_CENTURY},
	{'d', 2, 2, SPACE_FOR_ZERO, 1, 31, FIELD_DAY},
	{'e', 2, 2, SPACE_FOR_ZERO, 1, 31, FIELD_DAY},
	{'G', 0, 4, PLAIN, 0, 0, FIELD_ISO_YEAR},
	{'g', 2, 2, PLAIN, 0, 99, FIELD_ISO_YEAR},
	{'H', 2, 2, SPACE_FOR_ZERO, 0, 24, FIELD_HOUR},
	{'k', 2, 2, SPACE_FOR_ZERO, 0, 24, FIELD_HOUR},
	{'I', 2, 2, SPACE_FOR_ZERO, 1, 12, FIELD_HOUR},
	{'l', 2, 2, SPACE_FOR_ZERO, 1, 12, FIELD_HOUR},
	{'j', 3, 3, PLAIN, 1, 366, FIELD_YDAY},
	{'L', 0, 3, SIGN, 0, 0, FIELD_NSEC},
	{'M', 2, 2, PLAIN, 0, 59, FIELD_MINUTE},
	{'m', 2, 2, PLAIN, 1, 12, FIELD_MONTH},
	{'N', 0, 9, SIGN, 0, 0, FIELD_NSEC},
	{'Q', 0, 0, MINUS, 0, 0, FIELD_EPOCH_MSEC},
	{'S', 2, 2, PLAIN, 0, 60, FIELD_SECOND},
	{'s', 0, 0, MINUS, 0, 0, FIELD_EPOCH_SEC},
	{'U', 2, 2, PLAIN, 0, 53, FIELD_SUN_WEEK},
	{'u', 1, 1, PLAIN, 1, 7, FIELD_ISO_WDAY},
	{'V', 2, 2, PLAIN, 1, 53, FIELD_ISO_WEEK},
	{'W', 2, 2, PLAIN, 0, 53, FIELD_MON_WEEK},
	{'w', 1, 1, PLAIN, 0, 6, FIELD_WDAY},
	{'Y', 0, 4, SIGN, 0, 0, FIELD_YEAR},
	{'y', 2, 2, PLAIN, 0, 99, FIELD_YEAR},
};

static const struct {
	char directive;
	const char *format;
} composites[] = {
	{'c', "%a %b %e %H:%M:%S %Y"},
	{'D', "%m/%d/%y"},
	{'F', "%Y-%m-%d"},
	{'R', "%H:%M"},
	{'r', "%I:%M:%S %p"},
	{'T', "%H:%M:%S"},
	{'v', "%e-%b-%Y"},
	{'X', "%H:%M:%S"},
	{'x', "%m/%d/%y"},
	{'+', "%a %b %e %H:%M:%S %Z %Y"},
};

static const struct number *number_of(char directive)
{
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (numbers[i].directive == directive)
			return &numbers[i];
	return NULL;
}

/* ---- compiling ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void emit(struct time_format *f, struct op op)
{
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 16;
		f->ops = mem_realloc(f->ops, f->cap * sizeof *f->ops);
	}
	f->ops[f->n++] = op;
}

static void emit_literal(struct time_format *f, char c)
{
	emit(f, (struct op){.code = OP_LITERAL, .arg = (uint8_t)c});
}

static const char *skip_flags(const char *s)
{
	return s + strspn(s, "-0^#_");
}

/* Whether a number follows at `s` in the format. */
static bool number_follows(const char *s)
{
	if (*s != '%')
		return is_digit((uint8_t)*s);
	s = skip_flags(s + 1);
	if (*s == 'E' || *s == 'O')
		s++;
	return *s && (is_digit((uint8_t)*s) || strchr("CDdeFGgHIjkLlMmNQRrSsTUuVvWwXxYy", *s));
}

static void compile(struct time_format *f, const char *s);

/* The directive `d`, which ends before `rest`; false if it is none. */
static bool compile_directive(struct time_format *f, char d, uint8_t width, const char *rest)
{
	static const struct {
		const char *letters;
		struct op op;
	} others[] = {
		{"Aa", {.code = OP_WDAY}},
		{"Bbh", {.code = OP_MONTH}},
		{"Pp", {.code = OP_HALF}},
		{"Zz", {.code = OP_ZONE}},
		{"nt", {.code = OP_SPACE}},
		{"%", {.code = OP_LITERAL, .arg = '%'}},
	};
	const struct number *number = number_of(d);
	if (number) {
		if (!width)
			width = number_follows(rest) ? number->before_number : number->width;
		emit(f, (struct op){.code = OP_NUMBER, .arg = width, .number = number});
		return true;
	}
	for (size_t i = 0; i < sizeof composites / sizeof *composites; i++) {
		if (composites[i].directive != d)
			continue;
		compile(f, composites[i].format);
		return true;
	}
	for (size_t i = 0; d && i < sizeof others / sizeof *others; i++) {
		if (!strchr(others[i].letters, d))
			continue;
		emit(f, others[i].op);
		return true;
	}
	return false;
}

/* What begins with the % at `s`; returns what follows it. */
static const char *compile_percent(struct time_format *f, const char *s)
{
	const char *p = s + 1;
	uint8_t width = 0;
	if (*p == ':') {
		size_t colons = strspn(p, ":");
		bool zone = colons <= 3 && p[colons] == 'z';
		emit(f, (struct op){.code = zone ? OP_ZONE : OP_NEVER});
		return p + colons + (zone ? 1 : 0);
	}
	if ((*p == 'E' && p[1] && strchr("cCxXyY", p[1])) || (*p == 'O' && p[1] && strchr("deHImMSuUVwWy", p[1])))
		p++;
	else
		p = skip_flags(p);
	if (*p >= '1' && *p <= '9' && (p[1] == 'N' || p[1] == 'L'))
		width = (uint8_t)(*p++ - '0');
	if (compile_directive(f, *p, width, *p ? p + 1 : p))
		return p + 1;
	emit_literal(f, '%');
	return s + 1;
}

static void compile(struct time_format *f, const char *s)
{
	while (*s) {
		if (*s == '%') {
			s = compile_percent(f, s);
		} else if (is_space((uint8_t)*s)) {
			emit(f, (struct op){.code = OP_SPACE});
			s++;
		} else {
			emit_literal(f, *s++);
		}
	}
}

struct time_format *time_format_new(const char *format)
{
	struct time_format *f = mem_zalloc(sizeof *f);
	if (strcmp(format, "%iso8601") == 0)
		emit(f, (struct op){.code = OP_ISO8601});
	else
		compile(f, format);
	return f;
}

void time_format_free(struct time_format *f)
{
	if (!f)
		return;
	mem_free(f->ops);
	mem_free(f);
}

/* ---- reading ---- */

/* Up to `width` digits, at least one; false too if they are more than an int64_t holds. */
static bool read_digits(struct cursor *c, size_t width, int64_t *v)
{
	const uint8_t *start = c->p;
	*v = 0;
	while (c->p < c->end && is_digit(*c->p) && (width == 0 || (size_t)(c->p - start) < width))
		if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, *c->p++ - '0', v))
			return false;
	return c->p > start;
}

/* A fraction of a second; digits behind the ninth are read and mean nothing. */
static bool read_nsec(struct cursor *c, size_t width, int64_t *nsec)
{
	size_t n = 0;
	*nsec = 0;
	for (; c->p < c->end && is_digit(*c->p) && (width == 0 || n < width); n++, c->p++)
		if (n < 9)
			*nsec = *nsec * 10 + (*c->p - '0');
	for (size_t i = n; i < 9; i++)
		*nsec *= 10;
	return n > 0;
}

static bool read_number(struct cursor *c, const struct op *op, struct strptime_fields *f)
{
	const struct number *number = op->number;
	size_t width = op->arg;
	int64_t v;
	bool minus = false;
	if (c->p < c->end && *c->p == ' ' && number->begin == SPACE_FOR_ZERO) {
		c->p++;
		width = 1;
	} else if (c->p < c->end &&
		   ((*c->p == '-' && number->begin >= MINUS) || (*c->p == '+' && number->begin == SIGN))) {
		minus = *c->p++ == '-';
	}
	if (number->field == FIELD_NSEC ? !read_nsec(c, width, &v) : !read_digits(c, width, &v))
		return false;
	if (number->hi && (v < number->lo || v > number->hi))
		return false;
	if (number->field == FIELD_EPOCH_SEC || number->field == FIELD_EPOCH_MSEC)
		f->set &= ~(FIELD_BIT(FIELD_EPOCH_SEC) | FIELD_BIT(FIELD_EPOCH_MSEC)); /* the last one counts */
	field_set(f, number->field, minus ? -v : v);
	if ((number->directive == 'y' || number->directive == 'g') && !field_is_set(f, FIELD_CENTURY))
		field_set(f, FIELD_CENTURY, v >= 69 ? 19 : 20);
	return true;
}

/* Takes `word` (of ASCII letters and dots), in either case. */
static bool take_word(struct cursor *c, const char *word, size_t n)
{
	if ((size_t)(c->end - c->p) < n || strncasecmp((const char *)c->p, word, n) != 0)
		return false;
	c->p += n;
	return true;
}

/* One of the names, whole or by its first three letters; -1 if there is none. */
static int take_name(struct cursor *c, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (take_word(c, names[i], strlen(names[i])))
			return i;
	for (int i = 0; i < count; i++)
		if (take_word(c, names[i], 3))
			return i;
	return -1;
}

static bool read_wday(struct cursor *c, struct strptime_fields *f)
{
	static const char *const names[] = {
		"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
	int i = take_name(c, names, 7);
	field_set(f, FIELD_WDAY, i);
	return i >= 0;
}

static bool read_month(struct cursor *c, struct strptime_fields *f)
{
	static const char *const names[] = {"January", "February", "March", "April", "May", "June", "July", "August",
		"September", "October", "November", "December"};
	int i = take_name(c, names, 12);
	field_set(f, FIELD_MONTH, i + 1);
	return i >= 0;
}

static bool read_half(struct cursor *c, struct strptime_fields *f)
{
	bool am = take_word(c, "am", 2) || take_word(c, "a.m.", 4);
	field_set(f, FIELD_HALF, am ? 0 : 12);
	return am || take_word(c, "pm", 2) || take_word(c, "p.m.", 4);
}

/* ---- zones ---- */

static bool is_alpha(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(uint8_t c)
{
	return is_alpha(c) || is_digit(c) || c == '_';
}

static size_t take_digits(struct cursor *c)
{
	const uint8_t *start = c->p;
	while (c->p < c->end && is_digit(*c->p))
		c->p++;
	return (size_t)(c->p - start);
}

/* [-+]\d+([,.:]\d+(:\d+)?)? after an optional GMT, UT or UTC. */
static bool take_numeric_zone(struct cursor *c)
{
	struct cursor try = *c;
	if (!take_word(&try, "gmt", 3) && !take_word(&try, "utc", 3))
		take_word(&try, "ut", 2);
	if (try.p == try.end || (*try.p != '-' && *try.p != '+'))
		return false;
	try.p++;
	if (!take_digits(&try))
		return false;
	c->p = try.p;
	if (try.p == try.end || (*try.p != ',' && *try.p != '.' && *try.p != ':'))
		return true;
	try.p++;
	if (!take_digits(&try))
		return true;
	c->p = try.p;
	if (try.p == try.end || *try.p != ':')
		return true;
	try.p++;
	if (take_digits(&try))
		c->p = try.p;
	return true;
}

/* (standard|daylight)\s+time\b */
static bool take_season(struct cursor *c)
{
	struct cursor try = *c;
	if (!take_word(&try, "standard", 8) && !take_word(&try, "daylight", 8))
		return false;
	const uint8_t *space = try.p;
	while (try.p < try.end && is_space(*try.p))
		try.p++;
	if (try.p == space || !take_word(&try, "time", 4) || (try.p < try.end && is_word(*try.p)))
		return false;
	c->p = try.p;
	return true;
}

#define LONG_NAME_MAX 64 /* bytes of "Central European"; it bounds the search, too */

/* [[:alpha:].\s]+ and a season, the longest that fits: "Eastern Standard Time". */
static bool take_long_zone(struct cursor *c)
{
	size_t n = 0, left = (size_t)(c->end - c->p);
	while (n < left && n < LONG_NAME_MAX && (is_alpha(c->p[n]) || c->p[n] == '.' || is_space(c->p[n])))
		n++;
	for (; n > 0; n--) {
		struct cursor try = {c->p + n, c->end};
		if (!take_season(&try))
			continue;
		c->p = try.p;
		return true;
	}
	return false;
}

/* [[:alpha:]]+(\s+dst)?\b */
static bool take_short_zone(struct cursor *c)
{
	struct cursor try = *c;
	while (try.p < try.end && is_alpha(*try.p))
		try.p++;
	if (try.p == c->p || (try.p < try.end && is_word(*try.p)))
		return false;
	c->p = try.p;
	while (try.p < try.end && is_space(*try.p))
		try.p++;
	if (try.p > c->p && take_word(&try, "dst", 3) && (try.p == try.end || !is_word(*try.p)))
		c->p = try.p;
	return true;
}

static int two_digits(const uint8_t *p)
{
	return is_digit(p[0]) && is_digit(p[1]) ? (p[0] - '0') * 10 + p[1] - '0' : -1;
}

/* [-+]hh, hhmm, hhmmss, hh:mm or hh:mm:ss, as Time.zone_offset takes them. */
static bool numeric_offset(struct span s, int64_t *offset)
{
	int part[3] = {0, 0, 0};
	size_t n = 0, at = 1, colon = s.n > 3 && s.p[3] == ':';
	while (n < 3 && s.n >= at + 2) {
		part[n] = two_digits(s.p + at);
		if (part[n++] < 0)
			return false;
		at += 2;
		if (at < s.n && colon && s.p[at++] != ':')
			return false;
	}
	if (at != s.n || n == 0 || s.p[s.n - 1] == ':')
		return false;
	*offset = (part[0] * 60 + part[1]) * 60 + part[2];
	if (s.p[0] == '-')
		*offset = -*offset;
	return true;
}

/* The hours of a zone's name, as Time::ZoneOffset has them. */
static bool named_offset(struct span s, int64_t *offset)
{
	static const struct {
		const char name[4];
		int hours;
	} zones[] = {{"UTC", 0}, {"UT", 0}, {"GMT", 0}, {"Z", 0}, {"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
		{"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
	for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
		if (strlen(zones[i].name) != s.n || strncasecmp(zones[i].name, (const char *)s.p, s.n) != 0)
			continue;
		*offset = zones[i].hours * 3600;
		return true;
	}
	if (s.n != 1)
		return false;
	const int letter = (s.p[0] | 0x20) - 'a' + 1; /* A to M without J go east, N to Y west */
	if (letter == 10 || letter == 26)
		return false;
	*offset = 3600 * (letter < 10 ? letter : letter <= 13 ? letter - 1 : 13 - letter);
	return true;
}

static bool read_zone(struct cursor *c, struct strptime_fields *f)
{
	const uint8_t *start = c->p;
	int64_t offset;
	if (!take_numeric_zone(c) && !take_long_zone(c) && !take_short_zone(c))
		return false;
	struct span zone = span_of(start, (size_t)(c->p - start));
	f->set &= ~FIELD_BIT(FIELD_OFFSET); /* the last zone counts, known or not */
	if (is_alpha(*start) ? named_offset(zone, &offset) : numeric_offset(zone, &offset))
		field_set(f, FIELD_OFFSET, offset);
	return true;
}

/* ---- ISO 8601, as Time.iso8601 has it ---- */

static bool take_byte(struct cursor *c, char lower)
{
	if (c->p == c->end || (*c->p | (is_alpha(*c->p) ? 0x20 : 0)) != lower)
		return false;
	c->p++;
	return true;
}

static bool read_two(struct cursor *c, enum strptime_field field, int lo, int hi, struct strptime_fields *f)
{
	int v = c->end - c->p >= 2 ? two_digits(c->p) : -1;
	if (v < lo || v > hi)
		return false;
	c->p += 2;
	field_set(f, field, v);
	return true;
}

static bool read_iso8601_time(struct cursor *c, struct strptime_fields *f)
{
	int64_t nsec;
	if (!read_two(c, FIELD_HOUR, 0, 24, f) || !take_byte(c, ':') || !read_two(c, FIELD_MINUTE, 0, 59, f) ||
		!take_byte(c, ':') || !read_two(c, FIELD_SECOND, 0, 60, f))
		return false;
	if (!take_byte(c, '.'))
		return true;
	if (!read_nsec(c, 0, &nsec))
		return false;
	field_set(f, FIELD_NSEC, nsec);
	return true;
}

/* Z, or an offset with hours and maybe minutes; nothing is a zone, too: the default one. */
static bool read_iso8601_zone(struct cursor *c, struct strptime_fields *f)
{
	const uint8_t *start = c->p;
	int64_t offset = 0;
	if (!take_byte(c, 'z')) {
		if (c->p == c->end || (*c->p != '+' && *c->p != '-'))
			return true;
		c->p++;
		while (c->p < c->end && (is_digit(*c->p) || *c->p == ':'))
			c->p++;
		if (c->p - start > 6 || !numeric_offset(span_of(start, (size_t)(c->p - start)), &offset))
			return false;
	}
	field_set(f, FIELD_OFFSET, offset);
	return true;
}

static bool read_iso8601(struct cursor *c, struct strptime_fields *f)
{
	int64_t year;
	while (c->p < c->end && is_space(*c->p))
		c->p++;
	bool minus = take_byte(c, '-');
	if (!read_digits(c, 0, &year))
		return false;
	field_set(f, FIELD_YEAR, minus ? -year : year);
	if (!take_byte(c, '-') || !read_two(c, FIELD_MONTH, 1, 12, f) || !take_byte(c, '-') ||
		!read_two(c, FIELD_DAY, 1, 31, f) || !take_byte(c, 't') || !read_iso8601_time(c, f) ||
		!read_iso8601_zone(c, f))
		return false;
	while (c->p < c->end && is_space(*c->p))
		c->p++;
	return c->p == c->end;
}

static bool read_op(struct cursor *c, const struct op *op, struct strptime_fields *f)
{
	switch (op->code) {
	case OP_LITERAL:
		return c->p < c->end && *c->p++ == op->arg;
	case OP_SPACE:
		while (c->p < c->end && is_space(*c->p))
			c->p++;
		return true;
	case OP_NEVER:
		return false;
	case OP_ISO8601:
		return read_iso8601(c, f);
	case OP_NUMBER:
		return read_number(c, op, f);
	case OP_WDAY:
		return read_wday(c, f);
	case OP_MONTH:
		return read_month(c, f);
	case OP_HALF:
		return read_half(c, f);
	case OP_ZONE:
		return read_zone(c, f);
	}
	return false;
}

bool time_format_parse(const struct time_format *f, struct span text, struct event_time now, int32_t default_offset,
	struct time_parsed *out)
{
	struct strptime_fields fields = {0};
	const uint8_t *start = text.n ? text.p : (const uint8_t *)"";
	struct cursor c = {start, start + text.n};
	*out = (struct time_parsed){.offset = default_offset};
	for (size_t i = 0; i < f->n; i++)
		if (!read_op(&c, &f->ops[i], &fields))
			return false;
	out->used = (size_t)(c.p - start);
	return strptime_resolve(&fields, now, default_offset, out);
}
