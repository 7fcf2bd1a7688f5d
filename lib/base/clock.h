/*
 * clock.h: the time, replaceable in tests. Timers use the monotonic clock only, so that no step of the wall clock makes
 * a storm or a stall. Any thread.
 */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* Nanoseconds since 1970, UTC. */
int64_t clock_wall_ns(void);

/* Nanoseconds since some fixed moment; never goes back. */
int64_t clock_mono_ns(void);

/* Tests only: both clocks answer these from now on; NULL restores the system's. */
void clock_replace(int64_t (*wall)(void), int64_t (*mono)(void));

#endif
