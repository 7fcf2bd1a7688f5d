/*
 * flow.h: the buffered side of an output: its buffer, its flush threads, and when they try again.
 *
 * Two things can fail. A chunk (some of its events were rejected for now): it alone waits, with a retry state of its own that is kept over restarts. Or
 * the destination (it cannot be reached, refuses everything): then all flush threads wait behind one gate, and one of them probes with its chunk until it
 * answers. So a bad chunk never stops the others, and an outage never makes a storm.
 */
#ifndef WEIR_FLOW_H
#define WEIR_FLOW_H

#include "base/err.h"
#include "buffer/buffer.h"
#include "buffer_conf.h"
#include "plugin.h"

struct flow;
struct chunk_keys;
struct ingest_hub;

/* Checks the section's values against one another and keeps them; opens nothing. by_time: chunks are due by their slice of time. */
struct flow *flow_new(struct output *o, const struct buffer_conf *c, bool by_time, char *take_path);
/* While it is built: what has what the output cannot deliver. */
void flow_set_secondary(struct flow *f, struct output *secondary);
/* For tools, before flow_open: chunks lie in that folder, whatever the configuration says. */
void flow_use_folder(struct flow *f, const char *path);
/* How the output splits chunks; NULL: it does not. */
void flow_set_keys(struct flow *f, const struct chunk_keys *keys);
const struct chunk_keys *flow_keys(const struct flow *f);
/* `@type memory`: nothing of it is on disk. */
bool flow_in_memory(const struct flow *f);
void flow_free(struct flow *f); /* stopped; NULL is allowed */

/* Opens the buffer (what it tells goes to the hub: ingest.h), then starts the flush threads. */
bool flow_open(struct flow *f, struct ingest_hub *hub, struct metrics *m, struct err *err);
bool flow_start(struct flow *f, struct err *err);

/*
 * A reload. Two flows have one buffer if their chunks lie in the same place. Instead of flow_open: flow_prepare, then flow_inherit, while nobody
 * appends: the buffer is f's. `from` still delivers until flow_retire: its threads end when they have done what they are at, without being stopped in
 * the middle; flow_has_ended says when flow_join does not wait.
 */
bool flow_same_buffer(const struct flow *a, const struct flow *b);
bool flow_prepare(struct flow *f, struct ingest_hub *hub, struct metrics *m, struct err *err);
void flow_inherit(struct flow *f, struct flow *from);
/* f's limits and times are the buffer's from now on; while nobody appends. */
void flow_configure(struct flow *f);
void flow_retire(struct flow *f);
bool flow_has_ended(const struct flow *f);
/* Whether its buffer is another's now. */
bool flow_is_disowned(const struct flow *f);

struct buffer *flow_buffer(const struct flow *f);
struct dead_letters *flow_dead_letters(const struct flow *f);
const char *flow_path(const struct flow *f);
unsigned flow_threads(const struct flow *f);

/* Sends what is there now, without waiting (SIGUSR1). */
void flow_flush(struct flow *f);

/*
 * The end, in steps, so that all flows end side by side: input ends (nothing may be appended any more); flow_drain_wanted: whether flush_at_shutdown asks for
 * an empty buffer, and by when (monotonic); stop lets the flush threads end where they are, join waits for them and closes the buffer.
 */
void flow_end_input(struct flow *f);
bool flow_drain_wanted(struct flow *f, int64_t *deadline_ns);
bool flow_is_empty(struct flow *f);
void flow_stop(struct flow *f);
void flow_join(struct flow *f);

/* For flush(): why it did not end with FLUSH_DONE; cut at the report's size. */
void flush_because(struct flush_report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct flow_status {
	struct buffer_stats buffer;
	bool down, holding;  /* the gate */
	unsigned failures;   /* in a row */
	int64_t next_try_ns; /* wall clock; 0 = now */
	char reason[512];    /* of the last failure; "" after a success */
	int64_t since_ns;    /* wall clock: the first of the failures in a row; 0 = none */
	uint64_t chunks_done, chunk_retries, outages, to_secondary, given_up; /* since the start */
	uint64_t total_limit_size;					      /* bytes */
	uint64_t writes, slow_writes, write_ms; /* chunks that were given to the output, over 20 s; time spent on it */
};
void flow_status(struct flow *f, struct flow_status *s);

#endif
