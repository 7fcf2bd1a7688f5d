/* vm_time_make.c: Time.at, Time.parse and the like. */
#include "base/clock.h"
#include "expr/vm_time.h"
#include "record/time_guess.h"
#include "record/time_text.h"

#include <stdlib.h>

static struct event_time now_time(void)
{
	int64_t ns = clock_wall_ns();
	return (struct event_time){ns / VM_TIME_NSEC, (uint32_t)(ns % VM_TIME_NSEC)};
}

/* Time.at(seconds, part, unit) */
static bool time_at(struct expr_vm *x, const struct value *args, unsigned n, struct value *out)
{
	__int128 ns, part;
	struct event_time t;
	int unit = 1000000;
	if (args[0].type == VALUE_TIME) {
		const struct value copy = args[0];
		if (copy.variant == TIME_PLAIN)
			return vm_set(out, &copy);
		return vm_time_local(out, copy.time);
	}
	if (n > 2) {
		struct span name = args[2].type == VALUE_SYM ? args[2].s : (struct span){0};
		unit = span_is(name, "millisecond")			       ? 1000
		       : span_is(name, "usec") || span_is(name, "microsecond") ? 1000000
		       : span_is(name, "nsec") || span_is(name, "nanosecond")  ? VM_TIME_NSEC
									       : 0;
		if (!unit)
			return vm_raise(x, MODULE_ARGUMENT_ERROR, "unexpected unit");
	}
	if (!vm_time_want_ns(x, &args[0], &ns))
		return false;
	if (n > 1 && !vm_time_want_ns(x, &args[1], &part))
		return false;
	if (n > 1)
		ns += part / unit;
	return vm_time_set_ns(x, ns, &t) && vm_time_local(out, t);
}

static bool is_zone_char(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ':' || c == '+' ||
	       c == '-';
}

/*
 * The text without the zone at its end, as far as there is one: letters, or a sign and digits behind a time of day. n = 0: there is none.
 */
static struct span without_zone(struct span s, bool *utc)
{
	size_t end = s.n, from, i;
	while (end && s.p[end - 1] == ' ')
		end--;
	for (from = end; from && is_zone_char(s.p[from - 1]);)
		from--;
	/* "12:00:00Z", "12:00:00+09:00": the zone hangs on the time. */
	for (i = end; i > from && s.p[i - 1] != '+' && s.p[i - 1] != '-'; i--)
		;
	const uint8_t *colon = memchr(s.p, ':', i);
	size_t start = i > from ? i - 1 : end;
	if (i <= from)
		while (start > from && ((s.p[start - 1] | 0x20) >= 'a' && (s.p[start - 1] | 0x20) <= 'z'))
			start--;
	struct span zone = span_of(s.p + start, end - start);
	*utc = span_is(zone, "Z") || span_is(zone, "z") || span_is(zone, "UTC") || span_is(zone, "GMT");
	return colon && zone.n ? span_of(s.p, start) : (struct span){0};
}

static bool parse_time(struct expr_vm *x, const struct value *arg, bool datetime, struct value *out)
{
	struct span text;
	struct event_time t, local;
	bool utc = false;
	if (!vm_want_str(x, arg, &text))
		return false;
	if (!time_guess(text, now_time(), datetime ? zone_utc() : zone_local(), &t))
		return datetime ? vm_raise(x, MODULE_DATE_ERROR, "invalid date")
				: vm_raise(x, MODULE_ARGUMENT_ERROR, "no time information in \"%.*s\"",
					  (int)(text.n < 100 ? text.n : 100), (const char *)text.p);
	struct span plain = without_zone(text, &utc);
	if (plain.n && time_guess(plain, now_time(), zone_utc(), &local) && llabs(local.sec - t.sec) < 86400)
		vm_time(out, t, (int32_t)(local.sec - t.sec), utc && !datetime);
	else if (datetime)
		vm_time(out, t, 0, false);
	else
		vm_time_local(out, t);
	if (datetime)
		out->variant = TIME_DATETIME;
	return true;
}

