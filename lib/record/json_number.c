/*
 * The shortest decimal that reads back as a given floating-point number, after R. Giulietti, "The Schubfach way to
 * render doubles" (2020): of the decimals of least length in the interval that rounds to the number, the one next to
 * it.
 *
 * printf needs up to three tries and strtod for that, is ten times slower, and follows the locale.
 */
#include "record/json_number.h"

#include "record/json_pow10.h"
#include "record/json_put.h"

#include <math.h>

struct decimal {
	uint64_t digits;
	int exponent; /* the value is digits * 10^exponent */
};

/*
 * The binary number c * 2^q. `closer`: c is the least of its binade, so that the next number below is only half as
 * far as the one above.
 */
struct binary {
	uint64_t c;
	int q;
	bool closer;
};

/*
 * floor(g * c / 2^128) with the lowest bit set if something was cut off. g is 10^k rounded up, which is what the > 1
 * allows for.
 */
static uint64_t round_to_odd(const uint64_t g[2], uint64_t c)
{
	unsigned __int128 low = (unsigned __int128)g[1] * c;
	unsigned __int128 high = (unsigned __int128)g[0] * c + (uint64_t)(low >> 64);
	return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* floor(log2(10^k)), right for |k| <= 1233. */
static int log2_pow10(int k)
{
	return (k * 1741647) >> 19;
}

static struct decimal shortest(struct binary b)
{
	/* The interval's ends belong to it if c is even: ties round to even. All is counted in quarters of 10^k. */
	const uint64_t odd = b.c & 1;
	const int k = (b.q * 1262611 - (b.closer ? 524031 : 0)) >> 22; /* floor(log10(2^q)), or of 3/4 of it */
	const int shift = b.q + log2_pow10(-k) + 1;
	const uint64_t *g = pow10_table[-k - POW10_MIN];
	const uint64_t lower = round_to_odd(g, (4 * b.c - 2 + b.closer) << shift) + odd;
	const uint64_t middle = round_to_odd(g, 4 * b.c << shift);
	const uint64_t upper = round_to_odd(g, (4 * b.c + 2) << shift) - odd;
	const uint64_t s = middle / 4;
	if (s >= 10) {
		const uint64_t tens = s / 10;
		const bool down = lower <= 40 * tens, up = 40 * tens + 40 <= upper;
		if (down != up)
			return (struct decimal){tens + up, k + 1};
	}
	const bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
	if (down != up)
		return (struct decimal){s + up, k};
	const uint64_t half = 4 * s + 2;
	const bool round_up = middle > half || (middle == half && (s & 1));
	return (struct decimal){s + round_up, k};
}

static uint8_t *put_exponent(uint8_t *d, int e)
{
	*d++ = 'e';
	return json_put_i64(d, e);
}

/*
 * Positional from 0.0001 to below 10^16, as Ruby (so fluentd) prints numbers, with an exponent beyond. There is
 * always a fraction: an Elasticsearch that sees 1 first makes the field a long and cuts or refuses 1.5 later.
 */
static size_t put_decimal(struct decimal v, uint8_t *out)
{
	while (v.digits % 10 == 0) {
		v.digits /= 10;
		v.exponent++;
	}
	uint8_t text[24];
	const int n = (int)(json_put_u64(text, v.digits) - text);
	const int point = n + v.exponent; /* digits before the decimal point */
	uint8_t *d = out;
	if (point > 0 && point <= 16) {
		const int whole = n < point ? n : point;
		memcpy(d, text, (size_t)whole);
		d += whole;
		for (int i = n; i < point; i++)
			*d++ = '0';
		*d++ = '.';
		if (n <= point)
			*d++ = '0';
		memcpy(d, text + whole, (size_t)(n - whole));
		return (size_t)(d + n - whole - out);
	}
	if (point > -4 && point <= 0) {
		memcpy(d, "0.000", 5);
		d += 2 - point;
		memcpy(d, text, (size_t)n);
		return (size_t)(d + n - out);
	}
	*d++ = text[0];
	*d++ = '.';
	memcpy(d, text + 1, (size_t)(n - 1));
	d += n - 1;
	if (n == 1)
		*d++ = '0';
	return (size_t)(put_exponent(d, point - 1) - out);
}

/*
 * Most numbers in logs are decimals of a few places. If v is the double next to m / 10^6 with m < 10^15, then m /
 * 10^6 is its shortest form but for zeros at the end: no two decimals of up to 15 digits share a double. The division
 * is exact enough to tell, for both numbers are doubles without error.
 */
static bool few_places(double v, struct decimal *out)
{
	if (!(v < 1e9))
		return false;
	const double scaled = v * 1e6;
	const int64_t m = (int64_t)(scaled + 0.5);
	if (m == 0 || (double)m / 1e6 != v)
		return false;
	*out = m % 1000 ? (struct decimal){(uint64_t)m, -6} : (struct decimal){(uint64_t)m / 1000, -3};
	return true;
}

/* Integers that a double holds exactly have no shorter form. */
static size_t put_whole(int64_t v, char *out)
{
	uint8_t *d = json_put_i64((uint8_t *)out, v);
	memcpy(d, ".0", 2);
	return (size_t)(d + 2 - (uint8_t *)out);
}

static size_t put_binary(bool negative, struct binary b, char *out)
{
	uint8_t *d = (uint8_t *)out;
	if (negative)
		*d++ = '-';
	if (b.c == 0) {
		memcpy(d, "0.0", 3);
		return (size_t)negative + 3;
	}
	return (size_t)negative + put_decimal(shortest(b), d);
}

static size_t put_null(char *out)
{
	memcpy(out, "null", 4);
	return 4;
}

size_t json_format_double(double v, char *out)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
	const int exponent = bits >> 52 & 0x7ff;
	if (exponent == 0x7ff)
		return put_null(out);
	if (fabs(v) < 0x1p53 && v != 0 && (double)(int64_t)v == v)
		return put_whole((int64_t)v, out);
	struct decimal few;
	if (few_places(fabs(v), &few)) {
		*out = '-';
		return (bits >> 63) + put_decimal(few, (uint8_t *)out + (bits >> 63));
	}
	struct binary b = {fraction, 1 - 1075, false};
	if (exponent)
		b = (struct binary){fraction | UINT64_C(1) << 52, exponent - 1075, fraction == 0 && exponent > 1};
	return put_binary(bits >> 63, b, out);
}

size_t json_format_float(float v, char *out)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof bits);
	const uint32_t fraction = bits & ((UINT32_C(1) << 23) - 1);
	const int exponent = bits >> 23 & 0xff;
	if (exponent == 0xff)
		return put_null(out);
	struct binary b = {fraction, 1 - 150, false};
	if (exponent)
		b = (struct binary){fraction | UINT32_C(1) << 23, exponent - 150, fraction == 0 && exponent > 1};
	return put_binary(bits >> 31, b, out);
}
