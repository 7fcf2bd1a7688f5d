/*
 * Random work on a disk that loses power, fills up, fails its syncs and forgets: nothing that was acknowledged may be
 * lost, nothing invented, nothing read that was not durable, no torn end taken for damage.
 *
 *   WEIR_POWER_CUTS  how many power cuts (2,000; 500 under a sanitizer)
 *   WEIR_POWER_SEED  the first seed: a failure prints its own, which nearly always runs the same again (the chunks'
 *                    random ids are the system's, and now and then a length depends on one of their bytes)
 */
#include "harness.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CUTS = 500 };
#else
enum { CUTS = 2000 };
#endif

static struct {
	uint64_t seeds, cuts, kills, closes, acked, failed, read, sync_failures, refused, full;
} sum;

/*
 * Lists are appended while the writer works: its groups then depend on the scheduler, and a seed need not repeat
 * itself.
 */
static bool is_racing;

static uint64_t env(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);
	return s ? strtoull(s, NULL, 10) : otherwise;
}

static uint64_t pick(struct world *w, uint64_t below)
{
	return sim_random(w->sim, below);
}

static void choose_options(struct world *w)
{
	static const uint64_t sizes[] = {4096, 16384, 40000, 200000};
	w->o.chunk_limit_size = sizes[pick(w, 4)];
	w->o.chunk_limit_records = pick(w, 4) ? 0 : 1 + (uint32_t)pick(w, 30);
	w->o.flush_mode = (enum buffer_flush_mode)pick(w, 3);
	w->o.flush_interval_ns = (int64_t)pick(w, 4) * NS_PER_S;
}

/* Takes a chunk, reads it, and does one of the things that flush threads do. */
static void deliver(struct world *w)
{
	struct chunk *c = buffer_take(w->b, 0);
	if (!c)
		return;
	struct chunk_progress p = {.next_offset = CHUNK_BLOCK, .next_index = (uint32_t)pick(w, 5)};
	uint64_t frames = 0;
	sim_fail(w->sim, 0, 0, 0, 0); /* the faults of the steps are for the writer */
	bool whole = world_read(w, c, &frames);
	sum.read += frames;
	if (!whole && !sim_is_dead(w->sim))
		problem(w, "a chunk cannot be read: %s", w->err.text);
	switch (whole ? pick(w, 6) : 5) {
	case 0:
		(void)chunk_progress_save(w->b, c, &p, pick(w, 2), &w->err);
		buffer_release(w->b, c);
		break;
	case 1:
	case 2:
		buffer_retry(w->b, c, (int64_t)pick(w, 3) * NS_PER_S);
		break;
	case 5:
		buffer_release(w->b, c);
		break;
	default:
		(void)world_commit(w, c);
	}
	world_forget(w);
}

static void append(struct world *w)
{
	unsigned lists = 1 + (unsigned)pick(w, 3);
	while (lists--) {
		enum buffer_admit admit = buffer_admit(w->b, 1000);
		sum.refused += admit == BUFFER_REFUSED;
		sum.full += admit == BUFFER_WAIT;
		world_append(w, 1 + (unsigned)pick(w, 5), pick(w, 3) ? 0 : (unsigned)pick(w, 4),
			pick(w, 5) ? 0 : fake_wall + (int64_t)pick(w, 3 * NS_PER_S));
		if (!is_racing)
			buffer_settle(w->b);
	}
	buffer_settle(w->b);
	if (!w->b->stalled && w->reported != w->appended)
		problem(w, "%llu frames appended, %llu reported", (unsigned long long)w->appended,
			(unsigned long long)w->reported);
}

static void one_step(struct world *w)
{
	switch (pick(w, 16)) {
	case 0:
		buffer_flush_all(w->b);
		break;
	case 1:
	case 2:
		time_pass((int64_t)pick(w, 3 * NS_PER_S));
		break;
	case 3:
		sum.sync_failures++;
		sim_fail(w->sim, pick(w, 2) ? SIM_FDATASYNC : SIM_SYNCS, pick(w, 3), 1 + pick(w, 4),
			pick(w, 3) ? EIO : ENOSPC);
		break;
	case 4:
		sim_fail(w->sim, SIM_OPEN | SIM_PWRITEV | SIM_RENAME | SIM_FTRUNCATE, pick(w, 6), 1 + pick(w, 3),
			pick(w, 2) ? EIO : ENOSPC);
		break;
	case 5:
		sim_capacity(w->sim, pick(w, 2) ? sim_used(w->sim) + (int64_t)pick(w, 20000) : -1);
		break;
	case 6:
	case 7:
	case 8:
		deliver(w);
		break;
	default:
		append(w);
	}
	buffer_settle(w->b);
}

