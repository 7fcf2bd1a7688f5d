/*
 * zone.h: time zones by offset (+09:00) and by name (Asia/Tokyo, read from the system's time zone database, RFC 8536), and the zone of the machine.
 *
 * A zone lives as long as the process and is read-only: any thread. A name is a path below the database's folder and never leaves it.
 */
#ifndef WEIR_RECORD_ZONE_H
#define WEIR_RECORD_ZONE_H

#include "base/err.h"
#include "base/span.h"

struct zone;

/*
 * What fluentd takes as `timezone`: +HH:MM, +HHMM, +HH (also with -), Region/Zone, Region/Zone/Zone. NULL: no such zone, or it cannot be read.
 */
const struct zone *zone_find(const char *name, struct err *err);

/* The machine's: TZ, else /etc/localtime, else UTC. */
const struct zone *zone_local(void);

const struct zone *zone_utc(void);

/* Seconds east of UTC at that time (seconds since 1970). *name (may be NULL) is what %Z prints, NULL if the zone is a mere offset. */
int32_t zone_offset(const struct zone *z, int64_t sec, const char **name);

/*
 * Seconds since 1970 of a clock that shows `local` (seconds as if it were UTC). A time that the clock shows twice is the second of the two, one that it never shows is
 * taken as before the change, as Ruby's Time.local does on Linux.
 */
int64_t zone_to_utc(const struct zone *z, int64_t local);

/* A POSIX TZ rule ("CET-1CEST,M3.5.0,M10.5.0/3"), for tests and the database's footers. NULL if it is none. The caller frees it with zone_free. */
struct zone *zone_from_rule(struct span rule);
/* The content of a TZif file; NULL if it is none. */
struct zone *zone_from_tzif(struct span file);
void zone_free(struct zone *z); /* only those two's; NULL is allowed */

#endif
