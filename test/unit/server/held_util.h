/*
 * held_util.h: what holds events over messages, alone: a journal and an ingest in memory. A script is what comes: a JSON record a line (its time is its number in
 * seconds), `--` ends a message, `~` lets time complete what waits. What goes on is a line each: time and record; `+` before it: joined over messages, `late` by time,
 * `error` an event for <label @ERROR>. For the tests of plugins with a holder.
 */
#ifndef WEIR_TEST_SERVER_HELD_UTIL_H
#define WEIR_TEST_SERVER_HELD_UTIL_H

#include "base/bytes.h"
#include "base/map.h"
#include "filter_util.h"
#include "held.h"
#include "holder.h"
#include "metrics/metrics.h"
#include "repeats.h"

static struct metrics *held_metrics;
static struct holder *held_holder;
static struct buf *held_out;
static bool held_error_label, held_journal_shut;
static struct txn *held_txn;
static struct map *held_journal; /* key and place of what waits */
static uint64_t held_frames;

/* ---- the journal ---- */

bool held_is_open(const struct held *h)
{
	(void)h;
	return !held_journal_shut;
}

uint64_t held_number(struct held *h)
{
	static uint64_t number;
	(void)h;
	return number++;
}

void held_begin(struct buf *entries)
{
	buf_clear(entries);
}

static inline void held_put(struct buf *entries, char what, const uint8_t *key, uint32_t index)
{
	uint8_t place[4];
	be32_put(place, index);
	buf_put_byte(entries, (uint8_t)what);
	if (key)
		buf_put(entries, key, FRAME_KEY_LEN);
	buf_put(entries, place, 4);
}

void held_put_left(struct buf *entries, const uint8_t key[FRAME_KEY_LEN], uint32_t index)
{
	held_put(entries, '-', key, index);
}

void held_put_waiting(struct buf *entries, const struct held_event *e)
{
	held_put(entries, '+', NULL, e->index);
}

bool held_append(struct held *h, const struct held_frame *f, struct txn *owner)
{
	uint8_t name[FRAME_KEY_LEN + 4];
	uint32_t waiting = 0;
	(void)h;
	(void)owner;
	held_frames++;
	for (const uint8_t *p = f->entries->p, *end = p + f->entries->n; p < end;) {
		bool left = *p++ == '-';
		memcpy(name, left ? p : f->key, FRAME_KEY_LEN);
		p += left ? FRAME_KEY_LEN : 0;
		memcpy(name + FRAME_KEY_LEN, p, 4);
		p += 4;
		struct span s = span_of(name, sizeof name);
		if (left) {
			assert_non_null(map_remove(held_journal, s));
		} else {
			assert_null(map_get(held_journal, s));
			*map_put(held_journal, s) = held_journal;
			waiting++;
		}
	}
	assert_int_equal(f->waiting, waiting);
	return true;
}

void held_tell(struct held *h, struct txn *t)
{
	(void)h;
	(void)t;
}

void held_told(struct held *h)
{
	(void)h;
}

/* ---- the server ---- */

struct metrics *builder_metrics(struct builder *b)
{
	(void)b;
	return held_metrics;
}

const struct router *builder_router(struct builder *b)
{
	(void)b;
	return NULL;
}

const struct router *builder_label(struct builder *b, const char *label, struct conf_pos pos)
{
	(void)b;
	(void)pos;
	return (const struct router *)(uintptr_t)label;
}

void builder_holder(struct builder *b, struct holder **h)
{
	(void)b;
	held_holder = *h;
}

static inline void held_put_events(const char *mark, const struct batch *b)
{
	struct batch_iter it;
	batch_iter_init(&it, b);
	while (batch_iter_next(&it)) {
		buf_put_str(held_out, mark);
		buf_printf(held_out, "%lld ", (long long)it.event.time.sec);
		const uint8_t *q = it.event.record.p;
		assert_true(json_put(held_out, &q, q + it.event.record.n, MP_DEPTH_LIMIT));
		buf_put_byte(held_out, '\n');
	}
}

void ingest_route(struct ingest *in, const struct router *r, const struct batch *b)
{
	(void)in;
	held_put_events(r ? "late " : "", b);
}

void ingest_route_behind(struct ingest *in, const struct router *r, const struct filter *f, const struct batch *b)
{
	(void)in;
	(void)r;
	(void)f;
	held_put_events("+ ", b);
}

void worker_post(struct worker *w, struct mail *m)
{
	(void)w;
	m->deliver(m);
}

