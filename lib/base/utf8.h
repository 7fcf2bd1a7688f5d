/*
 * utf8.h: UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. Any thread.
 */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include "base/span.h"

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Length in bytes (1-4) of the well-formed sequence at p, where n >= 1 bytes are left; 0 if there is none. */
size_t utf8_len(const uint8_t *p, size_t n);

/*
 * For an ill-formed place (utf8_len gave 0): the length of its maximal subpart (Unicode 3.9, table 3-8: >= 1), which one U+FFFD
 * replaces. The same rule as WHATWG decoders and Python's errors="replace".
 */
size_t utf8_bad_len(const uint8_t *p, size_t n);

bool utf8_valid(struct span s);

#endif
