/* Calls that fail: each one in turn, with each error; full disks, bad disks, syncs that lie. */
#include "harness.h"

#include <stdlib.h>
#include <unistd.h>

/* The same work each time: several groups, stages, files, a retry, a commit, a quiet second; then a second life. */
static void work(struct world *w)
{
	struct chunk *c;
	world_append(w, 3, 0, 0);
	buffer_settle(w->b);
	world_append(w, 2, 1, 0);
	world_append(w, 2, 0, 0);
	buffer_settle(w->b);
	time_pass(2 * NS_PER_S); /* marks; what stalled is tried again */
	buffer_settle(w->b);
	world_append(w, 4, 2, 0);
	buffer_settle(w->b);
	buffer_flush_all(w->b);
	buffer_settle(w->b);
	if ((c = buffer_take(w->b, 0))) {
		if (world_read(w, c, NULL))
			(void)world_commit(w, c);
		else
			buffer_retry(w->b, c, 0);
		world_forget(w);
	}
	if ((c = buffer_take(w->b, 0))) {
		struct chunk_pending left = {.offset = 4096};
		struct chunk_progress p = {
			.next_offset = 8192, .pending = &left, .pending_count = 1, .outcome = {.delivered = 1}};
		(void)chunk_progress_save(w->b, c, &p, true, &w->err);
		chunk_progress_load(w->b, c, &p);
		bool whole = p.next_offset == 8192 && p.pending_count == 1 && p.outcome.delivered == 1;
		if (!whole && (p.next_offset || p.pending_count))
			problem(w, "the progress is neither there nor not there");
		if (p.pending != &left)
			mem_free(p.pending);
		buffer_retry(w->b, c, 0);
	}
	world_append(w, 3, 0, 0);
	buffer_settle(w->b);
	time_pass(2 * NS_PER_S);
	buffer_settle(w->b);
}

enum fault_end { CLOSE, POWER_CUT, KILL };

/* Returns true if the fault came. */
static bool run(unsigned ops, uint64_t nth, uint64_t count, int code, enum fault_end end)
{
	static struct world w;
	world_init(&w, nth * 7 + (uint64_t)end);
	sim_fail(w.sim, ops, nth, count, code);
	bool opened = world_open(&w);
	if (opened) {
		work(&w);
		if (end != CLOSE)
			sim_die(w.sim);
		world_close(&w);
	}
	bool has_failed = sim_has_failed(w.sim);
	if (!opened && !has_failed)
		fail_msg("buffer_open: %s", w.err.text);
	if (end == POWER_CUT)
		sim_power_cut(w.sim);
	else
		sim_kill(w.sim, end == KILL);
	world_must_open(&w);
	world_drain(&w);
	world_judge(&w);
	struct buffer_stats s;
	buffer_stats(w.b, &s);
	if (s.damaged_frames)
		problem(&w, "false alarm");
	if (w.problem[0])
		fail_msg("call %llu of %x, %llu times, %s, then %d: %s", (unsigned long long)nth, ops,
			(unsigned long long)count, strerror(code), end, w.problem);
	world_free(&w);
	return has_failed;
}

static void each_call_fails(void **state)
{
	(void)state;
	static const struct {
		unsigned ops;
		int code;
	} faults[] = {
		{SIM_ANY, EIO},
		{SIM_OPEN, EMFILE},
		{SIM_OPEN, ENOSPC},
		{SIM_PREAD, EINTR},
		{SIM_PWRITEV, EINTR},
		{SIM_PWRITEV, ENOSPC},
		{SIM_PWRITEV, EIO},
		{SIM_FDATASYNC, EINTR},
		{SIM_FDATASYNC, EIO},
		{SIM_FDATASYNC, ENOSPC},
		{SIM_SYNC_DIR, EIO},
		{SIM_SYNC_DIR, ENOSPC},
		{SIM_RENAME, ENOSPC},
		{SIM_RENAME, EIO},
		{SIM_UNLINK, EROFS},
		{SIM_FTRUNCATE, EIO},
		{SIM_RESERVE, ENOSPC},
		{SIM_PWRITEV | SIM_FTRUNCATE, EIO},
		{SIM_CLOSE, EIO},
		{SIM_SIZE, EIO},
		{SIM_LIST, EIO},
	};
	static const uint64_t counts[] = {1, 2, 3, 1000000};
	uint64_t runs = 0;
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
			for (int end = CLOSE; end <= KILL; end++) {
				if (faults[i].code == EINTR && counts[k] > 3)
					continue; /* for ever is not what EINTR is */
				for (uint64_t n = 0;
					run(faults[i].ops, n, counts[k], faults[i].code, (enum fault_end)end); n++)
					runs++;
			}
	print_message("%llu runs\n", (unsigned long long)runs);
	assert_true(runs > 1000);
}

