/*
 * landlock.h: from now on this process makes, changes and removes files below some folders only, and executes none (Linux 5.19 and later). What it may read stays as
 * it is. Descriptors that are open go on.
 */
#ifndef WEIR_LANDLOCK_H
#define WEIR_LANDLOCK_H

#include "base/err.h"

#include <stddef.h>

/* For this thread and all that it starts, for ever; after privileges_lock. False: nothing is denied, and err says why. */
bool landlock_confine(const char *const *folders, size_t n, struct err *err);

#endif
