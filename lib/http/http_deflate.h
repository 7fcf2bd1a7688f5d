/* http_deflate.h: Content-Encoding deflate (RFC 9110, 8.4.1.2): zlib data, or the raw deflate data that some senders mistake it for. Any thread. */
#ifndef WEIR_HTTP_HTTP_DEFLATE_H
#define WEIR_HTTP_HTTP_DEFLATE_H

#include "base/buf.h"

enum http_inflate { HTTP_INFLATE_OK, HTTP_INFLATE_BAD, HTTP_INFLATE_TOO_LARGE, HTTP_INFLATE_NO_MEMORY };

/* Appends all of it to `out`, whose max is the ceiling. On anything but OK out->n is as before. */
enum http_inflate http_inflate(struct span in, struct buf *out);

#endif
