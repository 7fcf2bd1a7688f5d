/* What is kept for people who look: senders, samples of dead letters, taps, labels from events, text for terminals. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"
#include "conf/conf_report.h"
#include "dead_letter.h"
#include "dead_samples.h"
#include "event_labels.h"
#include "rate.h"
#include "record/json_get.h"
#include "record/msgpack_put.h"
#include "senders.h"
#include "status_text.h"
#include "taps.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- senders ------------------------------------------------------------------------------------------------------ */

static void test_senders(void **state)
{
	struct sender_info v[4];
	size_t known;
	(void)state;
	struct senders *s = senders_new();
	struct sender *a = sender_open(s, "in", "10.0.0.1"), *b = sender_open(s, "in", "10.0.0.2");
	assert_ptr_equal(sender_open(s, "in", "10.0.0.1"), a);
	assert_ptr_not_equal(sender_open(s, "other", "10.0.0.1"), a);
	sender_add_bytes(a, 100);
	sender_add_bytes(b, 200);
	sender_add_events(b, 1, 50);
	senders_tick(s, 1, 42);
	sender_add_bytes(b, 1);
	assert_int_equal(senders_top(s, v, 4, &known), 3);
	assert_int_equal(known, 3);
	assert_string_equal(v[0].address, "10.0.0.2");
	assert_true(v[0].events == 50 && v[0].bytes == 201 && v[0].messages == 1 && v[0].connections == 1);
	assert_true(v[0].last_ns == 42 && v[0].events_per_s > 0 && v[2].last_ns == 0);
	assert_true(v[1].connections == 2 && v[1].bytes == 100);
	assert_null(sender_open(NULL, "in", "x"));
	sender_add_bytes(NULL, 1);
	sender_add_events(NULL, 1, 1);
	sender_close(NULL);
	senders_free(s);
	senders_free(NULL);
}

static void test_senders_are_bounded(void **state)
{
	struct sender_info v[1];
	size_t known;
	char name[32];
	(void)state;
	struct senders *s = senders_new();
	for (unsigned i = 0; i < SENDERS_MAX; i++) {
		snprintf(name, sizeof name, "10.1.%u.%u", i / 256, i % 256);
		sender_add_bytes(sender_open(s, "in", name), 1000 - i % 500);
	}
	/* All are connected: whoever is new is one of the others. */
	struct sender *others = sender_open(s, "in", "new");
	assert_ptr_equal(sender_open(s, "in", "newer"), others);
	sender_add_bytes(others, 5000);
	assert_int_equal(senders_top(s, v, 1, &known), 1);
	assert_string_equal(v[0].address, "others");
	assert_int_equal(known, SENDERS_MAX + 1);
	/* Two have gone: the one that sent less makes room, the other one stays. */
	struct sender *little = sender_open(s, "in", "10.1.1.243"), *much = sender_open(s, "in", "10.1.0.0");
	for (int i = 0; i < 2; i++) {
		sender_close(little);
		sender_close(much);
	}
	assert_ptr_not_equal(sender_open(s, "in", "new"), others);
	assert_ptr_equal(sender_open(s, "in", "10.1.0.0"), much);
	senders_free(s);
}

static void test_rates(void **state)
{
	struct rate r = {0};
	(void)state;
	for (uint64_t i = 1; i <= 30; i++)
		rate_tick(&r, i * 100, 1);
	assert_true(r.per_s > 99 && r.per_s < 101);
	rate_tick(&r, 5, 1); /* begun anew */
	assert_true(r.per_s < 100 && r.per_s > 0);
	for (uint64_t i = 0; i < 60; i++)
		rate_tick(&r, 5, 1);
	assert_true(r.per_s <= 0);
}

/* ---- dead letters ------------------------------------------------------------------------------------------------- */

static struct frame *dead_frame(const char *plugin, const char *reason, const char *tag, size_t entry)
{
	struct buf info;
	buf_init(&info, DEAD_LETTER_INFO_MAX);
	dead_letter_info(&info,
		&(struct dead_letter){
			.plugin = plugin, .reason = reason, .text = "why", .status = 400, .index = SPAN_LIT("i")});
	struct frame *f = frame_new(FRAME_DEAD, span_str(tag), buf_span(&info), entry);
	memset(frame_entries(f), 'e', entry);
	f->entries_len = entry;
	f->count = 1;
	buf_free(&info);
	return f;
}