static bool parse_format(
	struct expr_vm *x, const struct time_format *f, const struct value *arg, bool datetime, struct value *out)
{
	struct time_parsed parsed;
	struct span text;
	struct event_time now = now_time();
	if (!vm_want_str(x, arg, &text))
		return false;
	if (!datetime)
		now.sec += zone_offset(zone_local(), now.sec, NULL);
	if (!time_format_parse(f, text, now, 0, &parsed))
		return datetime ? vm_raise(x, MODULE_DATE_ERROR, "invalid date")
				: vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid date or strptime format - `%.*s'",
					  (int)(text.n < 100 ? text.n : 100), (const char *)text.p);
	if (!parsed.has_zone && !datetime) {
		parsed.time.sec = zone_to_utc(zone_local(), parsed.time.sec);
		return vm_time_local(out, parsed.time);
	}
	vm_time(out, parsed.time, parsed.offset, !datetime && text.n && text.p[text.n - 1] == 'Z');
	if (datetime)
		out->variant = TIME_DATETIME;
	return true;
}

/* Time.utc(y, m, d, h, m, s) and Time.local; Time.new too has an offset at the end. */
static bool make_time(struct expr_vm *x, const struct value *args, unsigned n, bool utc, struct value *out)
{
	static const int64_t least[6] = {-9999, 1, 1, 0, 0, 0}, most[6] = {9999, 12, 31, 24, 59, 60};
	int64_t part[6] = {1970, 1, 1, 0, 0, 0};
	int32_t offset;
	bool is_utc;
	for (unsigned i = 0; i < n && i < 6; i++) {
		if (args[i].type == VALUE_NIL)
			continue;
		if (!vm_want_int(x, &args[i], &part[i]))
			return false;
		if (part[i] < least[i] || part[i] > most[i])
			return vm_raise(x, MODULE_ARGUMENT_ERROR, "argument out of range");
	}
	int64_t sec = civil_to_seconds(
		part[0], (unsigned)part[1], (unsigned)part[2], (unsigned)part[3], (unsigned)part[4], (unsigned)part[5]);
	if (n > 6 && args[6].type != VALUE_NIL) {
		if (!vm_time_want_offset(x, &args[6], &offset, &is_utc))
			return false;
		return vm_time(out, (struct event_time){sec - offset, 0}, offset, is_utc);
	}
	if (utc)
		return vm_time(out, (struct event_time){sec, 0}, 0, true);
	return vm_time_local(out, (struct event_time){zone_to_utc(zone_local(), sec), 0});
}

bool vm_time_function(
	struct expr_vm *x, const struct expr_node *n, const struct value *args, unsigned count, struct value *out)
{
	switch ((enum expr_function)n->method) {
	case FUNCTION_TIME_NOW:
		return vm_time_local(out, now_time());
	case FUNCTION_DATETIME_NOW:
		vm_time_local(out, now_time());
		return vm_call(x, M_TO_DATETIME, out, NULL, 0, NULL, out);
	case FUNCTION_TIME_AT:
		return time_at(x, args, count, out);
	case FUNCTION_TIME_PARSE:
		return parse_time(x, &args[0], false, out);
	case FUNCTION_DATETIME_PARSE:
		return parse_time(x, &args[0], true, out);
	case FUNCTION_TIME_ISO8601:
	case FUNCTION_TIME_STRPTIME:
		return parse_format(x, n->format, &args[0], false, out);
	case FUNCTION_DATETIME_STRPTIME:
		return parse_format(x, n->format, &args[0], true, out);
	case FUNCTION_TIME_UTC:
		return make_time(x, args, count, true, out);
	default: /* FUNCTION_TIME_LOCAL */
		return count ? make_time(x, args, count, false, out) : vm_time_local(out, now_time());
	}
}
