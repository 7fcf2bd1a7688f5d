/* holder_impl.h: what the files of the holder know of each other. Everything is done under the holder's lock. */
#ifndef WEIR_HOLDER_IMPL_H
#define WEIR_HOLDER_IMPL_H

#include "base/map.h"
#include "holder.h"

#include <pthread.h>

/* What is held of one message: how a repetition of the message finds it. */
struct held_message {
	uint8_t key[FRAME_KEY_LEN];
	int64_t received_ns;
	struct held_event *first, *last;
};

struct held_stream {
	struct held_stream *older, *newer; /* in the order of their latest events */
	struct held_event *first, *last;
	unsigned count;
	size_t bytes; /* its own and its events' */
	int64_t state;
	int64_t began_ns, touched_ns; /* monotonic */
	size_t key_len;
	uint8_t key[]; /* length of the tag (be16), tag, what the plugin tells streams by */
};

/* Events that leave their stream together. */
struct held_group {
	struct held_group *next;
	struct held_event *first;
	unsigned count;
	bool dropped;
	size_t key_len;
	uint8_t key[];
};

struct holder {
	struct holder_options o;
	const struct holder_ops *ops;
	void *self;
	struct held *journal;
	pthread_mutex_t lock;
	struct map *streams, *messages;
	struct held_stream *oldest, *newest;
	struct held_event *spare;
	size_t bytes;
	struct buf key, entries; /* scratch */
	struct {
		struct gauge *events, *bytes, *streams;
		struct counter *joined, *dropped, *timeout, *early, *unheld;
	} n;
};

/* ---- held_table.c ---------------------------------------------------------------------------------------------- */

struct held_event *held_event_new(struct holder *h);
/* The event's bytes, which were the batch's, become its own. False: no memory. */
bool held_event_own(struct holder *h, struct held_event *e);
/* The event is no more; it is in no stream. */
void held_event_free(struct holder *h, struct held_event *e);

/* NULL without memory. */
struct held_message *held_message_get(struct holder *h, const uint8_t *key, int64_t received_ns);
void held_message_add(struct held_message *m, struct held_event *e);

/* NULL without memory. */
struct held_stream *held_stream_get(struct holder *h, struct span key);
/* A stream that holds nothing is no more. */
void held_stream_free(struct holder *h, struct held_stream *s);
/* It has the latest event now. */
void held_stream_touch(struct holder *h, struct held_stream *s);
void held_stream_add(struct holder *h, struct held_stream *s, struct held_event *e);
/* One event leaves; the stream's state is what the others make it. */
void held_stream_remove(struct holder *h, struct held_event *e);
/* The events of a group are the stream's first ones again. */
void held_stream_put_back(struct holder *h, struct held_stream *s, struct held_group *g);

/* Takes all events out of the stream, which is no more. */
struct held_group *held_group_of(struct holder *h, struct held_stream *s);
void held_group_free(struct holder *h, struct held_group *g);
/* Whether any of it is of an earlier message. */
bool held_group_is_older(const struct held_group *g);

#endif
