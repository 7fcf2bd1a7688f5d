/*
 * harness.h: what the tests of the buffer share: frames whose whole content follows from a number, a record of what
 * was acknowledged, and the oracle that judges what is found. Header-only; includes the simulated disk.
 */
#ifndef WEIR_BUFFER_HARNESS_H
#define WEIR_BUFFER_HARNESS_H

#pragma GCC diagnostic ignored "-Wunused-function" /* no test uses all of it */

#include "vfs_sim.c"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vfs_mem.h"
#include "buffer/buffer.h"
#include "buffer/buffer_impl.h"
#include "buffer/chunk_format.h"
#include "buffer/crash_point.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define FOLDER "/d/b"

/*
 * ---- time: stands still until a test moves it
 * ------------------------------------------------------------------------
 */

static _Atomic int64_t fake_mono, fake_wall;

static int64_t fake_mono_ns(void)
{
	return fake_mono;
}

static int64_t fake_wall_ns(void)
{
	return fake_wall;
}

static void time_pass(int64_t ns)
{
	fake_mono += ns;
	fake_wall += ns;
}

/*
 * ---- frames
 * ----------------------------------------------------------------------------------------------------------
 */

static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Frames in the payload, as a hostile sender would put them there: right in all but the secret. */
static void forge(uint8_t *p, size_t n, uint64_t r)
{
	static const uint8_t no_id[CHUNK_ID_LEN];
	struct chunk_salt salt = chunk_format_salt(no_id);
	for (size_t at = r % 8; at + 80 <= n; at += 72) {
		struct frame_head h = {.length = 8, .number = 100000, .count = 1, .type = FRAME_DATA};
		chunk_format_put_frame(p + at, &h, &salt, CHUNK_BLOCK + at);
		memcpy(p + at + 64, "FORGED!!", 8);
	}
}

static size_t frame_size_max = SIZE_MAX;

static size_t frame_size_of(uint64_t r)
{
	static const size_t sizes[] = {0, 1, 7, 8, 9, 40, 200, 700, 3000, 3900, 4032, 9000};
	size_t n = r % 97 == 0 ? 70000 : sizes[r % (sizeof sizes / sizeof sizes[0])];
	return n < frame_size_max ? n : frame_size_max - n % 64;
}

static struct frame *frame_of(uint64_t id)
{
	uint64_t r = mix(id);
	char tag[40], info[40];
	int tag_n = r % 11 == 0 ? 0 : snprintf(tag, sizeof tag, "tag.%llu", (unsigned long long)id);
	bool dead = r % 5 == 0;
	int info_n = dead ? snprintf(info, sizeof info, "info %llu", (unsigned long long)id) : 0;
	size_t n = frame_size_of(mix(r));
	struct frame *f = frame_new(
		dead ? FRAME_DEAD : FRAME_DATA, span_of(tag, (size_t)tag_n), span_of(info, (size_t)info_n), n);
	uint8_t *p = frame_entries(f);
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = mix(r + i);
		memcpy(p + i, &v, n - i < 8 ? n - i : 8);
	}
	if (r % 3 == 0)
		forge(p, n, r);
	f->entries_len = n;
	f->count = (uint32_t)(r % 7);
	f->received_ns = (int64_t)(id * 1000);
	le64_put(f->key, id);
	le32_put(f->key + 8, (uint32_t)r);
	return f;
}

/* Is it a frame that frame_of made, in all its parts? Its number, or 0. */
static uint64_t frame_check(const struct frame_view *v)
{
	uint64_t id = le64_get(v->key);
	struct frame *f = frame_of(id);
	bool same = !memcmp(f->key, v->key, FRAME_KEY_LEN) && span_eq(v->tag, frame_tag(f)) &&
		    span_eq(v->info, frame_info(f)) && span_eq(v->entries, span_of(frame_entries(f), f->entries_len)) &&
		    v->type == f->type && v->count == f->count && v->received_ns == f->received_ns;
	frame_free(f);
	return same ? id : 0;
}

/*
 * ---- the world
 * ---------------------------------------------------------------------------------------------------------
 */

enum { FRAMES_MAX = 4096 };

