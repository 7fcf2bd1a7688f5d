/* What the tools are made of: their options, their lines, and dead letters on their way back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vfs_mem.h"
#include "dead_event.h"
#include "dead_store.h"
#include "durable.h"
#include "frame_text.h"
#include "ingest.h"
#include "record/tag_match.h"
#include "tool_args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void options_are_taken_out(void **state)
{
	(void)state;
	const char *name = NULL, *limit = NULL;
	bool all = false;
	const struct tool_option options[] = {
		{"--name", &name, NULL}, {"-n", &limit, NULL}, {"--all", NULL, &all}, {NULL, NULL, NULL}};
	const char *given[] = {"show", "--name=a=b", "DIR", "-n", "5", "-", "--all"};
	char *argv[7];
	struct err err;
	for (size_t i = 0; i < 7; i++)
		argv[i] = mem_strdup(given[i]);
	char *all_of_them[7];
	memcpy(all_of_them, argv, sizeof argv);
	assert_int_equal(tool_args_take(7, argv, options, &err), 3);
	assert_string_equal(argv[1], "DIR");
	assert_string_equal(argv[2], "-");
	assert_string_equal(name, "a=b");
	assert_string_equal(limit, "5");
	assert_true(all);
	for (size_t i = 0; i < 7; i++)
		mem_free(all_of_them[i]);
	const char *wrong[] = {"--nam", "--all=1", "--name", "-nn"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char *one = mem_strdup(wrong[i]);
		assert_int_equal(tool_args_take(1, &one, options, &err), -1);
		mem_free(one);
	}
}

static void moments(void **state)
{
	(void)state;
	const int64_t now = INT64_C(1700000000) * NS_PER_S;
	static const struct {
		const char *text;
		int64_t ago_s; /* -1: it is none */
	} table[] = {
		{"0s", 0},
		{"90s", 90},
		{"30m", 1800},
		{"2h", 7200},
		{"7d", 604800},
		{"2023-11-14T22:13:20Z", 0},
		{"2023-11-14 22:13:19 +0000", 1},
		{"", -1},
		{"h", -1},
		{"2w", -1},
		{"-2h", -1},
		{"99999999999999999999d", -1},
		{"soon", -1},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		int64_t ns = 0;
		bool ok = tool_args_moment(table[i].text, now, &ns);
		assert_int_equal(ok, table[i].ago_s >= 0);
		if (ok)
			assert_int_equal(ns, now - table[i].ago_s * NS_PER_S);
	}
}

static void fields(void **state)
{
	(void)state;
	assert_true(span_is(dead_event_field(SPAN_LIT("[1:2] failed to parse field [a.b] of type [long]")), "a.b"));
	assert_int_equal(dead_event_field(SPAN_LIT("failed to parse field [a")).n, 0);
	assert_int_equal(dead_event_field(SPAN_LIT("no such")).n, 0);
	assert_int_equal(dead_event_field((struct span){0}).n, 0);
}

/* Nothing from a peer reaches a terminal as a command. */
static void lines_are_harmless(void **state)
{
	(void)state;
	/* [1, {"m": ESC "[2J" DEL U+009B}] */
	static const uint8_t entry[] = "\x92\x01\x81\xa1m\xa7\x1b[2J\x7f\xc2\x9b";
	struct frame_view v = {
		.type = FRAME_DATA,
		.count = 1,
		.tag = SPAN_LIT("a\x1b]0;x\x07"),
		.entries = span_of(entry, sizeof entry - 1),
	};
	struct buf out;
	buf_init(&out, 1 << 20);
	frame_text_put(&out, "c", &v);
	assert_string_equal(buf_cstr(&out),
		"{\"chunk\":\"c\",\"tag\":\"a\\u001b]0;x\\u0007\",\"time\":\"1970-01-01T00:00:01.000000000Z\","
		"\"record\":{\"m\":\"\\u001b[2J\\u007f\\u009b\"}}\n");
	buf_clear(&out);
	frame_text_plain(&out, SPAN_LIT("a\x9b\n\"b"), 3);
	assert_string_equal(buf_cstr(&out), "a\xef\xbf\xbd\\n...");
	buf_free(&out);
}

/* ---- dead letters ------------------------------------------------------------------------------------------------------ */

struct world {
	const struct vfs *vfs;
	struct ingest_hub *hub;
	struct buffer *store, *out;
	struct err err;
};

static struct buffer *open_buffer(struct world *w, const char *path, uint64_t limit)
{
	struct buffer_options o = {.name = path,
		.path = path,
		.chunk_limit_size = 1 << 16,
		.total_limit_size = limit,
		.pending_limit = 1 << 20,
		.flush_mode = BUFFER_FLUSH_LAZY};
	struct buffer_hooks hooks = {.on_durable = ingest_on_durable, .on_space = ingest_on_space, .arg = w->hub};
	struct buffer *b = buffer_open(&o, &hooks, w->vfs, &w->err);
	assert_non_null(b);
	return b;
}

static void open_world(struct world *w, uint64_t out_limit)
{
	w->vfs = vfs_mem_new();
	w->hub = ingest_hub_new(NULL, NULL);
	w->store = open_buffer(w, "/dead", 1 << 24);
	w->out = open_buffer(w, "/out", out_limit);
}

static void close_world(struct world *w)
{
	buffer_close(w->store);
	buffer_close(w->out);
	ingest_hub_free(w->hub);
	vfs_mem_free(w->vfs);
}

