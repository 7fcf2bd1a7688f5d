/* parse_delimited.c: values with something between them: ltsv, kv, tsv, csv. */
#include "parse/parser_impl.h"

#include "base/mem.h"

/* ---- ltsv ---- */

static struct capture *compile(
	const struct parser *p, const struct parser_maker *m, struct span source, unsigned flags, const char *param)
{
	struct err err;
	struct capture *c = capture_compile(source, flags, &err);
	if (!c)
		conf_report_add(m->report, CONF_ERROR, conf_where(p->conf, param), "%s: %s", param, err.text);
	return c;
}

static void destroy_pattern(void *self)
{
	capture_free(self);
}

static bool create_ltsv(struct parser *p, const struct parser_maker *m)
{
	const struct conf_regexp *e = &p->conf->delimiter_pattern;
	unsigned flags = (e->ignore_case ? REGEXP_IGNORE_CASE : 0) | (e->extended ? REGEXP_EXTENDED : 0) |
			 (e->multi_line ? REGEXP_MULTI_LINE : 0);
	if (!e->source)
		return true;
	p->self = compile(p, m, span_str(e->source), flags, "delimiter_pattern");
	return p->self != NULL;
}

/* key and value around the first `between`; false if it is not in there. */
static bool cut(struct span pair, struct span between, struct span *key, struct span *value)
{
	const uint8_t *at = between.n == 1 ? memchr(pair.p, between.p[0], pair.n)
					   : memmem(pair.p, pair.n, between.p, between.n);
	if (!at)
		return false;
	*key = span_of(pair.p, (size_t)(at - pair.p));
	*value = span_of(at + between.n, pair.n - key->n - between.n);
	return true;
}

static void start_pairs(struct split *s, const struct parse_run *r, struct span delimiter)
{
	if (r->p->self)
		split_start_pattern(s, r->text, r->p->self, r->room);
	else
		split_start(s, r->text, delimiter, 0);
	fields_start(r->room);
}

static void parse_ltsv(const struct parse_run *r)
{
	struct span pair, key, value, label = span_str(r->p->conf->label_delimiter);
	struct split s;
	start_pairs(&s, r, span_str(r->p->conf->delimiter));
	while (split_next(&s, &pair))
		if (pair.n && cut(pair, label, &key, &value))
			fields_add(r->room, key, value);
	fields_finish(r);
}

const struct parser_type parser_ltsv = {
	.names = "ltsv",
	.schema = &parser_ltsv_schema,
	.checks_utf8 = true,
	.create = create_ltsv,
	.destroy = destroy_pattern,
	.parse = parse_ltsv,
};

/* ---- kv ---- */

#define BLANKS "/\\s+/" /* the default */

static bool create_kv(struct parser *p, const struct parser_maker *m)
{
	const char *d = p->conf->kv_delimiter;
	size_t n = strlen(d);
	if (n < 2 || d[0] != '/' || d[n - 1] != '/' || strcmp(d, BLANKS) == 0)
		return true;
	p->self = compile(p, m, span_of(d + 1, n - 2), 0, "kv_delimiter");
	return p->self != NULL;
}

