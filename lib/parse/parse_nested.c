/* parse_nested.c: the types that hold other parsers: cri and multi_format. */
#include "parse/parser_impl.h"

#include "base/mem.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

static struct parser_room *inner_room(struct parser_room *room)
{
	if (!room->inner) {
		room->inner = mem_alloc(sizeof *room->inner);
		parser_room_init(room->inner, room->record.max);
	}
	return room->inner;
}

/* The record of an inner parser with more texts at its end, in `out`. */
static bool put_with(struct buf *out, struct span record, const struct field *more, uint32_t n)
{
	const uint8_t *p = record.p, *end = p + record.n;
	struct mp_token t;
	if (mp_read(&p, end, &t) != MP_OK)
		return false;
	buf_clear(out);
	mp_put_map_head(out, t.count + n);
	buf_put(out, p, (size_t)(end - p));
	for (uint32_t i = 0; i < n; i++) {
		mp_put_str(out, more[i].key);
		mp_put_str(out, more[i].text);
	}
	return !out->failed;
}

/* ---- cri ---- */

static bool create_cri(struct parser *p, const struct parser_maker *m)
{
	const struct conf_list *inner = &p->conf->parse;
	if (!inner->n)
		return true;
	const struct conf_common *c = inner->v[0];
	p->self = parser_make(c->section, NULL, m->rules, m->report);
	return p->self != NULL;
}

static void destroy_cri(void *self)
{
	parser_free(self);
}

/* time, stream, logtag, message: the first three end at a blank each, the message is the rest. */
static bool cut_cri(struct span text, struct span part[4])
{
	const uint8_t *p = text.p, *end = p + text.n;
	for (int i = 0; i < 3; i++) {
		const uint8_t *start = p;
		while (p < end && *p != ' ' && (*p < '\t' || *p > '\r'))
			p++;
		if (p == end)
			return false;
		part[i] = span_of(start, (size_t)(p - start));
		p++;
	}
	part[3] = span_of(p, (size_t)(end - p));
	return true;
}

struct cri_inner {
	const struct parse_run *r;
	const struct span *part;
	struct parsed last;
	bool any;
};

/* Of several records the last one counts, as in the plugin. */
static void keep_last(void *arg, const struct parsed *p)
{
	struct cri_inner *c = arg;
	struct buf *out = &c->r->room->record;
	const struct field more[] = {
		{.key = SPAN_LIT("stream"), .text = c->part[1]}, {.key = SPAN_LIT("logtag"), .text = c->part[2]}};
	c->last = *p;
	c->any = true;
	if (p->result != PARSE_OK)
		return;
	if (put_with(out, p->record, more, c->r->p->conf->merge_cri_fields ? 2 : 0))
		c->last.record = buf_span(out);
	else
		c->last = (struct parsed){.result = PARSE_ERROR, .why = "the record is too large"};
}

static void parse_inner(const struct parse_run *r, const struct span part[4])
{
	struct cri_inner c = {.r = r, .part = part};
	parser_parse(r->p->self, part[3], r->now, inner_room(r->room), keep_last, &c);
	if (c.any)
		r->take(r->arg, &c.last);
	else
		parse_no_match(r);
}

static void parse_cri(const struct parse_run *r)
{
	struct span part[4];
	struct event_time time;
	if (!cut_cri(r->text, part)) {
		parse_no_match(r);
		return;
	}
	if (r->p->self) {
		parse_inner(r, part);
		return;
	}
	if (!time_reader_text(r->p->time, part[0], r->now, &time)) {
		parse_error(r, PARSE_ERROR, "invalid time format");
		return;
	}
	fields_start(r->room);
	fields_add(r->room, SPAN_LIT("stream"), part[1]);
	fields_add(r->room, SPAN_LIT("logtag"), part[2]);
	fields_add(r->room, SPAN_LIT("message"), part[3]);
	if (r->p->conf->keep_time_key)
		fields_add(r->room, r->p->time_key, part[0]);
	fields_finish_as_is(r, &time);
}

const struct parser_type parser_cri = {
	.names = "cri",
	.schema = &parser_cri_schema,
	.checks_utf8 = true,
	.create = create_cri,
	.destroy = destroy_cri,
	.parse = parse_cri,
};

/* ---- multi_format ---- */

struct pattern {
	struct parser *parser;
	char *name;
};

struct multi_format {
	struct pattern *v;
	size_t n;
};

static void destroy_multi_format(void *self)
{
	struct multi_format *mf = self;
	for (size_t i = 0; i < mf->n; i++) {
		parser_free(mf->v[i].parser);
		mem_free(mf->v[i].name);
	}
	mem_free(mf->v);
	mem_free(mf);
}

static char *pattern_name(const struct conf_section *s, size_t i)
{
	const struct conf_pair *name = conf_section_get(s, "format_name"), *format = conf_section_get(s, "format");
	if (!format)
		format = conf_section_get(s, "@type");
	return name ? mem_strdup(name->value) : mem_printf("%s#%zu", format ? format->value : "", i);
}

static bool create_multi_format(struct parser *p, const struct parser_maker *m)
{
	struct multi_format *mf = mem_zalloc(sizeof *mf);
	size_t i = 0;
	bool ok = true;
	p->self = mf;
	for (const struct conf_section *s = m->section->sections; s; s = s->next, i++) {
		if (strcmp(s->name, "pattern") != 0)
			continue;
		struct parser *made = parser_make(s, NULL, m->rules, m->report);
		if (!made) {
			ok = false;
			continue;
		}
		mf->v = mem_realloc(mf->v, (mf->n + 1) * sizeof *mf->v);
		mf->v[mf->n++] = (struct pattern){made, pattern_name(s, i)};
	}
	if (ok && !mf->n) {
		conf_report_add(m->report, CONF_ERROR, m->section->pos, "<pattern> sections are required in <%s>",
			m->section->name);
		ok = false;
	}
	return ok;
}

struct first_fit {
	const struct parse_run *r;
	const char *name;
	bool found;
};

static void take_fit(void *arg, const struct parsed *p)
{
	struct first_fit *f = arg;
	const char *key = f->r->p->conf->format_key;
	struct parsed with = *p;
	/* A pattern that gives no time does not fit, as in the plugin; of several records the first one is it. */
	if (f->found || p->result != PARSE_OK || !p->has_time)
		return;
	f->found = true;
	if (key) {
		struct field more = {.key = span_str(key), .text = span_str(f->name)};
		if (!put_with(&f->r->room->record, p->record, &more, 1)) {
			parse_error(f->r, PARSE_ERROR, "the record is too large");
			return;
		}
		with.record = buf_span(&f->r->room->record);
	}
	f->r->take(f->r->arg, &with);
}

static void parse_multi_format(const struct parse_run *r)
{
	const struct multi_format *mf = r->p->self;
	struct first_fit f = {.r = r};
	for (size_t i = 0; i < mf->n && !f.found; i++) {
		f.name = mf->v[i].name;
		parser_parse_bytes(mf->v[i].parser, r->text, r->now, inner_room(r->room), take_fit, &f);
	}
	if (!f.found)
		parse_no_match(r);
}

const struct parser_type parser_multi_format = {
	.names = "multi_format",
	.schema = &parser_multi_format_schema,
	.create = create_multi_format,
	.destroy = destroy_multi_format,
	.parse = parse_multi_format,
};
