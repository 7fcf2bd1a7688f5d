#include "gate.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

struct gate {
	const char *id;
	const struct retry_waits *waits;
	pthread_mutex_t lock;
	pthread_cond_t cond; /* CLOCK_MONOTONIC */
	bool stopped;
	bool down, holding;
	bool probing; /* one thread is trying */
	unsigned failures;
	int64_t since_ns;    /* monotonic: the first failure */
	int64_t next_try_ns; /* monotonic */
	char reason[512];
};

struct gate *gate_new(const char *id, const struct retry_waits *waits)
{
	struct gate *g = mem_zalloc(sizeof *g);
	pthread_condattr_t attr;
	g->id = id;
	g->waits = waits;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->cond, &attr);
	pthread_condattr_destroy(&attr);
	return g;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->cond);
	mem_free(g);
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

bool gate_pass(struct gate *g)
{
	bool probe = false;
	pthread_mutex_lock(&g->lock);
	while (!g->stopped && g->down) {
		int64_t now = clock_mono_ns();
		if (!g->probing && now >= g->next_try_ns) {
			g->probing = probe = true;
			break;
		}
		struct timespec until = timespec_of(g->probing ? now + NS_PER_S : g->next_try_ns);
		pthread_cond_timedwait(&g->cond, &g->lock, &until);
	}
	pthread_mutex_unlock(&g->lock);
	return probe;
}

bool gate_is_shut(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	bool down = g->down;
	pthread_mutex_unlock(&g->lock);
	return down;
}

void gate_open(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	if (g->down)
		log_info(g->id, "the destination works again: retry succeeded", LOG_U("failures", g->failures));
	g->down = g->holding = g->probing = false;
	g->failures = 0;
	g->reason[0] = 0;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

void gate_shut(struct gate *g, enum flush_result result, const struct flush_report *report, const char *chunk_id)
{
	bool hold = result != FLUSH_DOWN;
	pthread_mutex_lock(&g->lock);
	if (!g->down)
		g->since_ns = clock_mono_ns();
	g->failures++;
	int64_t wait = retry_wait(g->waits, g->failures);
	if (result == FLUSH_HOLD && wait < retry_hold(g->waits))
		wait = retry_hold(g->waits);
	if (report->retry_after_ns > wait)
		wait = report->retry_after_ns;
	g->next_try_ns = clock_mono_ns() + wait;
	g->down = true;
	g->holding = hold;
	g->probing = false;
	snprintf(g->reason, sizeof g->reason, "%s", report->reason);
	unsigned failures = g->failures;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
	/* The first failures are told each, later ones at powers of two: an hour's outage is a dozen lines. */
	if (failures <= 4 || (failures & (failures - 1)) == 0)
		log_at(hold ? LOG_ERROR : LOG_WARN, g->id,
			"failed to flush the buffer: events stay in it and are sent when the destination works",
			LOG_U("retry_times", failures), LOG_D("next_retry_s", (double)wait / 1e9),
			LOG_S("chunk", chunk_id), LOG_S("error", report->reason));
}

void gate_leave(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->probing = false;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

void gate_hurry(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->next_try_ns = 0;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

void gate_stop(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->stopped = true;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

void gate_state(struct gate *g, struct gate_state *s)
{
	int64_t now = clock_mono_ns();
	pthread_mutex_lock(&g->lock);
	*s = (struct gate_state){.down = g->down, .holding = g->holding, .failures = g->failures};
	if (g->down) {
		s->down_for_ns = now - g->since_ns;
		s->next_try_in_ns = g->next_try_ns - now;
	}
	memcpy(s->reason, g->reason, sizeof s->reason);
	pthread_mutex_unlock(&g->lock);
}
