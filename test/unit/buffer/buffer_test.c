/* What a buffer does on a healthy disk. */
#include "harness.h"

#include <stdlib.h>
#include <unistd.h>

static struct buffer_stats stats(struct world *w)
{
	struct buffer_stats s;
	buffer_stats(w->b, &s);
	return s;
}

static void frames_come_back_as_they_went(void **state)
{
	(void)state;
	static struct world w;
	for (int real = 0; real < 3; real++) {
		char root[] = "/tmp/weir-buffer-XXXXXX", command[100];
		const struct vfs *mem = real == 1 ? vfs_mem_new() : NULL;
		if (real == 0)
			world_init(&w, 1);
		else
			world_init_on(&w, mem ? mem : &vfs_posix, mem ? "/mem/b" : mkdtemp(root));
		world_must_open(&w);
		for (unsigned i = 0; i < 300; i++)
			world_append(&w, 1 + i % 5, 0, 0);
		buffer_settle(w.b);
		assert_int_equal(w.reported, w.appended);
		assert_true(stats(&w).queue_chunks > 5);
		assert_int_equal(stats(&w).queue_records + stats(&w).stage_records, stats(&w).durable_records);
		assert_int_equal(stats(&w).appended_records, stats(&w).durable_records);
		assert_int_equal(world_drain(&w), w.appended);
		world_judge(&w);
		world_ok(&w);
		assert_true(buffer_is_empty(w.b));
		assert_int_equal(stats(&w).queue_bytes + stats(&w).stage_bytes + w.b->used_bytes, 0);
		world_close(&w);
		if (real == 0)
			assert_int_equal(sim_names(w.sim, FOLDER, NULL, NULL), 2); /* LOCK, LEDGER */
		world_free(&w);
		vfs_mem_free(mem);
		snprintf(command, sizeof command, "rm -rf %s", root);
		assert_int_equal(real == 2 ? system(command) : 0, 0);
	}
}

static void a_clean_stop_and_start_loses_and_repeats_nothing(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	uint64_t frames = 0, records = 0;
	for (int life = 0; life < 5; life++) {
		world_must_open(&w);
		assert_false(stats(&w).recovering); /* all is sealed */
		assert_int_equal(stats(&w).queue_records, records);
		world_append(&w, 7, 0, 0);
		world_append(&w, 2, 1, 0);
		buffer_settle(w.b);
		records += stats(&w).durable_records;
		world_close(&w);
	}
	world_must_open(&w);
	frames = world_drain(&w);
	assert_int_equal(frames, 45);
	world_judge(&w);
	world_ok(&w);
	world_free(&w);
}

/*
 * ---- how much it costs
 * ----------------------------------------------------------------------------------------------
 */

static void a_group_is_one_write_and_one_sync(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 24;
	world_must_open(&w);
	uint64_t before = sim_calls(w.sim, SIM_ANY & ~SIM_RESERVE), syncs = sim_calls(w.sim, SIM_FDATASYNC);
	world_append(&w, 5, 0, 0);
	buffer_settle(w.b);
	/* open, pwritev, fdatasync, rename, sync of the folder */
	assert_int_equal(sim_calls(w.sim, SIM_ANY & ~SIM_RESERVE) - before, 5);
	assert_int_equal(sim_calls(w.sim, SIM_FDATASYNC) - syncs, 1);
	for (int i = 0; i < 10; i++) {
		before = sim_calls(w.sim, SIM_ANY & ~SIM_RESERVE);
		world_append(&w, 50, 0, 0);
		buffer_settle(w.b);
		assert_int_equal(sim_calls(w.sim, SIM_ANY & ~SIM_RESERVE) - before, 2);
	}
	/* Nothing is due: nothing is done. After a quiet second a mark, then nothing again. */
	before = sim_calls(w.sim, SIM_ANY);
	buffer_settle(w.b);
	assert_int_equal(sim_calls(w.sim, SIM_ANY), before);
	time_pass(NS_PER_S + 1);
	buffer_settle(w.b);
	assert_int_equal(sim_calls(w.sim, SIM_ANY), before + 1);
	time_pass(100 * NS_PER_S);
	buffer_settle(w.b);
	assert_int_equal(sim_calls(w.sim, SIM_ANY), before + 1);
	world_free(&w);
}

/* More frames than vectors in a call, and more bytes than a group. */
static void large_groups(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 30;
	world_must_open(&w);
	world_append(&w, 3000, 0, 0);
	buffer_settle(w.b);
	assert_int_equal(w.reported, 3000);
	assert_int_equal(world_drain(&w), 3000);
	world_judge(&w);
	world_ok(&w);
	world_free(&w);
}

