/* server_impl.h: inside of the server: what its files share. Main thread. */
#ifndef WEIR_SERVER_IMPL_H
#define WEIR_SERVER_IMPL_H

#include "confine.h"
#include "file_watch.h"
#include "flow.h"
#include "ingest.h"
#include "loaded.h"
#include "server.h"
#include "watch.h"

#include <event2/event.h>

#define LAST_IN_NS \
	(100 * NS_PER_MS) /* who has been sent a SYN-ACK gets as long to complete the connection: a few round trips */
#define DRAIN_INPUT_NS (8 * NS_PER_S) /* sources end by themselves before that */

enum phase { PHASE_RUN, PHASE_LAST_IN, PHASE_DRAIN_INPUT, PHASE_DRAIN_OUTPUT, PHASE_END };

struct server {
	const struct cmdline *cmd;
	struct loaded conf;
	struct event_base *base;
	struct event *signals[6];
	struct event *pulse; /* while draining */
	struct admin *admin;
	struct rpc *rpc;
	struct unmatched *unmatched;
	struct watch watch;
	struct server_status *status;
	struct ingest_hub *hub;
	struct dead_letters *dead;
	struct held *held; /* NULL: no plugin has held events since the start */
	struct dead_service *dead_service;
	struct confinement *confinement;
	struct worker *workers[INGEST_MAX_WORKERS];
	unsigned worker_count;
	struct worker *file_worker;
	enum phase phase;
	int64_t phase_until_ns;
	bool ready;
	/* a reload (reload.c) */
	struct generation *retired; /* configurations of before of which something is still in use, the latest first */
	struct file_watch *files;   /* certificates */
	struct event *reload_pulse; /* while one is under way, and while something is retired */
	bool reloading, reload_again;
	int64_t reload_until_ns;
};

/* A configuration of before. */
struct generation {
	struct generation *next;
	struct loaded conf;
};

/* server.c */
void server_set_log_level(const struct cmdline *cmd, const struct system_conf *system);
/* What of <system> can change while weir runs: log, umask, memory for messages. False: err; the log goes on where it was. */
bool server_apply_system(struct server *s, struct err *err);
void server_log_report(const struct conf_report *report);
/* Opens an output's buffer and the folders above it. */
bool server_open_flow(struct server *s, struct flow *f, struct err *err);
void server_start_dead_service(struct server *s);
/* Opens the journal if the plugins of `p` hold events. */
bool server_open_held(struct server *s, const struct pipeline *p, struct err *err);

/* server_end.c: the end in steps; server_stop then frees all that there is. */
void server_begin_end(struct server *s);
void server_on_pulse(evutil_socket_t fd, short events, void *arg);
void server_stop(struct server *s);
/* SIGUSR1: sends what is buffered. */
void server_flush(struct server *s);

/* reload.c */
/* Reads the configuration again. If it is good it takes the place of the running one; else that one goes on. `why` is for the log. */
void server_reload(struct server *s, const char *why);
/* Certificates and keys are watched from now on, and a change reloads. */
bool server_watch_files(struct server *s, struct err *err);
/* With the rest of the server: frees what reloads have left. */
void server_free_retired(struct server *s);

#endif