static void short_transfers_and_signals_change_nothing(void **state)
{
	(void)state;
	static struct world w;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		world_init(&w, seed);
		sim_chances(w.sim, 60, 40);
		world_must_open(&w);
		work(&w);
		assert_int_equal(w.reported, w.appended);
		world_drain(&w);
		for (uint64_t id = 1; id < w.next_id; id++)
			assert_true(w.frame[id].acked && w.frame[id].delivered);
		world_ok(&w);
		world_free(&w);
	}
}

/*
 * ---- a full disk
 * ---------------------------------------------------------------------------------------------------
 */

static struct buffer_stats stats(struct world *w)
{
	struct buffer_stats s;
	buffer_stats(w->b, &s);
	return s;
}

static void a_full_disk_stops_acks_and_not_delivery(void **state)
{
	(void)state;
	static struct world w;
	for (int code = 0; code < 3; code++) {
		world_init(&w, 3);
		world_must_open(&w);
		world_append(&w, 10, 0, 0);
		buffer_settle(w.b);
		buffer_flush_all(w.b);
		buffer_settle(w.b);
		uint64_t before = w.reported;
		assert_int_equal(before, 10);
		if (code == 0)
			sim_capacity(w.sim, sim_used(w.sim));
		else
			sim_fail(w.sim, SIM_PWRITEV | SIM_OPEN, 0, 1000000, code == 1 ? EDQUOT : EIO);
		world_append(&w, 10, 0, 0);
		buffer_settle(w.b);
		assert_int_equal(w.reported, before);
		assert_int_equal(stats(&w).write_errno, code == 0 ? ENOSPC : code == 1 ? EDQUOT : EIO);
		assert_int_equal(stats(&w).disk_full, code < 2);
		assert_true(stats(&w).pending_bytes > 0);
		assert_int_equal(buffer_admit(w.b, 10), BUFFER_WAIT);
		/* Not tried again before a second is over. */
		uint64_t calls = sim_calls(w.sim, SIM_ANY);
		buffer_settle(w.b);
		assert_int_equal(sim_calls(w.sim, SIM_ANY), calls);
		time_pass(NS_PER_S + 1);
		buffer_settle(w.b);
		assert_true(sim_calls(w.sim, SIM_ANY) > calls);
		assert_int_equal(w.reported, before);
		if (code) /* readers open files too */
			sim_fail(w.sim, SIM_PWRITEV, 0, 1000000, EIO);
		struct chunk *c = buffer_take(w.b, 0);
		assert_non_null(c);
		assert_true(world_read(&w, c, NULL));
		assert_true(world_commit(&w, c));
		assert_int_equal(w.reported, before);
		/* Room again. */
		assert_int_equal(w.on_space, 0);
		sim_capacity(w.sim, -1);
		sim_fail(w.sim, 0, 0, 0, 0);
		time_pass(NS_PER_S + 1);
		buffer_settle(w.b);
		assert_int_equal(w.reported, w.appended);
		assert_int_equal(w.on_space, 1);
		assert_int_equal(stats(&w).write_errno, 0);
		assert_false(stats(&w).disk_full);
		assert_int_equal(stats(&w).pending_bytes, 0);
		assert_int_equal(buffer_admit(w.b, 10), BUFFER_OK);
		world_drain(&w);
		world_judge(&w);
		world_ok(&w);
		for (uint64_t id = 1; id < w.next_id; id++)
			assert_true(w.frame[id].acked);
		world_free(&w);
	}
}

