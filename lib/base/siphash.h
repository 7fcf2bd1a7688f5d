/*
 * siphash.h: SipHash-2-4 (Aumasson and Bernstein, 2012): a short-input hash that nobody can make collide without its key.
 */
#ifndef WEIR_BASE_SIPHASH_H
#define WEIR_BASE_SIPHASH_H

#include "base/span.h"

/* `key` as the paper has it: k[0] the first eight bytes, k[1] the last, little-endian. Any thread. */
uint64_t siphash(const uint64_t key[2], struct span s);

#endif
