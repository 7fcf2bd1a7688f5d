/*
 * tail_watch.h: the system's word that followed files and their folders have changed (inotify). What cannot be watched (the limit of watches, file systems of other
 * hosts) has to be looked at by a timer. One worker's thread.
 */
#ifndef WEIR_TAIL_WATCH_H
#define WEIR_TAIL_WATCH_H

#include "worker.h"

struct tail_watch;

struct tail_watch_hooks {
	/* The file was written to; `moved`: or renamed, deleted, given other rights. */
	void (*changed)(void *arg, void *file, bool moved);
	/* A name has come or gone in a folder, or nobody knows what has changed. */
	void (*folder)(void *arg);
	void *arg;
	const char *id; /* for the log */
};

/* NULL: the system has no inotify for us; told. */
struct tail_watch *tail_watch_new(struct worker *w, const struct tail_watch_hooks *hooks);
void tail_watch_free(struct tail_watch *w); /* NULL is allowed */

/* `file` is handed to `changed` until it is forgotten. False: it cannot be watched (the first time that is told). */
bool tail_watch_file(struct tail_watch *w, int fd, void *file);
void tail_watch_forget(struct tail_watch *w, void *file);
/* A folder that is watched already is no matter. */
void tail_watch_folder(struct tail_watch *w, const char *path);

#endif