static struct frame *big_frame(uint64_t id, size_t n)
{
	struct frame *f = frame_new(FRAME_DATA, SPAN_LIT("big"), (struct span){NULL, 0}, n);
	uint8_t *p = frame_entries(f);
	for (size_t i = 0; i + 8 <= n; i += 8)
		le64_put(p + i, mix(id + i));
	memset(p + n / 8 * 8, 7, n % 8);
	f->entries_len = n;
	f->count = 1;
	le64_put(f->key, id);
	return f;
}

static void frames_greater_than_a_chunk_go_alone(void **state)
{
	(void)state;
	static struct world w;
	static const size_t sizes[] = {100, 70000, 5000000, 9000001, 64 * 1024 - 4096 - 64 - 3, 64 * 1024, 1};
	enum { N = sizeof sizes / sizeof sizes[0] };
	world_init(&w, 1);
	world_must_open(&w);
	struct frame *list = NULL, **end = &list;
	for (uint64_t i = 0; i < N; i++) {
		*end = big_frame(i + 1, sizes[i]);
		end = &(*end)->next;
	}
	buffer_append(w.b, list, (struct span){NULL, 0}, 0);
	buffer_settle(w.b);
	assert_int_equal(w.reported, N);
	buffer_flush_all(w.b);
	buffer_settle(w.b);
	uint64_t next = 0;
	struct chunk *c;
	while ((c = buffer_take(w.b, 0))) {
		struct chunk_reader *r = chunk_reader_open(w.b, c, &w.err);
		struct frame_view v;
		while (chunk_reader_next(r, &v, &w.err) == CHUNK_FRAME) {
			struct frame *f = big_frame(next + 1, sizes[next]);
			assert_int_equal(v.entries.n, sizes[next]);
			assert_memory_equal(v.entries.p, frame_entries(f), sizes[next]);
			assert_true(span_is(v.tag, "big"));
			frame_free(f);
			next++;
		}
		struct chunk_info info;
		chunk_info(c, &info);
		assert_true(info.bytes <= w.o.chunk_limit_size + CHUNK_BLOCK || info.records == 1);
		chunk_reader_close(r);
		assert_true(buffer_commit(w.b, c, &w.err));
	}
	assert_int_equal(next, N);
	world_free(&w);
}

static void limits_of_frame_new(void **state)
{
	(void)state;
	uint8_t *p = calloc(1, 2 * 1024 * 1024);
	struct span none = {NULL, 0};
	assert_null(frame_new(FRAME_DATA, span_of(p, 65536), none, 0));
	assert_null(frame_new(FRAME_DATA, none, span_of(p, 1024 * 1024 + 1), 0));
	assert_null(frame_new(FRAME_DATA, none, none, ((size_t)1 << 31) + 1));
	assert_null(frame_new(FRAME_DATA, none, none, SIZE_MAX));
	assert_null(frame_new(FRAME_DATA, span_of(p, 5), none, SIZE_MAX - 3));
	struct frame *f = frame_new(FRAME_DATA, span_of(p, 65535), span_of(p, 1024 * 1024), 10);
	assert_non_null(f);
	assert_int_equal(frame_payload_len(f), 65535 + 1024 * 1024);
	assert_int_equal(frame_disk_size(f) % 8, 0);
	frame_free(f);
	frame_free(NULL);
	free(p);
}

/*
 * ---- stages
 * ---------------------------------------------------------------------------------------------------------
 */

static void stage_keys_do_not_mix(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	world_must_open(&w);
	for (unsigned i = 0; i < 200; i++)
		world_append(&w, 1, i % 100, 0); /* more than files may be open at once */
	buffer_settle(w.b);
	assert_int_equal(w.reported, w.appended);
	assert_true(stats(&w).stage_chunks <= 64 && stats(&w).stage_chunks >= 60);
	world_drain(&w); /* checks each frame's stage */
	world_judge(&w);
	world_ok(&w);
	assert_int_equal(map_count(w.b->stages), 0);
	world_free(&w);
}

static void stage_keys_of_any_length_are_kept_over_a_restart(void **state)
{
	(void)state;
	static struct world w;
	static const size_t lengths[] = {0, 1, 200, 1700, 1784, 1785, 2000, 4096, 30000, 65535};
	enum { N = sizeof lengths / sizeof lengths[0] };
	char *key = malloc(70000);
	for (int i = 0; i < 70000; i++)
		key[i] = (char)(i * 7);
	for (int crash = 0; crash < 2; crash++) {
		world_init(&w, 1);
		world_must_open(&w);
		for (size_t i = 0; i < N; i++)
			buffer_append(w.b, big_frame(i + 1, 100), span_of(key, lengths[i]), 0);
		buffer_settle(w.b);
		if (crash)
			sim_die(w.sim);
		world_close(&w);
		sim_kill(w.sim, false);
		world_must_open(&w);
		world_wait_recovered(&w);
		for (size_t i = 0; i < N; i++) {
			struct chunk *c = buffer_take(w.b, 0);
			struct chunk_info info;
			assert_non_null(c);
			chunk_info(c, &info);
			assert_int_equal(info.stage.n, lengths[i]);
			assert_true(span_eq(info.stage, span_of(key, lengths[i])));
			struct chunk_reader *r = chunk_reader_open(w.b, c, &w.err);
			struct frame_view v;
			assert_int_equal(chunk_reader_next(r, &v, &w.err), CHUNK_FRAME);
			assert_int_equal(le64_get(v.key), i + 1);
			assert_int_equal(chunk_reader_next(r, &v, &w.err), CHUNK_END);
			chunk_reader_close(r);
			assert_true(buffer_commit(w.b, c, &w.err));
		}
		world_free(&w);
	}
	free(key);
}

