/* vm_number.c: Integer and Float. Integers have 64 bits: what does not fit is an error, not another number. */
#include "expr/vm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef __int128 wide;

static wide as_wide(const struct value *v)
{
	return v->type == VALUE_UINT ? (wide)v->u : (wide)v->i;
}

static double as_double(const struct value *v)
{
	return v->type == VALUE_FLOAT ? v->d : v->type == VALUE_UINT ? (double)v->u : (double)v->i;
}

static bool set_wide(struct expr_vm *x, wide w, struct value *out)
{
	if (w < INT64_MIN || w > (wide)UINT64_MAX)
		return vm_raise(x, MODULE_RANGE_ERROR, "the result has more than 64 bits");
	*out = w < 0 ? value_int((int64_t)w) : value_uint((uint64_t)w);
	return true;
}

static bool set_float(struct value *out, double d)
{
	*out = value_float(d);
	return true;
}

/* A float as a whole number. */
static bool set_whole(struct expr_vm *x, double d, struct value *out)
{
	if (isnan(d) || isinf(d))
		return vm_raise(x, MODULE_FLOAT_DOMAIN_ERROR, "%s",
			isnan(d) ? "NaN"
			: d < 0	 ? "-Infinity"
				 : "Infinity");
	/* cppcheck-suppress incorrectLogicOperator ; it cannot read such numbers */
	if (d < -0x1p63 || d >= 0x1p64)
		return vm_raise(x, MODULE_RANGE_ERROR, "the result has more than 64 bits");
	return set_wide(x, (wide)d, out);
}

static bool want_number(struct expr_vm *x, const struct value *v, const struct value *self)
{
	if (vm_is_number(v))
		return true;
	const char *of = v->type == VALUE_NIL ? "nil" : expr_module_name(expr_module_of(v));
	return vm_raise(x, MODULE_TYPE_ERROR, "%s can't be coerced into %s", of,
		self->type == VALUE_FLOAT ? "Float" : "Integer");
}

