/*
 * Any bytes as a folder: it opens and runs, and deletes nothing that it did not understand; or it refuses and touches
 * nothing.
 */
#include "harness.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK_A "17979cfe362a0000-00000001"
#define CHUNK_B "17979cfe362a0000-00000002"

static void make_folder(struct world *w)
{
	assert_int_equal(w->vfs->mkdir(w->vfs->ctx, "/d", 0700), 0);
	assert_int_equal(w->vfs->mkdir(w->vfs->ctx, FOLDER, 0700), 0);
}

/*
 * ---- the lock
 * ------------------------------------------------------------------------------------------------------
 */

static void a_second_opener_is_told_who_has_it(void **state)
{
	(void)state;
	struct buffer_hooks hooks = {.on_durable = world_on_durable, .on_space = world_on_space};
	static struct world w;
	struct err err;
	char pid[40];
	snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	for (int real = 0; real < 3; real++) {
		char root[] = "/tmp/weir-folder-XXXXXX";
		const struct vfs *mem = NULL;
		if (real == 2)
			world_init_on(&w, mem = vfs_mem_new(), "/mem");
		else if (real)
			world_init_on(&w, &vfs_posix, mkdtemp(root));
		else
			world_init(&w, 1);
		w.o.name = "first";
		world_must_open(&w);
		hooks.arg = &w;
		assert_null(buffer_open(&w.o, &hooks, w.vfs, &err));
		assert_non_null(strstr(err.text, "in use by"));
		assert_non_null(strstr(err.text, pid));
		assert_non_null(strstr(err.text, "output first"));
		world_append(&w, 2, 0, 0); /* the first is not disturbed */
		assert_int_equal(world_drain(&w), 2);
		world_close(&w);
		world_must_open(&w);
		world_ok(&w);
		world_free(&w);
		vfs_mem_free(mem);
		char command[100];
		snprintf(command, sizeof command, "rm -rf %s", root);
		assert_int_equal(real == 1 ? system(command) : 0, 0);
	}
}

/*
 * ---- strange files, on a real file system
 * --------------------------------------------------------------------------
 */

static void put(const char *dir, const char *name, const void *p, size_t n)
{
	char path[300];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	close(fd);
}

static bool is_there(const char *dir, const char *name)
{
	char path[300];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return lstat(path, &st) == 0;
}

static void make_special_files(const char *dir)
{
	char path[300];
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(path, sizeof path, "%s/%s", dir, "0000000000000001-00000000.chunk");
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/%s", dir, "0000000000000002-00000000.chunk");
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof path, "%s/%s", dir, "0000000000000003-00000000.chunk");
	assert_int_equal(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof path, "%s/%s", dir, "0000000000000004-00000000.chunk");
	assert_int_equal(symlink("nowhere", path), 0);
	snprintf(un.sun_path, sizeof un.sun_path, "%s/%s", dir, "0000000000000005-00000000.chunk");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	close(fd);
	snprintf(path, sizeof path, "%s/%s", dir, "0000000000000006-00000000.new");
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof path, "%s/%s", dir, "0000000000000007-00000000.new");
	assert_int_equal(symlink("LOCK", path), 0);
	snprintf(path, sizeof path, "%s/%s", dir, "0000000000000008-00000000.progress");
	assert_int_equal(mkdir(path, 0700), 0);
}

static char told[20][400];
static size_t told_count;

static void remember(
	void *arg, enum log_level level, const char *plugin, const char *message, const struct log_kv *facts)
{
	(void)arg;
	(void)level;
	(void)plugin;
	(void)facts;
	if (told_count < 20)
		snprintf(told[told_count++], sizeof told[0], "%s", message);
}

static int was_told(const char *words)
{
	int n = 0;
	for (size_t i = 0; i < told_count; i++)
		n += strstr(told[i], words) != NULL;
	return n;
}

static int stderr_copy;

static void listen_to_log(void)
{
	told_count = 0;
	log_threshold = LOG_INFO;
	log_tap(remember, NULL);
	stderr_copy = dup(2);
	int null = open("/dev/null", O_WRONLY);
	dup2(null, 2);
	close(null);
}

static void stop_listening(void)
{
	log_tap(NULL, NULL);
	log_threshold = LOG_FATAL;
	dup2(stderr_copy, 2);
	close(stderr_copy);
}

