#include "conf/conf_json.h"

#include <ctype.h>
#include <stdio.h>

enum state {
	VALUE,	/* a value must come */
	ITEM,	/* a value or the end of the array */
	KEY,	/* a key or the end of the hash */
	COLON,	/* : must come */
	AFTER,	/* a comma or an end */
	STRING, /* in a string */
	ESCAPE, /* behind its backslash */
	HEX,	/* in \uXXXX */
	WORD,	/* in a number or a name */
	/* Comments; what was before is in the bits from COMMENT_SHIFT on. */
	SLASH,
	LINE_COMMENT,
	BLOCK_COMMENT,
	BLOCK_STAR,
};

#define STATE_MASK    0xffU
#define COMMENT_SHIFT 8

void conf_json_init(struct conf_json *j, struct buf *out)
{
	*j = (struct conf_json){.out = out, .state = VALUE};
}

bool conf_json_in_string(const struct conf_json *j)
{
	return j->state == STRING || j->state == ESCAPE || j->state == HEX;
}

bool conf_json_in_comment(const struct conf_json *j)
{
	return (j->state & STATE_MASK) >= SLASH;
}

bool conf_json_in_word(const struct conf_json *j)
{
	return j->state == WORD;
}

static enum conf_json_step bad(struct conf_json *j, const char *why)
{
	j->why = why;
	return CONF_JSON_BAD;
}

static enum conf_json_step bad_char(struct conf_json *j, const char *expected, uint8_t c)
{
	if (c >= 0x20 && c < 0x7f)
		snprintf(j->why_text, sizeof j->why_text, "%s is expected, not '%c'", expected, c);
	else
		snprintf(j->why_text, sizeof j->why_text, "%s is expected here", expected);
	return bad(j, j->why_text);
}

static void put_comma(struct conf_json *j)
{
	if (j->comma)
		buf_put_byte(j->out, ',');
	j->comma = false;
}

static enum conf_json_step open_level(struct conf_json *j, uint8_t c)
{
	if (j->depth == CONF_JSON_DEPTH)
		return bad(j, "it is nested too deeply");
	put_comma(j);
	buf_put_byte(j->out, c);
	j->open[j->depth++] = c == '[' ? ']' : '}';
	j->state = c == '[' ? ITEM : KEY;
	return CONF_JSON_MORE;
}

static enum conf_json_step close_level(struct conf_json *j, uint8_t c)
{
	if (j->open[j->depth - 1] != c)
		return bad_char(j, j->open[j->depth - 1] == ']' ? "']'" : "'}'", c);
	j->comma = false;
	buf_put_byte(j->out, c);
	j->state = AFTER;
	return --j->depth == 0 ? CONF_JSON_DONE : CONF_JSON_MORE;
}

static void begin_string(struct conf_json *j, bool is_key)
{
	put_comma(j);
	buf_put_byte(j->out, '"');
	j->is_key = is_key;
	j->state = STRING;
}

static bool word_char(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-' || c == '+' || c == '.' || c >= 0x80;
}

static enum conf_json_step feed_value(struct conf_json *j, uint8_t c)
{
	if (c == '[' || c == '{')
		return open_level(j, c);
	if (c == '"') {
		begin_string(j, false);
	} else if (word_char(c)) {
		j->word[0] = (char)c;
		j->word_n = 1;
		j->state = WORD;
	} else if (c == ']' && j->depth && (j->state == ITEM || j->comma)) {
		return close_level(j, c);
	} else if (c == '\'') {
		return bad(j, "JSON strings need double quotes");
	} else {
		return bad_char(j, "a value", c);
	}
	return CONF_JSON_MORE;
}

static enum conf_json_step feed_key(struct conf_json *j, uint8_t c)
{
	if (c == '}')
		return close_level(j, c);
	if (c != '"')
		return bad_char(j, "a key in double quotes", c);
	begin_string(j, true);
	return CONF_JSON_MORE;
}

static enum conf_json_step feed_after(struct conf_json *j, uint8_t c)
{
	if (c == ']' || c == '}')
		return close_level(j, c);
	if (c != ',')
		return bad_char(j, j->open[j->depth - 1] == ']' ? "',' or ']'" : "',' or '}'", c);
	j->comma = true;
	j->state = j->open[j->depth - 1] == ']' ? VALUE : KEY;
	return CONF_JSON_MORE;
}

static enum conf_json_step feed_string(struct conf_json *j, uint8_t c)
{
	if (c == '\t') {
		buf_put_str(j->out, "\\t");
		return CONF_JSON_MORE;
	}
	if (c < 0x20)
		return bad(j, c == '\n' || c == '\r' ? "the string is not closed on its line" : "a control character");
	buf_put_byte(j->out, c);
	if (c == '\\')
		j->state = ESCAPE;
	else if (c == '"')
		j->state = j->is_key ? COLON : AFTER;
	return CONF_JSON_MORE;
}

static bool is_escape(uint8_t c)
{
	return c && strchr("\"\\/bfnrt", c);
}

