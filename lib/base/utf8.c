#include "base/utf8.h"

#include "base/bytes.h"

/* The range of the second byte after lead byte `c` (RFC 3629, section 4); false if no sequence begins with c. */
static bool second_range(uint8_t c, size_t *len, uint8_t *lo, uint8_t *hi)
{
	if (c < 0xc2 || c > 0xf4)
		return false;
	*len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	*lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	*hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

/* How many bytes at p are a well-formed beginning of the sequence that the first one announces. */
static size_t good_part(const uint8_t *p, size_t n, size_t *len)
{
	uint8_t lo, hi;
	if (!second_range(p[0], len, &lo, &hi))
		return 0;
	size_t i = 1;
	if (i < n && p[i] >= lo && p[i] <= hi)
		for (i++; i < *len && i < n && (p[i] & 0xc0) == 0x80; i++)
			;
	return i;
}

size_t utf8_len(const uint8_t *p, size_t n)
{
	size_t len = 1;
	if (p[0] < 0x80)
		return 1;
	return good_part(p, n, &len) == len ? len : 0;
}

size_t utf8_bad_len(const uint8_t *p, size_t n)
{
	size_t len;
	size_t good = good_part(p, n, &len);
	return good ? good : 1;
}

bool utf8_valid(struct span s)
{
	if (!s.n)
		return true;
	const uint8_t *p = s.p, *end = s.p + s.n;
	while (p < end) {
		while (end - p >= 8 && !(le64_get(p) & UINT64_C(0x8080808080808080)))
			p += 8;
		if (p == end)
			break;
		size_t len = utf8_len(p, (size_t)(end - p));
		if (len == 0)
			return false;
		p += len;
	}
	return true;
}
