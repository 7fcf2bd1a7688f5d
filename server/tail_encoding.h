/* tail_encoding.h: texts in another encoding to UTF-8. One thread's. */
#ifndef WEIR_TAIL_ENCODING_H
#define WEIR_TAIL_ENCODING_H

#include "base/buf.h"
#include "base/err.h"

struct tail_encoding;

/* Whether texts in that encoding are UTF-8, or taken as the bytes that they are. */
bool tail_encoding_is_plain(const char *name);

/* By a name that Ruby or iconv(3) has. NULL: there is none, or line feeds in it are no single bytes. */
struct tail_encoding *tail_encoding_new(const char *from, struct err *err);
void tail_encoding_free(struct tail_encoding *e); /* NULL is allowed */

/* Appends the text; what is none becomes U+FFFD. False: `out` failed. */
bool tail_encoding_convert(struct tail_encoding *e, struct span text, struct buf *out);

#endif