/*
 * ---- when a chunk is queued
 * ------------------------------------------------------------------------------------------
 */

static void chunk_limits(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 107000;
	world_must_open(&w);
	for (uint64_t i = 1; i <= 9; i++) {
		buffer_append(w.b, big_frame(i, 30000), (struct span){NULL, 0}, 0);
		buffer_settle(w.b);
	}
	/* Three of them (and a head) fit. */
	assert_int_equal(stats(&w).queue_chunks, 3);
	assert_true(stats(&w).queue_bytes <= 3 * 107000);
	world_close(&w);
	world_free(&w);

	world_init(&w, 1);
	w.o.chunk_limit_records = 3;
	world_must_open(&w);
	for (uint64_t i = 1; i <= 10; i++)
		buffer_append(w.b, big_frame(i, 10), (struct span){NULL, 0}, 0);
	buffer_settle(w.b);
	assert_int_equal(stats(&w).queue_chunks, 3);
	assert_int_equal(stats(&w).queue_records, 9);
	assert_int_equal(stats(&w).stage_records, 1);
	world_free(&w);
}

static void flush_interval_counts_from_the_first_frame(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.flush_mode = BUFFER_FLUSH_INTERVAL;
	w.o.flush_interval_ns = 10 * NS_PER_S;
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	for (int i = 0; i < 9; i++) {
		world_append(&w, 1, 0, 0);
		buffer_settle(w.b);
		assert_int_equal(stats(&w).queue_chunks, 0);
		time_pass(NS_PER_S + 1);
	}
	buffer_settle(w.b);
	assert_int_equal(stats(&w).queue_chunks, 0);
	time_pass(NS_PER_S);
	buffer_settle(w.b);
	assert_int_equal(stats(&w).queue_chunks, 1);
	assert_int_equal(stats(&w).stage_chunks, 0);
	assert_int_equal(world_drain(&w), 9);
	world_free(&w);
}

static void a_due_time_queues_whatever_the_mode(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	world_append(&w, 1, 1, fake_wall + 50 * NS_PER_S);
	world_append(&w, 1, 1, fake_wall + 20 * NS_PER_S); /* the earliest counts */
	world_append(&w, 1, 1, 0);
	world_append(&w, 1, 2, 0);
	buffer_settle(w.b);
	time_pass(19 * NS_PER_S);
	buffer_settle(w.b);
	assert_int_equal(stats(&w).queue_chunks, 0);
	time_pass(NS_PER_S);
	buffer_settle(w.b);
	assert_int_equal(stats(&w).queue_chunks, 1);
	assert_int_equal(stats(&w).stage_chunks, 1);
	/* The wall clock is set forward; a timer of the monotonic clock would not see it. */
	world_append(&w, 1, 3, fake_wall + 3600 * NS_PER_S);
	buffer_settle(w.b);
	fake_wall += 3601 * NS_PER_S;
	buffer_settle(w.b);
	assert_int_equal(stats(&w).queue_chunks, 2);
	world_free(&w);
}

static void *taker(void *arg)
{
	struct world *w = arg;
	return buffer_take(w->b, -1);
}

static void wait_for_takers(struct world *w, unsigned n)
{
	for (unsigned got = 0; got != n;) {
		pthread_mutex_lock(&w->b->lock);
		got = w->b->takers;
		pthread_mutex_unlock(&w->b->lock);
		sched_yield();
	}
}

static void immediate_queues_what_a_flush_thread_waits_for(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	w.o.flush_mode = BUFFER_FLUSH_IMMEDIATE;
	world_must_open(&w);
	/* Nobody waits: it gathers. */
	world_append(&w, 1, 0, 0);
	world_append(&w, 1, 0, 0);
	buffer_settle(w.b);
	assert_int_equal(stats(&w).queue_chunks, 0);
	assert_int_equal(stats(&w).stage_chunks, 1);
	/* Somebody comes: it is his. */
	struct chunk *c = buffer_take(w.b, -1);
	assert_non_null(c);
	uint64_t frames = 0;
	assert_true(world_read(&w, c, &frames));
	assert_int_equal(frames, 2);
	/* Somebody waits: what comes is his at once. */
	pthread_t t;
	void *got;
	assert_int_equal(pthread_create(&t, NULL, taker, &w), 0);
	wait_for_takers(&w, 1);
	world_append(&w, 1, 0, 0);
	pthread_join(t, &got);
	assert_non_null(got);
	assert_int_equal(stats(&w).stage_chunks, 0);
	assert_true(world_commit(&w, c));
	assert_true(world_commit(&w, got));
	world_free(&w);
}

