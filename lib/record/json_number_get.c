#include "record/json_parser.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>

/* A number as it stands in the text: mantissa * 10^exponent. */
struct number {
	const uint8_t *begin;
	uint64_t mantissa;
	unsigned digits; /* of the mantissa, leading zeros not counted; above 19 it has overflowed */
	int64_t exponent;
	bool negative, real;
};

static bool is_digit(const struct json_parser *j)
{
	return j->p < j->end && *j->p >= '0' && *j->p <= '9';
}

static void take_digits(struct json_parser *j, struct number *n)
{
	for (; is_digit(j); j->p++) {
		if (n->digits < 19)
			n->mantissa = n->mantissa * 10 + (uint64_t)(*j->p - '0');
		if (n->mantissa)
			n->digits += n->digits < 1000;
	}
}

/* j->p stands where a digit must. */
static enum json_result want_digit(struct json_parser *j)
{
	return is_digit(j)	? JSON_OK
	       : j->p == j->end ? json_parser_cut(j)
				: json_parser_bad(j, "a number without a digit");
}

static enum json_result take_exponent(struct json_parser *j, struct number *n)
{
	int64_t e = 0;
	bool negative = j->p < j->end && *j->p == '-';
	if (j->p < j->end && (*j->p == '-' || *j->p == '+'))
		j->p++;
	enum json_result r = want_digit(j);
	for (; is_digit(j); j->p++)
		if (e < 1000000)
			e = e * 10 + (*j->p - '0');
	n->exponent += negative ? -e : e;
	n->real = true;
	return r;
}

static enum json_result scan_number(struct json_parser *j, struct number *n)
{
	*n = (struct number){.begin = j->p, .negative = *j->p == '-'};
	j->p += n->negative;
	enum json_result r = want_digit(j);
	if (r != JSON_OK)
		return r;
	if (*j->p == '0') {
		j->p++;
		if (is_digit(j))
			return json_parser_bad(j, "a number that begins with 0");
	}
	take_digits(j, n);
	if (j->p < j->end && *j->p == '.') {
		const uint8_t *point = j->p++;
		n->real = true;
		r = want_digit(j);
		if (r != JSON_OK)
			return r;
		take_digits(j, n);
		n->exponent = -(int64_t)(j->p - point - 1);
	}
	if (j->p < j->end && (*j->p | 0x20) == 'e') {
		j->p++;
		r = take_exponent(j, n);
	}
	return r;
}

static enum json_result put_uint(struct json_parser *j, uint64_t v)
{
	uint8_t b[9];
	size_t n;
	if (v < 128) {
		return buf_put_byte(j->out, (uint8_t)v) ? JSON_OK : json_parser_stored(j);
	} else if (v <= UINT8_MAX) {
		b[0] = 0xcc;
		b[1] = (uint8_t)v;
		n = 2;
	} else if (v <= UINT16_MAX) {
		b[0] = 0xcd;
		be16_put(b + 1, (uint16_t)v);
		n = 3;
	} else if (v <= UINT32_MAX) {
		b[0] = 0xce;
		be32_put(b + 1, (uint32_t)v);
		n = 5;
	} else {
		b[0] = 0xcf;
		be64_put(b + 1, v);
		n = 9;
	}
	buf_put(j->out, b, n);
	return json_parser_stored(j);
}

static enum json_result put_negative(struct json_parser *j, int64_t v)
{
	uint8_t b[9];
	size_t n;
	if (v >= -32) {
		b[0] = (uint8_t)v;
		n = 1;
	} else if (v >= INT8_MIN) {
		b[0] = 0xd0;
		b[1] = (uint8_t)v;
		n = 2;
	} else if (v >= INT16_MIN) {
		b[0] = 0xd1;
		be16_put(b + 1, (uint16_t)v);
		n = 3;
	} else if (v >= INT32_MIN) {
		b[0] = 0xd2;
		be32_put(b + 1, (uint32_t)v);
		n = 5;
	} else {
		b[0] = 0xd3;
		be64_put(b + 1, (uint64_t)v);
		n = 9;
	}
	buf_put(j->out, b, n);
	return json_parser_stored(j);
}

/* The text between n->begin and j->p as an integer, or as a string if no 64 bits hold it. */
static enum json_result put_integer(struct json_parser *j, const struct number *n)
{
	uint64_t v = n->mantissa;
	if (n->digits == 20) { /* the last digit is not in it yet */
		uint64_t last = (uint64_t)(j->p[-1] - '0');
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, last, &v))
			return json_string_put(j, n->begin, (size_t)(j->p - n->begin));
	}
	if (n->digits > 20 || (n->negative && v > (uint64_t)INT64_MAX + 1))
		return json_string_put(j, n->begin, (size_t)(j->p - n->begin));
	if (n->negative && v)
		return put_negative(j, (int64_t)(0 - v));
	return put_uint(j, v);
}

/*
 * strtod of the text of the number. It needs a 0 byte behind it, so it is copied into the free space of `out`. weir
 * never calls setlocale, so the decimal point is a point.
 */
static bool slow_double(struct json_parser *j, const struct number *n, double *d)
{
	size_t len = (size_t)(j->p - n->begin);
	if (!buf_reserve(j->out, len + 1))
		return false;
	char *text = (char *)j->out->p + j->out->n;
	memcpy(text, n->begin, len);
	text[len] = 0;
	*d = strtod(text, NULL);
	return true;
}

static enum json_result put_real(struct json_parser *j, const struct number *n)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
		1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	double d;
	/* Both factors are exact, so their product or quotient is rounded once, and so correctly (Clinger 1990). */
	if (n->digits <= 19 && n->mantissa <= (UINT64_C(1) << 53) && n->exponent >= -22 && n->exponent <= 22) {
		d = (double)n->mantissa;
		d = n->exponent < 0 ? d / powers[-n->exponent] : d * powers[n->exponent];
		d = n->negative ? -d : d;
	} else if (!slow_double(j, n, &d)) {
		return json_parser_stored(j);
	}
	if (!isfinite(d)) /* beyond float64: nothing of it is lost as text */
		return json_string_put(j, n->begin, (size_t)(j->p - n->begin));
	uint8_t b[9] = {0xcb};
	uint64_t bits;
	memcpy(&bits, &d, sizeof bits);
	be64_put(b + 1, bits);
	buf_put(j->out, b, sizeof b);
	return json_parser_stored(j);
}

enum json_result json_number_get(struct json_parser *j)
{
	struct number n;
	enum json_result r = scan_number(j, &n);
	if (r != JSON_OK)
		return r;
	return n.real ? put_real(j, &n) : put_integer(j, &n);
}
