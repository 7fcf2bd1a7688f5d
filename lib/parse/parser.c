#include "parse/parser.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "parse/convert.h"
#include "parse/parser_impl.h"

#include <jansson.h>
#include <stdio.h>

static const struct parser_type *const types[] = {&parser_json, &parser_regexp, &parser_ltsv, &parser_csv, &parser_tsv,
	&parser_none, &parser_nginx, &parser_apache, &parser_apache2, &parser_apache_error, &parser_syslog,
	&parser_multiline, &parser_cri, &parser_msgpack, &parser_multi_format, &parser_kv, NULL};

/* ---- types by name ---- */

static bool has_name(const struct parser_type *t, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = t->names; *p;) {
		size_t len = strcspn(p, " ");
		if (len == n && memcmp(p, name, n) == 0)
			return true;
		p += len + strspn(p + len, " ");
	}
	return false;
}

static const struct parser_type *find_type(const char *name)
{
	for (const struct parser_type *const *t = types; *t; t++)
		if (has_name(*t, name))
			return *t;
	return NULL;
}

const struct conf_schema *parser_type_schema(const char *type)
{
	const struct parser_type *t = find_type(type);
	return t ? t->schema : NULL;
}

const char *parser_type_at(size_t i)
{
	return types[i] ? types[i]->names : NULL;
}

const char *parser_type_name(const struct parser *p)
{
	return p->type->names;
}

#define GROK_INSTEAD                                                                                      \
	"write the pattern as an expression (@type regexp); what a %{PATTERN} stands for is in the grok " \
	"plugin's pattern files"

/* Parsers that configurations name and weir does not have. */
static const struct {
	const char *name, *instead;
} missing[] = {
	{"grok", GROK_INSTEAD},
	{"multiline_grok", GROK_INSTEAD},
	{"logfmt", "@type kv reads such lines where no value holds a blank; else write an expression (@type regexp)"},
};

static void unknown_type(const char *name, struct conf_pos pos, struct conf_report *report)
{
	const char *names[sizeof types / sizeof *types];
	size_t n = 0;
	for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
		if (strcmp(name, missing[i].name) == 0) {
			conf_report_add(
				report, CONF_ERROR, pos, "weir has no parser '%s': %s", name, missing[i].instead);
			return;
		}
	for (; types[n]; n++)
		names[n] = types[n]->names;
	names[n] = NULL;
	const char *near = conf_nearest(name, names);
	conf_report_add(report, CONF_ERROR, pos,
		near ? "Unknown parser plugin '%s': did you mean '%s'?"
		     : "Unknown parser plugin '%s': json, regexp, ltsv, csv, tsv, none, nginx, apache, apache2, "
		       "apache_error, syslog, multiline, cri, msgpack, multi_format, kv",
		name, near);
}

/* ---- flat parameters of v0.12 ---- */

static bool knows(const struct conf_schema *schema, const char *name)
{
	for (const struct conf_param *p = schema->params; p->name; p++) {
		if (strcmp(p->name, name) == 0)
			return true;
		size_t n = strlen(name);
		for (const char *old = p->old; old && *old;) {
			size_t len = strcspn(old, " ");
			if (len == n && memcmp(old, name, n) == 0)
				return true;
			old += len + strspn(old + len, " ");
		}
	}
	return false;
}

static bool is_expression(const char *format)
{
	return format[0] == '/' && strrchr(format, '/') > format;
}

/* The types with separators of their own as the JSON object that today's parameter may be. */
static const char *types_as_json(struct parser *p, const struct conf_section *s, const char *text)
{
	const struct conf_pair *between = conf_section_get(s, "types_delimiter");
	const struct conf_pair *label = conf_section_get(s, "types_label_delimiter");
	if (!between && !label)
		return text;
	struct span delimiter = between ? span_str(between->value) : SPAN_LIT(",");
	struct span label_delimiter = label ? span_str(label->value) : SPAN_LIT(":");
	struct split pairs, parts;
	struct span pair, key, value;
	json_t *json = json_object();
	split_start(&pairs, span_str(text), delimiter, 0);
	while (split_next(&pairs, &pair)) {
		split_start(&parts, pair, label_delimiter, 2);
		if (!split_next(&parts, &key) || !split_next(&parts, &value))
			continue;
		char *name = mem_strndup(key.p, key.n);
		json_object_set_new(json, name, json_stringn((const char *)value.p, value.n));
		mem_free(name);
	}
	size_t n = json_dumpb(json, NULL, 0, JSON_COMPACT);
	mem_free(p->own_types);
	p->own_types = mem_zalloc(n + 1);
	json_dumpb(json, p->own_types, n, JSON_COMPACT);
	json_decref(json);
	return p->own_types;
}

