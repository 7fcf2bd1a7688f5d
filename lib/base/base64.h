/*
 * base64.h: Base64 as RFC 4648 has it. Any thread.
 */
#ifndef WEIR_BASE_BASE64_H
#define WEIR_BASE_BASE64_H

#include "base/buf.h"

enum base64_alphabet {
	BASE64_STD, /* + and /, always padded with = (section 4) */
	BASE64_URL, /* - and _, never padded (section 5) */
};

/* Bytes that n bytes become. */
size_t base64_encoded_len(enum base64_alphabet alphabet, size_t n);

/* Writes exactly base64_encoded_len(alphabet, in.n) bytes at `out`, no 0 byte, and returns that number. */
size_t base64_encode(enum base64_alphabet alphabet, struct span in, char *out);

/* Appends the text of `in`; false if `out` failed. */
bool base64_put(struct buf *out, enum base64_alphabet alphabet, struct span in);

/*
 * Appends the bytes that `text` stands for. Strict: no white space, padding exactly where the alphabet has it, unused
 * bits 0 (RFC 4648 section 3.5), so that no two texts mean the same bytes. False if the text is none (out->n is then
 * as before) or `out` failed.
 */
bool base64_get(struct buf *out, enum base64_alphabet alphabet, struct span text) __attribute__((warn_unused_result));

#endif
