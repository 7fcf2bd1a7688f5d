#include "dead_samples.h"

#include "base/clock.h"
#include "base/mem.h"
#include "record/msgpack_scan.h"

#include <pthread.h>
#include <stdlib.h>

struct dead_samples {
	pthread_mutex_t lock;
	size_t count;
	struct dead_sample v[DEAD_SAMPLES_MAX];
};

struct dead_samples *dead_samples_new(void)
{
	struct dead_samples *s = mem_zalloc(sizeof *s);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void dead_samples_free(struct dead_samples *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

/* As a C string, cut at its room and at a 0 byte. */
static void copy_text(char *out, size_t size, struct span s)
{
	size_t n = s.n < size ? s.n : size - 1;
	if (n)
		memcpy(out, s.p, n);
	out[n] = 0;
}

static void copy_info(const struct frame *f, const char *key, char *out, size_t size)
{
	struct span value = mp_map_get(frame_info(f), span_str(key));
	struct mp_token t;
	const uint8_t *p = value.p;
	bool text = value.n && mp_read(&p, value.p + value.n, &t) == MP_OK && t.type == MP_STR;
	copy_text(out, size, text ? t.body : (struct span){0});
}

static unsigned status_of(const struct frame *f)
{
	struct span value = mp_map_get(frame_info(f), SPAN_LIT("status"));
	struct mp_token t;
	const uint8_t *p = value.p;
	if (!value.n || mp_read(&p, value.p + value.n, &t) != MP_OK || t.type != MP_UINT)
		return 0;
	return t.u < 1000 ? (unsigned)t.u : 0;
}

/* The place of that kind: its own, a free one, or that of the one seen longest ago. The lock is held. */
static struct dead_sample *place_of(struct dead_samples *s, const char *plugin, const char *reason)
{
	struct dead_sample *oldest = s->v;
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->v[i].plugin, plugin) == 0 && strcmp(s->v[i].reason, reason) == 0)
			return &s->v[i];
		if (s->v[i].at_ns < oldest->at_ns)
			oldest = &s->v[i];
	}
	struct dead_sample *x = s->count < DEAD_SAMPLES_MAX ? &s->v[s->count++] : oldest;
	x->seen = 0;
	return x;
}

void dead_samples_add(struct dead_samples *s, const struct frame *f)
{
	char plugin[sizeof s->v->plugin], reason[sizeof s->v->reason];
	if (!s)
		return;
	copy_info(f, "plugin", plugin, sizeof plugin);
	copy_info(f, "reason", reason, sizeof reason);
	pthread_mutex_lock(&s->lock);
	struct dead_sample *x = place_of(s, plugin, reason);
	x->seen += f->count;
	x->at_ns = clock_wall_ns();
	memcpy(x->plugin, plugin, sizeof plugin);
	memcpy(x->reason, reason, sizeof reason);
	copy_text(x->tag, sizeof x->tag, frame_tag(f));
	copy_info(f, "index", x->index, sizeof x->index);
	copy_info(f, "text", x->text, sizeof x->text);
	x->status = status_of(f);
	x->event_len = f->entries_len;
	x->event_kept = f->entries_len < sizeof x->event ? f->entries_len : sizeof x->event;
	if (x->event_kept)
		memcpy(x->event, f->payload + f->tag_len + f->info_len, x->event_kept);
	pthread_mutex_unlock(&s->lock);
}

static int newest_first(const void *a, const void *b)
{
	const struct dead_sample *x = a, *y = b;
	return x->at_ns < y->at_ns ? 1 : x->at_ns > y->at_ns ? -1 : 0;
}

size_t dead_samples_get(struct dead_samples *s, struct dead_sample *out)
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->count;
	memcpy(out, s->v, n * sizeof *out);
	pthread_mutex_unlock(&s->lock);
	qsort(out, n, sizeof *out, newest_first);
	return n;
}
