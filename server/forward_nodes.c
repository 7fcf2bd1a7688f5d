#include "forward_nodes.h"

#include "base/clock.h"
#include "base/mem.h"
#include "forward_probe.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX ((size_t)16 << 20) /* bytes of all names */

struct state {
	bool down;
	bool proven;	     /* down, and can be connected to again */
	bool probed;	     /* somebody is finding out */
	int fd;		     /* the socket of that; -1 = none */
	int64_t until;	     /* and how long that may take; monotonic */
	int64_t rests_until; /* monotonic */
	int64_t seen;	     /* when it last answered anything; monotonic */
	int64_t current;     /* smooth weighted round robin: the highest is next */
};

struct forward_nodes {
	struct forward_list list;
	const struct forward_node *v; /* of the list */
	size_t n;
	int64_t recover_wait_ns;
	atomic_uint held;
	pthread_mutex_t lock; /* of what follows */
	struct state *state;
};

/* ---- lists ---------------------------------------------------------------------------------------------------------- */

void forward_list_init(struct forward_list *l)
{
	*l = (struct forward_list){0};
	arena_init(&l->arena, LIST_MAX);
}

void forward_list_free(struct forward_list *l)
{
	arena_free(&l->arena);
	mem_free(l->v);
	*l = (struct forward_list){0};
}

static bool copy(struct forward_list *l, const char **text)
{
	if (*text)
		*text = arena_copy(&l->arena, *text, strlen(*text) + 1);
	return *text;
}

bool forward_list_add(struct forward_list *l, const struct forward_node *node)
{
	struct forward_node new = *node;
	bool ok = copy(l, &new.host) && copy(l, &new.name) && (!new.shared_key || copy(l, &new.shared_key)) &&
		  (!new.username || copy(l, &new.username)) && (!new.password || copy(l, &new.password));
	if (!ok)
		return false;
	l->v = mem_realloc(l->v, (l->n + 1) * sizeof *l->v);
	l->v[l->n++] = new;
	return true;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_address(const struct forward_node *a, const struct forward_node *b)
{
	return a->port == b->port && same_text(a->host, b->host);
}

bool forward_list_has(const struct forward_list *l, const struct forward_node *node)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct forward_node *o = &l->v[i];
		if (same_address(o, node) && same_text(o->name, node->name) && o->weight == node->weight &&
			o->standby == node->standby && same_text(o->shared_key, node->shared_key) &&
			same_text(o->username, node->username) && same_text(o->password, node->password))
			return true;
	}
	return false;
}

/* ---- finding out ---------------------------------------------------------------------------------------------------- */

static void end_probe(struct state *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	t->probed = false;
}

static void look_at_probes(struct forward_nodes *s, int64_t now_ns)
{
	for (size_t i = 0; i < s->n; i++) {
		struct state *t = &s->state[i];
		if (t->fd < 0)
			continue;
		const enum probe_state is = forward_probe_look(t->fd);
		if (is == PROBE_WAITS && now_ns < t->until)
			continue;
		end_probe(t);
		t->proven = is == PROBE_GOOD;
		t->rests_until = now_ns + s->recover_wait_ns;
	}
}

