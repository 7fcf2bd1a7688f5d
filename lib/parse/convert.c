#include "parse/convert.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "parse/ruby_number.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"
#include "record/ruby_text.h"
#include "record/zone.h"

#include <math.h>
#include <strings.h>

enum kind { TO_STRING, TO_INTEGER, TO_FLOAT, TO_BOOL, TO_TIME, TO_ARRAY };

struct converter {
	struct span key; /* in the configuration */
	enum kind kind;
	struct time_reader *time;
	struct span delimiter;
};

struct converters {
	struct converter *v;
	size_t n;
	uint64_t lengths; /* bits of the keys' lengths: most fields have none of these */
	struct capture *null_pattern;
	bool null_empty;
};

/* ---- making ---- */

static bool is_kind(const char *name, size_t n, enum kind *kind)
{
	static const char *const names[] = {"string", "integer", "float", "bool", "time", "array"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0) {
			*kind = (enum kind)i;
			return true;
		}
	return false;
}

static bool is_zone(const char *name)
{
	struct err err;
	return zone_find(name, &err) != NULL;
}

/* [timezone:]format, where format may be a time_type. */
static struct time_reader *time_option(const struct parser *p, const char *option, const struct parser_maker *m)
{
	enum time_type type = TIME_TYPE_STRING;
	const char *colon = option ? strchr(option, ':') : NULL, *format = option;
	char *zone = option ? mem_strndup(option, colon ? (size_t)(colon - option) : strlen(option)) : NULL;
	if (zone && is_zone(zone)) {
		format = colon ? colon + 1 : NULL;
	} else {
		mem_free(zone);
		zone = NULL;
	}
	if (format && (strcmp(format, "unixtime") == 0 || strcmp(format, "float") == 0)) {
		type = *format == 'u' ? TIME_TYPE_UNIXTIME : TIME_TYPE_FLOAT;
		format = NULL;
	} else if (format && strcmp(format, "string") == 0) {
		format = NULL;
	}
	struct time_reader *r = parser_time_reader(p, type, format, zone, m, "types");
	mem_free(zone);
	return r;
}

static bool make_converter(
	const struct parser *p, const struct conf_hash_item *item, const struct parser_maker *m, struct converter *c)
{
	const char *definition = item->value ? item->value : "";
	const char *colon = strchr(definition, ':');
	size_t n = colon ? (size_t)(colon - definition) : strlen(definition);
	*c = (struct converter){.key = span_str(item->key)};
	if (!is_kind(definition, n, &c->kind)) {
		conf_report_add(m->report, CONF_ERROR, conf_where(p->conf, "types"),
			"unknown value conversion for key:'%s', type:'%.*s': string, integer, float, bool, time, array",
			item->key, (int)n, definition);
		return false;
	}
	if (c->kind == TO_ARRAY)
		c->delimiter = colon ? span_str(colon + 1) : SPAN_LIT(",");
	if (c->kind == TO_TIME)
		c->time = time_option(p, colon ? colon + 1 : NULL, m);
	return c->kind != TO_TIME || c->time;
}

static struct capture *compile_null(const struct parser *p, const struct parser_maker *m)
{
	const struct conf_regexp *r = &p->conf->null_value_pattern;
	struct err err;
	unsigned flags = (r->ignore_case ? REGEXP_IGNORE_CASE : 0) | (r->extended ? REGEXP_EXTENDED : 0) |
			 (r->multi_line ? REGEXP_MULTI_LINE : 0);
	struct capture *c = capture_compile(span_str(r->source), flags, &err);
	if (!c)
		conf_report_add(m->report, CONF_ERROR, conf_where(p->conf, "null_value_pattern"),
			"null_value_pattern: %s", err.text);
	return c;
}

struct converters *converters_new(const struct parser *p, const struct parser_maker *m, bool *ok)
{
	const struct parser_conf *conf = p->conf;
	*ok = true;
	if (!conf->types.n && !conf->null_value_pattern.source && !conf->null_empty_string)
		return NULL;
	struct converters *c = mem_zalloc(sizeof *c);
	c->v = mem_array(conf->types.n + 1, sizeof *c->v);
	c->null_empty = conf->null_empty_string;
	for (size_t i = 0; i < conf->types.n; i++) {
		*ok = make_converter(p, &conf->types.v[i], m, &c->v[c->n]) && *ok;
		c->lengths |= UINT64_C(1) << (c->v[c->n].key.n & 63);
		c->n++;
	}
	if (conf->null_value_pattern.source) {
		c->null_pattern = compile_null(p, m);
		*ok = *ok && c->null_pattern;
	}
	return c;
}

void converters_free(struct converters *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		time_reader_free(c->v[i].time);
	capture_free(c->null_pattern);
	mem_free(c->v);
	mem_free(c);
}

