/* dead_request.h: what `weir deadletter` asks for, by the tool itself or by the weir that has the store in use. */
#ifndef WEIR_DEAD_REQUEST_H
#define WEIR_DEAD_REQUEST_H

#include "base/buf.h"
#include "dead_store.h"

struct ingest_hub;
struct pipeline;

struct dead_request {
	const char *verb;	  /* ls, show, replay, drop */
	const char *config, *dir; /* NULL: not given */
	const char *to;		  /* replay: the output that gets all of them; NULL: each its own destination */
	const char *limit;	  /* show */
	bool all, help;
	struct dead_filter filter;
};

/* From argv, whose strings it points to; argv[0] is not looked at. False: err; dead_request_free in any case. */
bool dead_request_parse(struct dead_request *rq, int argc, char **argv, struct err *err);
void dead_request_free(struct dead_request *rq);

/* Which outputs there are. */
struct dead_outputs {
	struct pipeline *pipeline; /* NULL: none */
	struct ingest_hub *hub;	   /* tools: buffers are opened when they are needed; NULL: they are open */
	struct metrics *metrics;
};

/* Replays or drops; `out` gets a sentence about what was done. Returns false if it could not be done, or not wholly. May wait. */
bool dead_request_run(
	const struct dead_request *rq, struct buffer *store, const struct dead_outputs *outputs, struct buf *out);

#endif
