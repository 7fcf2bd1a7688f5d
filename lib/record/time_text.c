#include "record/time_text.h"

#include "base/bytes.h"
#include "record/json_number.h"

#define SECONDS_PER_DAY	  INT64_C(86400)
#define DAYS_PER_ERA	  INT64_C(146097) /* 400 years */
#define DAYS_BEFORE_EPOCH INT64_C(719468) /* from March 1st of year 0 to 1970 */

/* 0000-01-01T00:00:00 and 9999-12-31T23:59:59: what four digits can say. */
#define SEC_MIN INT64_C(-62167219200)
#define SEC_MAX INT64_C(253402300799)

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/*
 * Years are counted from March, so that the leap day is the last of its year and the months before it have a regular
 * length: the month m (0 = March) begins on day (153 m + 2) / 5.
 */
void civil_from_seconds(int64_t sec, struct civil *c)
{
	const int64_t days = floor_div(sec, SECONDS_PER_DAY);
	const unsigned rest = (unsigned)(sec - days * SECONDS_PER_DAY);
	const int64_t shifted = days + DAYS_BEFORE_EPOCH;
	const int64_t era = floor_div(shifted, DAYS_PER_ERA);
	const unsigned day_of_era = (unsigned)(shifted - era * DAYS_PER_ERA);
	const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const unsigned m = (5 * day_of_year + 2) / 153;
	c->day = day_of_year - (153 * m + 2) / 5 + 1;
	c->month = m < 10 ? m + 3 : m - 9;
	c->year = era * 400 + year_of_era + (m >= 10);
	c->hour = rest / 3600;
	c->minute = rest / 60 % 60;
	c->second = rest % 60;
	c->wday = (unsigned)((days % 7 + 11) % 7); /* 1970-01-01 was a Thursday */
	const bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
	c->yday = m < 10 ? day_of_year + 60 + leap : day_of_year - 305;
}

int64_t civil_to_seconds(int64_t year, unsigned month, unsigned day, unsigned hour, unsigned minute, unsigned second)
{
	const int64_t y = year - (month <= 2);
	const int64_t era = floor_div(y, 400);
	const int64_t year_of_era = y - era * 400;
	const int64_t m = month > 2 ? month - 3 : month + 9;
	const int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
	const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	const int64_t days = era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_EPOCH;
	return days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
}

static void put_two(char *p, unsigned v)
{
	p[0] = (char)('0' + v / 10);
	p[1] = (char)('0' + v % 10);
}

static void fill_cache(struct time_text *cache, int64_t sec)
{
	struct civil c;
	civil_from_seconds(sec < SEC_MIN ? SEC_MIN : sec > SEC_MAX ? SEC_MAX : sec, &c);
	put_two(cache->text, (unsigned)c.year / 100);
	put_two(cache->text + 2, (unsigned)c.year % 100);
	cache->text[4] = '-';
	put_two(cache->text + 5, c.month);
	cache->text[7] = '-';
	put_two(cache->text + 8, c.day);
	cache->text[10] = 'T';
	put_two(cache->text + 11, c.hour);
	cache->text[13] = ':';
	put_two(cache->text + 14, c.minute);
	cache->text[16] = ':';
	put_two(cache->text + 17, c.second);
	cache->text[19] = '.';
	cache->sec = sec;
	cache->set = true;
}

size_t time_text_put(struct time_text *cache, struct event_time t, unsigned digits, char *out)
{
	if (!cache->set || cache->sec != t.sec)
		fill_cache(cache, t.sec);
	/*
	 * All of the cache's 24 bytes, and all of the fraction: stores of a fixed size; what is too much is written
	 * over.
	 */
	memcpy(out, cache->text, sizeof cache->text);
	le64_put(out + 20, json_eight_digits(t.nsec / 10));
	out[28] = (char)('0' + t.nsec % 10);
	size_t n = digits == 0 ? 19 : 20 + (digits < 9 ? digits : 9);
	out[n] = 'Z';
	return n + 1;
}

#define EXT_EVENT_TIME 0
#define EXT_TIMESTAMP  (-1)
#define EXT_GO_TIME    5

bool time_text_from_ext(int type, struct span body, struct event_time *t)
{
	const uint8_t *p = body.p;
	int64_t sec;
	uint32_t nsec = 0;
	if (type == EXT_EVENT_TIME && body.n == 8) {
		sec = be32_get(p);
		nsec = be32_get(p + 4);
	} else if (type == EXT_TIMESTAMP && body.n == 4) {
		sec = be32_get(p);
	} else if (type == EXT_TIMESTAMP && body.n == 8) {
		sec = (int64_t)(be64_get(p) & UINT64_C(0x3ffffffff));
		nsec = (uint32_t)(be64_get(p) >> 34);
	} else if (type == EXT_TIMESTAMP && body.n == 12) {
		nsec = be32_get(p);
		sec = (int64_t)be64_get(p + 4);
	} else if (type == EXT_GO_TIME && body.n == 12) {
		sec = (int64_t)be64_get(p);
		nsec = be32_get(p + 8);
	} else {
		return false;
	}
	const int64_t carry = nsec / 1000000000;
	*t = (struct event_time){sec > INT64_MAX - carry ? INT64_MAX : sec + carry, nsec % 1000000000};
	return true;
}
