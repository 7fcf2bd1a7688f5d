/*
 * What a chunk file may suffer: bits that flip, ends that are missing, blocks that are elsewhere, frames that a
 * sender has forged.
 */
#include "harness.h"

#include <stdlib.h>

/* A chunk file and the frames in it. */
struct image {
	char path[100];
	uint8_t *p;
	size_t n;
	uint64_t frames; /* ids 1 to this */
};

static void on_path(void *arg, const char *path)
{
	struct image *m = arg;
	if (strstr(path, ".chunk"))
		snprintf(m->path, sizeof m->path, "%s", path);
}

/* Groups of frames as given (0 ends), sealed or as a crash leaves it. */
static void image_make(struct image *m, struct world *w, const unsigned *groups, bool sealed)
{
	memset(m, 0, sizeof *m);
	world_init(w, 1);
	w->o.chunk_limit_size = 1u << 20;
	world_must_open(w);
	for (; *groups; groups++) {
		world_append(w, *groups, 0, 0);
		buffer_settle(w->b);
	}
	m->frames = w->next_id - 1;
	if (!sealed)
		sim_die(w->sim);
	world_close(w);
	sim_kill(w->sim, false);
	sim_names(w->sim, FOLDER, on_path, m);
	m->p = sim_get(w->sim, m->path, &m->n);
	assert_non_null(m->p);
	world_free(w);
}

/* The world into which the image is put, with bytes p instead of its own. */
static void plant(struct world *w, const struct image *m, const uint8_t *p, size_t n)
{
	world_init(w, 1);
	w->next_id = m->frames + 1;
	for (uint64_t id = 1; id <= m->frames; id++)
		w->frame[id].appended = w->frame[id].acked = true;
	assert_int_equal(w->vfs->mkdir(w->vfs->ctx, "/d", 0700), 0);
	assert_int_equal(w->vfs->mkdir(w->vfs->ctx, FOLDER, 0700), 0);
	sim_put(w->sim, m->path, p, n);
}

struct outcome {
	uint64_t lost, backups;
	struct buffer_stats s;
};

/* Delivers what can be delivered. */
static struct outcome deliver(struct world *w)
{
	struct outcome out = {.lost = 0};
	struct chunk *c;
	world_must_open(w);
	world_wait_recovered(w);
	while ((c = buffer_take(w->b, 0))) {
		if (!world_read(w, c, NULL))
			problem(w, "a chunk cannot be read: %s", w->err.text);
		(void)world_commit(w, c);
	}
	buffer_stats(w->b, &out.s);
	if (!buffer_is_empty(w->b))
		problem(w, "not empty when all is delivered");
	world_close(w);
	for (uint64_t id = 1; id < w->next_id; id++)
		out.lost += !w->frame[id].delivered;
	out.backups = sim_names(w->sim, FOLDER "/backup", NULL, NULL);
	return out;
}

static void judge_flip(struct world *w, size_t at, unsigned bit)
{
	struct outcome out = deliver(w);
	if (w->problem[0])
		fail_msg("bit %u of byte %zu: %s", bit, at, w->problem);
	if (out.lost > 1)
		fail_msg("bit %u of byte %zu: %llu frames lost", bit, at, (unsigned long long)out.lost);
	if (out.lost && (!out.backups || (!out.s.damaged_frames && !out.s.torn_bytes)))
		fail_msg("bit %u of byte %zu: a frame lost in silence", bit, at);
	if (out.lost && out.s.damaged_frames > 1)
		fail_msg("bit %u of byte %zu: one frame counted as %llu", bit, at,
			(unsigned long long)out.s.damaged_frames);
}

static bool is_zero_around(const struct image *m, size_t at)
{
	for (size_t i = at > 8 ? at - 8 : 0; i < at + 8 && i < m->n; i++)
		if (m->p[i])
			return false;
	return true;
}

/* Every bit (in the zeros between groups and copies: one of each eighth byte). */
static void flip_every_bit(const struct image *m, bool expect_alarm, size_t step)
{
	static struct world w;
	uint64_t lost = 0;
	for (size_t at = 0; at < m->n; at += step)
		for (unsigned bit = 0; bit < 8; bit++) {
			if (is_zero_around(m, at) && (at % 8 || bit != at / 8 % 8))
				continue;
			m->p[at] ^= (uint8_t)(1 << bit);
			plant(&w, m, m->p, m->n);
			judge_flip(&w, at, bit);
			for (uint64_t id = 1; id <= m->frames; id++)
				lost += !w.frame[id].delivered;
			world_free(&w);
			m->p[at] ^= (uint8_t)(1 << bit);
		}
	assert_true(lost > 0 || !expect_alarm);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP = 7 };
