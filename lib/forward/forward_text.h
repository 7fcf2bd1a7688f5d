/* forward_text.h: text that peers send, made UTF-8. */
#ifndef WEIR_FORWARD_FORWARD_TEXT_H
#define WEIR_FORWARD_FORWARD_TEXT_H

#include "base/buf.h"

/* Appends s with U+FFFD for each maximal ill-formed part. False if `out` has failed. */
bool forward_text_repair(struct buf *out, struct span s);

#endif
