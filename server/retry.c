#include "retry.h"

enum retry_verdict retry_judge(const struct retry_limits *l, bool has_secondary, uint64_t failures, int64_t elapsed_ns)
{
	double part = has_secondary ? l->secondary_threshold : 1;
	if (l->forever)
		return RETRY_AGAIN;
	/* retry_max_times counts tries after the first one. */
	bool often = l->max_times >= 0 && (double)failures > (double)l->max_times * part;
	bool long_ago = elapsed_ns >= 0 && (double)elapsed_ns >= (double)l->timeout_ns * part;
	if (!often && !long_ago)
		return RETRY_AGAIN;
	return has_secondary ? RETRY_SECONDARY : RETRY_GIVE_UP;
}
