/*
 * elasticsearch_flush.h: what the files of the Elasticsearch output share.
 *
 *     out_elasticsearch.c    the plugin: its life, its counters
 *     elasticsearch_flush.c  a queued chunk to _bulk requests, its progress moved on after each
 *     elasticsearch_post.c   a request: sent, and each event of the reply judged by itself
 */
#ifndef WEIR_ELASTICSEARCH_FLUSH_H
#define WEIR_ELASTICSEARCH_FLUSH_H

#include "base/log.h"
#include "elastic/bulk_pace.h"
#include "elastic/bulk_reply.h"
#include "elasticsearch_conf.h"
#include "plugin.h"

struct elasticsearch {
	struct output *output;
	struct elasticsearch_settings settings;
	struct bulk_hosts *hosts;
	struct aws_credentials *aws; /* with <endpoint>; else NULL */
	struct sigv4_signer signer;
	struct bulk_pace *pace;
	struct elastic_setup *setup;
	struct rollover *rollover;    /* what is set up for each index name that events tell; NULL = nothing */
	_Atomic bool send_type;	      /* the server has said that it wants a mapping type: a version before 7 */
	_Atomic uint64_t small_bytes; /* what requests are kept under after a 413, until small_until_ns (monotonic) */
	_Atomic int64_t small_until_ns;
	struct {
		struct counter *indexed, *duplicates, *failure_store, *retried, *held, *requests, *request_bytes,
			*failed_requests;
		struct gauge *limit;
	} n;
	struct histogram *latency, *age;
	struct log_limit log_hold, log_split, log_progress;
};

/* What one request has come to; counted when all of it was answered. */
struct tally {
	uint64_t indexed, duplicates, failure_store;
};

/* Events of the request at hand that came at about the same time. */
struct arrival {
	int64_t received_ns;
	uint32_t count;
};

/* Where the reader stands after an event of the request at hand was looked up: those behind it are mostly of the same frame. */
struct found {
	struct frame_view frame; /* offset and views good until the reader moves; entries.p NULL = none */
	const uint8_t *p;
	uint32_t index; /* of the event at p */
};

/* A flush thread's own. */
struct flusher {
	struct elasticsearch *es;
	struct bulk_client *client;
	struct bulk_body *body;	 /* without mapping types */
	struct bulk_body *typed; /* with them */
	struct bulk_options typed_options;
	struct bulk_reply *reply;
	struct buf url, slice;
	struct map *met;  /* index names that are set up, or in `fresh` */
	struct buf fresh; /* those of the request at hand that are not, each with a 0 behind it */
	/* the chunk at hand */
	struct chunk *chunk;
	struct chunk_reader *reader;
	struct chunk_progress progress;
	uint64_t next_offset; /* where the request at hand ends */
	uint32_t next_index;
	size_t pending_held; /* first entries of progress.pending: not taken already in this pass over the chunk */
	size_t pending_used; /* entries of progress.pending that are these, or in the request at hand */
	bool for_now;	     /* some of them were rejected for now, not held */
	struct chunk_pending *again; /* items of it that are to be sent again */
	size_t again_count, again_cap, held_count;
	struct arrival *arrivals;
	size_t arrival_count, arrival_cap;
	struct tally tally;
	struct found found;
	struct frame *dead; /* its dead letters */
	size_t dead_count, refused_whole;
	bool accepted; /* one of its parts was answered with 200 */
	bool busy;     /* the server was too busy for some of it */
	bool unsaved;
	struct flush_report *report;
};

enum posted {
	POSTED,	      /* every item is judged: t->again and t->dead hold what is not done */
	POST_DOWN,    /* nothing is known: all of it again */
	POST_HOLD,    /* somebody must mend something */
	POST_STOPPED, /* weir stops */
	POST_TYPED,   /* all of it again, with mapping types */
};

/* Sends the body, in parts if the server wants that. */
enum posted elasticsearch_post(struct flusher *t, struct bulk_body *body);

/* Makes what the request has come to final: dead letters durable, events counted. False: report says why. */
bool elasticsearch_conclude(struct flusher *t);
/* Forgets it: all of it is sent again. */
void elasticsearch_forget(struct flusher *t);

/* The transcoder's word on an event that cannot become a document; arg is the flusher. */
void elasticsearch_on_reject(
	void *arg, const struct frame_view *f, uint32_t index, struct span entry, const char *reason);

/* output_ops */
void *elasticsearch_flush_open(struct output *o, int stop_fd, struct err *err);
void elasticsearch_flush_close(void *thread);
enum flush_result elasticsearch_flush(void *thread, struct chunk *c, struct flush_report *report);

#endif
