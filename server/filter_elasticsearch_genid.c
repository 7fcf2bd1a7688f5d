/*
 * filter_elasticsearch_genid.c: <filter> @type elasticsearch_genid: a field with an id for the event, which an elasticsearch output takes by id_key.
 *
 * fluentd's plugin writes a random id, so that it is the same in each try of the output, but another one if the sender repeats the message. weir's derives from the message and the
 * event's place in it, as its document ids do (elastic/doc_id.h): a repetition has it again.
 */
#include "base/base64.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "filter_walk.h"
#include "pipeline.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"
#include "record/ruby_text.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <openssl/evp.h>
#include <stddef.h>
#include <stdio.h>

enum hash_type { HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_SHA512 };

struct genid_conf {
	struct conf_common common;
	char *hash_id_key, *separator;
	bool include_tag_in_seed, include_time_in_seed, use_record_as_seed, use_entire_record;
	struct conf_array record_keys;
	int hash_type;
};

#define AT(field) .offset = offsetof(struct genid_conf, field)

static const struct conf_choice hash_types[] = {
	{"md5", HASH_MD5}, {"sha1", HASH_SHA1}, {"sha256", HASH_SHA256}, {"sha512", HASH_SHA512}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "hash_id_key",
		.type = CONF_STRING,
		AT(hash_id_key),
		.value = "_hash",
		.help = "The field for the id."},
	{.name = "use_record_as_seed",
		.type = CONF_BOOL,
		AT(use_record_as_seed),
		.value = "false",
		.help = "The id is a hash of the fields in `record_keys`: events that have the same there are one "
			"document. "
			"False: each event has an id of its own, which derives from its message and its place in it."},
	{.name = "record_keys", .type = CONF_ARRAY, AT(record_keys), .help = "With `use_record_as_seed`: the fields."},
	{.name = "use_entire_record",
		.type = CONF_BOOL,
		AT(use_entire_record),
		.value = "false",
		.help = "With `use_record_as_seed`: all fields, with their names."},
	{.name = "include_tag_in_seed",
		.type = CONF_BOOL,
		AT(include_tag_in_seed),
		.value = "false",
		.help = "With `use_record_as_seed`: the tag too."},
	{.name = "include_time_in_seed",
		.type = CONF_BOOL,
		AT(include_time_in_seed),
		.value = "false",
		.help = "With `use_record_as_seed`: the event's time too, in seconds."},
	{.name = "separator",
		.type = CONF_STRING,
		AT(separator),
		.value = "_",
		.help = "Stands between the parts that are hashed."},
	{.name = "hash_type",
		.type = CONF_ENUM,
		.choices = hash_types,
		AT(hash_type),
		.value = "sha1",
		.help = "The hash; the id is its Base64 text."},
	{.name = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct genid_conf *c = conf;
	if (c->use_record_as_seed && !c->use_entire_record && !c->record_keys.n)
		conf_report_add(r, CONF_ERROR, conf_where(c, "use_record_as_seed"),
			"When using record as hash seed, users must specify `record_keys`.");
}

static const struct conf_schema schema = {
	.name = "filter",
	.title = "elasticsearch_genid filter",
	.size = sizeof(struct genid_conf),
	.params = params,
	.check = check,
	.help = "Writes an id for the event into a field; name it as `id_key` of the output (and in `remove_keys`). "
		"weir's "
		"outputs give documents such ids anyway: without `use_record_as_seed` this filter is not needed.",
};

struct genid {
	const struct genid_conf *conf;
	struct filter_pool pool;
};

static void destroy(void *self)
{
	struct genid *g = self;
	if (!g)
		return;
	filter_pool_destroy(&g->pool, filter_scratch_free);
	mem_free(g);
}

static void *create(struct filter *f, struct builder *b)
{
	struct genid *g = mem_zalloc(sizeof *g);
	(void)b;
	g->conf = f->conf;
	filter_pool_init(&g->pool);
	return g;
}

/* ---- seeds -------------------------------------------------------------------------------------------------------- */

/* A value as Array#join makes text of it: arrays in it joined as well. */
static bool put_joined(struct buf *seed, struct span value, struct span separator)
{
	uint32_t left[MP_DEPTH_LIMIT];
	unsigned depth = 0;
	const uint8_t *p = value.p, *end = p + value.n;
	struct mp_token t;
	for (;;) {
		const uint8_t *q = p;
		if (mp_read(&q, end, &t) != MP_OK)
			return false;
		if (t.type == MP_ARRAY && t.count && depth < MP_DEPTH_LIMIT) {
			left[depth++] = t.count;
			p = q;
			continue;
		}
		size_t n = mp_length(p, end);
		if (t.type != MP_ARRAY && !ruby_to_s(seed, span_of(p, n)))
			return false;
		p += n;
		while (depth && --left[depth - 1] == 0)
			depth--;
		if (!depth)
			return !seed->failed;
		buf_put_span(seed, separator);
	}
}

static bool put_fields(struct buf *seed, const struct genid_conf *c, struct span record)
{
	for (size_t i = 0; i < c->record_keys.n; i++) {
		struct span value = mp_map_get(record, span_str(c->record_keys.v[i]));
		if (i)
			buf_put_str(seed, c->separator);
		if (value.n && !put_joined(seed, value, span_str(c->separator)))
			return false;
	}
	return true;
}

