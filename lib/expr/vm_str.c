/* vm_str.c: String, but for what converts it (vm_convert.c), looks for something in it (vm_search.c) or takes it apart (vm_split.c). */
#include "expr/vm_str.h"

#include "base/utf8.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

/* ---- changing in place ---- */

bool vm_str_put_back(const struct value *self, const struct value *made, struct value *out)
{
	struct span old = value_text(self), now = value_text(made);
	return span_eq(old, now) ? vm_set_nil(out) : vm_str_become(self, made, out);
}

bool vm_str_become(const struct value *self, const struct value *made, struct value *out)
{
	if (self->type != VALUE_BOX)
		return vm_set(out, made);
	self->box->s = value_text(made);
	return vm_set(out, self);
}

/* ---- case ---- */

enum letters { UPPER, LOWER, SWAP };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t unicode; /* for its tables of letters; 0: only ASCII has upper and lower case */

static void make_unicode(void)
{
	unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static uint8_t ascii_case(uint8_t c, enum letters how)
{
	bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z';
	return (lower && how != LOWER) || (upper && how != UPPER) ? c ^ 0x20 : c;
}

static uint32_t decode(const uint8_t *p, size_t len)
{
	uint32_t c = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 63);
	return c;
}

static bool put_wide(struct expr_vm *x, struct vm_text *t, struct span ch, enum letters how)
{
	wint_t c = decode(ch.p, ch.n), changed = c;
	pthread_once(&once, make_unicode);
	if (c == 0xdf && how != LOWER) /* the sharp s becomes two letters */
		return vm_text_put(x, t, SPAN_LIT("SS"));
	if (unicode && how != LOWER)
		changed = towupper_l(c, unicode);
	if (unicode && changed == c && how != UPPER)
		changed = towlower_l(c, unicode);
	uint8_t bytes[4];
	/* Letters keep the length of their code or come close to it; one that would need another form stays. */
	if (changed == c || changed < 0x80 || changed > 0xffff)
		return vm_text_put(x, t, ch);
	size_t n = changed < 0x800 ? 2 : 3;
	for (size_t i = n; i-- > 1; changed >>= 6)
		bytes[i] = (uint8_t)(0x80 | (changed & 63));
	bytes[0] = (uint8_t)((n == 2 ? 0xc0 : 0xe0) | changed);
	return vm_text_put(x, t, span_of(bytes, n));
}

static bool copy_case(
	struct expr_vm *x, const struct value *self, enum letters first, enum letters rest, struct value *out)
{
	struct span s = value_text(self);
	struct vm_text t = {.p = vm_bytes(x, s.n), .cap = s.n};
	if (!t.p)
		return false;
	for (size_t i = 0; i < s.n;) {
		enum letters how = i ? rest : first;
		size_t len = s.p[i] < 0x80 ? 1 : utf8_len(s.p + i, s.n - i);
		if (len > 1) {
			if (!put_wide(x, &t, span_of(s.p + i, len), how))
				return false;
			i += len;
			continue;
		}
		uint8_t c = ascii_case(s.p[i++], how);
		if (t.n < t.cap)
			t.p[t.n++] = c;
		else if (!vm_text_byte(x, &t, c))
			return false;
	}
	return vm_text_end(&t, out);
}

VM_METHOD(downcase)
{
	return copy_case(x, self, LOWER, LOWER, out);
}

VM_METHOD(upcase)
{
	return copy_case(x, self, UPPER, UPPER, out);
}

VM_METHOD(capitalize)
{
	return copy_case(x, self, UPPER, LOWER, out);
}

VM_METHOD(swapcase)
{
	return copy_case(x, self, SWAP, SWAP, out);
}

VM_IN_PLACE(downcase_x, downcase)
VM_IN_PLACE(upcase_x, upcase)
VM_IN_PLACE(capitalize_x, capitalize)
VM_IN_PLACE(swapcase_x, swapcase)

/* ---- ends ---- */

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct span vm_str_strip_left(struct span s)
{
	while (s.n && (is_space(*s.p) || *s.p == 0)) {
		s.p++;
		s.n--;
	}
	return s;
}