static void flush_all_queues_and_wakes(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	world_append(&w, 1, 0, 0);
	world_append(&w, 1, 1, 0);
	buffer_settle(w.b);
	assert_null(buffer_take(w.b, 0));
	buffer_flush_all(w.b);
	buffer_settle(w.b);
	struct chunk *a = buffer_take(w.b, 0), *b = buffer_take(w.b, 0);
	assert_non_null(a);
	assert_non_null(b);
	buffer_retry(w.b, a, 1000 * NS_PER_S);
	buffer_retry(w.b, b, 1000 * NS_PER_S);
	assert_null(buffer_take(w.b, 0));
	assert_null(buffer_take(w.b, NS_PER_MS));
	buffer_flush_all(w.b);
	assert_ptr_equal(buffer_take(w.b, 0), a);
	buffer_release(w.b, a);
	world_free(&w);
}

/*
 * ---- the taking side
 * -------------------------------------------------------------------------------------------------
 */

static void make_chunks(struct world *w, unsigned n)
{
	while (n--) {
		world_append(w, 2, 0, 0);
		buffer_settle(w->b);
		buffer_flush_all(w->b);
		buffer_settle(w->b);
	}
}

static void the_oldest_that_is_due_is_taken_first(void **state)
{
	(void)state;
	static struct world w;
	struct chunk *c[5];
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	make_chunks(&w, 5);
	for (int i = 0; i < 5; i++) {
		c[i] = buffer_take(w.b, 0);
		assert_non_null(c[i]);
		assert_true(i == 0 || strcmp(c[i]->name, c[i - 1]->name) > 0);
	}
	assert_null(buffer_take(w.b, 0));
	buffer_release(w.b, c[3]);
	buffer_retry(w.b, c[0], 5 * NS_PER_S);
	buffer_retry(w.b, c[1], 3 * NS_PER_S);
	buffer_release(w.b, c[2]);
	assert_ptr_equal(buffer_take(w.b, 0), c[2]);
	assert_ptr_equal(buffer_take(w.b, 0), c[3]);
	assert_null(buffer_take(w.b, 0));
	time_pass(4 * NS_PER_S);
	assert_ptr_equal(buffer_take(w.b, 0), c[1]);
	assert_null(buffer_take(w.b, 0));
	time_pass(2 * NS_PER_S);
	buffer_release(w.b, c[4]);
	assert_ptr_equal(buffer_take(w.b, 0), c[0]); /* older than c[4] */
	assert_int_equal(stats(&w).queue_chunks, 5);
	assert_int_equal(stats(&w).oldest_ns, c[0]->created_ns);
	for (int i = 0; i < 4; i++)
		buffer_release(w.b, c[i]);
	world_free(&w);
}

static void a_step_of_the_clock_uses_up_no_retries(void **state)
{
	(void)state;
	static struct world w;
	struct chunk_info info;
	world_init(&w, 1);
	world_must_open(&w);
	make_chunks(&w, 1);
	struct chunk *c = buffer_take(w.b, 0);
	buffer_hold(w.b, c, 0);
	fake_wall += 1000000 * NS_PER_S;
	time_pass(3 * NS_PER_S);
	c = buffer_take(w.b, 0);
	chunk_info(c, &info);
	assert_int_equal(info.attempts, 0);
	assert_int_equal(info.failing_ns, 3 * NS_PER_S);
	fake_wall -= 2000000 * NS_PER_S;
	chunk_info(c, &info);
	assert_int_equal(info.failing_ns, 3 * NS_PER_S);
	buffer_hold(w.b, c, 0);
	world_close(&w);
	world_must_open(&w);
	c = buffer_take(w.b, 0);
	chunk_info(c, &info); /* it failed first in what seems to be the future */
	assert_int_equal(info.failing_ns, 0);
	assert_true(info.first_failed_ns > 0);
	buffer_release(w.b, c);
	world_free(&w);
}

static void retries_are_counted_over_restarts(void **state)
{
	(void)state;
	static struct world w;
	struct chunk_info info;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	make_chunks(&w, 2);
	int64_t first = 0;
	for (uint32_t i = 0; i < 4; i++) {
		struct chunk *c = buffer_take(w.b, 0);
		chunk_info(c, &info);
		assert_int_equal(info.attempts, i);
		assert_int_equal(info.first_failed_ns, first);
		assert_int_equal(info.records, c->records);
		if (!first)
			first = fake_wall;
		buffer_retry(w.b, c, 0);
		time_pass(NS_PER_S);
		world_close(&w);
		world_must_open(&w);
	}
	struct chunk *c = buffer_take(w.b, 0), *d = buffer_take(w.b, 0);
	chunk_info(c, &info);
	assert_int_equal(info.attempts, 4);
	chunk_info(d, &info);
	assert_int_equal(info.attempts, 0);
	buffer_release(w.b, c);
	buffer_release(w.b, d);
	world_drain(&w);
	world_close(&w);
	assert_int_equal(sim_names(w.sim, FOLDER, NULL, NULL), 2); /* the progress went with the chunk */
	world_free(&w);
}

