/*
 * arena.h: memory that is given back all at once, for what lives as long as a record or a batch.
 *
 * Allocation is a pointer that moves; the system is asked only when a block is full. There is a ceiling, because what goes in depends on
 * what peers send. One owner, one thread.
 */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "base/span.h"

struct arena_block;

struct arena {
	struct arena_block *block; /* that is being filled; older ones behind it */
	struct arena_block *spare; /* one that arena_restore emptied */
	uint8_t *at, *end;	   /* what is left of `block` */
	size_t held;		   /* bytes of all blocks */
	size_t max;
};

/* `max` bounds the memory that it holds, in bytes. Allocates nothing yet. */
void arena_init(struct arena *a, size_t max);
void arena_free(struct arena *a);

/* Slow path of arena_alloc. */
void *arena_grow(struct arena *a, size_t n);

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define arena_poison(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define arena_unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define arena_poison(p, n)   ((void)0)
#define arena_unpoison(p, n) ((void)0)
#endif

/* What n bytes take. */
static inline size_t arena_room(size_t n)
{
	return (n + 7 + (n == 0)) & ~(size_t)7;
}

/* n bytes for anything, not zeroed; NULL above the ceiling or without memory. */
static inline void *__attribute__((warn_unused_result, malloc, alloc_size(2))) arena_alloc(struct arena *a, size_t n)
{
	size_t room = arena_room(n);
	if (n > SIZE_MAX - 8 || room > (size_t)(a->end - a->at))
		return arena_grow(a, n);
	uint8_t *p = a->at;
	a->at += room;
	arena_unpoison(p, n);
	return p;
}

/* count * size bytes; NULL also if that overflows. */
static inline void *__attribute__((warn_unused_result)) arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;
	return __builtin_mul_overflow(count, size, &n) ? NULL : arena_alloc(a, n);
}

/* A copy of n bytes. */
void *arena_copy(struct arena *a, const void *p, size_t n) __attribute__((warn_unused_result));

/* Makes the last allocation (n bytes at p) shorter or, where it can stay in its place, longer. False: it cannot stay. */
bool arena_resize_last(struct arena *a, void *p, size_t n, size_t to);

/* A place to go back to: everything allocated since arena_save is given back by arena_restore. */
struct arena_mark {
	struct arena_block *block;
	uint8_t *at;
};
struct arena_mark arena_save(const struct arena *a);
void arena_restore(struct arena *a, struct arena_mark m);

#endif
