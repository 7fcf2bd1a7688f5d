/*
 * senders.h: how much each sender has sent: a bounded table of source and address, for the status page and `weir top`.
 *
 * A connection looks its sender up once, under a lock, and adds to it without one. When the table is full, a sender that is not connected and
 * has sent the least makes room; if all are connected, new ones are counted together under the name "others".
 */
#ifndef WEIR_SENDERS_H
#define WEIR_SENDERS_H

#include "base/span.h"

#include <stdatomic.h>
#include <stdint.h>

#define SENDERS_MAX 1024u

struct senders;
struct sender;

struct senders *senders_new(void);
/* When no connection is open any more. NULL is allowed. */
void senders_free(struct senders *s);

/* Any thread. `s` NULL (nobody keeps account) gives NULL, which the others take. */
struct sender *sender_open(struct senders *s, const char *source_id, const char *address);
void sender_close(struct sender *x);

/* The thread that opened it, or any while it is open. */
void sender_add_bytes(struct sender *x, uint64_t bytes);
void sender_add_events(struct sender *x, uint64_t messages, uint64_t events);

struct sender_info {
	char source[64], address[64];
	unsigned connections;
	uint64_t messages, events, bytes; /* bytes as they came over the net */
	double events_per_s, bytes_per_s; /* smoothed, as of the last senders_tick */
	int64_t last_ns;		  /* wall clock: the last tick after which something had come */
};

/* About once a second, one thread: the rates. `now_ns`: wall clock. */
void senders_tick(struct senders *s, double seconds, int64_t now_ns);

/* Those with the most bytes first; returns how many were filled in. *known: how many there are. */
size_t senders_top(struct senders *s, struct sender_info *out, size_t n, size_t *known);

#endif
