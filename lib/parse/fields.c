/* fields.c: from fields, or a msgpack map, to the record that a parser gives: its time is taken out, values are converted. */
#include "parse/parser_impl.h"

#include "base/mem.h"
#include "parse/convert.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

bool fields_grow(struct parser_room *room)
{
	size_t cap = room->fields_cap ? 2 * room->fields_cap : 32;
	struct field *v = cap <= SIZE_MAX / sizeof *v ? mem_try_realloc(room->fields, cap * sizeof *v) : NULL;
	if (!v) {
		room->fields_full = true;
		return false;
	}
	room->fields = v;
	room->fields_cap = cap;
	return true;
}

void parse_error(const struct parse_run *r, enum parse_result result, const char *why)
{
	r->take(r->arg, &(struct parsed){.result = result, .why = why});
}

void parse_no_match(const struct parse_run *r)
{
	parse_error(r, PARSE_NO_MATCH, "pattern not matched");
}

static void give(const struct parse_run *r, const struct event_time *time, struct span record)
{
	struct parsed p = {.result = PARSE_OK, .has_time = time != NULL, .record = record};
	if (time)
		p.time = *time;
	r->take(r->arg, &p);
}

/* The record that was made, unless something did not fit. */
static void give_made(const struct parse_run *r, const struct event_time *time)
{
	struct parser_room *room = r->room;
	if (room->record.failed || room->fields_full || room->scratch.failed)
		parse_error(r, PARSE_ERROR, "the record is too large");
	else
		give(r, time, buf_span(&room->record));
}

static const char bad_time[] = "invalid time format";

static bool is_time_key(const struct parser *p, struct span key)
{
	return p->time_key_set && span_eq(key, p->time_key);
}

/* The time of a record that has none: now, or that of the event. */
static const struct event_time *estimated(const struct parse_run *r)
{
	return r->p->conf->estimate_current_event ? &r->now : NULL;
}

/* ---- fields ---- */

static void put_field(const struct parse_run *r, const struct field *f, const struct converters *c)
{
	struct buf *out = &r->room->record;
	mp_put_str(out, f->key);
	if (f->is_number)
		mp_put_uint(out, f->number);
	else if (!f->text.p)
		mp_put_nil(out);
	else if (c)
		convert_text(c, r->room, f->key, f->text, r->now, out);
	else
		mp_put_str(out, f->text);
}

/* The last field that has the time's name; NULL if there is none. `count` is how many have it. */
static const struct field *find_time(const struct parse_run *r, uint32_t *count)
{
	const struct field *found = NULL;
	*count = 0;
	if (!r->p->time_key_set)
		return NULL;
	for (size_t i = 0; i < r->room->fields_n; i++)
		if (is_time_key(r->p, r->room->fields[i].key)) {
			found = &r->room->fields[i];
			++*count;
		}
	return found;
}

void fields_finish(const struct parse_run *r)
{
	struct parser_room *room = r->room;
	struct event_time time;
	uint32_t timed;
	const struct event_time *used = estimated(r);
	const struct field *f = find_time(r, &timed);
	bool keep = r->p->conf->keep_time_key;
	if (f) {
		if (!f->text.p || !time_reader_text(r->p->time, f->text, r->now, &time)) {
			parse_error(r, PARSE_ERROR, bad_time);
			return;
		}
		used = &time;
	}
	buf_clear(&room->record);
	mp_put_map_head(&room->record, (uint32_t)(room->fields_n - (keep ? 0 : timed)));
	for (size_t i = 0; i < room->fields_n; i++)
		if (!timed || keep || !is_time_key(r->p, room->fields[i].key))
			put_field(r, &room->fields[i], r->p->converters);
	give_made(r, used);
}

void fields_finish_as_is(const struct parse_run *r, const struct event_time *time)
{
	struct parser_room *room = r->room;
	buf_clear(&room->record);
	mp_put_map_head(&room->record, (uint32_t)room->fields_n);
	for (size_t i = 0; i < room->fields_n; i++)
		put_field(r, &room->fields[i], NULL);
	give_made(r, time);
}

/* ---- maps ---- */

struct pairs {
	const uint8_t *p, *end;
	uint32_t left;
};

static bool pairs_start(struct pairs *i, struct span map)
{
	struct mp_token t;
	i->p = map.p;
	i->end = map.p + map.n;
	if (mp_read(&i->p, i->end, &t) != MP_OK || t.type != MP_MAP)
		return false;
	i->left = t.count;
	return true;
}

/* The next pair; `name` is the key's text, p NULL if it is none. */
static bool pairs_next(struct pairs *i, struct span *key, struct span *name, struct span *value)
{
	struct mp_token t;
	if (!i->left)
		return false;
	i->left--;
	const uint8_t *start = i->p, *q = start;
	*name = (struct span){0};
	if (mp_read(&q, i->end, &t) == MP_OK && t.type == MP_STR)
		*name = t.body;
	else
		q = start + mp_length(start, i->end);
	size_t n = mp_length(q, i->end);
	if (q == start || !n)
		return false;
	*key = span_of(start, (size_t)(q - start));
	*value = span_of(q, n);
	i->p = q + n;
	return true;
}

/* The time's value, n = 0 if there is none; *pair is where it stands with its key, *count how many have its name. */
static struct span map_time(const struct parse_run *r, struct span map, struct span *pair, uint32_t *count)
{
	struct pairs i;
	struct span key, name, value, found = {0};
	*count = 0;
	if (!r->p->time_key_set || !pairs_start(&i, map))
		return found;
	while (pairs_next(&i, &key, &name, &value))
		if (name.p && is_time_key(r->p, name)) {
			found = value;
			*pair = span_of(key.p, key.n + value.n);
			++*count;
		}
	return found;
}

/* The map without one pair: two copies. */
static void put_without(struct buf *out, struct span map, struct span pair)
{
	const uint8_t *p = map.p, *end = map.p + map.n, *behind = pair.p + pair.n;
	struct mp_token t;
	if (mp_read(&p, end, &t) != MP_OK)
		return;
	mp_put_map_head(out, t.count - 1);
	buf_put(out, p, (size_t)(pair.p - p));
	buf_put(out, behind, (size_t)(end - behind));
}

static void put_pairs(const struct parse_run *r, struct span map, bool cut, uint32_t timed)
{
	struct buf *out = &r->room->record;
	const struct converters *c = r->p->converters;
	struct span key, name, value;
	struct pairs i;
	if (!pairs_start(&i, map))
		return;
	mp_put_map_head(out, i.left - (cut ? timed : 0));
	while (pairs_next(&i, &key, &name, &value)) {
		if (cut && name.p && is_time_key(r->p, name))
			continue;
		buf_put_span(out, key);
		if (c && name.p)
			convert_value(c, r->room, name, value, r->now, out);
		else
			buf_put_span(out, value);
	}
}

void map_finish(const struct parse_run *r, struct span map)
{
	const struct event_time *used = estimated(r);
	struct span pair = {0};
	struct event_time time;
	uint32_t timed;
	struct span found = map_time(r, map, &pair, &timed);
	if (found.n) {
		if (!time_reader_value(r->p->time, found, r->now, &time)) {
			parse_error(r, PARSE_ERROR, bad_time);
			return;
		}
		used = &time;
	}
	bool cut = timed && !r->p->conf->keep_time_key;
	if (!cut && !r->p->converters) {
		give(r, used, map);
		return;
	}
	buf_clear(&r->room->record);
	if (timed == 1 && !r->p->converters)
		put_without(&r->room->record, map, pair);
	else
		put_pairs(r, map, cut, timed);
	give_made(r, used);
}
