/* vm_convert.c: String to numbers, other encodings, and character by character (tr, delete, squeeze). */
#include "base/utf8.h"
#include "expr/vm_str.h"
#include "parse/ruby_number.h"

/* ---- numbers ---- */

static bool set_magnitude(struct expr_vm *x, bool negative, uint64_t u, struct value *out)
{
	if (!negative)
		*out = value_uint(u);
	else if (u <= (uint64_t)INT64_MAX + 1)
		*out = value_int((int64_t)(0 - u));
	else
		return vm_raise(x, MODULE_RANGE_ERROR, "the number has more than 64 bits");
	return true;
}

static int digit_of(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (c | 0x20) - 'a' + 10 : 99;
}

static bool to_int(struct expr_vm *x, struct span s, int64_t base, struct value *out)
{
	uint64_t u = 0;
	bool negative = false;
	s = vm_str_strip_left(s);
	if (s.n && (*s.p == '-' || *s.p == '+')) {
		negative = *s.p == '-';
		s = span_of(s.p + 1, s.n - 1);
	}
	static const char prefixes[] = {2, 'b', 8, 'o', 10, 'd', 16, 'x'};
	for (size_t i = 0; i < sizeof prefixes; i += 2)
		if (base == prefixes[i] && s.n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == prefixes[i + 1])
			s = span_of(s.p + 2, s.n - 2);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '_' && i && i + 1 < s.n && digit_of(s.p[i - 1]) < base && digit_of(s.p[i + 1]) < base)
			continue;
		int d = digit_of(s.p[i]);
		if (d >= base)
			break;
		if (__builtin_mul_overflow(u, (uint64_t)base, &u) || __builtin_add_overflow(u, (uint64_t)d, &u))
			return vm_raise(x, MODULE_RANGE_ERROR, "the number has more than 64 bits");
	}
	return set_magnitude(x, negative, u, out);
}

VM_METHOD(to_i)
{
	int64_t base = 10;
	if (n && !vm_want_int(x, &args[0], &base))
		return false;
	if (base < 2 || base > 36)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid radix %lld", (long long)base);
	return to_int(x, value_text(self), base, out);
}

VM_METHOD(hex)
{
	return to_int(x, value_text(self), 16, out);
}

VM_METHOD(oct)
{
	return to_int(x, value_text(self), 8, out);
}

VM_METHOD(to_f)
{
	*out = value_float(ruby_to_f(value_text(self)));
	return true;
}

VM_METHOD(to_sym)
{
	*out = (struct value){.type = VALUE_SYM, .s = value_text(self)};
	return true;
}

VM_METHOD(to_s)
{
	return vm_set(out, self);
}

/* ---- encodings: everything is UTF-8 here ---- */

/* The text that options like `replace: "?"` ask for. */
static bool replacement_of(struct expr_vm *x, const struct value *args, unsigned n, const char **by, char text[16])
{
	const struct value key = {.type = VALUE_SYM, .s = SPAN_LIT("replace")};
	if (!n || args[n - 1].type != VALUE_MAP)
		return true;
	struct value_pair *pair = value_map_find(&x->arena, args[n - 1].map, &key);
	struct span s;
	if (!pair)
		return true;
	if (!vm_want_str(x, &pair->value, &s))
		return false;
	size_t len = s.n < 15 ? s.n : 15;
	if (len)
		memcpy(text, s.p, len);
	text[len] = 0;
	*by = text;
	return true;
}

/* Into ASCII: what is none is replaced. */
static bool to_ascii(struct expr_vm *x, struct span s, const char *by, struct value *out)
{
	struct vm_text t = {0};
	for (size_t i = 0; i < s.n;) {
		size_t len = vm_char_offset(span_of(s.p + i, s.n - i), 1);
		if (!vm_text_put(x, &t, s.p[i] < 0x80 ? span_of(s.p + i, 1) : span_str(by)))
			return false;
		i += len;
	}
	return vm_text_end(&t, out);
}

VM_METHOD(encode)
{
	char text[16];
	const char *by = NULL;
	struct span to = SPAN_LIT("UTF-8"), made;
	if (!replacement_of(x, args, n, &by, text) ||
		(n && args[0].type != VALUE_MAP && !vm_want_str(x, &args[0], &to)))
		return false;
	if (span_is(to, "US-ASCII") || span_is(to, "ASCII"))
		return to_ascii(x, value_text(self), by ? by : "?", out);
	if (!span_is(to, "UTF-8") && !span_is(to, "utf-8") && !span_is(to, "ASCII-8BIT") && !span_is(to, "BINARY"))
		return vm_raise(x, MODULE_ENCODING_ERROR, "weir has no encoding %.*s: all text is UTF-8", (int)to.n,
			(const char *)to.p);
	return vm_scrub(x, value_text(self), by ? by : UTF8_REPLACEMENT, &made) && vm_set_str(out, made);
}