struct world {
	struct sim *sim;
	const struct vfs *vfs;
	struct buffer_options o;
	struct buffer *b;
	struct err err;

	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint64_t appended, reported; /* frames of this life */
	uint64_t last_reported;	     /* id: reports come in order */
	unsigned on_space;
	uint64_t next_id;
	struct {
		bool appended, acked, failed, delivered, found;
		uint8_t stage;
	} frame[FRAMES_MAX];
	char problem[300]; /* the first thing that the oracle did not like */
};

__attribute__((format(printf, 2, 3))) static void problem(struct world *w, const char *fmt, ...)
{
	va_list ap;
	if (w->problem[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->problem, sizeof w->problem, fmt, ap);
	va_end(ap);
}

static void world_on_durable(void *arg, struct frame *list)
{
	struct world *w = arg;
	pthread_mutex_lock(&w->lock);
	for (struct frame *f = list, *next; f; f = next) {
		next = f->next;
		uint64_t id = le64_get(f->key);
		if (id <= w->last_reported)
			problem(w, "frame %llu reported after %llu", (unsigned long long)id,
				(unsigned long long)w->last_reported);
		w->last_reported = id;
		if (w->frame[id].acked || w->frame[id].failed)
			problem(w, "frame %llu reported twice", (unsigned long long)id);
		if (f->error)
			w->frame[id].failed = true;
		else
			w->frame[id].acked = true;
		w->reported++;
		frame_free(f);
	}
	pthread_cond_broadcast(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

static void world_on_space(void *arg)
{
	struct world *w = arg;
	pthread_mutex_lock(&w->lock);
	w->on_space++;
	pthread_mutex_unlock(&w->lock);
}

/* On some vfs and folder; w->sim is NULL. */
static void world_init_on(struct world *w, const struct vfs *vfs, const char *path)
{
	memset(w, 0, sizeof *w);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->cond, NULL);
	w->vfs = vfs;
	w->next_id = 1;
	w->o = (struct buffer_options){
		.name = "out",
		.path = path,
		.chunk_limit_size = 64 * 1024,
		.total_limit_size = 1u << 30,
		.pending_limit = 1u << 26,
		.flush_mode = BUFFER_FLUSH_LAZY,
	};
	log_threshold = getenv("WEIR_TEST_LOG") ? LOG_TRACE : LOG_FATAL;
	fake_mono = 1000 * NS_PER_S;
	fake_wall = 1700000000 * NS_PER_S;
	clock_replace(fake_wall_ns, fake_mono_ns);
}

static void world_init(struct world *w, uint64_t seed)
{
	struct sim *sim = sim_new(seed);
	world_init_on(w, sim_vfs(sim), FOLDER);
	w->sim = sim;
}

static bool world_open(struct world *w)
{
	struct buffer_hooks hooks = {.on_durable = world_on_durable, .on_space = world_on_space, .arg = w};
	w->appended = w->reported = w->last_reported = 0;
	time_pass(NS_PER_MS); /* no two lives make chunks at the same time */
	w->b = buffer_open(&w->o, &hooks, w->vfs, &w->err);
	return w->b != NULL;
}

static void world_must_open(struct world *w)
{
	if (!world_open(w))
		fail_msg("buffer_open: %s", w->err.text);
}

static void world_close(struct world *w)
{
	buffer_close(w->b);
	w->b = NULL;
}

static void world_free(struct world *w)
{
	world_close(w);
	sim_free(w->sim);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->cond);
	clock_replace(NULL, NULL);
}

/* Appends n frames in one list. */
static void world_append(struct world *w, unsigned n, unsigned stage, int64_t due_ns)
{
	struct frame *list = NULL, **end = &list;
	char key[16];
	int key_n = stage ? snprintf(key, sizeof key, "stage%u", stage) : 0;
	while (n-- && w->next_id < FRAMES_MAX) {
		uint64_t id = w->next_id++;
		w->frame[id].appended = true;
		w->frame[id].stage = (uint8_t)stage;
		*end = frame_of(id);
		end = &(*end)->next;
		w->appended++;
	}
	buffer_append(w->b, list, span_of(key, (size_t)key_n), due_ns);
}

static void world_wait_recovered(struct world *w)
{
	struct buffer_stats s;
	struct timespec ts = {.tv_nsec = 20000};
	for (buffer_stats(w->b, &s); s.recovering; buffer_stats(w->b, &s))
		nanosleep(&ts, NULL);
}

/*
 * Everything in the chunk is as it was appended, durable, and of the right stage. Marks what is found. False if it
 * cannot be read.
 */
static bool world_read(struct world *w, struct chunk *c, uint64_t *frames)
{
	struct chunk_info info;
	chunk_info(c, &info);
	char path[100], stage[16] = "";
	snprintf(path, sizeof path, "%s/%s.chunk", w->o.path, info.id);
	memcpy(stage, info.stage.p, info.stage.n < 15 ? info.stage.n : 15);
	unsigned number = 0;
	if (stage[0] && sscanf(stage, "stage%u", &number) != 1)
		problem(w, "stage key %s", stage);
	struct chunk_reader *r = chunk_reader_open(w->b, c, &w->err);
	if (!r)
		return false;
	struct frame_view v;
	enum chunk_read got;
	while ((got = chunk_reader_next(r, &v, &w->err)) == CHUNK_FRAME) {
		uint64_t id = frame_check(&v);
		if (!id || id >= FRAMES_MAX || !w->frame[id].appended) {
			problem(w, "invented: a frame at %llu of %s", (unsigned long long)v.offset, info.id);
			continue;
		}
		if (w->frame[id].stage != number)
			problem(w, "frame %llu in the wrong stage", (unsigned long long)id);
		if (w->sim && !sim_is_dead(w->sim) &&
			!sim_is_durable(
				w->sim, path, v.offset + FRAME_HEAD_LEN, v.tag.p, v.tag.n + v.info.n + v.entries.n))
			problem(w, "frame %llu delivered before it was durable", (unsigned long long)id);
		w->frame[id].found = true;
		if (frames)
			++*frames;
	}
	chunk_reader_close(r);
	return got == CHUNK_END;
}

/* A chunk that is wholly delivered. */
static bool world_commit(struct world *w, struct chunk *c)
{
	for (uint64_t id = 1; id < w->next_id; id++) {
		w->frame[id].delivered = w->frame[id].delivered || w->frame[id].found;
		w->frame[id].found = false;
	}
	return buffer_commit(w->b, c, &w->err);
}

/* A chunk that is given back: what was found in it is still owed. */
static void world_forget(struct world *w)
{
	for (uint64_t id = 1; id < w->next_id; id++)
		w->frame[id].found = false;
}

/* Delivers all that is there. */
static uint64_t world_drain(struct world *w)
{
	uint64_t frames = 0;
	struct chunk *c;
	world_wait_recovered(w);
	buffer_settle(w->b);
	buffer_flush_all(w->b);
	buffer_settle(w->b);
	while ((c = buffer_take(w->b, 0))) {
		if (!world_read(w, c, &frames)) {
			problem(w, "a chunk cannot be read: %s", w->err.text);
			buffer_release(w->b, c);
			world_forget(w);
			break;
		}
		if (!world_commit(w, c)) {
			problem(w, "a chunk cannot be committed: %s", w->err.text);
			break;
		}
	}
	return frames;
}

/* What was stored is what has gone and what is there, however often it all broke. */
static void world_books(struct world *w)
{
	struct buffer_stats s;
	buffer_stats(w->b, &s);
	const struct buffer_ledger *l = &s.ledger;
	uint64_t gone = l->delivered + l->already_there + l->dead + l->dropped + l->lost;
	if (l->stored != gone + s.stage_records + s.queue_records)
		problem(w, "the books do not balance: %llu stored, %llu gone, %llu there",
			(unsigned long long)l->stored, (unsigned long long)gone,
			(unsigned long long)(s.stage_records + s.queue_records));
}

/* Everything that was acknowledged has been delivered. */
static void world_judge(struct world *w)
{
	for (uint64_t id = 1; id < w->next_id; id++)
		if (w->frame[id].acked && !w->frame[id].delivered)
			problem(w, "LOST: acknowledged frame %llu", (unsigned long long)id);
	if (w->b)
		world_books(w);
}

static void world_ok(struct world *w)
{
	if (w->problem[0])
		fail_msg("%s", w->problem);
}

#endif
