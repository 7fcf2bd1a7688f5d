/*
 * time_guess.h: a time from text whose format nobody told, as Ruby's Time.parse finds it, because that is what fluentd does for a `time` field without
 * time_format: ISO 8601, RFC 2822, ctime, "Aug  7 12:00:00", "2026/08/07 12:00:00", "7 Aug 2026", "20260807T120000Z" and the like.
 *
 * Not read, though Ruby does: dates by weeks, Japanese eras, years before Christ, times as "10h30m".
 */
#ifndef WEIR_RECORD_TIME_GUESS_H
#define WEIR_RECORD_TIME_GUESS_H

#include "record/event.h"
#include "record/zone.h"

/*
 * Texts above 128 bytes are no times, as in Ruby. Where the text tells no zone its time is in `zone`; missing fields are completed as time_format_parse does it. Any
 * thread.
 */
bool time_guess(struct span text, struct event_time now, const struct zone *zone, struct event_time *out)
	__attribute__((warn_unused_result));

#endif
