/*
 * time_format.h: times from text and to text by a format, as Ruby's Time.strptime and Time#strftime have them, because that is what
 * `time_format`, `time_key_format` and the placeholders of a fluentd configuration are written for. No locale, no time zone database.
 */
#ifndef WEIR_RECORD_TIME_FORMAT_H
#define WEIR_RECORD_TIME_FORMAT_H

#include "base/buf.h"
#include "record/event.h"

/* ---- from text ---- */

/*
 * A format, compiled for reading. Read-only afterwards; any thread.
 *
 *   %Y %C %y %G %g   year, century, year of it; of ISO weeks       %H %k %I %l %p %P   hour, am/pm
 *   %m %B %b %h      month by number, by name                      %M %S %L %N         minute, second, fraction
 *   %d %e %j         day of month, of year                         %z %:z %::z %Z      zone
 *   %A %a %u %w      day of week (%A and %a are skipped)           %s %Q               seconds, milliseconds since 1970
 *   %V %U %W         week of year                                  %n %t %%            white space, %
 *   %F %T %D %R %r %c %x %X %v %+ as for strftime; white space in the format takes any, also none
 *   %iso8601 (alone) is Time.iso8601: date, T, time, maybe a fraction and a zone, and nothing behind it
 *
 * Beyond Ruby: %3N and %3L (any number of digits from 1 to 9) read as many digits, and the flags - 0 ^ # _ are allowed and mean nothing.
 */
struct time_format;

/* Any text is a format: what is no directive stands for itself. */
struct time_format *time_format_new(const char *format);

/* `f` may be NULL. */
void time_format_free(struct time_format *f);

struct time_parsed {
	struct event_time time;
	bool has_zone;	/* the text told the zone, or seconds since 1970 */
	int32_t offset; /* seconds east of UTC: the text's, or else the default */
	size_t used;	/* bytes of the text; Time.strptime, and so fluentd, ignores the rest */
};

/*
 * Reads `text`. Where it tells no zone, its time is `default_offset` seconds east of UTC. A zone is a number (+09, +0900, +09:00) or one of
 * UTC, UT, GMT, Z, EST, EDT, CST, CDT, MST, MDT, PST, PDT and the letters of the military; other names are read over, as in Ruby.
 *
 * Missing fields: those before the first one that is there come from `now`, those behind it are the smallest ("Aug 7" is this year's
 * August 7th, 00:00:00). A day of the month up to 31 is taken in every month (February 30th is March 2nd), the second 60 is the next
 * minute's first. With ISO weeks (%G, %V or %u without month and day) the time of day is dropped, as Ruby does.
 *
 * For a zone whose offset changes: give 0, and `now` shifted by its offset; unless has_zone, time.sec then are local seconds to be converted.
 * False if the text does not fit the format or is no time.
 */
bool time_format_parse(const struct time_format *f, struct span text, struct event_time now, int32_t default_offset,
	struct time_parsed *out) __attribute__((warn_unused_result));

/* ---- to text ---- */

struct time_zone {
	int32_t offset;	  /* seconds east of UTC */
	const char *name; /* what %Z prints; NULL = nothing */
};
#define TIME_ZONE_UTC ((struct time_zone){.offset = 0, .name = "UTC"})

/*
 * Appends the time, as in that zone. Directives, flags (- 0 ^ # _ :) and widths are those of Time#strftime, and of DateTime's besides
 * these: %Q (milliseconds since 1970) and %+ (as date(1) prints it). What is no directive stands for itself, a width above 1,024
 * makes it none. False if `out` failed.
 */
bool time_format_put(struct buf *out, const char *format, struct event_time t, struct time_zone zone);

#endif
