/* vm_time.c: Time, DateTime, and fluentd's EventTime. All three are a moment and an offset; the variant decides what they are called and how they print. */
#include "expr/vm_time.h"

#include "record/time_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool vm_time(struct value *out, struct event_time t, int32_t offset, bool utc)
{
	*out = (struct value){.type = VALUE_TIME, .utc = utc, .offset = offset, .time = t};
	return true;
}

/* `bin` of a time: its zone is the machine's, whose name %Z tells. */
bool vm_time_local(struct value *out, struct event_time t)
{
	vm_time(out, t, zone_offset(zone_local(), t.sec, NULL), false);
	out->bin = true;
	return true;
}

/* ---- to text ------------------------------------------------------------------------------------------------------ */

static bool format_time(struct expr_vm *x, const struct value *v, const char *format, struct span *s)
{
	struct time_zone zone = {.offset = v->offset, .name = v->utc ? "UTC" : NULL};
	char offset[8];
	if (v->variant == TIME_DATETIME) {
		int minutes = abs(v->offset) / 60;
		snprintf(offset, sizeof offset, "%c%02d:%02d", v->offset < 0 ? '-' : '+', minutes / 60 % 100,
			minutes % 60);
		zone.name = offset;
	} else if (v->bin) {
		zone_offset(zone_local(), v->time.sec, &zone.name);
	}
	buf_clear(&x->work);
	if (!time_format_put(&x->work, format, v->time, zone))
		return vm_no_room(x);
	struct value text;
	if (!vm_copy_str(x, buf_span(&x->work), &text))
		return false;
	*s = text.s;
	return true;
}

bool vm_time_text(struct expr_vm *x, const struct value *v, struct span *s)
{
	if (v->variant == TIME_EVENT) {
		const struct value seconds = value_int(v->time.sec);
		return vm_to_s(x, &seconds, s);
	}
	return format_time(x, v,
		v->variant == TIME_DATETIME ? "%Y-%m-%dT%H:%M:%S%:z"
		: v->utc		    ? "%Y-%m-%d %H:%M:%S UTC"
					    : "%Y-%m-%d %H:%M:%S %z",
		s);
}

static bool set_formatted(struct expr_vm *x, const struct value *self, const char *format, struct value *out)
{
	struct span s;
	return format_time(x, self, format, &s) && vm_set_str(out, s);
}

VM_METHOD(put_format)
{
	struct span format;
	if (!vm_want_str(x, &args[0], &format))
		return false;
	char *text = (char *)vm_bytes(x, format.n + 1);
	if (!text)
		return false;
	if (format.n)
		memcpy(text, format.p, format.n);
	text[format.n] = 0;
	return set_formatted(x, self, text, out);
}

VM_METHOD(iso8601)
{
	char format[64];
	int64_t digits = 0;
	const char *zone = self->utc && self->variant == TIME_PLAIN ? "Z" : "%:z";
	if (n && !vm_want_int(x, &args[0], &digits))
		return false;
	if (digits > 0)
		snprintf(format, sizeof format, "%%Y-%%m-%%dT%%H:%%M:%%S.%%%dN%s", (int)(digits < 30 ? digits : 30),
			zone);
	else
		snprintf(format, sizeof format, "%%Y-%%m-%%dT%%H:%%M:%%S%s", zone);
	return set_formatted(x, self, format, out);
}

VM_METHOD(rfc2822)
{
	return set_formatted(x, self, self->utc ? "%a, %d %b %Y %H:%M:%S -0000" : "%a, %d %b %Y %H:%M:%S %z", out);
}

VM_METHOD(httpdate)
{
	struct value utc;
	vm_time(&utc, self->time, 0, true);
	return set_formatted(x, &utc, "%a, %d %b %Y %H:%M:%S GMT", out);
}

VM_METHOD(to_s)
{
	struct span s;
	return vm_time_text(x, self, &s) && vm_set_str(out, s);
}

VM_METHOD(zone_name)
{
	if (self->variant == TIME_PLAIN && !self->utc && !self->bin)
		return vm_set_nil(out);
	return set_formatted(x, self, "%Z", out);
}