static void strange_files_are_left_alone(void **state)
{
	(void)state;
	static struct world w;
	static const char *const strange[] = {"notes.txt", "buffer.b5f0c1e2d3a4b5c6d7e8f90a1b2c3d4e5.log",
		"buffer.b5f0c1e2d3a4b5c6d7e8f90a1b2c3d4e5.log.meta", "17979CFE362A0000-00000001.chunk",
		"17979cfe362a0000-00000001.chunk.bak", "x17979cfe362a0000-0000001.chunk", "-.chunk", ".chunk",
		"\n\t\x01", "17979cfe362a0000_00000001.chunk", "17979cfe362a0000-00000001.chunK"};
	static const char *const special[] = {"0000000000000001-00000000.chunk", "0000000000000002-00000000.chunk",
		"0000000000000003-00000000.chunk", "0000000000000004-00000000.chunk", "0000000000000005-00000000.chunk",
		"0000000000000006-00000000.new", "0000000000000007-00000000.new", "0000000000000008-00000000.progress"};
	static const char *const leftovers[] = {CHUNK_A ".new", CHUNK_A ".progress", CHUNK_A ".progress.new"};
	char root[] = "/tmp/weir-folder-XXXXXX", command[200];
	world_init_on(&w, &vfs_posix, mkdtemp(root));
	for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++)
		put(root, strange[i], "hello", 5);
	for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0]; i++)
		put(root, leftovers[i], "hello", 5);
	make_special_files(root);
	listen_to_log();
	world_must_open(&w);
	world_append(&w, 3, 0, 0);
	assert_int_equal(world_drain(&w), 3);
	world_judge(&w);
	world_close(&w);
	stop_listening();
	world_ok(&w);
	assert_int_equal(was_told("not weir's"), 1);
	assert_int_equal(was_told("fluentd's file buffer"), 1);
	for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++)
		assert_true(is_there(root, strange[i]));
	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
		assert_true(is_there(root, special[i]));
	for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0]; i++)
		assert_false(is_there(root, leftovers[i]));
	snprintf(command, sizeof command, "rm -rf %s", root);
	assert_int_equal(system(command), 0);
	world_free(&w);
}

/*
 * ---- chunk files that are none
 * -------------------------------------------------------------------------------------
 */

static void without_a_head_a_file_goes_to_backup_whole(void **state)
{
	(void)state;
	static struct world w;
	static const size_t sizes[] = {0, 1, 63, 64, 511, 4095, 4096, 4097, 8192, 20000, 200000};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		for (int kind = 0; kind < 3; kind++) {
			size_t n = sizes[i], got;
			uint8_t *p = calloc(1, n + 1);
			world_init(&w, i);
			make_folder(&w);
			for (size_t k = 0; k < n; k++)
				p[k] = kind == 0 ? 0 : kind == 1 ? (uint8_t)sim_random(w.sim, 256) : 0xff;
			sim_put(w.sim, FOLDER "/" CHUNK_A ".chunk", p, n);
			sim_put(w.sim, FOLDER "/" CHUNK_A ".progress", p, n);
			world_must_open(&w);
			world_append(&w, 2, 0, 0);
			assert_int_equal(world_drain(&w), 2);
			world_ok(&w);
			struct buffer_stats s;
			buffer_stats(w.b, &s);
			assert_int_equal(s.damaged_frames, 1);
			assert_int_equal(s.damaged_bytes, n);
			uint8_t *kept = sim_get(w.sim, FOLDER "/backup/" CHUNK_A ".chunk", &got);
			assert_non_null(kept);
			assert_int_equal(got, n);
			assert_memory_equal(kept, p, n);
			free(kept);
			free(p);
			world_free(&w);
		}
}

static void backup_never_overwrites(void **state)
{
	(void)state;
	static struct world w;
	size_t n;
	world_init(&w, 1);
	make_folder(&w);
	assert_int_equal(w.vfs->mkdir(w.vfs->ctx, FOLDER "/backup", 0700), 0);
	sim_put(w.sim, FOLDER "/backup/" CHUNK_A ".chunk", "old", 3);
	sim_put(w.sim, FOLDER "/" CHUNK_A ".chunk", "new", 3);
	world_must_open(&w);
	uint8_t *old = sim_get(w.sim, FOLDER "/backup/" CHUNK_A ".chunk", &n);
	uint8_t *new = sim_get(w.sim, FOLDER "/backup/" CHUNK_A ".chunk.1", &n);
	assert_memory_equal(old, "old", 3);
	assert_memory_equal(new, "new", 3);
	free(old);
	free(new);
	world_free(&w);
}

