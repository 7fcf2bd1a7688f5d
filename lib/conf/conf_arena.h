/*
 * conf_arena.h: memory that is given back all at once: what a configuration tree, or one evaluated expression, is made of.
 * Sizes are bounded by the size of the files read. One owner, one thread.
 */
#ifndef WEIR_CONF_CONF_ARENA_H
#define WEIR_CONF_CONF_ARENA_H

#include <stddef.h>

struct conf_arena_block;

struct conf_arena {
	struct conf_arena_block *blocks; /* newest first; NULL = nothing allocated */
	size_t bytes;			 /* handed out, for whoever sets a limit */
};

/* Zeroed memory, aligned for any type; lives until conf_arena_free. */
void *conf_arena_zalloc(struct conf_arena *a, size_t n) __attribute__((malloc, returns_nonnull, alloc_size(2)));

/* A 0-terminated copy of n bytes (which may hold 0 bytes). */
char *conf_arena_copy(struct conf_arena *a, const void *p, size_t n) __attribute__((malloc, returns_nonnull));

/* Frees everything; the arena is empty and may be used again. */
void conf_arena_free(struct conf_arena *a);

#endif
