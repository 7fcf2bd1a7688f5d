/*
 * taps.h: looking at events as they pass (`weir tail`). A tap has a pattern for tags and a small room; what does not fit into it until it is
 * emptied, or comes while somebody else is at it, is counted and not shown: a look never slows events down.
 */
#ifndef WEIR_TAPS_H
#define WEIR_TAPS_H

#include "base/buf.h"
#include "base/err.h"

#include <stdatomic.h>

#define TAPS_MAX 8u

struct taps;
struct tap;

struct taps *taps_new(void);
void taps_free(struct taps *t); /* NULL is allowed; frees the taps that are left */

/* How many are open: what is done for each batch when nobody looks. */
_Atomic unsigned *taps_open_count(struct taps *t);

/*
 * Shows events to the taps. `output` is the @id of the output that they are given to, NULL where they come from their source. Any thread; never waits.
 */
void taps_show(struct taps *t, const char *output, struct span tag, struct span entries, uint32_t count);

/* Events of tags that match `pattern` (fluentd's, "" = all), as they come, or as `output` (NULL = none) gets them. NULL: err. */
struct tap *tap_open(struct taps *t, const char *pattern, const char *output, struct err *err);
void tap_close(struct tap *p); /* NULL is allowed */

/*
 * Moves what was shown since the last call to `out`, as lines of JSON: {"tag":"app","time":"2026-08-01T12:00:00.000000000Z","record":{...}}. Returns how many
 * events were not kept in that time.
 */
uint64_t tap_take(struct tap *p, struct buf *out);

#endif