static void add_pair(const struct parse_run *r, struct span pair)
{
	struct span key, value;
	if (!pair.n) /* Ruby makes a pair of two nils of it, which no document can hold */
		return;
	if (cut(pair, span_str(r->p->conf->kv_char), &key, &value))
		fields_add(r->room, key, value);
	else
		fields_add(r->room, pair, (struct span){0});
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void parse_kv(const struct parse_run *r)
{
	const uint8_t *p = r->text.p, *end = p + r->text.n;
	struct span pair;
	struct split s;
	bool blanks = strcmp(r->p->conf->kv_delimiter, BLANKS) == 0;
	start_pairs(&s, r, span_str(r->p->conf->kv_delimiter));
	while (!blanks && split_next(&s, &pair))
		add_pair(r, pair);
	while (blanks && p < end) {
		const uint8_t *start = p;
		while (p < end && !is_blank(*p))
			p++;
		add_pair(r, span_of(start, (size_t)(p - start)));
		p += p < end;
	}
	fields_finish(r);
}

const struct parser_type parser_kv = {
	.names = "kv key_value",
	.schema = &parser_kv_schema,
	.checks_utf8 = true,
	.create = create_kv,
	.destroy = destroy_pattern,
	.parse = parse_kv,
};

/* ---- tsv ---- */

static void parse_tsv(const struct parse_run *r)
{
	const struct conf_array *keys = &r->p->conf->keys;
	struct span value;
	struct split s;
	split_start(&s, r->text, span_str(r->p->conf->delimiter), keys->n);
	fields_start(r->room);
	for (size_t i = 0; i < keys->n; i++) {
		bool there = split_next(&s, &value);
		fields_add(r->room, span_str(keys->v[i]), there ? value : (struct span){0});
	}
	fields_finish(r);
}

const struct parser_type parser_tsv = {
	.names = "tsv",
	.schema = &parser_tsv_schema,
	.checks_utf8 = true,
	.parse = parse_tsv,
};

/* ---- csv ---- */

/* A text of values, and where those go that had to be put together. */
struct csv {
	const uint8_t *p, *end;
	struct span delimiter;
	struct buf *made; /* has room for the whole text, so that nothing in it moves */
	const char *why;
};

static bool at_delimiter(const struct csv *c)
{
	return (size_t)(c->end - c->p) >= c->delimiter.n && memcmp(c->p, c->delimiter.p, c->delimiter.n) == 0;
}

static bool at_end(const struct csv *c)
{
	return c->p == c->end || *c->p == '\n' || *c->p == '\r';
}

/* Behind the opening quote. A doubled quote is one of the value. */
static bool take_quoted(struct csv *c, struct span *value)
{
	size_t at = c->made->n;
	const uint8_t *start = c->p;
	bool pieces = false;
	for (;;) {
		const uint8_t *quote = c->p < c->end ? memchr(c->p, '"', (size_t)(c->end - c->p)) : NULL;
		if (!quote) {
			c->why = "an unclosed quoted field";
			return false;
		}
		bool doubled = quote + 1 < c->end && quote[1] == '"';
		if (doubled || pieces)
			buf_put(c->made, c->p, (size_t)(quote - c->p) + doubled);
		else
			*value = span_of(start, (size_t)(quote - start));
		c->p = quote + 1 + doubled;
		if (!doubled)
			break;
		pieces = true;
	}
	if (pieces)
		*value = span_of(c->made->p + at, c->made->n - at);
	if (at_end(c) || at_delimiter(c))
		return true;
	c->why = "something stands behind a quoted field";
	return false;
}

static bool take_plain(struct csv *c, struct span *value)
{
	const uint8_t *start = c->p;
	while (!at_end(c) && !at_delimiter(c))
		if (*c->p++ == '"') {
			c->why = "a quote within a field that does not begin with one";
			return false;
		}
	size_t n = (size_t)(c->p - start);
	*value = n ? span_of(start, n) : (struct span){0};
	return true;
}

/* The next value of the row, p NULL for one with nothing between the delimiters. *more: a delimiter follows. */
static bool take_value(struct csv *c, struct span *value, bool *more)
{
	bool quoted = c->p < c->end && *c->p == '"';
	c->p += quoted;
	if (quoted ? !take_quoted(c, value) : !take_plain(c, value))
		return false;
	*more = !at_end(c);
	if (*more)
		c->p += c->delimiter.n;
	return true;
}

static bool make_room(const struct parse_run *r)
{
	buf_clear(&r->room->scratch);
	if (buf_reserve(&r->room->scratch, r->text.n + 1))
		return true;
	parse_error(r, PARSE_ERROR, "the record is too large");
	return false;
}

static void parse_csv_row(const struct parse_run *r)
{
	const struct conf_array *keys = &r->p->conf->keys;
	struct csv c = {.p = r->text.p, .end = r->text.p + r->text.n, .made = &r->room->scratch};
	bool more = true;
	size_t i = 0;
	c.delimiter = span_str(r->p->conf->delimiter);
	if (!make_room(r))
		return;
	fields_start(r->room);
	for (more = !at_end(&c); more; i++) {
		struct span value = {0};
		if (!take_value(&c, &value, &more)) {
			parse_error(r, PARSE_ERROR, c.why);
			return;
		}
		if (i < keys->n)
			fields_add(r->room, span_str(keys->v[i]), value);
	}
	for (; i < keys->n; i++)
		fields_add(r->room, span_str(keys->v[i]), (struct span){0});
	fields_finish(r);
}

/* ---- csv, the lenient way: cut at every delimiter, then put together what a quote holds together ---- */

static size_t count_quotes(struct span s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '"';
	return n;
}

static struct span inside(struct span s)
{
	return s.n < 2 ? span_of(s.p, 0) : span_of(s.p + 1, s.n - 2);
}

static bool is_quoted(struct span s)
{
	return s.n && *s.p == '"' && s.p[s.n - 1] == '"';
}

/* With "" for each quote. */
static struct span without_doubles(struct span s, struct buf *made)
{
	size_t at = made->n;
	for (size_t i = 0; i < s.n; i++) {
		made->p[made->n++] = s.p[i];
		if (s.p[i] == '"' && i + 1 < s.n && s.p[i + 1] == '"')
			i++;
	}
	return span_of(made->p + at, made->n - at);
}

/* Up to the delimiter; *rest p NULL behind the last one. */
static struct span cut_column(struct span *rest, struct span delimiter)
{
	struct span column = *rest, value;
	if (cut(*rest, delimiter, &column, &value))
		*rest = value;
	else
		*rest = (struct span){0};
	return column;
}

static struct span lenient_column(struct span *rest, struct span delimiter, struct buf *made)
{
	struct span column = cut_column(rest, delimiter);
	size_t quotes = count_quotes(column);
	if (quotes == 0)
		return column.n ? column : (struct span){0};
	if (quotes == 1 && *column.p == '"') {
		const uint8_t *end = column.p + column.n;
		while (rest->p) {
			struct span more = cut_column(rest, delimiter);
			end = more.p + more.n;
			if (more.n && end[-1] == '"')
				break;
		}
		return inside(span_of(column.p, (size_t)(end - column.p)));
	}
	if (quotes >= 2 && is_quoted(column))
		column = inside(column);
	return quotes > 2 ? without_doubles(column, made) : column;
}

static struct span chomp(struct span s)
{
	bool feed = s.n && s.p[s.n - 1] == '\n';
	s.n -= feed;
	s.n -= s.n && s.p[s.n - 1] == '\r';
	return s;
}

static void parse_csv_fast(const struct parse_run *r)
{
	const struct conf_array *keys = &r->p->conf->keys;
	struct span rest = chomp(r->text), delimiter = span_str(r->p->conf->delimiter);
	if (!make_room(r))
		return;
	if (!rest.n)
		rest.p = NULL;
	fields_start(r->room);
	for (size_t i = 0; rest.p; i++) {
		struct span value = lenient_column(&rest, delimiter, &r->room->scratch);
		if (i < keys->n)
			fields_add(r->room, span_str(keys->v[i]), value);
	}
	fields_finish(r);
}

static void parse_csv(const struct parse_run *r)
{
	if (r->p->conf->engine == ENGINE_FAST)
		parse_csv_fast(r);
	else if (!r->text.n)
		parse_no_match(r);
	else
		parse_csv_row(r);
}

static bool create_csv(struct parser *p, const struct parser_maker *m)
{
	const char *d = p->conf->delimiter;
	if (*d && !strpbrk(d, "\"\r\n"))
		return true;
	conf_report_add(m->report, CONF_ERROR, conf_where(p->conf, "delimiter"),
		"a delimiter is no quote and no line end, and not empty");
	return false;
}

const struct parser_type parser_csv = {
	.names = "csv",
	.schema = &parser_csv_schema,
	.checks_utf8 = true,
	.create = create_csv,
	.parse = parse_csv,
};