/* A dead letter of "out" (or of nobody that is there), whose event says its number. */
static void add_dead(struct world *w, const char *plugin, const char *reason, uint8_t number)
{
	const uint8_t entry[] = {0x92, 0x01, 0x81, 0xa1, 'n', number};
	struct buf info;
	buf_init(&info, DEAD_LETTER_INFO_MAX);
	dead_letter_info(&info, &(struct dead_letter){.plugin = plugin, .reason = reason, .place = number});
	struct frame *f = frame_new(FRAME_DEAD, SPAN_LIT("tag"), buf_span(&info), sizeof entry);
	buf_free(&info);
	memcpy(frame_entries(f), entry, sizeof entry);
	f->entries_len = sizeof entry;
	f->count = 1;
	memset(f->key, number, FRAME_KEY_LEN);
	assert_true(durable_append(w->store, f, (struct span){0}, 0, &w->err));
}

static bool find(void *arg, struct span destination, struct dead_target *t)
{
	struct world *w = arg;
	*t = (struct dead_target){.buffer = w->out};
	return span_is(destination, "out");
}

static struct dead_outcome work(struct world *w, const struct dead_filter *filter, bool drop, bool ok)
{
	struct dead_work job = {.store = w->store, .filter = filter, .drop = drop, .target = find, .arg = w};
	struct dead_outcome done;
	assert_int_equal(dead_store_work(&job, &done, &w->err), ok);
	return done;
}

/* A bit for each number that lies in the buffer; what is in `out` is as it was before. */
static unsigned numbers_in(struct world *w, struct buffer *b)
{
	struct dead_letter_view why;
	struct frame_view v;
	struct chunk *c, *all[16];
	size_t n = 0;
	unsigned found = 0;
	buffer_flush_all(b);
	while ((c = buffer_take(b, 100 * NS_PER_MS))) {
		struct dead_reader *r = dead_reader_open(b, c, &w->err);
		assert_non_null(r);
		while (dead_reader_next(r, &v, &why, &w->err) == CHUNK_FRAME) {
			uint8_t number = v.entries.p[5];
			assert_int_equal(v.type, b == w->out ? FRAME_DATA : FRAME_DEAD);
			assert_int_equal(v.key[3], number);
			assert_true(b != w->out || frame_first_place(v.info) == number);
			assert_false(found & 1U << number);
			found |= 1U << number;
		}
		dead_reader_close(r);
		all[n++] = c;
	}
	while (n)
		buffer_release(b, all[--n]);
	return found;
}

static void they_go_back_to_their_place(void **state)
{
	(void)state;
	struct world w;
	const struct dead_filter every = {0}, one = {.reason = "x"}, none = {.destination = "in"};
	open_world(&w, 1 << 24);
	for (uint8_t i = 0; i < 8; i++)
		add_dead(&w, i == 7 ? "gone" : "out", i == 3 ? "x" : "y", i);
	assert_int_equal(work(&w, &none, false, true).kept, 8);
	assert_int_equal(work(&w, &one, false, true).done, 1);
	assert_int_equal(numbers_in(&w, w.out), 1U << 3);
	assert_int_equal(numbers_in(&w, w.store), 0xff & ~(1U << 3));
	struct dead_outcome done = work(&w, &every, false, true);
	assert_int_equal(done.done, 6);
	assert_int_equal(done.strange, 1);
	assert_int_equal(numbers_in(&w, w.out), 0x7f);
	assert_int_equal(numbers_in(&w, w.store), 0x80);
	assert_int_equal(work(&w, &every, true, true).done, 1);
	assert_true(buffer_is_empty(w.store));
	struct buffer_stats s;
	buffer_stats(w.store, &s);
	assert_int_equal(s.ledger.stored, 8);
	assert_int_equal(s.ledger.delivered, 7);
	assert_int_equal(s.ledger.dropped, 1);
	close_world(&w);
}

static void a_full_destination_loses_none(void **state)
{
	(void)state;
	struct world w;
	const struct dead_filter every = {0};
	open_world(&w, 4096); /* the first frame goes in whatever its size; then it is full */
	for (uint8_t i = 0; i < 4; i++)
		add_dead(&w, "out", "y", i);
	assert_int_equal(work(&w, &every, false, true).done, 4);
	for (uint8_t i = 4; i < 8; i++)
		add_dead(&w, "out", "y", i);
	assert_int_equal(work(&w, &every, false, false).done, 0);
	assert_non_null(strstr(w.err.text, "full"));
	assert_int_equal(numbers_in(&w, w.store), 0xf0);
	assert_int_equal(numbers_in(&w, w.out), 0x0f);
	close_world(&w);
}

static ssize_t no_space(void *ctx, int fd, const struct iovec *v, int count, off_t at)
{
	(void)ctx;
	(void)fd;
	(void)v;
	(void)count;
	(void)at;
	errno = ENOSPC;
	return -1;
}

/* Nobody waits for ever for a disk that takes nothing. */
static void a_stalled_disk_is_left(void **state)
{
	(void)state;
	struct world w;
	open_world(&w, 1 << 24);
	struct vfs stalled = *w.vfs;
	stalled.pwritev = no_space;
	const struct vfs *mem = w.vfs;
	w.vfs = &stalled;
	struct buffer *b = open_buffer(&w, "/stalled", 1 << 24);
	w.vfs = mem;
	durable_limit_ns = 50 * NS_PER_MS;
	struct frame *f = frame_new(FRAME_DATA, SPAN_LIT("t"), (struct span){0}, 8);
	assert_false(durable_append(b, f, (struct span){0}, 0, &w.err));
	assert_int_equal(w.err.code, ETIMEDOUT);
	durable_limit_ns = 30 * NS_PER_S;
	buffer_close(b); /* the frame fails now; nobody waits for it */
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_taken_out),
		cmocka_unit_test(moments),
		cmocka_unit_test(fields),
		cmocka_unit_test(lines_are_harmless),
		cmocka_unit_test(they_go_back_to_their_place),
		cmocka_unit_test(a_full_destination_loses_none),
		cmocka_unit_test(a_stalled_disk_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
