/*
 * buffer.h: the durable buffer of one output: frames in, chunks out.
 *
 *     workers --buffer_append--> [list] --writer thread--> stage chunk file --sealed--> queue --buffer_take--> flush
 *                                            '-- on_durable (acks)                             threads: commit | retry
 *
 * Promises, cited in code and tests:
 *   P1  on_durable(error 0) is called only after the frame's bytes, the file's size and the file's name are synced.
 *   P2  a chunk file goes only after every event in it was delivered or durably buried (the taker says so).
 *   P3  what was durable is found again after any crash; nothing is delivered that was not durable; a recovered chunk
 *       is never appended to.
 *   P4  memory, descriptors and start-up time do not grow with the backlog; disk use stays under total_limit_size.
 *   P5  damage costs the frame that it hit; it is kept in backup/, counted and reported; nothing that was not
 *       understood is deleted.
 * The format is in chunk_format.h, which says why it is so.
 *
 * Threads: every function may be called from any thread unless it says otherwise. One writer thread a buffer does all
 * writing of frames. on_durable and on_space are called by the writer (or the thread that committed) without a lock
 * held.
 */
#ifndef WEIR_BUFFER_BUFFER_H
#define WEIR_BUFFER_BUFFER_H

#include "base/err.h"
#include "base/vfs.h"
#include "buffer/frame.h"

struct buffer;
struct chunk;

enum buffer_flush_mode {
	BUFFER_FLUSH_INTERVAL,	/* a stage chunk is queued flush_interval_ns after its first frame */
	BUFFER_FLUSH_IMMEDIATE, /* as soon as it has a frame and a flush thread waits */
	BUFFER_FLUSH_LAZY,	/* only when it is full, its frames' due time has come, or on buffer_flush_all */
};

enum buffer_overflow {
	BUFFER_BLOCK,	    /* admit says BUFFER_WAIT */
	BUFFER_THROW,	    /* admit says BUFFER_REFUSED */
	BUFFER_DROP_OLDEST, /* the oldest queued chunk that nobody has taken is dropped, counted and shouted about */
};

struct buffer_options {
	const char *name; /* the output's @id: in logs and in each chunk's header; at most 200 bytes are kept */
	const char *path; /* the folder, made (with parents) if missing */
	uint64_t chunk_limit_size;    /* bytes of a chunk file at which it is queued */
	uint32_t chunk_limit_records; /* events; 0 = no limit */
	uint64_t total_limit_size;    /* bytes of all chunk files */
	uint64_t min_free_bytes; /* of the file system, kept free of chunks (progress and dead letters need some) */
	uint64_t pending_limit;	 /* bytes appended and not durable yet that may be in memory */
	enum buffer_flush_mode flush_mode;
	int64_t flush_interval_ns;
	enum buffer_overflow overflow;
	unsigned dir_mode, file_mode; /* 0 = 0700 and 0600 */
};

/* Events by what has become of them: of a chunk, or of all that a buffer's folder ever held (ledger.h). */
struct buffer_ledger {
	uint64_t stored; /* durable, once; of a chunk: not used */
	uint64_t delivered, already_there, dead, dropped;
	uint64_t lost; /* damaged, or their chunk was taken away */
};

struct buffer_stats {
	uint64_t stage_chunks, stage_bytes, stage_records;
	uint64_t queue_chunks, queue_bytes, queue_records; /* taken and waiting for a retry included */
	uint64_t pending_bytes;				   /* appended, not durable */
	int64_t oldest_ns; /* creation of the oldest chunk that is not committed; 0 = none */
	uint64_t appended_records, durable_records, failed_records;
	uint64_t syncs, sync_ns_sum; /* group commits */
	uint64_t sync_buckets[12];   /* sync time <= 0.25 ms * 4^i; the last one holds the rest */
	uint64_t write_errors, sync_errors, damaged_frames, damaged_bytes, torn_bytes;
	uint64_t dropped_chunks, dropped_records; /* drop_oldest_chunk */
	uint64_t missing_chunks;		  /* their files were taken away behind weir's back */
	struct buffer_ledger ledger;		  /* kept over restarts */
	bool full;				  /* admit says BUFFER_WAIT or BUFFER_REFUSED: total_limit_size */
	bool disk_full;	 /* admit says BUFFER_WAIT: no space on the device, or less than min_free_bytes */
	int write_errno; /* admit says BUFFER_WAIT: why the last write failed; 0 = all is well */
	bool refusing;	 /* admit refuses for good: syncs fail again and again; delivery goes on */
	bool recovering; /* chunks left unsealed by a crash are still being looked through */
};

