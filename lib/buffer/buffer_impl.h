/*
 * buffer_impl.h: what the files of lib/buffer know of each other.
 *
 * Who may touch what:
 *   b->lock      incoming list, stage table, queue, counters, what is wanted. Held for short pieces of memory work
 *                only, never over a call of vfs or of a hook. It is the only lock.
 *   the writer   struct writer, the `file` and `chunk` links of each stage.
 *   the taker    a chunk in state TAKEN; start-up's thread one in LOST_TAIL.
 *   atomics      written under the lock, read anywhere.
 */
#ifndef WEIR_BUFFER_BUFFER_IMPL_H
#define WEIR_BUFFER_BUFFER_IMPL_H

#include "base/log.h"
#include "base/map.h"
#include "buffer/buffer.h"
#include "buffer/chunk_file.h"
#include "buffer/queue.h"

#include <pthread.h>
#include <stdatomic.h>

/* One stage key: at most one file that is being appended to, and the frames on their way there. */
struct stage {
	uint64_t waiting; /* frames appended for it that the writer still has; under the lock */

	/* The writer's. */
	struct stage *next_touched;
	bool is_touched;
	bool is_open; /* `file` and `chunk` are there */
	struct stage *prev_open, *next_open;
	struct frame *work; /* the frames of the group that go here, linked by stage_next */
	struct frame **work_end;
	struct chunk_file file;
	struct chunk *chunk;
	int64_t flush_ns;      /* monotonic: flush_interval is over then */
	int64_t due_ns;	       /* wall clock, 0 = none: the earliest due time of its frames */
	int64_t last_write_ns; /* monotonic */

	size_t key_len;
	uint8_t key[];
};

enum { WRITER_SYNC_FAILURES = 3 };

struct writer {
	pthread_t thread;
	struct frame *group;		      /* in order of appending; the first of them is not durable yet */
	struct stage *open_first, *open_last; /* stages with a file, the oldest first */
	unsigned open_count;
	struct stage *touched;
	int64_t last_created_ns;
	int64_t stalled_until_ns;		      /* monotonic; nothing is written before */
	int64_t sync_failed_ns[WRITER_SYNC_FAILURES]; /* monotonic, a ring */
	unsigned sync_failures;
	int64_t alarm_ns;	    /* monotonic: the next alarm while `refusing` */
	int64_t space_asked_ns;	    /* monotonic */
	uint64_t space_asked_bytes; /* used_bytes then */
	struct log_limit stall_log, sync_log, slow_log;
};

/* ledger.c's. Under the lock, but for what is said there. */
struct ledger {
	int fd; /* changed by the writer while `renewing`; -1 = none */
	uint64_t slots;
	struct buffer_ledger total;
	unsigned writing; /* threads that write a slot */
	bool renewing;	  /* no slot may be written meanwhile */
	pthread_cond_t renewed;
	struct log_limit log;
};

struct buffer {
	char *name, *path, *backup_path;
	struct buffer_options o; /* its strings are not used */
	struct buffer_hooks hooks;
	const struct vfs *vfs;
	int lock_fd;
	bool look_only; /* buffer_folder.h: nothing is locked, written or started */
	bool mend;	/* buffer_folder_repair: sealed chunks are looked through too */

	pthread_mutex_t lock;
	pthread_cond_t work;  /* the writer waits for something to do */
	pthread_cond_t ready; /* takers wait for a chunk */
	pthread_cond_t idle;  /* buffer_settle waits for the writer to wait */

	/* Under the lock. */
	struct frame *incoming, **incoming_end;
	uint64_t incoming_bytes;
	struct map *stages;
	struct queue queue;
	struct ledger ledger;
	struct buffer_stats count; /* the counters; the rest of it is filled in when asked for */
	unsigned takers;	   /* threads that wait in buffer_take */
	bool writer_waits;
	bool flush_wanted, squeeze_wanted, space_wanted, unlinked, input_ended, output_ended, full;
	size_t full_for; /* bytes of the latest frame that total_limit_size had no room for: while that is so, it is full */
	bool writer_runs, recovery_runs, recovery_started;
	int64_t unlinked_ns; /* monotonic: the first removal that no sync of the folder covers */
	uint64_t settle_asked, settle_done;

	/* Atomics. */
	_Atomic uint64_t pending_bytes; /* on disk, of frames not durable */
	_Atomic uint64_t used_bytes;	/* of all chunk files */
	_Atomic int stalled;		/* errno of the write or sync that failed last; 0 = all is well */
	_Atomic int refusing;		/* errno of the syncs that failed; 0 = all is well */
	_Atomic bool space_low;		/* min_free_bytes */
	_Atomic bool stopping;		/* start-up's thread is to end */

	pthread_t recovery;
	struct log_limit damage_log, full_log, progress_log, missing_log;

	struct writer writer;
};

/* buffer.c */

/* The path of a chunk's file, for the caller to mem_free. */
char *buffer_path(const struct buffer *b, const char *name, const char *suffix);

struct buffer *buffer_new(const struct buffer_options *o, const struct buffer_hooks *hooks, const struct vfs *vfs);
void buffer_free(struct buffer *b); /* without threads; the lock is given back */

/* Locks the folder. */
bool buffer_take_lock(struct buffer *b, struct err *err);

/* Under a lock that is another's: what that one has written into it, one line of printable text. */
void buffer_read_holder(const struct buffer *b, char *text, size_t size);

/* Waits on `cond` for at most ns (INT64_MAX: for ever). Under the lock. */
void buffer_wait(struct buffer *b, pthread_cond_t *cond, int64_t ns);

/* Under the lock: true if on_space is to be called now (after unlocking). */
bool buffer_space_is_back(struct buffer *b);

/* Bytes of chunk files more, or less. Under the lock. */
void buffer_use(struct buffer *b, uint64_t more, uint64_t less);

/* taker.c */

/*
 * Removes a chunk's files, progress last. 0 or an errno value: then the chunk's file is still there. Notes that the
 * folder is to be synced.
 */
int buffer_remove_files(struct buffer *b, const struct chunk *c);

/* buffer.c */

/* Tests: waits until the writer has done all that was due and waits. */
void buffer_settle(struct buffer *b);

#endif
