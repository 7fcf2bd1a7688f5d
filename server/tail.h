/*
 * tail.h: what in_tail.c (life), tail_follow.c (which files) and tail_read.c (their lines) share. Everything belongs to the file worker (server_file_worker).
 *
 * The way of a line, and why a crash neither loses nor doubles it:
 *
 *     plan ─ pos_file: these bytes, at this time ─ sync ─ carry out: read, parse, one frame ─ durable ─ pos_file: the position behind them
 *
 * A portion that was planned is given on exactly so, again and again, also after a restart, until it is durable: same bytes, same time, same key, and so the
 * same document ids. A file has one portion on its way at a time.
 */
#ifndef WEIR_TAIL_H
#define WEIR_TAIL_H

#include "base/log.h"
#include "entry.h"
#include "feed.h"
#include "parse/parser.h"
#include "plugin.h"
#include "tail_conf.h"
#include "text_encoding.h"
#include "tail_glob.h"
#include "tail_pos.h"
#include "tail_watch.h"

#include <sys/stat.h>

struct tail_file {
	struct txn txn; /* first: the txn's done is handed it */
	struct tail *tail;
	struct tail_file *next;
	struct tail_file *ready_next;
	bool ready; /* in the queue of those to be looked at */
	char *path; /* where it is now */
	char *name; /* where it was found first: for tag and path_key */
	char *tag;
	int fd;
	dev_t device;
	struct tail_entry *entry;
	bool in_flight;	    /* its portion is being stored */
	uint64_t looked_at; /* up to here there is no whole text behind the position */
	int64_t came_ns;    /* monotonic: when looked_at grew */
	bool flush;	    /* lines that wait for more of their text are whole now */
	size_t window;	    /* bytes that are read to find whole texts; 0 = as usual */
	uint64_t skipped;   /* bytes behind the position of a line that is too long */
	int64_t retry_ns;   /* monotonic: not before */
	unsigned failures;  /* to store the portion at hand */
	bool leaving;	    /* rotated or gone: read to its end, then closed */
	int64_t leave_ns;   /* monotonic: not before */
	bool last;	    /* now: what it holds is all */
	int64_t second_ns;  /* read_bytes_limit_per_second: the second at hand, and what was read in it */
	uint64_t second_bytes;
	bool found;			/* by the refresh at hand */
	struct gauge *position, *inode; /* for whoever asks; NULL: there are too many files */
};

struct tail {
	struct source *source;
	const struct tail_conf *conf;
	struct parser *parser;
	struct text_encoding *from; /* that texts are in; NULL: they are taken as they are */
	bool multiline;
	char **paths;
	struct tail_glob glob;
	size_t text_max;
	struct counter *oversized, *rotated, *truncated;
	struct gauge *followed;
	struct metrics *metrics;
	unsigned told_of; /* files with numbers of their own */
	struct log_limit log_unmatched, log_oversized, log_stored, log_read, log_denied;

	struct worker *worker;
	struct feed feed;
	struct tail_pos *pos;
	struct tail_watch *watch;
	bool watched; /* every file is: no need to look */
	struct tail_file *files;
	struct tail_file *ready_first, **ready_last;
	struct event *run, *refresh;
	struct worker_tick *tick;
	bool begun;				      /* the first refresh was */
	bool stopping;				      /* nothing more is read */
	int64_t refresh_ns, refreshed_ns, compact_ns; /* monotonic: the next, the last */
	_Atomic unsigned in_flight;
	/* of the portion at hand */
	struct parser_room room;
	struct buf bytes, converted, entries;
	struct added added;
};

/* ---- tail_read.c ------------------------------------------------------------------------------------------------------- */

/* Has the file looked at soon. */
void tail_ready(struct tail_file *f);
/* A turn: portions of the files that are ready. */
void tail_run(struct tail *t);
/* Where the content begins anew (a new file, a truncation): no line of it was ever read. */
void tail_restart(struct tail_file *f);
uint64_t tail_new_generation(void);

/* ---- tail_follow.c ----------------------------------------------------------------------------------------------------- */

/* Looks up the paths: follows files that are new, lets go of those that are not there any more. */
void tail_refresh(struct tail *t);
/* Has that done soon: something in a folder has changed. */
void tail_refresh_soon(struct tail *t);
/* Once a second: rotation of files that are not watched, texts that are whole now, files that were read to their end. */
void tail_look_around(struct tail *t);
/* Sets the file's own numbers. */
void tail_tell(struct tail_file *f);
/* Closes all; positions stay. */
void tail_forget_all(struct tail *t);

#endif
