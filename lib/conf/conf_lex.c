#include "conf/conf_lex.h"

#include "conf/conf_json.h"
#include "base/utf8.h"

#include <ctype.h>

#define CODE_SHOWN ((size_t)80)
/* How far the end of something broken is looked for: a file that is broken in every line must not take quadratic time. */
#define CODE_MAX       ((size_t)65536)
#define JSON_LINES_MAX 1000

struct conf_pos conf_lex_pos(const struct conf_lex *l)
{
	return (struct conf_pos){l->file, l->line, l->column};
}

int conf_lex_peek(const struct conf_lex *l, size_t ahead)
{
	return (size_t)(l->end - l->p) > ahead ? l->p[ahead] : -1;
}

void conf_lex_skip(struct conf_lex *l, size_t n)
{
	if (l->fixed) {
		l->p += n;
		return;
	}
	for (; n > 0; n--, l->p++) {
		bool ends = *l->p == '\n' || (*l->p == '\r' && conf_lex_peek(l, 1) != '\n');
		if (ends) {
			l->line++;
			l->column = 1;
		} else if ((*l->p & 0xc0) != 0x80) {
			l->column++;
		}
	}
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t';
}

static bool is_end(int c)
{
	return c == '\n' || c == '\r' || c == -1;
}

void conf_lex_blanks(struct conf_lex *l)
{
	while (is_blank(conf_lex_peek(l, 0)))
		conf_lex_skip(l, 1);
}

static void to_line_end(struct conf_lex *l)
{
	while (!is_end(conf_lex_peek(l, 0)))
		conf_lex_skip(l, 1);
}

static void take_line_end(struct conf_lex *l)
{
	if (conf_lex_peek(l, 0) == '\r' && conf_lex_peek(l, 1) == '\n')
		conf_lex_skip(l, 2);
	else if (conf_lex_peek(l, 0) != -1)
		conf_lex_skip(l, 1);
}

void conf_lex_spacing(struct conf_lex *l)
{
	for (;;) {
		int c = conf_lex_peek(l, 0);
		if (c == '#')
			to_line_end(l);
		else if (is_blank(c) || (c != -1 && is_end(c)))
			conf_lex_skip(l, 1);
		else
			return;
	}
}

bool conf_lex_at_line_end(const struct conf_lex *l)
{
	return is_end(conf_lex_peek(l, 0));
}

bool conf_lex_line_end(struct conf_lex *l)
{
	struct conf_lex before = *l;
	conf_lex_blanks(l);
	if (conf_lex_peek(l, 0) == '#')
		to_line_end(l);
	if (!conf_lex_at_line_end(l)) {
		*l = before;
		return false;
	}
	take_line_end(l);
	return true;
}

void conf_lex_next_line(struct conf_lex *l)
{
	to_line_end(l);
	take_line_end(l);
}

struct span conf_lex_name(struct conf_lex *l)
{
	const uint8_t *at = l->p;
	while (l->p < l->end && (isalnum(*l->p) || *l->p == '_') && *l->p < 0x80)
		conf_lex_skip(l, 1);
	return span_of(at, (size_t)(l->p - at));
}

struct span conf_lex_word(struct conf_lex *l)
{
	const uint8_t *at = l->p;
	while (!is_blank(conf_lex_peek(l, 0)) && !conf_lex_at_line_end(l))
		conf_lex_skip(l, 1);
	return span_of(at, (size_t)(l->p - at));
}

struct span conf_lex_bare(struct conf_lex *l)
{
	const uint8_t *at = l->p;
	while (!conf_lex_at_line_end(l)) {
		size_t blanks = 0;
		while (is_blank(conf_lex_peek(l, blanks)))
			blanks++;
		int c = conf_lex_peek(l, blanks);
		if (is_end(c) || (blanks && c == '#'))
			break;
		conf_lex_skip(l, blanks + 1);
	}
	return span_of(at, (size_t)(l->p - at));
}

bool conf_lex_check(const struct conf_lex *l, struct conf_pos pos, struct span text, bool from_code)
{
	if (text.n == 0 || utf8_valid(text))
		return true;
	conf_report_add(l->report, CONF_ERROR, pos, "%s",
		from_code ? "what this embedded code gives is not UTF-8"
			  : "this is not UTF-8: please convert the file");
	return false;
}

/* ---- embedded code ---- */