static size_t put_head(uint8_t *p, uint16_t version, struct span stage)
{
	struct chunk_head head = {.id = {1, 2, 3}, .created_ns = 7, .name = SPAN_LIT("out"), .stage = stage};
	head.length = chunk_format_head_length(head.name, head.stage);
	chunk_format_put_head(p, &head);
	size_t n = chunk_format_head_size(head.name, head.stage);
	for (unsigned copy = 0; copy < 2; copy++) {
		uint8_t *q = p + copy * head.length / 2;
		le16_put(q + 12, version);
		le32_put(q + 8, crc32c(0, q + 12, n - 12));
	}
	return head.length;
}

static void a_newer_version_is_refused_and_nothing_is_touched(void **state)
{
	(void)state;
	static struct world w;
	uint8_t p[CHUNK_BLOCK];
	size_t n = put_head(p, CHUNK_VERSION + 1, (struct span){NULL, 0}), got;
	world_init(&w, 1);
	make_folder(&w);
	sim_put(w.sim, FOLDER "/" CHUNK_B ".chunk", p, n);
	sim_put(w.sim, FOLDER "/" CHUNK_A ".chunk", "rubbish", 7);
	sim_put(w.sim, FOLDER "/" CHUNK_A ".new", "rubbish", 7);
	sim_put(w.sim, FOLDER "/" CHUNK_A ".progress.new", "rubbish", 7);
	assert_false(world_open(&w));
	assert_non_null(strstr(w.err.text, "newer"));
	assert_non_null(strstr(w.err.text, CHUNK_B));
	assert_int_equal(sim_names(w.sim, FOLDER, NULL, NULL), 5); /* and LOCK */
	uint8_t *q = sim_get(w.sim, FOLDER "/" CHUNK_B ".chunk", &got);
	assert_int_equal(got, n);
	assert_memory_equal(q, p, n);
	free(q);
	/* The lock is given back. */
	w.vfs->unlink(w.vfs->ctx, FOLDER "/" CHUNK_B ".chunk");
	world_must_open(&w);
	world_free(&w);
}

/* A flipped bit in the version is damage, not a newer version. */
static void a_damaged_version_is_not_a_newer_one(void **state)
{
	(void)state;
	static struct world w;
	uint8_t p[CHUNK_BLOCK];
	size_t n = put_head(p, CHUNK_VERSION, (struct span){NULL, 0});
	p[12] ^= 2;
	p[n / 2 + 12] ^= 2;
	world_init(&w, 1);
	make_folder(&w);
	sim_put(w.sim, FOLDER "/" CHUNK_B ".chunk", p, n);
	world_must_open(&w);
	world_free(&w);
}

/*
 * ---- what is in order, in unusual ways
 * ------------------------------------------------------------------------------
 */

/* A file that cannot be read now is neither moved nor lost. */
static void an_unreadable_file_waits_for_the_next_start(void **state)
{
	(void)state;
	static struct world w;
	world_init(&w, 1);
	world_must_open(&w);
	world_append(&w, 3, 0, 0);
	buffer_settle(w.b);
	world_close(&w);
	sim_fail(w.sim, SIM_PREAD, 0, 2, EIO); /* its head, and the copy of it in its seal */
	world_must_open(&w);
	assert_int_equal(world_drain(&w), 0);
	world_close(&w);
	world_must_open(&w);
	assert_int_equal(world_drain(&w), 3);
	world_judge(&w);
	world_ok(&w);
	world_free(&w);
}