/* The write fails in the middle of a group: the file is as long as before, its next group follows on. */
static void a_broken_write_is_rolled_back(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 3);
	w.o.chunk_limit_size = 1u << 20;
	world_must_open(&w);
	world_append(&w, 2, 0, 0);
	buffer_settle(w.b);
	uint64_t size = stats(&w).stage_bytes;
	sim_capacity(w.sim, sim_used(w.sim) + CHUNK_BLOCK);
	world_append(&w, 20, 0, 0); /* more than a block */
	buffer_settle(w.b);
	assert_int_equal(stats(&w).write_errno, ENOSPC);
	assert_int_equal(stats(&w).stage_chunks, 1);
	assert_int_equal(stats(&w).stage_bytes, size);
	assert_int_equal(sim_used(w.sim), (int64_t)size + 2 * CHUNK_BLOCK); /* LOCK and LEDGER have one each */
	sim_capacity(w.sim, -1);
	time_pass(NS_PER_S + 1);
	buffer_settle(w.b);
	assert_int_equal(stats(&w).stage_chunks, 1);
	assert_int_equal(w.reported, 22);
	assert_int_equal(world_drain(&w), 22);
	world_judge(&w);
	world_ok(&w);
	world_free(&w);
}

static void min_free_bytes_is_kept(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 3);
	w.o.min_free_bytes = 100000;
	sim_capacity(w.sim, 150000);
	world_must_open(&w);
	assert_int_equal(buffer_admit(w.b, 10), BUFFER_OK);
	sim_capacity(w.sim, 90000);
	time_pass(NS_PER_S + 1);
	world_append(&w, 1, 0, 0); /* was admitted: it is written, and the disk asked */
	buffer_settle(w.b);
	assert_int_equal(w.reported, 1);
	assert_int_equal(buffer_admit(w.b, 10), BUFFER_WAIT);
	assert_true(stats(&w).disk_full);
	sim_capacity(w.sim, 200000);
	time_pass(NS_PER_S + 1);
	buffer_settle(w.b);
	assert_int_equal(w.on_space, 1);
	assert_int_equal(buffer_admit(w.b, 10), BUFFER_OK);
	world_close(&w);
	sim_capacity(w.sim, 90000);
	world_must_open(&w);
	assert_int_equal(buffer_admit(w.b, 10), BUFFER_WAIT);
	world_free(&w);
}

/* At the end of input a disk that stays full fails what is left: nobody waits for ever, nothing is acknowledged. */
static void end_of_input_on_a_full_disk(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 3);
	world_must_open(&w);
	world_append(&w, 3, 0, 0);
	buffer_settle(w.b);
	sim_capacity(w.sim, sim_used(w.sim));
	world_append(&w, 5, 0, 0);
	buffer_settle(w.b);
	world_append(&w, 5, 1, 0);
	buffer_end_input(w.b);
	assert_int_equal(w.reported, 13);
	assert_int_equal(stats(&w).failed_records + stats(&w).durable_records, stats(&w).appended_records);
	for (uint64_t id = 1; id <= 13; id++)
		assert_int_equal(w.frame[id].acked, id <= 3);
	world_ok(&w);
	world_free(&w);
}

/*
 * ---- a bad disk
 * ----------------------------------------------------------------------------------------------------
 */

/*
 * A file whose sync failed is not touched again; its frames are in a new one, each once, before they are
 * acknowledged.
 */