static void report_code(struct conf_lex *l, struct span code, const struct conf_expr_result *result)
{
	struct conf_lex at = *l;
	conf_lex_skip(&at, result->error_at);
	size_t shown = code.n;
	if (shown > CODE_SHOWN)
		for (shown = CODE_SHOWN; shown > 0 && (code.p[shown] & 0xc0) == 0x80;)
			shown--;
	conf_report_add(l->report, CONF_ERROR, conf_lex_pos(&at), "in \"#{%.*s%s}\": %s", (int)shown,
		(const char *)code.p, shown < code.n ? "..." : "", result->error);
}

/* At "#{": evaluates to out and goes behind the brace. False if the code has no end: then nothing is taken. */
static bool take_code(struct conf_lex *l, struct buf *out, struct conf_expr_result *result)
{
	struct conf_lex inner = *l;
	conf_lex_skip(&inner, 2);
	size_t rest = (size_t)(inner.end - inner.p);
	size_t n = conf_expr_extent(span_of(inner.p, rest < CODE_MAX ? rest : CODE_MAX));
	if (n == SIZE_MAX) {
		conf_report_add(l->report, CONF_ERROR, conf_lex_pos(l),
			"this embedded code is not closed: '}' or a quote is missing");
		return false;
	}
	struct span code = span_of(inner.p, n);
	conf_expr_eval(l->env, code, out, result);
	if (result->status == CONF_EXPR_ERROR)
		report_code(&inner, code, result);
	conf_lex_skip(&inner, n + 1);
	*l = inner;
	return true;
}

/* ---- strings ---- */

static void put_char(struct conf_lex *l, struct buf *out)
{
	/* A line end within a string is a newline, whatever the file's line ends are. */
	if (conf_lex_peek(l, 0) == '\r' && conf_lex_peek(l, 1) == '\n')
		conf_lex_skip(l, 1);
	buf_put_byte(out, *l->p);
	conf_lex_skip(l, 1);
}

/* A backslash and what follows, which is there. False (and reported) if fluentd does not know it. */
static bool take_escape(struct conf_lex *l, struct buf *out)
{
	static const char from[] = "rntfb0", to[] = "\r\n\t\f\b\0";
	int c = conf_lex_peek(l, 1);
	const char *known = memchr(from, c, sizeof from - 1);
	bool ok = known || !isalnum(c) || c >= 0x80;
	if (is_end(c)) {
		conf_lex_skip(l, 1);
		take_line_end(l);
		return true;
	}
	if (!ok)
		conf_report_add(l->report, CONF_ERROR, conf_lex_pos(l), "unexpected back-slash escape character '%c'%s",
			c,
			strchr("ux1234567", c) ? " (write the character itself)"
					       : " (a back-slash is written \\\\ in double quotes)");
	conf_lex_skip(l, 1);
	if (known)
		buf_put_byte(out, (uint8_t)to[known - from]);
	else
		buf_put_byte(out, (uint8_t)c);
	conf_lex_skip(l, 1);
	return ok;
}

static bool take_code_in_string(struct conf_lex *l, struct buf *out, struct conf_lex_value *value)
{
	struct conf_expr_result result;
	size_t errors = l->report->errors;
	if (!take_code(l, out, &result))
		return false;
	value->refused += l->report->errors - errors;
	value->from_code |= result.outside;
	value->broken |= result.status == CONF_EXPR_ERROR;
	/* As in fluentd, one nil makes the whole value nil, and goes before a default. */
	if (result.status == CONF_EXPR_NIL)
		value->kind = CONF_VALUE_NIL;
	else if (result.status == CONF_EXPR_DEFAULT && value->kind != CONF_VALUE_NIL)
		value->kind = CONF_VALUE_DEFAULT;
	return true;
}

static void take_double(struct conf_lex *l, struct buf *out, struct conf_lex_value *value)
{
	const struct conf_lex open = *l;
	value->kind = CONF_VALUE_DOUBLE;
	conf_lex_skip(l, 1);
	for (;;) {
		int c = conf_lex_peek(l, 0);
		if (c == '"') {
			conf_lex_skip(l, 1);
			return;
		}
		if (c == -1 || (c == '\\' && conf_lex_peek(l, 1) == -1)) {
			conf_report_add(l->report, CONF_ERROR, conf_lex_pos(&open),
				"unexpected end of file in a double quoted string, which begins here");
			break;
		}
		if (c == '\\')
			value->broken |= !take_escape(l, out);
		else if (c != '#' || conf_lex_peek(l, 1) != '{')
			put_char(l, out);
		else if (!take_code_in_string(l, out, value))
			break;
	}
	/* Without its end the string is believed to be one line long. */
	value->broken = true;
	*l = open;
	conf_lex_next_line(l);
}