static struct span strip_right(struct span s)
{
	while (s.n && (is_space(s.p[s.n - 1]) || s.p[s.n - 1] == 0))
		s.n--;
	return s;
}

VM_METHOD(strip)
{
	return vm_set_str(out, vm_str_strip_left(strip_right(value_text(self))));
}

VM_METHOD(lstrip)
{
	return vm_set_str(out, vm_str_strip_left(value_text(self)));
}

VM_METHOD(rstrip)
{
	return vm_set_str(out, strip_right(value_text(self)));
}

static bool ends_with(struct span s, struct span end)
{
	return s.n >= end.n && span_eq(span_of(s.p + s.n - end.n, end.n), end);
}

VM_METHOD(chomp)
{
	struct span s = value_text(self), end;
	if (n) {
		if (!vm_want_str(x, &args[0], &end))
			return false;
		if (end.n && ends_with(s, end))
			s.n -= end.n;
		while (!end.n && s.n && s.p[s.n - 1] == '\n') /* chomp(""): all line ends */
			s.n -= ends_with(s, SPAN_LIT("\r\n")) ? 2 : 1;
	} else if (ends_with(s, SPAN_LIT("\r\n"))) {
		s.n -= 2;
	} else if (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r')) {
		s.n--;
	}
	return vm_set_str(out, s);
}

VM_METHOD(chop)
{
	struct span s = value_text(self);
	if (ends_with(s, SPAN_LIT("\r\n")))
		s.n--;
	size_t chars = vm_chars(s);
	s.n = chars ? vm_char_offset(s, chars - 1) : 0;
	return vm_set_str(out, s);
}

VM_METHOD(delete_prefix)
{
	struct span s = value_text(self), start;
	if (!vm_want_str(x, &args[0], &start))
		return false;
	if (s.n >= start.n && span_eq(span_of(s.p, start.n), start))
		s = span_of(s.p + start.n, s.n - start.n);
	return vm_set_str(out, s);
}

VM_METHOD(delete_suffix)
{
	struct span s = value_text(self), end;
	if (!vm_want_str(x, &args[0], &end))
		return false;
	if (ends_with(s, end))
		s.n -= end.n;
	return vm_set_str(out, s);
}

VM_IN_PLACE(strip_x, strip)
VM_IN_PLACE(lstrip_x, lstrip)
VM_IN_PLACE(rstrip_x, rstrip)
VM_IN_PLACE(chomp_x, chomp)
VM_IN_PLACE(chop_x, chop)
VM_IN_PLACE(delete_prefix_x, delete_prefix)
VM_IN_PLACE(delete_suffix_x, delete_suffix)

/* ---- measures and questions ---- */

VM_METHOD(length)
{
	return vm_set_int(out, (int64_t)vm_chars(value_text(self)));
}

VM_METHOD(bytesize)
{
	return vm_set_int(out, (int64_t)value_text(self).n);
}

VM_METHOD(empty)
{
	return vm_set_bool(out, value_text(self).n == 0);
}

VM_METHOD(end_with)
{
	for (unsigned i = 0; i < n; i++) {
		struct span end;
		if (!vm_want_str(x, &args[i], &end))
			return false;
		if (ends_with(value_text(self), end))
			return vm_set_bool(out, true);
	}
	return vm_set_bool(out, false);
}

VM_METHOD(include)
{
	struct span s = value_text(self), part;
	if (!vm_want_str(x, &args[0], &part))
		return false;
	return vm_set_bool(out, part.n == 0 || (s.n && memmem(s.p, s.n, part.p, part.n)));
}

/* Letters of ASCII without regard to case, then bytes. */
static int casecmp_of(struct span a, struct span b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		uint8_t l = a.p[i], r = b.p[i];
		l = ascii_case(l, LOWER);
		r = ascii_case(r, LOWER);
		if (l != r)
			return l < r ? -1 : 1;
	}
	return (a.n > b.n) - (a.n < b.n);
}

