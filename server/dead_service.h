/*
 * dead_service.h: the weir that has the dead letters in use does for `weir deadletter` what that cannot do meanwhile: a socket in their folder, which
 * only those reach who may read the folder, and a thread that serves it.
 *
 *     tool:  each argument and a 0 byte, end of writing        weir:  "0\n" or "1\n" (the exit status), text, end
 */
#ifndef WEIR_DEAD_SERVICE_H
#define WEIR_DEAD_SERVICE_H

#include "base/buf.h"
#include "base/err.h"

struct dead_letters;
struct pipeline;

struct dead_service;
/* `path`: the folder of the dead letters. NULL: err. */
struct dead_service *dead_service_start(
	const char *path, struct dead_letters *dead, struct pipeline *pipeline, struct err *err);
/* Finishes what it is at. NULL is allowed. */
void dead_service_stop(struct dead_service *s);

/* The tool's side. False: nobody serves there; else *status and the text. */
bool dead_service_ask(const char *path, int argc, char **argv, int *status, struct buf *out);

#endif
