/*
 * clients.h: what each client (an address that connects) has open at a source, and how much it has sent of what it may send in a second. A client that was
 * faster has to wait: its connections are read no further, so that its own queue grows and nothing is lost.
 *
 * The account of a rate is one number: until when the client's bytes (or events) have used up what it is allowed. Up to a second's worth may be used at once, and a
 * message larger than that is taken, and waited for afterwards. It outlasts the connections: to connect anew gains nothing.
 */
#ifndef WEIR_CLIENTS_H
#define WEIR_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

/* 0 = any number. */
struct client_limits {
	unsigned connections;
	uint64_t events_per_s, bytes_per_s;
};

/* Of one source. Any thread. */
struct clients;
struct client;

struct clients *clients_new(void);
/* When no connection is open any more. NULL is allowed. */
void clients_free(struct clients *s);

/* One connection more of that address. NULL: it has `most` already (0 = any number). */
struct client *clients_enter(struct clients *s, const char *address, unsigned most);
/* The account of an address that has entered, and not left. */
struct client *clients_find(struct clients *s, const char *address);
void client_leave(struct client *c);

/* It has sent something, of which it may send so much a second. */
void client_sent_bytes(struct client *c, uint64_t n, uint64_t per_s, int64_t now_ns);
void client_sent_events(struct client *c, uint64_t n, uint64_t per_s, int64_t now_ns);
/* How long it has to wait (ns); 0 = not at all. */
int64_t client_wait(const struct client *c, int64_t now_ns);

#endif
