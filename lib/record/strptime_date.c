/*
 * strptime_date.c: the fields that strptime.c read to a time, as Ruby's Time.strptime does it: seconds since 1970 win; dates by weeks go
 * through Date.strptime; everything else is year, month (or day of the year), day and time, completed from the time of now.
 */
#include "record/strptime.h"

#include "base/clock.h"
#include "record/time_text.h"

#define DAY	 86400
#define YEAR_MAX 999999999 /* what is beyond is no time, and would not fit an int64_t in seconds for ever */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
	return civil_to_seconds(year, month, day, 0, 0, 0) / DAY; /* a whole number of days */
}

static struct civil civil_from_days(int64_t days)
{
	struct civil c;
	civil_from_seconds(days * DAY, &c);
	return c;
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool has_all(const struct strptime_fields *f, uint32_t bits)
{
	return (f->set & bits) == bits;
}

/* ---- dates as Date.strptime completes them ---- */

#define Y  FIELD_BIT(FIELD_YEAR)
#define M  FIELD_BIT(FIELD_MONTH)
#define D  FIELD_BIT(FIELD_DAY)
#define YD FIELD_BIT(FIELD_YDAY)
#define WD FIELD_BIT(FIELD_WDAY)
#define IY FIELD_BIT(FIELD_ISO_YEAR)
#define IW FIELD_BIT(FIELD_ISO_WEEK)
#define ID FIELD_BIT(FIELD_ISO_WDAY)
#define SW FIELD_BIT(FIELD_SUN_WEEK)
#define MW FIELD_BIT(FIELD_MON_WEEK)

static void default_to(struct strptime_fields *f, enum strptime_field field, int64_t v)
{
	if (!field_is_set(f, field))
		field_set(f, field, v);
}

static void complete_civil(struct strptime_fields *f, const struct civil *today)
{
	if (!(f->set & Y)) {
		field_set(f, FIELD_YEAR, today->year);
		if (!(f->set & M))
			field_set(f, FIELD_MONTH, today->month);
	}
	default_to(f, FIELD_MONTH, 1);
	default_to(f, FIELD_DAY, 1);
}

static void complete_iso_week(struct strptime_fields *f, const struct civil *today)
{
	const int64_t day = days_from_civil(today->year, today->month, today->day);
	const struct civil thursday = civil_from_days(
		day - (today->wday + 6) % 7 + 3); /* it says what year the week is of */
	if (!(f->set & IY)) {
		field_set(f, FIELD_ISO_YEAR, thursday.year);
		if (!(f->set & IW))
			field_set(f, FIELD_ISO_WEEK, (thursday.yday - 1) / 7 + 1);
	}
	default_to(f, FIELD_ISO_WEEK, 1);
	default_to(f, FIELD_ISO_WDAY, 1);
}

static void complete_week(
	struct strptime_fields *f, const struct civil *today, enum strptime_field week, int64_t first_wday)
{
	default_to(f, FIELD_YEAR, today->year);
	default_to(f, week, 0);
	default_to(f, FIELD_WDAY, first_wday);
}

/*
 * Fills what is missing of the kind of date that most fields are there of; of several such kinds, of the first. (A day of the week alone
 * never gets here.)
 */
static void complete(struct strptime_fields *f, const struct civil *today)
{
	enum kind { NOTHING, ORDINAL, CIVIL, ISO_WEEK, SUN_WEEK, MON_WEEK };
	static const struct {
		enum kind kind;
		uint32_t fields;
	} kinds[] = {{NOTHING, 0}, {ORDINAL, Y | YD}, {CIVIL, Y | M | D}, {ISO_WEEK, IY | IW | ID},
		{SUN_WEEK, Y | SW | WD}, {MON_WEEK, Y | MW | WD}, {NOTHING, IY | IW | WD}, {NOTHING, Y | SW | ID},
		{NOTHING, Y | MW | ID}};
	size_t best = 0;
	for (size_t i = 1; i < sizeof kinds / sizeof *kinds; i++)
		if (__builtin_popcount(f->set & kinds[i].fields) > __builtin_popcount(f->set & kinds[best].fields))
			best = i;
	switch (kinds[best].kind) {
	case NOTHING:
		break;
	case ORDINAL:
		default_to(f, FIELD_YEAR, today->year);
		default_to(f, FIELD_YDAY, 1);
		break;
	case CIVIL:
		complete_civil(f, today);
		break;
	case ISO_WEEK:
		complete_iso_week(f, today);
		break;
	case SUN_WEEK:
		complete_week(f, today, FIELD_SUN_WEEK, 0);
		break;
	case MON_WEEK:
		complete_week(f, today, FIELD_MON_WEEK, 1);
		break;
	}
}

/* The days of ISO year, week and day of the week; false if the year has no such week. */
static bool from_iso_week(int64_t year, int64_t week, int64_t wday, int64_t *days)
{
	const int64_t jan4 = days_from_civil(year, 1, 4); /* is always in week 1 */
	const int64_t monday = jan4 - (civil_from_days(jan4).wday + 6) % 7 + (week - 1) * 7;
	*days = monday + wday - 1;
	return civil_from_days(monday + 3).year == year;
}

/* The days of a week that is counted from the first `first` (0 = Sunday, 1 = Monday); false if it is in another year. */
static bool from_week(int64_t year, int64_t week, int64_t wday, unsigned first, int64_t *days)
{
	const int64_t jan1 = days_from_civil(year, 1, 1);
	const int64_t week1 = jan1 + (7 + first - civil_from_days(jan1).wday) % 7;
	*days = week1 + (week - 1) * 7 + (wday + 7 - first) % 7;
	return civil_from_days(*days).year == year;
}

static bool days_in_month_ok(int64_t year, unsigned month, unsigned day)
{
	return civil_from_days(days_from_civil(year, month, day)).month == month;
}

static bool date_by_weeks(struct strptime_fields *f, const struct civil *today, int64_t *days)
{
	complete(f, today);
	const int64_t *v = f->v;
	const int64_t wday = f->set & WD ? v[FIELD_WDAY] : v[FIELD_ISO_WDAY] % 7;
	const bool any_wday = f->set & (WD | ID);
	if (has_all(f, Y | YD) && v[FIELD_YDAY] <= 365 + is_leap(v[FIELD_YEAR])) {
		*days = days_from_civil(v[FIELD_YEAR], 1, 1) + v[FIELD_YDAY] - 1;
		return true;
	}
	if (has_all(f, Y | M | D) &&
		days_in_month_ok(v[FIELD_YEAR], (unsigned)v[FIELD_MONTH], (unsigned)v[FIELD_DAY])) {
		*days = days_from_civil(v[FIELD_YEAR], (unsigned)v[FIELD_MONTH], (unsigned)v[FIELD_DAY]);
		return true;
	}
	if (has_all(f, IY | IW) && any_wday) {
		const int64_t iso_wday = f->set & ID ? v[FIELD_ISO_WDAY] : v[FIELD_WDAY] ? v[FIELD_WDAY] : 7;
		if (from_iso_week(v[FIELD_ISO_YEAR], v[FIELD_ISO_WEEK], iso_wday, days))
			return true;
	}
	if (has_all(f, Y | SW) && any_wday && from_week(v[FIELD_YEAR], v[FIELD_SUN_WEEK], wday, 0, days))
		return true;
	return has_all(f, Y | MW) && any_wday && from_week(v[FIELD_YEAR], v[FIELD_MON_WEEK], wday, 1, days);
}

/* ---- times ---- */

static bool from_epoch(const struct strptime_fields *f, struct time_parsed *out)
{
	const bool msec = field_is_set(f, FIELD_EPOCH_MSEC);
	const int64_t v = f->v[msec ? FIELD_EPOCH_MSEC : FIELD_EPOCH_SEC];
	const int64_t fraction = field_is_set(f, FIELD_NSEC) ? f->v[FIELD_NSEC] : 0;
	const int64_t sec = msec ? floor_div(v, 1000) : v;
	const int64_t nsec = (msec ? (v - sec * 1000) * NS_PER_MS : 0) + (v < 0 ? -fraction : fraction);
	const int64_t carry = floor_div(nsec, NS_PER_S);
	out->has_zone = true;
	out->time.nsec = (uint32_t)(nsec - carry * NS_PER_S);
	return !__builtin_add_overflow(sec, carry, &out->time.sec);
}

/* The fields before the first one that is there come from `now`, those behind it are the smallest. */
static void fill_from_now(struct strptime_fields *f, const struct civil *now)
{
	const struct {
		enum strptime_field field;
		int64_t now, least;
	} order[] = {
		{FIELD_YEAR, now->year, 1970},
		{FIELD_MONTH, now->month, 1},
		{FIELD_DAY, now->day, 1},
		{FIELD_HOUR, now->hour, 0},
		{FIELD_MINUTE, now->minute, 0},
		{FIELD_SECOND, now->second, 0},
	};
	bool before = true;
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		before = before && !field_is_set(f, order[i].field);
		default_to(f, order[i].field, before ? order[i].now : order[i].least);
	}
}

