/*
 * dead_letter.h: what can be neither delivered nor sent back: events that Elasticsearch refuses for good, messages that are no events. They
 * are kept in a buffer of their own (ROOT/dead), durable before their source is let go, with the reason.
 */
#ifndef WEIR_DEAD_LETTER_H
#define WEIR_DEAD_LETTER_H

#include "base/buf.h"
#include "buffer/buffer.h"
#include "metrics/metrics.h"

struct dead_letters;
struct ingest_hub;

/* Why. Strings may be NULL. */
struct dead_letter {
	const char *plugin; /* @id of the source or output that gave it up */
	const char *reason; /* a fixed word: "bad_time", "mapper_parsing_exception" */
	const char *text;   /* a sentence: Elasticsearch's own */
	unsigned status;    /* HTTP status; 0 = none */
	struct span index;  /* where it should have gone; n = 0 = none */
	uint32_t
		place; /* of the (first) event in the frame whose key the dead letter has: for its id when it is replayed */
};

/* Appends it as a msgpack map: {"plugin":,"reason":,"text":,"status":,"index":,"place":,"time":} (time: now, in nanoseconds). */
#define DEAD_LETTER_INFO_MAX 8192
void dead_letter_info(struct buf *out, const struct dead_letter *why);

/* The same, read again: views into it; what is not there is empty, plugin and reason "unknown". */
struct dead_letter_view {
	struct span plugin, reason, text, index;
	unsigned status;
	uint32_t place;
	int64_t time_ns;
};
void dead_letter_read(struct span info, struct dead_letter_view *v);

/* Opens the store in `path`. NULL: err. `limit_bytes` bounds it; when it is full, destinations hold and senders wait. */
struct dead_letters *dead_letters_open(const char *path, uint64_t limit_bytes, bool drop_oldest, struct ingest_hub *hub,
	struct metrics *m, struct err *err);
void dead_letters_close(struct dead_letters *d); /* NULL is allowed */
struct buffer *dead_letters_buffer(struct dead_letters *d);

/*
 * A frame that is on its way into the store without anybody waiting: counts it and shows it to those who look; the first of each reason, and then one at times, is a sample
 * in the log. Any thread.
 */
void dead_letters_note(struct dead_letters *d, const struct frame *f);

/* How many events became dead letters since the start. Any thread. */
uint64_t dead_letters_total(const struct dead_letters *d);
/*
 * Who gets what was given up as events too (dead_event.h): called by the threads that give up, with msgpack entries that it takes, one at a time. NULL: nobody; once
 * that has returned the one before is not called any more.
 */
typedef void dead_letters_tapper(void *arg, struct buf *take_entries, uint32_t events);
void dead_letters_tap(struct dead_letters *d, dead_letters_tapper *tapper, void *arg);

/*
 * For flush threads: stores the frames (made with frame_new(FRAME_DEAD, ...)) and waits until they are durable. False: they are not; err. Takes
 * the list.
 */
bool dead_letters_bury(struct dead_letters *d, struct frame *list, struct err *err);

#endif
