#include "tool_args.h"

#include "base/clock.h"
#include "record/time_guess.h"

#include <stdlib.h>
#include <string.h>

static const struct tool_option *find(const struct tool_option *o, const char *arg, size_t n)
{
	for (; o->name; o++)
		if (strlen(o->name) == n && memcmp(o->name, arg, n) == 0)
			return o;
	return NULL;
}

int tool_args_take(int argc, char **argv, const struct tool_option *options, struct err *err)
{
	int left = 0;
	for (int i = 0; i < argc; i++) {
		if (argv[i][0] != '-' || !argv[i][1]) {
			argv[left++] = argv[i];
			continue;
		}
		size_t n = strcspn(argv[i], "=");
		const struct tool_option *o = find(options, argv[i], n);
		if (!o || (o->flag && argv[i][n])) {
			err_set(err, "unknown option %s", argv[i]);
			return -1;
		}
		if (o->flag) {
			*o->flag = true;
		} else if (argv[i][n]) {
			*o->value = argv[i] + n + 1;
		} else if (i + 1 < argc) {
			*o->value = argv[++i];
		} else {
			err_set(err, "%s wants a value", argv[i]);
			return -1;
		}
	}
	return left;
}

bool tool_args_moment(const char *text, int64_t now_ns, int64_t *ns)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = {1, 60, 3600, 86400};
	char *end;
	long long n = strtoll(text, &end, 10);
	const char *unit = end != text && *end && !end[1] ? strchr(units, *end) : NULL;
	if (unit && n >= 0 && n <= 36500) {
		*ns = now_ns - n * seconds[unit - units] * NS_PER_S;
		return true;
	}
	struct event_time now = {.sec = now_ns / NS_PER_S}, t;
	if (!time_guess(span_str(text), now, zone_local(), &t) || t.sec > INT64_MAX / NS_PER_S - 1 ||
		t.sec < -(INT64_MAX / NS_PER_S - 1))
		return false;
	*ns = t.sec * NS_PER_S + t.nsec;
	return true;
}
