/*
 * time_reader.h: the time in a record as fluentd's time parameters say it: time_type, time_format, time_format_fallbacks, localtime, utc, timezone.
 *
 * Read-only after time_reader_new; any thread.
 */
#ifndef WEIR_PARSE_TIME_READER_H
#define WEIR_PARSE_TIME_READER_H

#include "base/err.h"
#include "record/event.h"

enum time_type { TIME_TYPE_STRING, TIME_TYPE_UNIXTIME, TIME_TYPE_FLOAT, TIME_TYPE_MIXED };

struct time_reader_conf {
	enum time_type type;
	const char *format; /* NULL: time_guess.h; "%iso8601" */
	const char *const
		*fallbacks;   /* TIME_TYPE_MIXED: further formats, "unixtime", "float"; NULL-terminated, or NULL */
	bool localtime, utc;  /* of times without a zone: the machine's zone unless !localtime or utc */
	const char *timezone; /* zone.h; NULL = none */
};

struct time_reader;

struct time_reader *time_reader_new(const struct time_reader_conf *c, struct err *err);
void time_reader_free(struct time_reader *r); /* NULL is allowed */

/* False: not a time of that kind. `now` completes texts without a year or a day. */
bool time_reader_text(const struct time_reader *r, struct span text, struct event_time now, struct event_time *out)
	__attribute__((warn_unused_result));

/* The same for a msgpack object; other types than text and numbers are no times. */
bool time_reader_value(const struct time_reader *r, struct span value, struct event_time now, struct event_time *out)
	__attribute__((warn_unused_result));

#endif