struct buffer_hooks {
	/*
	 * Takes a list of frames, each with its `error`: in the order of their appending for each thread that
	 * appended.
	 */
	void (*on_durable)(void *arg, struct frame *list);
	/* After buffer_admit said BUFFER_WAIT: there may be room again. */
	void (*on_space)(void *arg);
	/* Start-up's thread, NULL = nobody asks: a frame of data that a crash left in an unfinished chunk is durable. */
	void (*on_recovered)(void *arg, const struct buffer *b, const uint8_t key[FRAME_KEY_LEN]);
	void *arg;
};

/*
 * Locks the folder (a second opener, in this or another process, is refused with a clear text), reads the head and
 * tail of each chunk file, starts the writer, and looks through what a crash left unsealed in the background. `o` is
 * copied. A chunk of a newer format version is an error that touches nothing.
 */
struct buffer *buffer_open(
	const struct buffer_options *o, const struct buffer_hooks *hooks, const struct vfs *vfs, struct err *err);

/*
 * Room for a frame of `bytes` payload? BUFFER_OK reserves nothing: several callers at once may go over by a message
 * each.
 */
enum buffer_admit { BUFFER_OK, BUFFER_WAIT, BUFFER_REFUSED };
enum buffer_admit buffer_admit(struct buffer *b, size_t bytes);

/* New limits and times for a buffer that goes on (o->name, path and modes do not count). Waits until the writer has nothing to do. No other thread
 * may append or ask for room meanwhile. */
void buffer_configure(struct buffer *b, const struct buffer_options *o);

/*
 * Takes a list of frames. Never waits. Frames of one list are written in order. `stage` names the stage chunk that
 * they go to, for outputs that split chunks by key (empty = the only one); its bytes are copied and found again in
 * chunk_stage. `due_ns` (wall clock, 0 = none) is when such a chunk is queued at the latest, whatever the flush mode.
 */
void buffer_append(struct buffer *b, struct frame *list, struct span stage, int64_t due_ns);

/*
 * Queues every stage chunk that holds a frame and lets waiting retries be taken at once (SIGUSR1, shutdown). Does not
 * wait.
 */
void buffer_flush_all(struct buffer *b);

void buffer_stats(struct buffer *b, struct buffer_stats *s);

/*
 * Ends input: waits until everything appended is durable or has failed, seals the stage chunks into the queue, ends
 * the writer. After it buffer_append must not be called.
 */
void buffer_end_input(struct buffer *b);

/* Makes every buffer_take return NULL from now on. */
void buffer_end_output(struct buffer *b);

/* True when nothing is staged, queued or taken. */
bool buffer_is_empty(struct buffer *b);

/* Ends both, joins threads, closes files, gives the lock back. No chunk may be taken. Files stay. NULL is allowed. */
void buffer_close(struct buffer *b);

/* ---- the taking side: flush threads ----------------------------------------------------------------------------- */

/*
 * The oldest chunk that is due, waiting for one up to timeout_ns (< 0: for ever). NULL: none in that time, or
 * buffer_end_output was called. The caller owns the chunk until it gives it to exactly one of commit, retry, hold, release.
 */
struct chunk *buffer_take(struct buffer *b, int64_t timeout_ns);

/*
 * Everything in it is delivered or buried: removes its files. False (err filled, alarm) if they cannot be removed: it
 * may be delivered again.
 */
bool buffer_commit(struct buffer *b, struct chunk *c, struct err *err);

