/* The books: what was stored is what has gone and what is there, over restarts, kills and missing files. */
#include "harness.h"

#include <stdlib.h>

static struct buffer_ledger books(struct world *w)
{
	struct buffer_stats s;
	buffer_stats(w->b, &s);
	world_books(w);
	world_ok(w);
	return s.ledger;
}

static uint64_t records_of(struct world *w, uint64_t from, uint64_t to)
{
	uint64_t records = 0;
	(void)w;
	for (uint64_t id = from; id < to; id++) {
		struct frame *f = frame_of(id);
		records += f->count;
		frame_free(f);
	}
	return records;
}

static void queue_some(struct world *w, unsigned frames)
{
	world_append(w, frames, 0, 0);
	buffer_settle(w->b);
	buffer_flush_all(w->b);
	buffer_settle(w->b);
}

static struct chunk *take(struct world *w)
{
	struct chunk *c = buffer_take(w->b, 0);
	assert_non_null(c);
	return c;
}

enum end { CLOSE, KILL, POWER_CUT };

static void live_again(struct world *w, enum end end)
{
	if (end != CLOSE)
		sim_die(w->sim);
	world_close(w);
	if (end == KILL)
		sim_kill(w->sim, false);
	if (end == POWER_CUT)
		sim_power_cut(w->sim);
	world_must_open(w);
	world_wait_recovered(w);
}

/* Each outcome, in a life that ends in each way. */
static void outcomes_last(void **state)
{
	(void)state;
	static struct world w;
	for (enum end end = CLOSE; end <= POWER_CUT; end++) {
		world_init(&w, 1);
		world_must_open(&w);
		for (int i = 0; i < 4; i++)
			queue_some(&w, 10);
		uint64_t all = records_of(&w, 1, w.next_id);
		assert_int_equal(books(&w).stored, all);
		struct chunk *whole = take(&w), *parts = take(&w), *again = take(&w);
		struct chunk_info info;
		chunk_info(whole, &info);
		uint64_t first = info.records;
		chunk_info(parts, &info);
		uint64_t second = info.records;
		assert_true(buffer_commit(w.b, whole, &w.err));
		chunk_account(parts, &(struct buffer_ledger){.delivered = second - 6, .already_there = 3, .dead = 2});
		assert_true(buffer_commit(w.b, parts, &w.err)); /* one is missing: damage that the taker met */
		struct chunk_progress p = {.next_offset = 8192, .outcome = {.delivered = 5}};
		assert_true(chunk_progress_save(w.b, again, &p, true, &w.err));
		buffer_release(w.b, again);
		time_pass(2 * NS_PER_S); /* what was committed is synced */
		buffer_settle(w.b);
		for (int life = 0; life < 3; life++) {
			struct buffer_ledger l = books(&w);
			assert_int_equal(l.stored, all);
			assert_int_equal(l.delivered, first + second - 6);
			assert_int_equal(l.already_there, 3);
			assert_int_equal(l.dead, 2);
			assert_int_equal(l.lost, 1);
			live_again(&w, end);
		}
		struct chunk_progress got;
		again = take(&w);
		chunk_progress_load(w.b, again, &got);
		assert_int_equal(got.outcome.delivered, 5);
		mem_free(got.pending);
		buffer_release(w.b, again);
		world_free(&w);
	}
}

/* It dies at each step of a commit: what is there again is still to be delivered, and nothing counts twice. */
static void a_commit_counts_once(void **state)
{
	(void)state;
	static struct world w;
	for (uint64_t step = 1; step <= 6; step++) {
		for (enum end end = KILL; end <= POWER_CUT; end++) {
			world_init(&w, step);
			world_must_open(&w);
			queue_some(&w, 10);
			queue_some(&w, 10);
			uint64_t all = records_of(&w, 1, w.next_id);
			struct chunk *c = take(&w);
			sim_die_at(w.sim, step);
			(void)buffer_commit(w.b, c, &w.err);
			live_again(&w, end);
			struct buffer_ledger l = books(&w);
			assert_true(
				end == POWER_CUT || l.stored == all); /* the number may be younger than the last sync */
			assert_int_equal(l.lost, 0);
			world_drain(&w);
			l = books(&w);
			assert_true(l.delivered == all || (end == POWER_CUT && l.delivered < all));
			world_free(&w);
		}
	}
}

static void take_away(struct world *w, const struct chunk *c)
{
	char path[100];
	struct chunk_info info;
	chunk_info(c, &info);
	snprintf(path, sizeof path, FOLDER "/%s.chunk", info.id);
	assert_int_equal(w->vfs->unlink(w->vfs->ctx, path), 0);
	w->vfs->sync_dir(w->vfs->ctx, FOLDER);
}

/* Somebody removes a chunk's file while weir runs: noticed, counted, and the others go on. */
static void a_missing_file_is_struck_out(void **state)
{
	(void)state;
	static struct world w;
	struct buffer_stats s;
	for (int how = 0; how < 3; how++) {
		world_init(&w, 1);
		world_must_open(&w);
		for (int i = 0; i < 3; i++)
			queue_some(&w, 10);
		uint64_t gone = records_of(&w, 1, 11);
		struct chunk *c = take(&w);
		take_away(&w, c);
		assert_null(chunk_reader_open(w.b, c, &w.err));
		if (how == 0)
			buffer_retry(w.b, c, NS_PER_S);
		else if (how == 1)
			buffer_release(w.b, c);
		else /* nobody has tried to read it */
			assert_true(buffer_commit(w.b, c, &w.err));
		buffer_stats(w.b, &s);
		assert_int_equal(s.queue_chunks, 2);
		assert_int_equal(s.missing_chunks, how < 2);
		assert_int_equal(books(&w).lost, how < 2 ? gone : 0);
		assert_int_equal(world_drain(&w), 20);
		assert_true(buffer_is_empty(w.b));
		live_again(&w, CLOSE);
		assert_int_equal(books(&w).lost, how < 2 ? gone : 0);
		world_free(&w);
	}
}

