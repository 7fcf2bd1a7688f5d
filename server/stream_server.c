#include "stream_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "certificate.h"
#include "ingest.h"
#include "listener.h"
#include "server.h"

#define DRAIN_NS (5 * NS_PER_S) /* how long a peer in the middle of something may keep the end waiting */

struct stream_server {
	struct stream_conf conf;
	struct stream_hooks hooks;
	struct server *server;
	struct listener *listener;
	struct conn_group *groups[INGEST_MAX_WORKERS]; /* each touched by its worker only */
	_Atomic unsigned connections;
	struct counter *accepted, *refused;
	struct certificate *certificate; /* NULL = no TLS */
	struct log_limit log_full;
	int64_t drain_until_ns;
};

struct stream_server *stream_server_new(
	const struct stream_conf *c, const struct stream_hooks *hooks, struct metrics *m)
{
	struct stream_server *s = mem_zalloc(sizeof *s);
	char *labels = metrics_labels("plugin_id", c->id, NULL);
	s->conf = *c;
	s->hooks = *hooks;
	s->accepted = metrics_counter(m, "weir_source_connections_accepted_total", labels, "Connections taken.");
	s->refused = metrics_counter(m, "weir_source_connections_refused_total", labels,
		"Connections over max_connections, or from peers that are not let in.");
	mem_free(labels);
	s->certificate = certificate_watch(m, c->id, c->tls);
	return s;
}

void stream_server_free(struct stream_server *s)
{
	if (!s)
		return;
	certificate_unwatch(s->certificate);
	SSL_CTX_free(s->conf.tls);
	mem_free(s);
}

static bool admit(void *arg, const struct peer *peer)
{
	struct stream_server *s = arg;
	uint64_t held;
	if (s->hooks.admit && !s->hooks.admit(s->hooks.arg, peer)) {
		counter_add(s->refused, 1);
		return false;
	}
	if (atomic_fetch_add(&s->connections, 1) < s->conf.max_connections) {
		counter_add(s->accepted, 1);
		return true;
	}
	atomic_fetch_sub(&s->connections, 1);
	counter_add(s->refused, 1);
	if (log_allowed(&s->log_full, 10 * NS_PER_S, &held))
		log_warn(s->conf.id, "a connection was refused: there are max_connections already",
			LOG_S("peer", peer->text), LOG_U("max_connections", s->conf.max_connections),
			LOG_U("held_back", held));
	return false;
}

static void adopt(void *arg, struct worker *w, int fd, const struct peer *peer)
{
	struct stream_server *s = arg;
	struct conn_group **g = &s->groups[worker_index(w)];
	if (!*g)
		*g = conn_group_new(w, s->hooks.ops, &s->conf.limits, s->conf.id);
	void *session = s->hooks.session_new(s->hooks.arg, w);
	struct conn *c = conn_new(*g, fd, peer, s->conf.tls, session);
	if (c)
		s->hooks.session_begin(session, c);
}

bool stream_server_start(struct stream_server *s, struct server *server, struct err *err)
{
	struct listener_hooks hooks = {.admit = admit, .adopt = adopt, .arg = s};
	int fd = listen_tcp(s->conf.bind, s->conf.port, s->conf.backlog, err);
	if (fd < 0)
		return false;
	s->server = server;
	s->conf.port = bound_port(fd);
	s->listener = listener_new(
		server_base(server), fd, s->conf.id, server_workers(server), server_worker_count(server), &hooks);
	if (!s->listener)
		return err_set(err, "the listener cannot be added to the event loop");
	log_info(s->conf.id, "listening port", LOG_U("port", s->conf.port), LOG_S("bind", s->conf.bind),
		LOG_S("transport", s->conf.tls ? "tls" : "tcp"));
	return true;
}

static void each_worker(struct stream_server *s, void (*fn)(struct worker *w, void *arg))
{
	if (!s->server)
		return;
	for (unsigned i = 0; i < server_worker_count(s->server); i++)
		worker_call(server_workers(s->server)[i], fn, s);
}

static void drain_one(struct conn *c, void *arg)
{
	struct stream_server *s = arg;
	s->hooks.session_drain(conn_session(c), s->drain_until_ns);
}

static void drain_group(struct worker *w, void *arg)
{
	struct stream_server *s = arg;
	struct conn_group *g = s->groups[worker_index(w)];
	if (g)
		conn_group_each(g, drain_one, s);
}

void stream_server_stop(struct stream_server *s)
{
	listener_free(s->listener);
	s->listener = NULL;
	s->drain_until_ns = clock_mono_ns() + DRAIN_NS;
	each_worker(s, drain_group);
}

unsigned stream_server_busy(const struct stream_server *s)
{
	return atomic_load(&s->connections);
}

static void abort_one(struct conn *c, void *arg)
{
	struct stream_server *s = arg;
	s->hooks.session_abort(conn_session(c));
}

static void end_group(struct worker *w, void *arg)
{
	struct stream_server *s = arg;
	struct conn_group **g = &s->groups[worker_index(w)];
	if (*g) {
		conn_group_each(*g, abort_one, s);
		conn_group_free(*g);
	}
	*g = NULL;
}

void stream_server_end(struct stream_server *s)
{
	each_worker(s, end_group);
}

void stream_server_left(struct stream_server *s)
{
	atomic_fetch_sub(&s->connections, 1);
}

uint16_t stream_server_port(const struct stream_server *s)
{
	return s->conf.port;
}
