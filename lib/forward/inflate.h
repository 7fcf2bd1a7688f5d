/*
 * inflate.h: gzip (any number of members) and zstd (any number of frames) under a ceiling. The sizes that the input announces are never
 * believed. Any thread with its own context.
 */
#ifndef WEIR_FORWARD_INFLATE_H
#define WEIR_FORWARD_INFLATE_H

#include "base/buf.h"

enum inflate_kind { INFLATE_NONE, INFLATE_GZIP, INFLATE_ZSTD };

enum inflate_result { INFLATE_OK, INFLATE_BAD, INFLATE_TOO_LARGE };

/* By the magic bytes at the beginning. */
enum inflate_kind inflate_sniff(struct span in);

/*
 * Appends the whole decompressed input to `out`, whose max is the ceiling. max_ratio as in forward_limits. INFLATE_BAD: damaged,
 * cut, or garbage behind the last member (zero padding is allowed); nothing of the content is to be used then.
 */
enum inflate_result inflate(enum inflate_kind kind, struct span in, uint32_t max_ratio, struct buf *out);

#endif