static void a_failed_sync_retires_the_file(void **state)
{
	(void)state;
	static struct world w;
	for (int again = 0; again < 2; again++) {
		world_init(&w, 5);
		w.o.chunk_limit_size = 1u << 20;
		world_must_open(&w);
		world_append(&w, 3, 0, 0);
		buffer_settle(w.b);
		sim_fail(w.sim, SIM_FDATASYNC, 0, 1 + (uint64_t)again, EIO);
		world_append(&w, 3, 0, 0);
		buffer_settle(w.b);
		assert_int_equal(w.reported, 6);
		assert_int_equal(stats(&w).sync_errors, 1 + again);
		assert_false(stats(&w).refusing);
		assert_int_equal(stats(&w).queue_chunks, 1);
		assert_int_equal(stats(&w).stage_chunks, 1);
		for (uint64_t id = 1; id <= 6; id++)
			assert_true(w.frame[id].acked);
		/* The retired chunk ends where it was durable. */
		struct chunk *c = buffer_take(w.b, 0);
		uint64_t frames = 0;
		assert_true(world_read(&w, c, &frames));
		assert_int_equal(frames, 3);
		buffer_release(w.b, c);
		world_forget(&w);
		sim_die(w.sim);
		world_close(&w);
		sim_kill(w.sim, true);
		world_must_open(&w);
		world_drain(&w);
		world_judge(&w);
		world_ok(&w);
		world_free(&w);
	}
}

static unsigned alarms;

static void count_alarms(
	void *arg, enum log_level level, const char *plugin, const char *message, const struct log_kv *facts)
{
	(void)arg;
	(void)plugin;
	(void)facts;
	if (level == LOG_ERROR && strstr(message, "syncs failed again and again"))
		alarms++;
}

static void three_failed_syncs_in_ten_minutes_refuse_input(void **state)
{
	(void)state;
	static struct world w;
	for (int slow = 0; slow < 2; slow++) {
		world_init(&w, 6);
		world_must_open(&w);
		log_threshold = LOG_ERROR;
		log_tap(count_alarms, NULL);
		int err = dup(2), null = open("/dev/null", O_WRONLY);
		dup2(null, 2);
		alarms = 0;
		world_append(&w, 2, 0, 0);
		buffer_settle(w.b);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(buffer_admit(w.b, 10), BUFFER_OK);
			sim_fail(w.sim, SIM_FDATASYNC, 0, 1, EIO);
			world_append(&w, 2, 0, 0);
			buffer_settle(w.b);
			time_pass((slow ? 6 : 4) * 60 * NS_PER_S);
			buffer_settle(w.b);
		}
		assert_int_equal(w.reported, w.appended);
		assert_int_equal(stats(&w).refusing, !slow);
		assert_int_equal(buffer_admit(w.b, 10), slow ? BUFFER_OK : BUFFER_REFUSED);
		for (uint64_t id = 1; id <= 8; id++) {
			assert_int_equal(w.frame[id].acked, slow || id <= 6);
			assert_int_equal(w.frame[id].failed, !slow && id > 6);
		}
		if (!slow) {
			/* once, and once a minute */
			unsigned before = alarms;
			assert_true(before >= 1);
			time_pass(61 * NS_PER_S);
			buffer_settle(w.b);
			assert_int_equal(alarms, before + 1);
			uint64_t syncs = sim_calls(w.sim, SIM_FDATASYNC | SIM_PWRITEV);
			world_append(&w, 2, 3, 0);
			buffer_settle(w.b);
			assert_int_equal(w.reported, w.appended);
			assert_true(w.frame[9].failed && w.frame[10].failed);
			assert_int_equal(sim_calls(w.sim, SIM_FDATASYNC | SIM_PWRITEV), syncs);
		}
		dup2(err, 2);
		close(err);
		close(null);
		log_tap(NULL, NULL);
		log_threshold = LOG_FATAL;
		world_drain(&w); /* delivery goes on */
		world_judge(&w);
		world_ok(&w);
		world_free(&w);
	}
}

/* A disk that is full only when it is synced (thin volumes, NFS) is full, not bad. */
static void enospc_at_sync_never_refuses(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 6);
	world_must_open(&w);
	sim_fail(w.sim, SIM_FDATASYNC, 0, 1000000, ENOSPC);
	world_append(&w, 2, 0, 0);
	for (int i = 0; i < 5; i++) {
		buffer_settle(w.b);
		assert_int_equal(buffer_admit(w.b, 10), BUFFER_WAIT);
		assert_true(stats(&w).disk_full);
		assert_false(stats(&w).refusing);
		time_pass(NS_PER_S + 1);
	}
	sim_fail(w.sim, 0, 0, 0, 0);
	buffer_settle(w.b);
	assert_int_equal(w.reported, 2);
	assert_int_equal(world_drain(&w), 2);
	world_judge(&w);
	world_ok(&w);
	world_close(&w);
	assert_int_equal(sim_names(w.sim, FOLDER, NULL, NULL), 2); /* LOCK, LEDGER; no .new is left */
	world_free(&w);
}

