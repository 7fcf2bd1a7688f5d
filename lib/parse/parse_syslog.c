/*
 * parse_syslog.c: RFC 3164 and RFC 5424 with fluentd's readings of what is neither. Its two engines differ in untidy messages; both are here, without
 * regular expressions but for one that decides where an RFC 5424 message is not as the RFC has it.
 */
#include "parse/parser_impl.h"

#include "base/mem.h"

#define RFC5424                                                                                   \
	"(?<host>[!-~]{1,255}) (?<ident>[!-~]{1,48}) (?<pid>[!-~]{1,128}) (?<msgid>[!-~]{1,32}) " \
	"(?<extradata>(?:\\-|(?:\\[.*?(?<!\\\\)\\])+))(?: (?<message>.+))?\\z"

struct syslog {
	struct time_reader *time3164, *time5424, *time5424_whole; /* the last one: without a fraction */
	unsigned words3164, words5424;				  /* that the time has */
	bool fixed3164;						  /* "Mmm dd hh:mm:ss", maybe with a fraction */
	struct capture *rfc5424;
};

/* A message as it is read. */
struct message {
	const struct parse_run *r;
	const struct syslog *s;
	const uint8_t *p, *end;
	struct span time_text;
	struct event_time time;
	bool has_pri;
	uint64_t pri;
};

/* ---- making ---- */

/* Words between blanks. */
static unsigned count_words(const char *format)
{
	unsigned n = 1;
	for (const char *p = format; *p; p++)
		n += *p == ' ' && p[1] != ' ';
	return n;
}

static void destroy(void *self)
{
	struct syslog *s = self;
	time_reader_free(s->time3164);
	time_reader_free(s->time5424);
	time_reader_free(s->time5424_whole);
	capture_free(s->rfc5424);
	mem_free(s);
}

static bool create_3164(struct parser *p, struct syslog *s, const struct parser_maker *m)
{
	const struct parser_conf *c = p->conf;
	const char *format = c->time_format;
	s->time3164 = parser_time_reader(p, (enum time_type)c->time_type, format, c->timezone, m, "time_format");
	s->fixed3164 = strcmp(format, "%b %d %H:%M:%S") == 0 || strcmp(format, "%b %d %H:%M:%S.%N") == 0;
	s->words3164 = count_words(format);
	return s->time3164 != NULL;
}

static bool create_5424(struct parser *p, struct syslog *s, const char *format, const struct parser_maker *m)
{
	const struct parser_conf *c = p->conf;
	struct err err;
	s->time5424 = parser_time_reader(
		p, (enum time_type)c->time_type, format, c->timezone, m, "rfc5424_time_format");
	s->time5424_whole = parser_time_reader(
		p, (enum time_type)c->time_type, "%Y-%m-%dT%H:%M:%S%z", c->timezone, m, "rfc5424_time_format");
	s->words5424 = count_words(format);
	s->rfc5424 = capture_compile(SPAN_LIT(RFC5424), REGEXP_MULTI_LINE, &err);
	return s->time5424 && s->time5424_whole && s->rfc5424;
}

static bool create(struct parser *p, const struct parser_maker *m)
{
	const struct parser_conf *c = p->conf;
	struct syslog *s = mem_zalloc(sizeof *s);
	bool own_format = conf_is_given(p->type->schema, c, "time_format");
	p->self = s;
	switch (c->message_format) {
	case SYSLOG_RFC3164:
		return create_3164(p, s, m);
	case SYSLOG_RFC5424:
		return create_5424(p, s, own_format ? c->time_format : c->rfc5424_time_format, m);
	default:
		return create_3164(p, s, m) && create_5424(p, s, c->rfc5424_time_format, m);
	}
}

