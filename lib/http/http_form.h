/* http_form.h: the fields of a query, of an application/x-www-form-urlencoded body, and of a multipart/form-data body (RFC 7578). Any thread. */
#ifndef WEIR_HTTP_HTTP_FORM_H
#define WEIR_HTTP_HTTP_FORM_H

#include "base/buf.h"

enum http_field {
	HTTP_FIELD,	/* a field */
	HTTP_FIELD_END, /* no more */
	HTTP_FIELD_BAD, /* not of that form, or no memory */
};

/* The next field of name=value&name=value. Name and value are decoded into the bufs, which are cleared before. *form is moved behind it. */
enum http_field http_form_next(struct span *form, struct buf *name, struct buf *value);

/* The boundary of a Content-Type multipart/form-data; n = 0 if that is none. */
struct span http_multipart_boundary(struct span content_type);

/* The next part: its name, and its content, both views of the body. `body` is the whole one at first. */
enum http_field http_multipart_next(struct span *body, struct span boundary, struct span *name, struct span *content);

#endif