VM_METHOD(casecmp)
{
	if (!value_is_str(&args[0]))
		return vm_set_nil(out);
	return vm_set_int(out, casecmp_of(value_text(self), value_text(&args[0])));
}

VM_METHOD(casecmp_p)
{
	if (!value_is_str(&args[0]))
		return vm_set_nil(out);
	return vm_set_bool(out, casecmp_of(value_text(self), value_text(&args[0])) == 0);
}

/* ---- joining ---- */

VM_METHOD(plus)
{
	struct span a = value_text(self), c;
	if (!vm_want_str(x, &args[0], &c))
		return false;
	uint8_t *p = vm_bytes(x, a.n + c.n);
	if (!p)
		return false;
	if (a.n)
		memcpy(p, a.p, a.n);
	if (c.n)
		memcpy(p + a.n, c.p, c.n);
	return vm_set_str(out, span_of(p, a.n + c.n));
}

VM_METHOD(multiply)
{
	struct span s = value_text(self);
	int64_t count;
	size_t total;
	if (!vm_want_int(x, &args[0], &count))
		return false;
	if (count < 0)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "negative argument");
	if (__builtin_mul_overflow(s.n, (size_t)count, &total))
		return vm_no_room(x);
	uint8_t *p = vm_bytes(x, total);
	if (!p)
		return false;
	for (size_t i = 0; s.n && i < total; i += s.n)
		memcpy(p + i, s.p, s.n);
	return vm_set_str(out, span_of(p, total));
}

VM_METHOD(percent)
{
	struct value list[EXPR_ARGS_MAX];
	unsigned count = 1;
	list[0] = *self;
	if (args[0].type != VALUE_ARRAY) {
		list[count++] = args[0];
		return vm_format(x, list, count, out);
	}
	for (uint32_t i = 0; i < args[0].array->n && count < EXPR_ARGS_MAX; i++)
		if (!vm_fetch(x, &args[0].array->v[i], &list[count++]))
			return false;
	return vm_format(x, list, count, out);
}

/* Adds to the string itself. */
VM_METHOD(append)
{
	struct value made = *self;
	for (unsigned i = 0; i < n; i++)
		if (!plus(x, &made, &args[i], 1, NULL, &made))
			return false;
	return vm_str_become(self, &made, out);
}

VM_METHOD(prepend)
{
	struct value made = *self;
	for (unsigned i = n; i-- > 0;) {
		if (!value_is_str(&args[i]))
			return vm_raise_conversion(x, &args[i], "String");
		if (!plus(x, &args[i], &made, 1, NULL, &made))
			return false;
	}
	return vm_str_become(self, &made, out);
}

VM_METHOD(replace)
{
	struct span s;
	struct value made;
	if (!vm_want_str(x, &args[0], &s))
		return false;
	made = value_str(s);
	return vm_str_become(self, &made, out);
}

VM_METHOD(clear)
{
	const struct value made = value_str(SPAN_LIT(""));
	return vm_str_become(self, &made, out);
}

VM_METHOD(insert)
{
	struct span s = value_text(self), what;
	struct vm_text t = {0};
	int64_t at, length = (int64_t)vm_chars(s);
	struct value made;
	if (!vm_want_int(x, &args[0], &at) || !vm_want_str(x, &args[1], &what))
		return false;
	if (at < 0)
		at += length + 1;
	if (at < 0 || at > length)
		return vm_raise(x, MODULE_INDEX_ERROR, "index %lld out of string", (long long)at);
	size_t offset = vm_char_offset(s, (size_t)at);
	if (!vm_text_put(x, &t, span_of(s.p, offset)) || !vm_text_put(x, &t, what) ||
		!vm_text_put(x, &t, span_of(s.p + offset, s.n - offset)))
		return false;
	vm_text_end(&t, &made);
	return vm_str_become(self, &made, out);
}

VM_METHOD(dup)
{
	/* Unboxed: nobody else sees what becomes of it. */
	return vm_set_str(out, value_text(self));
}

/* ---- width ---- */

