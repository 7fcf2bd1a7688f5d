#include "status_tail.h"

#include "base/mem.h"

#include <event2/event.h>

#define INTERVAL_US 100000
#define QUIET_TURNS \
	10 /* then an empty line: so that a client that is gone is noticed, and one that is there sees that we are */
#define LINES_MAX (8u << 20)

struct status_tails {
	struct event_base *base;
	struct taps *taps;
	struct counter *dropped;
};

struct tail {
	struct status_tails *tails;
	struct admin_stream *stream;
	struct tap *tap;
	struct event *timer;
	unsigned quiet; /* turns */
	uint64_t dropped;
};

struct status_tails *status_tails_new(struct event_base *base, struct taps *taps, struct metrics *m)
{
	struct status_tails *t = mem_zalloc(sizeof *t);
	t->base = base;
	t->taps = taps;
	t->dropped = metrics_counter(m, "weir_tail_dropped_events_total", NULL,
		"Events that `weir tail` did not show because it would have slowed them down.");
	return t;
}

void status_tails_free(struct status_tails *t)
{
	mem_free(t);
}

static void on_gone(void *arg)
{
	struct tail *t = arg;
	if (t->timer)
		event_free(t->timer);
	tap_close(t->tap);
	mem_free(t);
}

static uint64_t count_lines(struct span s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct tail *t = arg;
	struct buf lines;
	(void)fd;
	(void)events;
	buf_init(&lines, LINES_MAX);
	uint64_t dropped = tap_take(t->tap, &lines);
	if (lines.failed)
		buf_clear(&lines);
	counter_add(t->tails->dropped, dropped);
	t->dropped += dropped;
	if (t->dropped)
		buf_printf(&lines, "{\"dropped\":%llu}\n", (unsigned long long)t->dropped);
	else if (!lines.n && ++t->quiet >= QUIET_TURNS)
		buf_put_byte(&lines, '\n');
	if (lines.n) {
		uint64_t shown = count_lines(buf_span(&lines)) - (t->dropped != 0);
		uint64_t before = t->dropped;
		t->quiet = 0;
		t->dropped = 0;
		if (!admin_stream_send(t->stream, buf_span(&lines))) {
			t->dropped = before + shown;
			counter_add(t->tails->dropped, shown);
		}
	}
	buf_free(&lines);
}

void status_tail_reply(struct admin_request *r, struct status_tails *tails)
{
	struct timeval interval = {.tv_usec = INTERVAL_US};
	const char *pattern = admin_query(r, "tag");
	struct err err;
	if (strcmp(admin_method(r), "HEAD") == 0) {
		admin_reply(r, 200, "application/x-ndjson", (struct span){0});
		return;
	}
	struct tap *tap = tap_open(tails->taps, pattern ? pattern : "", admin_query(r, "output"), &err);
	if (!tap) {
		struct buf text;
		buf_init(&text, 4096);
		buf_printf(&text, "%s\n", err.text);
		admin_reply(r, 400, "text/plain; charset=utf-8", buf_span(&text));
		buf_free(&text);
		return;
	}
	struct tail *t = mem_zalloc(sizeof *t);
	t->tails = tails;
	t->tap = tap;
	t->timer = event_new(tails->base, -1, EV_PERSIST, on_timer, t);
	t->stream = admin_reply_stream(r, "application/x-ndjson", on_gone, t);
	if (!t->timer || event_add(t->timer, &interval) < 0) {
		admin_stream_end(t->stream);
		on_gone(t);
	}
}