bool forward_nodes_due(struct forward_nodes *s, int64_t now_ns, size_t *index)
{
	bool found = false;
	pthread_mutex_lock(&s->lock);
	look_at_probes(s, now_ns);
	for (size_t i = 0; i < s->n && !found; i++) {
		struct state *t = &s->state[i];
		found = t->down && !t->proven && !t->probed && now_ns >= t->rests_until;
		if (found) {
			t->probed = true;
			*index = i;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

void forward_nodes_probe(struct forward_nodes *s, size_t i, int fd, int64_t now_ns, int64_t until_ns)
{
	pthread_mutex_lock(&s->lock);
	struct state *t = &s->state[i];
	end_probe(t);
	t->probed = fd >= 0;
	t->fd = fd;
	if (!t->down) /* another thread has met it meanwhile */
		end_probe(t);
	t->until = until_ns;
	if (fd < 0)
		t->rests_until = now_ns + s->recover_wait_ns;
	pthread_mutex_unlock(&s->lock);
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static void take_over(struct forward_nodes *s, struct forward_nodes *before)
{
	pthread_mutex_lock(&before->lock);
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < before->n; k++)
			if (same_address(&s->v[i], &before->v[k]))
				s->state[i] = before->state[k];
		s->state[i].fd = -1;
		s->state[i].probed = false;
	}
	pthread_mutex_unlock(&before->lock);
}

struct forward_nodes *forward_nodes_new(
	const struct forward_node *v, size_t n, int64_t recover_wait_ns, struct forward_nodes *before)
{
	struct forward_nodes *s = mem_zalloc(sizeof *s);
	forward_list_init(&s->list);
	for (size_t i = 0; i < n && forward_list_add(&s->list, &v[i]); i++)
		continue;
	s->v = s->list.v;
	s->n = s->list.n;
	s->recover_wait_ns = recover_wait_ns;
	s->held = 1;
	s->state = mem_zalloc((s->n ? s->n : 1) * sizeof *s->state);
	for (size_t i = 0; i < s->n; i++)
		s->state[i] = (struct state){.fd = -1, .seen = clock_mono_ns()};
	pthread_mutex_init(&s->lock, NULL);
	if (before)
		take_over(s, before);
	return s;
}

struct forward_nodes *forward_nodes_hold(struct forward_nodes *s)
{
	atomic_fetch_add(&s->held, 1);
	return s;
}

void forward_nodes_free(struct forward_nodes *s)
{
	if (!s || atomic_fetch_sub(&s->held, 1) > 1)
		return;
	for (size_t i = 0; i < s->n; i++)
		end_probe(&s->state[i]);
	pthread_mutex_destroy(&s->lock);
	forward_list_free(&s->list);
	mem_free(s->state);
	mem_free(s);
}

const struct forward_list *forward_nodes_list(const struct forward_nodes *s)
{
	return &s->list;
}

const struct forward_node *forward_nodes_at(const struct forward_nodes *s, size_t i)
{
	return &s->v[i];
}

/* ---- whose turn it is ----------------------------------------------------------------------------------------------- */

static bool is_alive(const struct forward_nodes *s, size_t i)
{
	return !s->state[i].down || s->state[i].proven;
}

/* Weight of the regular servers that are missing: standby servers, in their order, stand in for it. */
static int64_t lost_weight(const struct forward_nodes *s)
{
	int64_t lost = 0;
	for (size_t i = 0; i < s->n; i++)
		if (!s->v[i].standby && !is_alive(s, i))
			lost += s->v[i].weight;
	return lost;
}

/* Of those that may be used, the one whose turn it is. */
static bool pick_by_weight(struct forward_nodes *s, const bool *tried, size_t *index)
{
	int64_t lost = lost_weight(s), total = 0;
	bool found = false;
	for (size_t i = 0; i < s->n; i++) {
		if (!s->v[i].weight || !is_alive(s, i))
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
	look_at_probes(s, now_ns);
	bool found = pick_by_weight(s, tried, index);
	for (int standby = 0; standby < 2 && !found; standby++) {
		for (size_t i = 0; i < s->n && !found; i++) {
			found = !tried[i] && s->v[i].standby == (standby == 1);
			if (found)
				*index = i;
		}
	}
	if (found && s->state[*index].down) {
		s->state[*index].proven = false; /* one thread tries it, not all */
		s->state[*index].rests_until = now_ns + s->recover_wait_ns;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

bool forward_nodes_worked(struct forward_nodes *s, size_t i, int64_t now_ns)
{
	pthread_mutex_lock(&s->lock);
	bool news = s->state[i].down;
	s->state[i].down = s->state[i].proven = false;
	s->state[i].seen = now_ns;
	end_probe(&s->state[i]);
	pthread_mutex_unlock(&s->lock);
	return news;
}

static bool rest(struct forward_nodes *s, struct state *t, int64_t now_ns)
{
	bool news = !t->down;
	t->down = true;
	t->proven = false;
	end_probe(t);
	t->rests_until = now_ns + s->recover_wait_ns;
	t->current = 0;
	return news;
}

bool forward_nodes_failed(struct forward_nodes *s, size_t i, int64_t now_ns)
{
	pthread_mutex_lock(&s->lock);
	bool news = rest(s, &s->state[i], now_ns);
	pthread_mutex_unlock(&s->lock);
	return news;
}

/* ---- heartbeats ----------------------------------------------------------------------------------------------------- */

void forward_nodes_seen(struct forward_nodes *s, size_t i, int64_t now_ns)
{
	pthread_mutex_lock(&s->lock);
	struct state *t = &s->state[i];
	t->seen = now_ns;
	t->proven |= t->down && now_ns >= t->rests_until;
	pthread_mutex_unlock(&s->lock);
}

bool forward_nodes_silent(struct forward_nodes *s, size_t i, int64_t now_ns, int64_t since_ns)
{
	pthread_mutex_lock(&s->lock);
	struct state *t = &s->state[i];
	bool news = !t->down && t->seen < since_ns && rest(s, t, now_ns);
	pthread_mutex_unlock(&s->lock);
	return news;
}