static void test_dead_samples(void **state)
{
	static struct dead_sample v[DEAD_SAMPLES_MAX];
	char reason[300];
	(void)state;
	struct dead_samples *s = dead_samples_new();
	for (unsigned i = 0; i < DEAD_SAMPLES_MAX + 10; i++) {
		snprintf(reason, sizeof reason, "reason %u", i);
		struct frame *f = dead_frame("es", i < 2 ? "same" : reason, "t", i ? 10 : DEAD_SAMPLE_EVENT_MAX + 5);
		dead_samples_add(s, f);
		if (i == 0) {
			assert_int_equal(dead_samples_get(s, v), 1);
			assert_true(
				v->event_len == DEAD_SAMPLE_EVENT_MAX + 5 && v->event_kept == DEAD_SAMPLE_EVENT_MAX);
		}
		if (i == 1) {
			assert_int_equal(dead_samples_get(s, v), 1);
			assert_true(v->seen == 2 && v->status == 400 && v->event_kept == 10);
			assert_string_equal(v->plugin, "es");
			assert_string_equal(v->text, "why");
			assert_string_equal(v->index, "i");
			assert_string_equal(v->tag, "t");
		}
		frame_free(f);
	}
	assert_int_equal(dead_samples_get(s, v), DEAD_SAMPLES_MAX);
	memset(reason, 'r', sizeof reason - 1);
	reason[sizeof reason - 1] = 0;
	struct frame *f = dead_frame("es", reason, reason, 0);
	dead_samples_add(s, f); /* cut, and found again */
	dead_samples_add(s, f);
	frame_free(f);
	assert_int_equal(dead_samples_get(s, v), DEAD_SAMPLES_MAX);
	assert_int_equal(v[0].seen, 2);
	assert_int_equal(strlen(v[0].reason), sizeof v[0].reason - 1);
	dead_samples_free(s);
	dead_samples_add(NULL, NULL);
}

/* ---- taps --------------------------------------------------------------------------------------------------------- */

static void put_entry(struct buf *b, const char *json, struct event_time t)
{
	const uint8_t *p = (const uint8_t *)json;
	mp_put_array_head(b, 2);
	mp_put_event_time(b, t);
	assert_int_equal(json_get(&p, p + strlen(json), 64, b, NULL), JSON_OK);
}

static void check_taken(struct tap *p, const char *want, uint64_t dropped)
{
	struct buf out;
	buf_init(&out, 8 << 20);
	assert_int_equal(tap_take(p, &out), dropped);
	assert_string_equal(buf_cstr(&out), want);
	buf_free(&out);
}

static void test_taps(void **state)
{
	struct err err;
	struct buf entries;
	(void)state;
	buf_init(&entries, 1 << 24);
	struct taps *t = taps_new();
	put_entry(&entries, "{\"a\":1}", (struct event_time){1767323045, 5});
	assert_int_equal(atomic_load(taps_open_count(t)), 0);
	struct tap *all = tap_open(t, "", NULL, &err), *some = tap_open(t, "app.*", NULL, &err);
	struct tap *es = tap_open(t, "app.**", "es", &err);
	assert_null(tap_open(t, "/(/", NULL, &err));
	assert_int_equal(atomic_load(taps_open_count(t)), 3);
	taps_show(t, NULL, SPAN_LIT("app.x"), buf_span(&entries), 1);
	taps_show(t, "es", SPAN_LIT("app.x.y"), buf_span(&entries), 1);
	taps_show(t, "file", SPAN_LIT("app.x"), buf_span(&entries), 1);
	taps_show(t, NULL, SPAN_LIT("q\"\xff"), buf_span(&entries), 1);
	static const char line[] =
		"{\"tag\":\"app.x\",\"time\":\"2026-01-02T03:04:05.000000005Z\",\"record\":{\"a\":1}}\n";
	check_taken(some, line, 0);
	check_taken(some, "", 0);
	check_taken(es, "{\"tag\":\"app.x.y\",\"time\":\"2026-01-02T03:04:05.000000005Z\",\"record\":{\"a\":1}}\n", 0);
	char both[400];
	snprintf(both, sizeof both,
		"%s{\"tag\":\"q\\\"\xef\xbf\xbd\",\"time\":\"2026-01-02T03:04:05.000000005Z\",\"record\":{\"a\":1}}\n",
		line);
	check_taken(all, both, 0);
	/* No room: counted. */
	buf_clear(&entries);
	for (unsigned i = 0; i < 100000; i++)
		put_entry(&entries, "{\"text\":\"0123456789\"}", (struct event_time){1, 0});
	for (unsigned i = 0; i < 20; i++)
		taps_show(t, NULL, SPAN_LIT("app.x"), buf_span(&entries), 100000);
	struct buf out;
	buf_init(&out, 64 << 20);
	uint64_t dropped = tap_take(some, &out), shown = 0;
	for (size_t i = 0; i < out.n; i++)
		shown += out.p[i] == '\n';
	assert_true(shown > 1000 && shown + dropped == 2000000);
	buf_free(&out);
	struct tap *more[TAPS_MAX] = {0};
	for (unsigned i = 3; i < TAPS_MAX; i++)
		assert_non_null(more[i] = tap_open(t, "", NULL, &err));
	assert_null(tap_open(t, "", NULL, &err));
	tap_close(some);
	assert_non_null(tap_open(t, "", NULL, &err));
	tap_close(NULL);
	buf_free(&entries);
	taps_free(t); /* with those that are open */
}

/* ---- labels ------------------------------------------------------------------------------------------------------- */

