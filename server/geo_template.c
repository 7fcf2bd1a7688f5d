#include "geo_template.h"

#include "base/mem.h"
#include "record/json_get.h"
#include "record/json_put.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"
#include "record/ruby_text.h"

#include <string.h>

#define JSON_DEPTH 32

enum kind { KIND_PLACE, KIND_JSON, KIND_TEXT };

struct piece {
	struct span text; /* of the configuration */
	size_t place;	  /* behind the text; SIZE_MAX = none */
};

struct geo_template {
	enum kind kind;
	struct piece *v;
	size_t n;
};

/* ---- places ----------------------------------------------------------------------------------------------------------- */

void geo_places_free(struct geo_places *p)
{
	for (size_t i = 0; i < p->n; i++) {
		for (char **step = p->v[i].path; *step; step++)
			mem_free(*step);
		mem_free(p->v[i].path);
		mem_free(p->v[i].text);
	}
	mem_free(p->v);
	*p = (struct geo_places){0};
}

bool geo_place_put(const struct geo_place *p, const struct geo_entry *entries, struct buf *out)
{
	const struct geo_entry *e = &entries[p->key];
	if (!e->database) {
		mp_put_nil(out);
		return false;
	}
	if (geo_put(e, (const char *const *)p->path, out))
		return true;
	if (p->or_zero)
		mp_put_double(out, 0.0);
	else
		mp_put_nil(out);
	return true;
}

static char **split_path(const char *text, size_t n)
{
	size_t count = 2;
	for (size_t i = 0; i < n; i++)
		count += text[i] == '.';
	char **path = mem_array(count, sizeof *path);
	count = 0;
	for (size_t at = 0; at <= n;) {
		const char *dot = memchr(text + at, '.', n - at);
		const size_t len = dot ? (size_t)(dot - text) - at : n - at;
		path[count++] = mem_strndup(text + at, len);
		at += len + 1;
	}
	path[count] = NULL;
	return path;
}