static bool pad(struct expr_vm *x, struct span s, const struct value *args, unsigned n, bool left, bool right,
	struct value *out)
{
	struct span by = SPAN_LIT(" ");
	struct vm_text t = {0};
	int64_t width;
	if (!vm_want_int(x, &args[0], &width) || (n > 1 && !vm_want_str(x, &args[1], &by)))
		return false;
	if (by.n == 0)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "zero width padding");
	int64_t missing = width - (int64_t)vm_chars(s);
	if (missing <= 0)
		return vm_set_str(out, s);
	int64_t before = left && right ? missing / 2 : left ? missing : 0, chars = (int64_t)vm_chars(by);
	for (int side = 0; side < 2; side++) {
		int64_t count = side ? missing - before : before;
		for (; count >= chars; count -= chars)
			if (!vm_text_put(x, &t, by))
				return false;
		if (!vm_text_put(x, &t, span_of(by.p, vm_char_offset(by, (size_t)count))))
			return false;
		if (!side && !vm_text_put(x, &t, s))
			return false;
	}
	return vm_text_end(&t, out);
}

VM_METHOD(ljust)
{
	return pad(x, value_text(self), args, n, false, true, out);
}

VM_METHOD(rjust)
{
	return pad(x, value_text(self), args, n, true, false, out);
}

VM_METHOD(center)
{
	return pad(x, value_text(self), args, n, true, true, out);
}

/* ---- taking apart ---- */

VM_METHOD(chars)
{
	struct span s = value_text(self);
	struct value list, ignored;
	if (!vm_new_array(x, &list))
		return false;
	for (size_t i = 0; i < s.n;) {
		size_t next = i + vm_char_offset(span_of(s.p + i, s.n - i), 1);
		struct value v = value_str(span_of(s.p + i, next - i));
		if (b ? !vm_block_one(x, b, &v, &ignored) : !vm_push(x, &list, &v))
			return false;
		i = next;
	}
	return vm_set(out, b ? self : &list);
}

VM_METHOD(lines)
{
	struct span s = value_text(self);
	struct value list, ignored;
	if (!vm_new_array(x, &list))
		return false;
	for (size_t i = 0; i < s.n;) {
		const uint8_t *end = memchr(s.p + i, '\n', s.n - i);
		size_t next = end ? (size_t)(end - s.p) + 1 : s.n;
		struct value v = value_str(span_of(s.p + i, next - i));
		if (b ? !vm_block_one(x, b, &v, &ignored) : !vm_push(x, &list, &v))
			return false;
		i = next;
	}
	return vm_set(out, b ? self : &list);
}

VM_METHOD(bytes)
{
	struct span s = value_text(self);
	struct value list;
	if (!vm_new_array(x, &list))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		struct value v = value_int(s.p[i]);
		if (!vm_push(x, &list, &v))
			return false;
	}
	return vm_set(out, &list);
}

VM_METHOD(byteslice)
{
	struct span s = value_text(self);
	int64_t from, count = 1;
	bool inside = true;
	if (args[0].type == VALUE_RANGE) {
		if (!vm_range_of(x, args[0].other, (int64_t)s.n, &from, &count, &inside))
			return false;
	} else if (!vm_want_int(x, &args[0], &from) || (n > 1 && !vm_want_int(x, &args[1], &count))) {
		return false;
	}
	if (inside && from < 0)
		from += (int64_t)s.n;
	if (!inside || from < 0 || from > (int64_t)s.n || count < 0)
		return vm_set_nil(out);
	int64_t rest = (int64_t)s.n - from;
	return vm_set_str(out, span_of(s.p + from, (size_t)(count < rest ? count : rest)));
}

VM_METHOD(reverse)
{
	struct span s = value_text(self);
	uint8_t *p = vm_bytes(x, s.n);
	if (!p)
		return false;
	for (size_t i = 0; i < s.n;) {
		size_t len = vm_char_offset(span_of(s.p + i, s.n - i), 1);
		memcpy(p + s.n - i - len, s.p + i, len);
		i += len;
	}
	return vm_set_str(out, span_of(p, s.n));
}