#else
enum { STEP = 1 };
#endif

static void a_flipped_bit_costs_one_frame_of_a_sealed_chunk(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {3, 2, 0};
	struct image m;
	image_make(&m, &w, groups, true);
	flip_every_bit(&m, true, STEP);
	free(m.p);
}

static void a_flipped_bit_costs_one_frame_of_an_unsealed_chunk(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {2, 3, 2, 0};
	struct image m;
	image_make(&m, &w, groups, false);
	flip_every_bit(&m, true, 3 * STEP);
	free(m.p);
}

static size_t group_start(const struct image *m, unsigned from_end)
{
	/* Offsets at which frames begin, by the seals and frames themselves. */
	struct chunk_head head;
	assert_int_equal(chunk_format_get_head(m->p, m->n, &head), CHUNK_HEAD_GOOD);
	struct chunk_salt salt = chunk_format_salt(head.id);
	size_t starts[64], count = 0, at = head.length;
	struct frame_head h;
	bool begins = true;
	while (at + FRAME_HEAD_LEN <= m->n && chunk_format_get_frame(m->p + at, &h, &salt, at) && h.type < CHUNK_MARK) {
		if (begins)
			starts[count++] = at;
		begins = h.last;
		at = chunk_format_next(at, &h);
	}
	assert_true(count >= from_end);
	return starts[count - from_end];
}

/* Frames of which all bytes are before `end`. */
static uint64_t whole_frames(const struct image *m, size_t end)
{
	struct chunk_head head;
	chunk_format_get_head(m->p, m->n, &head);
	struct chunk_salt salt = chunk_format_salt(head.id);
	uint64_t count = 0, at = head.length;
	struct frame_head h;
	while (at + FRAME_HEAD_LEN <= m->n && chunk_format_get_frame(m->p + at, &h, &salt, at) && h.type < CHUNK_MARK) {
		count += at + FRAME_HEAD_LEN + h.length <= end;
		at = chunk_format_next(at, &h);
	}
	return count;
}

/* The last group was not acknowledged; what is whole of it is kept, the rest is no damage. */
static void judge_tear(struct world *w, const struct image *m, size_t at, bool below_known)
{
	struct outcome out = deliver(w);
	if (w->problem[0])
		fail_msg("torn at %zu: %s", at, w->problem);
	if (out.lost != m->frames - whole_frames(m, at))
		fail_msg("torn at %zu: %llu frames lost instead of %llu", at, (unsigned long long)out.lost,
			(unsigned long long)(m->frames - whole_frames(m, at)));
	if (!below_known && out.s.damaged_frames)
		fail_msg("torn at %zu: taken for damage", at);
}

static void tear_at(const struct image *m, const struct image *unproven, size_t at, bool zero_fill)
{
	static struct world w;
	uint8_t *p = calloc(1, m->n);
	memcpy(p, m->p, at);
	plant(&w, m, p, zero_fill ? m->n : at);
	judge_tear(&w, unproven, at, false);
	world_free(&w);
	free(p);
}

static void a_tail_torn_at_any_byte_is_cut_and_the_rest_is_kept(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {2, 2, 3, 0};
	struct image m;
	image_make(&m, &w, groups, false);
	/* The last group's start is what its own frames say to be synced. Cut before it, nothing else says so. */
	for (size_t at = group_start(&m, 2); at <= m.n; at += STEP) {
		tear_at(&m, &m, at, false);
		tear_at(&m, &m, at, true);
	}
	free(m.p);
}

/* The whole last group reads as zeros, but the mark behind it says that it had been durable. */
static void a_group_that_is_gone_is_damage_if_a_mark_proves_it(void **state)
{
	(void)state;
	static struct world w;
	struct image m;
	for (int marked = 0; marked < 2; marked++) {
		memset(&m, 0, sizeof m);
		world_init(&w, 1);
		world_must_open(&w);
		for (int i = 0; i < 3; i++) {
			world_append(&w, 2, 0, 0);
			buffer_settle(w.b);
		}
		if (marked)
			time_pass(2 * NS_PER_S);
		buffer_settle(w.b);
		m.frames = w.next_id - 1;
		sim_die(w.sim);
		world_close(&w);
		sim_kill(w.sim, false);
		sim_names(w.sim, FOLDER, on_path, &m);
		m.p = sim_get(w.sim, m.path, &m.n);
		world_free(&w);
		size_t last = group_start(&m, 1);
		memset(m.p + last, 0, m.n - last - (marked ? CHUNK_BLOCK : 0));
		plant(&w, &m, m.p, m.n);
		struct outcome out = deliver(&w);
		world_ok(&w);
		assert_int_equal(out.lost, 2);
		assert_int_equal(out.s.damaged_frames, marked ? 2 : 0);
		assert_int_equal(out.s.damaged_bytes, marked ? m.n - last - CHUNK_BLOCK : 0);
		world_free(&w);
		free(m.p);
	}
}