/* The names of the geoip2_compat library. */
static const char *compat_path(struct span name)
{
	static const char *const names[][2] = {{"city", "city.names.en"}, {"country_code", "country.iso_code"},
		{"country_name", "country.names.en"}, {"latitude", "location.latitude"},
		{"longitude", "location.longitude"}, {"postal_code", "postal.code"},
		{"region", "subdivisions.0.iso_code"}, {"region_name", "subdivisions.0.names.en"}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (span_is(name, names[i][0]))
			return names[i][1];
	return NULL;
}

struct maker {
	const struct conf_pair *pair;
	const struct conf_array *keys;
	bool compat;
	struct geo_places *places;
	struct conf_report *r;
};

static bool refuse(struct maker *m, struct span text, const char *why)
{
	conf_report_add(m->r, CONF_ERROR, m->pair->value_pos, "%.*s: %s", (int)text.n, (const char *)text.p, why);
	return false;
}

static size_t key_of(const struct conf_array *keys, const char *name, size_t n)
{
	size_t i = 0;
	while (i < keys->n && !(strlen(keys->v[i]) == n && memcmp(keys->v[i], name, n) == 0))
		i++;
	return i;
}

/* ${PATH["KEY"]}: the place's number. */
static bool add_place(struct maker *m, struct span text, size_t *number)
{
	const char *p = (const char *)text.p + 2;
	const size_t n = text.n - 3, path_n = strcspn(p, "[");
	for (size_t i = 0; i < m->places->n; i++) {
		*number = i;
		if (span_is(text, m->places->v[i].text))
			return true;
	}
	const bool quoted = path_n && path_n + 5 <= n && (p[path_n + 1] == '"' || p[path_n + 1] == '\'') &&
			    p[n - 1] == ']' && p[n - 2] == p[path_n + 1];
	if (!quoted)
		return refuse(m, text, "this is no placeholder: ${city.names.en[\"host\"]}");
	const size_t key = key_of(m->keys, p + path_n + 2, n - path_n - 4);
	if (key == m->keys->n)
		return refuse(m, text, "the field is none of geoip_lookup_keys");
	const char *compat = m->compat ? compat_path(span_of(p, path_n)) : NULL;
	if (m->compat && !compat)
		return refuse(m, text, "geoip2_compat has no such value");
	char **path = compat ? split_path(compat, strlen(compat)) : split_path(p, path_n);
	size_t last = 0;
	while (path[last + 1])
		last++;
	m->places->v = mem_realloc(m->places->v, (m->places->n + 1) * sizeof *m->places->v);
	*number = m->places->n++;
	m->places->v[*number] = (struct geo_place){
		.text = mem_strndup(text.p, text.n),
		.path = path,
		.key = key,
		.or_zero = strcmp(path[last], "latitude") == 0 || strcmp(path[last], "longitude") == 0,
	};
	return true;
}

/* ---- making ------------------------------------------------------------------------------------------------------------ */

static bool is_quote(struct span text, size_t i)
{
	return i < text.n && (text.p[i] == '"' || text.p[i] == '\'');
}

static void add_piece(struct geo_template *t, struct span text, size_t place)
{
	t->v = mem_realloc(t->v, (t->n + 1) * sizeof *t->v);
	t->v[t->n++] = (struct piece){text, place};
}

/* In JSON, quotes around a placeholder are its own. */
static bool cut(struct maker *m, struct geo_template *t, struct span text)
{
	size_t from = 0;
	for (size_t at = 0; at + 1 < text.n;) {
		const uint8_t *end = text.p[at] == '$' && text.p[at + 1] == '{' ? memchr(text.p + at, '}', text.n - at)
										: NULL;
		if (!end) {
			at++;
			continue;
		}
		size_t place, behind = (size_t)(end - text.p) + 1;
		if (!add_place(m, span_of(text.p + at, behind - at), &place))
			return false;
		const bool quoted = t->kind == KIND_JSON && at > from && is_quote(text, at - 1) &&
				    is_quote(text, behind) && text.p[at - 1] == text.p[behind];
		add_piece(t, span_of(text.p + from, at - from - quoted), place);
		from = at = behind + quoted;
	}
	add_piece(t, span_of(text.p + from, text.n - from), SIZE_MAX);
	return true;
}

static enum kind kind_of(struct span text)
{
	const bool json = text.n > 2 && ((text.p[0] == '{' && text.p[text.n - 1] == '}') ||
						(text.p[0] == '[' && text.p[text.n - 1] == ']'));
	if (text.n > 3 && text.p[0] == '$' && text.p[1] == '{' && memchr(text.p, '}', text.n) == text.p + text.n - 1)
		return KIND_PLACE;
	return json ? KIND_JSON : KIND_TEXT;
}

static bool read_json(struct span text, struct buf *out)
{
	const uint8_t *p = text.p, *end = p + text.n;
	const size_t before = out->n;
	bool ok = json_get(&p, end, JSON_DEPTH, out, NULL) == JSON_OK;
	while (ok && p < end)
		ok = memchr(" \t\r\n", *p++, 4) != NULL;
	if (!ok)
		out->n = before;
	return ok;
}

/* Whether it is JSON once placeholders are values. */
static bool is_json(const struct geo_template *t)
{
	struct buf text, out;
	buf_init(&text, (size_t)1 << 20);
	buf_init(&out, (size_t)1 << 20);
	for (size_t i = 0; i < t->n; i++) {
		buf_put_span(&text, t->v[i].text);
		if (t->v[i].place != SIZE_MAX)
			buf_put_str(&text, "null");
	}
	const bool ok = read_json(buf_span(&text), &out);
	buf_free(&text);
	buf_free(&out);
	return ok;
}

struct geo_template *geo_template_new(const struct conf_pair *pair, const struct conf_array *keys, bool compat,
	struct geo_places *places, struct conf_report *r)
{
	struct maker m = {pair, keys, compat, places, r};
	struct span text = span_of(pair->value, pair->value_len);
	struct geo_template *t = mem_zalloc(sizeof *t);
	/* v0.12 leaves the quotes that v1 takes off. */
	if (text.n > 2 && is_quote(text, 0) && text.p[0] == text.p[text.n - 1])
		text = span_of(text.p + 1, text.n - 2);
	t->kind = kind_of(text);
	bool ok = cut(&m, t, text);
	if (ok && t->kind == KIND_JSON && !is_json(t)) {
		conf_report_add(r, CONF_ERROR, pair->value_pos, "geoip: failed to parse '%s' as json.", pair->value);
		ok = false;
	}
	if (ok)
		return t;
	geo_template_free(t);
	return NULL;
}

void geo_template_free(struct geo_template *t)
{
	if (!t)
		return;
	mem_free(t->v);
	mem_free(t);
}

/* ---- values ----------------------------------------------------------------------------------------------------------- */

/* Text of the value that stands at the end of `room`, in its place. */
static bool replace_value(struct buf *room, size_t at, bool json)
{
	struct buf text;
	buf_init(&text, room->max);
	const uint8_t *p = room->p + at;
	const bool ok = json ? json_put(&text, &p, room->p + room->n, JSON_DEPTH)
			     : ruby_to_s(&text, span_of(p, room->n - at));
	room->n = at;
	buf_put_span(room, buf_span(&text));
	buf_free(&text);
	return ok && !room->failed;
}

bool geo_template_put(const struct geo_template *t, const struct geo_places *places, const struct geo_entry *entries,
	struct buf *room, struct buf *out)
{
	if (t->kind == KIND_PLACE) {
		(void)geo_place_put(&places->v[t->v[0].place], entries, out);
		return !out->failed;
	}
	buf_clear(room);
	for (size_t i = 0; i < t->n; i++) {
		buf_put_span(room, t->v[i].text);
		const size_t at = room->n;
		if (t->v[i].place == SIZE_MAX)
			continue;
		(void)geo_place_put(&places->v[t->v[i].place], entries, room);
		if (room->failed || !replace_value(room, at, t->kind == KIND_JSON))
			return false;
	}
	if (t->kind == KIND_TEXT)
		return mp_put_str(out, buf_span(room));
	return read_json(buf_span(room), out) || (!out->failed && mp_put_nil(out));
}
