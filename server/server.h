/*
 * server.h: the running daemon: what it owns, the order of its start and its end.
 *
 *     start:  dead letters, workers, buffers, flush threads, sources, admin endpoint
 *     end:    sources stop accepting ─ what was read is stored and acknowledged ─ input of the buffers ends (all is on disk) ─
 *             flush_at_shutdown until its deadline ─ flush threads, buffers, workers
 *
 * Everything here runs in the main thread.
 */
#ifndef WEIR_SERVER_H
#define WEIR_SERVER_H

#include "base/err.h"
#include "cmdline.h"
#include "metrics/metrics.h"
#include "worker.h"

struct dead_letters;
struct server;

/* Reads the configuration and runs until it is told to end. Returns the process's exit status (sysexits.h; 0 = an orderly end, 1 = configuration). */
int server_run(const struct cmdline *cmd);

/* `--dry-run` and `weir check`: everything but running. */
int server_check(const struct cmdline *cmd);

/* ---- for plugins --------------------------------------------------------------------------------------------------- */

struct event_base *server_base(struct server *s);
struct worker **server_workers(struct server *s);
unsigned server_worker_count(const struct server *s);
/* A worker without connections, for inputs that read files: it alone may wait for a disk. */
struct worker *server_file_worker(struct server *s);
struct metrics *server_metrics(struct server *s);
struct dead_letters *server_dead_letters(struct server *s);
struct pipeline *server_pipeline(struct server *s);
/* The configuration's path; NULL if it came with the command line. */
const char *server_config_path(const struct server *s);

#endif
