/*
 * time_fast.h: times whose parts have fixed widths, read at sight: 28/Feb/2013:12:00:00 +0900, 2026-08-07T12:34:56.789Z, Feb 28 12:00:00. Before time_format.h and time_guess.h, which
 * decide whatever is not exactly like that. For time_reader.c only.
 */
#ifndef WEIR_PARSE_TIME_FAST_H
#define WEIR_PARSE_TIME_FAST_H

#include "record/event.h"

#define TIME_FAST_MAX 32

struct time_fast {
	uint8_t kind[TIME_FAST_MAX]; /* a directive's letter, or 0 for the literal byte */
	uint8_t byte[TIME_FAST_MAX];
	size_t n; /* 0: this format is never read at sight */
	bool has_year;
};

/* `format` NULL: what time_guess.h finds out. */
void time_fast_compile(struct time_fast *f, const char *format);

struct time_fast_parsed {
	struct event_time time; /* if !has_zone, as if the clock showed UTC */
	bool has_zone;
};

/* False: not of that form, which says nothing. `now_local` completes a missing year: seconds since 1970 as the zone's clock shows them. */
bool time_fast_read(const struct time_fast *f, struct span text, int64_t now_local, struct time_fast_parsed *out);

#endif
