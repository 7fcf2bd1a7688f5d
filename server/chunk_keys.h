/*
 * chunk_keys.h: <buffer tag,time,key> of outputs that split chunks (file, http, forward if asked): which chunk an event goes to, when such a chunk is
 * due, and the placeholders in parameters that stand for what all its events have in common.
 *
 * A stage key (buffer.h) is msgpack of {"timekey": seconds, "tag": text, name: text ...}, so that a chunk is understood also after the section
 * was changed. Read-only after it was made; any thread.
 */
#ifndef WEIR_CHUNK_KEYS_H
#define WEIR_CHUNK_KEYS_H

#include "base/buf.h"
#include "batch.h"
#include "buffer_conf.h"
#include "record/event.h"
#include "record/zone.h"

struct chunk_keys;
struct ingest;
struct output;

/*
 * From the section's argument; where it has none, from `default_keys` ("time"; "" = none). default_timekey_ns is for a section without timekey (CONF_NIL_INT:
 * that is an error). Findings are added; always returns one.
 */
struct chunk_keys *chunk_keys_new(
	const struct buffer_conf *c, const char *default_keys, int64_t default_timekey_ns, struct conf_report *r);
void chunk_keys_free(struct chunk_keys *k); /* NULL is allowed */

bool chunk_keys_has_tag(const struct chunk_keys *k);
bool chunk_keys_has_field(const struct chunk_keys *k, const char *name);
/* The i-th record key, NULL after the last. */
const char *chunk_keys_field(const struct chunk_keys *k, size_t i);
/* Seconds of a time slice; 0: `time` is no key. */
int64_t chunk_keys_timekey(const struct chunk_keys *k);
const struct zone *chunk_keys_zone(const struct chunk_keys *k);

/* For an output's emit(): gives each event to its chunk. */
void chunk_keys_append(const struct chunk_keys *k, struct ingest *in, struct output *o, const struct batch *b);

/* The stage key of one event, appended to `out` (which is for nothing else), and when its chunk is due (wall clock, 0 = not by time). */
int64_t chunk_keys_stage(
	const struct chunk_keys *k, struct span tag, struct event_time time, struct span record, struct buf *out);

/* ---- placeholders ------------------------------------------------------------------------------------------------- */

/* What a chunk's events have in common, from its stage key. Views into it. */
struct chunk_meta {
	struct span stage; /* the map */
	bool has_timekey, has_tag;
	int64_t timekey;
	struct span tag;
};
void chunk_meta_read(struct span stage, struct chunk_meta *m);

struct chunk_template;

/*
 * ${tag} ${tag[N]} ${tag[-N]} ${key} ${$.a.b} ${chunk_id}, and strftime directives where `time` is a key. `param` is the parameter's name and `pos` its place, for findings: with
 * `whole` fluentd's rule that the text must use all keys, without it only those that are no keys are told. NULL if findings of the severity of errors were added.
 */
struct chunk_template *chunk_template_new(const struct chunk_keys *k, const char *text, const char *param, bool whole,
	struct conf_pos pos, struct conf_report *r);
void chunk_template_free(struct chunk_template *t); /* NULL is allowed */

/* Bytes at the beginning of the text that no chunk changes. */
size_t chunk_template_fixed(const struct chunk_template *t);

/*
 * Appends the text for a chunk. With `path`, what comes from events is encoded so that it can be part of one path component only: bytes other than letters, digits, non-ASCII and
 * any of "._@:=+,-" become %XX.
 */
bool chunk_template_put(
	const struct chunk_template *t, const struct chunk_meta *m, const char *chunk_id, bool path, struct buf *out);

#endif
