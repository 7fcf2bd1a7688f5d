/*
 * privileges.h: who weir is to the system. Before there are threads.
 */
#ifndef WEIR_PRIVILEGES_H
#define WEIR_PRIVILEGES_H

#include "base/err.h"

/*
 * --user and --group (names or numbers; NULL = not given): this process is that user from now on, with that group or the user's own and with the user's further groups, and cannot come back. Of root's
 * rights one is kept: to listen below port 1024. Nothing is done where it is that user already. False: err.
 */
bool privileges_become(const char *user, const char *group, struct err *err);

/* No program that this process could start gets rights that it has not (no_new_privs). */
void privileges_lock(void);

#endif
