/*
 * posted_source.h: how other threads of weir give events to a source of a worker's: they post them, and the worker hands them on, in the order of their coming. What waits is
 * bounded: what finds no room, and what nobody takes any more, is counted as refused.
 *
 *     posted_source_start ─ posted_source_post (any thread) ... ─ nobody posts any more ─ posted_source_end
 */
#ifndef WEIR_POSTED_SOURCE_H
#define WEIR_POSTED_SOURCE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct source;
struct worker;
struct posted_source;

struct posted_source *posted_source_new(struct source *source);
void posted_source_free(struct posted_source *p); /* not between start and end; NULL is allowed */

/* Not in a worker's thread. */
void posted_source_start(struct posted_source *p, struct worker *w);

/* Gives up what waits. Not in a worker's thread; does nothing if it has not been started. */
void posted_source_end(struct posted_source *p);

bool posted_source_is_started(const struct posted_source *p);

/* Takes the entries (msgpack, one behind the other); one that has failed is refused. The tag has to live as long as the source. Any thread; never waits. */
void posted_source_post(struct posted_source *p, struct span tag, struct buf *take_entries, uint32_t events);

/* Whether something waits. Any thread. */
bool posted_source_is_busy(struct posted_source *p);

/* Whether the calling thread hands events of this source on at this moment: whatever it does is because of them. */
bool posted_source_is_here(const struct posted_source *p);

#endif
