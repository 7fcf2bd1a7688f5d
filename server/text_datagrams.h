/*
 * text_datagrams.h: a UDP socket whose datagrams are texts (udp, syslog). One worker reads it; when a buffer is full it is not read, and what the system's
 * receive buffer does not hold is lost, which is counted.
 */
#ifndef WEIR_TEXT_DATAGRAMS_H
#define WEIR_TEXT_DATAGRAMS_H

#include "text_source.h"

struct server;
struct text_datagrams;

struct text_datagrams_conf {
	const char *bind;
	uint16_t port;
	int receive_buffer;  /* SO_RCVBUF; 0 = the system's */
	bool remove_newline; /* one line end at the end of a text */
	struct metrics *metrics;
};

/* Longer datagrams than source->max_text (65,536 at most) are cut, as fluentd does, and counted. Opens nothing yet. */
struct text_datagrams *text_datagrams_new(const struct text_datagrams_conf *c, struct text_source *source);
void text_datagrams_free(struct text_datagrams *d); /* NULL is allowed */

bool text_datagrams_start(struct text_datagrams *d, struct server *server, struct err *err);
/* Takes what the socket holds, and closes it. */
void text_datagrams_stop(struct text_datagrams *d);
unsigned text_datagrams_busy(const struct text_datagrams *d);
void text_datagrams_end(struct text_datagrams *d);
uint16_t text_datagrams_port(const struct text_datagrams *d);

#endif
