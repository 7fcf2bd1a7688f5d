/* in_forward.c: <source> @type forward and @type unix: sockets to sessions (forward_session.h). */
#include "base/clock.h"
#include "base/mem.h"
#include "forward_conf.h"
#include "forward_session.h"
#include "peer.h"
#include "pipeline.h"
#include "server.h"

#include <errno.h>
#include <unistd.h>

#define LINGER_NS      (2 * NS_PER_S)
#define DATAGRAMS_TURN 64

struct in_forward {
	struct forward_shared shared; /* first: sessions point to it */
	const struct forward_conf *conf;
	struct source *source;
	struct forward_rules *rules; /* NULL = no <security> */
	struct server *server;
	struct event *udp;
	int udp_fd;
};

/* ---- from the configuration ------------------------------------------------------------------------------------------ */

static size_t size_or(int64_t n, size_t otherwise)
{
	return n == CONF_NIL_INT ? otherwise : (size_t)n;
}

static void make_shared(struct in_forward *f, const struct forward_conf *c)
{
	f->shared.limits = forward_default_limits;
	f->shared.limits.max_message = (size_t)c->chunk_size_limit;
	f->shared.limits.max_decompressed = (size_t)c->decompression_size_limit;
	f->shared.limits.max_ratio = (uint32_t)c->decompression_ratio_limit;
	f->shared.limits.max_depth = (uint32_t)c->depth_limit;
	f->shared.limits.max_objects = (uint32_t)c->object_limit;
	f->shared.limits.keep_invalid = !c->skip_invalid_event;
	f->shared.source = f->source;
	f->shared.tag = c->tag;
	f->shared.tag_prefix = c->add_tag_prefix ? mem_printf("%s.", c->add_tag_prefix) : NULL;
	f->shared.address_key = c->source_address_key;
	f->shared.hostname_key = c->source_hostname_key;
	f->shared.resolve = c->resolve_hostname || c->source_hostname_key;
	f->shared.deny_keepalive = c->deny_keepalive;
	f->shared.warn_size = size_or(c->chunk_size_warn_limit, 0);
	f->shared.message_timeout_ns = c->message_timeout_ns;
	f->shared.handshake_timeout_ns = c->handshake_timeout_ns ? c->handshake_timeout_ns : 10 * NS_PER_S;
}

static void make_counters(struct in_forward *f, struct metrics *m)
{
	static const char help[] = "Connections of the forward input that weir closed, by reason.";
	static const double bounds[] = {
		0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
	const char *id = f->source->id;
	char *labels = metrics_labels("plugin_id", id, NULL);
	f->shared.n.refused_tags = metrics_counter(m, "weir_forward_refused_tags_total", labels,
		"Messages that were not taken because their sender may not use their tag.");
	f->shared.n.heartbeats = metrics_counter(
		m, "weir_forward_heartbeats_total", labels, "Heartbeats over TCP and UDP.");
	f->shared.n.acks = metrics_counter(m, "weir_forward_acks_total", labels, "Acks sent.");
	f->shared.n.acks_thrown_away = metrics_counter(m, "weir_forward_acks_thrown_away_total", labels,
		"Acks that were not sent because the peer does not read them.");
	f->shared.n.ack_seconds = metrics_histogram(m, "weir_forward_ack_seconds", labels,
		"Time from a message's arrival to its ack, in which it is stored and synced.", bounds,
		sizeof bounds / sizeof *bounds);
	mem_free(labels);
	struct {
		struct counter **counter;
		const char *reason;
	} closed[] = {
		{&f->shared.n.closed_protocol, "protocol"},
		{&f->shared.n.closed_timeout, "timeout"},
		{&f->shared.n.closed_auth, "auth"},
		{&f->shared.n.closed_failed, "not_stored"},
		{&f->shared.n.closed_age, "age"},
	};
	for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) {
		labels = metrics_labels("plugin_id", id, "reason", closed[i].reason, NULL);
		*closed[i].counter = metrics_counter(m, "weir_forward_connections_closed_total", labels, help);
		mem_free(labels);
	}
}

/* By the address; a session whose client is known by its certificate says more (conn_set_limits). */
static const struct client_limits *limits_of(void *arg, const struct peer *peer)
{
	const struct forward_shared *shared = arg;
	const struct forward_security *s = forward_rules_security(shared->rules);
	return forward_rules_limits(shared->rules, forward_find_client(s, &peer->sa, NULL, NULL));
}

static void make_server(struct in_forward *f, const struct forward_conf *c, struct builder *b)
{
	struct stream_hooks hooks = forward_session_hooks;
	struct stream_conf conf = {
		.id = f->source->id,
		.names = &stream_names_forward,
		.bind = c->bind,
		.path = c->path,
		.port = (uint16_t)c->port,
		.backlog = (int)size_or(c->backlog, 0),
		.max_connections = (unsigned)c->max_connections,
		.transport = transport_of(&c->transport),
		.limits =
			{
				.out_max = 64 << 10,
				.linger_ns = LINGER_NS,
				.max_age_ns = c->max_age_ns == CONF_NIL_INT ? 0 : c->max_age_ns,
				.linger_s = (int)size_or(c->linger_timeout, 0),
				.keepalive = c->send_keepalive_packet,
			},
	};
	hooks.arg = &f->shared;
	hooks.limits = f->rules ? limits_of : NULL;
	f->shared.server = stream_server_new(&conf, &hooks, builder_metrics(b), builder_report(b));
}

