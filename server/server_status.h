/*
 * server_status.h: what weir tells of itself: numbers for /metrics, and the routes of the admin endpoint:
 *
 *     /  the status page        /metrics  Prometheus text        /healthz  alive        /readyz  able to store
 *     /api/status.json  /api/history.json  the page's data        /api/tail  events as they pass (status_tail.h)
 *     /api/plugins.json  what fluentd's monitor_agent tells
 *
 * Main thread. Nothing here waits for an output or a disk.
 */
#ifndef WEIR_SERVER_STATUS_H
#define WEIR_SERVER_STATUS_H

#include "admin.h"
#include "pipeline.h"
#include "watch.h"

struct dead_letters;
struct event_base;

/* What it tells of; all of it the caller's, and there for longer. */
struct status_parts {
	struct event_base *base;
	struct metrics *metrics;
	struct pipeline *pipeline;
	const struct watch *watch;
	struct dead_letters *dead;
	const char *config; /* its path; NULL = the command line */
	unsigned workers;
	int64_t started_ns; /* wall clock */
	const bool *ready;  /* false while weir starts or ends */
};

struct server_status;
/* From now on the numbers are collected and sampled: once the buffers are open. NULL: no memory. */
struct server_status *server_status_new(const struct status_parts *parts);
/* After the admin endpoint has gone. NULL is allowed. */
void server_status_free(struct server_status *s);

/* After a reload. */
void server_status_set_pipeline(struct server_status *s, struct pipeline *p);

void server_status_routes(struct server_status *s, struct admin *a);

#endif
