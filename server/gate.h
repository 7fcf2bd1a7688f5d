/*
 * gate.h: what all flush threads of an output pass before they take a chunk. Open while the destination works; shut after a failure of all of it: then one
 * thread at a time tries, not before the next try is due, and the others wait. Any thread.
 */
#ifndef WEIR_GATE_H
#define WEIR_GATE_H

#include "plugin.h"
#include "retry.h"

struct gate;

struct gate *gate_new(const char *id, const struct retry_waits *waits); /* both live longer */
void gate_free(struct gate *g);						/* NULL is allowed */

/* Waits until this thread may try. True: it is the one that tries while the gate is shut; one of open, shut and leave must follow. */
bool gate_pass(struct gate *g);
/* The gate may have shut while this thread waited for a chunk behind it. */
bool gate_is_shut(struct gate *g);

/* The destination works. */
void gate_open(struct gate *g);
/* It does not: FLUSH_DOWN, FLUSH_HOLD (a slow next try), or FLUSH_BLOCKED. Told in the log. */
void gate_shut(struct gate *g, enum flush_result result, const struct flush_report *report, const char *chunk_id);
/* There was nothing to try with: another thread may. */
void gate_leave(struct gate *g);

/* The next try is due now (SIGUSR1, shutdown). */
void gate_hurry(struct gate *g);
/* Nobody waits any more. */
void gate_stop(struct gate *g);

struct gate_state {
	bool down, holding;
	unsigned failures; /* in a row */
	int64_t down_for_ns, next_try_in_ns;
	char reason[512]; /* of the last failure; "" after a success */
};
void gate_state(struct gate *g, struct gate_state *s);

#endif
