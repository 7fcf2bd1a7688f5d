/* Times without a format in a zone that is not UTC. (Many more forms, as Ruby reads them, are in test/vectors/parsers.json.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/time_guess.h"

static const struct event_time now = {1795400000, 5}; /* 2026-11-22 21:13:20 in New York */

static const struct {
	const char *text;
	int64_t sec; /* 0: no time */
	uint32_t nsec;
} cases[] = {
	{"2026-08-07 12:00:00", 1786118400, 0},
	{"2026-08-07 12:00:00.25", 1786118400, 250000000},
	{"2026-08-07T12:00:00Z", 1786104000, 0},
	{"2026-08-07 12:00:00 +0900", 1786071600, 0},
	{"2026-01-07 12:00:00 EST", 1767805200, 0},
	{"Fri, 07 Aug 2026 12:00:00 GMT", 1786104000, 0},
	{"Aug  7 12:00:00", 1786118400, 0},
	{"07/08/2026 12:00", 1786118400, 0},
	{"12:00", 1795366800, 0}, /* today there */
	{"2026-08-07", 1786075200, 0},
	{"2026-11-01 01:30:00", 1793514600, 0}, /* the second one */
	{"2026-03-08 02:30:00", 1772955000, 0}, /* never shown */
	{"", 0, 0},
	{"nonsense", 0, 0},
	{"2026-13-01", 0, 0},
	{"2026-08-07 25:00:00", 0, 0},
	{"2026-08-07 12:61:00", 0, 0},
	{"99999999999999999999999999999999", 0, 0},
};

static void in_new_york(void **state)
{
	struct zone *z = zone_from_rule(SPAN_LIT("EST5EDT,M3.2.0,M11.1.0"));
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct event_time t = {0};
		bool ok = time_guess(span_str(cases[i].text), now, z, &t);
		if (ok != (cases[i].sec != 0) || (ok && (t.sec != cases[i].sec || t.nsec != cases[i].nsec)))
			fail_msg("%s: %d %lld.%u", cases[i].text, ok, (long long)t.sec, t.nsec);
	}
	zone_free(z);
}

static void long_texts_are_none(void **state)
{
	char text[200] = "2026-08-07 12:00:00";
	struct event_time t;
	(void)state;
	memset(text + 19, ' ', sizeof text - 19);
	assert_true(time_guess(span_of(text, 128), now, zone_utc(), &t));
	assert_false(time_guess(span_of(text, 129), now, zone_utc(), &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(in_new_york), cmocka_unit_test(long_texts_are_none)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
