/*
 * filter_util.h: a filter alone, without the server: made from the text of its section, with events in and out as JSON, and what it would report as failed. For the
 * tests of filters; each defines the functions of the server that are here.
 */
#ifndef WEIR_TEST_SERVER_FILTER_UTIL_H
#define WEIR_TEST_SERVER_FILTER_UTIL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../format/format_util.h"
#include "batch.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#include <pthread.h>

#define FILTER_NOW INT64_C(1795400000000000005)

/* ---- what filters call ---- */

static struct conf_report *filter_report;
static _Thread_local struct buf *filter_errors;	   /* the reasons of what failed */
static _Thread_local struct buf *filter_texts;	   /* and the sentences, while filter_apply runs */
static _Thread_local char filter_last_texts[1000]; /* of the thread's last filter_apply */

const struct conf_rules *builder_rules(struct builder *b)
{
	static const struct conf_rules rules;
	(void)b;
	return &rules;
}

struct conf_report *builder_report(struct builder *b)
{
	(void)b;
	return filter_report;
}

int64_t ingest_now(const struct ingest *in)
{
	(void)in;
	return FILTER_NOW;
}

void ingest_error(struct ingest *in, const char *plugin_id, const struct batch *b, struct span entry,
	const char *reason, const char *text)
{
	struct event e;
	size_t used;
	(void)in;
	assert_string_equal(plugin_id, "p");
	assert_non_null(b->tag.p);
	assert_non_null(text);
	assert_int_equal(event_read(entry.p, entry.p + entry.n, MP_DEPTH_LIMIT, &e, &used), EVENT_OK);
	assert_int_equal(used, entry.n);
	buf_printf(filter_errors, "%s%s", filter_errors->n ? " " : "", reason);
	buf_printf(filter_texts, "%s%s", filter_texts->n ? "; " : "", text);
}

void ingest_no_memory(struct ingest *in, size_t bytes, uint32_t count)
{
	(void)in;
	(void)bytes;
	assert_int_equal(count, 1);
	buf_printf(filter_errors, "%sno_memory", filter_errors->n ? " " : "");
}

/* ---- running it ---- */

struct made_filter {
	struct section_of_text s;
	struct filter f;
};

static inline void make_filter(struct made_filter *m, const struct plugin *plugin, const char *inner)
{
	static const struct conf_rules rules;
	char *text = mem_printf("<filter **>\n@type %s\n%s\n</filter>\n", plugin->name, inner);
	read_section(&m->s, text);
	mem_free(text);
	filter_report = &m->s.report;
	m->f = (struct filter){.plugin = plugin};
	m->f.id = mem_strdup("p");
	m->f.conf = conf_make(plugin->schema, m->s.section, &rules, filter_report);
	m->f.self = filter_report->errors ? NULL : plugin->filter->create(&m->f, NULL);
}

static inline void free_filter(struct made_filter *m)
{
	m->f.plugin->filter->destroy(m->f.self);
	conf_free(m->f.plugin->schema, m->f.conf);
	mem_free(m->f.id);
	free_section(&m->s);
}

/* The findings, one a line: "line:column severity text". */
static inline char *filter_findings(const struct made_filter *m)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < m->s.report.n; i++) {
		const struct conf_finding *f = &m->s.report.v[i];
		static const char *const words[] = {"note", "warning", "error"};
		buf_printf(&out, "%u:%u %s: %s\n", f->pos.line, f->pos.column, words[f->severity], f->text);
	}
	buf_put_byte(&out, 0);
	return buf_take(&out);
}

/* An entry at 1000.5 s. */
static inline void put_entry(struct buf *b, const char *record)
{
	buf_put_byte(b, 0x92);
	mp_put_event_time(b, (struct event_time){1000, 500000000});
	record_of(record, b);
}

static inline void put_event_text(struct buf *got, const struct event *e)
{
	if (e->kind == EVENT_TIME_NOW)
		buf_put_str(got, "now ");
	else
		buf_printf(got, "%lld.%u ", (long long)e->time.sec, e->time.nsec);
	if (e->metadata.n) {
		const uint8_t *q = e->metadata.p;
		assert_true(json_put(got, &q, q + e->metadata.n, 100));
	}
	const uint8_t *q = e->record.p;
	assert_true(json_put(got, &q, q + e->record.n, MP_DEPTH_LIMIT));
	buf_put_byte(got, '\n');
}