/* ---- zones -------------------------------------------------------------------------------------------------------- */

static int two_digits(const uint8_t *p)
{
	bool digits = p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9';
	return digits ? (p[0] - '0') * 10 + p[1] - '0' : -1;
}

/* +09:00 or +0900; false: it is none. */
static bool read_offset(struct span s, int64_t *seconds)
{
	bool colon = s.n == 6 && s.p[3] == ':';
	if ((!colon && s.n != 5) || (*s.p != '+' && *s.p != '-'))
		return false;
	int hours = two_digits(s.p + 1), minutes = two_digits(s.p + (colon ? 4 : 3));
	*seconds = (hours * 60 + minutes) * 60 * (*s.p == '-' ? -1 : 1);
	return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

bool vm_time_want_offset(struct expr_vm *x, const struct value *v, int32_t *offset, bool *utc)
{
	struct span s = {0};
	int64_t i = 0;
	*utc = false;
	*offset = 0;
	if (vm_is_number(v) ? !vm_want_int(x, v, &i) : !vm_want_str(x, v, &s))
		return false;
	*utc = span_is(s, "UTC") || span_is(s, "Z");
	if (s.n && !*utc && !read_offset(s, &i))
		return vm_raise(x, MODULE_ARGUMENT_ERROR,
			"\"+HH:MM\", \"-HH:MM\" or \"UTC\" expected for utc_offset: %.*s", (int)(s.n < 50 ? s.n : 50),
			(const char *)s.p);
	if (i <= -86400 || i >= 86400)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "utc_offset out of range");
	*offset = (int32_t)i;
	return true;
}

VM_METHOD(utc)
{
	const struct event_time t = self->time;
	const uint8_t variant = self->variant == TIME_EVENT ? TIME_PLAIN : self->variant;
	vm_time(out, t, 0, true);
	out->variant = variant;
	return true;
}

VM_METHOD(to_local)
{
	int32_t offset;
	bool is_utc;
	if (!n)
		return vm_time_local(out, self->time);
	return vm_time_want_offset(x, &args[0], &offset, &is_utc) && vm_time(out, self->time, offset, is_utc);
}

VM_METHOD(new_offset)
{
	int32_t offset = 0;
	bool is_utc;
	const struct event_time t = self->time;
	if (n && !vm_time_want_offset(x, &args[0], &offset, &is_utc))
		return false;
	vm_time(out, t, offset, false);
	out->variant = TIME_DATETIME;
	return true;
}

VM_METHOD(to_time)
{
	*out = *self;
	if (self->variant == TIME_EVENT)
		return vm_time_local(out, self->time);
	out->variant = TIME_PLAIN;
	return true;
}

VM_METHOD(to_datetime)
{
	*out = *self;
	out->variant = TIME_DATETIME;
	out->utc = out->bin = false;
	return true;
}

VM_METHOD(is_utc)
{
	return vm_set_bool(out, self->utc);
}

VM_METHOD(utc_offset)
{
	return vm_set_int(out, self->offset);
}

/* ---- parts -------------------------------------------------------------------------------------------------------- */

static struct civil civil_of(const struct value *v)
{
	struct civil c;
	civil_from_seconds(v->time.sec + v->offset, &c);
	return c;
}

#define CIVIL(name, expression)                                \
	VM_METHOD(name)                                        \
	{                                                      \
		const struct civil c = civil_of(self);         \
		return vm_set_int(out, (int64_t)(expression)); \
	}

CIVIL(year, c.year)
CIVIL(month, c.month)
CIVIL(day, c.day)
CIVIL(hour, c.hour)
CIVIL(minute, c.minute)
CIVIL(second, c.second)
CIVIL(wday, c.wday)
CIVIL(yday, c.yday)

#define IS_WDAY(name, number)                                             \
	VM_METHOD(name)                                                   \
	{                                                                 \
		return vm_set_bool(out, civil_of(self).wday == (number)); \
	}

IS_WDAY(sunday, 0)
IS_WDAY(monday, 1)
IS_WDAY(tuesday, 2)
IS_WDAY(wednesday, 3)
IS_WDAY(thursday, 4)
IS_WDAY(friday, 5)
IS_WDAY(saturday, 6)

