/*
 * confine.h: what weir denies itself once it knows its configuration, `<system> confine`: programs and system calls that it never needs (syscall_filter.h), and files
 * outside of the folders that the configuration has it write to (landlock.h). Best effort: a kernel that cannot is told of in the log, and weir works on.
 *
 * Reading is as free as weir's user is: files to tail, certificates and included configurations may lie anywhere, and come with any reload. Ports are free too.
 */
#ifndef WEIR_CONFINE_H
#define WEIR_CONFINE_H

#include "loaded.h"

struct confinement;

/*
 * In force for this thread and all that it starts; before there are others, and after root_dir was made. `log_path` is -o's (NULL: none). Logs one line. Never NULL.
 */
struct confinement *confine(const struct loaded *conf, const char *log_path);
void confine_free(struct confinement *c); /* what is in force stays; NULL is allowed */

/* Whether all that a configuration has weir write to is within; if not, err names one folder that is not. */
bool confine_allows(const struct confinement *c, const struct loaded *conf, struct err *err);

#endif
