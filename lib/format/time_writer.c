#include "format/time_writer.h"

#include "record/time_format.h"

bool time_writer_init(struct time_writer *w, const char *format, bool localtime, const char *timezone, struct err *err)
{
	*w = (struct time_writer){.format = format, .utc = !timezone && !localtime};
	w->zone = timezone ? zone_find(timezone, err) : localtime ? zone_local() : zone_utc();
	return w->zone != NULL;
}

bool time_writer_put(const struct time_writer *w, struct event_time t, struct buf *out)
{
	struct time_zone zone = {0};
	const char *format = w->format;
	zone.offset = zone_offset(w->zone, t.sec, &zone.name);
	if (!format)
		format = w->utc ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%dT%H:%M:%S%:z";
	return time_format_put(out, format, t, zone);
}