VM_METHOD(encode_x)
{
	struct value made;
	return encode(x, self, args, n, b, &made) && vm_str_become(self, &made, out);
}

VM_METHOD(scrub)
{
	char text[16];
	const char *by = UTF8_REPLACEMENT;
	struct span s, made;
	if (n) {
		if (!vm_want_str(x, &args[0], &s))
			return false;
		size_t len = s.n < 15 ? s.n : 15;
		if (len)
			memcpy(text, s.p, len);
		text[len] = 0;
		by = text;
	}
	return vm_scrub(x, value_text(self), by, &made) && vm_set_str(out, made);
}

VM_METHOD(scrub_x)
{
	struct value made;
	return scrub(x, self, args, n, b, &made) && vm_str_become(self, &made, out);
}

/* ---- sets of characters: tr, delete, squeeze, count ---- */

struct charset {
	struct span chars[512]; /* in order, ranges written out; of single-byte characters for the most part */
	unsigned n;
	bool negated;
	uint8_t bytes[256]; /* what ranges point to */
};

static bool charset_add(struct expr_vm *x, struct charset *c, struct span ch)
{
	if (c->n == sizeof c->chars / sizeof *c->chars)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "the list of characters is too long");
	c->chars[c->n++] = ch;
	return true;
}

/* One character of the list, a backslash in front taken off. */
static struct span next_char(struct span s, size_t *i)
{
	if (s.p[*i] == '\\' && *i + 1 < s.n)
		(*i)++;
	size_t len = vm_char_offset(span_of(s.p + *i, s.n - *i), 1);
	struct span ch = span_of(s.p + *i, len);
	*i += len;
	return ch;
}

static bool charset_make(struct expr_vm *x, struct charset *c, struct span s, bool may_negate)
{
	size_t i = 0;
	c->n = 0;
	c->negated = may_negate && s.n > 1 && s.p[0] == '^';
	for (unsigned k = 0; k < 256; k++)
		c->bytes[k] = (uint8_t)k;
	if (c->negated)
		i = 1;
	while (i < s.n) {
		struct span ch = next_char(s, &i);
		if (!(i + 1 < s.n && s.p[i] == '-' && ch.n == 1)) {
			if (!charset_add(x, c, ch))
				return false;
			continue;
		}
		i++;
		struct span last = next_char(s, &i);
		if (last.n != 1 || *last.p < *ch.p)
			return vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid range \"%c-%.*s\" in string transliteration",
				*ch.p, (int)last.n, (const char *)last.p);
		for (unsigned k = *ch.p; k <= *last.p; k++)
			if (!charset_add(x, c, span_of(&c->bytes[k], 1)))
				return false;
	}
	return true;
}

/* Where the character stands in the list, -1 if it does not. Of several places the last one counts. */
static int charset_find(const struct charset *c, struct span ch)
{
	for (unsigned i = c->n; i-- > 0;)
		if (span_eq(c->chars[i], ch))
			return (int)i;
	return -1;
}

static bool charset_has(const struct charset *c, struct span ch)
{
	return (charset_find(c, ch) >= 0) != c->negated;
}

static bool translate(
	struct expr_vm *x, const struct value *self, const struct value *args, bool squeeze, struct value *out)
{
	struct charset from, to;
	struct span s = value_text(self), a, c, last = {0};
	struct vm_text t = {0};
	if (!vm_want_str(x, &args[0], &a) || !vm_want_str(x, &args[1], &c) || !charset_make(x, &from, a, true) ||
		!charset_make(x, &to, c, false) || !vm_step(x, s.n / 4))
		return false;
	for (size_t i = 0; i < s.n;) {
		size_t len = vm_char_offset(span_of(s.p + i, s.n - i), 1);
		struct span ch = span_of(s.p + i, len);
		i += len;
		int at = charset_find(&from, ch);
		if ((at >= 0) == from.negated) {
			last = (struct span){0};
		} else if (to.n == 0) {
			continue;
		} else {
			ch = to.chars[from.negated || (unsigned)at >= to.n ? to.n - 1 : (unsigned)at];
			if (squeeze && last.n && span_eq(last, ch))
				continue;
			last = ch;
		}
		if (!vm_text_put(x, &t, ch))
			return false;
	}
	return vm_text_end(&t, out);
}