static void take_waits_as_long_as_it_says(void **state)
{
	(void)state;
	static struct world w;
	pthread_t t[3];
	void *got[3];
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	clock_replace(NULL, NULL);
	world_must_open(&w);
	int64_t start = clock_mono_ns();
	assert_null(buffer_take(w.b, 20 * NS_PER_MS));
	assert_true(clock_mono_ns() - start >= 20 * NS_PER_MS);
	/* Woken by a chunk, by a retry that is due, by the end. */
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, taker, &w);
	wait_for_takers(&w, 3);
	make_chunks(&w, 1);
	wait_for_takers(&w, 2);
	make_chunks(&w, 1);
	wait_for_takers(&w, 1);
	buffer_end_output(w.b);
	unsigned chunks = 0;
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &got[i]);
		chunks += got[i] != NULL;
	}
	assert_int_equal(chunks, 2);
	for (int i = 0; i < 3; i++)
		if (got[i])
			buffer_release(w.b, got[i]);
	assert_null(buffer_take(w.b, -1));
	world_close(&w);
	world_must_open(&w);
	struct chunk *c = buffer_take(w.b, -1);
	buffer_retry(w.b, c, 30 * NS_PER_MS);
	buffer_release(w.b, buffer_take(w.b, 0)); /* the other one */
	struct chunk *d = buffer_take(w.b, -1);
	start = clock_mono_ns();
	assert_ptr_equal(buffer_take(w.b, -1), c);
	buffer_release(w.b, c);
	buffer_release(w.b, d);
	world_free(&w);
}

/* Several threads sleep; retries become due: each is woken, also after the one that watched the clock has gone. */
static void sleepers_are_woken_for_each_retry(void **state)
{
	(void)state;
	static struct world w;
	pthread_t t[3];
	void *got[3];
	uint64_t id = 0;
	world_init(&w, 1);
	w.o.chunk_limit_records = 1; /* each frame is a chunk at once */
	clock_replace(NULL, NULL);
	world_must_open(&w);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 2; i++)
			buffer_append(w.b, big_frame(++id, 10), (struct span){NULL, 0}, 0);
		struct chunk *a = buffer_take(w.b, -1), *b = buffer_take(w.b, -1);
		for (int i = 0; i < 3; i++)
			pthread_create(&t[i], NULL, taker, &w);
		wait_for_takers(&w, 3);
		buffer_retry(w.b, a, 5 * NS_PER_MS);
		buffer_retry(w.b, b, 5 * NS_PER_MS);
		buffer_append(w.b, big_frame(++id, 10), (struct span){NULL, 0}, 0); /* takes one of the sleepers away */
		for (int i = 0; i < 3; i++) {
			pthread_join(t[i], &got[i]);
			assert_non_null(got[i]);
			assert_true(buffer_commit(w.b, got[i], &w.err));
		}
	}
	world_free(&w);
}

static void a_reader_may_seek_to_any_frame(void **state)
{
	(void)state;
	static struct world w;
	uint64_t offsets[100], ids[100], n = 0;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	for (int i = 0; i < 10; i++) {
		world_append(&w, 5, 0, 0);
		buffer_settle(w.b);
	}
	buffer_flush_all(w.b);
	buffer_settle(w.b);
	struct chunk *c = buffer_take(w.b, 0);
	struct chunk_reader *r = chunk_reader_open(w.b, c, &w.err);
	struct frame_view v;
	while (chunk_reader_next(r, &v, &w.err) == CHUNK_FRAME) {
		offsets[n] = v.offset;
		ids[n++] = le64_get(v.key);
	}
	assert_int_equal(n, 50);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t k = mix(i) % n;
		chunk_reader_seek(r, offsets[k]);
		for (; k < n && k % 7; k++) {
			assert_int_equal(chunk_reader_next(r, &v, &w.err), CHUNK_FRAME);
			assert_int_equal(le64_get(v.key), ids[k]);
			assert_int_equal(v.offset, offsets[k]);
		}
	}
	chunk_reader_seek(r, 0); /* the beginning */
	assert_int_equal(chunk_reader_next(r, &v, &w.err), CHUNK_FRAME);
	assert_int_equal(le64_get(v.key), ids[0]);
	chunk_reader_seek(r, UINT64_MAX / 2);
	assert_int_equal(chunk_reader_next(r, &v, &w.err), CHUNK_END);
	chunk_reader_close(r);
	chunk_reader_close(NULL);
	assert_int_equal(stats(&w).damaged_frames, 0);
	buffer_release(w.b, c);
	world_free(&w);
}

