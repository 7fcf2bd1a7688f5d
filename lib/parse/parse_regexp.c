/* parse_regexp.c: the types that are an expression: regexp, the logs of web servers, multiline. */
#include "parse/parse_access.h"

#include "base/mem.h"

#include <stdio.h>

struct expression {
	struct capture *capture;
	/* Reads the usual form of a line of the default expression without the engine; NULL: there is no such. */
	enum access_result (*fast)(struct parser_room *room, struct span line);
};

static const char gave_up[] = "the search for the pattern took too many steps";

static bool compile(const struct parser *p, const struct parser_maker *m, struct span source, unsigned flags,
	const char *param, struct capture **c)
{
	struct err err;
	*c = capture_compile(source, flags, &err);
	if (!*c) {
		conf_report_add(m->report, CONF_ERROR, conf_where(p->conf, param), "%s: %s", param, err.text);
		return false;
	}
	if (capture_count(*c))
		return true;
	conf_report_add(m->report, CONF_ERROR, conf_where(p->conf, param),
		"No named captures in '%s' parameter. The regexp must have at least one named capture", param);
	capture_free(*c);
	return false;
}

static bool create_with(struct parser *p, const struct parser_maker *m,
	enum access_result (*fast)(struct parser_room *room, struct span line))
{
	const struct parser_conf *conf = p->conf;
	const struct conf_regexp *e = &conf->expression;
	unsigned flags = (e->ignore_case ? REGEXP_IGNORE_CASE : 0) | (e->extended ? REGEXP_EXTENDED : 0) |
			 (e->multi_line ? REGEXP_MULTI_LINE : 0);
	struct capture *c;
	/* The old switches replace what stands behind the slash. */
	if (conf->ignorecase || conf->multiline)
		flags = (conf->ignorecase ? REGEXP_IGNORE_CASE : 0) | (conf->multiline ? REGEXP_MULTI_LINE : 0);
	if (!compile(p, m, span_str(e->source), flags, "expression", &c))
		return false;
	struct expression *x = mem_zalloc(sizeof *x);
	x->capture = c;
	if (!conf_is_given(p->type->schema, conf, "expression") && !flags)
		x->fast = fast;
	p->self = x;
	return true;
}

static bool create_regexp(struct parser *p, const struct parser_maker *m)
{
	return create_with(p, m, NULL);
}

static bool create_nginx(struct parser *p, const struct parser_maker *m)
{
	return create_with(p, m, access_nginx);
}

static bool create_apache(struct parser *p, const struct parser_maker *m)
{
	return create_with(p, m, access_apache);
}

static void destroy_expression(void *self)
{
	struct expression *x = self;
	capture_free(x->capture);
	mem_free(x);
}

static void take_groups(struct parser_room *room, const struct capture *c, struct span text)
{
	size_t n = capture_count(c);
	fields_start(room);
	for (size_t i = 0; i < n; i++) {
		struct span value = capture_get(c, &room->captures, text, i);
		if (value.p)
			fields_add(room, capture_name(c, i), value);
	}
}

static void parse_regexp(const struct parse_run *r)
{
	const struct expression *x = r->p->self;
	enum access_result fast = x->fast ? x->fast(r->room, r->text) : ACCESS_UNSURE;
	if (fast == ACCESS_UNSURE) {
		enum regexp_result found = capture_search(x->capture, r->text, 0, &r->room->captures, NULL, NULL);
		if (found == REGEXP_LIMIT) {
			parse_error(r, PARSE_NO_MATCH, gave_up);
			return;
		}
		fast = found == REGEXP_YES ? ACCESS_YES : ACCESS_NO;
		if (found == REGEXP_YES)
			take_groups(r->room, x->capture, r->text);
	}
	if (fast == ACCESS_YES)
		fields_finish(r);
	else
		parse_no_match(r);
}

#define TYPE(NAME, CREATE)                         \
	const struct parser_type parser_##NAME = { \
		.names = #NAME,                    \
		.schema = &parser_##NAME##_schema, \
		.checks_utf8 = true,               \
		.create = (CREATE),                \
		.destroy = destroy_expression,     \
		.parse = parse_regexp,             \
	}

TYPE(regexp, create_regexp);
TYPE(nginx, create_nginx);
TYPE(apache, create_apache);
TYPE(apache_error, create_regexp);

/* ---- apache2 ---- */

#define APACHE2                                                                                            \
	"^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \\[(?<time>[^\\]]*)\\] "                                     \
	"\"(?<method>\\S+)(?: +(?<path>(?:[^\\\"]|\\\\\")*?)(?: +\\S*)?)?\" (?<code>[^ ]*) (?<size>[^ ]*)" \
	"(?: \"(?<referer>(?:[^\\\"]|\\\\\")*)\" \"(?<agent>(?:[^\\\"]|\\\\\")*)\")?$"

struct apache2 {
	struct capture *capture;
	struct time_reader *time;
};

static void destroy_apache2(void *self)
{
	struct apache2 *a = self;
	capture_free(a->capture);
	time_reader_free(a->time);
	mem_free(a);
}

static bool create_apache2(struct parser *p, const struct parser_maker *m)
{
	struct err err;
	struct apache2 *a = mem_zalloc(sizeof *a);
	p->self = a;
	a->capture = capture_compile(SPAN_LIT(APACHE2), 0, &err);
	a->time = parser_time_reader(
		p, (enum time_type)p->conf->time_type, "%d/%b/%Y:%H:%M:%S %z", p->conf->timezone, m, "timezone");
	return a->capture && a->time;
}