/* A day of the year becomes month and day; false if the year is too short. */
static bool apply_yday(struct strptime_fields *f, const struct civil *now)
{
	default_to(f, FIELD_YEAR, now->year);
	const int64_t year = f->v[FIELD_YEAR];
	if (f->v[FIELD_YDAY] > 365 + is_leap(year))
		return false;
	const struct civil c = civil_from_days(days_from_civil(year, 1, 1) + f->v[FIELD_YDAY] - 1);
	field_set(f, FIELD_MONTH, c.month);
	field_set(f, FIELD_DAY, c.day);
	return true;
}

static bool from_clock(struct strptime_fields *f, const struct civil *now, struct time_parsed *out)
{
	const uint32_t any = Y | YD | M | D | FIELD_BIT(FIELD_HOUR) | FIELD_BIT(FIELD_MINUTE) |
			     FIELD_BIT(FIELD_SECOND) | FIELD_BIT(FIELD_NSEC);
	const int64_t *v = f->v;
	if (!(f->set & any) || (field_is_set(f, FIELD_YDAY) && !apply_yday(f, now)))
		return false;
	fill_from_now(f, now);
	if (v[FIELD_HOUR] == 24 && (v[FIELD_MINUTE] || v[FIELD_SECOND]))
		return false;
	if (field_is_set(f, FIELD_NSEC) && v[FIELD_NSEC] < 0)
		return false;
	out->has_zone = field_is_set(f, FIELD_OFFSET);
	out->time.nsec = field_is_set(f, FIELD_NSEC) ? (uint32_t)v[FIELD_NSEC] : 0;
	out->time.sec = days_from_civil(v[FIELD_YEAR], (unsigned)v[FIELD_MONTH], (unsigned)v[FIELD_DAY]) * DAY +
			v[FIELD_HOUR] * 3600 + v[FIELD_MINUTE] * 60 + v[FIELD_SECOND] - out->offset;
	return true;
}