/*
 * ---- progress
 * --------------------------------------------------------------------------------------------------------
 */

static void save(struct world *w, struct chunk *c, uint32_t i, bool sync)
{
	struct chunk_pending pending[20];
	struct chunk_progress p = {
		.next_offset = 4096 + 8 * i, .next_index = i, .pending = pending, .pending_count = i % 20};
	for (uint32_t k = 0; k < i % 20; k++)
		pending[k] = (struct chunk_pending){4096 + 64 * k, k + i};
	if (!chunk_progress_save(w->b, c, &p, sync, &w->err))
		fail_msg("%s", w->err.text);
}

static uint32_t load(struct world *w, struct chunk *c)
{
	struct chunk_progress p;
	chunk_progress_load(w->b, c, &p);
	uint32_t i = p.next_index;
	assert_int_equal(p.next_offset, i ? 4096 + 8 * i : 0);
	assert_int_equal(p.pending_count, i % 20);
	for (uint32_t k = 0; k < i % 20; k++) {
		assert_int_equal(p.pending[k].offset, 4096 + 64 * k);
		assert_int_equal(p.pending[k].index, k + i);
	}
	mem_free(p.pending);
	return i;
}

static void progress_is_kept_and_survives_retries(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	make_chunks(&w, 1);
	struct chunk *c = buffer_take(w.b, 0);
	assert_int_equal(load(&w, c), 0);
	for (uint32_t i = 1; i < 50; i++) {
		save(&w, c, i, i % 3 == 0);
		assert_int_equal(load(&w, c), i);
	}
	buffer_retry(w.b, c, 0);
	world_close(&w);
	world_must_open(&w);
	c = buffer_take(w.b, 0);
	assert_int_equal(load(&w, c), 49);
	struct chunk_info info;
	chunk_info(c, &info);
	assert_int_equal(info.attempts, 1);
	save(&w, c, 55, true);
	buffer_release(w.b, c);
	world_close(&w);
	world_must_open(&w);
	c = buffer_take(w.b, 0);
	chunk_info(c, &info);
	assert_int_equal(info.attempts, 1);
	assert_int_equal(load(&w, c), 55);
	buffer_release(w.b, c);
	world_free(&w);
}

/* A chunk that comes back after its commit failed half-way is not delivered from its beginning. */
static void a_commit_that_fails_keeps_the_progress(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	make_chunks(&w, 1);
	struct chunk *c = buffer_take(w.b, 0);
	save(&w, c, 33, true);
	sim_fail(w.sim, SIM_UNLINK, 0, 1, EROFS);
	assert_false(buffer_commit(w.b, c, &w.err));
	assert_int_equal(w.err.code, EROFS);
	assert_true(buffer_is_empty(w.b)); /* not delivered twice in this life */
	world_close(&w);
	world_must_open(&w);
	c = buffer_take(w.b, 0);
	assert_non_null(c);
	assert_int_equal(load(&w, c), 33);
	buffer_release(w.b, c);
	world_free(&w);
}

static void progress_never_goes_back_behind_what_was_synced(void **state)
{
	(void)state;
	static struct world w;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		world_init(&w, seed);
		w.o.chunk_limit_size = 1u << 20;
		world_must_open(&w);
		make_chunks(&w, 1);
		struct chunk *c = buffer_take(w.b, 0);
		uint32_t synced = 0, last = (uint32_t)sim_random(w.sim, 20);
		for (uint32_t i = 1; i <= last; i++) {
			bool sync = sim_random(w.sim, 3) == 0;
			save(&w, c, i, sync);
			synced = sync ? i : synced;
		}
		buffer_release(w.b, c);
		sim_die(w.sim);
		world_close(&w);
		sim_power_cut(w.sim);
		world_must_open(&w);
		world_wait_recovered(&w);
		c = buffer_take(w.b, 0);
		uint32_t got = load(&w, c);
		if (got < synced || got > last)
			fail_msg("seed %llu: %u saved, %u of them for sure, %u found", (unsigned long long)seed, last,
				synced, got);
		buffer_release(w.b, c);
		world_free(&w);
	}
}

