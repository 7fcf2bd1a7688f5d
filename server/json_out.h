/* json_out.h: jansson's values as text. */
#ifndef WEIR_JSON_OUT_H
#define WEIR_JSON_OUT_H

#include "base/buf.h"

#include <jansson.h>

/* Appends any value, in as few bytes as it takes. `j` stays the caller's. */
void json_out(const json_t *j, struct buf *out);

#endif
