/* status_text.h: what /api/status.json says, as text for a terminal: `weir status` and `weir top`. */
#ifndef WEIR_STATUS_TEXT_H
#define WEIR_STATUS_TEXT_H

#include "base/buf.h"

#include <jansson.h>

struct status_text_options {
	size_t width, height; /* of the screen: longer lines and more lines are left out; 0 = no limit */
	bool colour;	      /* ANSI escapes; also ends each line by clearing the rest of it */
};

/* Appends the text; lines end with \n. Whatever is in the data, no byte of it controls a terminal. */
void status_text(const json_t *status, const struct status_text_options *o, struct buf *out);

/* Appends `s` with everything that could control a terminal as \u00XX, and what is no UTF-8 as U+FFFD. */
void terminal_put(struct buf *out, struct span s);

#endif