static void take_single(struct conf_lex *l, struct buf *out, struct conf_lex_value *value)
{
	struct conf_pos open = conf_lex_pos(l);
	value->kind = CONF_VALUE_SINGLE;
	conf_lex_skip(l, 1);
	for (;;) {
		int c = conf_lex_peek(l, 0);
		if (is_end(c)) {
			conf_report_add(l->report, CONF_ERROR, open,
				"this single quoted string is not closed on its line (one in double quotes may have "
				"several)");
			value->broken = true;
			take_line_end(l);
			return;
		}
		if (c == '\\' && (conf_lex_peek(l, 1) == '\'' || conf_lex_peek(l, 1) == '\\'))
			conf_lex_skip(l, 1);
		else if (c == '\'') {
			conf_lex_skip(l, 1);
			return;
		}
		put_char(l, out);
	}
}

void conf_lex_quoted(struct conf_lex *l, struct buf *out, struct conf_lex_value *value)
{
	const struct conf_lex open = *l;
	*value = (struct conf_lex_value){.pos = conf_lex_pos(l)};
	if (conf_lex_peek(l, 0) == '"')
		take_double(l, out, value);
	else
		take_single(l, out, value);
	/* Text behind the closing quote of a string of several lines: a quote is missing in its first line. */
	struct conf_lex after = *l;
	if (value->broken || l->line == open.line || conf_lex_line_end(&after) || conf_lex_peek(l, 0) == '>')
		return;
	conf_lex_blanks(&after);
	conf_report_add(l->report, CONF_ERROR, conf_lex_pos(&after),
		"expected end of line behind the double quoted string that begins in line %u", open.line);
	value->broken = true;
	*l = open;
	conf_lex_next_line(l);
}

/* ---- JSON ---- */

/* Past the lines that begin as only the inside of a JSON value does. */
static void skip_json_lines(struct conf_lex *l)
{
	for (;;) {
		struct conf_lex ahead = *l;
		conf_lex_blanks(&ahead);
		int c = conf_lex_peek(&ahead, 0);
		if (c == -1 || !strchr("\"[]{},", c) || c == 0)
			return;
		conf_lex_next_line(l);
	}
}

/* After a mistake: behind the line that closes what was opened at `open`, if it comes before a section; else a few lines on. */
static void leave_json(struct conf_lex *l, const struct conf_lex *open)
{
	size_t depth = 0;
	bool in_string = false, line_begins = false;
	for (*l = *open; conf_lex_peek(l, 0) != -1 && l->line - open->line < JSON_LINES_MAX; conf_lex_skip(l, 1)) {
		int c = conf_lex_peek(l, 0);
		if (is_end(c)) {
			line_begins = true;
			in_string = false;
			continue;
		}
		if (line_begins && c == '<')
			break;
		line_begins = line_begins && is_blank(c);
		if (c == '"')
			in_string = !in_string;
		else if (in_string && c == '\\' && !is_end(conf_lex_peek(l, 1)))
			conf_lex_skip(l, 1);
		else if (!in_string && (c == '[' || c == '{'))
			depth++;
		else if (!in_string && (c == ']' || c == '}') && --depth == 0) {
			conf_lex_next_line(l);
			return;
		}
	}
	*l = *open;
	conf_lex_next_line(l);
	skip_json_lines(l);
}

struct json_reader {
	struct conf_lex *l;
	struct conf_json json;
	struct conf_lex_value *value;
	struct conf_pos at; /* of the word or the character being read */
	const char *what;
};

static bool json_fail(struct json_reader *r, struct conf_pos pos, const char *why)
{
	conf_report_add(r->l->report, CONF_ERROR, pos, "got incomplete JSON %s configuration: %s", r->what, why);
	return false;
}

/* Text from code outside a string: whole JSON values, as if they were written there. */
static bool feed_code(struct json_reader *r, struct span text, struct conf_pos pos)
{
	unsigned depth = r->json.depth;
	for (size_t i = 0; i < text.n; i++)
		if (conf_json_feed(&r->json, text.p[i]) != CONF_JSON_MORE || r->json.depth < depth)
			return json_fail(r, pos, "what this embedded code gives is no JSON here");
	/* A blank ends a number, so that nothing grows together with what follows. */
	if (conf_json_in_word(&r->json) && conf_json_feed(&r->json, ' ') != CONF_JSON_MORE)
		return json_fail(
			r, pos, "what this embedded code gives is no JSON value (a string needs double quotes)");
	if (r->json.depth != depth || conf_json_in_string(&r->json) || conf_json_in_comment(&r->json))
		return json_fail(r, pos, "what this embedded code gives is no JSON here");
	return true;
}