VM_METHOD(tr)
{
	return translate(x, self, args, false, out);
}

VM_METHOD(tr_s)
{
	return translate(x, self, args, true, out);
}

VM_IN_PLACE(tr_x, tr)
VM_IN_PLACE(tr_s_x, tr_s)

/* Whether a character is in all of the lists. */
static bool in_all(const struct charset *sets, unsigned n, struct span ch)
{
	for (unsigned i = 0; i < n; i++)
		if (!charset_has(&sets[i], ch))
			return false;
	return true;
}

enum char_work { CHARS_DELETE, CHARS_SQUEEZE, CHARS_COUNT };

static bool with_charsets(struct expr_vm *x, const struct value *self, const struct value *args, unsigned n,
	enum char_work work, struct value *out)
{
	struct charset sets[2];
	struct span s = value_text(self), last = {0}, list;
	struct vm_text t = {0};
	int64_t count = 0;
	for (unsigned i = 0; i < n; i++)
		if (!vm_want_str(x, &args[i], &list) || !charset_make(x, &sets[i], list, true))
			return false;
	if (!vm_step(x, s.n / 4))
		return false;
	for (size_t i = 0; i < s.n;) {
		size_t len = vm_char_offset(span_of(s.p + i, s.n - i), 1);
		struct span ch = span_of(s.p + i, len);
		bool hit = in_all(sets, n, ch);
		i += len;
		count += hit;
		bool drop = hit && (work == CHARS_DELETE || (last.n && span_eq(last, ch)));
		last = ch;
		if (work != CHARS_COUNT && !drop && !vm_text_put(x, &t, ch))
			return false;
	}
	return work == CHARS_COUNT ? vm_set_int(out, count) : vm_text_end(&t, out);
}

VM_METHOD(delete)
{
	return with_charsets(x, self, args, n, CHARS_DELETE, out);
}

VM_METHOD(squeeze)
{
	return with_charsets(x, self, args, n, CHARS_SQUEEZE, out);
}

VM_METHOD(count)
{
	return with_charsets(x, self, args, n, CHARS_COUNT, out);
}

VM_IN_PLACE(delete_x, delete)
VM_IN_PLACE(squeeze_x, squeeze)

VM_METHOD(valid_encoding)
{
	return vm_set_bool(out, utf8_valid(value_text(self)));
}

VM_METHOD(ascii_only)
{
	struct span s = value_text(self);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return vm_set_bool(out, false);
	return vm_set_bool(out, true);
}

VM_METHOD(encoding)
{
	return vm_set_str(out, self->type == VALUE_STR && self->bin ? SPAN_LIT("ASCII-8BIT") : SPAN_LIT("UTF-8"));
}
const struct expr_method vm_convert_methods[M_COUNT_OF_METHODS] = {
	[M_TO_I] = {to_i, 0, 1},
	[M_HEX] = {hex, 0, 0},
	[M_OCT] = {oct, 0, 0},
	[M_TO_F] = {to_f, 0, 0},
	[M_TO_SYM] = {to_sym, 0, 0},
	[M_INTERN] = {to_sym, 0, 0},
	[M_TO_S] = {to_s, 0, 0},
	[M_TO_STR] = {to_s, 0, 0},
	[M_ENCODE] = {encode, 0, 3},
	[M_ENCODE_X] = {encode_x, 0, 3},
	[M_FORCE_ENCODING] = {to_s, 1, 1},
	[M_B] = {to_s, 0, 0},
	[M_VALID_ENCODING] = {valid_encoding, 0, 0},
	[M_ASCII_ONLY] = {ascii_only, 0, 0},
	[M_ENCODING] = {encoding, 0, 0},
	[M_SCRUB] = {scrub, 0, 1},
	[M_SCRUB_X] = {scrub_x, 0, 1},
	[M_TR] = {tr, 2, 2},
	[M_TR_S] = {tr_s, 2, 2},
	[M_TR_X] = {tr_x, 2, 2},
	[M_TR_S_X] = {tr_s_x, 2, 2},
	[M_DELETE] = {delete, 1, 2},
	[M_DELETE_X] = {delete_x, 1, 2},
	[M_SQUEEZE] = {squeeze, 0, 2},
	[M_SQUEEZE_X] = {squeeze_x, 0, 2},
	[M_COUNT] = {count, 1, 2},
};