static void end_faults(struct world *w)
{
	sim_fail(w->sim, 0, 0, 0, 0);
	sim_capacity(w->sim, -1);
	sim_chances(w->sim, 0, 0);
}

static void live(struct world *w)
{
	if (pick(w, 3) == 0)
		sim_chances(w->sim, (unsigned)pick(w, 50), (unsigned)pick(w, 30));
	if (pick(w, 3) == 0)
		sim_die_at(w->sim, 1 + pick(w, 60)); /* in start-up, or soon after */
	if (!world_open(w)) {
		if (!sim_is_dead(w->sim))
			problem(w, "buffer_open: %s", w->err.text);
		return;
	}
	world_wait_recovered(w);
	if (!sim_is_dead(w->sim) && pick(w, 4))
		sim_die_at(w->sim, 1 + pick(w, 200));
	for (uint64_t steps = 1 + pick(w, 30); steps && !sim_is_dead(w->sim); steps--)
		one_step(w);
}

static void end_life(struct world *w)
{
	uint64_t how = sim_is_dead(w->sim) ? 1 + pick(w, 7) : pick(w, 8);
	if (how) {
		sim_die(w->sim); /* nothing that closing does reaches the disk */
	} else {
		sim_die_at(w->sim, 0);
		end_faults(w);
	}
	world_close(w);
	if (how >= 2) {
		sim_power_cut(w->sim);
		sum.cuts++;
	} else if (how) {
		sim_kill(w->sim, pick(w, 2));
		sum.kills++;
	} else {
		sum.closes++;
	}
	end_faults(w);
}

/* All that is left is delivered; then the folder has nothing but what is for people to look at. */
static void last_life(struct world *w)
{
	struct buffer_stats s;
	if (!world_open(w)) {
		problem(w, "the last buffer_open: %s", w->err.text);
		return;
	}
	sum.read += world_drain(w);
	world_judge(w);
	buffer_stats(w->b, &s);
	if (s.damaged_frames || s.damaged_bytes)
		problem(w, "false alarm: %llu frames taken for damaged", (unsigned long long)s.damaged_frames);
	if (!buffer_is_empty(w->b))
		problem(w, "not empty when all is delivered");
	world_close(w);
}

static bool is_expected(const char *path)
{
	return !strcmp(path, FOLDER "/LOCK") || !strcmp(path, FOLDER "/backup") || !strcmp(path, FOLDER "/LEDGER");
}

static void on_left(void *arg, const char *path)
{
	if (!is_expected(path))
		problem(arg, "%s is left in the folder", path);
}

static bool run_seed(struct world *w, uint64_t seed)
{
	world_init(w, seed);
	choose_options(w);
	is_racing = pick(w, 4) == 0;
	for (uint64_t lives = 1 + pick(w, 4); lives && !w->problem[0]; lives--) {
		live(w);
		end_life(w);
		choose_options(w);
	}
	if (!w->problem[0])
		last_life(w);
	if (!w->problem[0])
		sim_names(w->sim, FOLDER, on_left, w);
	for (uint64_t id = 1; id < w->next_id; id++) {
		sum.acked += w->frame[id].acked;
		sum.failed += w->frame[id].failed;
	}
	sum.seeds++;
	world_free(w);
	return !w->problem[0];
}

static void random_work_and_power_cuts(void **state)
{
	(void)state;
	static struct world w;
	uint64_t cuts = env("WEIR_POWER_CUTS", CUTS), seed = env("WEIR_POWER_SEED", 1), step = cuts / 10 + 1;
	for (uint64_t next = step; sum.cuts < cuts; seed++) {
		if (!run_seed(&w, seed))
			fail_msg("WEIR_POWER_SEED=%llu: %s", (unsigned long long)seed, w.problem);
		if (sum.cuts >= next && cuts > CUTS) {
			print_message(
				"%llu power cuts, seed %llu\n", (unsigned long long)sum.cuts, (unsigned long long)seed);
			next += step;
		}
	}
	print_message("%llu seeds: %llu power cuts, %llu kills, %llu closes; %llu frames acknowledged, %llu failed, "
		      "%llu read\n",
		(unsigned long long)sum.seeds, (unsigned long long)sum.cuts, (unsigned long long)sum.kills,
		(unsigned long long)sum.closes, (unsigned long long)sum.acked, (unsigned long long)sum.failed,
		(unsigned long long)sum.read);
	/* The test has tested something. */
	assert_true(sum.acked > cuts * 5);
	assert_true(sum.failed > 0 && sum.refused > 0 && sum.full > 0 && sum.kills > 0 && sum.closes > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_work_and_power_cuts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
