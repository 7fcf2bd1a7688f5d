/* retry.h: how long a chunk is tried before it goes to <secondary> or the dead letters, and how often. No state of its own; any thread. */
#ifndef WEIR_RETRY_H
#define WEIR_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_limits {
	bool forever;
	int64_t timeout_ns;
	int64_t max_times;	    /* < 0: no limit */
	double secondary_threshold; /* the part of either limit after which <secondary> is used */
};

/* How long it waits between tries. */
struct retry_waits {
	bool periodic, randomize; /* else growing; else as long as they are */
	int64_t first_ns, max_ns;
	double base;
};

/* After so many failures in a row. */
int64_t retry_wait(const struct retry_waits *w, unsigned failures);
/* While somebody has to mend something. */
int64_t retry_hold(const struct retry_waits *w);

enum retry_verdict {
	RETRY_AGAIN,
	RETRY_SECONDARY, /* <secondary> is to have it */
	RETRY_GIVE_UP,	 /* to the dead letters */
};

/*
 * After a failure: `failures` so far (this one counted), the first of which was elapsed_ns ago. With a secondary, nothing is given up: it is tried until it
 * succeeds.
 */
enum retry_verdict retry_judge(const struct retry_limits *l, bool has_secondary, uint64_t failures, int64_t elapsed_ns);

#endif
