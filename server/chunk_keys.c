#include "chunk_keys.h"

#include "base/clock.h"
#include "base/mem.h"
#include "batch_split.h"
#include "ingest.h"
#include "plugin.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"
#include "record/record_path.h"
#include "record/ruby_text.h"

#include <ctype.h>

#define VALUE_MAX 1024u /* bytes of a tag or field that tell chunks apart */
#define STAGE_MAX 65535u
#define KEYS_MAX  30u

struct chunk_keys {
	bool tag;
	int64_t timekey_s; /* 0: `time` is no key */
	int64_t wait_ns;
	const struct zone *zone;
	char **names;
	struct record_path **paths;
	size_t count;
};

/* ---- set-up ------------------------------------------------------------------------------------------------------- */

static bool is_key(const char *name)
{
	if (strncmp(name, "$.", 2) == 0)
		return true;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-_.@", *p))
			return false;
	return true;
}

static void add_field(struct chunk_keys *k, const char *name, struct conf_pos pos, struct conf_report *r)
{
	struct err err;
	if (strncmp(name, "$[", 2) == 0) {
		conf_report_add(r, CONF_ERROR, pos, "in chunk_keys: bracket notation is not allowed: '%s'", name);
		return;
	}
	if (!is_key(name)) {
		conf_report_add(r, CONF_ERROR, pos, "chunk_keys specification includes invalid char: '%s'", name);
		return;
	}
	if (k->count == KEYS_MAX) {
		conf_report_add(r, CONF_ERROR, pos, "more than %u chunk keys", KEYS_MAX);
		return;
	}
	struct record_path *path = record_path_compile(name, &err);
	if (!path) {
		conf_report_add(r, CONF_ERROR, pos, "chunk key '%s': %s", name, err.text);
		return;
	}
	k->names = mem_realloc(k->names, (k->count + 1) * sizeof *k->names);
	k->paths = mem_realloc(k->paths, (k->count + 1) * sizeof *k->paths);
	k->names[k->count] = mem_strdup(name);
	k->paths[k->count++] = path;
}

static void set_time(
	struct chunk_keys *k, const struct buffer_conf *c, int64_t default_timekey_ns, struct conf_report *r)
{
	struct err err;
	int64_t ns = c->timekey_ns == CONF_NIL_INT ? default_timekey_ns : c->timekey_ns;
	if (ns == CONF_NIL_INT)
		conf_report_add(r, CONF_ERROR, c->common.pos,
			"<buffer ...> argument includes 'time', but timekey is not configured");
	else if (ns < NS_PER_S)
		conf_report_add(r, CONF_ERROR, conf_where(c, "timekey"),
			"timekey should be greater than 0. current timekey: %g", (double)ns / 1e9);
	k->timekey_s = ns < NS_PER_S ? 86400 : ns / NS_PER_S;
	k->wait_ns = c->timekey_wait_ns;
	k->zone = c->timekey_use_utc ? zone_utc() : c->timekey_zone ? zone_find(c->timekey_zone, &err) : zone_local();
	if (!k->zone) /* it was told when the section was read */
		k->zone = zone_utc();
}

struct chunk_keys *chunk_keys_new(
	const struct buffer_conf *c, const char *default_keys, int64_t default_timekey_ns, struct conf_report *r)
{
	struct chunk_keys *k = mem_zalloc(sizeof *k);
	struct buffer_keys parsed;
	struct buffer_conf defaults = *c;
	if (!c->common.arg || !*c->common.arg)
		defaults.common.arg = (char *)(uintptr_t)default_keys;
	buffer_keys_parse(&defaults, &parsed);
	k->tag = parsed.tag;
	k->zone = zone_utc();
	if (parsed.time)
		set_time(k, c, default_timekey_ns, r);
	for (size_t i = 0; i < parsed.field_count; i++)
		add_field(k, parsed.fields[i], c->common.pos, r);
	buffer_keys_free(&parsed);
	return k;
}

void chunk_keys_free(struct chunk_keys *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->count; i++) {
		mem_free(k->names[i]);
		record_path_free(k->paths[i]);
	}
	mem_free(k->names);
	mem_free(k->paths);
	mem_free(k);
}

bool chunk_keys_has_tag(const struct chunk_keys *k)
{
	return k->tag;
}

const char *chunk_keys_field(const struct chunk_keys *k, size_t i)
{
	return i < k->count ? k->names[i] : NULL;
}

bool chunk_keys_has_field(const struct chunk_keys *k, const char *name)
{
	for (size_t i = 0; i < k->count; i++)
		if (strcmp(k->names[i], name) == 0)
			return true;
	return false;
}

int64_t chunk_keys_timekey(const struct chunk_keys *k)
{
	return k->timekey_s;
}