static void test_event_labels(void **state)
{
	static const struct {
		const char *value, *tag, *record, *want;
	} cases[] = {
		{"fixed", "t", "{}", "fixed"},
		{"${tag}", "a.b", "{}", "a.b"},
		{"x-${tag}-y", "a", "{}", "x-a-y"},
		{"${tag_parts[0]}", "a.b.c", "{}", "a"},
		{"${tag_parts[2]}", "a.b.c", "{}", "c"},
		{"${tag_parts[-1]}", "a.b.c", "{}", "c"},
		{"${tag_parts[-3]}", "a.b.c", "{}", "a"},
		{"${tag_parts[3]}", "a.b.c", "{}", ""},
		{"${tag_parts[-4]}", "a.b.c", "{}", ""},
		{"${tag_parts[1]}", "a..c", "{}", ""},
		{"${tag_prefix[0]}", "a.b.c", "{}", "a"},
		{"${tag_prefix[1]}", "a.b.c", "{}", "a.b"},
		{"${tag_suffix[0]}", "a.b.c", "{}", "a.b.c"},
		{"${tag_suffix[1]}", "a.b.c", "{}", "b.c"},
		{"${tag_suffix[2]}", "a.b.c", "{}", "c"},
		{"${tag_suffix[9]}", "a.b.c", "{}", ""},
		{"${tag_parts[0]}", "", "{}", ""},
		{"$.a.b", "t", "{\"a\":{\"b\":\"v\"}}", "v"},
		{"$['a']['b'][1]", "t", "{\"a\":{\"b\":[1,2]}}", "2"},
		{"$.a", "t", "{}", ""},
		{"$.a", "t", "{\"a\":null}", ""},
		{"$.a", "t", "{\"a\":true}", "true"},
		{"$.a", "t", "{\"a\":1.5}", "1.5"},
		{"${a}/${b}", "t", "{\"a\":\"x\",\"b\":-3}", "x/-3"},
		{"${worker_id}", "t", "{}", "0"},
		{"${unfinished", "t", "{}", "${unfinished"},
		{"", "t", "{}", ""},
		{"$.a", "t", "{\"a\":\"\\\"\\\\\\n\"}", "\\\"\\\\\\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct conf_report report;
		struct conf_pair pair = {.name = (char *)(uintptr_t) "l", .value = (char *)(uintptr_t)cases[i].value};
		struct conf_section section = {.name = "labels", .arg = "", .pairs = &pair};
		struct conf_common common = {.section = &section};
		void *pointer = &common;
		struct conf_list list = {.v = &pointer, .n = 1};
		struct buf record, out;
		const uint8_t *p = (const uint8_t *)cases[i].record;
		char want[64];
		conf_report_init(&report);
		buf_init(&record, 1 << 16);
		buf_init(&out, 1 << 16);
		assert_int_equal(json_get(&p, p + strlen(cases[i].record), 64, &record, NULL), JSON_OK);
		struct event_labels *l = event_labels_make(&list, NULL, &report);
		assert_int_equal(report.errors, 0);
		assert_true(event_labels_put(l, span_str(cases[i].tag), buf_span(&record), &out));
		snprintf(want, sizeof want, "l=\"%s\"", cases[i].want);
		assert_string_equal(buf_cstr(&out), want);
		event_labels_free(l);
		buf_free(&record);
		buf_free(&out);
		conf_report_free(&report);
	}
}

/* ---- terminals ---------------------------------------------------------------------------------------------------- */

static void test_terminal(void **state)
{
	static const char in[] = "a\x1b[31m\x07\xed\x95\x9c\xc2\x9b\x7f\xff\n\0b";
	struct buf out;
	(void)state;
	buf_init(&out, 1 << 16);
	terminal_put(&out, span_of(in, sizeof in - 1));
	assert_string_equal(buf_cstr(&out), "a\\u001b[31m\\u0007\xed\x95\x9c\\u009b\\u007f\xef\xbf\xbd\\u000a\\u0000b");
	buf_free(&out);
}

static void test_status_text_fits(void **state)
{
	struct status_text_options o = {.width = 20, .height = 6, .colour = false};
	struct buf out;
	(void)state;
	json_t *j = json_pack("{s:{s:s, s:s, s:b, s:s}, s:[{s:s}, {s:s}]}", "weir", "version", "1", "host",
		"h\x1b]0;x\x07", "ready", 0, "not_ready", "why", "sources", "id", "one", "id", "two");
	assert_non_null(j);
	buf_init(&out, 1 << 16);
	status_text(j, &o, &out);
	unsigned lines = 0, width = 0;
	for (size_t i = 0; i < out.n; i++) {
		width = out.p[i] == '\n' ? 0 : width + 1;
		lines += out.p[i] == '\n';
		assert_true(width <= 20);
		assert_int_not_equal(out.p[i], 0x1b);
	}
	assert_int_equal(lines, 5);
	assert_non_null(strstr(buf_cstr(&out), "NOT READY: why"));
	json_decref(j);
	/* What is not there at all. */
	j = json_object();
	buf_clear(&out);
	o = (struct status_text_options){.colour = true};
	status_text(j, &o, &out);
	assert_non_null(strstr(buf_cstr(&out), "\033[K\n"));
	json_decref(j);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_senders_are_bounded),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_dead_samples),
		cmocka_unit_test(test_taps),
		cmocka_unit_test(test_event_labels),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_status_text_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
