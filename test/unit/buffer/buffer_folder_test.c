/* A folder seen from outside: looking changes nothing, and what is mended is mended for good. */
#include "harness.h"

#include "buffer/buffer_folder.h"

#include <stdlib.h>

struct listing {
	char text[4000];
};

static void add_name(void *arg, const char *path)
{
	struct listing *n = arg;
	strncat(n->text, path, sizeof n->text - strlen(n->text) - 2);
	strcat(n->text, "\n");
}

static struct listing names_of(struct world *w)
{
	struct listing n = {""};
	sim_names(w->sim, FOLDER, add_name, &n);
	return n;
}

/* Some sealed chunks, and one that a crash left. Its frames are acknowledged. */
static void fill(struct world *w, uint64_t seed)
{
	world_init(w, seed);
	frame_size_max = 1000;
	world_must_open(w);
	for (int i = 0; i < 3; i++) {
		world_append(w, 10, 0, 0);
		buffer_settle(w->b);
		buffer_flush_all(w->b);
		buffer_settle(w->b);
	}
	world_append(w, 5, 0, 0);
	buffer_settle(w->b);
	sim_die(w->sim);
	world_close(w);
	sim_kill(w->sim, false);
}

static void path_of(char path[100], const struct buffer_folder *f, size_t i)
{
	snprintf(path, 100, FOLDER "/%s.chunk", buffer_folder_file(f, i)->name);
}

/* Turns a bit of the third frame or so over. */
static void hurt(struct world *w, size_t i)
{
	char path[100];
	size_t n;
	struct buffer_folder *f = buffer_folder_open(FOLDER, w->vfs, &w->err);
	assert_non_null(f);
	path_of(path, f, i);
	buffer_folder_close(f);
	uint8_t *p = sim_get(w->sim, path, &n);
	p[CHUNK_BLOCK + 900] ^= 4;
	sim_put(w->sim, path, p, n);
	free(p);
}

static struct folder_check check(struct world *w, size_t i)
{
	struct folder_check found;
	struct buffer_folder *f = buffer_folder_open(FOLDER, w->vfs, &w->err);
	assert_non_null(f);
	assert_true(buffer_folder_check(f, i, &found, &w->err));
	buffer_folder_close(f);
	return found;
}

static void looking_changes_nothing(void **state)
{
	(void)state;
	static struct world w;
	fill(&w, 1);
	hurt(&w, 1);
	struct listing before = names_of(&w);
	uint64_t writes = sim_calls(w.sim, SIM_PWRITEV | SIM_RENAME | SIM_UNLINK | SIM_MKDIR | SIM_FTRUNCATE);
	struct buffer_folder *f = buffer_folder_open(FOLDER, w.vfs, &w.err);
	assert_non_null(f);
	assert_int_equal(buffer_folder_count(f), 4);
	assert_string_equal(buffer_folder_rest(f)->holder, "");
	uint64_t frames = 0;
	for (size_t i = 0; i < 4; i++) {
		const struct folder_file *file = buffer_folder_file(f, i);
		struct folder_check found;
		assert_int_equal(file->is, i < 3 ? FOLDER_SEALED : FOLDER_UNFINISHED);
		assert_string_equal(file->owner, "out");
		assert_true(buffer_folder_check(f, i, &found, &w.err));
		assert_int_equal(found.damaged_frames, i == 1);
		frames += found.frames;
	}
	assert_int_equal(frames, 34);
	buffer_folder_close(f);
	assert_string_equal(names_of(&w).text, before.text);
	assert_int_equal(sim_calls(w.sim, SIM_PWRITEV | SIM_RENAME | SIM_UNLINK | SIM_MKDIR | SIM_FTRUNCATE), writes);
	world_must_open(&w);
	assert_int_equal(world_drain(&w), 34);
	world_free(&w);
}

static void a_folder_in_use_is_looked_at_and_not_mended(void **state)
{
	(void)state;
	static struct world w;
	struct folder_check found;
	fill(&w, 2);
	world_must_open(&w);
	world_append(&w, 3, 0, 0);
	buffer_settle(w.b);
	struct buffer_folder *f = buffer_folder_open(FOLDER, w.vfs, &w.err);
	assert_non_null(f);
	assert_non_null(strstr(buffer_folder_rest(f)->holder, "output out"));
	size_t last = buffer_folder_count(f) - 1;
	assert_int_equal(buffer_folder_file(f, last)->is, FOLDER_UNFINISHED);
	assert_true(buffer_folder_check(f, last, &found, &w.err));
	assert_int_equal(found.frames, 3);
	assert_int_equal(found.damaged_frames, 0);
	buffer_folder_close(f);
	assert_false(buffer_folder_repair(FOLDER, w.vfs, &found, &w.err));
	assert_non_null(strstr(w.err.text, "in use by"));
	assert_int_equal(world_drain(&w), 38);
	world_judge(&w);
	world_ok(&w);
	world_free(&w);
}

