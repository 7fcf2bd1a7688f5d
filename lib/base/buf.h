/*
 * buf.h: bytes that grow, under a ceiling that is given at birth.
 *
 * Once a put fails (the ceiling, or no memory) the buffer stays failed and further puts do nothing, so a writer may put
 * many times and look at `failed` once. The first n bytes at p are the content. One owner, one thread.
 */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "base/span.h"

#include <stdarg.h>
#include <stdint.h>

struct buf {
	uint8_t *p;
	size_t n;   /* bytes of content, <= cap */
	size_t cap; /* bytes allocated, <= max */
	size_t max; /* ceiling in bytes */
	bool failed;
};

/* Empty; allocates nothing until the first put. */
void buf_init(struct buf *b, size_t max);

/* Frees the memory; the buffer is empty and may be used again. */
void buf_free(struct buf *b);

/* Forgets content and failure, keeps the memory. */
void buf_clear(struct buf *b);

/* Slow path of buf_reserve: grows (at least doubling) or fails. */
bool buf_grow(struct buf *b, size_t more) __attribute__((warn_unused_result));

/* Makes sure that `more` bytes can be written at p + n; false (and failed) over the ceiling or without memory. */
static inline bool __attribute__((warn_unused_result)) buf_reserve(struct buf *b, size_t more)
{
	return (b->cap - b->n >= more && !b->failed) || buf_grow(b, more);
}

static inline bool buf_put(struct buf *b, const void *p, size_t n)
{
	if (!buf_reserve(b, n))
		return false;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return true;
}

static inline bool buf_put_byte(struct buf *b, uint8_t c)
{
	return buf_put(b, &c, 1);
}

static inline bool buf_put_str(struct buf *b, const char *s)
{
	return buf_put(b, s, strlen(s));
}

static inline bool buf_put_span(struct buf *b, struct span s)
{
	return buf_put(b, s.p, s.n);
}

bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline struct span buf_span(const struct buf *b)
{
	return (struct span){b->p, b->n};
}

/* The content as a C string (a 0 byte is kept behind it, not counted); "" if the buffer has failed. */
const char *buf_cstr(struct buf *b);

/* Gives the memory away: the content, 0-terminated, for the caller to mem_free; the buffer is empty afterwards. NULL if failed. */
char *buf_take(struct buf *b);

#endif
