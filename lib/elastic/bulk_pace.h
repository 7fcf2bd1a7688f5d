/*
 * bulk_pace.h: how many requests an output may have under way. Halved when the server says that it is too busy, one
 * more after a row of good answers (additive increase, multiplicative decrease; RFC 5681 has the idea).
 */
#ifndef WEIR_ELASTIC_BULK_PACE_H
#define WEIR_ELASTIC_BULK_PACE_H

#include <stdint.h>

struct bulk_pace;

struct bulk_pace *bulk_pace_new(unsigned most); /* at least 1; begins there */
void bulk_pace_free(struct bulk_pace *p);	/* NULL is allowed */

enum bulk_word {
	BULK_WORD_GOOD,
	BULK_WORD_BUSY, /* a 429, for the whole or for some items, or a time-out */
	BULK_WORD_NONE, /* says nothing about the server's load */
};

/*
 * Any thread. Around each request: enter waits until fewer than the limit are under way; what it returns goes to leave,
 * so that requests that fail together halve the limit once.
 */
uint64_t bulk_pace_enter(struct bulk_pace *p);
void bulk_pace_leave(struct bulk_pace *p, uint64_t entered, enum bulk_word word);

unsigned bulk_pace_limit(struct bulk_pace *p);

#endif