static void what_is_mended_is_known_from_then_on(void **state)
{
	(void)state;
	static struct world w;
	struct folder_check found;
	for (int cut = 0; cut < 2; cut++) {
		fill(&w, 3);
		hurt(&w, 1);
		hurt(&w, 3);
		assert_int_equal(check(&w, 1).damaged_frames, 1);
		assert_true(buffer_folder_repair(FOLDER, w.vfs, &found, &w.err));
		assert_int_equal(found.damaged_frames, 2);
		if (cut)
			sim_power_cut(w.sim);
		struct buffer_folder *f = buffer_folder_open(FOLDER, w.vfs, &w.err);
		assert_non_null(f);
		for (size_t i = 0; i < 4 && !cut; i++) { /* seals are not synced */
			assert_int_equal(buffer_folder_file(f, i)->is, FOLDER_SEALED);
			assert_int_equal(buffer_folder_file(f, i)->holes, i % 2);
			assert_string_equal(buffer_folder_file(f, i)->owner, "out");
			assert_int_equal(check(&w, i).damaged_frames, 0);
		}
		buffer_folder_close(f);
		world_must_open(&w);
		assert_int_equal(world_drain(&w), 33);
		world_ok(&w);
		world_free(&w);
	}
}

/* Whatever fails or breaks off while a folder is mended: what was whole stays. */
static void mending_loses_nothing(void **state)
{
	(void)state;
	static struct world w;
	struct folder_check found;
	for (uint64_t n = 0, over = 0; !over; n++) {
		for (int how = 0; how < 3; how++) {
			fill(&w, n + 10);
			hurt(&w, 1);
			if (how == 0)
				sim_die_at(w.sim, n + 1);
			else
				sim_fail(w.sim, SIM_ANY, n, how == 1 ? 1 : 1000000, EIO);
			bool ok = buffer_folder_repair(FOLDER, w.vfs, &found, &w.err);
			over += how == 1 && ok && !sim_has_failed(w.sim);
			if (how == 0)
				sim_power_cut(w.sim);
			else
				sim_kill(w.sim, how == 2);
			sim_fail(w.sim, 0, 0, 0, 0);
			world_must_open(&w);
			assert_int_equal(world_drain(&w), 34);
			world_ok(&w);
			world_free(&w);
		}
	}
}

static void a_folder_that_is_not_there_is_not_made(void **state)
{
	(void)state;
	static struct world w;
	struct folder_check found;
	world_init(&w, 1);
	assert_null(buffer_folder_open("/d/none", w.vfs, &w.err));
	assert_non_null(strstr(w.err.text, "/d/none"));
	assert_false(buffer_folder_repair("/d/none", w.vfs, &found, &w.err));
	assert_int_equal(sim_calls(w.sim, SIM_MKDIR), 0);
	world_free(&w);
}

static void another_folder_is_not_taken_for_a_buffer(void **state)
{
	(void)state;
	static struct world w;
	struct folder_check found;
	world_init(&w, 1);
	world_must_open(&w);
	world_close(&w);
	struct buffer_folder *f = buffer_folder_open(FOLDER, w.vfs, &w.err); /* an empty buffer is one */
	assert_non_null(f);
	buffer_folder_close(f);
	sim_put(w.sim, "/d/notes", "x", 1);
	struct listing before = names_of(&w);
	assert_null(buffer_folder_open("/d", w.vfs, &w.err));
	assert_non_null(strstr(w.err.text, "/d is no buffer's folder"));
	assert_false(buffer_folder_repair("/d", w.vfs, &found, &w.err));
	assert_string_equal(names_of(&w).text, before.text);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looking_changes_nothing),
		cmocka_unit_test(a_folder_in_use_is_looked_at_and_not_mended),
		cmocka_unit_test(what_is_mended_is_known_from_then_on),
		cmocka_unit_test(mending_loses_nothing),
		cmocka_unit_test(a_folder_that_is_not_there_is_not_made),
		cmocka_unit_test(another_folder_is_not_taken_for_a_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
