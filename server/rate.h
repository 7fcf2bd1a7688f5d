/* rate.h: how fast a counter grows, smoothed over a few seconds. */
#ifndef WEIR_RATE_H
#define WEIR_RATE_H

#include <stdint.h>

struct rate {
	uint64_t last; /* the counter at the last tick */
	double per_s;
};

/* About once a second. A counter that went back has begun anew. */
static inline void rate_tick(struct rate *r, uint64_t counter, double seconds)
{
	double now = counter >= r->last && seconds > 0 ? (double)(counter - r->last) / seconds : 0;
	r->last = counter;
	r->per_s += (now - r->per_s) * 0.3;
	if (r->per_s < 0.01)
		r->per_s = 0;
}

#endif