static void damaged_progress_means_from_the_beginning(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	make_chunks(&w, 2);
	struct chunk *c = buffer_take(w.b, 0), *d = buffer_take(w.b, 0);
	char path[100], other[100];
	size_t n, m;
	save(&w, c, 7, true);
	save(&w, d, 8, true);
	snprintf(path, sizeof path, FOLDER "/%s.progress", c->name);
	snprintf(other, sizeof other, FOLDER "/%s.progress", d->name);
	uint8_t *p = sim_get(w.sim, path, &n), *q = sim_get(w.sim, other, &m);
	for (size_t i = 0; i < n; i++) {
		p[i] ^= 0x10;
		sim_put(w.sim, path, p, n);
		assert_int_equal(load(&w, c), 0);
		p[i] ^= 0x10;
	}
	for (size_t i = 0; i < n; i++) {
		sim_put(w.sim, path, p, i);
		assert_int_equal(load(&w, c), 0);
	}
	sim_put(w.sim, path, q, m); /* of another chunk */
	assert_int_equal(load(&w, c), 0);
	sim_put(w.sim, path, p, n);
	assert_int_equal(load(&w, c), 7);
	free(p);
	free(q);
	buffer_release(w.b, c);
	buffer_release(w.b, d);
	world_free(&w);
}

/*
 * ---- room
 * ------------------------------------------------------------------------------------------------------------
 */

static void total_limit(void **state)
{
	(void)state;
	static struct world w;
	for (int mode = BUFFER_BLOCK; mode <= BUFFER_DROP_OLDEST; mode++) {
		world_init(&w, 1);
		w.o.total_limit_size = 400000;
		w.o.chunk_limit_size = 100000;
		w.o.overflow = (enum buffer_overflow)mode;
		world_must_open(&w);
		enum buffer_admit admit = BUFFER_OK;
		uint64_t id = 0;
		for (; id < 40 && (admit = buffer_admit(w.b, 30000)) == BUFFER_OK;) {
			buffer_append(w.b, big_frame(++id, 30000), (struct span){NULL, 0}, 0);
			buffer_settle(w.b);
			assert_true(w.b->used_bytes <= w.o.total_limit_size + 40000);
		}
		assert_int_equal(w.reported, id);
		assert_int_equal(stats(&w).full, mode != BUFFER_DROP_OLDEST);
		if (mode == BUFFER_DROP_OLDEST) {
			assert_int_equal(id, 40);
			assert_true(stats(&w).dropped_chunks > 5);
			assert_int_equal(
				stats(&w).dropped_records + stats(&w).queue_records + stats(&w).stage_records, 40);
			/* What is taken is not dropped. */
			struct chunk *c[10];
			int n = 0;
			while ((c[n] = buffer_take(w.b, 0)))
				n++;
			buffer_append(w.b, big_frame(++id, 30000), (struct span){NULL, 0}, 0);
			buffer_settle(w.b);
			while ((c[n] = buffer_take(w.b, 0)))
				n++;
			assert_int_equal(buffer_admit(w.b, 300000), BUFFER_WAIT);
			while (n)
				buffer_release(w.b, c[--n]);
			world_free(&w);
			continue;
		}
		assert_int_equal(admit, mode == BUFFER_BLOCK ? BUFFER_WAIT : BUFFER_REFUSED);
		assert_true(id >= 10 && id <= 13);
		assert_int_equal(w.on_space, 0);
		struct chunk *c = buffer_take(w.b, 0);
		assert_true(buffer_commit(w.b, c, &w.err));
		assert_int_equal(w.on_space, mode == BUFFER_BLOCK);
		assert_false(stats(&w).full);
		assert_int_equal(buffer_admit(w.b, 30000), BUFFER_OK);
		world_free(&w);
	}
}

/* Lazy, and full of what is only staged: it is queued, or nothing would ever move again. */
static void a_full_stage_is_queued(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.total_limit_size = 100000;
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	buffer_append(w.b, big_frame(1, 90000), (struct span){NULL, 0}, 0);
	buffer_settle(w.b);
	assert_null(buffer_take(w.b, 0));
	assert_int_equal(buffer_admit(w.b, 20000), BUFFER_WAIT);
	buffer_settle(w.b);
	struct chunk *c = buffer_take(w.b, 0);
	assert_non_null(c);
	assert_true(buffer_commit(w.b, c, &w.err));
	assert_int_equal(w.on_space, 1);
	assert_int_equal(buffer_admit(w.b, 20000), BUFFER_OK);
	/* What is greater than the limit goes in alone. */
	assert_int_equal(buffer_admit(w.b, 2000000), BUFFER_OK);
	world_free(&w);
}

static void pending_limit(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.pending_limit = 100000;
	world_must_open(&w);
	sim_fail(w.sim, SIM_PWRITEV, 0, 1, ENOSPC); /* stalls: all that comes is pending */
	buffer_append(w.b, big_frame(1, 60000), (struct span){NULL, 0}, 0);
	buffer_settle(w.b);
	atomic_store(&w.b->stalled, 0); /* only the limit of the memory is looked at here */
	assert_int_equal(buffer_admit(w.b, 30000), BUFFER_OK);
	assert_int_equal(buffer_admit(w.b, 50000), BUFFER_WAIT);
	atomic_store(&w.b->stalled, ENOSPC);
	time_pass(2 * NS_PER_S);
	buffer_settle(w.b);
	assert_int_equal(w.on_space, 1);
	assert_int_equal(buffer_admit(w.b, 50000), BUFFER_OK);
	world_free(&w);
}

