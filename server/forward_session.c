#include "forward_session.h"

#include "base/mem.h"
#include "die_at.h"
#include "forward/forward_encode.h"
#include "forward_session_impl.h"
#include "inject.h"
#include "resolver.h"

#include <string.h>

#define UNSENT_MAX    (64u << 10) /* bytes of acks that a peer may leave unread before it is read no further */
#define ACKS_STUCK_NS (60 * NS_PER_S)
#define PART_NS \
	(10 * NS_PER_S) /* how long the end of an old connection waits for a good moment, and then for a fair one */
#define PAUSE_NS (100 * NS_PER_MS)

static void on_wake(struct parked_waiter *w);

struct ingest *session_ingest(struct session *s)
{
	return worker_ingest(conn_worker(s->conn));
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static void end_if_owed_nothing(struct session *s)
{
	if (s->state == SESSION_ENDING && !s->first && !s->parked.first)
		conn_finish(s->conn, false);
}

/* Shutdown, and nothing is half read: FIN. What the sender had under way is still stored (not acknowledged: its repetition has the same ids). */
static void drain_if_idle(struct session *s)
{
	if (s->draining && s->state == SESSION_OPEN && !s->first && !s->parked.first &&
		!forward_decoder_is_inside(s->decoder))
		conn_finish(s->conn, true);
}

static bool is_time_to_part(const struct session *s)
{
	switch (s->age) {
	case AGE_YOUNG:
		return false;
	case AGE_PAUSE:
		return !conn_has_input(s->conn) && clock_mono_ns() >= conn_last_read(s->conn) + PAUSE_NS;
	case AGE_GAP:
		return !conn_has_input(s->conn);
	case AGE_OVER:
		return true;
	}
	return false;
}

/*
 * The sender shall connect anew: between two messages, after the acks, and if it ever pauses, when nothing more of it is there. What it sends before it notices is
 * stored, and not acknowledged.
 */
static void part_if_idle(struct session *s)
{
	if (s->state != SESSION_OPEN || conn_is_ending(s->conn) || forward_decoder_is_inside(s->decoder))
		return;
	if (s->first || s->parked.first) {
		if (s->age == AGE_OVER)
			conn_pause(s->conn);
		return;
	}
	if (!is_time_to_part(s))
		return;
	counter_add(s->shared->n.closed_age, 1);
	conn_part(s->conn);
}

void session_end(struct session *s)
{
	s->state = SESSION_ENDING;
	end_if_owed_nothing(s);
}

/* When its age makes a difference again; 0 = never. */
static int64_t next_of_age(const struct session *s)
{
	int64_t end = conn_age_end(s->conn), pause = conn_last_read(s->conn) + PAUSE_NS;
	if (!end || s->state != SESSION_OPEN)
		return 0;
	switch (s->age) {
	case AGE_YOUNG:
		return end;
	case AGE_PAUSE:
		return pause < end + PART_NS ? pause : end + PART_NS;
	case AGE_GAP:
		return end + 2 * PART_NS;
	case AGE_OVER:
		break;
	}
	return 0;
}

static void set_deadline(struct session *s, size_t left)
{
	int64_t at = 0;
	if (s->state == SESSION_WAIT_PING)
		at = s->handshake_until_ns;
	else if (left && !s->parked.first && s->state == SESSION_OPEN)
		at = conn_last_read(s->conn) + s->shared->message_timeout_ns;
	if (conn_stuck_since(s->conn) && (!at || conn_stuck_since(s->conn) + ACKS_STUCK_NS < at))
		at = conn_stuck_since(s->conn) + ACKS_STUCK_NS;
	if (next_of_age(s) && (!at || next_of_age(s) < at))
		at = next_of_age(s);
	if (s->draining && (!at || s->drain_until_ns < at))
		at = s->drain_until_ns;
	conn_deadline(s->conn, at);
}

/* ---- acks --------------------------------------------------------------------------------------------------------- */

static void queue_flush(struct session *s)
{
	if (s->flush_queued)
		return;
	s->flush_queued = true;
	conn_hold(s->conn);
	worker_defer(conn_worker(s->conn), &s->flush);
}

static void on_txn(struct txn *t)
{
	struct ack *a = (struct ack *)t;
	a->done = true;
	queue_flush(a->session);
}

static void not_stored(struct session *s, int error)
{
	uint64_t held;
	counter_add(s->shared->n.closed_failed, 1);
	if (log_allowed(&s->shared->log_failed, SESSION_LOG_EVERY_NS, &held))
		log_warn(s->shared->source->id,
			"a message could not be stored: it is not acknowledged and its connection is closed, so that "
			"the sender "
			"repeats it",
			LOG_S("peer", conn_peer(s->conn)->text), LOG_S("error", strerror(error)),
			LOG_U("held_back", held));
	s->mute = true;
}

static void send_ack(struct session *s, const struct ack *a, int64_t now_ns)
{
	die_point(DIE_ACK_OWED);
	struct buf *out = conn_out(s->conn);
	if (conn_unsent(s->conn) >= UNSENT_MAX && s->throw_acks) {
		counter_add(s->shared->n.acks_thrown_away, 1);
		return;
	}
	if (!forward_put_ack(out, span_of(a->chunk, a->chunk_len), a->json)) {
		s->mute = true; /* half an ack must never go out */
		s->state = SESSION_ENDING;
		return;
	}
	counter_add(s->shared->n.acks, 1);
	histogram_observe(s->shared->n.ack_seconds, (double)(now_ns - a->since_ns) / 1e9, 1);
}

/* In the order of arrival; those behind one that is not durable yet wait for it. */
static void deliver_flush(struct mail *m)
{
	struct session *s = (struct session *)((char *)m - offsetof(struct session, flush));
	struct conn *c = s->conn;
	int64_t now_ns = clock_mono_ns();
	s->flush_queued = false;
	while (s->first && s->first->done) {
		struct ack *a = s->first;
		int error = atomic_load(&a->txn.error);
		s->first = a->next;
		if (!s->first)
			s->last = NULL;
		if (error && !s->mute) {
			not_stored(s, error);
			s->state = SESSION_ENDING;
		}
		if (!s->mute && !conn_is_ending(c))
			send_ack(s, a, now_ns);
		mem_free(a);
		conn_release(c); /* there is one more hold: the flush's */
	}
	conn_flush(c);
	if (!conn_is_ending(c)) {
		if (conn_unsent(c) >= UNSENT_MAX && !s->throw_acks) {
			conn_pause(c);
			set_deadline(s, 0);
		}
		if (s->shared->deny_keepalive && s->state == SESSION_OPEN && !s->first)
			s->state = SESSION_ENDING;
		end_if_owed_nothing(s);
		drain_if_idle(s);
		part_if_idle(s);
	}
	conn_release(c);
}

static void on_drained(struct conn *c)
{
	struct session *s = conn_session(c);
	s->throw_acks = false;
	if (!s->parked.first)
		conn_resume(c);
}

static struct ack *owe_ack(struct session *s, const struct forward_msg *m)
{
	struct ack *a = mem_alloc(sizeof *a + m->chunk.n);
	a->next = NULL;
	a->session = s;
	a->since_ns = clock_mono_ns();
	a->done = false;
	a->json = m->json;
	a->chunk_len = (uint32_t)m->chunk.n;
	memcpy(a->chunk, m->chunk.p, m->chunk.n);
	if (s->last)
		s->last->next = a;
	else
		s->first = a;
	s->last = a;
	conn_hold(s->conn);
	txn_begin(&a->txn, conn_worker(s->conn), on_txn);
	return a;
}

/* ---- messages ------------------------------------------------------------------------------------------------------- */

static void take_message(struct session *s, const struct forward_msg *m, bool dropped)
{
	if (session_refuses(s, m)) {
		/* Who waits for an ack is to know at once that there will be none. Who does not has nothing to learn, and goes on. */
		if (m->chunk.n)
			s->state = SESSION_ENDING;
		return;
	}
	struct ack *a = m->chunk.n ? owe_ack(s, m) : NULL;
	session_take_message(s, m, a, dropped);
	if (a)
		txn_release(&a->txn);
}

static const char *hint(const char *reason, const uint8_t *p, size_t n)
{
	if (n >= 2 && p[0] == 0x16 && p[1] == 0x03)
		return "the peer speaks TLS, and this source does not: add <transport tls>, or switch TLS off at the "
		       "sender";
	if (n >= 4 && (memcmp(p, "GET ", 4) == 0 || memcmp(p, "POST", 4) == 0 || memcmp(p, "HEAD", 4) == 0 ||
			      memcmp(p, "PUT ", 4) == 0))
		return "the peer speaks HTTP: a health check or a proxy that takes this port for HTTP (name the "
		       "Kubernetes port tcp-forward)";
	if (n >= 1 && (p[0] == '[' || p[0] == '{') && strcmp(reason, "not_array") == 0)
		return "the peer sends JSON, which is not served with <security>";
	if (strcmp(reason, "too_large") == 0)
		return "the message is larger than chunk_size_limit: raise it, or lower the sender's chunk size";
	return "the bytes are no forward protocol, or a byte was lost: if it goes on, look at the sender";
}

static void framing_lost(struct session *s, const struct forward_msg *m, const uint8_t *p, size_t n)
{
	uint64_t held;
	counter_add(s->shared->n.closed_protocol, 1);
	if (log_allowed(&s->shared->log_protocol, SESSION_LOG_EVERY_NS, &held))
		log_warn(s->shared->source->id,
			"a connection is closed: what it sent cannot be understood; messages before that are stored, "
			"other "
			"connections go on",
			LOG_S("peer", conn_peer(s->conn)->text), LOG_S("reason", m->reason),
			LOG_S("hint", hint(m->reason, p, n)), LOG_B("bytes", span_of(p, n < 16 ? n : 16)),
			LOG_U("held_back", held));
	s->state = SESSION_ENDING;
}

static bool is_to_part(const struct session *s)
{
	return s->age == AGE_OVER && !conn_is_ending(s->conn) && !forward_decoder_is_inside(s->decoder);
}

static size_t take_bytes(struct session *s, const uint8_t *p, size_t n, size_t *want)
{
	struct ingest *in = session_ingest(s);
	struct forward_msg m;
	size_t at = 0, used;
	bool more = true;
	ingest_open(in, s->shared->source, &s->parked);
	while (more && at < n && s->state == SESSION_OPEN && !s->parked.first && !is_to_part(s)) {
		switch (forward_decode(s->decoder, p + at, n - at, &used, want, &m)) {
		case FORWARD_MORE:
			more = false;
			break;
		case FORWARD_HEARTBEAT:
			counter_add(s->shared->n.heartbeats, 1);
			break;
		case FORWARD_EVENTS:
			take_message(s, &m, false);
			break;
		case FORWARD_DROPPED:
			take_message(s, &m, true);
			break;
		case FORWARD_CLOSE:
			framing_lost(s, &m, p + at, n - at);
			break;
		}
		at += used;
		if (used && s->shared->deny_keepalive)
			more = false;
	}
	ingest_close(in); /* which may park what came before the end */
	if (s->parked.first) {
		conn_pause(s->conn);
		forward_decoder_release(s->decoder);
		ingest_wait(in, &s->waiter);
	}
	if (s->state == SESSION_ENDING) {
		end_if_owed_nothing(s);
		return n;
	}
	if (s->parked.first)
		return at;
	if (is_to_part(s)) {
		conn_pause(s->conn);
		queue_flush(s);
	} else if (at && s->shared->deny_keepalive) {
		/* The one message has come; the end is after its ack. */
		if (s->first)
			conn_pause(s->conn);
		else
			session_end(s);
	}
	return at;
}

static void on_wake(struct parked_waiter *w)
{
	struct session *s = (struct session *)((char *)w - offsetof(struct session, waiter));
	struct ingest *in = session_ingest(s);
	struct conn *c = s->conn;
	conn_hold(c);
	ingest_open(in, s->shared->source, &s->parked);
	bool free = ingest_unpark(in, &s->parked);
	ingest_close(in);
	if (!free)
		ingest_wait(in, &s->waiter);
	else if (s->state == SESSION_ENDING)
		end_if_owed_nothing(s);
	else if (conn_unsent(c) < UNSENT_MAX || s->throw_acks)
		conn_resume(c);
	if (s->age != AGE_YOUNG)
		queue_flush(s);
	conn_release(c);
}

/* ---- what the connection tells -------------------------------------------------------------------------------------------- */

static size_t on_bytes(struct conn *c, const uint8_t *p, size_t n, size_t *want)
{
	struct session *s = conn_session(c);
	size_t used = 0;
	s->spoke = true;
	if (s->state == SESSION_WAIT_PING)
		used = session_take_ping(s, p, n);
	if (s->state == SESSION_OPEN && used < n)
		used += take_bytes(s, p + used, n - used, want);
	if (s->state == SESSION_ENDING)
		used = n;
	set_deadline(s, n - used);
	if (s->draining)
		queue_flush(s);
	return used;
}

static void on_eof(struct conn *c, size_t left)
{
	struct session *s = conn_session(c);
	if (!s->spoke)
		counter_add(s->shared->n.heartbeats, 1); /* fluentd's transport heartbeat: connect, close */
	else if (left && s->state == SESSION_OPEN)
		log_debug(s->shared->source->id,
			"a sender went away in the middle of a message: what was whole is stored",
			LOG_S("peer", conn_peer(c)->text), LOG_U("bytes", left));
	conn_deadline(c, 0);
	session_end(s);
}

static void timed_out(struct session *s)
{
	uint64_t held;
	bool handshake = s->state == SESSION_WAIT_PING || !s->decoder;
	counter_add(s->shared->n.closed_timeout, 1);
	if (log_allowed(&s->shared->log_timeout, SESSION_LOG_EVERY_NS, &held))
		log_warn(s->shared->source->id,
			handshake ? "a connection is closed: its handshake did not come to an end in time"
				  : "a connection is closed: it began a message and did not go on",
			LOG_S("peer", conn_peer(s->conn)->text),
			LOG_S("hint", !handshake  ? "message_timeout sets how long weir waits"
				      : !s->spoke ? "no byte came after HELO: is the sender configured with a "
						    "shared_key? does a proxy "
						    "(Istio in PERMISSIVE mode) wait for the client to speak first?"
						  : "handshake_timeout sets how long weir waits"),
			LOG_U("held_back", held));
	conn_abort(s->conn);
}

static void give_up_parked(struct session *s)
{
	struct ingest *in = session_ingest(s);
	ingest_unwait(&s->waiter);
	ingest_open(in, s->shared->source, &s->parked);
	ingest_drop_parked(in, &s->parked);
	ingest_close(in);
}

static void on_deadline(struct conn *c)
{
	struct session *s = conn_session(c);
	int64_t now = clock_mono_ns();
	if (s->draining && now >= s->drain_until_ns) {
		s->mute = true;
		s->state = SESSION_ENDING;
		give_up_parked(s);
		conn_finish(c, false);
	} else if (conn_stuck_since(c) && now >= conn_stuck_since(c) + ACKS_STUCK_NS && s->state == SESSION_OPEN) {
		/* Two sides that both wait for the other to read would wait for ever (some clients never read acks). */
		s->throw_acks = true;
		if (!s->parked.first)
			conn_resume(c);
	} else if (next_of_age(s) && now >= next_of_age(s)) {
		int64_t over = now - conn_age_end(c);
		s->age = over < PART_NS ? AGE_PAUSE : over < 2 * PART_NS ? AGE_GAP : AGE_OVER;
		set_deadline(s, forward_decoder_is_inside(s->decoder));
		queue_flush(s);
	} else if (s->state == SESSION_OPEN && now < conn_last_read(c) + s->shared->message_timeout_ns) {
		set_deadline(s, 1); /* more of the message has come since then, and not yet all */
	} else {
		timed_out(s);
	}
}

static void open_up(struct session *s)
{
	session_open(s);
	set_deadline(s, 0);
}

static void on_resolved(void *arg, const char *name)
{
	struct session *s = arg;
	s->resolving = NULL;
	if (s->shared->address_key || s->shared->hostname_key)
		s->inject = inject_new(s->shared->address_key, conn_peer(s->conn)->ip, s->shared->hostname_key, name);
	open_up(s);
	conn_resume(s->conn);
}

static void on_ready(struct conn *c)
{
	struct session *s = conn_session(c);
	s->decoder = forward_decoder_new(&s->shared->limits, session_on_bad_event, s);
	if (s->shared->resolve) {
		conn_pause(c);
		s->resolving = resolve_peer(conn_worker(c), conn_peer(c), on_resolved, s);
	} else {
		if (s->shared->address_key)
			s->inject = inject_new(s->shared->address_key, conn_peer(c)->ip, NULL, NULL);
		open_up(s);
	}
}

static void on_free(struct conn *c)
{
	struct session *s = conn_session(c);
	if (s->parked.first)
		give_up_parked(s);
	ingest_unwait(&s->waiter);
	if (s->resolving)
		resolve_cancel(s->resolving);
	forward_decoder_free(s->decoder);
	bad_events_free(&s->bad);
	inject_free(s->inject);
	mem_free(s->identity);
	stream_server_left(s->shared->server);
	mem_free(s);
}

static const struct conn_ops ops = {
	.on_ready = on_ready,
	.on_bytes = on_bytes,
	.on_eof = on_eof,
	.on_drained = on_drained,
	.on_deadline = on_deadline,
	.on_free = on_free,
};

static void *session_new(void *arg, struct worker *w)
{
	struct session *s = mem_zalloc(sizeof *s);
	(void)w;
	s->shared = arg;
	s->state = SESSION_WAIT_PING;
	s->waiter.wake = on_wake;
	s->flush.deliver = deliver_flush;
	bad_events_init(&s->bad);
	return s;
}

static void session_begin(void *session, struct conn *c)
{
	struct session *s = session;
	s->conn = c;
	s->handshake_until_ns = clock_mono_ns() + s->shared->handshake_timeout_ns;
	conn_deadline(c, s->handshake_until_ns);
	conn_begin(c);
}

static void session_drain(void *session, int64_t deadline_ns)
{
	struct session *s = session;
	s->draining = true;
	s->drain_until_ns = deadline_ns;
	if (!s->decoder) {
		conn_abort(s->conn); /* in the middle of TLS: nothing has been said */
		return;
	}
	if (conn_is_ending(s->conn))
		conn_finish(s->conn, true);
	conn_deadline(s->conn, deadline_ns);
	queue_flush(s);
}

static void session_abort(void *session)
{
	struct session *s = session;
	struct conn *c = s->conn;
	conn_hold(c);
	s->mute = true;
	if (s->parked.first)
		give_up_parked(s);
	conn_abort(c);
	conn_release(c);
}

const struct stream_hooks forward_session_hooks = {
	.ops = &ops,
	.session_new = session_new,
	.session_begin = session_begin,
	.session_drain = session_drain,
	.session_abort = session_abort,
};
