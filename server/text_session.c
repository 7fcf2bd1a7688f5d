#include "text_session.h"

#include "base/clock.h"
#include "base/mem.h"
#include "feed.h"
#include "resolver.h"

#include <stdio.h>

#define LOG_EVERY_NS  (10 * NS_PER_S)
#define LENGTH_DIGITS 10u /* of an octet count */
#define HANDSHAKE_NS  (10 * NS_PER_S)

struct text_session {
	struct feed feed; /* first: on_room is handed it */
	struct text_sessions *shared;
	struct conn *conn;
	struct resolving *resolving;
	char *name;	/* of the peer; NULL = not looked up */
	size_t scanned; /* bytes at the front of what is there that hold no delimiter */
	size_t skip;	/* bytes of a too long text that are to be thrown away (octet_count) */
	bool skipping;	/* until the next delimiter */
	bool broken;	/* the framing is lost */
	bool ready;	/* TLS is through */
	bool eof, draining;
};

static void text_turn_of(struct text_session *s, struct text_turn *turn, struct ingest *in)
{
	const struct peer *p = conn_peer(s->conn);
	text_turn_begin(turn, s->shared->source, conn_worker(s->conn), in, p->text, p->ip, s->name);
}

/* ---- framing ------------------------------------------------------------------------------------------------------------- */

/* Consumes one text, and with it its delimiter; 0 = it is not whole yet. */
static size_t take_delimited(struct text_session *s, struct text_turn *turn, const uint8_t *p, size_t n, size_t *want)
{
	struct span d = s->shared->delimiter;
	size_t from = s->scanned >= d.n ? s->scanned - d.n + 1 : 0;
	const uint8_t *end = n - from >= d.n ? memmem(p + from, n - from, d.p, d.n) : NULL;
	size_t max = s->shared->source->max_text;
	if (!end) {
		s->scanned = n;
		*want = 1;
		if (!s->skipping && n <= max)
			return 0;
		/* What is thrown away may end in the middle of a delimiter. */
		size_t drop = n >= d.n ? n - d.n + 1 : 0;
		if (!s->skipping)
			text_oversized(turn, n);
		s->skipping = true;
		s->scanned = 0;
		return drop;
	}
	struct span text = span_of(p, (size_t)(end - p));
	s->scanned = 0;
	if (s->skipping)
		s->skipping = false;
	else if (text.n > max)
		text_oversized(turn, text.n);
	else
		text_take(turn, text);
	return text.n + d.n;
}

