/*
 * time_writer.h: times to text as fluentd's time parameters say it: time_format (not set: ISO 8601 without a fraction), localtime, utc, timezone. Read-only; any thread.
 */
#ifndef WEIR_FORMAT_TIME_WRITER_H
#define WEIR_FORMAT_TIME_WRITER_H

#include "base/buf.h"
#include "base/err.h"
#include "record/event.h"
#include "record/zone.h"

struct time_writer {
	const char *format; /* NULL: ISO 8601 */
	const struct zone *zone;
	bool utc; /* "Z" instead of "+00:00" */
};

/* `format` must live as long as the writer. `localtime` is what is left of localtime and utc. */
bool time_writer_init(struct time_writer *w, const char *format, bool localtime, const char *timezone, struct err *err);
bool time_writer_put(const struct time_writer *w, struct event_time t, struct buf *out);

#endif