/* A section of its own from those pairs of `s` that the type knows; in a <pattern> all others too, so that they are reported. */
static const struct conf_section *flat_section(
	struct parser *p, const struct conf_section *s, const struct conf_pair *format, bool all)
{
	size_t n = 2;
	for (const struct conf_pair *i = s->pairs; i; i = i->next)
		n++;
	p->own_pairs = mem_array(n, sizeof *p->own_pairs);
	p->own_section = mem_zalloc(sizeof *p->own_section);
	n = 0;
	for (const struct conf_pair *i = s->pairs; i; i = i->next) {
		bool meta = strcmp(i->name, "format") == 0 || strcmp(i->name, "format_name") == 0 ||
			    strncmp(i->name, "types_", 6) == 0;
		if (meta || (!all && !knows(p->type->schema, i->name)))
			continue;
		p->own_pairs[n] = *i;
		if (strcmp(i->name, "types") == 0) {
			p->own_pairs[n].value = types_as_json(p, s, i->value);
			p->own_pairs[n].value_len = strlen(p->own_pairs[n].value);
		}
		n++;
	}
	if (format && is_expression(format->value)) {
		p->own_pairs[n] = *format;
		p->own_pairs[n++].name = "expression";
	}
	for (size_t i = 0; i < n; i++)
		p->own_pairs[i].next = i + 1 < n ? &p->own_pairs[i + 1] : NULL;
	*p->own_section = (struct conf_section){.name = "parse",
		.arg = "",
		.pos = s->pos,
		.arg_pos = s->arg_pos,
		.parent = s->parent,
		.pairs = n ? p->own_pairs : NULL};
	p->own_section->sections = all ? s->sections : NULL;
	return p->own_section;
}

/* ---- making ---- */

struct time_reader *parser_time_reader(const struct parser *p, enum time_type type, const char *format,
	const char *timezone, const struct parser_maker *m, const char *param)
{
	const struct parser_conf *c = p->conf;
	struct err err;
	bool local_given = conf_is_given(p->type->schema, c, "localtime");
	struct time_reader_conf conf = {
		.type = type,
		.format = format,
		.fallbacks = (const char *const *)c->time_format_fallbacks.v,
		.localtime = local_given || !conf_is_given(p->type->schema, c, "utc") ? c->localtime : !c->utc,
		.utc = c->utc,
		.timezone = timezone,
	};
	struct time_reader *r = time_reader_new(&conf, &err);
	bool zone_missing = !timezone && !format;
	if (!r && zone_missing)
		param = conf_is_given(p->type->schema, c, "utc") ? "utc" : "localtime";
	if (!r)
		conf_report_add(m->report, CONF_ERROR, conf_where(c, param), "%s", err.text);
	return r;
}

static bool check_times(const struct parser *p, const struct parser_maker *m)
{
	const struct parser_conf *c = p->conf;
	const struct conf_schema *s = p->type->schema;
	if (conf_is_given(s, c, "localtime") && conf_is_given(s, c, "utc") && c->localtime == c->utc) {
		conf_report_add(m->report, CONF_ERROR, conf_where(c, "utc"),
			"both of utc and localtime are specified, use only one of them");
		return false;
	}
	if (c->time_format_fallbacks.n && c->time_type != TIME_TYPE_MIXED)
		conf_report_add(m->report, CONF_WARNING, conf_where(c, "time_format_fallbacks"),
			"'time_format_fallbacks' has no effect without 'time_type mixed'");
	return true;
}

static void take_time_key(struct parser *p)
{
	p->time_key = span_str(p->conf->time_key);
	p->time_key_set = p->conf->time_key != NULL;
}

static bool make(
	struct parser *p, const struct conf_section *s, const struct conf_rules *rules, struct conf_report *report)
{
	size_t errors = report->errors;
	struct parser_maker m = {rules, report, s};
	bool ok;
	p->conf = conf_make(p->type->schema, s, rules, report);
	if (report->errors != errors || !check_times(p, &m))
		return false;
	/* A time_format makes sense for texts only; with it json's times are texts. */
	if (p->type == &parser_json && p->conf->time_format && !conf_is_given(p->type->schema, p->conf, "time_type"))
		p->conf->time_type = TIME_TYPE_STRING;
	take_time_key(p);
	p->time = parser_time_reader(p, (enum time_type)p->conf->time_type, p->conf->time_format, p->conf->timezone, &m,
		p->conf->timezone ? "timezone" : "time_format");
	p->converters = converters_new(p, &m, &ok);
	return p->time && ok && (!p->type->create || p->type->create(p, &m));
}

