/* text_encoding.h: texts in another encoding to UTF-8. One thread's. */
#ifndef WEIR_TEXT_ENCODING_H
#define WEIR_TEXT_ENCODING_H

#include "base/buf.h"
#include "base/err.h"

struct text_encoding;

/* Whether texts in that encoding are UTF-8, or taken as the bytes that they are. */
bool text_encoding_is_plain(const char *name);

/* By a name that Ruby or iconv(3) has. NULL: there is none, or line feeds in it are no single bytes. */
struct text_encoding *text_encoding_new(const char *from, struct err *err);
void text_encoding_free(struct text_encoding *e); /* NULL is allowed */

/* Appends the text; what is none becomes U+FFFD. False: `out` failed. */
bool text_encoding_convert(struct text_encoding *e, struct span text, struct buf *out);

#endif