static wide floor_div(wide a, wide b)
{
	wide q = a / b;
	return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

/* a - b * floor(a / b) */
static double floor_mod(double a, double b)
{
	if (isinf(b) && !isinf(a) && !isnan(a))
		return a == 0 || (a < 0) == (b < 0) ? a : b;
	double m = fmod(a, b);
	return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}

static bool is_zero_int(const struct value *v)
{
	return v->type == VALUE_INT && v->i == 0;
}

/* ---- + - * / % ** ---- */

VM_METHOD(plus)
{
	if (self->type == VALUE_INT && args[0].type == VALUE_INT &&
		!__builtin_add_overflow(self->i, args[0].i, &out->i)) {
		out->type = VALUE_INT;
		return true;
	}
	if (!want_number(x, &args[0], self))
		return false;
	if (vm_is_int(self) && vm_is_int(&args[0]))
		return set_wide(x, as_wide(self) + as_wide(&args[0]), out);
	return set_float(out, as_double(self) + as_double(&args[0]));
}

VM_METHOD(minus)
{
	if (!want_number(x, &args[0], self))
		return false;
	if (vm_is_int(self) && vm_is_int(&args[0]))
		return set_wide(x, as_wide(self) - as_wide(&args[0]), out);
	return set_float(out, as_double(self) - as_double(&args[0]));
}

VM_METHOD(times_op)
{
	wide w;
	if (!want_number(x, &args[0], self))
		return false;
	if (!vm_is_int(self) || !vm_is_int(&args[0]))
		return set_float(out, as_double(self) * as_double(&args[0]));
	if (__builtin_mul_overflow(as_wide(self), as_wide(&args[0]), &w))
		return vm_raise(x, MODULE_RANGE_ERROR, "the result has more than 64 bits");
	return set_wide(x, w, out);
}

static bool divided_by_zero(struct expr_vm *x)
{
	return vm_raise(x, MODULE_ZERO_DIVISION_ERROR, "divided by 0");
}

VM_METHOD(divide)
{
	if (!want_number(x, &args[0], self))
		return false;
	if (!vm_is_int(self) || !vm_is_int(&args[0]))
		return set_float(out, as_double(self) / as_double(&args[0]));
	if (is_zero_int(&args[0]))
		return divided_by_zero(x);
	return set_wide(x, floor_div(as_wide(self), as_wide(&args[0])), out);
}

VM_METHOD(divide_whole)
{
	if (!want_number(x, &args[0], self))
		return false;
	if (as_double(&args[0]) == 0)
		return divided_by_zero(x);
	if (!vm_is_int(self) || !vm_is_int(&args[0]))
		return set_whole(x, floor(as_double(self) / as_double(&args[0])), out);
	return set_wide(x, floor_div(as_wide(self), as_wide(&args[0])), out);
}

VM_METHOD(modulo)
{
	if (!want_number(x, &args[0], self))
		return false;
	if (!vm_is_int(self) || !vm_is_int(&args[0]))
		return set_float(out, floor_mod(as_double(self), as_double(&args[0])));
	if (is_zero_int(&args[0]))
		return divided_by_zero(x);
	wide a = as_wide(self), d = as_wide(&args[0]);
	return set_wide(x, a - floor_div(a, d) * d, out);
}

VM_METHOD(remainder_of)
{
	if (!want_number(x, &args[0], self))
		return false;
	if (!vm_is_int(self) || !vm_is_int(&args[0]))
		return set_float(out, fmod(as_double(self), as_double(&args[0])));
	if (is_zero_int(&args[0]))
		return divided_by_zero(x);
	return set_wide(x, as_wide(self) % as_wide(&args[0]), out);
}

VM_METHOD(divmod)
{
	struct value q, r;
	if (want_number(x, &args[0], self) && as_double(&args[0]) != 0 && (!vm_is_int(self) || !vm_is_int(&args[0]))) {
		/* That it fits to the remainder counts: 1.divmod(0.1) is 9 and nearly 0.1. */
		double a = as_double(self), d = as_double(&args[0]), rest = floor_mod(a, d);
		return set_whole(x, round((a - rest) / d), &q) && set_float(&r, rest) && vm_pair(x, &q, &r, out);
	}
	return divide_whole(x, self, args, n, b, &q) && modulo(x, self, args, n, b, &r) && vm_pair(x, &q, &r, out);
}

VM_METHOD(float_divide)
{
	if (!want_number(x, &args[0], self))
		return false;
	return set_float(out, as_double(self) / as_double(&args[0]));
}

VM_METHOD(power)
{
	if (!want_number(x, &args[0], self))
		return false;
	/* A negative exponent makes a Rational of integers in Ruby; a float is the nearest thing that JSON has. */
	if (!vm_is_int(self) || args[0].type != VALUE_INT || args[0].i < 0)
		return set_float(out, pow(as_double(self), as_double(&args[0])));
	wide result = 1, base = as_wide(self);
	for (int64_t left = args[0].i; left > 0; left--) {
		if (base >= -1 && base <= 1 && left > 2)
			left = left % 2 ? 1 : 2; /* 0, 1 and -1 need not be multiplied out */
		if (__builtin_mul_overflow(result, base, &result) || result > (wide)UINT64_MAX || result < INT64_MIN)
			return vm_raise(x, MODULE_RANGE_ERROR, "the result has more than 64 bits");
	}
	return set_wide(x, result, out);
}

VM_METHOD(negate)
{
	return self->type == VALUE_FLOAT ? set_float(out, -self->d) : set_wide(x, -as_wide(self), out);
}

VM_METHOD(itself)
{
	return vm_set(out, self);
}

/* ---- bits ---- */

static bool bits(struct expr_vm *x, const struct value *v, int64_t *i)
{
	*i = 0;
	if (v->type != VALUE_INT)
		return vm_is_int(v) ? vm_raise(x, MODULE_RANGE_ERROR, "the number has more than 63 bits")
				    : vm_raise_conversion(x, v, "Integer");
	*i = v->i;
	return true;
}

static bool shift(struct expr_vm *x, int64_t value, int64_t by, struct value *out)
{
	if (by < 0)
		return vm_set_int(out, by <= -63 ? (value < 0 ? -1 : 0) : value >> -by);
	if (by > 63 && value)
		return vm_raise(x, MODULE_RANGE_ERROR, "the result has more than 64 bits");
	return set_wide(x, value ? (wide)value * ((wide)1 << by) : 0, out);
}

VM_METHOD(shift_left)
{
	int64_t v, by;
	return bits(x, self, &v) && bits(x, &args[0], &by) && shift(x, v, by, out);
}

VM_METHOD(shift_right)
{
	int64_t v, by;
	return bits(x, self, &v) && bits(x, &args[0], &by) && shift(x, v, by == INT64_MIN ? INT64_MAX : -by, out);
}

VM_METHOD(bit_and)
{
	int64_t v, w;
	return bits(x, self, &v) && bits(x, &args[0], &w) && vm_set_int(out, v & w);
}

VM_METHOD(bit_or)
{
	int64_t v, w;
	return bits(x, self, &v) && bits(x, &args[0], &w) && vm_set_int(out, v | w);
}

VM_METHOD(bit_xor)
{
	int64_t v, w;
	return bits(x, self, &v) && bits(x, &args[0], &w) && vm_set_int(out, v ^ w);
}

/* ---- conversions ---- */

VM_METHOD(to_i)
{
	return self->type == VALUE_FLOAT ? set_whole(x, trunc(self->d), out) : vm_set(out, self);
}

VM_METHOD(to_f)
{
	return set_float(out, as_double(self));
}

/* to_s(base) */
VM_METHOD(to_s)
{
	char text[72], *p = text + sizeof text;
	int64_t base = 10;
	struct span s;
	if (n == 0)
		return vm_to_s(x, self, &s) && vm_set_str(out, s);
	if (!vm_want_int(x, &args[0], &base))
		return false;
	if (base < 2 || base > 36)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid radix %lld", (long long)base);
	wide w = as_wide(self);
	bool negative = w < 0;
	unsigned __int128 u = negative ? -(unsigned __int128)w : (unsigned __int128)w;
	do
		*--p = "0123456789abcdefghijklmnopqrstuvwxyz"[u % (unsigned)base];
	while (u /= (unsigned)base);
	if (negative)
		*--p = '-';
	return vm_copy_str(x, span_of(p, (size_t)(text + sizeof text - p)), out);
}

VM_METHOD(chr)
{
	uint8_t c[4];
	int64_t i;
	if (!bits(x, self, &i))
		return false;
	if (i < 0 || i > 0x7f)
		return vm_raise(x, MODULE_RANGE_ERROR, "%lld out of char range", (long long)i);
	c[0] = (uint8_t)i;
	return vm_copy_str(x, span_of(c, 1), out);
}

/* ---- rounding ---- */

enum rounding { ROUND_NEAREST, ROUND_FLOOR, ROUND_CEIL, ROUND_TRUNCATE };

static double round_whole(double d, enum rounding how)
{
	return how == ROUND_NEAREST ? round(d) : how == ROUND_FLOOR ? floor(d) : how == ROUND_CEIL ? ceil(d) : trunc(d);
}

static bool round_int(struct expr_vm *x, const struct value *self, int64_t digits, enum rounding how, struct value *out)
{
	if (digits >= 0)
		return vm_set(out, self);
	if (digits < -19)
		return vm_set_int(out, 0);
	wide unit = 1, w = as_wide(self);
	for (; digits < 0; digits++)
		unit *= 10;
	wide low = floor_div(w, unit) * unit, rest = w - low;
	bool up = how == ROUND_CEIL	  ? rest > 0
		  : how == ROUND_FLOOR	  ? false
		  : how == ROUND_TRUNCATE ? w < 0 && rest > 0
		  : rest * 2 == unit	  ? w > 0
					  : rest * 2 > unit;
	return set_wide(x, up ? low + unit : low, out);
}

/* To `digits` > 0 behind the point, by the formulas of Ruby's numeric.c: the products are not exact. */
static double round_digits(double d, double unit, enum rounding how)
{
	double f;
	if (how == ROUND_TRUNCATE)
		how = d < 0 ? ROUND_CEIL : ROUND_FLOOR;
	if (how == ROUND_CEIL)
		return ceil(d * unit) / unit;
	if (how == ROUND_FLOOR) {
		f = floor(d * unit);
		return (f + 1) / unit > d ? f / unit : (f + 1) / unit;
	}
	f = round(d * unit);
	if (d > 0 && (f + 0.5) / unit <= d)
		f += 1;
	else if (d <= 0 && (f - 0.5) / unit >= d)
		f -= 1;
	return f / unit;
}

/* The exact value rounded, as Ruby does it where powers of ten are not exact any more. */
static double round_exactly(double d, int64_t digits)
{
	char text[512];
	snprintf(text, sizeof text, "%.*f", (int)digits, d);
	return strtod(text, NULL);
}

static bool round_float(struct expr_vm *x, double d, int64_t digits, enum rounding how, struct value *out)
{
	int exponent;
	struct value whole;
	if (digits == 0)
		return set_whole(x, round_whole(d, how), out);
	if (digits < 0)
		return set_whole(x, how == ROUND_FLOOR || how == ROUND_CEIL ? round_whole(d, how) : trunc(d), &whole) &&
		       round_int(x, &whole, digits, how, out);
	frexp(d, &exponent);
	/* More digits than a double has: there is nothing to round. */
	if (isnan(d) || isinf(d) || digits >= 17 - (exponent > 0 ? exponent / 4 : exponent / 3 - 1))
		return set_float(out, d);
	bool away = (how == ROUND_CEIL && d > 0) || (how == ROUND_FLOOR && d < 0);
	if (!away && digits < -(exponent > 0 ? exponent / 3 + 1 : exponent / 4))
		return set_float(out, 0);
	if (digits > 14 && how == ROUND_NEAREST)
		return set_float(out, round_exactly(d, digits));
	return set_float(out, round_digits(d, pow(10, (double)digits), how));
}

static bool round_by(struct expr_vm *x, const struct value *self, const struct value *args, unsigned n,
	enum rounding how, struct value *out)
{
	int64_t digits = 0;
	if (n && !vm_want_int(x, &args[0], &digits))
		return false;
	if (self->type == VALUE_FLOAT)
		return round_float(x, self->d, digits, how, out);
	return round_int(x, self, digits, how, out);
}

VM_METHOD(round_m)
{
	return round_by(x, self, args, n, ROUND_NEAREST, out);
}

VM_METHOD(floor_m)
{
	return round_by(x, self, args, n, ROUND_FLOOR, out);
}

VM_METHOD(ceil_m)
{
	return round_by(x, self, args, n, ROUND_CEIL, out);
}

VM_METHOD(truncate_m)
{
	return round_by(x, self, args, n, ROUND_TRUNCATE, out);
}

/* ---- questions ---- */

VM_METHOD(absolute)
{
	if (self->type == VALUE_FLOAT)
		return set_float(out, fabs(self->d));
	wide w = as_wide(self);
	return set_wide(x, w < 0 ? -w : w, out);
}

VM_METHOD(zero)
{
	return vm_set_bool(out, as_double(self) == 0);
}

VM_METHOD(nonzero)
{
	return as_double(self) == 0 ? vm_set_nil(out) : vm_set(out, self);
}

VM_METHOD(positive)
{
	return vm_set_bool(out, as_double(self) > 0);
}

VM_METHOD(negative)
{
	return vm_set_bool(out, as_double(self) < 0);
}

VM_METHOD(even)
{
	return vm_set_bool(out, !(self->u & 1));
}

VM_METHOD(odd)
{
	return vm_set_bool(out, self->u & 1);
}

VM_METHOD(integer_p)
{
	return vm_set_bool(out, vm_is_int(self));
}

VM_METHOD(finite_p)
{
	return vm_set_bool(out, isfinite(as_double(self)));
}

VM_METHOD(infinite_p)
{
	double d = as_double(self);
	return isinf(d) ? vm_set_int(out, d < 0 ? -1 : 1) : vm_set_nil(out);
}

VM_METHOD(nan_p)
{
	return vm_set_bool(out, isnan(as_double(self)));
}

VM_METHOD(succ)
{
	return set_wide(x, as_wide(self) + 1, out);
}

VM_METHOD(pred)
{
	return set_wide(x, as_wide(self) - 1, out);
}

VM_METHOD(digits)
{
	struct value list, v;
	wide w = as_wide(self);
	if (w < 0)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "out of domain");
	if (!vm_new_array(x, &list))
		return false;
	do {
		v = value_int((int64_t)(w % 10));
		if (!vm_push(x, &list, &v))
			return false;
	} while (w /= 10);
	return vm_set(out, &list);
}

