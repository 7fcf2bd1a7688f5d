/* The process, and then the machine, dies at each named durable step, at each of the times that it comes to it. */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	struct sim *sim; /* NULL: real files, and a process that ends */
	const char *name;
	unsigned hits_left;
	bool came;
} death;

static void on_crash_point(const char *name)
{
	if (strcmp(name, death.name) || !death.hits_left || --death.hits_left)
		return;
	death.came = true;
	if (death.sim)
		sim_die(death.sim);
	else
		kill(getpid(), SIGKILL);
}

/* Leaves a folder as a crash would: an unsealed chunk with a hole in its middle and rubbish at its end. */
static void first_life(struct world *w)
{
	char path[200] = "";
	w->o.chunk_limit_size = 1u << 20;
	world_must_open(w);
	for (int i = 0; i < 3; i++) {
		world_append(w, 2, 0, 0);
		buffer_settle(w->b);
	}
	snprintf(path, sizeof path, "%s/%s.chunk", w->o.path, w->b->queue.newest->name);
	world_close(w); /* sealed; the seal is broken below, so that the next life looks through the file */
	int fd = w->vfs->open(w->vfs->ctx, path, O_RDWR, 0);
	assert_true(fd >= 0);
	off_t size = w->vfs->size(w->vfs->ctx, fd);
	uint8_t rubbish[100];
	memset(rubbish, 0x5a, sizeof rubbish);
	struct iovec v = {.iov_base = rubbish, .iov_len = sizeof rubbish};
	assert_int_equal(w->vfs->pwritev(w->vfs->ctx, fd, &v, 1, size - CHUNK_BLOCK), 100);
	v = (struct iovec){.iov_base = rubbish, .iov_len = 4};
	assert_int_equal(w->vfs->pwritev(w->vfs->ctx, fd, &v, 1, CHUNK_BLOCK + 4), 4); /* frame 1 is lost */
	assert_int_equal(w->vfs->fsync(w->vfs->ctx, fd), 0);
	w->vfs->close(w->vfs->ctx, fd);
	w->frame[1].acked = false;
}

/* Comes by every crash point. */
static void second_life(struct world *w)
{
	struct chunk *c;
	struct chunk_pending pending = {.offset = CHUNK_BLOCK, .index = 3};
	struct chunk_progress p = {
		.next_offset = CHUNK_BLOCK, .next_index = 7, .pending = &pending, .pending_count = 1};
	if (!world_open(w))
		return; /* a dead disk */
	world_wait_recovered(w);
	world_append(w, 2, 0, 0);
	buffer_settle(w->b);
	world_append(w, 2, 0, 0);
	buffer_settle(w->b);
	time_pass(2 * NS_PER_S);
	buffer_settle(w->b);
	world_append(w, 2, 1, 0);
	buffer_settle(w->b);
	buffer_flush_all(w->b);
	buffer_settle(w->b);
	for (int i = 0; i < 2 && (c = buffer_take(w->b, 0)); i++) {
		(void)chunk_progress_save(w->b, c, &p, true, &w->err);
		if (world_read(w, c, NULL))
			(void)world_commit(w, c);
		else
			buffer_release(w->b, c);
		world_forget(w);
	}
	if ((c = buffer_take(w->b, 0)))
		buffer_retry(w->b, c, 0);
	world_append(w, 1, 0, 0);
	buffer_settle(w->b);
}

static void third_life(struct world *w, const char *name, unsigned hit)
{
	world_must_open(w);
	world_drain(w);
	world_judge(w);
	if (!buffer_is_empty(w->b))
		problem(w, "not empty when all is delivered");
	world_close(w);
	if (w->problem[0])
		fail_msg("%s, time %u: %s", name, hit, w->problem);
}

enum { TIMES = 12 };

static void the_power_goes_at_each_step(void **state)
{
	(void)state;
	static struct world w;
	for (int point = 0; point < CRASH_COUNT; point++) {
		unsigned hit = 0;
		do {
			hit++;
			for (uint64_t seed = 1; seed <= 5; seed++) {
				world_init(&w, seed);
				first_life(&w);
				death.sim = w.sim;
				death.name = crash_point_names[point];
				death.hits_left = hit;
				death.came = false;
				buffer_crash_point = on_crash_point;
				second_life(&w);
				sim_die(w.sim);
				world_close(&w);
				buffer_crash_point = NULL;
				sim_power_cut(w.sim);
				third_life(&w, death.name, hit);
				world_free(&w);
			}
		} while (death.came && hit < TIMES);
		if (hit == 1)
			fail_msg("%s was never come by", crash_point_names[point]);
	}
}

static void remove_folder(const char *path)
{
	char command[300];
	snprintf(command, sizeof command, "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

struct shared {
	struct world w; /* what the child was told is remembered here */
	bool finished;	/* it came to the end without dying */
};

/* True if the child died where it was to die. */
static bool dies(struct shared *m)
{
	m->finished = false;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		buffer_crash_point = on_crash_point;
		second_life(&m->w);
		m->finished = true;
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return !m->finished;
}

static void the_process_dies_at_each_step(void **state)
{
	(void)state;
	char root[] = "/tmp/weir-crash-XXXXXX", path[100];
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof path, "%s/a/b", root);
	struct shared *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(m != MAP_FAILED);
	for (int point = 0; point < CRASH_COUNT; point++) {
		bool died = true;
		for (unsigned hit = 1; died && hit <= 3; hit++) {
			world_init_on(&m->w, &vfs_posix, path);
			first_life(&m->w);
			death.sim = NULL;
			death.name = crash_point_names[point];
			death.hits_left = hit;
			died = dies(m);
			pthread_mutex_init(&m->w.lock, NULL); /* the child may have died with it */
			m->w.b = NULL;
			third_life(&m->w, death.name, hit);
			world_free(&m->w);
			remove_folder(root);
			if (hit == 1 && !died)
				fail_msg("%s was never come by", crash_point_names[point]);
		}
	}
	munmap(m, sizeof *m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_power_goes_at_each_step),
		cmocka_unit_test(the_process_dies_at_each_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
