#include "forward_nodes.h"

#include "base/mem.h"

#include <pthread.h>

struct state {
	bool down;
	int64_t rests_until; /* monotonic */
	int64_t current;     /* smooth weighted round robin: the highest is next */
};

struct forward_nodes {
	const struct forward_node *v;
	size_t n;
	int64_t recover_wait_ns;
	pthread_mutex_t lock; /* of what follows */
	struct state *state;
};

struct forward_nodes *forward_nodes_new(const struct forward_node *v, size_t n, int64_t recover_wait_ns)
{
	struct forward_nodes *s = mem_zalloc(sizeof *s);
	s->v = v;
	s->n = n;
	s->recover_wait_ns = recover_wait_ns;
	s->state = mem_zalloc((n ? n : 1) * sizeof *s->state);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void forward_nodes_free(struct forward_nodes *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	mem_free(s->state);
	mem_free(s);
}

const struct forward_node *forward_nodes_at(const struct forward_nodes *s, size_t i)
{
	return &s->v[i];
}

static bool is_alive(const struct forward_nodes *s, size_t i, int64_t now_ns)
{
	return !s->state[i].down || now_ns >= s->state[i].rests_until;
}

/* Weight of the regular servers that are missing: standby servers, in their order, stand in for it. */
static int64_t lost_weight(const struct forward_nodes *s, int64_t now_ns)
{
	int64_t lost = 0;
	for (size_t i = 0; i < s->n; i++)
		if (!s->v[i].standby && !is_alive(s, i, now_ns))
			lost += s->v[i].weight;
	return lost;
}

/* Of those that may be used, the one whose turn it is. */
static bool pick_by_weight(struct forward_nodes *s, const bool *tried, int64_t now_ns, size_t *index)
{
	int64_t lost = lost_weight(s, now_ns), total = 0;
	bool found = false;
	for (size_t i = 0; i < s->n; i++) {
		if (!s->v[i].weight || !is_alive(s, i, now_ns))
			continue;
		if (s->v[i].standby) {
			if (lost <= 0)
				continue;
			lost -= s->v[i].weight;
		}
		if (tried[i])
			continue;
		s->state[i].current += s->v[i].weight;
		total += s->v[i].weight;
		if (!found || s->state[i].current > s->state[*index].current)
			*index = i;
		found = true;
	}
	if (found)
		s->state[*index].current -= total;
	return found;
}

bool forward_nodes_pick(struct forward_nodes *s, const bool *tried, int64_t now_ns, size_t *index)
{
	pthread_mutex_lock(&s->lock);
	bool found = pick_by_weight(s, tried, now_ns, index);
	for (int standby = 0; standby < 2 && !found; standby++) {
		for (size_t i = 0; i < s->n && !found; i++) {
			found = !tried[i] && s->v[i].standby == (standby == 1);
			if (found)
				*index = i;
		}
	}
	if (found && s->state[*index].down)
		s->state[*index].rests_until = now_ns + s->recover_wait_ns; /* one thread tries it, not all */
	pthread_mutex_unlock(&s->lock);
	return found;
}

bool forward_nodes_worked(struct forward_nodes *s, size_t i)
{
	pthread_mutex_lock(&s->lock);
	bool news = s->state[i].down;
	s->state[i].down = false;
	pthread_mutex_unlock(&s->lock);
	return news;
}

bool forward_nodes_failed(struct forward_nodes *s, size_t i, int64_t now_ns)
{
	pthread_mutex_lock(&s->lock);
	bool news = !s->state[i].down;
	s->state[i].down = true;
	s->state[i].rests_until = now_ns + s->recover_wait_ns;
	s->state[i].current = 0;
	pthread_mutex_unlock(&s->lock);
	return news;
}
