/*
 * Any bytes as msgpack through json_put, and as a frame's entries through bulk_body: what comes out must be valid
 * JSON without repeated keys and raw line ends, the same from all builds of the transcoder, and what the reference
 * makes of it.
 *
 * The first byte chooses the options.
 */
#include "../unit/record/json_reference.h"
#include "elastic/bulk_body.h"
#include "record/event.h"
#include "record/json_writer.h"
#include "record/record_path.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x)                                                              \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                \
		}                                                               \
	} while (0)

/* jansson cannot hold a NUL in a key, nor integers of 64 bits and more (which are strings here). */
static void check_json(struct span text)
{
	json_error_t error;
	json_t *j = json_loadb(
		(const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	if (!j && !strstr(error.text, "NUL byte in object key") && !strstr(error.text, "real number overflow")) {
		fprintf(stderr, "%s: %.*s\n", error.text, (int)text.n, (const char *)text.p);
		abort();
	}
	json_decref(j);
	REQUIRE(text.n == 0 || !memchr(text.p, '\n', text.n));
}

static enum json_writer_status run(
	json_run_fn *fn, const uint8_t *data, size_t size, bool rename, struct buf *out, size_t *used)
{
	static struct json_writer w; /* large */
	const uint8_t *p = data;
	json_writer_init(&w, out, 1 << 20, MP_DEPTH_LIMIT);
	w.rename = rename;
	const enum json_writer_status status = fn(&w, &p, data + size);
	*used = (size_t)(p - data);
	json_writer_free(&w);
	return status;
}

static void fuzz_value(const uint8_t *data, size_t size, bool rename)
{
	struct buf one, two, want;
	size_t used, used_too;
	buf_init(&one, 1 << 24);
	buf_init(&two, 1 << 24);
	buf_init(&want, 1 << 24);
	const enum json_writer_status status = run(json_put_simd_run, data, size, rename, &one, &used);
#if defined(__x86_64__)
	REQUIRE(run(json_put_simd_run_avx2, data, size, rename, &two, &used_too) == status);
	REQUIRE(used == used_too && span_eq(buf_span(&one), buf_span(&two)));
#endif
	const size_t whole = mp_skip(data, data + size, MP_DEPTH_LIMIT);
	if (status == JSON_WRITER_DONE) {
		REQUIRE(used > 0 && used == whole);
		check_json(buf_span(&one));
	} else {
		REQUIRE(used == 0 && one.n == 0);
		REQUIRE(status != JSON_WRITER_MALFORMED || mp_length(data, data + size) == 0);
	}
	if (whole && status != JSON_WRITER_TOO_LONG) {
		const enum ref_result kind = ref_json(span_of(data, whole), rename, &want);
		REQUIRE(kind != REF_TEXT || (status == JSON_WRITER_DONE && span_eq(buf_span(&one), buf_span(&want))));
		REQUIRE(kind != REF_REFUSED || status == JSON_WRITER_TOO_DEEP);
	}
	buf_free(&one);
	buf_free(&two);
	buf_free(&want);
}

/* ---- bulk bodies ---- */

static const struct record_path *path(const char *text)
{
	struct err err;
	return record_path_compile_dotted(text, &err);
}

static const struct name_template *name(const char *text)
{
	struct err err;
	return name_template_compile(text, true, &err);
}

#define BODIES 4

static struct bulk_body *bodies[BODIES];

static void make_bodies(void)
{
	static const struct record_path *removals[4];
	struct bulk_options plain = {.utc_index = true,
		.time_precision = 9,
		.flatten_separator = ".",
		.separator = "-",
		.body_limit = 4096,
		.record_limit = 1 << 16};
	struct bulk_options o = plain;
	removals[0] = path("a");
	removals[1] = path("b.c");
	removals[2] = path("$.d[0]");
	o.index = name("i-${a}-${$.b.c}-%H");
	o.id_key = path("id");
	o.routing_key = path("b.r");
	bodies[0] = bulk_body_new(&o);
	o = plain;
	o.logstash_format = o.timestamp = true;
	o.prefix = name("logstash");
	o.date = name("%Y.%m.%d");
	o.tag_key = "tag";
	bodies[1] = bulk_body_new(&o);
	o.remove_keys = removals;
	o.target_index = path("t.i");
	o.time_key = path("vtm");
	o.pipeline = name("${p}");
	o.operation = BULK_UPSERT;
	o.id_key = path("id");
	bodies[2] = bulk_body_new(&o);
	o = plain;
	o.flatten_hashes = o.data_stream = true;
	o.index = name("logs-x-y");
	o.max_items = 2;
	o.auto_id = true;
	bodies[3] = bulk_body_new(&o);
}

static size_t rejected;

static void on_reject(void *arg, const struct frame_view *f, uint32_t index, struct span entry, const char *reason)
{
	(void)arg;
	REQUIRE(index < f->count && strlen(reason) > 5);
	REQUIRE(entry.n == 0 || (entry.p >= f->entries.p && entry.p + entry.n <= f->entries.p + f->entries.n));
	rejected++;
}

static void check_item(const struct bulk_body *b, const struct bulk_item *item)
{
	const struct span lines = span_of(bulk_body_bytes(b).p + item->start, item->length);
	const uint8_t *end = memchr(lines.p, '\n', lines.n);
	REQUIRE(end && lines.p[lines.n - 1] == '\n');
	check_json(span_of(lines.p, (size_t)(end - lines.p)));
	REQUIRE(lines.p[0] == '{' && end[1] == '{');
	check_json(span_of(end + 1, (size_t)(lines.p + lines.n - 1 - (end + 1))));
}

static void check_body(const struct bulk_body *b, uint32_t from, uint32_t to)
{
	const size_t n = bulk_body_count(b);
	size_t at = 0;
	REQUIRE(n + rejected == to - from);
	for (size_t i = 0; i < n; i++) {
		const struct bulk_item *item = &bulk_body_items(b)[i];
		REQUIRE(item->start == at && item->index >= from && item->index < to);
		REQUIRE(i == 0 || item->index > item[-1].index);
		check_item(b, item);
		at += item->length;
	}
	REQUIRE(at == bulk_body_bytes(b).n);
	REQUIRE(n == 0 || bulk_body_index(b).n > 0);
}

/* As many as the bytes hold, and one more. */
static uint32_t count_events(struct span entries)
{
	const uint8_t *p = entries.p, *end = p + entries.n;
	uint32_t count = 1;
	while (p < end) {
		struct event e;
		size_t used;
		const enum event_result r = event_read(p, end, MP_DEPTH_LIMIT, &e, &used);
		count += r != EVENT_NIL && r != EVENT_SKIP;
		if (r == EVENT_TORN)
			break;
		p += used;
	}
	return count;
}

static void fuzz_entries(const uint8_t *data, size_t size, struct bulk_body *b)
{
	struct frame_view f = {.offset = 64,
		.type = FRAME_DATA,
		.received_ns = INT64_C(1700000000123456789),
		.key = (const uint8_t *)"0123456789ab",
		.tag = SPAN_LIT("app.web"),
		.entries = span_of(data, size)};
	uint32_t at = 0, next;
	f.count = count_events(f.entries);
	bulk_body_on_reject(b, on_reject, NULL);
	for (enum bulk_add added = BULK_FULL; added == BULK_FULL; at = next) {
		rejected = 0;
		bulk_body_clear(b);
		added = bulk_body_add(b, &f, at, UINT32_MAX, &next);
		REQUIRE(next > at || added == BULK_ADDED);
		check_body(b, at, next);
	}
	REQUIRE(at == f.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (!bodies[0])
		make_bodies();
	/* In a block of its own size, so that each byte read too many shows. */
	const size_t n = size - 1;
	uint8_t *copy = mem_alloc(n);
	if (n)
		memcpy(copy, data + 1, n);
	fuzz_value(copy, n, data[0] & 1);
	fuzz_entries(copy, n, bodies[(data[0] >> 1) % BODIES]);
	mem_free(copy);
	return 0;
}
