/*
 * queue.h: the chunks of a buffer: which there are, in what state, which is the next to be taken.
 *
 *              first group durable                      buffer_take
 *     (writer) ---------------> STAGED ----> READY <--------------------> TAKEN ----> gone (commit)
 *                                  sealed     ^  ^  release                 |
 *     (start-up) -> LOST_TAIL ----------------'  '------ DELAYED <----------'
 *                             looked through       due            retry
 *
 * About 200 bytes a chunk, no descriptor, nothing of the content. Everything here is done under the buffer's lock.
 */
#ifndef WEIR_BUFFER_QUEUE_H
#define WEIR_BUFFER_QUEUE_H

#include "buffer/buffer.h"
#include "buffer/chunk_file.h"

enum chunk_state {
	CHUNK_STAGED,	 /* the writer appends to it */
	CHUNK_LOST_TAIL, /* a crash left it without a seal: start-up's thread looks through it */
	CHUNK_READY,
	CHUNK_DELAYED, /* a retry, not due yet */
	CHUNK_TAKEN,
	CHUNK_STATES
};

struct chunk {
	struct chunk *prev, *next; /* all chunks, in order of creation */
	enum chunk_state state;	   /* set by the queue only */
	bool is_sealed;
	bool keep_file; /* damage in it could not be copied: the whole file goes to backup/ when it is committed */
	bool has_progress, has_blame;
	bool more_holes;
	bool is_missing; /* its file is not there any more */
	bool in_ledger;	 /* what has become of it is written down */
	bool has_outcome;
	struct buffer_ledger outcome; /* so far */
	uint32_t attempts;
	uint32_t head_length;
	char name[CHUNK_FILE_NAME_LEN + 1];
	uint8_t id[CHUNK_ID_LEN];
	size_t heap_at; /* its place in the heap of its state */
	uint64_t size;	/* bytes of the file */
	uint64_t end;	/* frames are read up to here */
	uint64_t known; /* what begins below this had been durable: a hole there is damage */
	uint64_t records;
	int64_t created_ns;
	int64_t first_failed_ns;
	int64_t failed_mono_ns;	 /* the same on the monotonic clock; 0 if it was in an earlier life */
	int64_t due_ns;		 /* DELAYED: when it may be taken again, monotonic */
	struct chunk_hole *hole; /* holes that were counted and copied already; the chunk's taker's or the start-up's */
	uint64_t *poison;	 /* offsets of frames at which weir crashes: blame.h */
	uint32_t poison_count;
	uint32_t hole_count;
	uint32_t stage_len;
	uint8_t stage[];
};

struct chunk *chunk_new(const char *name, const struct chunk_head *head);
void chunk_free(struct chunk *c);

/* A hole that is told only once: true if it was not known yet (then it is now). */
bool chunk_add_hole(struct chunk *c, uint64_t from, uint64_t to);

struct chunk_heap {
	struct chunk **v;
	size_t n, cap;
	bool (*is_before)(const struct chunk *a, const struct chunk *b);
};

struct queue {
	struct chunk *oldest, *newest;
	struct chunk_heap ready, delayed;
	struct queue_sum {
		uint64_t chunks, bytes, records;
	} sum[CHUNK_STATES];
};

void queue_init(struct queue *q);
void queue_free(struct queue *q); /* with all chunks */

/* Puts a chunk in its place by creation. */
void queue_add(struct queue *q, struct chunk *c, enum chunk_state state);

/* Takes it out; the caller owns it. */
void queue_remove(struct queue *q, struct chunk *c);

/* The one function that moves a chunk. */
void queue_set_state(struct queue *q, struct chunk *c, enum chunk_state state);

/* More of a chunk is known: its size, where it ends, its number of events. */
void queue_grow(struct queue *q, struct chunk *c, uint64_t size, uint64_t end, uint64_t records);

/* Delayed chunks whose time has come (all of them if `all`) become ready. */
void queue_wake(struct queue *q, int64_t now_ns, bool all);

/* The oldest that may be taken; NULL if there is none. */
struct chunk *queue_first_ready(const struct queue *q);

/* When the next delayed chunk is due; INT64_MAX if there is none. */
int64_t queue_next_due(const struct queue *q);

/* The oldest that is neither staged, taken nor being looked through; NULL if there is none. */
struct chunk *queue_first_droppable(const struct queue *q);

#endif
