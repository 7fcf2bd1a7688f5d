/*
 * out_forward.c: <match> @type forward: chunks to other servers over the forward protocol.
 *
 * A frame goes out as one message (in parts where it is long), under an id made from its key. So a repetition, by us after a time-out or by a sender further
 * up whose frame is in the buffer twice, has the id and the bytes of its first copy, and whoever makes document ids from them makes no second document.
 * Messages are sent in windows: all of one, then its acks; then the chunk's progress is noted.
 */
#include "out_forward.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "buffer_conf.h"
#include "chunk_rest.h"
#include "flow.h"
#include "forward_discovery.h"
#include "forward_heartbeat.h"
#include "forward_probe.h"
#include "forward_window.h"
#include "pipeline.h"
#include "plugin.h"

#include <pthread.h>

struct forward {
	struct output *output;
	struct forward_discovery *discovery;
	SSL_CTX *tls;
	pthread_mutex_t lock; /* of the next two */
	size_t flushers;
	struct forward_heartbeat *heartbeat; /* while there are any */
	struct {
		struct counter *events, *messages, *bytes, *failed;
	} n;
};

struct flusher {
	struct forward *f;
	const struct forward_out_conf *c;
	int stop_fd;
	struct forward_nodes *nodes; /* held */
	bool *tried;		     /* of each of them */
	struct forward_link *link;   /* to node link_node; NULL = none */
	size_t link_node;
	int64_t link_since_ns;
	bool reused;
	struct forward_window window;
	struct flush_report *report;
};

/* ---- a server ------------------------------------------------------------------------------------------------------- */

enum sent { SENT, SEND_FAILED, SEND_STOPPED };

static void drop_link(struct flusher *t)
{
	forward_link_close(t->link);
	t->link = NULL;
}

static bool link_may_be_used(struct flusher *t, size_t node)
{
	if (!t->link)
		return false;
	bool old = t->c->keepalive_timeout_ns != CONF_NIL_INT &&
		   clock_mono_ns() - t->link_since_ns >= t->c->keepalive_timeout_ns;
	if (t->link_node == node && !old && forward_link_is_good(t->link))
		return true;
	drop_link(t);
	return false;
}

static enum sent open_link(struct flusher *t, size_t node, struct err *err)
{
	const struct forward_node *n = forward_nodes_at(t->nodes, node);
	const struct forward_out_security_conf *s = t->c->security.n ? t->c->security.v[0] : NULL;
	struct forward_credentials credentials = {
		.self_hostname = s ? s->self_hostname : "",
		.shared_key = n->shared_key ? n->shared_key
			      : s	    ? s->shared_key
					    : "",
		.username = n->username,
		.password = n->password,
	};
	struct forward_link_options o = {
		.host = n->host,
		.port = n->port,
		.any_address = t->c->dns_round_robin,
		.tls = t->f->tls,
		.verify_hostname = t->c->tls_verify_hostname && !t->c->tls_insecure,
		.credentials = s ? &credentials : NULL,
		.connect_timeout_ns = t->c->connect_timeout_ns,
		.hard_timeout_ns = t->c->hard_timeout_ns,
		.stop_fd = t->stop_fd,
	};
	bool stopped;
	t->reused = link_may_be_used(t, node);
	if (t->reused)
		return SENT;
	t->link = forward_link_open(&o, &stopped, err);
	if (!t->link)
		return stopped ? SEND_STOPPED : SEND_FAILED;
	t->link_node = node;
	t->link_since_ns = clock_mono_ns();
	return SENT;
}

static enum sent read_acks(struct flusher *t, size_t left, struct err *err)
{
	struct span answer;
	int64_t deadline = clock_mono_ns() + t->c->ack_timeout_ns;
	while (left) {
		enum link_result r = forward_link_read(t->link, &answer, deadline - clock_mono_ns(), err);
		if (r != LINK_OK)
			return r == LINK_STOPPED ? SEND_STOPPED : SEND_FAILED;
		if (!forward_window_ack(&t->window, forward_read_ack(answer))) {
			err_set(err, "%s: the server's answer is no ack of ours",
				forward_nodes_at(t->nodes, t->link_node)->name);
			return SEND_FAILED;
		}
		left--;
	}
	return SENT;
}

/* Sends the messages that are not acknowledged yet, all of them or (`one`) the first. */
static enum sent send_messages(struct flusher *t, bool one, struct err *err)
{
	struct forward_window *w = &t->window;
	size_t sent = 0, first = w->n, last = 0;
	for (size_t i = 0; i < w->n; i++) {
		struct forward_message_out *m = &w->v[i];
		if (m->acked || (one && sent))
			continue;
		enum link_result r = forward_link_write(
			t->link, span_of(w->out.p + m->start, m->end - m->start), t->c->send_timeout_ns, err);
		if (r != LINK_OK)
			return r == LINK_STOPPED ? SEND_STOPPED : SEND_FAILED;
		first = sent ? first : i;
		last = i;
		sent++;
	}
	if (t->c->require_ack)
		return read_acks(t, sent, err);
	for (size_t i = first; i <= last && sent; i++)
		w->v[i].acked = true;
	return SENT;
}