/* ---- counting ---- */

static bool count_to(struct expr_vm *x, int64_t from, int64_t to, int64_t step, const struct expr_block *b)
{
	for (int64_t i = from; step > 0 ? i <= to : i >= to;) {
		struct value v = value_int(i), ignored;
		if (!vm_block_one(x, b, &v, &ignored))
			return false;
		if (__builtin_add_overflow(i, step, &i))
			break;
	}
	return true;
}

/* Without a block, Ruby gives something to call map on: here an array. */
static bool count_list(struct expr_vm *x, int64_t from, int64_t to, struct value *out)
{
	struct value list;
	if (!vm_new_array(x, &list))
		return false;
	for (int64_t i = from; i <= to; i++) {
		struct value v = value_int(i);
		if (!vm_push(x, &list, &v))
			return false;
	}
	return vm_set(out, &list);
}

VM_METHOD(times)
{
	const struct value copy = *self;
	if (self->type != VALUE_INT)
		return vm_raise(x, MODULE_RANGE_ERROR, "the number is too large");
	if (!b)
		return count_list(x, 0, self->i - 1, out);
	return count_to(x, 0, self->i - 1, 1, b) && vm_set(out, &copy);
}

static bool up_or_down(struct expr_vm *x, const struct value *self, const struct value *args, int64_t step,
	const struct expr_block *b, struct value *out)
{
	const struct value copy = *self;
	int64_t from, to;
	if (!vm_want_int(x, self, &from) || !vm_want_int(x, &args[0], &to))
		return false;
	if (!b)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "a block is needed here");
	return count_to(x, from, to, step, b) && vm_set(out, &copy);
}

