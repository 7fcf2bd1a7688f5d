/* vm_chars.c: texts by characters. A byte that belongs to no character of UTF-8 is one by itself, as in Ruby. */
#include "expr/vm.h"

#include "base/utf8.h"

static size_t char_len(struct span s, size_t at)
{
	size_t n = s.p[at] < 0x80 ? 1 : utf8_len(s.p + at, s.n - at);
	return n ? n : 1;
}

size_t vm_chars(struct span s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i += char_len(s, i))
		n++;
	return n;
}

size_t vm_char_offset(struct span s, size_t index)
{
	size_t i = 0;
	for (; index && i < s.n; index--)
		i += char_len(s, i);
	return i;
}

static bool is_ascii(struct span s)
{
	uint8_t seen = 0;
	for (size_t i = 0; i < s.n; i++)
		seen |= s.p[i];
	return seen < 0x80;
}

bool vm_substr(struct span s, int64_t from, int64_t count, struct span *out)
{
	bool ascii = is_ascii(s);
	/* A start from the beginning needs no length. */
	int64_t length = ascii ? (int64_t)s.n : from < 0 || count < 0 ? (int64_t)vm_chars(s) : -1;
	if (count < 0)
		return false;
	if (from < 0 && (from += length) < 0)
		return false;
	if (ascii) {
		if (from > length)
			return false;
		int64_t rest = length - from;
		*out = span_of(s.p + from, (size_t)(count < rest ? count : rest));
		return true;
	}
	size_t start = 0, end;
	int64_t left = from;
	for (; left && start < s.n; left--)
		start += char_len(s, start);
	if (left)
		return false;
	end = start;
	for (left = count; left && end < s.n; left--)
		end += char_len(s, end);
	*out = span_of(s.p + start, end - start);
	return true;
}

bool vm_range_of(
	struct expr_vm *x, const struct expr_range *r, int64_t length, int64_t *from, int64_t *count, bool *inside)
{
	int64_t first = 0, last = -1;
	*inside = false;
	if (r->first.type != VALUE_NIL && !vm_want_int(x, &r->first, &first))
		return false;
	if (r->last.type != VALUE_NIL && !vm_want_int(x, &r->last, &last))
		return false;
	bool exclusive = r->exclusive && r->last.type != VALUE_NIL;
	if (first < 0)
		first += length;
	if (last < 0)
		last += length;
	if (first < 0 || first > length)
		return true;
	if (last >= length)
		last = length - 1;
	else if (exclusive)
		last--;
	*inside = true;
	*from = first;
	*count = last < first ? 0 : last - first + 1;
	return true;
}