/*
 * ---- ends
 * ------------------------------------------------------------------------------------------------------------
 */

static void end_of_input_seals_all_and_output_goes_on(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	world_append(&w, 20, 0, 0);
	world_append(&w, 20, 1, 0);
	buffer_end_input(w.b);
	assert_int_equal(w.reported, 40);
	assert_int_equal(stats(&w).stage_chunks, 0);
	uint64_t frames = 0;
	struct chunk *c;
	while ((c = buffer_take(w.b, 0))) {
		assert_true(world_read(&w, c, &frames));
		assert_true(world_commit(&w, c));
	}
	assert_int_equal(frames, 40);
	assert_true(buffer_is_empty(w.b));
	buffer_end_input(w.b);
	world_ok(&w);
	world_free(&w);
	buffer_close(NULL);
}

static void options_that_make_no_sense(void **state)
{
	(void)state;
	static struct world w;
	for (int i = 0; i < 3; i++) {
		world_init(&w, 1);
		*(i == 0 ? &w.o.chunk_limit_size : i == 1 ? &w.o.total_limit_size : &w.o.pending_limit) = 0;
		assert_false(world_open(&w));
		assert_true(strlen(w.err.text) > 0);
		world_free(&w);
	}
}

/* The removal of a chunk is made durable within a second or so, so that it is not delivered again after a power cut. */
static void commits_are_synced_soon(void **state)
{
	(void)state;
	static struct world w;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		world_init(&w, seed);
		w.o.chunk_limit_size = 1u << 20;
		world_must_open(&w);
		make_chunks(&w, 3);
		for (int i = 0; i < 3; i++) {
			struct chunk *c = buffer_take(w.b, 0);
			assert_true(buffer_commit(w.b, c, &w.err));
		}
		time_pass(NS_PER_S + 1);
		buffer_settle(w.b);
		sim_die(w.sim);
		world_close(&w);
		sim_power_cut(w.sim);
		world_must_open(&w);
		assert_int_equal(world_drain(&w), 0);
		world_free(&w);
	}
}

static void names_are_in_order_also_when_the_clock_is_not(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	for (int i = 0; i < 10; i++) {
		world_append(&w, 1, 0, 0);
		buffer_settle(w.b);
		buffer_flush_all(w.b);
		buffer_settle(w.b);
		fake_wall += i % 2 ? 3600 * NS_PER_S : -3600 * NS_PER_S;
	}
	char last[40] = "";
	for (int i = 0; i < 10; i++) {
		struct chunk *c = buffer_take(w.b, 0);
		assert_true(strcmp(c->name, last) > 0);
		snprintf(last, sizeof last, "%s", c->name);
		assert_true(world_read(&w, c, NULL));
		assert_true(w.frame[i + 1].found); /* in order of arrival */
		assert_true(world_commit(&w, c));
	}
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_back_as_they_went),
		cmocka_unit_test(a_clean_stop_and_start_loses_and_repeats_nothing),
		cmocka_unit_test(a_group_is_one_write_and_one_sync),
		cmocka_unit_test(large_groups),
		cmocka_unit_test(frames_greater_than_a_chunk_go_alone),
		cmocka_unit_test(limits_of_frame_new),
		cmocka_unit_test(stage_keys_do_not_mix),
		cmocka_unit_test(stage_keys_of_any_length_are_kept_over_a_restart),
		cmocka_unit_test(chunk_limits),
		cmocka_unit_test(flush_interval_counts_from_the_first_frame),
		cmocka_unit_test(a_due_time_queues_whatever_the_mode),
		cmocka_unit_test(immediate_queues_what_a_flush_thread_waits_for),
		cmocka_unit_test(flush_all_queues_and_wakes),
		cmocka_unit_test(the_oldest_that_is_due_is_taken_first),
		cmocka_unit_test(retries_are_counted_over_restarts),
		cmocka_unit_test(a_step_of_the_clock_uses_up_no_retries),
		cmocka_unit_test(take_waits_as_long_as_it_says),
		cmocka_unit_test(sleepers_are_woken_for_each_retry),
		cmocka_unit_test(a_reader_may_seek_to_any_frame),
		cmocka_unit_test(progress_is_kept_and_survives_retries),
		cmocka_unit_test(a_commit_that_fails_keeps_the_progress),
		cmocka_unit_test(progress_never_goes_back_behind_what_was_synced),
		cmocka_unit_test(damaged_progress_means_from_the_beginning),
		cmocka_unit_test(total_limit),
		cmocka_unit_test(a_full_stage_is_queued),
		cmocka_unit_test(pending_limit),
		cmocka_unit_test(end_of_input_seals_all_and_output_goes_on),
		cmocka_unit_test(options_that_make_no_sense),
		cmocka_unit_test(commits_are_synced_soon),
		cmocka_unit_test(names_are_in_order_also_when_the_clock_is_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