/* ---- parts ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static const uint8_t *find(const uint8_t *p, const uint8_t *end, int c)
{
	return p < end ? memchr(p, c, (size_t)(end - p)) : NULL;
}

static struct span chomp(struct span s)
{
	bool feed = s.n && s.p[s.n - 1] == '\n';
	s.n -= feed;
	s.n -= s.n && s.p[s.n - 1] == '\r';
	return s;
}

/* <digits>; false if that is not what the message begins with. */
static bool take_pri(struct message *m)
{
	const uint8_t *p = m->p;
	unsigned digits = 0;
	if (p == m->end || *p++ != '<')
		return false;
	for (m->pri = 0; p < m->end && is_digit(*p) && digits < 3; p++, digits++)
		m->pri = m->pri * 10 + (uint64_t)(*p - '0');
	if (!digits || p == m->end || *p != '>')
		return false;
	m->p = p + 1;
	m->has_pri = true;
	return true;
}

/* The engine `string` takes anything between < and > and makes a number of it. */
static bool take_pri_string(struct message *m)
{
	const uint8_t *close = m->p < m->end && *m->p == '<' ? find(m->p + 1, m->end, '>') : NULL;
	if (!close || close < m->p + 2)
		return false;
	m->pri = 0;
	for (const uint8_t *p = m->p + 1; p < close && is_digit(*p) && m->pri < 1000000; p++)
		m->pri = m->pri * 10 + (uint64_t)(*p - '0');
	m->p = close + 1;
	m->has_pri = true;
	return true;
}

/* So many words, and the blank behind them. Several blanks between words count as one, also in the text that is kept. */
static bool take_time_text(struct message *m, unsigned words)
{
	const uint8_t *p = m->p, *start = p;
	bool squeeze = false;
	for (unsigned i = 0; i < words; i++) {
		if (i)
			p++;
		for (; p < m->end && *p == ' '; p++)
			squeeze = true;
		p = find(p, m->end, ' ');
		if (!p)
			return false;
	}
	m->time_text = span_of(start, (size_t)(p - start));
	m->p = p + 1;
	if (!squeeze)
		return true;
	struct buf *b = &m->r->room->scratch;
	buf_clear(b);
	if (!buf_reserve(b, m->time_text.n))
		return false;
	for (size_t i = 0; i < m->time_text.n; i++)
		if (start[i] != ' ' || !i || start[i - 1] != ' ')
			b->p[b->n++] = start[i];
	m->time_text = buf_span(b);
	return true;
}

static bool read_time_3164(struct message *m)
{
	return time_reader_text(m->s->time3164, m->time_text, m->r->now, &m->time);
}

static bool read_time_5424(struct message *m)
{
	return time_reader_text(m->s->time5424, m->time_text, m->r->now, &m->time) ||
	       time_reader_text(m->s->time5424_whole, m->time_text, m->r->now, &m->time);
}

static const char bad_time[] = "invalid time format", cut_short[] = "the message ends within its time";

static void add(struct message *m, struct span key, struct span value)
{
	if (value.p)
		fields_add(m->r->room, key, value);
}

static void start(struct message *m)
{
	fields_start(m->r->room);
	if (m->has_pri)
		fields_add_number(m->r->room, SPAN_LIT("pri"), m->pri);
}

static void finish(struct message *m)
{
	if (m->r->p->conf->keep_time_key)
		add(m, SPAN_LIT("time"), m->time_text);
	fields_finish_as_is(m->r, &m->time);
}

/* ---- the engine `regexp` ---- */

/*
 * What /(?<host>[^ ]*) (?<ident>[^ :\[]*)(?:\[(?<pid>[0-9]+)\])?(?:[^\:]*\:)? *(?<message>.*)$/ takes: everything up to the next colon, wherever that is, is
 * left out. Each part can always be followed by the next one, so the expression never goes back.
 */
