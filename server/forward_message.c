/* forward_message.c: from a message of the forward protocol to ingest: its tag, its identity, its bad events. */
#include "base/mem.h"
#include "forward_session_impl.h"
#include "inject.h"

#include <errno.h>
#include <string.h>

/* Copied out of the decoder until its message is known. */
void session_on_bad_event(void *arg, struct span entry, const char *reason)
{
	struct session *s = arg;
	if (!bad_events_add(&s->bad, reason, entry))
		s->bad_failed = true;
}

static void forget_bad_events(struct session *s)
{
	bad_events_free(&s->bad);
	bad_events_init(&s->bad);
	s->bad_failed = false;
}

static void bury_bad_events(struct session *s, struct span tag, struct txn *txn)
{
	uint64_t held;
	size_t at = 0;
	struct bad_event b = {0};
	struct span bytes;
	while (bad_events_next(&s->bad, &at, &b, &bytes))
		ingest_dead(session_ingest(s), tag, bytes, b.count, b.reason, txn);
	if (s->bad_failed && txn)
		txn_fail(txn, ENOMEM); /* its sender has them */
	if (log_allowed(&s->shared->log_skip, SESSION_LOG_EVERY_NS, &held))
		log_warn(s->shared->source->id,
			"skip invalid event: it is kept as a dead letter, the others of its message go on, and it is "
			"acknowledged, "
			"as a repetition would bring the same bytes",
			LOG_S("peer", conn_peer(s->conn)->text), LOG_B("tag", tag), LOG_S("reason", b.reason),
			LOG_U("events", s->bad.count), LOG_U("held_back", held));
	counter_add(s->shared->source->n.skipped, s->bad.count);
	forget_bad_events(s);
}

static struct span renamed(struct session *s, struct span tag, struct buf *out)
{
	if (s->shared->tag)
		return span_str(s->shared->tag);
	if (!s->shared->tag_prefix)
		return tag;
	buf_put_str(out, s->shared->tag_prefix);
	buf_put_span(out, tag);
	return out->failed ? tag : buf_span(out);
}

static void make_key(struct session *s, const struct forward_msg *m, struct span tag, struct batch *b)
{
	struct forward_key_input in = {
		.tag = tag,
		.chunk = m->chunk_text,
		.entries = m->entries,
		.peer = span_str(s->identity ? s->identity : conn_peer(s->conn)->ip),
		.packed = m->form != FORWARD_FORM_MESSAGE,
	};
	forward_key_make(&in, s->repeats, &s->repeat_at, b->key);
}

/* All of it under the txn; its key is what a repetition of it is known by. */
static void store_events(struct session *s, const struct forward_msg *m, struct span tag, struct txn *txn)
{
	struct ingest *in = session_ingest(s);
	struct batch b = {.tag = tag, .entries = m->entries, .count = m->count, .received_ns = ingest_now(in)};
	struct buf grown;
	if (txn && m->count) {
		make_key(s, m, tag, &b);
		if (ingest_is_repeated(in, b.key, m->count + s->bad.count, txn)) {
			forget_bad_events(s);
			return;
		}
	}
	if (s->bad.count)
		bury_bad_events(s, tag, txn);
	if (!m->count)
		return;
	buf_init(&grown, 1u << 31);
	if (s->inject && inject_apply(s->inject, m->entries, &grown))
		b.entries = buf_span(&grown);
	if (txn)
		ingest_message(in, &b, txn);
	else
		ingest_events(in, tag, (struct span){0}, b.entries, b.count);
	buf_free(&grown);
}

static void take_events(struct session *s, const struct forward_msg *m, struct ack *a)
{
	struct source *source = s->shared->source;
	struct buf name;
	buf_init(&name, 8192);
	counter_add(source->n.messages, 1);
	counter_add(source->n.events, m->count + s->bad.count);
	counter_add(source->n.bytes, m->raw.n);
	conn_sent_events(s->conn, 1, m->count + s->bad.count);
	if (m->markers)
		counter_add(source->n.markers, m->markers);
	store_events(s, m, renamed(s, m->tag, &name), a ? &a->txn : NULL);
	buf_free(&name);
}

static void warn_of_size(struct session *s, const struct forward_msg *m)
{
	uint64_t held;
	if (s->shared->warn_size && m->raw.n > s->shared->warn_size &&
		log_allowed(&s->shared->log_size, SESSION_LOG_EVERY_NS, &held))
		log_warn(s->shared->source->id, "Input chunk size is larger than 'chunk_size_warn_limit'",
			LOG_B("tag", m->tag), LOG_S("peer", conn_peer(s->conn)->text),
			LOG_U("limit", s->shared->warn_size), LOG_U("size", m->raw.n), LOG_U("held_back", held));
}

void session_take_message(struct session *s, const struct forward_msg *m, struct ack *a, bool dropped)
{
	warn_of_size(s, m);
	if (dropped) {
		uint64_t held;
		counter_add(s->shared->source->n.messages, 1);
		counter_add(s->shared->source->n.bytes, m->raw.n);
		counter_add(s->shared->source->n.dropped, 1);
		ingest_dead(session_ingest(s), m->tag, m->raw, 1, m->reason, a ? &a->txn : NULL);
		if (log_allowed(&s->shared->log_skip, SESSION_LOG_EVERY_NS, &held))
			log_warn(s->shared->source->id,
				"a message is no use: it is kept as a dead letter and acknowledged, as a repetition "
				"would bring the "
				"same bytes",
				LOG_S("peer", conn_peer(s->conn)->text), LOG_S("reason", m->reason),
				LOG_U("bytes", m->raw.n), LOG_U("held_back", held));
	} else {
		take_events(s, m, a);
	}
}

bool session_refuses(struct session *s, const struct forward_msg *m)
{
	struct source *source = s->shared->source;
	uint64_t held;
	if (!s->shared->rules || forward_rules_allow(s->shared->rules, s->client, s->user, m->tag))
		return false;
	counter_add(source->n.messages, 1);
	counter_add(source->n.bytes, m->raw.n);
	counter_add(source->n.events, m->count + s->bad.count);
	counter_add(source->n.refused, m->count + s->bad.count);
	counter_add(s->shared->n.refused_tags, 1);
	forget_bad_events(s);
	if (log_allowed(&s->shared->log_tag, SESSION_LOG_EVERY_NS, &held))
		log_warn(source->id,
			"a message was refused: its sender may not use its tag; it is not acknowledged, and of a "
			"sender that "
			"waits for acks the connection is closed; allowed_tags in <security>, <client> and <user> says "
			"which "
			"it may",
			LOG_B("tag", m->tag), LOG_S("peer", conn_peer(s->conn)->text),
			LOG_S("sender", s->identity ? s->identity : "unknown"), LOG_U("events", m->count),
			LOG_U("held_back", held));
	return true;
}
