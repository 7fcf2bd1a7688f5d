/*
 * file_watch.h: the files that a configuration lives on beside its own: certificates, keys and databases that it names, and what #{File.read(...)} took from others (passwords). They
 * are looked at every two seconds: Kubernetes changes a mounted secret by turning a symbolic link, which no inotify watch on the file itself would see. Main thread.
 */
#ifndef WEIR_FILE_WATCH_H
#define WEIR_FILE_WATCH_H

#include "conf/conf_tree.h"

struct event_base;
struct file_watch;

/* fn(arg) is called when a file has become another one and has stayed so for one look, so that a pair of files is whole. NULL: no memory. */
struct file_watch *file_watch_new(struct event_base *base, void (*fn)(void *arg), void *arg);
void file_watch_free(struct file_watch *w); /* NULL is allowed */

/*
 * From now on the files of this configuration: those that it has read as they were then, those that it names as they are now. `tree` must live until the next call.
 */
void file_watch_set(struct file_watch *w, const struct conf_tree *tree);

#endif
