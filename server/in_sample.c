/* in_sample.c: <source> @type sample (dummy): made-up events at a steady rate, to try a configuration with. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "entry.h"
#include "feed_timer.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/json_get.h"
#include "record/msgpack_scan.h"
#include "server.h"

#include <stddef.h>

#define BINS 10u /* turns a second */

struct in_sample_conf {
	struct conf_common common;
	char *tag, *auto_increment_key, *sample;
	int64_t size, rate;
	struct conf_list storage;
};

#define AT(field) .offset = offsetof(struct in_sample_conf, field)

static const struct conf_param params[] = {
	{.name = "tag", .type = CONF_STRING, AT(tag), .required = true, .help = "The events' tag."},
	{.name = "size",
		.type = CONF_INT,
		AT(size),
		.value = "1",
		.min = 1,
		.max = 100000,
		.help = "Events in each batch."},
	{.name = "rate",
		.type = CONF_INT,
		AT(rate),
		.value = "1",
		.min = 0,
		.max = 10000000,
		.help = "Batches a second."},
	{.name = "sample",
		.type = CONF_STRING,
		AT(sample),
		.value = "[{\"message\":\"sample\"}]",
		.old = "dummy",
		.help = "The events: a JSON object, or an array of them, which are taken in turn."},
	{.name = "auto_increment_key",
		.type = CONF_STRING,
		AT(auto_increment_key),
		.help = "A field that counts the events, from 0 at each start."},
	{.name = "reuse_record",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "records are never copied for nothing here"},
	{.name = "suspend", .type = CONF_IGNORED, .support = CONF_NOT_USED, .instead = "fluentd ignores it as well"},
	{.name = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct in_sample_conf *c = conf;
	if (c->tag && !*c->tag)
		conf_report_add(r, CONF_ERROR, conf_where(c, "tag"), "'tag' parameter must not be empty");
}

static const struct conf_schema storage_schema = {
	.name = "storage",
	.title = "storage of the sample input",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.help = "Accepted; nothing is stored.",
};

static const struct conf_sub subs[] = {
	{.schema = &storage_schema, AT(storage)},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "source",
	.title = "sample input",
	.size = sizeof(struct in_sample_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Makes up events, to try a configuration with.",
};

struct in_sample {
	struct feed_timer timer; /* first: on_tick is handed it */
	struct source *source;
	const struct in_sample_conf *conf;
	struct buf records; /* msgpack maps, one after the other */
	uint32_t record_count;
	unsigned bin;
	const uint8_t *next; /* in records */
	uint64_t counter;
	struct buf entry;
};

/* ---- making ---------------------------------------------------------------------------------------------------------- */

/* Takes the array's head off, and checks that all in it are maps. */
static bool take_records(struct in_sample *s, struct span json, const char **why)
{
	struct buf all;
	buf_init(&all, 64 << 20);
	const uint8_t *p = json.p;
	bool ok = json_get(&p, json.p + json.n, 64, &all, why) == JSON_OK;
	const uint8_t *q = all.p, *end = all.p + all.n;
	struct mp_token t = {0};
	if (ok && (mp_read(&q, end, &t) != MP_OK || (t.type != MP_ARRAY && t.type != MP_MAP))) {
		*why = "it is neither a JSON object nor an array of them";
		ok = false;
	}
	s->record_count = ok && t.type == MP_ARRAY ? t.count : 1;
	if (ok && t.type == MP_MAP)
		q = all.p;
	if (ok && !s->record_count) {
		*why = "it is empty";
		ok = false;
	}
	for (const uint8_t *r = q; ok && r < end; r += mp_length(r, end)) {
		const uint8_t *head = r;
		ok = mp_read(&head, end, &t) == MP_OK && t.type == MP_MAP;
		*why = "an element of it is not a hash";
	}
	if (ok)
		buf_put(&s->records, q, (size_t)(end - q));
	buf_free(&all);
	return ok;
}

static void destroy(void *self)
{
	struct in_sample *s = self;
	if (!s)
		return;
	buf_free(&s->records);
	buf_free(&s->entry);
	mem_free(s);
}

static void on_tick(struct feed_timer *t, struct ingest *in);

static void *create(struct source *source, struct builder *b)
{
	const struct in_sample_conf *c = source->conf;
	struct in_sample *s = mem_zalloc(sizeof *s);
	const char *why = "it is no JSON";
	s->timer = (struct feed_timer){.source = source, .interval_ns = NS_PER_S / BINS, .on_tick = on_tick};
	s->source = source;
	s->conf = c;
	buf_init(&s->records, 64 << 20);
	buf_init(&s->entry, 64 << 20);
	if (take_records(s, span_str(c->sample), &why)) {
		s->next = s->records.p;
		return s;
	}
	conf_report_add(builder_report(b), CONF_ERROR, conf_where(c, "sample"), "'sample' cannot be used: %s", why);
	destroy(s);
	return NULL;
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

static struct span next_record(struct in_sample *s)
{
	const uint8_t *end = s->records.p + s->records.n;
	struct span r = span_of(s->next, mp_length(s->next, end));
	s->next += r.n;
	if (s->next == end)
		s->next = s->records.p;
	return r;
}

static void emit(struct in_sample *s, struct ingest *in)
{
	struct event_time now = entry_time(clock_wall_ns());
	struct added added;
	added_init(&added);
	if (s->conf->auto_increment_key && mp_put_str(&added.pairs, span_str(s->conf->auto_increment_key)) &&
		mp_put_uint(&added.pairs, s->counter++))
		added.count = 1;
	buf_clear(&s->entry);
	if (entry_put(&s->entry, now, next_record(s), &added, (struct span){0})) {
		counter_add(s->source->n.events, 1);
		counter_add(s->source->n.bytes, s->entry.n);
		ingest_events(in, span_str(s->conf->tag), (struct span){0}, buf_span(&s->entry), 1);
	}
	added_free(&added);
}

static void on_tick(struct feed_timer *t, struct ingest *in)
{
	struct in_sample *s = (struct in_sample *)t;
	uint64_t rate = (uint64_t)s->conf->rate, batches = rate / BINS;
	if (++s->bin == BINS) {
		s->bin = 0;
		batches += rate % BINS;
	}
	for (uint64_t i = 0; i < batches && !feed_is_blocked(&t->feed); i++) {
		counter_add(s->source->n.messages, 1);
		for (int64_t n = 0; n < s->conf->size; n++)
			emit(s, in);
	}
}

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

static bool start(struct source *source, struct server *server, struct err *err)
{
	struct in_sample *s = source->self;
	return feed_timer_start(&s->timer, server_workers(server)[0], err);
}

static void stop(struct source *source)
{
	struct in_sample *s = source->self;
	feed_timer_stop(&s->timer);
}

static unsigned busy(const struct source *source)
{
	const struct in_sample *s = source->self;
	return feed_timer_is_busy(&s->timer);
}

static void end(struct source *source)
{
	struct in_sample *s = source->self;
	feed_timer_end(&s->timer);
}

static void describe(const struct source *source, struct buf *out)
{
	const struct in_sample_conf *c = source->conf;
	buf_printf(out, "%s, %lld a second", c->tag, (long long)c->rate * c->size);
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.stop = stop,
	.busy = busy,
	.end = end,
	.describe = describe,
};

const struct plugin in_sample = {
	.kind = PLUGIN_INPUT,
	.name = "sample",
	.alias = "dummy",
	.help = "Made-up events at a steady rate.",
	.schema = &schema,
	.input = &ops,
};