static void a_folder_may_be_moved_and_another_may_open_it(void **state)
{
	(void)state;
	static struct world w;
	char root[] = "/tmp/weir-folder-XXXXXX", a[100], b[100], command[300];
	assert_non_null(mkdtemp(root));
	snprintf(a, sizeof a, "%s/a/deep/er/", root);
	snprintf(b, sizeof b, "%s/b", root);
	world_init_on(&w, &vfs_posix, a);
	world_must_open(&w);
	struct stat st;
	snprintf(command, sizeof command, "%s/a/deep/er", root);
	assert_int_equal(stat(command, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(command, sizeof command, "%s/a/deep/er/LOCK", root);
	assert_int_equal(stat(command, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	world_append(&w, 3, 0, 0);
	buffer_settle(w.b);
	world_close(&w);
	snprintf(command, sizeof command, "mv %s/a/deep/er %s", root, b);
	assert_int_equal(system(command), 0);
	w.o.path = b;
	w.o.name = "a name of another output";
	world_must_open(&w);
	assert_int_equal(world_drain(&w), 3);
	world_judge(&w);
	world_ok(&w);
	world_free(&w);
	snprintf(command, sizeof command, "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

static void folders_that_cannot_be(void **state)
{
	(void)state;
	static struct world w;
	char root[] = "/tmp/weir-folder-XXXXXX", path[100], command[100];
	assert_non_null(mkdtemp(root));
	put(root, "file", "", 0);
	static const char *const bad[] = {"file", "file/below", "link"};
	snprintf(path, sizeof path, "%s/link", root);
	assert_int_equal(symlink("nowhere/at/all", path), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", root, bad[i]);
		world_init_on(&w, &vfs_posix, path);
		assert_false(world_open(&w));
		assert_non_null(strstr(w.err.text, path));
		assert_true(w.err.code != 0);
		world_free(&w);
	}
	snprintf(command, sizeof command, "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

/*
 * 3,000 files with names of chunks: random bytes, pieces of good chunks, good chunks; nothing is lost of the good
 * ones.
 */
static void random_folders(void **state)
{
	(void)state;
	static struct world w;
	uint8_t *good[3];
	size_t len[3];
	char name[100];
	for (uint64_t round = 1; round <= 60; round++) {
		world_init(&w, round);
		world_must_open(&w);
		uint64_t chunks = 0;
		for (int i = 0; i < 3; i++) {
			world_append(&w, 3, 0, 0);
			buffer_settle(w.b);
			buffer_flush_all(w.b);
			buffer_settle(w.b);
			snprintf(name, sizeof name, FOLDER "/%s.chunk", w.b->queue.newest->name);
			good[i] = sim_get(w.sim, name, &len[i]);
		}
		world_close(&w);
		for (unsigned i = 0; i < 50; i++) {
			uint8_t *p = calloc(1, 40000);
			size_t n = (size_t)sim_random(w.sim, 40000), from = (size_t)sim_random(w.sim, 3);
			for (size_t k = 0; k < n; k++)
				p[k] = (uint8_t)sim_random(w.sim, 256);
			if (sim_random(w.sim, 3)) { /* a piece of a good chunk at its own place, or anywhere */
				size_t at = (size_t)sim_random(w.sim, len[from]), end = len[from] < n ? len[from] : n;
				if (at < end)
					memcpy(p + at, good[from] + at, end - at);
				if (sim_random(w.sim, 2))
					memcpy(p, good[from], n < CHUNK_BLOCK ? n : CHUNK_BLOCK);
			}
			static const char *const suffixes[] = {"chunk", "chunk", "chunk", "progress", "new"};
			snprintf(name, sizeof name, FOLDER "/%016x-%08x.%s", i, (unsigned)round,
				suffixes[sim_random(w.sim, 5)]);
			sim_put(w.sim, name, p, n);
			free(p);
			chunks++;
		}
		world_must_open(&w);
		world_drain(&w);
		world_judge(&w);
		if (!buffer_is_empty(w.b))
			problem(&w, "round %llu: not empty", (unsigned long long)round);
		world_ok(&w);
		world_free(&w);
		for (int i = 0; i < 3; i++)
			free(good[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_opener_is_told_who_has_it),
		cmocka_unit_test(strange_files_are_left_alone),
		cmocka_unit_test(without_a_head_a_file_goes_to_backup_whole),
		cmocka_unit_test(backup_never_overwrites),
		cmocka_unit_test(a_newer_version_is_refused_and_nothing_is_touched),
		cmocka_unit_test(a_damaged_version_is_not_a_newer_one),
		cmocka_unit_test(an_unreadable_file_waits_for_the_next_start),
		cmocka_unit_test(a_folder_may_be_moved_and_another_may_open_it),
		cmocka_unit_test(folders_that_cannot_be),
		cmocka_unit_test(random_folders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