/*
 * fluentd puts the text into the JSON as it is, so that a quote in an environment variable breaks it. Here it is taken as it is where that
 * makes a valid string (somebody may have escaped it), and escaped otherwise.
 */
static bool feed_code_in_string(struct json_reader *r, struct span text)
{
	struct buf escaped;
	bool ok = true;
	buf_init(&escaped, SIZE_MAX);
	if (!conf_json_is_string_body(text)) {
		conf_json_escape(text, &escaped);
		text = buf_span(&escaped);
	}
	for (size_t i = 0; i < text.n && ok; i++)
		ok = conf_json_feed(&r->json, text.p[i]) == CONF_JSON_MORE;
	buf_free(&escaped);
	return ok;
}

static bool json_code(struct json_reader *r)
{
	struct conf_expr_result result;
	struct conf_pos pos = conf_lex_pos(r->l);
	struct buf text;
	size_t errors = r->l->report->errors;
	buf_init(&text, (size_t)4 << 20);
	bool ok = take_code(r->l, &text, &result);
	if (ok && (result.status == CONF_EXPR_NIL || result.status == CONF_EXPR_DEFAULT))
		ok = json_fail(r, pos, "use_nil and use_default are not possible within JSON");
	else if (ok && result.status == CONF_EXPR_ERROR)
		r->value->broken = true;
	if (ok)
		r->value->from_code |= result.outside;
	if (ok && conf_json_in_string(&r->json)) {
		r->value->refused += r->l->report->errors - errors;
		ok = feed_code_in_string(r, buf_span(&text));
	} else if (ok && result.status == CONF_EXPR_ERROR)
		ok = false;
	else if (ok)
		ok = feed_code(r, buf_span(&text), pos);
	buf_free(&text);
	return ok;
}

/* One character or comment or piece of code; `done` once the JSON is closed. */
static bool json_step(struct json_reader *r, bool *done)
{
	struct conf_lex *l = r->l;
	int c = conf_lex_peek(l, 0);
	bool text = !conf_json_in_string(&r->json) && !conf_json_in_comment(&r->json);
	if (c == -1)
		return json_fail(r, r->value->pos, "it is not closed");
	if (text && !conf_json_in_word(&r->json))
		r->at = conf_lex_pos(l);
	if (c == '#' && conf_lex_peek(l, 1) == '{' && !conf_json_in_comment(&r->json))
		return json_code(r);
	if (c == '#' && text) {
		to_line_end(l);
		return true;
	}
	enum conf_json_step step = conf_json_feed(&r->json, (uint8_t)c);
	if (step == CONF_JSON_BAD) {
		/* Behind a word that is one, the mistake is the character itself. */
		bool word = r->json.why == r->json.why_text && strstr(r->json.why, "no JSON value");
		return json_fail(r, word ? r->at : conf_lex_pos(l), r->json.why);
	}
	conf_lex_skip(l, 1);
	*done = step == CONF_JSON_DONE;
	return true;
}

static void take_json(struct conf_lex *l, struct buf *out, struct conf_lex_value *value)
{
	const struct conf_lex open = *l;
	struct json_reader r = {.l = l, .value = value, .at = value->pos};
	bool done = false;
	r.what = conf_lex_peek(l, 0) == '[' ? "array" : "hash";
	value->kind = CONF_VALUE_JSON;
	conf_json_init(&r.json, out);
	while (!done && json_step(&r, &done))
		;
	if (!done) {
		value->broken = true;
		leave_json(l, &open);
	}
}

void conf_lex_value(struct conf_lex *l, struct buf *out, struct conf_lex_value *value)
{
	int c = conf_lex_peek(l, 0);
	*value = (struct conf_lex_value){.kind = CONF_VALUE_BARE, .pos = conf_lex_pos(l)};
	if (c == '[' || c == '{')
		take_json(l, out, value);
	else if (c == '"' || c == '\'')
		conf_lex_quoted(l, out, value);
	else
		buf_put_span(out, conf_lex_bare(l));
}
