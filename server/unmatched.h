/*
 * unmatched.h: events whose tag no <match> wants: warned of once for each tag, as long as the tags are not too many. Any thread.
 */
#ifndef WEIR_UNMATCHED_H
#define WEIR_UNMATCHED_H

#include "base/span.h"

struct unmatched;
struct unmatched *unmatched_new(void);
void unmatched_free(struct unmatched *u); /* NULL is allowed */
void unmatched_warn(struct unmatched *u, struct span tag, uint32_t events);

#endif
