/*
 * sources.h: the sources of a configuration that run: how they stop and end, at a reload and at the end of all. Main thread.
 *
 *     started ─ source_stop ─ while it is busy: what it has read is finished ─ end
 */
#ifndef WEIR_SOURCES_H
#define WEIR_SOURCES_H

#include "pipeline.h"

/* Tells in one line which of them take events from whoever comes. */
void sources_warn_of_open(const struct pipeline *p);

/* Takes nothing new from now on. Also of one whose start has failed. */
void source_stop(struct source *s);

void sources_stop(const struct pipeline *p);

/* Whether one has still to finish what it has read. */
bool sources_are_busy(const struct pipeline *p);

/* Ends those that are not busy (`now`: all). True: none is left. */
bool sources_end(const struct pipeline *p, bool now);

/* Whether none is left. */
bool sources_have_ended(const struct pipeline *p);

/* While no worker does anything: they read the files that their configuration names (certificates) again. Failures are logged. */
void sources_renew(const struct pipeline *p);

#endif
