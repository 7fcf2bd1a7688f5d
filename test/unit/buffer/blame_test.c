/* Frames at which weir crashes: which are set aside, and when. A crash is the handler's call, after which the life is over. */
#include "harness.h"

#include "buffer/folder_list.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct world w;
static char root[40];

static void setup(void)
{
	strcpy(root, "/tmp/weir-blame-XXXXXX");
	assert_non_null(mkdtemp(root));
	world_init_on(&w, &vfs_posix, root);
}

static void teardown(void)
{
	char command[80];
	world_ok(&w);
	world_free(&w);
	snprintf(command, sizeof command, "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

/* A life in which five frames are stored. */
static void store(void)
{
	w.o.chunk_limit_size = 1u << 20; /* one chunk */
	world_must_open(&w);
	world_append(&w, 5, 0, 0);
	buffer_settle(w.b);
	world_close(&w);
}

static struct folder_list list_folder(void)
{
	struct folder_list f;
	assert_int_equal(folder_list_read(&f, &vfs_posix, root), 0);
	return f;
}

static size_t blames(void)
{
	struct folder_list f = list_folder();
	size_t n = f.blame.n;
	assert_int_equal(f.strangers, 0);
	folder_list_free(&f);
	return n;
}

enum crash { AT_WORK, PAUSED, CLOSED, NEXT };

/* A life that reads up to the n-th frame that there is (0: none) and crashes. */
static void crash(unsigned n, enum crash how)
{
	struct frame_view v;
	world_must_open(&w);
	world_wait_recovered(&w);
	struct chunk *c = buffer_take(w.b, 0);
	assert_non_null(c);
	struct chunk_reader *r = chunk_reader_open(w.b, c, &w.err);
	assert_non_null(r);
	while (n--)
		assert_int_equal(chunk_reader_next(r, &v, &w.err), CHUNK_FRAME);
	if (how == PAUSED)
		chunk_reader_pause(r);
	if (how == NEXT)
		assert_int_equal(chunk_reader_next(r, &v, &w.err), CHUNK_END);
	if (how == CLOSED)
		chunk_reader_close(r);
	buffer_on_crash();
	if (how != CLOSED)
		chunk_reader_close(r);
	buffer_release(w.b, c);
	world_close(&w);
}

/* Everything is delivered but one frame, 0 = none. */
static void deliver_all_but(uint64_t lost)
{
	struct buffer_stats s;
	world_must_open(&w);
	(void)world_drain(&w);
	buffer_stats(w.b, &s);
	for (uint64_t id = 1; id < w.next_id; id++)
		if (w.frame[id].delivered == (id == lost))
			fail_msg("frame %llu", (unsigned long long)id);
	assert_int_equal(s.damaged_frames, lost ? 1 : 0);
	assert_true(buffer_is_empty(w.b));
	world_close(&w);
	assert_int_equal(blames(), 0);
}

static void the_third_crash_at_a_frame_sets_it_aside(void **state)
{
	(void)state;
	struct stat st;
	char backup[80];
	setup();
	snprintf(backup, sizeof backup, "%s/backup", root);
	store();
	for (int i = 0; i < 3; i++) {
		crash(3, AT_WORK);
		assert_int_equal(blames(), 1);
		assert_int_not_equal(stat(backup, &st), 0);
	}
	crash(3, AT_WORK); /* that is the fourth frame now */
	deliver_all_but(3);
	assert_int_equal(stat(backup, &st), 0);
	teardown();
}

static void crashes_at_different_frames_set_none_aside(void **state)
{
	(void)state;
	setup();
	store();
	for (unsigned n = 1; n <= 5; n++) {
		crash(n, AT_WORK);
		crash(n, AT_WORK);
	}
	deliver_all_but(0);
	teardown();
}

static void a_crash_that_is_no_frames_doing_blames_none(void **state)
{
	static const struct {
		unsigned n;
		enum crash how;
	} rows[] = {{0, AT_WORK}, {2, PAUSED}, {2, CLOSED}, {5, NEXT}};
	(void)state;
	setup();
	store();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		crash(rows[i].n, rows[i].how);
		if (blames())
			fail_msg("row %zu", i);
	}
	deliver_all_but(0);
	teardown();
}

static void a_buffer_in_memory_writes_no_file(void **state)
{
	(void)state;
	world_init(&w, 1);
	store();
	crash(3, AT_WORK);
	world_ok(&w);
	assert_int_equal(sim_names(w.sim, FOLDER, NULL, NULL), 3); /* LOCK, LEDGER and the chunk */
	world_free(&w);
}

static void put_blame(const char *name, const void *p, size_t n)
{
	char path[120];
	snprintf(path, sizeof path, "%s/%s.blame", root, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void what_weir_did_not_write_blames_no_frame(void **state)
{
	(void)state;
	uint8_t many[20000];
	setup();
	store();
	struct folder_list f = list_folder();
	assert_int_equal(f.chunk.n, 1);
	put_blame("0000000000000001-00000001", "x", 1); /* of no chunk */
	for (size_t n = 0; n < sizeof many; n = n * 3 + 7) {
		memset(many, 0, sizeof many);
		for (size_t i = 0; i + 8 <= sizeof many; i += 8)
			le64_put(many + i, i % 16 ? n : CHUNK_BLOCK);
		put_blame(f.chunk.v[0], many, n);
		world_must_open(&w);
		world_close(&w);
	}
	folder_list_free(&f);
	deliver_all_but(0);
	teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_third_crash_at_a_frame_sets_it_aside),
		cmocka_unit_test(crashes_at_different_frames_set_none_aside),
		cmocka_unit_test(a_crash_that_is_no_frames_doing_blames_none),
		cmocka_unit_test(a_buffer_in_memory_writes_no_file),
		cmocka_unit_test(what_weir_did_not_write_blames_no_frame),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