/* The window to one server, over as many connections as it takes while each brings it further. */
static enum sent send_to(struct flusher *t, size_t node, struct err *err)
{
	bool one = false;
	for (;;) {
		size_t before = forward_window_unacked(&t->window);
		enum sent sent = open_link(t, node, err);
		if (sent != SENT)
			return sent;
		bool reused = t->reused;
		bool single = one || !forward_link_keepalive(t->link);
		sent = send_messages(t, single, err);
		if (sent != SENT || single)
			drop_link(t);
		if (sent == SEND_STOPPED || !forward_window_unacked(&t->window))
			return sent;
		/* A server that closes after each message, or that closed an old connection just now. */
		if (sent == SEND_FAILED && forward_window_unacked(&t->window) == before && !reused)
			return sent;
		one |= sent == SEND_FAILED && forward_window_unacked(&t->window) < before;
	}
}

/* The servers as of now. True if they are others than before. */
static bool renew_servers(struct flusher *t, bool failed)
{
	struct forward_nodes *now = forward_discovery_get(t->f->discovery, failed);
	if (now == t->nodes) {
		forward_nodes_free(now);
		return false;
	}
	drop_link(t);
	forward_nodes_free(t->nodes);
	mem_free(t->tried);
	t->nodes = now;
	t->tried = mem_array(forward_nodes_list(now)->n + 1, sizeof *t->tried);
	return true;
}

/* Whether servers that failed are back is found out while the others get the events. */
static void probe_servers(struct flusher *t)
{
	size_t node;
	if (forward_nodes_list(t->nodes)->n < 2)
		return;
	while (forward_nodes_due(t->nodes, clock_mono_ns(), &node)) {
		const struct forward_node *n = forward_nodes_at(t->nodes, node);
		const int fd = forward_probe_start(n->host, n->port, false);
		const int64_t now = clock_mono_ns();
		forward_nodes_probe(t->nodes, node, fd, now, now + t->c->connect_timeout_ns);
	}
}

/* One server after the other, until one has it. */
static enum sent try_servers(struct flusher *t, struct err *err)
{
	struct forward *f = t->f;
	const size_t count = forward_nodes_list(t->nodes)->n;
	size_t node;
	err_set(err, "there are no servers");
	memset(t->tried, 0, count * sizeof *t->tried);
	probe_servers(t);
	while (forward_nodes_pick(t->nodes, t->tried, clock_mono_ns(), &node)) {
		const struct forward_node *n = forward_nodes_at(t->nodes, node);
		t->tried[node] = true;
		enum sent sent = send_to(t, node, err);
		if (sent == SENT && forward_nodes_worked(t->nodes, node, clock_mono_ns()))
			log_info(f->output->id, "a server works again", LOG_S("server", n->name));
		if (sent != SEND_FAILED)
			return sent;
		counter_add(f->n.failed, 1);
		if (forward_nodes_failed(t->nodes, node, clock_mono_ns()) && count > 1)
			log_warn(f->output->id,
				"a server failed: it is left alone for recover_wait, the others get its share",
				LOG_S("server", n->name), LOG_S("error", err->text));
	}
	return SEND_FAILED;
}

static enum sent send_window(struct flusher *t)
{
	struct err err;
	renew_servers(t, false);
	for (;;) {
		enum sent sent = try_servers(t, &err);
		if (sent != SEND_FAILED)
			return sent;
		if (!renew_servers(t, true))
			break;
	}
	flush_because(t->report, "%s", err.text);
	return SEND_FAILED;
}

/* ---- a chunk -------------------------------------------------------------------------------------------------------- */

static void count_window(struct flusher *t)
{
	uint64_t events = 0;
	for (size_t i = 0; i < t->window.n; i++)
		events += t->window.v[i].events;
	counter_add(t->f->n.events, events);
	counter_add(t->f->n.messages, t->window.n);
	counter_add(t->f->n.bytes, t->window.out.n);
}