VM_METHOD(nsec)
{
	return vm_set_int(out, self->time.nsec);
}

VM_METHOD(usec)
{
	return vm_set_int(out, self->time.nsec / 1000);
}

VM_METHOD(to_i)
{
	return vm_set_int(out, self->time.sec);
}

static __int128 total_ns(const struct value *v)
{
	return (__int128)v->time.sec * VM_TIME_NSEC + v->time.nsec;
}

VM_METHOD(to_f)
{
	*out = value_float((double)((long double)total_ns(self) / VM_TIME_NSEC));
	return true;
}

/* ---- arithmetic --------------------------------------------------------------------------------------------------- */

bool vm_time_want_ns(struct expr_vm *x, const struct value *v, __int128 *ns)
{
	*ns = 0;
	if (v->type == VALUE_INT) {
		*ns = (__int128)v->i * VM_TIME_NSEC;
		return true;
	}
	if (v->type != VALUE_FLOAT)
		return v->type == VALUE_UINT
			       ? vm_raise(x, MODULE_RANGE_ERROR, "the time is out of range")
			       : vm_raise(x, MODULE_TYPE_ERROR, "can't convert %s into an exact number",
					 v->type == VALUE_NIL ? "nil" : expr_module_name(expr_module_of(v)));
	if (isnan(v->d) || fabs(v->d) > 1e15)
		return vm_raise(x, MODULE_FLOAT_DOMAIN_ERROR, "the time is out of range");
	double whole = floor(v->d), rest = v->d - whole;
	/* rest < 1 with 53 bits: above a nanosecond it has none below 2^-83. */
	unsigned __int128 scaled = rest < 1e-10 ? 0 : (unsigned __int128)ldexp(rest, 83);
	*ns = (__int128)whole * VM_TIME_NSEC + (__int128)(scaled * VM_TIME_NSEC >> 83);
	return true;
}

bool vm_time_set_ns(struct expr_vm *x, __int128 ns, struct event_time *t)
{
	__int128 sec = ns / VM_TIME_NSEC, rest = ns % VM_TIME_NSEC;
	if (rest < 0) {
		rest += VM_TIME_NSEC;
		sec--;
	}
	/* Years of five digits are the most that is shown; offsets must not overflow. */
	if (sec < INT64_MIN / 4 || sec > INT64_MAX / 4)
		return vm_raise(x, MODULE_RANGE_ERROR, "the time is out of range");
	*t = (struct event_time){(int64_t)sec, (uint32_t)rest};
	return true;
}

/* DateTime counts in days. */
static bool shift(struct expr_vm *x, const struct value *self, const struct value *by, int sign, struct value *out)
{
	__int128 ns;
	struct value made = *self;
	if (!vm_time_want_ns(x, by, &ns))
		return false;
	if (self->variant == TIME_DATETIME)
		ns *= 86400;
	if (!vm_time_set_ns(x, total_ns(self) + sign * ns, &made.time))
		return false;
	if (made.bin)
		made.offset = zone_offset(zone_local(), made.time.sec, NULL);
	return vm_set(out, &made);
}

VM_METHOD(plus)
{
	return shift(x, self, &args[0], 1, out);
}

VM_METHOD(minus)
{
	if (args[0].type != VALUE_TIME)
		return shift(x, self, &args[0], -1, out);
	long double ns = (long double)(total_ns(self) - total_ns(&args[0]));
	*out = value_float((double)(ns / VM_TIME_NSEC / (self->variant == TIME_DATETIME ? 86400 : 1)));
	return true;
}

/* round, floor: to so many digits of a second. */
static bool to_digits(struct expr_vm *x, const struct value *self, const struct value *args, unsigned n, bool nearest,
	struct value *out)
{
	int64_t digits = 0;
	uint32_t unit = VM_TIME_NSEC;
	struct value made = *self;
	if (n && !vm_want_int(x, &args[0], &digits))
		return false;
	for (; digits > 0 && unit > 1; digits--)
		unit /= 10;
	__int128 ns = total_ns(self) + (nearest ? unit / 2 : 0);
	__int128 rest = ns % unit;
	if (!vm_time_set_ns(x, ns - (rest < 0 ? rest + unit : rest), &made.time))
		return false;
	return vm_set(out, &made);
}