static const struct conf_section *find_section(const struct conf_section *s, const char *name)
{
	for (s = s->sections; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

/* What says the type: @type, type, or the format of v0.12. */
static const struct conf_pair *type_pair(const struct conf_section *s, bool own)
{
	const struct conf_pair *p = own ? conf_section_get(s, "@type") : NULL;
	if (!p && own)
		p = conf_section_get(s, "type");
	return p ? p : conf_section_get(s, "format");
}

struct parser *parser_make(const struct conf_section *section, const char *default_type, const struct conf_rules *rules,
	struct conf_report *report)
{
	const struct conf_section *s = section, *inner = find_section(section, "parse");
	bool own = strcmp(s->name, "parse") == 0 || strcmp(s->name, "pattern") == 0;
	if (!own && inner) {
		s = inner;
		own = true;
	}
	const struct conf_pair *pair = type_pair(s, own);
	const char *name = pair ? (is_expression(pair->value) ? "regexp" : pair->value) : default_type;
	if (!name) {
		conf_report_add(report, CONF_ERROR, s->pos,
			own ? "Missing '@type' parameter in <%s>" : "<parse> section is required in <%s>", s->name);
		return NULL;
	}
	const struct parser_type *type = find_type(name);
	if (!type) {
		unknown_type(name, pair ? pair->value_pos : s->pos, report);
		return NULL;
	}
	struct parser *p = mem_zalloc(sizeof *p);
	p->type = type;
	p->type_name = name;
	p->type_pair = pair;
	bool flat = !own || (pair && strcmp(pair->name, "format") == 0) || strcmp(s->name, "pattern") == 0;
	if (make(p, flat ? flat_section(p, s, pair, own) : s, rules, report))
		return p;
	parser_free(p);
	return NULL;
}

void parser_show(const struct parser *p, struct buf *out, unsigned indent)
{
	conf_show_type(p->type_name, p->type_pair, out, indent);
	conf_show_params(p->type->schema, p->conf, out, indent);
}

void parser_free(struct parser *p)
{
	if (!p)
		return;
	if (p->type->destroy && p->self)
		p->type->destroy(p->self);
	converters_free(p->converters);
	time_reader_free(p->time);
	conf_free(p->type->schema, p->conf);
	mem_free(p->own_types);
	mem_free(p->own_section);
	mem_free(p->own_pairs);
	mem_free(p);
}

/* ---- parsing ---- */

void parser_parse(const struct parser *p, struct span text, struct event_time now, struct parser_room *room,
	parser_take *take, void *arg)
{
	struct parse_run r = {.p = p, .text = text, .now = now, .room = room, .take = take, .arg = arg};
	if (!text.p)
		r.text.p = (const uint8_t *)"";
	room->scratch.failed = false;
	if (p->type->checks_utf8 && !utf8_valid(text))
		parse_error(&r, PARSE_BAD_UTF8, "invalid byte sequence in UTF-8");
	else
		p->type->parse(&r);
}

static struct span mended(struct span text, struct parser_room *room)
{
	if (utf8_valid(text))
		return text;
	buf_clear(&room->bytes);
	return parser_scrub(&room->bytes, text, UTF8_REPLACEMENT) ? buf_span(&room->bytes) : text;
}

void parser_parse_bytes(const struct parser *p, struct span text, struct event_time now, struct parser_room *room,
	parser_take *take, void *arg)
{
	parser_parse(p, p->type->checks_utf8 ? mended(text, room) : text, now, room, take, arg);
}

bool parser_has_firstline(const struct parser *p)
{
	return p->type->is_firstline && p->conf->format_firstline;
}

bool parser_is_firstline(const struct parser *p, struct span line, struct parser_room *room)
{
	return parser_has_firstline(p) && p->type->is_firstline(p, mended(line, room), room);
}

bool parser_scrub(struct buf *out, struct span text, const char *replacement)
{
	for (size_t i = 0; i < text.n;) {
		size_t n = utf8_len(text.p + i, text.n - i);
		if (n) {
			buf_put(out, text.p + i, n);
		} else {
			n = utf8_bad_len(text.p + i, text.n - i);
			buf_put_str(out, replacement);
		}
		i += n;
	}
	return !out->failed;
}

/* ---- rooms ---- */

void parser_room_init(struct parser_room *r, size_t max)
{
	*r = (struct parser_room){0};
	buf_init(&r->record, max);
	buf_init(&r->source, max);
	buf_init(&r->bytes, max);
	buf_init(&r->scratch, max);
}

void parser_room_free(struct parser_room *r)
{
	if (r->inner) {
		parser_room_free(r->inner);
		mem_free(r->inner);
	}
	buf_free(&r->record);
	buf_free(&r->source);
	buf_free(&r->bytes);
	buf_free(&r->scratch);
	mem_free(r->fields);
	capture_room_free(&r->captures);
	*r = (struct parser_room){0};
}
