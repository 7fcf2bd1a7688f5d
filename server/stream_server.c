#include "stream_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "client_list.h"
#include "ingest.h"
#include "listener.h"
#include "server.h"
#include "server_tls.h"

#include <unistd.h>

#define DRAIN_NS (5 * NS_PER_S) /* how long a peer in the middle of something may keep the end waiting */

struct stream_server {
	struct stream_conf conf;
	struct stream_hooks hooks;
	struct server *server;
	struct listener *listener;
	struct conn_group *groups[INGEST_MAX_WORKERS]; /* each touched by its worker only */
	_Atomic unsigned connections;
	struct counter *accepted, *refused;
	struct server_tls *tls;	  /* NULL = plain */
	struct client_list *list; /* NULL = everybody is let in */
	struct clients *clients;
	struct log_limit log_full, log_client_full, log_denied;
	int64_t drain_until_ns;
};

const struct stream_names stream_names_forward = {
	"weir_forward_connections_accepted_total",
	"weir_forward_connections_refused_total",
	"weir_forward_connections_rate_waits_total",
};
const struct stream_names stream_names_source = {
	"weir_source_connections_accepted_total",
	"weir_source_connections_refused_total",
	"weir_source_connections_rate_waits_total",
};

static void make_counters(struct stream_server *s, struct metrics *m)
{
	const struct stream_names *n = s->conf.names;
	char *labels = metrics_labels("plugin_id", s->conf.id, NULL);
	s->accepted = metrics_counter(m, n->accepted, labels, "Connections taken.");
	s->refused = metrics_counter(
		m, n->refused, labels, "Connections over max_connections, or from peers that are not let in.");
	s->conf.limits.rate_waits = metrics_counter(m, n->rate_waits, labels,
		"Times that a connection was read no further for a while because its client was over its limit.");
	mem_free(labels);
}

struct stream_server *stream_server_new(
	const struct stream_conf *c, const struct stream_hooks *hooks, struct metrics *m, struct conf_report *report)
{
	struct stream_server *s = mem_zalloc(sizeof *s);
	const struct transport_conf *t = c->transport;
	s->conf = *c;
	s->hooks = *hooks;
	if (t && !s->conf.limits.linger_s)
		s->conf.limits.linger_s = (int)t->linger_timeout;
	if (t && t->receive_buffer_size != CONF_NIL_INT)
		s->conf.limits.receive_buffer = (int)t->receive_buffer_size;
	make_counters(s, m);
	if (c->security)
		s->list = client_list_new(c->security, report);
	s->clients = clients_new();
	s->tls = server_tls_new(c->id, t, m, report);
	return s;
}

void stream_server_free(struct stream_server *s)
{
	if (!s)
		return;
	server_tls_free(s->tls);
	clients_free(s->clients);
	client_list_free(s->list);
	mem_free(s);
}

/* NULL = none. */
static const struct client_limits *limits_of(const struct stream_server *s, const struct peer *peer)
{
	if (s->hooks.limits)
		return s->hooks.limits(s->hooks.arg, peer);
	return s->list ? client_list_find(s->list, peer) : NULL;
}

static bool is_let_in(struct stream_server *s, const struct peer *peer)
{
	uint64_t held;
	if (!s->list || client_list_find(s->list, peer))
		return true;
	counter_add(s->refused, 1);
	if (log_allowed(&s->log_denied, 10 * NS_PER_S, &held))
		log_warn(s->conf.id, "anonymous client denied: no <client> of <security> fits its address",
			LOG_S("peer", peer->text), LOG_U("held_back", held));
	return false;
}

/* Counts it among its client's. */
static bool enter(struct stream_server *s, const struct peer *peer)
{
	uint64_t held;
	const struct client_limits *limits = limits_of(s, peer);
	unsigned most = limits ? limits->connections : 0;
	if (!limits || clients_enter(s->clients, peer->ip, most))
		return true;
	counter_add(s->refused, 1);
	if (log_allowed(&s->log_client_full, 10 * NS_PER_S, &held))
		log_warn(s->conf.id, "a connection was refused: its client has max_connections_per_client already",
			LOG_S("peer", peer->text), LOG_U("max_connections_per_client", most), LOG_U("held_back", held));
	return false;
}

static bool admit(void *arg, const struct peer *peer)
{
	struct stream_server *s = arg;
	uint64_t held;
	if (!is_let_in(s, peer))
		return false;
	if (atomic_load(&s->connections) < s->conf.max_connections) {
		if (!enter(s, peer))
			return false;
		atomic_fetch_add(&s->connections, 1);
		counter_add(s->accepted, 1);
		return true;
	}
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
	const struct client_limits *limits = limits_of(s, peer);
	struct client *client = limits ? clients_find(s->clients, peer->ip) : NULL;
	void *session = s->hooks.session_new(s->hooks.arg, w);
	struct conn *c = conn_new(*g, fd, peer, server_tls_context(s->tls), session);
	if (!c) {
		client_leave(client);
		return;
	}
	if (client)
		conn_set_client(c, client, limits);
	s->hooks.session_begin(session, c);
}

bool stream_server_start(struct stream_server *s, struct server *server, struct err *err)
{
	const struct stream_conf *c = &s->conf;
	struct listener_hooks hooks = {.admit = admit, .adopt = adopt, .arg = s};
	int fd = c->path ? listen_unix(c->path, c->backlog, 0, err) : listen_tcp(c->bind, c->port, c->backlog, err);
	if (fd < 0)
		return false;
	s->server = server;
	s->conf.port = c->path ? 0 : bound_port(fd);
	s->listener = listener_new(
		server_base(server), fd, c->id, server_workers(server), server_worker_count(server), &hooks);
	if (!s->listener)
		return err_set(err, "the listener cannot be added to the event loop");
	log_info(c->id, "listening port", LOG_U("port", c->port), LOG_S("bind", c->path ? c->path : c->bind),
		LOG_S("transport", c->path  ? "unix"
				   : s->tls ? "tls"
					    : "tcp"));
	return true;
}

bool stream_server_renew(struct stream_server *s, struct err *err)
{
	return server_tls_renew(s->tls, err);
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
	conn_set_limits(c, NULL); /* nobody waits for the end of a wait */
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
	if (s->conf.path && s->server)
		unlink(s->conf.path);
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
