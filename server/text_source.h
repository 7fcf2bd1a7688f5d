/*
 * text_source.h: what tcp, udp and syslog have in common: a text of a peer goes through the parser of <parse>, gets the peer's address and name, and becomes events.
 * Texts that the parser does not know become dead letters.
 */
#ifndef WEIR_TEXT_SOURCE_H
#define WEIR_TEXT_SOURCE_H

#include "base/log.h"
#include "entry.h"
#include "ingest.h"
#include "parse/extract_values.h"
#include "parse/parser.h"
#include "plugin.h"

#define TEXT_MAX (16u << 20) /* bytes of a text where the configuration knows no limit */

/* One worker's. */
struct text_room {
	struct parser_room parse;
	struct buf entry, extract, tag;
	struct added added;
};

struct text_turn;

struct text_source {
	struct source *source;
	struct parser *parser;
	struct extract_values *extract; /* NULL = none */
	const char *tag;
	const char *address_key, *hostname_key; /* added to each record; NULL = none */
	bool resolve;				/* look up the peers' names */
	size_t max_text;			/* bytes; what is longer is not taken */
	/* Makes events of a text. */
	void (*take)(struct text_source *t, struct text_turn *turn, struct span text);
	struct text_room *rooms[INGEST_MAX_WORKERS];
	struct counter *oversized;
	struct log_limit log_unmatched, log_oversized, log_memory;
};

/* A turn of reading from one peer, between ingest_open and ingest_close. */
struct text_turn {
	struct text_source *source;
	struct text_room *room;
	struct ingest *in;
	struct event_time now;
	uint32_t events;	      /* that it was so far */
	const char *peer, *ip, *name; /* for the log; for records, `name` NULL = not looked up */
};

/*
 * Makes the parser that the section (the source's, or a copy that lives as long) asks for (default_type: parser.h) and the counters; the other fields are the plugin's
 * to fill. False: findings were added.
 */
bool text_source_init(struct text_source *t, struct source *source, const struct conf_section *section,
	struct builder *b, const char *default_type);
/* Once the workers have ended. */
void text_source_free(struct text_source *t);

void text_turn_begin(struct text_turn *turn, struct text_source *t, struct worker *w, struct ingest *in,
	const char *peer, const char *ip, const char *name);

/* Counts a text, and hands it to take. */
void text_take(struct text_turn *turn, struct span text);

/* A take for texts whose tag is the source's or <extract>'s. */
void text_take_plain(struct text_source *t, struct text_turn *turn, struct span text);

/* Gives one event on; `record` is a msgpack map, `without` a key that is left out (n = 0: none). */
void text_emit(struct text_turn *turn, struct span tag, struct event_time time, struct span record,
	const struct added *added, struct span without);

/* A text that is no event: a dead letter, counted and, at times, told. */
void text_unmatched(struct text_turn *turn, struct span tag, struct span text, const char *why);
/* A text over the limit that was not taken: `size` bytes so far. */
void text_oversized(struct text_turn *turn, size_t size);

#endif
