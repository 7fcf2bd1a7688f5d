/*
 * die_at.h: weir kills itself at a named durable step, so that tests of the whole program can ask for each.
 *
 *     WEIR_DIE_AT=group-synced:3 weir -c weir.conf      SIGKILL when it comes to that step for the third time
 *     WEIR_DIE_AT=frame-read:3:abort weir ...           abort() instead: a crash in the thread that does the step
 *
 * The steps are those below and the buffer's own (buffer/crash_point.h). Without the variable a step costs a look at a pointer that is NULL.
 */
#ifndef WEIR_DIE_AT_H
#define WEIR_DIE_AT_H

#include "buffer/crash_point.h"

#include <stdbool.h>

#define DIE_POINTS(X)                         \
	X(ACK_OWED, "ack-owed")               \
	X(FRAME_READ, "frame-read")           \
	X(BULK_ANSWERED, "bulk-answered")     \
	X(BULK_CONCLUDED, "bulk-concluded")   \
	X(CHUNK_DELIVERED, "chunk-delivered") \
	X(HELD_DURABLE, "held-durable")       \
	X(HELD_TOLD, "held-told")             \
	X(TAIL_PLANNED, "tail-planned")       \
	X(TAIL_STORED, "tail-stored")         \
	X(TAIL_TOLD, "tail-told")

enum die_point {
#define X(id, name) DIE_##id,
	DIE_POINTS(X)
#undef X
		DIE_COUNT
};

extern const char *const die_point_names[DIE_COUNT];

/* Before there are threads. A value that names no step is an error that is told. */
bool die_at_from_env(void);

static inline void die_point(enum die_point p)
{
	if (__builtin_expect(buffer_crash_point != NULL, 0))
		buffer_crash_point(die_point_names[p]);
}

#endif
