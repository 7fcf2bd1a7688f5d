#include "parse/ruby_number.h"

#include <stdlib.h>

#define FLOAT_DIGITS 320 /* more of them change no double that is written without an exponent */

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static struct span skip_blanks(struct span s)
{
	while (s.n && is_blank(*s.p))
		s = span_of(s.p + 1, s.n - 1);
	return s;
}

struct ruby_int ruby_to_i(struct span s)
{
	struct ruby_int v = {0};
	s = skip_blanks(s);
	if (s.n && (*s.p == '-' || *s.p == '+')) {
		v.negative = *s.p == '-';
		s = span_of(s.p + 1, s.n - 1);
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '_' && i && is_digit(s.p[i - 1]) && i + 1 < s.n && is_digit(s.p[i + 1]))
			continue;
		if (!is_digit(s.p[i]))
			break;
		v.too_large = v.too_large || __builtin_mul_overflow(v.magnitude, 10u, &v.magnitude) ||
			      __builtin_add_overflow(v.magnitude, (uint64_t)(s.p[i] - '0'), &v.magnitude);
	}
	if (v.negative && v.magnitude > (uint64_t)INT64_MAX + 1)
		v.too_large = true;
	return v;
}

struct digits {
	char text[FLOAT_DIGITS + 16];
	size_t n;
};

/* Digits with single underscores between them; returns how many bytes that are. */
static size_t take_digits(struct digits *d, struct span s)
{
	size_t i = 0;
	while (i < s.n && (is_digit(s.p[i]) || (s.p[i] == '_' && i && i + 1 < s.n && is_digit(s.p[i - 1]) &&
						       is_digit(s.p[i + 1])))) {
		if (s.p[i] != '_' && d->n < FLOAT_DIGITS)
			d->text[d->n++] = (char)s.p[i];
		i++;
	}
	return i;
}

static struct span rest(struct span s, size_t n)
{
	return span_of(s.p + n, s.n - n);
}

double ruby_to_f(struct span s)
{
	struct digits d = {.n = 0};
	s = skip_blanks(s);
	if (s.n && (*s.p == '-' || *s.p == '+')) {
		d.text[d.n++] = (char)*s.p;
		s = rest(s, 1);
	}
	size_t whole = take_digits(&d, s);
	s = rest(s, whole);
	if (!whole && !(s.n > 1 && *s.p == '.'))
		return 0;
	if (s.n > 1 && *s.p == '.' && is_digit(s.p[1])) {
		d.text[d.n++] = '.';
		s = rest(s, 1 + take_digits(&d, rest(s, 1)));
	}
	if (s.n > 1 && (*s.p | 0x20) == 'e') {
		bool sign = s.p[1] == '-' || s.p[1] == '+';
		if (s.n > 1u + sign && is_digit(s.p[1 + sign])) {
			d.text[d.n++] = 'e';
			if (sign)
				d.text[d.n++] = (char)s.p[1];
			size_t limit = d.n + 8;
			for (s = rest(s, 1u + sign); s.n && is_digit(*s.p) && d.n < limit; s = rest(s, 1))
				d.text[d.n++] = (char)*s.p;
		}
	}
	d.text[d.n] = 0;
	return strtod(d.text, NULL);
}

bool ruby_is_number(struct span s)
{
	s = skip_blanks(s);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	if (s.n && (*s.p == '-' || *s.p == '+'))
		s = rest(s, 1);
	struct digits d = {.n = 0};
	size_t n = take_digits(&d, s);
	s = rest(s, n);
	if (!n && !(s.n && *s.p == '.'))
		return false;
	if (s.n && *s.p == '.') {
		d.n = 0;
		n = take_digits(&d, rest(s, 1));
		if (!n)
			return false;
		s = rest(s, n + 1);
	}
	if (s.n && (*s.p | 0x20) == 'e') {
		s = rest(s, 1);
		if (s.n && (*s.p == '-' || *s.p == '+'))
			s = rest(s, 1);
		d.n = 0;
		n = take_digits(&d, s);
		if (!n)
			return false;
		s = rest(s, n);
	}
	return s.n == 0;
}