static bool body_3164(struct message *m)
{
	const uint8_t *space = find(m->p, m->end, ' ');
	if (!space)
		return false;
	add(m, SPAN_LIT("host"), span_of(m->p, (size_t)(space - m->p)));
	const uint8_t *p = space + 1, *ident = p;
	while (p < m->end && *p != ' ' && *p != ':' && *p != '[')
		p++;
	add(m, SPAN_LIT("ident"), span_of(ident, (size_t)(p - ident)));
	if (p < m->end && *p == '[') {
		const uint8_t *digits = p + 1, *q = digits;
		while (q < m->end && is_digit(*q))
			q++;
		if (q > digits && q < m->end && *q == ']') {
			add(m, SPAN_LIT("pid"), span_of(digits, (size_t)(q - digits)));
			p = q + 1;
		}
	}
	const uint8_t *colon = find(p, m->end, ':');
	p = colon ? colon + 1 : p;
	while (p < m->end && *p == ' ')
		p++;
	const uint8_t *line_end = find(p, m->end, '\n');
	add(m, SPAN_LIT("message"), chomp(span_of(p, (size_t)((line_end ? line_end : m->end) - p))));
	return true;
}

static void parse_3164(struct message *m)
{
	if (m->r->p->conf->with_priority && !take_pri(m)) {
		parse_no_match(m->r);
		return;
	}
	if (!take_time_text(m, m->s->words3164)) {
		parse_error(m->r, PARSE_ERROR, cut_short);
		return;
	}
	if (!read_time_3164(m)) {
		parse_error(m->r, PARSE_ERROR, bad_time);
		return;
	}
	start(m);
	if (body_3164(m))
		finish(m);
	else
		parse_no_match(m->r);
}

/* A word of `most` visible characters and the blank behind it. */
static bool take_word(const uint8_t **p, const uint8_t *end, size_t most, struct span *word)
{
	const uint8_t *start_of = *p, *q = start_of;
	while (q < end && *q >= '!' && *q <= '~')
		q++;
	size_t n = (size_t)(q - start_of);
	*word = span_of(start_of, n);
	*p = q + 1;
	return n && n <= most && q < end && *q == ' ';
}

/* [...][...], each up to its first bracket that has no backslash before it; or a minus. */
static bool take_elements(const uint8_t **p, const uint8_t *end, struct span *elements)
{
	const uint8_t *start_of = *p, *q = start_of;
	if (q < end && *q == '-') {
		q++;
	} else {
		if (q == end || *q != '[')
			return false;
		while (q < end && *q == '[') {
			do
				q = find(q + 1, end, ']');
			while (q && q[-1] == '\\');
			if (!q)
				return false;
			q++;
		}
	}
	*elements = span_of(start_of, (size_t)(q - start_of));
	*p = q;
	return true;
}

/* A body as the RFC has it, which the expression reads in no other way. */
static bool body_5424_plain(struct message *m)
{
	const uint8_t *p = m->p;
	struct span host, ident, pid, msgid, extradata, message = {0};
	if (!take_word(&p, m->end, 255, &host) || !take_word(&p, m->end, 48, &ident) ||
		!take_word(&p, m->end, 128, &pid) || !take_word(&p, m->end, 32, &msgid) ||
		!take_elements(&p, m->end, &extradata))
		return false;
	if (p < m->end) {
		if (*p != ' ' || p + 1 == m->end)
			return false;
		message = chomp(span_of(p + 1, (size_t)(m->end - p - 1)));
	}
	add(m, SPAN_LIT("host"), host);
	add(m, SPAN_LIT("ident"), ident);
	add(m, SPAN_LIT("pid"), pid);
	add(m, SPAN_LIT("msgid"), msgid);
	add(m, SPAN_LIT("extradata"), extradata);
	add(m, SPAN_LIT("message"), message);
	return true;
}

static enum regexp_result body_5424(struct message *m)
{
	struct parser_room *room = m->r->room;
	const struct capture *c = m->s->rfc5424;
	struct span text = m->r->text;
	if (body_5424_plain(m))
		return REGEXP_YES;
	enum regexp_result found = capture_search(c, text, (size_t)(m->p - text.p), &room->captures, NULL, NULL);
	for (size_t i = 0; found == REGEXP_YES && i < capture_count(c); i++) {
		struct span value = capture_get(c, &room->captures, text, i);
		bool message = span_is(capture_name(c, i), "message");
		add(m, capture_name(c, i), message && value.p ? chomp(value) : value);
	}
	return found;
}

