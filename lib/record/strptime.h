/* strptime.h: what strptime.c reads and strptime_date.c makes a time of. Only for these two. */
#ifndef WEIR_RECORD_STRPTIME_H
#define WEIR_RECORD_STRPTIME_H

#include "record/time_format.h"

enum strptime_field {
	FIELD_YEAR,
	FIELD_CENTURY,
	FIELD_MONTH,
	FIELD_DAY,
	FIELD_YDAY,
	FIELD_HOUR,
	FIELD_HALF, /* 0 = am, 12 = pm */
	FIELD_MINUTE,
	FIELD_SECOND,
	FIELD_NSEC, /* may be negative */
	FIELD_WDAY, /* 0 = Sunday */
	FIELD_ISO_YEAR,
	FIELD_ISO_WEEK,
	FIELD_ISO_WDAY,	  /* 7 = Sunday */
	FIELD_SUN_WEEK,	  /* week of the year, the first Sunday begins week 1 */
	FIELD_MON_WEEK,	  /* the same with Mondays */
	FIELD_EPOCH_SEC,  /* since 1970; the fraction goes the same way as its sign */
	FIELD_EPOCH_MSEC, /* the same in milliseconds */
	FIELD_OFFSET,	  /* seconds east of UTC */
	FIELDS
};

struct strptime_fields {
	uint32_t set; /* bits of fields */
	int64_t v[FIELDS];
};

#define FIELD_BIT(f) (1U << (f))

static inline bool field_is_set(const struct strptime_fields *f, enum strptime_field field)
{
	return f->set & FIELD_BIT(field);
}

static inline void field_set(struct strptime_fields *f, enum strptime_field field, int64_t v)
{
	f->set |= FIELD_BIT(field);
	f->v[field] = v;
}

/* Ruby's Time.strptime from its fields on: fills everything of `out` but `used`. */
bool strptime_resolve(
	struct strptime_fields *f, struct event_time now, int32_t default_offset, struct time_parsed *out);

#endif