static void parse_apache2(const struct parse_run *r)
{
	const struct apache2 *a = r->p->self;
	struct parser_room *room = r->room;
	enum access_result found = access_apache2(room, r->text);
	struct event_time time;
	if (found == ACCESS_UNSURE) {
		enum regexp_result slow = capture_search(a->capture, r->text, 0, &room->captures, NULL, NULL);
		if (slow == REGEXP_LIMIT) {
			parse_error(r, PARSE_NO_MATCH, gave_up);
			return;
		}
		found = slow == REGEXP_YES ? ACCESS_YES : ACCESS_NO;
		if (slow == REGEXP_YES)
			access_apache2_groups(room, a->capture, r->text);
	}
	if (found == ACCESS_NO) {
		parse_no_match(r);
		return;
	}
	struct span text = access_apache2_fields(room);
	if (!time_reader_text(a->time, text, r->now, &time)) {
		parse_error(r, PARSE_ERROR, "invalid time format");
		return;
	}
	if (r->p->conf->keep_time_key)
		fields_add(room, SPAN_LIT("time"), text);
	fields_finish_as_is(r, &time);
}

const struct parser_type parser_apache2 = {
	.names = "apache2",
	.schema = &parser_apache2_schema,
	.checks_utf8 = true,
	.create = create_apache2,
	.destroy = destroy_apache2,
	.parse = parse_apache2,
};

/* ---- multiline ---- */

struct multiline {
	struct capture *capture, *first;
};

static void destroy_multiline(void *self)
{
	struct multiline *ml = self;
	capture_free(ml->capture);
	capture_free(ml->first);
	mem_free(ml);
}

/* What stands between the slashes of the parameter; n = 0 and a finding if it is no expression. */
static struct span between_slashes(
	const struct parser *p, const struct parser_maker *m, const char *text, const char *param)
{
	size_t n = strlen(text);
	struct err err;
	struct span inner = {0};
	if (n < 3 || text[0] != '/' || text[n - 1] != '/') {
		conf_report_add(m->report, CONF_ERROR, conf_where(p->conf, param),
			"format should be Regexp, need //, in %s: '%s'", param, text);
		return inner;
	}
	inner = span_of(text + 1, n - 2);
	struct regexp *checked = regexp_compile(inner, REGEXP_MULTI_LINE, &err);
	regexp_free(checked);
	if (checked)
		return inner;
	conf_report_add(m->report, CONF_ERROR, conf_where(p->conf, param), "Invalid regexp in %s: %s", param, err.text);
	return (struct span){0};
}

/* The parts, one behind the other. */
static bool join_formats(const struct parser *p, const struct parser_maker *m, struct buf *out)
{
	bool ok = true;
	for (int i = 0; i < PARSER_FORMATS_MAX; i++) {
		char param[24];
		const char *text = p->conf->formats[i];
		if (!text)
			continue;
		snprintf(param, sizeof param, "format%d", i + 1);
		if (i && !p->conf->formats[i - 1]) {
			conf_report_add(m->report, CONF_ERROR, conf_where(p->conf, param),
				"Jump of format index found. format%d is missing.", i);
			ok = false;
		}
		struct span inner = between_slashes(p, m, text, param);
		ok = ok && inner.n;
		buf_put_span(out, inner);
	}
	return ok;
}

static bool create_multiline(struct parser *p, const struct parser_maker *m)
{
	struct multiline *ml = mem_zalloc(sizeof *ml);
	struct buf formats;
	struct err err;
	p->self = ml;
	buf_init(&formats, 1u << 20);
	bool ok = join_formats(p, m, &formats);
	if (ok && !compile(p, m, buf_span(&formats), REGEXP_MULTI_LINE, "format1", &ml->capture)) {
		ml->capture = NULL;
		ok = false;
	}
	buf_free(&formats);
	if (ok && p->conf->format_firstline) {
		struct span inner = between_slashes(p, m, p->conf->format_firstline, "format_firstline");
		ml->first = inner.n ? capture_compile(inner, 0, &err) : NULL;
		ok = ml->first != NULL;
	}
	return ok;
}

static void unmatched(const struct parse_run *r, struct span text)
{
	if (!r->p->conf->unmatched_lines) {
		parse_no_match(r);
		return;
	}
	fields_start(r->room);
	fields_add(r->room, SPAN_LIT("unmatched_line"), text);
	fields_finish_as_is(r, &r->now);
}

/* Match after match until nothing is left, or what is left does not match. */
static void parse_multiline(const struct parse_run *r)
{
	const struct multiline *ml = r->p->self;
	struct span text = r->text;
	size_t start, end;
	do {
		enum regexp_result found = capture_search(ml->capture, text, 0, &r->room->captures, &start, &end);
		if (found == REGEXP_LIMIT) {
			parse_error(r, PARSE_NO_MATCH, gave_up);
			return;
		}
		if (found == REGEXP_NO) {
			unmatched(r, text);
			return;
		}
		take_groups(r->room, ml->capture, text);
		fields_finish(r);
		if (end == 0) /* a match of nothing at the beginning would come again for ever */
			return;
		text = span_of(text.p + end, text.n - end);
		if (text.n && *text.p == '\n')
			text = span_of(text.p + 1, text.n - 1);
	} while (text.n);
}

static bool is_firstline(const struct parser *p, struct span line, struct parser_room *room)
{
	const struct multiline *ml = p->self;
	return capture_search(ml->first, line, 0, &room->captures, NULL, NULL) == REGEXP_YES;
}

const struct parser_type parser_multiline = {
	.names = "multiline",
	.schema = &parser_multiline_schema,
	.checks_utf8 = true,
	.create = create_multiline,
	.destroy = destroy_multiline,
	.parse = parse_multiline,
	.is_firstline = is_firstline,
};