/* The same while weir does not run: the books of the last life say what is missing. */
static void what_is_removed_meanwhile_is_lost(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	world_must_open(&w);
	queue_some(&w, 10);
	queue_some(&w, 10);
	struct chunk *c = take(&w);
	buffer_release(w.b, c);
	char path[100];
	snprintf(path, sizeof path, FOLDER "/%s.chunk", c->name);
	world_close(&w);
	assert_int_equal(w.vfs->unlink(w.vfs->ctx, path), 0);
	world_must_open(&w);
	assert_int_equal(books(&w).lost, records_of(&w, 1, 11));
	assert_int_equal(books(&w).stored, records_of(&w, 1, 21));
	live_again(&w, CLOSE);
	assert_int_equal(books(&w).lost, records_of(&w, 1, 11));
	world_free(&w);
}

static void dropped_chunks_are_in_the_books(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	w.o.overflow = BUFFER_DROP_OLDEST;
	w.o.total_limit_size = 200000;
	world_must_open(&w);
	for (int i = 0; i < 30; i++)
		queue_some(&w, 10);
	struct buffer_stats s;
	buffer_stats(w.b, &s);
	assert_true(s.dropped_chunks > 0);
	assert_int_equal(books(&w).dropped, s.dropped_records);
	assert_int_equal(books(&w).stored, records_of(&w, 1, w.next_id));
	live_again(&w, KILL);
	assert_int_equal(books(&w).dropped, s.dropped_records);
	world_free(&w);
}

/* A long life: the file begins anew and never grows without bound. */
static void the_file_stays_short(void **state)
{
	(void)state;
	static struct world w;
	size_t n;
	world_init(&w, 1);
	world_must_open(&w);
	w.next_id = 7; /* a frame with events */
	while (!records_of(&w, w.next_id, w.next_id + 1))
		w.next_id++;
	uint64_t id = w.next_id, each = records_of(&w, id, id + 1), rounds = 9000;
	for (uint64_t i = 0; i < rounds; i++) {
		w.next_id = id;
		w.last_reported = 0;
		w.frame[id].acked = false;
		queue_some(&w, 1);
		assert_true(buffer_commit(w.b, take(&w), &w.err));
		if (i % 1000 == 0)
			time_pass(2 * NS_PER_S);
	}
	time_pass(2 * NS_PER_S);
	buffer_settle(w.b);
	free(sim_get(w.sim, FOLDER "/LEDGER", &n));
	assert_true(n < 8192 * 128);
	assert_int_equal(books(&w).delivered, rounds * each);
	live_again(&w, POWER_CUT);
	assert_int_equal(books(&w).delivered, rounds * each);
	world_free(&w);
}

/* Any bytes as books: a running buffer, whose books balance, and the bytes are kept. */
static void bad_books_harm_nothing(void **state)
{
	(void)state;
	static struct world w;
	for (uint64_t seed = 1; seed < 60; seed++) {
		world_init(&w, seed);
		world_must_open(&w);
		queue_some(&w, 5);
		assert_true(buffer_commit(w.b, take(&w), &w.err));
		queue_some(&w, 5);
		world_close(&w);
		size_t n;
		uint8_t *p = sim_get(w.sim, FOLDER "/LEDGER", &n);
		bool first = seed % 2;
		size_t at = first ? sim_random(w.sim, 128) : 128 + sim_random(w.sim, n - 128);
		p[at] = (uint8_t)(p[at] ^ 1u << sim_random(w.sim, 8));
		sim_put(w.sim, FOLDER "/LEDGER", p, seed % 3 ? n : sim_random(w.sim, n));
		free(p);
		world_must_open(&w);
		(void)books(&w);
		world_drain(&w);
		(void)books(&w);
		uint8_t *kept = sim_get(w.sim, FOLDER "/backup/LEDGER", &n);
		assert_true(!first || seed % 3 == 0 || kept);
		free(kept);
		world_free(&w);
	}
}

/* No call of the books' may keep the buffer from anything. */
static void books_that_cannot_be_written_harm_nothing(void **state)
{
	(void)state;
	static struct world w;
	static const int codes[] = {EIO, ENOSPC, EACCES};
	for (uint64_t n = 0, over = 0; !over; n++) {
		for (size_t i = 0; i < 3; i++) {
			world_init(&w, n + 1);
			world_must_open(&w);
			queue_some(&w, 10);
			struct chunk *c = take(&w);
			sim_fail(w.sim, SIM_PWRITEV | SIM_FDATASYNC, n, 1, codes[i]);
			assert_true(buffer_commit(w.b, c, &w.err));
			time_pass(2 * NS_PER_S);
			buffer_settle(w.b);
			over += !sim_has_failed(w.sim);
			sim_fail(w.sim, 0, 0, 0, 0);
			(void)books(&w);
			live_again(&w, KILL);
			(void)books(&w);
			world_free(&w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes_last),
		cmocka_unit_test(a_commit_counts_once),
		cmocka_unit_test(a_missing_file_is_struck_out),
		cmocka_unit_test(what_is_removed_meanwhile_is_lost),
		cmocka_unit_test(dropped_chunks_are_in_the_books),
		cmocka_unit_test(the_file_stays_short),
		cmocka_unit_test(bad_books_harm_nothing),
		cmocka_unit_test(books_that_cannot_be_written_harm_nothing),
	};
	frame_size_max = 1000; /* so that ten frames are one chunk */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