VM_METHOD(round_m)
{
	return to_digits(x, self, args, n, true, out);
}

VM_METHOD(floor_m)
{
	return to_digits(x, self, args, n, false, out);
}

const struct expr_method vm_time_methods[M_COUNT_OF_METHODS] = {
	[M_STRFTIME] = {put_format, 1, 1},
	[M_ISO8601] = {iso8601, 0, 1},
	[M_XMLSCHEMA] = {iso8601, 0, 1},
	[M_RFC3339] = {iso8601, 0, 1},
	[M_RFC2822] = {rfc2822, 0, 0},
	[M_HTTPDATE] = {httpdate, 0, 0},
	[M_TO_S] = {to_s, 0, 0},
	[M_ZONE] = {zone_name, 0, 0},
	[M_UTC] = {utc, 0, 0},
	[M_GMTIME] = {utc, 0, 0},
	[M_GETUTC] = {utc, 0, 0},
	[M_GETGM] = {utc, 0, 0},
	[M_LOCALTIME] = {to_local, 0, 1},
	[M_GETLOCAL] = {to_local, 0, 1},
	[M_NEW_OFFSET] = {new_offset, 0, 1},
	[M_TO_TIME] = {to_time, 0, 0},
	[M_TO_DATETIME] = {to_datetime, 0, 0},
	[M_UTC_P] = {is_utc, 0, 0},
	[M_GMT_P] = {is_utc, 0, 0},
	[M_UTC_OFFSET] = {utc_offset, 0, 0},
	[M_GMT_OFFSET] = {utc_offset, 0, 0},
	[M_GMTOFF] = {utc_offset, 0, 0},
	[M_YEAR] = {year, 0, 0},
	[M_MONTH] = {month, 0, 0},
	[M_MON] = {month, 0, 0},
	[M_DAY] = {day, 0, 0},
	[M_MDAY] = {day, 0, 0},
	[M_HOUR] = {hour, 0, 0},
	[M_MIN] = {minute, 0, 0},
	[M_MINUTE] = {minute, 0, 0},
	[M_SEC] = {second, 0, 0},
	[M_SECOND] = {second, 0, 0},
	[M_WDAY] = {wday, 0, 0},
	[M_YDAY] = {yday, 0, 0},
	[M_SUNDAY] = {sunday, 0, 0},
	[M_MONDAY] = {monday, 0, 0},
	[M_TUESDAY] = {tuesday, 0, 0},
	[M_WEDNESDAY] = {wednesday, 0, 0},
	[M_THURSDAY] = {thursday, 0, 0},
	[M_FRIDAY] = {friday, 0, 0},
	[M_SATURDAY] = {saturday, 0, 0},
	[M_NSEC] = {nsec, 0, 0},
	[M_TV_NSEC] = {nsec, 0, 0},
	[M_USEC] = {usec, 0, 0},
	[M_TV_USEC] = {usec, 0, 0},
	[M_TO_I] = {to_i, 0, 0},
	[M_TV_SEC] = {to_i, 0, 0},
	[M_TO_F] = {to_f, 0, 0},
	[M_PLUS] = {plus, 1, 1},
	[M_MINUS] = {minus, 1, 1},
	[M_ROUND] = {round_m, 0, 1},
	[M_FLOOR] = {floor_m, 0, 1},
};

const struct expr_method vm_event_time_methods[M_COUNT_OF_METHODS] = {
	[M_TO_S] = {to_s, 0, 0},
	[M_TO_I] = {to_i, 0, 0},
	[M_TO_INT] = {to_i, 0, 0},
	[M_SEC] = {to_i, 0, 0},
	[M_NSEC] = {nsec, 0, 0},
	[M_TO_F] = {to_f, 0, 0},
	[M_TO_TIME] = {to_time, 0, 0},
};