/* <pri>version and a blank */
static bool take_pri_5424(struct message *m)
{
	unsigned digits = 0;
	if (!take_pri(m))
		return false;
	while (m->p < m->end && is_digit(*m->p) && digits < 3) {
		m->p++;
		digits++;
	}
	if (!digits || m->p == m->end || (*m->p != ' ' && (*m->p < '\t' || *m->p > '\r')))
		return false;
	m->p++;
	return true;
}

static void parse_5424(struct message *m)
{
	if (m->r->p->conf->with_priority && !take_pri_5424(m)) {
		parse_no_match(m->r);
		return;
	}
	if (!take_time_text(m, m->s->words5424)) {
		parse_error(m->r, PARSE_ERROR, cut_short);
		return;
	}
	if (!read_time_5424(m)) {
		parse_error(m->r, PARSE_ERROR, bad_time);
		return;
	}
	start(m);
	switch (body_5424(m)) {
	case REGEXP_YES:
		finish(m);
		break;
	case REGEXP_NO:
		parse_no_match(m->r);
		break;
	case REGEXP_LIMIT:
		parse_error(m->r, PARSE_NO_MATCH, "the search for the pattern took too many steps");
		break;
	}
}

/* ---- the engine `string` ---- */

/* The time of the usual format has a fixed length, or a fraction behind it. False: it has neither. */
static bool take_fixed_time(struct message *m, bool *cut)
{
	const uint8_t *at = m->end - m->p > 15 ? m->p + 15 : NULL, *space = at;
	*cut = false;
	if (!at || (*at != ' ' && *at != '.'))
		return false;
	if (*at == '.')
		space = find(at, m->end, ' ');
	*cut = !space;
	if (!space)
		return true;
	m->time_text = span_of(m->p, (size_t)(space - m->p));
	m->p = space + 1;
	return true;
}

/* ident[pid]: message, ident: message, and without the colon. */
static void body_3164_string(struct message *m)
{
	const uint8_t *space = find(m->p, m->end, ' '), *body = m->p;
	if (space) {
		bool colon = space > m->p && space[-1] == ':';
		const uint8_t *word_end = space - colon;
		bool pid = word_end > m->p && word_end[-1] == ']';
		const uint8_t *open = pid ? find(m->p, word_end, '[') : NULL;
		if (colon || m->r->p->conf->support_colonless_ident) {
			const uint8_t *ident_end = open ? open : word_end;
			add(m, SPAN_LIT("ident"), span_of(m->p, (size_t)(ident_end - m->p)));
			if (open)
				add(m, SPAN_LIT("pid"), span_of(open + 1, (size_t)(word_end - 1 - open - 1)));
			body = space + 1;
		}
	}
	add(m, SPAN_LIT("message"), chomp(span_of(body, (size_t)(m->end - body))));
}

static void parse_3164_string(struct message *m)
{
	bool cut = false;
	if (m->r->p->conf->with_priority && !take_pri_string(m)) {
		parse_no_match(m->r);
		return;
	}
	if (m->s->fixed3164 && !take_fixed_time(m, &cut)) {
		parse_no_match(m->r);
		return;
	}
	if (!m->s->fixed3164)
		cut = !take_time_text(m, m->s->words3164);
	if (cut) {
		parse_error(m->r, PARSE_ERROR, cut_short);
		return;
	}
	const uint8_t *space = find(m->p, m->end, ' ');
	if (!space) {
		parse_no_match(m->r);
		return;
	}
	fields_start(m->r->room);
	add(m, SPAN_LIT("host"), span_of(m->p, (size_t)(space - m->p)));
	if (m->has_pri)
		fields_add_number(m->r->room, SPAN_LIT("pri"), m->pri);
	m->p = space + 1;
	body_3164_string(m);
	if (read_time_3164(m))
		finish(m);
	else
		parse_error(m->r, PARSE_ERROR, bad_time);
}