const struct zone *chunk_keys_zone(const struct chunk_keys *k)
{
	return k->zone;
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

/* The beginning of the slice that the time lies in, by the zone's clock. */
static int64_t slice_of(const struct chunk_keys *k, int64_t sec)
{
	/* Beyond the years that nanoseconds hold all is one slice. */
	sec = sec > 9000000000 ? 9000000000 : sec < -9000000000 ? -9000000000 : sec;
	int64_t into = (sec + zone_offset(k->zone, sec, NULL)) % k->timekey_s;
	return sec - into - (into < 0 ? k->timekey_s : 0);
}

static void put_value(struct span value, struct buf *out)
{
	struct buf text;
	buf_init(&text, VALUE_MAX);
	struct mp_token t;
	const uint8_t *p = value.p;
	if (value.n && mp_read(&p, p + value.n, &t) == MP_OK && (t.type == MP_STR || t.type == MP_BIN))
		buf_put(&text, t.body.p, t.body.n < VALUE_MAX ? t.body.n : VALUE_MAX);
	else if (value.n)
		(void)!ruby_to_s(&text, value);
	mp_put_str(out, span_of(text.p, text.n));
	buf_free(&text);
}

int64_t chunk_keys_stage(
	const struct chunk_keys *k, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	int64_t due_ns = 0;
	uint32_t count = (uint32_t)k->count + k->tag + (k->timekey_s != 0);
	if (!count)
		return 0;
	mp_put_map_head(out, count);
	if (k->timekey_s) {
		int64_t slice = slice_of(k, time.sec);
		mp_put_str(out, SPAN_LIT("timekey"));
		mp_put_int(out, slice);
		due_ns = (slice + k->timekey_s) * NS_PER_S + k->wait_ns;
		due_ns += due_ns == 0;
	}
	if (k->tag) {
		mp_put_str(out, SPAN_LIT("tag"));
		mp_put_str(out, span_of(tag.p, tag.n < VALUE_MAX ? tag.n : VALUE_MAX));
	}
	for (size_t i = 0; i < k->count; i++) {
		mp_put_str(out, span_str(k->names[i]));
		put_value(record_path_get(k->paths[i], record), out);
	}
	return due_ns;
}

/* Where no event differs from another but by its slice of time, and none leaves it, the batch goes on as it came. */
static bool append_whole(
	const struct chunk_keys *k, struct ingest *in, struct output *o, const struct batch *b, struct buf *stage)
{
	struct batch_iter it;
	int64_t slice = 0, due = 0;
	bool first = true;
	if (k->count)
		return false;
	for (batch_iter_init(&it, b); k->timekey_s && batch_iter_next(&it); first = false) {
		if (!first && slice_of(k, it.event.time.sec) != slice)
			return false;
		slice = slice_of(k, it.event.time.sec);
	}
	due = chunk_keys_stage(k, b->tag, (struct event_time){.sec = slice}, (struct span){0}, stage);
	ingest_append(in, o, b, buf_span(stage), due);
	return true;
}

void chunk_keys_append(const struct chunk_keys *k, struct ingest *in, struct output *o, const struct batch *b)
{
	struct batch_split split;
	struct batch_iter it;
	struct buf stage;
	struct chunk_meta meta;
	buf_init(&stage, STAGE_MAX);
	if (append_whole(k, in, o, b, &stage)) {
		buf_free(&stage);
		return;
	}
	batch_split_init(&split);
	for (batch_iter_init(&it, b); batch_iter_next(&it);) {
		buf_clear(&stage);
		chunk_keys_stage(k, b->tag, it.event.time, it.event.record, &stage);
		if (stage.failed || !batch_split_add(&split, NULL, buf_span(&stage), it.entry))
			ingest_no_memory(in, it.entry.n, 1);
	}
	for (size_t i = 0; i < split.n; i++) {
		struct batch part = batch_split_part(b, &split.parts[i], o->id, false);
		struct span name = buf_span(&split.parts[i].name);
		chunk_meta_read(name, &meta);
		int64_t due = meta.has_timekey ? (meta.timekey + k->timekey_s) * NS_PER_S + k->wait_ns : 0;
		ingest_append(in, o, &part, name, due);
	}
	batch_split_free(&split);
	buf_free(&stage);
}

void chunk_meta_read(struct span stage, struct chunk_meta *m)
{
	struct mp_token t;
	*m = (struct chunk_meta){.stage = stage};
	struct span value = stage.n ? mp_map_get(stage, SPAN_LIT("timekey")) : (struct span){0};
	const uint8_t *p = value.p;
	if (value.n && mp_read(&p, p + value.n, &t) == MP_OK && (t.type == MP_UINT || t.type == MP_INT)) {
		m->has_timekey = true;
		m->timekey = t.type == MP_INT ? t.i : t.u > INT64_MAX ? 0 : (int64_t)t.u;
	}
	value = stage.n ? mp_map_get(stage, SPAN_LIT("tag")) : (struct span){0};
	p = value.p;
	if (value.n && mp_read(&p, p + value.n, &t) == MP_OK && t.type == MP_STR) {
		m->has_tag = true;
		m->tag = t.body;
	}
}