/* The events that come out: "time record" each, then "!" and the reasons of what failed. */
static inline char *filter_apply_tag(struct made_filter *m, struct span tag, struct span entries, uint32_t count)
{
	struct batch b = {.tag = tag, .entries = entries, .count = count, .received_ns = FILTER_NOW};
	struct buf out, got, failed, texts;
	buf_init(&out, 1 << 24);
	buf_init(&got, 1 << 24);
	buf_init(&failed, 1 << 20);
	buf_init(&texts, 1 << 20);
	filter_errors = &failed;
	filter_texts = &texts;
	uint32_t n = m->f.plugin->filter->apply(&m->f, NULL, &b, &out), seen = 0;
	for (const uint8_t *p = out.p, *end = out.n ? p + out.n : p; p < end; seen++) {
		struct event e;
		size_t used;
		assert_int_equal(event_read(p, end, MP_DEPTH_LIMIT, &e, &used), EVENT_OK);
		put_event_text(&got, &e);
		p += used;
	}
	assert_int_equal(n, seen);
	if (failed.n)
		buf_printf(&got, "!%s", buf_cstr(&failed));
	buf_put_byte(&got, 0);
	snprintf(filter_last_texts, sizeof filter_last_texts, "%s", buf_cstr(&texts));
	buf_free(&texts);
	buf_free(&out);
	buf_free(&failed);
	return buf_take(&got);
}

static inline char *filter_apply(struct made_filter *m, struct span entries, uint32_t count)
{
	return filter_apply_tag(m, SPAN_LIT("t"), entries, count);
}

/* ---- several workers ---- */

struct filter_worker {
	bool (*round)(int i);
	pthread_t thread;
	bool started, ok;
};

static inline void *filter_worker_main(void *arg)
{
	struct filter_worker *w = arg;
	for (int i = 0; i < 200; i++)
		w->ok = w->ok && w->round(i);
	return NULL;
}

/* Whether round(0) ... round(199) hold in four threads at once. All have ended before anybody asserts: a test that fails leaves its stack. */
static inline bool filter_holds_in_threads(bool (*round)(int i))
{
	struct filter_worker workers[4];
	bool ok = true;
	for (size_t i = 0; i < 4; i++) {
		struct filter_worker *w = &workers[i];
		*w = (struct filter_worker){.round = round, .ok = true};
		w->started = pthread_create(&w->thread, NULL, filter_worker_main, w) == 0;
	}
	for (size_t i = 0; i < 4; i++) {
		if (workers[i].started)
			pthread_join(workers[i].thread, NULL);
		ok = ok && workers[i].started && workers[i].ok;
	}
	return ok;
}

/* ---- tables of cases ---- */

struct filter_case {
	const char *conf, *record, *want; /* of filter_apply */
};

static inline void check_filter_cases(
	const struct plugin *plugin, struct span tag, const struct filter_case *cases, size_t n)
{
	int bad = 0;
	for (size_t i = 0; i < n; i++) {
		struct made_filter m;
		struct buf entry;
		buf_init(&entry, 1 << 20);
		put_entry(&entry, cases[i].record);
		make_filter(&m, plugin, cases[i].conf);
		char *got = m.f.self ? filter_apply_tag(&m, tag, buf_span(&entry), 1) : filter_findings(&m);
		if (strcmp(got, cases[i].want) != 0) {
			print_error("%s\n%s\n  got  %s %s\n  want %s\n", cases[i].conf, cases[i].record, got,
				filter_last_texts, cases[i].want);
			bad++;
		}
		mem_free(got);
		free_filter(&m);
		buf_free(&entry);
	}
	assert_int_equal(bad, 0);
}

struct filter_wrong {
	const char *conf,
		*want; /* one of the findings: its beginning, from "line:column" on; the section's first line is 3 */
};

static inline void check_filter_wrong(const struct plugin *plugin, const struct filter_wrong *wrong, size_t n)
{
	int bad = 0;
	for (size_t i = 0; i < n; i++) {
		struct made_filter m;
		make_filter(&m, plugin, wrong[i].conf);
		char *got = filter_findings(&m);
		bool found = false;
		for (const char *line = got; line && !found; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
			found = strncmp(line, wrong[i].want, strlen(wrong[i].want)) == 0;
		if (!found) {
			print_error("%s\n  found %s\n  not   %s\n", wrong[i].conf, got, wrong[i].want);
			bad++;
		}
		assert_int_equal(m.f.self == NULL, m.s.report.errors > 0);
		mem_free(got);
		free_filter(&m);
	}
	assert_int_equal(bad, 0);
}

#endif