/* Back into the queue, not to be taken again for delay_ns; counts an attempt. */
void buffer_retry(struct buffer *b, struct chunk *c, int64_t delay_ns);

/*
 * The same without counting an attempt; first_failed_ns is remembered. For what is not the chunk's fault.
 */
void buffer_hold(struct buffer *b, struct chunk *c, int64_t delay_ns);

/* Back into the queue as it was (shutdown). */
void buffer_release(struct buffer *b, struct chunk *c);

/*
 * What has become of the chunk's events so far, for the books; what is missing in it when the chunk is committed counts as lost. A chunk of which
 * nothing was said is delivered as a whole. The taker only.
 */
void chunk_account(struct chunk *c, const struct buffer_ledger *outcome);

struct chunk_info {
	char id[40];		 /* the file's name without suffix, for logs */
	uint64_t bytes;		 /* of the file */
	uint64_t records;	 /* events in it; 0 if not known before reading */
	int64_t created_ns;	 /* wall clock */
	uint32_t attempts;	 /* retries so far, kept over restarts */
	int64_t first_failed_ns; /* wall clock; 0 = never failed */
	int64_t failing_ns;	 /* for how long */
	struct span stage;	 /* as given to buffer_append */
};
void chunk_info(const struct chunk *c, struct chunk_info *info);

/* A frame as it lies in a chunk; views good until the reader moves. */
struct frame_view {
	uint64_t offset; /* of the frame in its file: its name for progress and seek */
	enum frame_type type;
	uint32_t count;
	int64_t received_ns;
	const uint8_t *key; /* FRAME_KEY_LEN bytes */
	struct span tag, info, entries;
};

/* Reads a taken chunk from its file in large steps. One thread. */
struct chunk_reader;
struct chunk_reader *chunk_reader_open(struct buffer *b, struct chunk *c, struct err *err);
void chunk_reader_close(struct chunk_reader *r); /* NULL is allowed */

enum chunk_read {
	CHUNK_FRAME,  /* *v holds the next good frame */
	CHUNK_END,    /* no more */
	CHUNK_FAILED, /* the file could not be read (err): retry the chunk later */
};
/* Damage is stepped over: copied to backup/, counted, and told in the log. */
enum chunk_read chunk_reader_next(struct chunk_reader *r, struct frame_view *v, struct err *err);
/* The next frame read is the one at `offset`, which was the offset of a frame of this chunk. */
void chunk_reader_seek(struct chunk_reader *r, uint64_t offset);

/*
 * A frame at which weir has crashed three times is stepped over as damage is (blame.h). It counts as worked on, by the thread that read it, until the reader
 * goes on or is closed, or until this is called: what the thread does from now on is not about that frame alone.
 */
void chunk_reader_pause(struct chunk_reader *r);

/* For a handler of fatal signals, in the thread that got it: notes the frame that it was at work on. */
void buffer_on_crash(void);

/* ---- how far delivery of a chunk has come ------------------------------------------------------------------------ */

struct chunk_pending {
	uint64_t offset; /* of the frame */
	uint32_t index;	 /* of the event in it */
};

/*
 * Everything before (next_offset, next_index) is done, except what `pending` lists (sorted); everything from there on
 * is not yet tried. Kept beside the chunk file in NAME.progress; a missing or damaged one means "from the beginning",
 * which repeats events whose ids Elasticsearch knows.
 */
struct chunk_progress {
	uint64_t next_offset;
	uint32_t next_index;
	struct chunk_pending *pending;
	size_t pending_count;
	struct buffer_ledger outcome; /* of the events that are done */
};

/* Loads into *p (pending is for the caller to mem_free). The beginning if there is none. */
void chunk_progress_load(struct buffer *b, struct chunk *c, struct chunk_progress *p);
/* Saves it. With `sync`, durable when true is returned. A failure is not fatal: the worst of it is a repetition. */
bool chunk_progress_save(struct buffer *b, struct chunk *c, const struct chunk_progress *p, bool sync, struct err *err);

#endif