static void a_file_of_nothing_but_its_head_has_lost_something(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {2, 0};
	struct image m;
	image_make(&m, &w, groups, true);
	for (int zeros = 0; zeros < 2; zeros++) {
		uint8_t *p = calloc(1, m.n);
		memcpy(p, m.p, CHUNK_BLOCK);
		plant(&w, &m, p, zeros ? m.n : CHUNK_BLOCK);
		struct outcome out = deliver(&w);
		world_ok(&w);
		assert_int_equal(out.lost, 2);
		assert_true(out.s.damaged_frames > 0);
		world_free(&w);
		free(p);
	}
	free(m.p);
}

/* A block that the disk has put in another's place is not read as what it is not, and costs what it covers. */
static void a_block_in_anothers_place_is_not_taken(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {1, 1, 1, 1, 1, 1, 0};
	struct image m;
	image_make(&m, &w, groups, true);
	size_t to = group_start(&m, 5), from = group_start(&m, 2);
	uint8_t *p = malloc(m.n);
	memcpy(p, m.p, m.n);
	memcpy(p + to, m.p + from, CHUNK_BLOCK);
	plant(&w, &m, p, m.n);
	struct outcome out = deliver(&w);
	world_ok(&w);
	assert_int_equal(out.lost, 1);
	assert_int_equal(out.s.damaged_frames, 1);
	assert_int_equal(out.backups, 1);
	world_free(&w);
	free(p);
	free(m.p);
}

static void chunks_of_each_others_names(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {4, 0};
	struct image a, b;
	image_make(&a, &w, groups, true);
	image_make(&b, &w, groups, false);
	plant(&w, &a, b.p, b.n);
	sim_put(w.sim, b.path, a.p, a.n);
	struct outcome out = deliver(&w);
	world_ok(&w);
	assert_int_equal(out.lost, 0);
	assert_int_equal(out.s.damaged_frames, 0);
	world_free(&w);
	free(a.p);
	free(b.p);
}

/*
 * The strongest forgery: a frame inside the payload of another, right in its offset, number and all checksums but for
 * the id, which its sender does not know; and the outer frame is damaged, so that the reader looks for frames inside
 * it.
 */
static void frames_in_a_payload_are_never_taken(void **state)
{
	(void)state;
	static struct world w;
	static const uint8_t no_id[CHUNK_ID_LEN];
	struct chunk_salt guess = chunk_format_salt(no_id);
	struct image m;
	for (unsigned hit = 0; hit < 3; hit++) {
		world_init(&w, 1);
		world_must_open(&w);
		struct frame *f = frame_new(FRAME_DATA, SPAN_LIT("evil"), (struct span){NULL, 0}, 400);
		/*
		 * 4,096: behind a head of one block; 64 + 4: behind this frame's own head and tag; 4 more: a multiple
		 * of 8
		 */
		size_t at = CHUNK_BLOCK + 64 + 8;
		memset(frame_entries(f), 0x11, 400);
		struct frame_head h = {.length = 16, .number = 1, .count = 1, .tag_len = 4, .type = FRAME_DATA};
		memcpy(frame_entries(f) + 4 + 64, "evilFORGEDFORGED", 16);
		h.payload_crc = crc32c(0, frame_entries(f) + 4 + 64, 16);
		chunk_format_put_frame(frame_entries(f) + 4, &h, &guess, at);
		f->entries_len = 400;
		w.next_id = 2;
		le64_put(f->key, 1);
		buffer_append(w.b, f, (struct span){NULL, 0}, 0);
		world_append(&w, 2, 0, 0);
		buffer_settle(w.b);
		world_close(&w);
		memset(&m, 0, sizeof m);
		sim_names(w.sim, FOLDER, on_path, &m);
		m.p = sim_get(w.sim, m.path, &m.n);
		assert_memory_equal(m.p + at + 64, "evilFORGED", 10);
		m.p[CHUNK_BLOCK + (hit == 0 ? 20 : hit == 1 ? 64 : 300)] ^= 1; /* its head, its tag, its entries */
		sim_put(w.sim, m.path, m.p, m.n);
		struct outcome out = deliver(&w);
		world_ok(&w); /* nothing invented */
		assert_int_equal(out.lost, 1);
		assert_int_equal(out.s.damaged_frames, 1);
		free(m.p);
		world_free(&w);
	}
}