void ingest_kept(struct ingest *in, uint32_t count)
{
	(void)in;
	(void)count;
}

struct txn *ingest_txn(const struct ingest *in)
{
	(void)in;
	return held_txn;
}

void ingest_set_txn(struct ingest *in, struct txn *t)
{
	(void)in;
	held_txn = t;
}

bool ingest_has_error_label(const struct ingest *in)
{
	(void)in;
	return held_error_label;
}

void batch_part_key(const struct batch *b, struct span what, uint8_t key[FRAME_KEY_LEN])
{
	(void)what;
	memcpy(key, b->key, FRAME_KEY_LEN);
}

/* ---- running it ---- */

struct held_run {
	struct made_filter m; /* a filter, or */
	struct output o;      /* an output: its plugin is NULL if it is none */
	struct counter filter_out;
	struct buf out, message;
	uint32_t count, second, number; /* events and time of the message, number of the message */
};

static inline void make_output(struct held_run *r, const struct plugin *plugin, const char *inner)
{
	static const struct conf_rules rules;
	char *text = mem_printf("<match **>\n@type %s\n%s\n</match>\n", plugin->name, inner);
	read_section(&r->m.s, text);
	mem_free(text);
	filter_report = &r->m.s.report;
	r->o = (struct output){.plugin = plugin, .id = mem_strdup("p")};
	r->o.conf = conf_make(plugin->schema, r->m.s.section, &rules, filter_report);
	r->o.self = plugin->output->create(&r->o, NULL);
}

static inline void free_output(struct held_run *r)
{
	r->o.plugin->output->destroy(r->o.self);
	conf_free(r->o.plugin->schema, r->o.conf);
	mem_free(r->o.id);
	free_section(&r->m.s);
}

static inline void held_begin_run(struct held_run *r, const struct plugin *plugin, const char *conf)
{
	held_metrics = metrics_new();
	held_journal = map_new();
	held_txn = NULL;
	held_journal_shut = held_error_label = false;
	*r = (struct held_run){.count = 0};
	buf_init(&r->out, 1 << 24);
	buf_init(&r->message, 1 << 24);
	held_out = &r->out;
	if (plugin->output) {
		make_output(r, plugin, conf);
		return;
	}
	make_filter(&r->m, plugin, conf);
	r->m.f.n.out = &r->filter_out;
}

static inline void held_end_run(struct held_run *r)
{
	if (r->o.plugin)
		free_output(r);
	else
		free_filter(&r->m);
	buf_free(&r->out);
	buf_free(&r->message);
	map_free(held_journal, NULL);
	metrics_free(held_metrics);
}

static inline void held_add(struct held_run *r, const char *json, size_t n)
{
	char *text = mem_strndup(json, n);
	buf_put_byte(&r->message, 0x92);
	mp_put_event_time(&r->message, (struct event_time){++r->second, 0});
	record_of(text, &r->message);
	r->count++;
	mem_free(text);
}

/* Gives the message that was collected; `number` tells it from others, and its repetition by. */
static inline void held_give(struct held_run *r, uint32_t number)
{
	struct batch b = {.tag = SPAN_LIT("p.t"), .entries = buf_span(&r->message), .count = r->count};
	struct buf out;
	be32_put(b.key, number);
	if (r->o.plugin) {
		r->o.plugin->output->emit(&r->o, NULL, &b);
		return;
	}
	buf_init(&out, 1 << 24);
	b.count = r->m.f.plugin->filter->apply(&r->m.f, NULL, &b, &out);
	b.entries = buf_span(&out);
	held_put_events("", &b);
	buf_free(&out);
}

static inline void held_clear(struct held_run *r)
{
	buf_clear(&r->message);
	r->count = 0;
}

static inline void held_script(struct held_run *r, const char *script)
{
	for (const char *line = script; *line;) {
		size_t n = strcspn(line, "\n");
		if (*line == '{')
			held_add(r, line, n);
		if (*line == '~' || *line == '-' || !line[n] || !line[n + 1]) {
			held_give(r, ++r->number);
			held_clear(r);
		}
		if (*line == '~')
			holder_tick(held_holder, NULL, true);
		line += n + (line[n] != 0);
	}
}

/* Events that wait; they are all in the journal. */
static inline size_t held_count(const char *type)
{
	char *labels = metrics_labels("plugin_id", "p", "type", type, NULL);
	size_t n = (size_t)gauge_get(metrics_gauge(held_metrics, "weir_held_events", labels, ""));
	mem_free(labels);
	assert_int_equal(n, map_count(held_journal));
	return n;
}

#endif