static void destroy(void *self)
{
	struct in_forward *f = self;
	if (!f)
		return;
	stream_server_free(f->shared.server);
	forward_rules_free(f->rules);
	mem_free(f->shared.tag_prefix);
	mem_free(f);
}

static void *create(struct source *s, struct builder *b)
{
	const struct forward_conf *c = s->conf;
	struct in_forward *f = mem_zalloc(sizeof *f);
	f->conf = c;
	f->source = s;
	f->udp_fd = -1;
	make_shared(f, c);
	make_counters(f, builder_metrics(b));
	if (c->security.n)
		f->shared.rules = f->rules = forward_rules_new(c->security.v[0], builder_report(b));
	f->shared.limits.msgpack_only = f->rules && forward_rules_want_key(f->rules);
	make_server(f, c, b);
	return f;
}

/* ---- UDP heartbeats -------------------------------------------------------------------------------------------------------- */

/* One byte back, from the address it came to (IP_PKTINFO): fluentd ignores an answer from another one. Never more than one byte: no amplifier. */
static void answer_heartbeat(struct in_forward *f, struct msghdr *in)
{
	char zero = 0;
	struct iovec v = {.iov_base = &zero, .iov_len = 1};
	struct msghdr out = *in;
	out.msg_iov = &v;
	out.msg_iovlen = 1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&out); c; c = CMSG_NXTHDR(&out, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			((struct in_pktinfo *)CMSG_DATA(c))->ipi_ifindex = 0;
	}
	counter_add(f->shared.n.heartbeats, 1);
	(void)!sendmsg(f->udp_fd, &out, MSG_DONTWAIT); /* a lost answer is a lost datagram: the sender asks again */
}

static void on_datagram(evutil_socket_t fd, short events, void *arg)
{
	(void)events;
	for (int i = 0; i < DATAGRAMS_TURN; i++) {
		char data[128];
		struct sockaddr_storage from;
		union {
			struct cmsghdr align;
			char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
		} control;
		struct iovec v = {.iov_base = data, .iov_len = sizeof data};
		struct msghdr m = {
			.msg_name = &from,
			.msg_namelen = sizeof from,
			.msg_iov = &v,
			.msg_iovlen = 1,
			.msg_control = control.room,
			.msg_controllen = sizeof control.room,
		};
		if (recvmsg(fd, &m, MSG_DONTWAIT) < 0)
			return;
		answer_heartbeat(arg, &m);
	}
}

static bool start_udp(struct in_forward *f, struct err *err)
{
	int on = 1;
	f->udp_fd = bind_udp(f->conf->bind, stream_server_port(f->shared.server), err);
	if (f->udp_fd < 0)
		return false;
	setsockopt(f->udp_fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
	setsockopt(f->udp_fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
	f->udp = event_new(server_base(f->server), f->udp_fd, EV_READ | EV_PERSIST, on_datagram, f);
	return f->udp && event_add(f->udp, NULL) == 0;
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------- */

static bool is_unix(const struct in_forward *f)
{
	return f->conf->path != NULL;
}

static bool start(struct source *s, struct server *server, struct err *err)
{
	struct in_forward *f = s->self;
	f->server = server;
	return stream_server_start(f->shared.server, server, err) && (is_unix(f) || start_udp(f, err));
}

static void stop(struct source *s)
{
	struct in_forward *f = s->self;
	if (f->udp)
		event_free(f->udp);
	f->udp = NULL;
	if (f->udp_fd >= 0)
		close(f->udp_fd);
	f->udp_fd = -1;
	stream_server_stop(f->shared.server);
}

static unsigned busy(const struct source *s)
{
	const struct in_forward *f = s->self;
	return stream_server_busy(f->shared.server);
}

static void end(struct source *s)
{
	struct in_forward *f = s->self;
	stream_server_end(f->shared.server);
}

static bool renew(struct source *s, struct err *err)
{
	struct in_forward *f = s->self;
	return stream_server_renew(f->shared.server, err);
}

static void describe(const struct source *s, struct buf *out)
{
	const struct in_forward *f = s->self;
	const struct forward_conf *c = f->conf;
	if (is_unix(f))
		buf_printf(out, "%s", c->path);
	else
		buf_printf(out, "%s:%u %s%s", c->bind, stream_server_port(f->shared.server),
			c->transport.n && transport_is_tls(c->transport.v[0]) ? "tls" : "tcp",
			f->rules && forward_rules_want_key(f->rules) ? ", shared key" : "");
}

static bool is_open(const struct source *s)
{
	const struct in_forward *f = s->self;
	return !is_unix(f) && is_everywhere(f->conf->bind) && forward_rules_serve_all(f->rules) &&
	       !transport_wants_certificate(&f->conf->transport);
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.stop = stop,
	.busy = busy,
	.end = end,
	.renew = renew,
	.is_open = is_open,
	.describe = describe,
};

const struct plugin in_forward = {
	.kind = PLUGIN_INPUT,
	.name = "forward",
	.help = "Events over the forward protocol, TCP or TLS.",
	.schema = &forward_conf_schema,
	.input = &ops,
};

const struct plugin in_unix = {
	.kind = PLUGIN_INPUT,
	.name = "unix",
	.help = "Events over the forward protocol, on a unix socket.",
	.schema = &unix_conf_schema,
	.input = &ops,
};