VM_METHOD(upto)
{
	return up_or_down(x, self, args, 1, b, out);
}

VM_METHOD(downto)
{
	return up_or_down(x, self, args, -1, b, out);
}

VM_METHOD(step)
{
	int64_t by = 1;
	if (n > 1 && !vm_want_int(x, &args[1], &by))
		return false;
	if (by == 0)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "step can't be 0");
	return up_or_down(x, self, args, by, b, out);
}

#define OF_BOTH                                                                                                    \
	[M_PLUS] = {plus, 1, 1}, [M_MINUS] = {minus, 1, 1}, [M_MUL] = {times_op, 1, 1}, [M_DIV] = {divide, 1, 1},  \
	[M_MOD] = {modulo, 1, 1}, [M_MODULO] = {modulo, 1, 1}, [M_POW] = {power, 1, 1}, [M_POW_M] = {power, 1, 1}, \
	[M_NEG] = {negate, 0, 0}, [M_POS] = {itself, 0, 0}, [M_DIV_INT] = {divide_whole, 1, 1},                    \
	[M_REMAINDER] = {remainder_of, 1, 1}, [M_DIVMOD] = {divmod, 1, 1}, [M_FDIV] = {float_divide, 1, 1},        \
	[M_TO_I] = {to_i, 0, 0}, [M_TO_INT] = {to_i, 0, 0}, [M_TO_F] = {to_f, 0, 0}, [M_ROUND] = {round_m, 0, 1},  \
	[M_FLOOR] = {floor_m, 0, 1}, [M_CEIL] = {ceil_m, 0, 1}, [M_TRUNCATE] = {truncate_m, 0, 1},                 \
	[M_ABS] = {absolute, 0, 0}, [M_MAGNITUDE] = {absolute, 0, 0}, [M_ZERO] = {zero, 0, 0},                     \
	[M_NONZERO] = {nonzero, 0, 0}, [M_POSITIVE] = {positive, 0, 0}, [M_NEGATIVE] = {negative, 0, 0},           \
	[M_INTEGER_P] = {integer_p, 0, 0}, [M_FINITE] = {finite_p, 0, 0}, [M_INFINITE] = {infinite_p, 0, 0},       \
	[M_NAN_P] = {nan_p, 0, 0}

const struct expr_method vm_int_methods[M_COUNT_OF_METHODS] = {
	OF_BOTH,
	[M_SHL] = {shift_left, 1, 1},
	[M_SHR] = {shift_right, 1, 1},
	[M_AND] = {bit_and, 1, 1},
	[M_OR] = {bit_or, 1, 1},
	[M_XOR] = {bit_xor, 1, 1},
	[M_TO_S] = {to_s, 0, 1},
	[M_CHR] = {chr, 0, 0},
	[M_ORD] = {itself, 0, 0},
	[M_EVEN] = {even, 0, 0},
	[M_ODD] = {odd, 0, 0},
	[M_SUCC] = {succ, 0, 0},
	[M_NEXT] = {succ, 0, 0},
	[M_PRED] = {pred, 0, 0},
	[M_DIGITS] = {digits, 0, 0},
	[M_TIMES] = {times, 0, 0},
	[M_UPTO] = {upto, 1, 1},
	[M_DOWNTO] = {downto, 1, 1},
	[M_STEP] = {step, 1, 2},
};

const struct expr_method vm_float_methods[M_COUNT_OF_METHODS] = {OF_BOTH};
