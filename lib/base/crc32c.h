/*
 * crc32c.h: CRC-32C (Castagnoli, RFC 3720 appendix B), with the processor's instruction where it has one (looked for
 * once, at start-up). Any thread.
 */
#ifndef WEIR_BASE_CRC32C_H
#define WEIR_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of the bytes before (`crc`, 0 when there are none) and of n bytes at p. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

/* The same by tables only: what crc32c does on a processor without the instruction. */
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n);

/* "sse4.2", "armv8" or "portable": what crc32c uses here. */
const char *crc32c_kind(void);

#endif
