#include "buffer/queue.h"

#include "base/mem.h"

struct chunk *chunk_new(const char *name, const struct chunk_head *head)
{
	struct chunk *c = mem_zalloc(sizeof *c + head->stage.n);
	memcpy(c->name, name, CHUNK_FILE_NAME_LEN);
	memcpy(c->id, head->id, CHUNK_ID_LEN);
	c->head_length = head->length;
	c->created_ns = head->created_ns;
	c->stage_len = (uint32_t)head->stage.n;
	if (head->stage.n)
		memcpy(c->stage, head->stage.p, head->stage.n);
	return c;
}

void chunk_free(struct chunk *c)
{
	if (!c)
		return;
	mem_free(c->hole);
	mem_free(c->poison);
	mem_free(c);
}

bool chunk_add_hole(struct chunk *c, uint64_t from, uint64_t to)
{
	for (uint32_t i = 0; i < c->hole_count; i++)
		if (c->hole[i].from <= from && to <= c->hole[i].to)
			return false;
	if (c->hole_count == CHUNK_SEAL_HOLES) {
		c->more_holes = true;
		return true;
	}
	c->hole = mem_realloc(c->hole, (c->hole_count + 1) * sizeof *c->hole);
	c->hole[c->hole_count++] = (struct chunk_hole){from, to};
	return true;
}

/* ---- heap ------------------------------------------------------------------------------------------------------- */

static void heap_set(struct chunk_heap *h, size_t i, struct chunk *c)
{
	h->v[i] = c;
	c->heap_at = i;
}

static void heap_up(struct chunk_heap *h, size_t i, struct chunk *c)
{
	while (i && h->is_before(c, h->v[(i - 1) / 2])) {
		heap_set(h, i, h->v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(h, i, c);
}

static void heap_down(struct chunk_heap *h, size_t i, struct chunk *c)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < h->n && h->is_before(h->v[child + 1], h->v[child]))
			child++;
		if (child >= h->n || !h->is_before(h->v[child], c))
			break;
		heap_set(h, i, h->v[child]);
		i = child;
	}
	heap_set(h, i, c);
}

static void heap_add(struct chunk_heap *h, struct chunk *c)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 16;
		h->v = mem_realloc(h->v, h->cap * sizeof(struct chunk *));
	}
	heap_up(h, h->n++, c);
}

static void heap_remove(struct chunk_heap *h, const struct chunk *c)
{
	size_t i = c->heap_at;
	struct chunk *last = h->v[--h->n];
	if (last == c)
		return;
	if (i && h->is_before(last, h->v[(i - 1) / 2]))
		heap_up(h, i, last);
	else
		heap_down(h, i, last);
}

static bool is_older(const struct chunk *a, const struct chunk *b)
{
	return memcmp(a->name, b->name, CHUNK_FILE_NAME_LEN) < 0;
}

static bool is_due_before(const struct chunk *a, const struct chunk *b)
{
	return a->due_ns < b->due_ns;
}

/* ---- queue ------------------------------------------------------------------------------------------------------ */

void queue_init(struct queue *q)
{
	*q = (struct queue){
		.ready.is_before = is_older,
		.delayed.is_before = is_due_before,
	};
}

void queue_free(struct queue *q)
{
	while (q->oldest) {
		struct chunk *c = q->oldest;
		q->oldest = c->next;
		chunk_free(c);
	}
	mem_free(q->ready.v);
	mem_free(q->delayed.v);
}

static struct chunk_heap *heap_of(struct queue *q, enum chunk_state state)
{
	return state == CHUNK_READY ? &q->ready : state == CHUNK_DELAYED ? &q->delayed : NULL;
}

static void enter(struct queue *q, struct chunk *c, enum chunk_state state)
{
	c->state = state;
	q->sum[state].chunks++;
	q->sum[state].bytes += c->size;
	q->sum[state].records += c->records;
	if (heap_of(q, state))
		heap_add(heap_of(q, state), c);
}

static void leave(struct queue *q, struct chunk *c)
{
	q->sum[c->state].chunks--;
	q->sum[c->state].bytes -= c->size;
	q->sum[c->state].records -= c->records;
	if (heap_of(q, c->state))
		heap_remove(heap_of(q, c->state), c);
}

void queue_add(struct queue *q, struct chunk *c, enum chunk_state state)
{
	struct chunk *before = q->newest; /* new chunks are the newest, but for a clock that was set back */
	while (before && is_older(c, before))
		before = before->prev;
	c->prev = before;
	c->next = before ? before->next : q->oldest;
	*(c->prev ? &c->prev->next : &q->oldest) = c;
	*(c->next ? &c->next->prev : &q->newest) = c;
	enter(q, c, state);
}

void queue_remove(struct queue *q, struct chunk *c)
{
	leave(q, c);
	*(c->prev ? &c->prev->next : &q->oldest) = c->next;
	*(c->next ? &c->next->prev : &q->newest) = c->prev;
	c->prev = c->next = NULL;
}

void queue_set_state(struct queue *q, struct chunk *c, enum chunk_state state)
{
	leave(q, c);
	enter(q, c, state);
}

void queue_grow(struct queue *q, struct chunk *c, uint64_t size, uint64_t end, uint64_t records)
{
	q->sum[c->state].bytes += size - c->size;
	q->sum[c->state].records += records - c->records;
	c->size = size;
	c->end = c->known = end;
	c->records = records;
}

void queue_wake(struct queue *q, int64_t now_ns, bool all)
{
	while (q->delayed.n && (all || q->delayed.v[0]->due_ns <= now_ns))
		queue_set_state(q, q->delayed.v[0], CHUNK_READY);
}

struct chunk *queue_first_ready(const struct queue *q)
{
	return q->ready.n ? q->ready.v[0] : NULL;
}

int64_t queue_next_due(const struct queue *q)
{
	return q->delayed.n ? q->delayed.v[0]->due_ns : INT64_MAX;
}

struct chunk *queue_first_droppable(const struct queue *q)
{
	for (struct chunk *c = q->oldest; c; c = c->next)
		if (c->state == CHUNK_READY || c->state == CHUNK_DELAYED)
			return c;
	return NULL;
}
