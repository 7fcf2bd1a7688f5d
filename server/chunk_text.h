/*
 * chunk_text.h: <format> and <inject> of an output: the events of a frame as text. The maker is read-only after it was made; a chunk_text is one flush
 * thread's.
 */
#ifndef WEIR_CHUNK_TEXT_H
#define WEIR_CHUNK_TEXT_H

#include "base/buf.h"
#include "buffer/buffer.h"
#include "conf/conf_schema.h"
#include "format/formatter.h"
#include "format/inject_values.h"

struct text_maker {
	struct formatter *formatter;
	struct inject_values *inject; /* NULL = none */
};

/* From the output's section. Findings are added; text_maker_free in any case. */
void text_maker_init(struct text_maker *m, const struct conf_section *section, const char *default_type,
	const struct conf_rules *rules, struct conf_report *report);
void text_maker_free(struct text_maker *m);

struct chunk_text {
	const struct text_maker *maker;
	struct buf out;	   /* the text */
	struct buf record; /* with what was injected */
};
void chunk_text_init(struct chunk_text *t, const struct text_maker *m);
void chunk_text_free(struct chunk_text *t);

/* One event's text at the end of t->out. False: it has none, or there is no memory (then t->out has failed). */
bool chunk_text_event(struct chunk_text *t, struct span tag, struct event_time time, struct span record);

/* Steps through a frame's events: `p` is the place, n its entries. The time is set also where the time of receipt is meant. */
bool chunk_text_next(const struct frame_view *v, const uint8_t **p, struct event *e);

#endif