/*
 * fsyncgate: the sync of a group fails, the process is killed, and the next one finds the frames in the page cache.
 * They must not be delivered as if they were on the disk.
 */
static void pages_whose_sync_failed_are_not_trusted_after_a_restart(void **state)
{
	(void)state;
	static struct world w;
	for (uint64_t seed = 1; seed < 40; seed++) {
		world_init(&w, seed);
		world_must_open(&w);
		world_append(&w, 3, 0, 0);
		buffer_settle(w.b);
		sim_fail(w.sim, SIM_FDATASYNC, 0, 1, EIO);
		world_append(&w, 5, 0, 0);
		buffer_settle(w.b);
		sim_die(w.sim);
		world_close(&w);
		sim_kill(w.sim, false); /* the cache still shows them */
		world_must_open(&w);
		world_drain(&w);
		world_judge(&w);
		world_ok(&w);
		world_free(&w);
	}
}

/* Acks do not overtake each other, also when one stage's file fails and another's does not. */
static void reports_stay_in_order_over_stages(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 8);
	world_must_open(&w);
	world_append(&w, 1, 1, 0);
	world_append(&w, 1, 2, 0);
	buffer_settle(w.b);
	/* The group has 1 2 1 2; the first file's write fails for now, the second's goes. */
	for (unsigned i = 0; i < 4; i++) {
		sim_fail(w.sim, SIM_PWRITEV, i, 1, ENOSPC);
		world_append(&w, 2, 1, 0);
		world_append(&w, 2, 2, 0);
		world_append(&w, 2, 1, 0);
		buffer_settle(w.b);
		time_pass(NS_PER_S + 1);
		buffer_settle(w.b);
		sim_fail(w.sim, 0, 0, 0, 0);
		time_pass(NS_PER_S + 1);
		buffer_settle(w.b);
		assert_int_equal(w.reported, w.appended);
	}
	world_drain(&w);
	world_judge(&w);
	world_ok(&w); /* the harness checks the order */
	world_free(&w);
}

/* A second's delay in syncing is not an error, and the whole group of the meantime is one more sync. */
static void a_slow_sync_gathers_one_group(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 8);
	w.o.chunk_limit_size = 1u << 24;
	world_must_open(&w);
	world_append(&w, 1, 0, 0);
	buffer_settle(w.b);
	uint64_t before = sim_calls(w.sim, SIM_FDATASYNC);
	sim_slow_sync(w.sim, 20);
	for (int i = 0; i < 100; i++)
		world_append(&w, 1, 0, 0);
	buffer_settle(w.b);
	assert_int_equal(w.reported, w.appended);
	assert_true(sim_calls(w.sim, SIM_FDATASYNC) - before <= 20);
	sim_slow_sync(w.sim, 0);
	assert_int_equal(world_drain(&w), 101);
	world_ok(&w);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_fails),
		cmocka_unit_test(short_transfers_and_signals_change_nothing),
		cmocka_unit_test(a_full_disk_stops_acks_and_not_delivery),
		cmocka_unit_test(a_broken_write_is_rolled_back),
		cmocka_unit_test(min_free_bytes_is_kept),
		cmocka_unit_test(end_of_input_on_a_full_disk),
		cmocka_unit_test(a_failed_sync_retires_the_file),
		cmocka_unit_test(three_failed_syncs_in_ten_minutes_refuse_input),
		cmocka_unit_test(enospc_at_sync_never_refuses),
		cmocka_unit_test(pages_whose_sync_failed_are_not_trusted_after_a_restart),
		cmocka_unit_test(reports_stay_in_order_over_stages),
		cmocka_unit_test(a_slow_sync_gathers_one_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
