#include "base/base64.h"

static const char digits[2][65] = {
	[BASE64_STD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	[BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t base64_encoded_len(enum base64_alphabet alphabet, size_t n)
{
	size_t rest = n % 3;
	if (rest == 0)
		return n / 3 * 4;
	return n / 3 * 4 + (alphabet == BASE64_STD ? 4 : rest + 1);
}

size_t base64_encode(enum base64_alphabet alphabet, struct span in, char *out)
{
	const char *d = digits[alphabet];
	char *o = out;
	size_t i = 0;
	for (; in.n - i >= 3; i += 3) {
		uint32_t v = (uint32_t)in.p[i] << 16 | (uint32_t)in.p[i + 1] << 8 | in.p[i + 2];
		*o++ = d[v >> 18];
		*o++ = d[v >> 12 & 63];
		*o++ = d[v >> 6 & 63];
		*o++ = d[v & 63];
	}
	size_t rest = in.n - i;
	if (rest) {
		uint32_t v = (uint32_t)in.p[i] << 16 | (rest == 2 ? (uint32_t)in.p[i + 1] << 8 : 0);
		*o++ = d[v >> 18];
		*o++ = d[v >> 12 & 63];
		if (rest == 2)
			*o++ = d[v >> 6 & 63];
		for (; alphabet == BASE64_STD && rest < 3; rest++)
			*o++ = '=';
	}
	return (size_t)(o - out);
}

bool base64_put(struct buf *out, enum base64_alphabet alphabet, struct span in)
{
	if (!buf_reserve(out, base64_encoded_len(alphabet, in.n)))
		return false;
	out->n += base64_encode(alphabet, in, (char *)out->p + out->n);
	return true;
}

/* The value of a digit, > 63 for anything else. */
static uint8_t value_of(enum base64_alphabet alphabet, uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint8_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0' + 52);
	if (c == (uint8_t)digits[alphabet][62])
		return 62;
	return c == (uint8_t)digits[alphabet][63] ? 63 : 0xff;
}

/* The padding goes off the end of the text; false if it is not as the alphabet wants it. */
static bool strip_padding(enum base64_alphabet alphabet, struct span *text)
{
	if (alphabet == BASE64_URL)
		return text->n % 4 != 1;
	if (text->n % 4 != 0)
		return false;
	for (int i = 0; i < 2 && text->n && text->p[text->n - 1] == '='; i++)
		text->n--;
	return true;
}

bool base64_get(struct buf *out, enum base64_alphabet alphabet, struct span text)
{
	if (!strip_padding(alphabet, &text) || !buf_reserve(out, text.n / 4 * 3 + 2))
		return false;
	uint8_t *o = out->p + out->n;
	uint32_t v = 0;
	unsigned bits = 0;
	for (size_t i = 0; i < text.n; i++) {
		uint8_t d = value_of(alphabet, text.p[i]);
		if (d > 63)
			return false;
		v = (v << 6 | d) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*o++ = (uint8_t)(v >> bits);
		}
	}
	if (v & ((1U << bits) - 1))
		return false;
	out->n = (size_t)(o - out->p);
	return true;
}