static void framing_lost(struct text_session *s, const uint8_t *p, size_t n)
{
	uint64_t held;
	s->broken = true;
	if (log_allowed(&s->shared->log_framing, LOG_EVERY_NS, &held))
		log_warn(s->shared->source->source->id,
			"a connection is closed: it does not begin its texts with their lengths; texts before that are "
			"taken; "
			"set frame_type traditional, or octet counting at the sender",
			LOG_S("peer", conn_peer(s->conn)->text), LOG_B("bytes", span_of(p, n < 16 ? n : 16)),
			LOG_U("held_back", held));
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* LENGTH SP TEXT. Blanks before the length are allowed: there are senders that end each text with a line feed as well. */
static size_t take_counted(struct text_session *s, struct text_turn *turn, const uint8_t *p, size_t n, size_t *want)
{
	size_t at = 0, length = 0, digits = 0;
	if (s->skip) {
		size_t skip = s->skip < n ? s->skip : n;
		s->skip -= skip;
		return skip;
	}
	while (at < n && is_blank(p[at]))
		at++;
	size_t begin = at;
	for (; at < n && p[at] >= '0' && p[at] <= '9' && digits < LENGTH_DIGITS; at++, digits++)
		length = length * 10 + (size_t)(p[at] - '0');
	if (at == n) {
		*want = 1;
		return begin; /* blanks alone are done with */
	}
	if (!digits || p[at] != ' ') {
		framing_lost(s, p, n);
		return n;
	}
	at++;
	if (length > s->shared->source->max_text) {
		text_oversized(turn, length);
		s->skip = length;
		return at;
	}
	if (n - at < length) {
		*want = length - (n - at);
		return 0;
	}
	text_take(turn, span_of(p + at, length));
	return at + length;
}

/* ---- what the connection tells ----------------------------------------------------------------------------------------------- */

static size_t take_texts(struct text_session *s, struct text_turn *turn, const uint8_t *p, size_t n, size_t *want)
{
	size_t at = 0;
	while (at < n && !s->broken && !feed_is_blocked(&s->feed)) {
		size_t used = s->shared->octet_count ? take_counted(s, turn, p + at, n - at, want)
						     : take_delimited(s, turn, p + at, n - at, want);
		if (!used)
			break;
		at += used;
	}
	/* The last text of a peer that has gone needs no delimiter. */
	if (s->eof && !s->shared->octet_count && at < n && !s->skipping && !feed_is_blocked(&s->feed)) {
		text_take(turn, span_of(p + at, n - at));
		at = n;
	}
	return at;
}

static size_t on_bytes(struct conn *c, const uint8_t *p, size_t n, size_t *want)
{
	struct text_session *s = conn_session(c);
	struct text_turn turn;
	struct ingest *in = feed_open(&s->feed);
	text_turn_of(s, &turn, in);
	size_t used = take_texts(s, &turn, p, n, want);
	if (!feed_close(&s->feed))
		conn_pause(c);
	conn_sent_events(c, turn.events, turn.events);
	if (s->broken && !feed_is_blocked(&s->feed))
		conn_finish(c, false);
	return s->broken ? n : used;
}

static void on_room(struct feed *f)
{
	struct text_session *s = (struct text_session *)f;
	struct conn *c = s->conn;
	conn_hold(c);
	conn_resume(c); /* gives what is there again */
	if ((s->eof || s->broken) && !feed_is_blocked(&s->feed))
		conn_finish(c, false);
	else if (s->draining && !feed_is_blocked(&s->feed))
		conn_finish(c, true);
	conn_release(c);
}

static void on_eof(struct conn *c, size_t left)
{
	struct text_session *s = conn_session(c);
	uint64_t held;
	s->eof = true;
	if (left && (s->shared->octet_count || s->skipping)) {
		if (log_allowed(&s->shared->log_eof, LOG_EVERY_NS, &held))
			log_warn(s->shared->source->source->id,
				"a sender went away in the middle of a text: what was whole is taken",
				LOG_S("peer", conn_peer(c)->text), LOG_U("bytes", left), LOG_U("held_back", held));
	} else if (left) {
		conn_pause(c);
		conn_resume(c); /* gives the rest again, and now it is a text */
	}
	if (!feed_is_blocked(&s->feed))
		conn_finish(c, false);
}

static void on_deadline(struct conn *c)
{
	struct text_session *s = conn_session(c);
	if (!s->ready) {
		conn_abort(c);
	} else if (s->draining) {
		feed_drop(&s->feed);
		conn_finish(c, false);
	}
}

static void on_resolved(void *arg, const char *name)
{
	struct text_session *s = arg;
	s->resolving = NULL;
	s->name = mem_strdup(name);
	conn_resume(s->conn);
	if (s->draining && !feed_is_blocked(&s->feed))
		conn_finish(s->conn, true);
}

static void on_ready(struct conn *c)
{
	struct text_session *s = conn_session(c);
	s->ready = true;
	conn_deadline(c, 0);
	if (!s->shared->source->resolve)
		return;
	conn_pause(c);
	s->resolving = resolve_peer(conn_worker(c), conn_peer(c), on_resolved, s);
}

static void on_free(struct conn *c)
{
	struct text_session *s = conn_session(c);
	feed_drop(&s->feed);
	if (s->resolving)
		resolve_cancel(s->resolving);
	stream_server_left(s->shared->server);
	mem_free(s->name);
	mem_free(s);
}

static const struct conn_ops ops = {
	.on_ready = on_ready,
	.on_bytes = on_bytes,
	.on_eof = on_eof,
	.on_deadline = on_deadline,
	.on_free = on_free,
};

static void *session_new(void *arg, struct worker *w)
{
	struct text_sessions *shared = arg;
	struct text_session *s = mem_zalloc(sizeof *s);
	s->shared = shared;
	feed_init(&s->feed, shared->source->source, w, on_room);
	return s;
}

static void session_begin(void *session, struct conn *c)
{
	struct text_session *s = session;
	s->conn = c;
	conn_deadline(c, clock_mono_ns() + HANDSHAKE_NS);
	conn_begin(c);
}

/* FIN at once; what the peer had under way is still taken until its own. */
static void session_drain(void *session, int64_t deadline_ns)
{
	struct text_session *s = session;
	s->draining = true;
	if (!s->ready)
		conn_abort(s->conn);
	else if (feed_is_blocked(&s->feed) || s->resolving)
		conn_deadline(s->conn, deadline_ns);
	else
		conn_finish(s->conn, true);
}

static void session_abort(void *session)
{
	struct text_session *s = session;
	feed_drop(&s->feed);
	conn_abort(s->conn);
}

const struct stream_hooks text_session_hooks = {
	.ops = &ops,
	.session_new = session_new,
	.session_begin = session_begin,
	.session_drain = session_drain,
	.session_abort = session_abort,
};
