#include "base/arena.h"

#include "base/mem.h"

#define FIRST_BLOCK ((size_t)32 << 10)
#define SPARE_MAX   ((size_t)1 << 20) /* larger blocks go back to the system as soon as they are empty */

struct arena_block {
	struct arena_block *older;
	size_t size; /* of the whole block, this header with it */
};

static uint8_t *block_start(struct arena_block *b)
{
	return (uint8_t *)(b + 1);
}

static uint8_t *block_end(struct arena_block *b)
{
	return (uint8_t *)b + b->size;
}

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){.max = max};
}

static void drop(struct arena *a, struct arena_block *b)
{
	if (!b)
		return;
	a->held -= b->size;
	arena_unpoison(block_start(b), b->size - sizeof *b);
	mem_free(b);
}

void arena_free(struct arena *a)
{
	while (a->block) {
		struct arena_block *b = a->block;
		a->block = b->older;
		drop(a, b);
	}
	drop(a, a->spare);
	arena_init(a, a->max);
}

/* Makes `b` the block that is being filled. */
static void push(struct arena *a, struct arena_block *b)
{
	b->older = a->block;
	a->block = b;
	a->at = block_start(b);
	a->end = block_end(b);
	arena_poison(a->at, (size_t)(a->end - a->at));
}

/* A new block with room for n bytes: twice as large as the one before, if it may be. */
static struct arena_block *new_block(struct arena *a, size_t n)
{
	size_t least = n + sizeof(struct arena_block);
	size_t size = a->block ? a->block->size * 2 : FIRST_BLOCK;
	if (size > a->max / 4)
		size = a->max / 4;
	if (size < least)
		size = least;
	if (size > a->max || a->held > a->max - size)
		return NULL;
	struct arena_block *b = mem_try(size);
	if (!b)
		return NULL;
	b->size = size;
	a->held += size;
	return b;
}

void *arena_grow(struct arena *a, size_t n)
{
	if (n > a->max)
		return NULL;
	size_t room = arena_room(n);
	struct arena_block *b = a->spare;
	if (b && b->size - sizeof *b >= room)
		a->spare = NULL;
	else
		b = new_block(a, room);
	if (!b)
		return NULL;
	push(a, b);
	a->at += room;
	arena_unpoison(block_start(b), n);
	return block_start(b);
}

void *arena_copy(struct arena *a, const void *p, size_t n)
{
	void *copy = arena_alloc(a, n);
	if (copy && n)
		memcpy(copy, p, n);
	return copy;
}

bool arena_resize_last(struct arena *a, void *p, size_t n, size_t to)
{
	uint8_t *start = p;
	if (start + arena_room(n) != a->at || to > (size_t)(a->end - start))
		return false;
	size_t room = arena_room(to);
	if (room > (size_t)(a->end - start))
		return false;
	a->at = start + room;
	arena_poison(start, (size_t)(a->end - start));
	arena_unpoison(start, to);
	return true;
}

struct arena_mark arena_save(const struct arena *a)
{
	return (struct arena_mark){a->block, a->at};
}

void arena_restore(struct arena *a, struct arena_mark m)
{
	while (a->block != m.block) {
		struct arena_block *b = a->block;
		a->block = b->older;
		if (b->size > SPARE_MAX || (a->spare && a->spare->size >= b->size)) {
			drop(a, b);
		} else {
			drop(a, a->spare);
			a->spare = b;
		}
	}
	a->at = m.at;
	a->end = m.block ? block_end(m.block) : NULL;
	if (a->at)
		arena_poison(a->at, (size_t)(a->end - a->at));
}
