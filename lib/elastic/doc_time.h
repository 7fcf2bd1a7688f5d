/*
 * doc_time.h: the time that a record's own field tells: @timestamp, or what time_key names. Any thread.
 */
#ifndef WEIR_ELASTIC_DOC_TIME_H
#define WEIR_ELASTIC_DOC_TIME_H

#include "record/event.h"
#include "record/time_format.h"

/*
 * Reads the msgpack object `value`. With a `format` strings and numbers (as text) must fit it; text without a zone is
 * UTC, and what the format leaves out comes from `event`, the event's time. Without one:
 *
 *   strings   ISO 8601: 2001-02-03T04:05:06.789Z, also with a blank in place of the T, a comma before the fraction, no
 *             seconds, no time, a zone as +09, +0900, +09:00, UTC or GMT (also after a blank) or none (UTC), or without
 *             - and :
 *   numbers   seconds since 1970; from 10^11 on milliseconds, from 10^14 microseconds, from 10^17 nanoseconds; also as
 *             a string
 *   ext       0 (EventTime), -1 (msgpack's timestamp), 5 of 12 bytes (Go's msgp)
 *
 * False if it is none of these.
 */
bool doc_time_read(struct span value, const struct time_format *format, struct event_time event, struct event_time *t);

#endif
