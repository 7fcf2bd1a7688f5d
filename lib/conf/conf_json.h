/*
 * conf_json.h: a JSON array or hash, checked character by character as it is read from a configuration, so that a mistake has its exact place.
 * White space, comments (// and those of C) and a comma behind the last item are left out of the result, which is valid JSON text.
 *
 * Comments with # and embedded code are the caller's matter: outside strings they never reach this.
 */
#ifndef WEIR_CONF_CONF_JSON_H
#define WEIR_CONF_CONF_JSON_H

#include "base/buf.h"

#define CONF_JSON_DEPTH 64
#define CONF_JSON_WORD	48

struct conf_json {
	struct buf *out;
	const char *why; /* after CONF_JSON_BAD */
	unsigned state, depth, digits;
	bool comma; /* read, not yet written: perhaps it is the last one */
	bool is_key;
	uint8_t open[CONF_JSON_DEPTH]; /* what closes each level */
	char word[CONF_JSON_WORD];     /* number, true, false, null */
	size_t word_n;
	char why_text[112];
};

enum conf_json_step {
	CONF_JSON_MORE,
	CONF_JSON_DONE, /* c closed the outermost level */
	CONF_JSON_BAD,
};

void conf_json_init(struct conf_json *j, struct buf *out);
enum conf_json_step conf_json_feed(struct conf_json *j, uint8_t c);

bool conf_json_in_string(const struct conf_json *j);
bool conf_json_in_comment(const struct conf_json *j);
/* In a number or a name such as true, whose mistakes belong to where it began. */
bool conf_json_in_word(const struct conf_json *j);

/* Whether the text can stand between the quotes of a JSON string as it is. */
bool conf_json_is_string_body(struct span text);
/* Puts the text escaped for a JSON string, without quotes. */
void conf_json_escape(struct span text, struct buf *out);

#endif
