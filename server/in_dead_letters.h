/*
 * in_dead_letters.h: dead letters as events (dead_event.h) for <label @DEAD_LETTER>. No plugin of a configuration: the pipeline adds it where there is such a
 * label. The store keeps every dead letter whatever becomes of its event: what finds no room on this way is counted as refused.
 */
#ifndef WEIR_IN_DEAD_LETTERS_H
#define WEIR_IN_DEAD_LETTERS_H

#include "plugin.h"

extern const struct plugin in_dead_letters;

#endif