/* A damaged chunk that is read several times tells of its damage once. */
static void damage_is_counted_once(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {3, 2, 0};
	struct image m;
	struct buffer_stats s;
	image_make(&m, &w, groups, true);
	m.p[CHUNK_BLOCK + 100] ^= 4;
	plant(&w, &m, m.p, m.n);
	world_must_open(&w);
	for (int i = 0; i < 4; i++) {
		struct chunk *c = buffer_take(w.b, 0);
		assert_non_null(c);
		assert_true(world_read(&w, c, NULL));
		buffer_retry(w.b, c, 0);
	}
	buffer_stats(w.b, &s);
	assert_int_equal(s.damaged_frames, 1);
	assert_true(s.damaged_bytes > 0);
	world_ok(&w);
	world_free(&w);
	free(m.p);
}

/* backup/ cannot be written: the chunk is delivered all the same, and then kept whole instead of being removed. */
static void damage_that_cannot_be_copied_keeps_the_file(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {3, 2, 0};
	struct image m;
	image_make(&m, &w, groups, true);
	m.p[CHUNK_BLOCK + 100] ^= 4;
	plant(&w, &m, m.p, m.n);
	world_must_open(&w);
	sim_capacity(w.sim, 0);
	struct chunk *c = buffer_take(w.b, 0);
	assert_true(world_read(&w, c, NULL));
	assert_true(world_commit(&w, c));
	sim_capacity(w.sim, -1);
	world_ok(&w);
	assert_true(buffer_is_empty(w.b));
	char path[200];
	snprintf(path, sizeof path, FOLDER "/backup/%s", strrchr(m.path, '/') + 1);
	size_t n;
	uint8_t *p = sim_get(w.sim, path, &n);
	assert_non_null(p);
	assert_int_equal(n, m.n);
	assert_memory_equal(p, m.p, n);
	free(p);
	p = sim_get(w.sim, m.path, &n);
	assert_null(p);
	world_free(&w);
	free(m.p);
}

/* A torn end that cannot be copied on a full disk: not cut, not kept either, and looked at again at the next start. */
static void a_torn_end_on_a_full_disk_waits(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {2, 2, 0};
	struct image m;
	size_t n;
	image_make(&m, &w, groups, false);
	for (int life = 0; life < 2; life++) {
		plant(&w, &m, m.p, m.n - CHUNK_BLOCK + 90);
		sim_capacity(w.sim, 0);
		world_must_open(&w);
		world_wait_recovered(&w);
		uint8_t *p = sim_get(w.sim, m.path, &n);
		assert_int_equal(n, m.n - CHUNK_BLOCK + 90);
		assert_memory_equal(p, m.p, n);
		free(p);
		if (life) { /* room again: the next start repairs it */
			world_close(&w);
			sim_capacity(w.sim, -1);
			world_must_open(&w);
			world_wait_recovered(&w);
			assert_int_equal(sim_names(w.sim, FOLDER "/backup", NULL, NULL), 1);
		}
		struct chunk *c = buffer_take(w.b, 0);
		assert_int_equal(c->is_sealed, life);
		assert_true(world_read(&w, c, NULL));
		assert_true(world_commit(&w, c));
		assert_int_equal(sim_names(w.sim, FOLDER "/backup", NULL, NULL), life);
		assert_true(w.frame[1].delivered && w.frame[2].delivered);
		world_ok(&w);
		world_free(&w);
	}
	free(m.p);
}

/*
 * A chunk that was damaged, then looked through after a crash, is sealed with its holes: no start tells of them
 * again.
 */
static void known_holes_stay_known(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {3, 2, 2, 0};
	struct image m;
	struct buffer_stats s;
	image_make(&m, &w, groups, false);
	m.p[CHUNK_BLOCK + 100] ^= 4;
	plant(&w, &m, m.p, m.n);
	for (int life = 0; life < 3; life++) {
		world_must_open(&w);
		world_wait_recovered(&w);
		struct chunk *c = buffer_take(w.b, 0);
		assert_non_null(c);
		assert_true(world_read(&w, c, NULL));
		buffer_release(w.b, c);
		buffer_stats(w.b, &s);
		assert_int_equal(s.damaged_frames, life ? 0 : 1);
		world_close(&w);
	}
	world_ok(&w);
	world_free(&w);
	free(m.p);
}

