/* conf_value.c: numbers, sizes, times, bools. What fluentd would read is worked out beside what the text means, and compared. */
#include "conf/conf_value.h"

#include "base/clock.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define SHOWN "%.80s"

static _Thread_local char why_text[320];

static const char *tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *tell(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why_text, sizeof why_text, fmt, ap);
	va_end(ap);
	return why_text;
}

static bool differ(double a, double b)
{
	return fabs(a - b) > 1e-9 * fmax(1, fabs(a));
}

/* ---- Ruby's readings ---- */

static const char *skip_space(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* A digit, or an underscore between two digits: the digit's place, else NULL. */
static const char *digit_at(const char *p, int (*is_digit)(int))
{
	if (p[0] == '_' && is_digit((unsigned char)p[1]))
		return p + 1;
	return is_digit((unsigned char)*p) ? p : NULL;
}

/* Digits with underscores between them, as a number that may be too large for an integer. */
static const char *digits(const char *p, long double *v)
{
	*v = 0;
	for (const char *d = isdigit((unsigned char)*p) ? p : NULL; d; d = digit_at(p, isdigit)) {
		*v = *v * 10 + (*d - '0');
		p = d + 1;
	}
	return p;
}

/* String#to_i: what stands at the beginning, 0 if nothing does. */
static double ruby_to_i(const char *text)
{
	long double v;
	const char *p = skip_space(text);
	bool negative = *p == '-';
	p += *p == '-' || *p == '+';
	digits(p, &v);
	return (double)(negative && v > 0 ? -v : v);
}

/* Digits, fraction and exponent of a decimal number; the end of what was read, NULL if there is no digit. */
static const char *decimal(const char *p, long double *v)
{
	bool any = false;
	long double scale = 1;
	*v = 0;
	for (const char *d = isdigit((unsigned char)*p) ? p : NULL; d; d = digit_at(p, isdigit)) {
		*v = *v * 10 + (*d - '0');
		p = d + 1;
		any = true;
	}
	if (*p == '.' && isdigit((unsigned char)p[1])) {
		for (const char *d = p + 1; d; d = digit_at(p, isdigit)) {
			*v = *v * 10 + (*d - '0');
			scale *= 10;
			p = d + 1;
		}
		any = true;
	}
	*v /= scale;
	return any ? p : NULL;
}

static const char *exponent(const char *p, long double *v)
{
	const char *q = p + 1;
	if (*p != 'e' && *p != 'E')
		return p;
	bool negative = *q == '-';
	q += *q == '-' || *q == '+';
	if (!isdigit((unsigned char)*q))
		return p;
	int e = 0;
	for (; isdigit((unsigned char)*q); q++)
		e = e < 10000 ? e * 10 + (*q - '0') : e;
	*v *= powl(10, negative ? -e : e);
	return q;
}

/* String#to_f; *whole tells whether Float() would take it too. */
static double ruby_to_f(const char *text, bool *whole)
{
	long double v = 0;
	const char *p = skip_space(text);
	bool negative = *p == '-';
	p += *p == '-' || *p == '+';
	const char *end = decimal(p, &v);
	if (end)
		end = exponent(end, &v);
	*whole = end && *skip_space(end) == 0;
	return (double)(negative ? -v : v);
}

/* The number before the first `unit` that has digits before it: /([0-9]+)k/. False if there is none. */
static bool ruby_match(const char *text, char unit, bool any_case, double *v)
{
	for (const char *p = text; *p;) {
		double n = 0;
		const char *start = p;
		while (isdigit((unsigned char)*p))
			n = n * 10 + (*p++ - '0');
		if (p > start && (*p == unit || (any_case && tolower((unsigned char)*p) == unit))) {
			*v = n;
			return true;
		}
		p += p == start;
	}
	return false;
}

/* ---- integers ---- */

static bool is_binary(char c)
{
	return c == '0' || c == '1';
}

static int digit_value(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* 0x.., 0b.., 0o.., and with `octal` 0..: the base, and *p behind the prefix. */
static int take_base(const char **p, bool octal)
{
	const char *s = *p;
	if (s[0] != '0' || !s[1])
		return 10;
	int c = tolower((unsigned char)s[1]);
	if (c == 'x' || c == 'o' || (c == 'b' && is_binary(s[2]))) {
		*p += 2;
		return c == 'x' ? 16 : c == 'o' ? 8 : 2;
	}
	return octal && isdigit((unsigned char)s[1]) ? 8 : 10;
}

/* A whole number as somebody writes one; false if the text is none, or too large. */
static bool read_int(const char *text, bool octal, int64_t *v)
{
	const char *p = skip_space(text);
	bool negative = *p == '-', any = false;
	p += *p == '-' || *p == '+';
	int base = take_base(&p, octal);
	*v = 0;
	for (;; p++) {
		if (any && *p == '_' && isxdigit((unsigned char)p[1]))
			p++;
		if (!isxdigit((unsigned char)*p) || digit_value(*p) >= base)
			break;
		int d = digit_value(*p);
		if (__builtin_mul_overflow(*v, base, v) || __builtin_add_overflow(*v, negative ? -d : d, v))
			return false;
		any = true;
	}
	return any && *skip_space(p) == 0;
}

/* 1e3 */
static bool read_scientific(const char *text, int64_t *v)
{
	bool whole;
	double f = ruby_to_f(text, &whole);
	if (!whole || !strpbrk(text, "eE") || !(fabs(f) < 9e15) || f > floor(f))
		return false;
	*v = (int64_t)f;
	return true;
}

bool conf_value_int(const char *text, bool strict, int64_t *v, const char **why)
{
	double fluentd = ruby_to_i(text);
	*why = NULL;
	if (*skip_space(text) == 0) {
		*why = tell("an integer is expected, but there is no value (fluentd would take it as 0)");
		return false;
	}
	if (strict && read_int(text, true, v)) {
		int64_t plain;
		if (read_int(text, false, &plain) && plain != *v)
			*why = tell("'" SHOWN "' is taken as %" PRId64
				    ", since a leading 0 means octal with strict_config_value",
				text, *v);
		return true;
	}
	if (!strict && (read_int(text, false, v) || read_scientific(text, v))) {
		if (differ((double)*v, fluentd))
			*why = tell("'" SHOWN "' is taken as %" PRId64 " (fluentd would take it as %.0f)", text, *v,
				fluentd);
		return true;
	}
	if (strict)
		*why = tell("'" SHOWN "' is not an integer", text);
	else
		*why = tell("'" SHOWN "' is not an integer (fluentd would take it as %.0f)", text, fluentd);
	return false;
}

bool conf_value_float(const char *text, bool strict, double *v, const char **why)
{
	bool whole;
	*why = NULL;
	*v = ruby_to_f(text, &whole);
	if (whole && isfinite(*v))
		return true;
	if (*skip_space(text) == 0)
		*why = tell("a number is expected, but there is no value");
	else if (strict)
		*why = tell("'" SHOWN "' is not a number", text);
	else
		*why = tell("'" SHOWN "' is not a number (fluentd would take it as %g)", text, *v);
	return false;
}

/* ---- bools ---- */

bool conf_value_bool(const char *text, bool strict, bool *v, const char **why)
{
	static const char *const yes[] = {"true", "yes", "on", "1", NULL}, *const no[] = {
										   "false", "no", "off", "0", NULL};
	*why = NULL;
	*v = true;
	/* A comment behind the name of a parameter comes as its value. */
	if (*text == 0 || *text == '#')
		return true;
	for (size_t i = 0; yes[i]; i++) {
		bool is_yes = strcasecmp(text, yes[i]) == 0, is_no = strcasecmp(text, no[i]) == 0;
		if (!is_yes && !is_no)
			continue;
		*v = is_yes;
		if (i < 2 && strcmp(text, is_yes ? yes[i] : no[i]) == 0)
			return true;
		if (strict)
			break;
		*why = tell("'" SHOWN "' is taken as %s (fluentd knows true, yes, false and no only)", text,
			is_yes ? "true" : "false");
		return true;
	}
	*why = tell("'" SHOWN "' is neither true nor false", text);
	return false;
}

/* ---- sizes and times ---- */

/* A word of ASCII letters (and the micro sign), in lower case. */
static const char *take_word(const char *p, char *word, size_t size)
{
	size_t n = 0;
	while (isalpha((unsigned char)*p) || (unsigned char)*p >= 0x80) {
		if (n + 1 < size)
			word[n++] = (char)tolower((unsigned char)*p);
		p++;
	}
	word[n] = 0;
	return p;
}

struct unit {
	const char *names; /* parted and surrounded by blanks */
	long double factor;
};

static const struct unit size_units[] = {
	{" b byte bytes ", 1},
	{" k kb kib ", 1024},
	{" m mb mib ", 1048576},
	{" g gb gib ", 1073741824},
	{" t tb tib ", 1099511627776},
	{NULL, 0},
};

static const struct unit time_units[] = {
	{" s sec secs second seconds ", 1},
	{" m min mins minute minutes ", 60},
	{" h hr hrs hour hours ", 3600},
	{" d day days ", 86400},
	{" w week weeks ", 604800},
	{" ms msec msecs millisecond milliseconds ", 1e-3L},
	{" us usec \302\265s \316\274s microsecond microseconds ", 1e-6L},
	{" ns nanosecond nanoseconds ", 1e-9L},
	{NULL, 0},
};

static long double factor_of(const struct unit *units, const char *word)
{
	char padded[32];
	if (strlen(word) > sizeof padded - 3 || strchr(word, ' '))
		return 0;
	snprintf(padded, sizeof padded, " %s ", word);
	for (; units->names; units++)
		if (strstr(units->names, padded))
			return units->factor;
	return 0;
}

struct amount {
	long double v;
	bool unit;	 /* one was written */
	bool fraction;	 /* digits behind the point, without a unit */
	const char *bad; /* what is wrong */
};

/* "1.5m", and with `sums` "1h30m": what the text means. */
static struct amount read_amount(const char *text, const struct unit *units, bool sums)
{
	struct amount a = {0};
	const char *p = skip_space(text);
	bool negative = *p == '-';
	p += *p == '-' || *p == '+';
	for (unsigned parts = 0; *p || parts == 0; parts++) {
		long double part;
		char word[24];
		const char *end = decimal(p, &part);
		if (!end || (parts && (!sums || !a.unit))) {
			a.bad = "is not";
			return a;
		}
		a.fraction = memchr(p, '.', (size_t)(end - p));
		end = exponent(end, &part);
		p = take_word(skip_space(end), word, sizeof word);
		long double factor = *word ? factor_of(units, word) : 1;
		if (factor <= 0 || (*word == 0 && parts)) {
			a.bad = *word ? "has no unit that is known, and is not" : "is not";
			return a;
		}
		a.unit |= *word != 0;
		a.v += part * factor;
		p = skip_space(p);
	}
	if (negative && a.unit)
		a.bad = "is negative, and is not";
	a.v = negative ? -a.v : a.v;
	return a;
}

static double fluentd_size(const char *text, bool *refused)
{
	static const char units[] = "kmgt";
	int64_t v;
	double n;
	for (int i = 0; units[i]; i++)
		if (ruby_match(text, units[i], true, &n))
			return ldexp(n, 10 * (i + 1));
	*refused = !read_int(text, true, &v);
	return ruby_to_i(text);
}

bool conf_value_size(const char *text, bool strict, int64_t *bytes, const char **why)
{
	bool refused = false;
	double fluentd = fluentd_size(text, &refused);
	struct amount a = read_amount(text, size_units, false);
	*why = NULL;
	if (a.bad || (a.fraction && !a.unit) || (strict && refused)) {
		if (*skip_space(text) == 0)
			*why = tell("a size is expected, but there is no value (fluentd would take it as 0)");
		else if (strict && refused)
			*why = tell("'" SHOWN "' is not a size such as 512k, 8m or 1g", text);
		else
			*why = tell("'" SHOWN "' %s a size such as 512k, 8m or 1g (fluentd would take it as %.0f)",
				text, a.bad ? a.bad : "is not", fluentd);
		return false;
	}
	if (!(fabsl(a.v) < 9.2e18L)) {
		*why = tell("'" SHOWN "' is too large", text);
		return false;
	}
	*bytes = (int64_t)a.v;
	if (differ((double)*bytes, fluentd))
		*why = tell("'" SHOWN "' is taken as %" PRId64 " bytes (fluentd would take it as %.0f)", text, *bytes,
			fluentd);
	return true;
}

static double fluentd_time(const char *text, bool *refused)
{
	static const char units[] = "smhd";
	static const double factors[] = {1, 60, 3600, 86400};
	double n;
	bool whole;
	for (size_t i = 0; units[i]; i++)
		if (ruby_match(text, units[i], false, &n))
			return n * factors[i];
	n = ruby_to_f(text, &whole);
	*refused = !whole;
	return n;
}

bool conf_value_time(const char *text, bool strict, int64_t *ns, const char **why)
{
	bool refused = false;
	double fluentd = fluentd_time(text, &refused);
	struct amount a = read_amount(text, time_units, true);
	*why = NULL;
	if (a.bad || (strict && refused)) {
		if (*skip_space(text) == 0)
			*why = tell("a time is expected, but there is no value (fluentd would take it as 0)");
		else if (strict && refused)
			*why = tell("'" SHOWN "' is not a time such as 5s, 10m or 1h", text);
		else
			*why = tell("'" SHOWN "' %s a time such as 5s, 10m or 1h (fluentd would take it as %.9g s)",
				text, a.bad ? a.bad : "is not", fluentd);
		return false;
	}
	long double limit = (long double)CONF_TIME_MAX / NS_PER_S;
	long double v = a.v > limit ? limit : a.v < -limit ? -limit : a.v;
	*ns = llroundl(v * NS_PER_S);
	double seconds = (double)a.v;
	if (differ(seconds, fluentd))
		*why = tell("'" SHOWN "' is taken as %.9g s (fluentd would take it as %.9g s)", text, seconds, fluentd);
	return true;
}

bool conf_parse_size(const char *text, int64_t *bytes, const char **trap)
{
	return conf_value_size(text, false, bytes, trap);
}

bool conf_parse_time(const char *text, int64_t *ns, const char **trap)
{
	return conf_value_time(text, false, ns, trap);
}
