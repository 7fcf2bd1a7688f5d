#include "parse/time_fast.h"

#include "record/time_text.h"

/* ---- making ---- */

/* Parts that Ruby calls optional, in the forms that are found out. */
#define MAYBE_FRACTION 'f'
#define MAYBE_ZONE     'q'
#define T_OR_BLANK     't' /* T or a blank */

static bool add(struct time_fast *f, uint8_t kind, uint8_t byte)
{
	if (f->n == TIME_FAST_MAX)
		return false;
	f->kind[f->n] = kind;
	f->byte[f->n++] = byte;
	return true;
}

static bool add_all(struct time_fast *f, const char *format)
{
	uint32_t have = 0;
	static const char directives[] = "mdHMSb";
	for (const char *p = format; *p; p++) {
		if (*p != '%') {
			if (!add(f, 0, (uint8_t)*p))
				return false;
			continue;
		}
		p++;
		const char *at = *p ? strchr(directives, *p) : NULL;
		if (!at && (*p == 0 || !strchr("YLNzfqt", *p)))
			return false;
		/* Twice the same: the later one counts, and that is for the general way. */
		if (at && (have & 1u << (at - directives)))
			return false;
		if (at)
			have |= 1u << (at - directives);
		f->has_year = f->has_year || *p == 'Y';
		if (!add(f, (uint8_t)*p, 0))
			return false;
	}
	/* month by number or by name, day, hour, minute, second */
	return (have & 0x1e) == 0x1e && ((have & 1) != (have >> 5 & 1));
}

void time_fast_compile(struct time_fast *f, const char *format)
{
	*f = (struct time_fast){0};
	if (!format)
		format = "%Y-%m-%d%t%H:%M:%S%f%q";
	else if (strcmp(format, "%iso8601") == 0)
		format = "%Y-%m-%dT%H:%M:%S%f%q";
	else if (strstr(format, "%f") || strstr(format, "%q") || strstr(format, "%t"))
		return;
	if (!add_all(f, format))
		f->n = 0;
}

/* ---- reading ---- */

struct reader {
	const uint8_t *p, *end;
	unsigned year, month, day, hour, minute, second;
	uint32_t nsec;
	int32_t offset;
	bool has_zone;
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool take_digits(struct reader *r, unsigned width, unsigned *v)
{
	if ((size_t)(r->end - r->p) < width)
		return false;
	*v = 0;
	for (unsigned i = 0; i < width; i++) {
		if (!is_digit(r->p[i]))
			return false;
		*v = *v * 10 + (r->p[i] - '0');
	}
	r->p += width;
	return true;
}

/* Behind a blank, a day of one digit has another one before it. */
static bool take_day(struct reader *r, bool behind_blank)
{
	if (behind_blank && r->end - r->p >= 2 && r->p[0] == ' ') {
		r->p++;
		return take_digits(r, 1, &r->day);
	}
	return take_digits(r, 2, &r->day);
}

static bool take_month(struct reader *r)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	if (r->end - r->p < 3)
		return false;
	for (size_t i = 0; i < 12; i++)
		if (memcmp(r->p, names + 3 * i, 3) == 0) {
			r->month = (unsigned)i + 1;
			r->p += 3;
			return true;
		}
	return false;
}

static bool take_fraction(struct reader *r)
{
	uint32_t unit = 1000000000;
	r->nsec = 0;
	while (r->p < r->end && is_digit(*r->p)) {
		if (unit == 1)
			return false;
		unit /= 10;
		r->nsec += (uint32_t)(*r->p++ - '0') * unit;
	}
	return unit != 1000000000;
}

/* Z, +HH:MM, +HHMM */
static bool take_zone(struct reader *r, bool colon_needed)
{
	unsigned hours, minutes;
	if (r->p == r->end)
		return false;
	r->has_zone = true;
	uint8_t sign = *r->p++;
	if (sign == 'Z')
		return true;
	if ((sign != '+' && sign != '-') || !take_digits(r, 2, &hours))
		return false;
	bool colon = r->p < r->end && *r->p == ':';
	r->p += colon;
	if ((colon_needed && !colon) || !take_digits(r, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	r->offset = (int32_t)(hours * 3600 + minutes * 60);
	if (sign == '-')
		r->offset = -r->offset;
	return true;
}

static bool take_part(struct reader *r, const struct time_fast *f, size_t i)
{
	switch (f->kind[i]) {
	case 0:
		return r->p < r->end && *r->p++ == f->byte[i];
	case 'Y':
		return take_digits(r, 4, &r->year);
	case 'm':
		return take_digits(r, 2, &r->month);
	case 'b':
		return take_month(r);
	case 'd':
		return take_day(r, i && f->kind[i - 1] == 0 && f->byte[i - 1] == ' ');
	case 'H':
		return take_digits(r, 2, &r->hour);
	case 'M':
		return take_digits(r, 2, &r->minute);
	case 'S':
		return take_digits(r, 2, &r->second);
	case 'L':
	case 'N':
		return take_fraction(r);
	case 'z':
		return take_zone(r, false);
	case T_OR_BLANK:
		return r->p < r->end && (*r->p == 'T' || *r->p == ' ') && r->p++;
	case MAYBE_FRACTION:
		return r->p == r->end || *r->p != '.' || (r->p++, take_fraction(r));
	default: /* MAYBE_ZONE */
		return r->p == r->end || take_zone(r, true);
	}
}

bool time_fast_read(const struct time_fast *f, struct span text, int64_t now_local, struct time_fast_parsed *out)
{
	struct reader r = {.p = text.p, .end = text.p + text.n};
	if (!f->n)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (!take_part(&r, f, i))
			return false;
	if (r.p != r.end || r.month < 1 || r.month > 12 || r.day < 1 || r.day > 31 || r.hour > 23 || r.minute > 59 ||
		r.second > 59)
		return false;
	int64_t year = r.year;
	if (!f->has_year) {
		struct civil now;
		civil_from_seconds(now_local, &now);
		year = now.year;
	}
	out->time.sec = civil_to_seconds(year, r.month, 1, r.hour, r.minute, r.second) + (int64_t)(r.day - 1) * 86400 -
			r.offset;
	out->time.nsec = r.nsec;
	out->has_zone = r.has_zone;
	return true;
}