/* |key|value of all fields. */
static bool put_record(struct buf *seed, struct span record)
{
	const uint8_t *p = record.p, *end = p + record.n;
	struct mp_token t;
	if (mp_read(&p, end, &t) != MP_OK)
		return false;
	for (uint32_t i = 0; i < 2 * (uint64_t)t.count; i++) {
		size_t n = mp_length(p, end);
		buf_put_byte(seed, '|');
		if (!ruby_to_s(seed, span_of(p, n)))
			return false;
		p += n;
	}
	return true;
}

static bool put_seed(struct buf *seed, const struct genid_conf *c, const struct filter_walk *w)
{
	if (c->include_tag_in_seed) {
		buf_put_span(seed, w->batch->tag);
		buf_put_str(seed, c->separator);
	}
	if (c->include_time_in_seed)
		buf_printf(seed, "%lld%s", (long long)w->time.sec, c->separator);
	bool good = c->use_entire_record ? put_record(seed, w->record) : put_fields(seed, c, w->record);
	return good && !seed->failed;
}

/* ---- ids ---------------------------------------------------------------------------------------------------------- */

#define ID_MAX ((size_t)96) /* Base64 of 64 bytes, and of a UUID's text */

/* The id of the event that is the batch's n-th, in the form of fluentd's: Base64 of a UUID's text. */
static size_t own_id(const struct batch *b, uint32_t n, char *id)
{
	uint8_t in[FRAME_KEY_LEN + 4];
	XXH128_canonical_t h;
	char uuid[37];
	memcpy(in, b->key, FRAME_KEY_LEN);
	be32_put(in + FRAME_KEY_LEN, n);
	XXH128_canonicalFromHash(&h, XXH3_128bits(in, sizeof in));
	const unsigned char *d = h.digest;
	snprintf(uuid, sizeof uuid, "%02x%02x%02x%02x-%02x%02x-4%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0], d[1],
		d[2], d[3], d[4], d[5], d[6] & 15u, d[7], 0x80u | (d[8] & 0x3fu), d[9], d[10], d[11], d[12], d[13],
		d[14], d[15]);
	return base64_encode(BASE64_STD, span_of(uuid, 36), id);
}

/* The id of the seed; 0: the library has no such hash. */
static size_t seed_id(enum hash_type type, struct span seed, char *id)
{
	static const EVP_MD *(*const types[])(void) = {EVP_md5, EVP_sha1, EVP_sha256, EVP_sha512};
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;
	if (EVP_Digest(seed.p, seed.n, digest, &n, types[type](), NULL) != 1)
		return 0;
	return base64_encode(BASE64_STD, span_of(digest, n), id);
}

/* The record with the id, in the place of one that is there. */
static bool put_with_id(struct buf *out, struct span record, struct span key, struct span id)
{
	const uint8_t *p = record.p, *end = p + record.n;
	struct mp_token t, k;
	uint32_t kept = 0;
	size_t head = out->n;
	if (mp_read(&p, end, &t) != MP_OK)
		return false;
	mp_put_map_room(out);
	for (uint32_t i = 0; i < t.count; i++) {
		const uint8_t *pair = p, *q = p;
		p += mp_length(p, end);
		p += mp_length(p, end);
		if (mp_read(&q, end, &k) == MP_OK && k.type == MP_STR && span_eq(k.body, key))
			continue;
		buf_put(out, pair, (size_t)(p - pair));
		kept++;
	}
	mp_put_str(out, key);
	mp_put_str(out, id);
	mp_set_map_head(out, head, kept + 1);
	return !out->failed;
}

static void give_id(const struct genid *g, struct filter_walk *w, uint32_t place, struct buf *scratch)
{
	const struct genid_conf *c = g->conf;
	char id[ID_MAX];
	size_t n;
	buf_clear(scratch);
	if (!c->use_record_as_seed) {
		n = own_id(w->batch, place, id);
	} else if (!put_seed(scratch, c, w)) {
		filter_walk_fail(w, "filter_limit", "the text to hash would be larger than 64 MiB");
		return;
	} else if (!(n = seed_id((enum hash_type)c->hash_type, buf_span(scratch), id))) {
		filter_walk_fail(w, "genid_error", "the system's OpenSSL does not allow this hash_type");
		return;
	}
	buf_clear(scratch);
	if (put_with_id(scratch, w->record, span_str(c->hash_id_key), span_of(id, n)))
		filter_walk_put_raw(w, buf_span(scratch));
	else
		filter_walk_fail(w, "filter_limit", "the record would be larger than 64 MiB");
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	struct genid *g = f->self;
	struct filter_scratch *scratch = filter_scratch_take(&g->pool);
	struct filter_walk w;
	filter_walk_begin(&w, f, in, b, out);
	for (uint32_t place = 0; filter_walk_next(&w); place++)
		give_id(g, &w, place, &scratch->buf);
	filter_pool_give(&g->pool, &scratch->room);
	return w.count;
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_elasticsearch_genid = {
	.kind = PLUGIN_FILTER,
	.name = "elasticsearch_genid",
	.alias = "opensearch_genid",
	.help = "Writes an id for each event into a field.",
	.schema = &schema,
	.filter = &ops,
};
