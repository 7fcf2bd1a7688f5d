/*
 * status_tail.h: GET /api/tail?tag=PATTERN&output=ID: events as they pass, as lines of JSON (taps.h), until the client goes away. A line
 * {"dropped":n} says how many were not shown since the one before; an empty line comes each second in which there is nothing to say.
 */
#ifndef WEIR_STATUS_TAIL_H
#define WEIR_STATUS_TAIL_H

#include "admin.h"
#include "metrics/metrics.h"
#include "taps.h"

struct event_base;

struct status_tails;
struct status_tails *status_tails_new(struct event_base *base, struct taps *taps, struct metrics *m);
/* After the admin endpoint has gone. NULL is allowed. */
void status_tails_free(struct status_tails *t);

/* Answers such a request; that there is such an output is the caller's. */
void status_tail_reply(struct admin_request *r, struct status_tails *tails);

#endif
