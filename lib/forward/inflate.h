/*
 * inflate.h: gzip (any number of members) and zstd (any number of frames) under a ceiling. The sizes that the input
 * announces are hints at most. Any thread.
 */
#ifndef WEIR_FORWARD_INFLATE_H
#define WEIR_FORWARD_INFLATE_H

#include "base/buf.h"

enum inflate_kind { INFLATE_NONE, INFLATE_GZIP, INFLATE_ZSTD };

enum inflate_result {
	INFLATE_OK,
	INFLATE_BAD,	   /* damaged, cut, or garbage behind the last member (zero padding behind gzip is allowed) */
	INFLATE_TOO_LARGE, /* above out->max or max_ratio */
	INFLATE_NO_MEMORY,
};

/* By the magic bytes at the beginning. */
enum inflate_kind inflate_sniff(struct span in);

/*
 * Appends the whole decompressed input to `out`, whose max is the ceiling. max_ratio as in forward_limits. On
 * anything but INFLATE_OK out->n is as before: nothing of a damaged input is to be used, since one cannot know
 * which part of it is wrong.
 */
enum inflate_result inflate_all(enum inflate_kind kind, struct span in, uint32_t max_ratio, struct buf *out);

#endif
