/*
 * regexp_engine.h: what stands behind regexp.h, for parts that ask more of a match: where its groups are, what they are called. Syntax, options and limits are the same.
 *
 * Compiled once, read-only afterwards; any thread, each with a region of its own.
 */
#ifndef WEIR_BASE_REGEXP_ENGINE_H
#define WEIR_BASE_REGEXP_ENGINE_H

#include "base/regexp.h"

#include <oniguruma.h>

/* `flags` are regexp.h's. NULL and why, if it is no regular expression. The caller's to onig_free. */
regex_t *regexp_engine_compile(struct span source, unsigned flags, struct err *err);

/* Looks in `text`, which must be UTF-8, from offset `from` on; with REGEXP_YES the places are in `region` (NULL: nobody asks). */
enum regexp_result regexp_engine_search(regex_t *onig, struct span text, size_t from, OnigRegion *region);

/* A name of groups; both pointers are into the engine's. */
struct regexp_name {
	struct span name;
	const int *numbers; /* of the groups with this name, rising */
	int count;
};

/* All names, in the order of their first groups; the caller's to mem_free. */
struct regexp_name *regexp_engine_names(regex_t *onig, size_t *n);

#endif