/* %C with %y or %g (also with %Y, where Ruby adds it as well), %p with the hour. */
static bool join_parts(struct strptime_fields *f)
{
	static const enum strptime_field years[] = {FIELD_YEAR, FIELD_ISO_YEAR};
	for (size_t i = 0; i < 2; i++) {
		int64_t *year = &f->v[years[i]];
		if (!field_is_set(f, years[i]))
			continue;
		if (*year < -YEAR_MAX || *year > YEAR_MAX)
			return false;
		if (field_is_set(f, FIELD_CENTURY)) {
			if (f->v[FIELD_CENTURY] > YEAR_MAX / 100)
				return false;
			*year += f->v[FIELD_CENTURY] * 100;
		}
	}
	if (field_is_set(f, FIELD_HALF) && field_is_set(f, FIELD_HOUR))
		f->v[FIELD_HOUR] = f->v[FIELD_HOUR] % 12 + f->v[FIELD_HALF];
	return true;
}

bool strptime_resolve(struct strptime_fields *f, struct event_time now, int32_t default_offset, struct time_parsed *out)
{
	struct civil today, at_zone;
	int64_t days;
	if (field_is_set(f, FIELD_OFFSET)) {
		if (f->v[FIELD_OFFSET] <= -DAY || f->v[FIELD_OFFSET] >= DAY)
			return false;
		out->offset = (int32_t)f->v[FIELD_OFFSET];
	}
	if (f->set & (FIELD_BIT(FIELD_EPOCH_SEC) | FIELD_BIT(FIELD_EPOCH_MSEC)))
		return from_epoch(f, out);
	if (!join_parts(f))
		return false;
	civil_from_seconds(now.sec + default_offset, &today);
	civil_from_seconds(now.sec + out->offset, &at_zone);
	if (((f->set & IY) && !(f->set & Y)) || ((f->set & (ID | IW)) && !has_all(f, M | D))) {
		if (!date_by_weeks(f, &today, &days))
			return false;
		out->offset = default_offset; /* local midnight, whatever zone was in the text */
		out->time = (struct event_time){.sec = days * DAY - default_offset};
		return true;
	}
	if ((f->set & (SW | MW)) && !(f->set & YD) && !has_all(f, M | D)) {
		struct strptime_fields date = *f;
		if (!date_by_weeks(&date, &today, &days))
			return false;
		field_set(f, FIELD_YDAY, civil_from_days(days).yday);
	}
	return from_clock(f, &at_zone, out);
}