/* The structured data up to "] ", or all; backslashes are taken out. */
static void take_extradata(struct message *m)
{
	struct buf *b = &m->r->room->scratch;
	const uint8_t *p = m->p, *close = p;
	if (p < m->end && *p == '-') {
		m->p = p + 1;
		add(m, SPAN_LIT("extradata"), span_of(p, 1));
		return;
	}
	do
		close = find(close, m->end, ']');
	while (close && (close + 1 == m->end || close[1] != ' ') && ++close);
	m->p = close ? close + 1 : m->end;
	/* The time's text may be in the room already. */
	size_t at = b->n;
	bool moved = b->n && m->time_text.p == b->p;
	if (!moved) {
		buf_clear(b);
		at = 0;
	}
	if (!buf_reserve(b, (size_t)(m->p - p) + 1))
		return;
	if (moved)
		m->time_text.p = b->p;
	for (; p < m->p; p++)
		if (*p != '\\')
			b->p[b->n++] = *p;
	add(m, SPAN_LIT("extradata"), span_of(b->p + at, b->n - at));
}

static bool take_until_space(struct message *m, struct span *word)
{
	const uint8_t *space = find(m->p, m->end, ' ');
	if (!space)
		return false;
	*word = span_of(m->p, (size_t)(space - m->p));
	m->p = space + 1;
	return true;
}

static void parse_5424_string(struct message *m)
{
	struct span host, ident, pid, msgid, version;
	if (m->r->p->conf->with_priority && (!take_pri_string(m) || !take_until_space(m, &version))) {
		parse_no_match(m->r);
		return;
	}
	if (!take_time_text(m, m->s->words5424)) {
		parse_error(m->r, PARSE_ERROR, cut_short);
		return;
	}
	if (!take_until_space(m, &host) || !take_until_space(m, &ident) || !take_until_space(m, &pid) ||
		!take_until_space(m, &msgid)) {
		parse_no_match(m->r);
		return;
	}
	fields_start(m->r->room);
	add(m, SPAN_LIT("host"), host);
	add(m, SPAN_LIT("ident"), ident);
	add(m, SPAN_LIT("pid"), pid);
	add(m, SPAN_LIT("msgid"), msgid);
	if (m->has_pri)
		fields_add_number(m->r->room, SPAN_LIT("pri"), m->pri);
	take_extradata(m);
	if (m->p < m->end)
		add(m, SPAN_LIT("message"), chomp(span_of(m->p + 1, (size_t)(m->end - m->p - 1))));
	if (read_time_5424(m))
		finish(m);
	else
		parse_error(m->r, PARSE_ERROR, bad_time);
}

/* ---- */

/* <pri>version: RFC 5424 */
static bool looks_like_5424(struct message m)
{
	return take_pri(&m) && m.p < m.end && *m.p >= '1' && *m.p <= '9';
}

static void parse(const struct parse_run *r)
{
	const struct parser_conf *c = r->p->conf;
	struct message m = {.r = r, .s = r->p->self, .p = r->text.p, .end = r->text.p + r->text.n};
	bool rfc5424 = c->message_format == SYSLOG_RFC5424 || (c->message_format == SYSLOG_AUTO && looks_like_5424(m));
	if (c->engine == ENGINE_REGEXP)
		(rfc5424 ? parse_5424 : parse_3164)(&m);
	else
		(rfc5424 ? parse_5424_string : parse_3164_string)(&m);
}

const struct parser_type parser_syslog = {
	.names = "syslog",
	.schema = &parser_syslog_schema,
	.checks_utf8 = true,
	.create = create,
	.destroy = destroy,
	.parse = parse,
};