static enum conf_json_step feed_escape(struct conf_json *j, uint8_t c)
{
	if (c == 'u') {
		j->digits = 0;
	} else if (!is_escape(c)) {
		snprintf(j->why_text, sizeof j->why_text,
			c > 0x20 && c < 0x7f ? "'\\%c' is no escape of JSON: a backslash is written '\\\\'"
					     : "a backslash is written '\\\\'",
			c);
		return bad(j, j->why_text);
	}
	buf_put_byte(j->out, c);
	j->state = c == 'u' ? HEX : STRING;
	return CONF_JSON_MORE;
}

static enum conf_json_step feed_hex(struct conf_json *j, uint8_t c)
{
	if (!isxdigit(c))
		return bad(j, "four hexadecimal digits are expected behind '\\u'");
	buf_put_byte(j->out, c);
	if (++j->digits == 4)
		j->state = STRING;
	return CONF_JSON_MORE;
}

static const char *skip_digits(const char *p)
{
	while (isdigit((unsigned char)*p))
		p++;
	return p;
}

static bool is_number(const char *p)
{
	p += *p == '-';
	if (!isdigit((unsigned char)*p))
		return false;
	p = *p == '0' ? p + 1 : skip_digits(p);
	if (*p == '.') {
		if (!isdigit((unsigned char)p[1]))
			return false;
		p = skip_digits(p + 1);
	}
	if (*p == 'e' || *p == 'E') {
		p += p[1] == '-' || p[1] == '+' ? 2 : 1;
		if (!isdigit((unsigned char)*p))
			return false;
		p = skip_digits(p);
	}
	return *p == 0;
}

/* Ends the word that was collected, and takes c, which is behind it. */
static enum conf_json_step end_word(struct conf_json *j, uint8_t c)
{
	j->word[j->word_n] = 0;
	if (!is_number(j->word) && strcmp(j->word, "true") != 0 && strcmp(j->word, "false") != 0 &&
		strcmp(j->word, "null") != 0) {
		snprintf(j->why_text, sizeof j->why_text, "'%s' is no JSON value (a string needs double quotes)",
			j->word);
		return bad(j, j->why_text);
	}
	put_comma(j);
	buf_put_str(j->out, j->word);
	j->state = AFTER;
	return conf_json_feed(j, c);
}

static enum conf_json_step feed_word(struct conf_json *j, uint8_t c)
{
	if (!word_char(c))
		return end_word(j, c);
	if (j->word_n == CONF_JSON_WORD - 1)
		return bad(j, "this is no JSON value (a string needs double quotes)");
	j->word[j->word_n++] = (char)c;
	return CONF_JSON_MORE;
}

static enum conf_json_step feed_comment(struct conf_json *j, uint8_t c)
{
	unsigned before = j->state >> COMMENT_SHIFT, state = j->state & STATE_MASK;
	switch (state) {
	case SLASH:
		if (c != '/' && c != '*') {
			j->state = before;
			return bad(j, "a value is expected, not '/'");
		}
		state = c == '/' ? LINE_COMMENT : BLOCK_COMMENT;
		break;
	case LINE_COMMENT:
		if (c == '\n' || c == '\r') {
			j->state = before;
			return CONF_JSON_MORE;
		}
		break;
	default:
		if (state == BLOCK_STAR && c == '/') {
			j->state = before;
			return CONF_JSON_MORE;
		}
		state = c == '*' ? BLOCK_STAR : BLOCK_COMMENT;
		break;
	}
	j->state = state | before << COMMENT_SHIFT;
	return CONF_JSON_MORE;
}

enum conf_json_step conf_json_feed(struct conf_json *j, uint8_t c)
{
	if (conf_json_in_comment(j))
		return feed_comment(j, c);
	switch ((enum state)j->state) {
	case STRING:
		return feed_string(j, c);
	case ESCAPE:
		return feed_escape(j, c);
	case HEX:
		return feed_hex(j, c);
	case WORD:
		return feed_word(j, c);
	default:
		break;
	}
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return CONF_JSON_MORE;
	if (c == '/') {
		j->state = SLASH | j->state << COMMENT_SHIFT;
		return CONF_JSON_MORE;
	}
	switch ((enum state)j->state) {
	case KEY:
		return feed_key(j, c);
	case COLON:
		if (c != ':')
			return bad_char(j, "':'", c);
		buf_put_byte(j->out, c);
		j->state = VALUE;
		return CONF_JSON_MORE;
	case AFTER:
		return feed_after(j, c);
	default:
		return feed_value(j, c);
	}
}

bool conf_json_is_string_body(struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < 0x20 || text.p[i] == '"')
			return false;
		if (text.p[i] != '\\')
			continue;
		if (++i == text.n || !(is_escape(text.p[i]) || text.p[i] == 'u'))
			return false;
		for (size_t k = 1; text.p[i] == 'u' && k <= 4; k++)
			if (i + k >= text.n || !isxdigit(text.p[i + k]))
				return false;
	}
	return true;
}

void conf_json_escape(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_printf(out, "\\%c", text.p[i]);
		else if (text.p[i] == '\n')
			buf_put_str(out, "\\n");
		else if (text.p[i] < 0x20)
			buf_printf(out, "\\u%04x", text.p[i]);
		else
			buf_put_byte(out, text.p[i]);
	}
}