static enum flush_result send_all(struct flusher *t, struct chunk_rest *rest)
{
	struct frame_view v;
	struct err err;
	uint32_t first;
	enum chunk_read read;
	bool unsaved = false;
	do {
		forward_window_clear(&t->window);
		while ((read = chunk_rest_next(rest, &v, &first, &err)) == CHUNK_FRAME) {
			if (!forward_window_put(&t->window, &v, first)) {
				flush_because(t->report, "no memory for a message of %zu bytes", v.entries.n);
				return FLUSH_RETRY;
			}
			if (forward_window_is_full(&t->window))
				break;
		}
		if (read == CHUNK_FAILED) {
			flush_because(t->report, "%s", err.text);
			return FLUSH_RETRY;
		}
		if (!t->window.n)
			break;
		if (unsaved)
			(void)chunk_rest_save(rest, false, &err); /* the worst of a failure is a repetition */
		enum sent sent = send_window(t);
		if (sent != SENT)
			return sent == SEND_STOPPED ? FLUSH_STOPPED : FLUSH_DOWN;
		count_window(t);
		chunk_rest_mark(rest);
		unsaved = true;
	} while (read == CHUNK_FRAME);
	return FLUSH_DONE;
}

static enum flush_result flush(void *thread, struct chunk *c, struct flush_report *report)
{
	struct flusher *t = thread;
	struct err err;
	t->report = report;
	struct chunk_rest *rest = chunk_rest_open(flow_buffer(t->f->output->flow), c, &err);
	if (!rest) {
		flush_because(report, "%s", err.text);
		return FLUSH_RETRY;
	}
	enum flush_result result = send_all(t, rest);
	if (!t->c->keepalive)
		drop_link(t);
	chunk_rest_close(rest);
	return result;
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

/* Heartbeats last as long as there are flush threads: `create` contacts nobody. */
static void count_flushers(struct forward *f, bool more)
{
	pthread_mutex_lock(&f->lock);
	f->flushers += more ? 1 : (size_t)-1;
	if (more && f->flushers == 1)
		f->heartbeat = forward_heartbeat_start(f->output->conf, f->discovery, f->output->id, f->n.failed);
	if (!f->flushers) {
		forward_heartbeat_stop(f->heartbeat);
		f->heartbeat = NULL;
	}
	pthread_mutex_unlock(&f->lock);
}

static void flush_close(void *thread)
{
	struct flusher *t = thread;
	if (!t)
		return;
	count_flushers(t->f, false);
	drop_link(t);
	forward_window_free(&t->window);
	forward_nodes_free(t->nodes);
	mem_free(t->tried);
	mem_free(t);
}

static void *flush_open(struct output *o, int stop_fd, struct err *err)
{
	struct flusher *t = mem_zalloc(sizeof *t);
	t->f = o->self;
	t->c = o->conf;
	t->stop_fd = stop_fd;
	count_flushers(t->f, true);
	if (forward_window_init(&t->window, t->c))
		return t;
	err_set(err, "no memory for gzip");
	flush_close(t);
	return NULL;
}

static void destroy(void *self)
{
	struct forward *f = self;
	if (!f)
		return;
	forward_discovery_free(f->discovery);
	SSL_CTX_free(f->tls);
	pthread_mutex_destroy(&f->lock);
	mem_free(f);
}

static void *create(struct output *o, struct builder *b)
{
	const struct forward_out_conf *c = o->conf;
	struct forward *f = mem_zalloc(sizeof *f);
	struct metrics *m = builder_metrics(b);
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, NULL);
	f->output = o;
	pthread_mutex_init(&f->lock, NULL);
	f->discovery = forward_discovery_new(c, o->id, builder_report(b));
	f->tls = forward_out_tls(c, builder_report(b));
	f->n.events = metrics_counter(m, "weir_output_forwarded_events_total", labels,
		"Events that were sent on (with require_ack_response: and acknowledged).");
	f->n.messages = metrics_counter(
		m, "weir_output_forwarded_messages_total", labels, "Messages that were sent on.");
	f->n.bytes = metrics_counter(m, "weir_output_forwarded_bytes_total", labels, "Bytes of these messages.");
	f->n.failed = metrics_counter(m, "weir_output_server_failures_total", labels, "Times that a server failed.");
	mem_free(labels);
	builder_flow(b, o, c->buffer.n ? c->buffer.v[0] : NULL);
	return f;
}

static void describe(const struct output *o, struct buf *out)
{
	const struct forward *f = o->self;
	struct forward_nodes *nodes = forward_discovery_latest(f->discovery);
	const struct forward_list *l = forward_nodes_list(nodes);
	for (size_t i = 0; i < l->n; i++)
		buf_printf(out, "%s%s:%u%s", i ? "," : "", l->v[i].host, l->v[i].port,
			l->v[i].standby ? " (standby)" : "");
	forward_nodes_free(nodes);
}

static const struct output_ops ops = {
	.create = create,
	.destroy = destroy,
	.flush_open = flush_open,
	.flush_close = flush_close,
	.flush = flush,
	.describe = describe,
};

const struct plugin out_forward = {
	.kind = PLUGIN_OUTPUT,
	.name = "forward",
	.help = "Sends events to other servers over the forward protocol.",
	.schema = &forward_out_schema,
	.output = &ops,
};
