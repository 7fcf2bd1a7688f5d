#include "record_encoding.h"

#include "base/mem.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#include <string.h>
#include <strings.h>

struct record_encoding {
	struct filter_room room;
	struct text_encoding *from;
	struct buf raw, text, out;
};

bool record_encoding_parse(const char *text, char **from, struct err *err)
{
	size_t n = strcspn(text, ":");
	const char *to = text[n] ? text + n + 1 : NULL;
	char *name = mem_strndup(text, n);
	bool plain = text_encoding_is_plain(name);
	struct text_encoding *made = plain ? NULL : text_encoding_new(name, err);
	bool ok = plain || made;
	text_encoding_free(made);
	if (ok && to && strcasecmp(to, "utf-8") != 0 && strcasecmp(to, "utf8") != 0)
		ok = err_set(err, "the encoding %s is not possible: Elasticsearch takes UTF-8 only", to);
	else if (ok && !to && !plain)
		ok = err_set(err, "Elasticsearch takes UTF-8 only: write '%s:utf-8', and texts are converted", name);
	*from = ok && !plain ? mem_strdup(name) : NULL;
	mem_free(name);
	return ok;
}

struct record_encoding *record_encoding_take(struct filter_pool *p, const char *from)
{
	struct record_encoding *e = (struct record_encoding *)filter_pool_take(p);
	struct err err;
	if (e)
		return e;
	e = mem_zalloc(sizeof *e);
	e->from = text_encoding_new(from, &err);
	buf_init(&e->raw, FILTER_RECORD_MAX);
	buf_init(&e->text, FILTER_RECORD_MAX);
	buf_init(&e->out, FILTER_RECORD_MAX);
	return e;
}

void record_encoding_give(struct filter_pool *p, struct record_encoding *e)
{
	filter_pool_give(p, &e->room);
}

void record_encoding_free(struct filter_room *room)
{
	struct record_encoding *e = (struct record_encoding *)room;
	text_encoding_free(e->from);
	buf_free(&e->raw);
	buf_free(&e->text);
	buf_free(&e->out);
	mem_free(e);
}

struct level {
	uint32_t left; /* pairs or elements to come */
	bool is_map;
};

static void put_converted(struct record_encoding *e, struct span text)
{
	buf_clear(&e->text);
	if (e->from && text_encoding_convert(e->from, text, &e->text))
		mp_put_str(&e->out, buf_span(&e->text));
	else
		e->out.failed = true;
}

/* The value at *p. True: of a map or an array only the head, to be gone into. */
static bool put_value(struct record_encoding *e, const uint8_t **p, const uint8_t *end, struct level *inner)
{
	const uint8_t *start = *p;
	struct mp_token t;
	if (mp_read(p, end, &t) != MP_OK) {
		e->out.failed = true;
		return false;
	}
	bool enter = t.type == MP_MAP || t.type == MP_ARRAY;
	if (enter)
		*inner = (struct level){t.count, t.type == MP_MAP};
	if (t.type == MP_STR)
		put_converted(e, t.body);
	else
		buf_put(&e->out, start, (size_t)(*p - start));
	return enter;
}

static void put_key(struct record_encoding *e, const uint8_t **p, const uint8_t *end)
{
	size_t n = mp_length(*p, end);
	buf_put(&e->out, *p, n);
	*p += n;
	e->out.failed |= n == 0;
}

static bool convert(struct record_encoding *e, const uint8_t *p, const uint8_t *end)
{
	struct level level[MP_DEPTH_LIMIT + 2];
	unsigned depth = 1;
	level[0] = (struct level){1, false}; /* the record itself */
	while (depth && !e->out.failed) {
		struct level *l = &level[depth - 1];
		if (!l->left) {
			depth--;
			continue;
		}
		if (depth > MP_DEPTH_LIMIT)
			return false;
		l->left--;
		if (l->is_map)
			put_key(e, &p, end);
		if (!e->out.failed && put_value(e, &p, end, &level[depth]))
			depth++;
	}
	return !e->out.failed;
}

struct span record_encoding_convert(struct record_encoding *e, const struct record *r)
{
	buf_clear(&e->raw);
	buf_clear(&e->out);
	if (!record_put(r, &e->raw) || !convert(e, e->raw.p, e->raw.p + e->raw.n))
		return (struct span){0};
	return buf_span(&e->out);
}
