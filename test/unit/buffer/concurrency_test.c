/* Many producers, takers and onlookers at once, in real time. Run under ThreadSanitizer it proves the locking. */
#include "harness.h"

#include <sched.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { FRAMES_EACH = 2000 };
#else
enum { FRAMES_EACH = 8000 };
#endif
enum { PRODUCERS = 4, TAKERS = 3, ALL = PRODUCERS * FRAMES_EACH };

struct party {
	struct buffer *b;
	const struct vfs *vfs;
	_Atomic uint64_t reported, failed;
	_Atomic uint8_t durable[ALL], delivered[ALL];
	uint64_t last[PRODUCERS]; /* the writer's: the last frame reported of each producer */
	_Atomic unsigned wrong, space;
	_Atomic bool over;
};

static void on_durable(void *arg, struct frame *list)
{
	struct party *p = arg;
	while (list) {
		struct frame *f = list;
		list = f->next;
		uint64_t id = le64_get(f->key), producer = id / FRAMES_EACH;
		p->wrong += f->error != 0 || id < p->last[producer] || p->durable[id];
		p->last[producer] = id;
		p->durable[id] = 1;
		p->reported++;
		frame_free(f);
	}
}

static void on_space(void *arg)
{
	struct party *p = arg;
	p->space++;
}

struct producer {
	struct party *p;
	unsigned number;
};

static struct frame *make(uint64_t id)
{
	size_t n = (size_t)(mix(id) % 3000);
	struct frame *f = frame_new(FRAME_DATA, SPAN_LIT("t"), (struct span){NULL, 0}, n);
	memset(frame_entries(f), (int)id, n);
	f->entries_len = n;
	f->count = 1;
	le64_put(f->key, id);
	return f;
}

static void *produce(void *arg)
{
	struct producer *me = arg;
	for (unsigned i = 0; i < FRAMES_EACH;) {
		if (buffer_admit(me->p->b, 3000) != BUFFER_OK) {
			sched_yield();
			continue;
		}
		unsigned n = 1 + i % 7;
		struct frame *list = NULL, **end = &list;
		char key = (char)('a' + me->number);
		for (; n-- && i < FRAMES_EACH; i++) {
			*end = make(me->number * FRAMES_EACH + i);
			end = &(*end)->next;
		}
		buffer_append(me->p->b, list, span_of(&key, me->number % 2), i % 100 ? 0 : clock_wall_ns() + NS_PER_MS);
	}
	return NULL;
}

static void *take(void *arg)
{
	struct party *p = arg;
	struct chunk *c;
	struct err err;
	unsigned turn = 0;
	while ((c = buffer_take(p->b, -1))) {
		struct chunk_reader *r = chunk_reader_open(p->b, c, &err);
		struct frame_view v;
		if (!r) {
			p->wrong++;
			buffer_release(p->b, c);
			continue;
		}
		bool retry = turn++ % 5 == 0;
		while (chunk_reader_next(r, &v, &err) == CHUNK_FRAME) {
			uint64_t id = le64_get(v.key);
			p->wrong += v.count != 1;
			if (!retry && p->delivered[id]++)
				p->wrong++;
		}
		chunk_reader_close(r);
		if (retry)
			buffer_retry(p->b, c, NS_PER_MS);
		else if (!buffer_commit(p->b, c, &err))
			p->wrong++;
	}
	return NULL;
}

static void *look_on(void *arg)
{
	struct party *p = arg;
	struct buffer_stats s;
	while (!p->over) {
		buffer_stats(p->b, &s);
		p->wrong += s.durable_records > s.appended_records || s.damaged_frames || s.write_errors;
		if (s.syncs % 10 == 0)
			buffer_flush_all(p->b);
		struct timespec ts = {.tv_nsec = 300000};
		nanosleep(&ts, NULL);
	}
	return NULL;
}

static void party(enum buffer_flush_mode mode)
{
	struct party *p = calloc(1, sizeof *p);
	struct producer me[PRODUCERS];
	pthread_t producers[PRODUCERS], takers[TAKERS], onlooker;
	struct err err;
	struct buffer_hooks hooks = {.on_durable = on_durable, .on_space = on_space, .arg = p};
	struct buffer_options o = {
		.name = "party",
		.path = "/mem/party",
		.chunk_limit_size = 200000,
		.total_limit_size = 3000000,
		.pending_limit = 300000,
		.flush_mode = mode,
		.flush_interval_ns = 5 * NS_PER_MS,
	};
	p->vfs = vfs_mem_new();
	p->b = buffer_open(&o, &hooks, p->vfs, &err);
	assert_non_null(p->b);
	pthread_create(&onlooker, NULL, look_on, p);
	for (int i = 0; i < TAKERS; i++)
		pthread_create(&takers[i], NULL, take, p);
	for (unsigned i = 0; i < PRODUCERS; i++) {
		me[i] = (struct producer){p, i};
		pthread_create(&producers[i], NULL, produce, &me[i]);
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i], NULL);
	buffer_end_input(p->b);
	while (!buffer_is_empty(p->b))
		sched_yield();
	buffer_end_output(p->b);
	for (int i = 0; i < TAKERS; i++)
		pthread_join(takers[i], NULL);
	p->over = true;
	pthread_join(onlooker, NULL);
	buffer_close(p->b);
	assert_int_equal(p->reported, ALL);
	assert_int_equal(p->wrong, 0);
	for (int i = 0; i < ALL; i++)
		assert_true(p->durable[i] && p->delivered[i] == 1);
	vfs_mem_free(p->vfs);
	free(p);
}

static void everybody_at_once(void **state)
{
	(void)state;
	log_threshold = LOG_FATAL;
	party(BUFFER_FLUSH_INTERVAL);
	party(BUFFER_FLUSH_IMMEDIATE);
	party(BUFFER_FLUSH_LAZY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
