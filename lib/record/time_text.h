/*
 * time_text.h: times to text by integer arithmetic: no locale, no time zone database, no limits of gmtime.
 */
#ifndef WEIR_RECORD_TIME_TEXT_H
#define WEIR_RECORD_TIME_TEXT_H

#include "record/event.h"

struct civil {
	int64_t year;
	unsigned month, day, hour, minute, second; /* month and day from 1 */
	unsigned yday;				   /* day of the year from 1 */
	unsigned wday;				   /* 0 = Sunday */
};
/* Proleptic Gregorian calendar, no leap seconds. */
void civil_from_seconds(int64_t sec, struct civil *c);
int64_t civil_to_seconds(int64_t year, unsigned month, unsigned day, unsigned hour, unsigned minute, unsigned second);

/* Remembers the last second's text, so that times close together cost a few stores. One thread's. Zero-initialised. */
struct time_text {
	int64_t sec;
	bool set;
	char text[24];
};

/*
 * Writes 2026-08-01T12:00:00.123456789Z with `digits` (0-9) of fraction (none for 0), at most TIME_TEXT_MAX bytes, no
 * 0 byte; returns the length. Years outside 0-9999 are clamped to them.
 */
#define TIME_TEXT_MAX 32
size_t time_text_put(struct time_text *cache, struct event_time t, unsigned digits, char *out);

/*
 * The time in a msgpack ext that stands for one inside a record: type 0 of 8 bytes (EventTime), -1 (msgpack's own,
 * all three lengths), 5 of 12 bytes (int64 seconds and int32 nanoseconds, as github.com/tinylib/msgp writes them:
 * Istio Mixer). False for any other.
 */
bool time_text_from_ext(int type, struct span body, struct event_time *t);

#endif
