/*
 * record_path.h: fluentd's record accessor: `key`, `$.a.b[0].c`, `$['a']['b.c'][0]`. A plain `key` is a top-level key
 * even with dots in it. Compiled once, read-only, any thread.
 */
#ifndef WEIR_RECORD_RECORD_PATH_H
#define WEIR_RECORD_RECORD_PATH_H

#include "base/err.h"
#include "base/span.h"

struct record_path;

struct record_step {
	bool is_index;
	struct span key; /* !is_index */
	int64_t index;	 /* is_index; negative counts from the end */
};

struct record_path *record_path_compile(const char *text, struct err *err);
/* As Elasticsearch options have it: dots separate nested keys ("a.b" = $.a.b). */
struct record_path *record_path_compile_dotted(const char *text, struct err *err);
void record_path_free(struct record_path *p);

size_t record_path_steps(const struct record_path *p, const struct record_step **steps);

/* The msgpack object there, n = 0 if there is none. `record` is a msgpack map. */
struct span record_path_get(const struct record_path *p, struct span record);

#endif
