/*
 * rpc.h: <system> rpc_endpoint: the commands that fluentd takes over HTTP, so that what flushes or stops a fluentd does the same to weir. Main thread.
 *
 *     /api/plugins.flushBuffers   /api/processes.{interruptWorkers,killWorkers,flushBuffersAndKillWorkers}
 *     /api/config.{dump,getDump}  the configuration in force, secrets masked; getDump only with enable_get_dump
 */
#ifndef WEIR_RPC_H
#define WEIR_RPC_H

#include "loaded.h"

struct event_base;
struct rpc;

/* `endpoint`: host:port, or port. NULL and err if nobody can listen there. `conf` outlives it. */
struct rpc *rpc_start(struct event_base *base, const char *endpoint, const struct loaded *conf, struct err *err);
void rpc_stop(struct rpc *r); /* NULL is allowed */

#endif
