/* forward_handshake.c: HELO, PING and PONG of a forward session with <security>. */
#include "base/mem.h"
#include "forward_session_impl.h"

#include <openssl/rand.h>

#define PING_MAX 4096u /* bytes of a PING */

static void say_helo(struct session *s)
{
	const struct forward_security *sec = forward_rules_security(s->shared->rules);
	if (RAND_bytes(s->nonce, sizeof s->nonce) != 1 || RAND_bytes(s->auth, sizeof s->auth) != 1 ||
		!forward_put_helo(
			conn_out(s->conn), s->nonce, sec->user_auth ? s->auth : NULL, !s->shared->deny_keepalive)) {
		conn_abort(s->conn);
		return;
	}
	conn_flush(s->conn);
}

static void refuse_peer(struct session *s, const char *reason)
{
	uint64_t held;
	counter_add(s->shared->n.closed_auth, 1);
	if (log_allowed(&s->shared->log_auth, SESSION_LOG_EVERY_NS, &held))
		log_warn(s->shared->source->id, "a sender was refused: nothing of it was taken",
			LOG_S("peer", conn_peer(s->conn)->text), LOG_S("reason", reason),
			LOG_S("hint", "compare its shared_key, user and password with <security>; `denied` means that "
				      "no <client> fits its address or certificate"),
			LOG_U("held_back", held));
	s->mute = true;
	session_end(s);
}

static bool has_cert_name(const void *conn, const char *pattern)
{
	return conn_has_cert_name(conn, pattern);
}

void session_open(struct session *s)
{
	const struct forward_rules *rules = s->shared->rules;
	if (!rules) {
		s->state = SESSION_OPEN;
		return;
	}
	const struct forward_security *sec = forward_rules_security(rules);
	s->client = forward_find_client(sec, &conn_peer(s->conn)->sa, has_cert_name, s->conn);
	conn_set_limits(s->conn, forward_rules_limits(rules, s->client));
	if (forward_rules_want_key(rules))
		say_helo(s);
	else if (!s->client && !sec->allow_anonymous_source)
		refuse_peer(s, "denied");
	else
		s->state = SESSION_OPEN;
}

size_t session_take_ping(struct session *s, const uint8_t *p, size_t n)
{
	const struct forward_security *sec = forward_rules_security(s->shared->rules);
	struct forward_ping ping;
	size_t length;
	if (!forward_ping_length(p, n, PING_MAX, &length)) {
		refuse_peer(s, "no PING but other bytes");
		return n;
	}
	if (!length)
		return 0;
	forward_judge_ping(sec, s->nonce, sec->user_auth ? s->auth : NULL, s->client, span_of(p, length),
		conn_out(s->conn), &ping);
	if (conn_out(s->conn)->failed) {
		conn_abort(s->conn); /* nobody is let in without his PONG */
		return n;
	}
	conn_flush(s->conn);
	if (ping.refusal) {
		refuse_peer(s, ping.refusal);
		return n;
	}
	s->user = ping.user;
	s->identity = mem_printf("%s/%s", ping.client_hostname, ping.username);
	s->state = SESSION_OPEN;
	return length;
}