/* ---- converting ---- */

static const struct converter *find(const struct converters *c, struct span key)
{
	if (!(c->lengths >> (key.n & 63) & 1))
		return NULL;
	for (size_t i = c->n; i-- > 0;)
		if (span_eq(c->v[i].key, key))
			return &c->v[i];
	return NULL;
}

static bool is_null(const struct converters *c, struct parser_room *room, struct span text)
{
	if (c->null_empty && text.n == 0)
		return true;
	return c->null_pattern && utf8_valid(text) &&
	       capture_search(c->null_pattern, text, 0, &room->captures, NULL, NULL) == REGEXP_YES;
}

static void put_integer(struct buf *out, struct span text)
{
	struct ruby_int v = ruby_to_i(text);
	if (v.too_large) /* Ruby would go on with a number that nothing else can hold */
		mp_put_str(out, text);
	else if (v.negative)
		mp_put_int(out, (int64_t)(0 - v.magnitude));
	else
		mp_put_uint(out, v.magnitude);
}

static bool is_true(struct span text)
{
	return (text.n == 1 && *text.p == '1') || (text.n == 3 && !strncasecmp((const char *)text.p, "yes", 3)) ||
	       (text.n == 4 && !strncasecmp((const char *)text.p, "true", 4));
}

static void put_array(const struct converter *c, struct span text, struct buf *out)
{
	struct split s;
	struct span piece;
	uint32_t count = 0;
	split_start(&s, text, c->delimiter, 0);
	while (split_next(&s, &piece))
		count++;
	mp_put_array_head(out, count);
	split_start(&s, text, c->delimiter, 0);
	while (split_next(&s, &piece))
		mp_put_str(out, piece);
}

static void put_converted(const struct converter *c, struct span text, struct event_time now, struct buf *out)
{
	struct event_time t;
	switch (c->kind) {
	case TO_STRING:
		mp_put_str(out, text);
		break;
	case TO_INTEGER:
		put_integer(out, text);
		break;
	case TO_FLOAT:
		mp_put_double(out, ruby_to_f(text));
		break;
	case TO_BOOL:
		mp_put_bool(out, is_true(text));
		break;
	case TO_TIME:
		if (time_reader_text(c->time, text, now, &t))
			mp_put_event_time(out, t);
		else
			mp_put_nil(out);
		break;
	case TO_ARRAY:
		put_array(c, text, out);
		break;
	}
}

void convert_text(const struct converters *c, struct parser_room *room, struct span key, struct span text,
	struct event_time now, struct buf *out)
{
	const struct converter *to;
	if (is_null(c, room, text))
		mp_put_nil(out);
	else if ((to = find(c, key)))
		put_converted(to, text, now, out);
	else
		mp_put_str(out, text);
}

/* Numbers to numbers keep what a text would lose. */
static bool number_to_number(const struct converter *to, const struct mp_token *t, struct span value, struct buf *out)
{
	bool integer = t->type == MP_UINT || t->type == MP_INT, real = t->type == MP_FLOAT32 || t->type == MP_FLOAT64;
	if (to->kind == TO_INTEGER && integer)
		return buf_put_span(out, value);
	if (to->kind == TO_FLOAT && real)
		return mp_put_double(out, t->d);
	if (to->kind == TO_FLOAT && integer)
		return mp_put_double(out, t->type == MP_UINT ? (double)t->u : (double)t->i);
	if (to->kind == TO_INTEGER && real)
		return t->d > -9.2e18 && t->d < 9.2e18 ? mp_put_int(out, (int64_t)t->d) : buf_put_span(out, value);
	return false;
}

void convert_value(const struct converters *c, struct parser_room *room, struct span key, struct span value,
	struct event_time now, struct buf *out)
{
	const uint8_t *p = value.p;
	const struct converter *to = find(c, key);
	struct event_time t;
	struct mp_token token;
	if (mp_read(&p, value.p + value.n, &token) != MP_OK) {
		out->failed = true;
		return;
	}
	if (token.type == MP_STR) {
		convert_text(c, room, key, token.body, now, out);
		return;
	}
	/* nil and false stay what they are. */
	if (!to || token.type == MP_NIL || (token.type == MP_BOOL && !token.b)) {
		buf_put_span(out, value);
		return;
	}
	if (number_to_number(to, &token, value, out))
		return;
	if (to->kind == TO_TIME) {
		if (time_reader_value(to->time, value, now, &t))
			mp_put_event_time(out, t);
		else
			mp_put_nil(out);
		return;
	}
	struct buf *text = &room->scratch;
	size_t at = text->n;
	ruby_to_s(text, value);
	put_converted(to, span_of(text->p + at, text->n - at), now, out);
	out->failed = out->failed || text->failed;
	text->n = at;
}