/* Is the text itself where others have nil for `nothing has changed`. */
VM_METHOD(reverse_x)
{
	struct value made;
	return reverse(x, self, args, n, b, &made) && vm_str_become(self, &made, out);
}

VM_METHOD(ord)
{
	struct span s = value_text(self);
	if (!s.n)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "empty string");
	size_t len = utf8_len(s.p, s.n);
	if (!len)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid byte sequence in UTF-8");
	return vm_set_int(out, decode(s.p, len));
}

const struct expr_method vm_str_methods[M_COUNT_OF_METHODS] = {
	[M_DOWNCASE] = {downcase, 0, 0},
	[M_UPCASE] = {upcase, 0, 0},
	[M_CAPITALIZE] = {capitalize, 0, 0},
	[M_SWAPCASE] = {swapcase, 0, 0},
	[M_DOWNCASE_X] = {downcase_x, 0, 0},
	[M_UPCASE_X] = {upcase_x, 0, 0},
	[M_CAPITALIZE_X] = {capitalize_x, 0, 0},
	[M_SWAPCASE_X] = {swapcase_x, 0, 0},
	[M_STRIP] = {strip, 0, 0},
	[M_LSTRIP] = {lstrip, 0, 0},
	[M_RSTRIP] = {rstrip, 0, 0},
	[M_CHOMP] = {chomp, 0, 1},
	[M_CHOP] = {chop, 0, 0},
	[M_DELETE_PREFIX] = {delete_prefix, 1, 1},
	[M_DELETE_SUFFIX] = {delete_suffix, 1, 1},
	[M_STRIP_X] = {strip_x, 0, 0},
	[M_LSTRIP_X] = {lstrip_x, 0, 0},
	[M_RSTRIP_X] = {rstrip_x, 0, 0},
	[M_CHOMP_X] = {chomp_x, 0, 1},
	[M_CHOP_X] = {chop_x, 0, 0},
	[M_DELETE_PREFIX_X] = {delete_prefix_x, 1, 1},
	[M_DELETE_SUFFIX_X] = {delete_suffix_x, 1, 1},
	[M_LENGTH] = {length, 0, 0},
	[M_SIZE] = {length, 0, 0},
	[M_BYTESIZE] = {bytesize, 0, 0},
	[M_EMPTY] = {empty, 0, 0},
	[M_END_WITH] = {end_with, 0, EXPR_ANY_ARGS},
	[M_INCLUDE] = {include, 1, 1},
	[M_CASECMP] = {casecmp, 1, 1},
	[M_CASECMP_P] = {casecmp_p, 1, 1},
	[M_PLUS] = {plus, 1, 1},
	[M_MUL] = {multiply, 1, 1},
	[M_MOD] = {percent, 1, 1},
	[M_SHL] = {append, 1, 1},
	[M_CONCAT] = {append, 0, EXPR_ANY_ARGS},
	[M_PREPEND] = {prepend, 0, EXPR_ANY_ARGS},
	[M_REPLACE] = {replace, 1, 1},
	[M_CLEAR] = {clear, 0, 0},
	[M_INSERT] = {insert, 2, 2},
	[M_DUP] = {dup, 0, 0},
	[M_CLONE] = {dup, 0, 0},
	[M_POS] = {dup, 0, 0},
	[M_LJUST] = {ljust, 1, 2},
	[M_RJUST] = {rjust, 1, 2},
	[M_CENTER] = {center, 1, 2},
	[M_CHARS] = {chars, 0, 0},
	[M_EACH_CHAR] = {chars, 0, 0},
	[M_LINES] = {lines, 0, 0},
	[M_EACH_LINE] = {lines, 0, 0},
	[M_BYTES] = {bytes, 0, 0},
	[M_BYTESLICE] = {byteslice, 1, 2},
	[M_REVERSE] = {reverse, 0, 0},
	[M_REVERSE_X] = {reverse_x, 0, 0},
	[M_ORD] = {ord, 0, 0},
};
