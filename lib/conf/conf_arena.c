#include "conf/conf_arena.h"

#include "base/mem.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)8192)

struct conf_arena_block {
	struct conf_arena_block *next;
	size_t used, size;
	alignas(max_align_t) uint8_t data[];
};

void *conf_arena_zalloc(struct conf_arena *a, size_t n)
{
	size_t need = (n + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	struct conf_arena_block *b = a->blocks;
	if (!b || b->size - b->used < need) {
		size_t size = need > BLOCK_BYTES ? need : BLOCK_BYTES;
		b = mem_zalloc(sizeof *b + size);
		b->size = size;
		b->next = a->blocks;
		a->blocks = b;
	}
	void *p = b->data + b->used;
	b->used += need;
	a->bytes += need;
	return p;
}

char *conf_arena_copy(struct conf_arena *a, const void *p, size_t n)
{
	char *s = conf_arena_zalloc(a, n + 1);
	if (n)
		memcpy(s, p, n);
	return s;
}

void conf_arena_free(struct conf_arena *a)
{
	while (a->blocks) {
		struct conf_arena_block *next = a->blocks->next;
		/* Secrets pass through here. */
		mem_free_secret(a->blocks, sizeof *a->blocks + a->blocks->size);
		a->blocks = next;
	}
	a->bytes = 0;
}