/* What a crash left is cut to what is good, and sealed: the next start need not look through it. */
static void a_torn_chunk_is_looked_through_once(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {2, 2, 3, 0};
	struct image m;
	size_t n;
	image_make(&m, &w, groups, false);
	size_t last = group_start(&m, 1), cut = last + 100;
	uint8_t *p = malloc(m.n + 20000);
	memset(p, 0x77, m.n + 20000); /* rubbish far behind the end */
	memcpy(p, m.p, cut);
	plant(&w, &m, p, m.n + 20000);
	world_must_open(&w);
	world_wait_recovered(&w);
	world_close(&w);
	uint8_t *q = sim_get(w.sim, m.path, &n);
	size_t end = (size_t)chunk_format_block_up(last + (whole_frames(&m, cut) > 4)), want = end + CHUNK_BLOCK;
	assert_int_equal(n, want);
	assert_memory_equal(q, m.p, last);
	free(q);
	world_must_open(&w);
	assert_int_equal(w.b->queue.sum[CHUNK_LOST_TAIL].chunks, 0);
	assert_false(w.b->recovery_started);
	struct buffer_stats s;
	buffer_stats(w.b, &s);
	assert_int_equal(s.damaged_frames + s.torn_bytes, 0);
	world_drain(&w);
	for (uint64_t id = 1; id <= 4; id++)
		assert_true(w.frame[id].delivered);
	world_ok(&w);
	world_free(&w);
	free(p);
	free(m.p);
}

/* A bad sector: the chunk is tried again; after three tries what cannot be read is given up, the rest delivered. */
static void what_cannot_be_read_is_tried_again_first(void **state)
{
	(void)state;
	static struct world w;
	static const unsigned groups[] = {3, 2, 0};
	struct image m;
	image_make(&m, &w, groups, true);
	plant(&w, &m, m.p, m.n);
	world_must_open(&w);
	for (int i = 0; i < 3; i++) {
		struct chunk *c = buffer_take(w.b, 0);
		sim_fail(w.sim, SIM_PREAD, 0, 1, EIO);
		assert_false(world_read(&w, c, NULL));
		assert_int_equal(w.err.code, EIO);
		sim_fail(w.sim, 0, 0, 0, 0);
		buffer_retry(w.b, c, 0);
	}
	struct chunk *c = buffer_take(w.b, 0);
	sim_fail(w.sim, SIM_PREAD, 0, 2, EIO); /* the first megabyte, then its first block */
	assert_true(world_read(&w, c, NULL));
	sim_fail(w.sim, 0, 0, 0, 0);
	assert_true(world_commit(&w, c));
	struct buffer_stats s;
	buffer_stats(w.b, &s);
	assert_true(s.damaged_frames >= 1 && s.damaged_frames <= 3);
	for (uint64_t id = 4; id <= 5; id++) /* those of the second group */
		assert_true(w.frame[id].delivered);
	world_ok(&w);
	world_free(&w);
	free(m.p);
}

int main(void)
{
	frame_size_max = 200; /* small files, of which every bit can be tried */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flipped_bit_costs_one_frame_of_a_sealed_chunk),
		cmocka_unit_test(a_flipped_bit_costs_one_frame_of_an_unsealed_chunk),
		cmocka_unit_test(a_tail_torn_at_any_byte_is_cut_and_the_rest_is_kept),
		cmocka_unit_test(a_group_that_is_gone_is_damage_if_a_mark_proves_it),
		cmocka_unit_test(a_file_of_nothing_but_its_head_has_lost_something),
		cmocka_unit_test(a_block_in_anothers_place_is_not_taken),
		cmocka_unit_test(chunks_of_each_others_names),
		cmocka_unit_test(frames_in_a_payload_are_never_taken),
		cmocka_unit_test(damage_is_counted_once),
		cmocka_unit_test(damage_that_cannot_be_copied_keeps_the_file),
		cmocka_unit_test(a_torn_end_on_a_full_disk_waits),
		cmocka_unit_test(known_holes_stay_known),
		cmocka_unit_test(a_torn_chunk_is_looked_through_once),
		cmocka_unit_test(what_cannot_be_read_is_tried_again_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
