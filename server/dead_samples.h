/*
 * dead_samples.h: the newest dead letter of each kind (plugin and reason), for the status page: what it was, where it should have gone, why not.
 * A bounded copy in memory; the dead letters themselves are in their store (dead_letter.h).
 */
#ifndef WEIR_DEAD_SAMPLES_H
#define WEIR_DEAD_SAMPLES_H

#include "buffer/frame.h"

#define DEAD_SAMPLES_MAX      32u   /* kinds; the one that was seen longest ago makes room */
#define DEAD_SAMPLE_EVENT_MAX 2048u /* bytes of the event that are kept */

struct dead_samples;
struct dead_samples *dead_samples_new(void);
void dead_samples_free(struct dead_samples *s); /* NULL is allowed */

/* A frame of type FRAME_DEAD. Any thread; `s` may be NULL. */
void dead_samples_add(struct dead_samples *s, const struct frame *f);

struct dead_sample {
	uint64_t seen; /* events of this kind since the start */
	int64_t at_ns; /* wall clock */
	char plugin[64], reason[96];
	char tag[256], index[256];
	char text[1024];
	unsigned status; /* HTTP; 0 = none */
	size_t event_len, event_kept;
	uint8_t event[DEAD_SAMPLE_EVENT_MAX]; /* msgpack, cut at event_kept */
};

/* The newest first; `out` has room for DEAD_SAMPLES_MAX. Returns how many. */
size_t dead_samples_get(struct dead_samples *s, struct dead_sample *out);

#endif
