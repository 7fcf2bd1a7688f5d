/* zone_rule.h: POSIX TZ rules: "EST5EDT,M3.2.0,M11.1.0", "<+0330>-3:30". For zone.c only. */
#ifndef WEIR_RECORD_ZONE_RULE_H
#define WEIR_RECORD_ZONE_RULE_H

#include "base/span.h"

#define ZONE_ABBR_MAX 16

/* The day on which the clock is changed, and when on it. */
struct zone_change {
	char kind; /* 'M': week and weekday of a month; 'J': day of the year from 1, never February 29th; 'D': day from 0 */
	int month, week, wday, day;
	int32_t time; /* seconds after midnight by the clock before the change */
};

struct zone_rule {
	int32_t std, dst; /* seconds east of UTC */
	bool has_dst;
	char std_name[ZONE_ABBR_MAX], dst_name[ZONE_ABBR_MAX];
	struct zone_change start, end; /* of daylight saving time */
};

bool zone_rule_parse(struct zone_rule *r, struct span text) __attribute__((warn_unused_result));
int32_t zone_rule_offset(const struct zone_rule *r, int64_t sec, const char **name);

#endif
