/*
 * forward_heartbeat.h: asks the servers of a forward output each heartbeat_interval whether they are there, in a thread of its own, so that one which is gone
 * costs no event a wait. Only where heartbeat_type says so.
 */
#ifndef WEIR_FORWARD_HEARTBEAT_H
#define WEIR_FORWARD_HEARTBEAT_H

#include "forward_discovery.h"
#include "metrics/metrics.h"

struct forward_heartbeat;

/* What is passed lives as long. NULL: none are wanted, or there is no thread for them (which is told). */
struct forward_heartbeat *forward_heartbeat_start(
	const struct forward_out_conf *c, struct forward_discovery *d, const char *id, struct counter *failed);
/* Waits for its thread, which may be looking a name up. NULL is allowed. */
void forward_heartbeat_stop(struct forward_heartbeat *h);

#endif
