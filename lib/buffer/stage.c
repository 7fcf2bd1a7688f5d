#include "buffer/stage.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	OPEN_MAX = 64, /* stage files at a time; each has a descriptor */
	FILE_MODE = 0600,
};

struct stage *stage_get(struct buffer *b, struct span key)
{
	if (key.n > CHUNK_STAGE_MAX)
		key.n = CHUNK_STAGE_MAX;
	void **place = map_put(b->stages, key);
	if (!place)
		return NULL;
	struct stage *s = *place;
	if (!s) {
		*place = s = mem_zalloc(sizeof *s + key.n);
		s->key_len = key.n;
		s->work_end = &s->work;
		if (key.n)
			memcpy(s->key, key.p, key.n);
	}
	return s;
}

void stage_tidy(struct buffer *b, struct stage *s)
{
	if (s->waiting || s->is_open || s->is_touched)
		return;
	map_remove(b->stages, span_of(s->key, s->key_len));
	mem_free(s);
}

static void random_bytes(void *p, size_t n)
{
	for (uint8_t *q = p; n;) {
		ssize_t k = getrandom(q, n, 0);
		if (k > 0) {
			q += k;
			n -= (size_t)k;
		} else if (errno != EINTR) {
			abort(); /* a kernel without getrandom(2): older than 3.17 */
		}
	}
}

int stage_open_file(struct buffer *b, struct stage *s)
{
	struct writer *w = &b->writer;
	if (w->open_count >= OPEN_MAX)
		stage_seal(b, w->open_first);
	int64_t now = clock_wall_ns();
	w->last_created_ns = now > w->last_created_ns ? now : w->last_created_ns + 1;
	s->file = (struct chunk_file){
		.vfs = b->vfs,
		.folder = b->path,
		.step = b->o.chunk_limit_size / 4,
		.head.created_ns = w->last_created_ns,
		.head.name = span_str(b->name),
		.head.stage = span_of(s->key, s->key_len),
	};
	uint32_t random;
	random_bytes(&random, sizeof random);
	random_bytes(s->file.head.id, CHUNK_ID_LEN);
	chunk_file_name(s->file.name, w->last_created_ns, random);
	int code = chunk_file_create(&s->file, b->o.file_mode ? b->o.file_mode : FILE_MODE);
	if (code)
		return code;
	s->is_open = true;
	s->due_ns = 0;
	s->prev_open = w->open_last;
	s->next_open = NULL;
	*(s->prev_open ? &s->prev_open->next_open : &w->open_first) = s;
	w->open_last = s;
	w->open_count++;
	return 0;
}

static void forget_file(struct buffer *b, struct stage *s)
{
	struct writer *w = &b->writer;
	*(s->prev_open ? &s->prev_open->next_open : &w->open_first) = s->next_open;
	*(s->next_open ? &s->next_open->prev_open : &w->open_last) = s->prev_open;
	w->open_count--;
	s->is_open = false;
	s->chunk = NULL;
}

void stage_abandon(struct buffer *b, struct stage *s)
{
	chunk_file_abandon(&s->file);
	forget_file(b, s);
}

void stage_publish(struct buffer *b, struct stage *s)
{
	int64_t now = clock_mono_ns();
	s->last_write_ns = now;
	pthread_mutex_lock(&b->lock);
	if (!s->chunk) {
		s->flush_ns = now + b->o.flush_interval_ns;
		s->chunk = chunk_new(s->file.name, &s->file.head);
		queue_add(&b->queue, s->chunk, CHUNK_STAGED);
	}
	b->ledger.total.stored += s->file.records - s->chunk->records;
	buffer_use(b, s->file.end, s->chunk->size);
	queue_grow(&b->queue, s->chunk, s->file.end, s->file.durable, s->file.records);
	pthread_mutex_unlock(&b->lock);
}

static void enqueue(struct buffer *b, struct stage *s, bool is_sealed, uint64_t size, uint64_t end)
{
	chunk_file_close(&s->file);
	struct chunk *c = s->chunk;
	pthread_mutex_lock(&b->lock);
	buffer_use(b, size, c->size);
	queue_grow(&b->queue, c, size, end, c->records);
	c->known = s->file.durable;
	c->is_sealed = is_sealed;
	queue_set_state(&b->queue, c, CHUNK_READY);
	forget_file(b, s);
	stage_tidy(b, s);
	pthread_cond_signal(&b->ready);
	pthread_mutex_unlock(&b->lock);
}

void stage_seal(struct buffer *b, struct stage *s)
{
	/* Without a seal the chunk is as good; only the next start would have to look through it. */
	bool is_sealed = chunk_file_seal(&s->file, NULL) == 0;
	enqueue(b, s, is_sealed, s->file.end + (is_sealed ? CHUNK_BLOCK : 0), s->file.end);
}

void stage_retire(struct buffer *b, struct stage *s)
{
	enqueue(b, s, false, s->chunk->size, s->file.durable);
}
