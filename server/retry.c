#include "retry.h"

#include "base/clock.h"

#include <math.h>
#include <sys/random.h>

#define HOLD_NS	    (30 * NS_PER_S)
#define WAIT_MIN_NS (50 * NS_PER_MS)

static int64_t random_below(int64_t n)
{
	uint64_t r;
	if (n <= 0 || getrandom(&r, sizeof r, 0) != sizeof r)
		return n / 2;
	return (int64_t)(r % (uint64_t)n);
}

/* Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
int64_t retry_wait(const struct retry_waits *w, unsigned failures)
{
	double wait = (double)w->first_ns;
	if (!w->periodic && failures > 1)
		wait *= pow(w->base, failures - 1 > 64 ? 64 : failures - 1);
	int64_t ns = wait > (double)w->max_ns ? w->max_ns : (int64_t)wait;
	if (w->randomize)
		ns = random_below(ns);
	return ns < WAIT_MIN_NS ? WAIT_MIN_NS : ns;
}

int64_t retry_hold(const struct retry_waits *w)
{
	return w->max_ns < HOLD_NS ? w->max_ns : HOLD_NS;
}

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
