#include "text_datagrams.h"

#include "base/clock.h"
#include "base/mem.h"
#include "feed.h"
#include "peer.h"
#include "peer_names.h"
#include "server.h"

#include <errno.h>
#include <unistd.h>

#define DATAGRAM_MAX 65536u
#define BATCH_MAX    64u	/* datagrams that one system call takes */
#define TURN_CALLS   16		/* system calls before others have their turn */
#define STOP_CALLS   1024	/* at the end, for what the socket still holds */
#define PENDING_MAX  (4u << 20) /* bytes of texts whose senders' names are being looked up */
#define LOG_EVERY_NS (10 * NS_PER_S)

/* A text that waits for its sender's name. */
struct pending {
	struct pending *next;
	struct peer peer;
	size_t n;
	uint8_t text[];
};

struct text_datagrams {
	struct feed feed; /* first: on_room is handed it */
	struct text_datagrams_conf conf;
	struct text_source *source;
	struct server *server;
	struct worker *worker;
	int fd;
	struct event *readable;
	struct peer_names *names;
	struct pending *first, **last;
	size_t pending_bytes;
	atomic_bool blocked; /* for other threads: a buffer is full, or names are being looked up */
	uint32_t lost_seen;
	struct counter *lost;
	struct log_limit log_lost;
};

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(uint32_t))];
};

struct batch_room {
	struct mmsghdr messages[BATCH_MAX];
	struct iovec parts[BATCH_MAX];
	struct peer peers[BATCH_MAX];
	union control control[BATCH_MAX];
};

/* ---- texts ---------------------------------------------------------------------------------------------------------------- */

static struct span chomp(struct span s)
{
	if (s.n && s.p[s.n - 1] == '\n') {
		s.n--;
		s.n -= s.n && s.p[s.n - 1] == '\r';
	} else if (s.n && s.p[s.n - 1] == '\r') {
		s.n--;
	}
	return s;
}

static void take(struct text_datagrams *d, struct ingest *in, const struct peer *p, const char *name, struct span text)
{
	struct text_turn turn;
	text_turn_begin(&turn, d->source, d->worker, in, p->text, p->ip, name);
	text_take(&turn, d->conf.remove_newline ? chomp(text) : text);
}

static void keep_pending(struct text_datagrams *d, const struct peer *p, struct span text)
{
	struct pending *k = mem_alloc(sizeof *k + text.n);
	k->next = NULL;
	k->peer = *p;
	k->n = text.n;
	memcpy(k->text, text.p, text.n);
	*d->last = k;
	d->last = &k->next;
	d->pending_bytes += sizeof *k + text.n;
	atomic_store(&d->blocked, true);
}

/* Order is kept for each sender: one text that waits makes those behind it wait. */
static void take_or_keep(struct text_datagrams *d, struct ingest *in, const struct peer *p, struct span text)
{
	const char *name = NULL;
	if (d->names) {
		name = d->first ? NULL : peer_names_get(d->names, p);
		if (!name && d->pending_bytes < PENDING_MAX) {
			keep_pending(d, p, text);
			return;
		}
		if (!name)
			name = p->ip; /* too many wait already */
	}
	take(d, in, p, name, text);
}

static void take_pending(struct text_datagrams *d, bool all)
{
	struct ingest *in = feed_open(&d->feed);
	while (d->first && (all || !feed_is_blocked(&d->feed))) {
		struct pending *k = d->first;
		const char *name = peer_names_get(d->names, &k->peer);
		if (!name && !all)
			break;
		take(d, in, &k->peer, name ? name : k->peer.ip, span_of(k->text, k->n));
		d->first = k->next;
		if (!d->first)
			d->last = &d->first;
		d->pending_bytes -= sizeof *k + k->n;
		mem_free(k);
	}
	bool room = feed_close(&d->feed);
	if (!room && d->readable)
		event_del(d->readable);
	atomic_store(&d->blocked, !room || d->first);
}

static void on_known(void *arg)
{
	struct text_datagrams *d = arg;
	if (!feed_is_blocked(&d->feed))
		take_pending(d, false);
}

/* ---- the socket -------------------------------------------------------------------------------------------------------------- */

static void count_lost(struct text_datagrams *d, struct msghdr *m)
{
	uint64_t held;
	uint32_t total;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&total, CMSG_DATA(c), sizeof total);
		uint32_t more = total - d->lost_seen;
		if (!more)
			continue;
		d->lost_seen = total;
		counter_add(d->lost, more);
		if (log_allowed(&d->log_lost, LOG_EVERY_NS, &held))
			log_warn(d->source->source->id,
				"datagrams were lost: they came faster than they could be taken, or a buffer is full; "
				"raise "
				"receive_buffer_size in <transport udp> (and net.core.rmem_max), or let senders use "
				"TCP",
				LOG_U("lost", more), LOG_U("held_back", held));
	}
}

static unsigned prepare(struct text_datagrams *d, struct batch_room *r)
{
	uint8_t *room = worker_scratch(d->worker);
	size_t each = d->source->max_text;
	unsigned n = (unsigned)(WORKER_SCRATCH / each);
	if (n > BATCH_MAX)
		n = BATCH_MAX;
	for (unsigned i = 0; i < n; i++) {
		r->parts[i] = (struct iovec){.iov_base = room + i * each, .iov_len = each};
		r->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &r->peers[i].un,
			.msg_namelen = sizeof r->peers[i].un,
			.msg_iov = &r->parts[i],
			.msg_iovlen = 1,
			.msg_control = r->control[i].room,
			.msg_controllen = sizeof r->control[i].room,
		};
	}
	return n;
}

/* False: there is nothing more, or a buffer is full. */
static bool read_batch(struct text_datagrams *d)
{
	struct batch_room r;
	unsigned n = prepare(d, &r);
	int got = recvmmsg(d->fd, r.messages, n, MSG_DONTWAIT, NULL);
	if (got <= 0)
		return got < 0 && errno == EINTR;
	struct ingest *in = feed_open(&d->feed);
	for (int i = 0; i < got; i++) {
		struct msghdr *m = &r.messages[i].msg_hdr;
		struct span text = span_of(m->msg_iov->iov_base, r.messages[i].msg_len);
		count_lost(d, m);
		r.peers[i].len = m->msg_namelen;
		peer_name(&r.peers[i]);
		if (m->msg_flags & MSG_TRUNC)
			counter_add(d->source->oversized, 1);
		take_or_keep(d, in, &r.peers[i], text);
	}
	if (!feed_close(&d->feed)) {
		event_del(d->readable);
		atomic_store(&d->blocked, true);
		return false;
	}
	return (unsigned)got == n;
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	for (int i = 0; i < TURN_CALLS; i++)
		if (!read_batch(arg))
			return;
}

static void on_room(struct feed *f)
{
	struct text_datagrams *d = (struct text_datagrams *)f;
	atomic_store(&d->blocked, d->first != NULL);
	if (d->first)
		take_pending(d, false);
	if (d->readable && !feed_is_blocked(f))
		event_add(d->readable, NULL);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------- */

struct text_datagrams *text_datagrams_new(const struct text_datagrams_conf *c, struct text_source *source)
{
	struct text_datagrams *d = mem_zalloc(sizeof *d);
	char *labels = metrics_labels("plugin_id", source->source->id, NULL);
	d->conf = *c;
	d->source = source;
	d->fd = -1;
	d->last = &d->first;
	if (source->max_text > DATAGRAM_MAX)
		source->max_text = DATAGRAM_MAX;
	d->lost = metrics_counter(c->metrics, "weir_source_datagrams_lost_total", labels,
		"Datagrams that the system threw away because they were not read in time.");
	mem_free(labels);
	return d;
}

void text_datagrams_free(struct text_datagrams *d)
{
	mem_free(d);
}

static void begin(struct worker *w, void *arg)
{
	struct text_datagrams *d = arg;
	feed_init(&d->feed, d->source->source, w, on_room);
	if (d->source->resolve)
		d->names = peer_names_new(w, on_known, d);
	d->readable = event_new(worker_base(w), d->fd, EV_READ | EV_PERSIST, on_readable, d);
	if (d->readable && event_add(d->readable, NULL) < 0) {
		event_free(d->readable);
		d->readable = NULL;
	}
}

bool text_datagrams_start(struct text_datagrams *d, struct server *server, struct err *err)
{
	int on = 1;
	d->fd = bind_udp(d->conf.bind, d->conf.port, err);
	if (d->fd < 0)
		return false;
	d->conf.port = bound_port(d->fd);
	setsockopt(d->fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
	if (d->conf.receive_buffer > 0)
		setsockopt(d->fd, SOL_SOCKET, SO_RCVBUF, &d->conf.receive_buffer, sizeof d->conf.receive_buffer);
	/* Sockets of several sources go to several workers. */
	d->server = server;
	d->worker = server_workers(server)[d->conf.port % server_worker_count(server)];
	worker_call(d->worker, begin, d);
	if (!d->readable)
		return err_set(err, "the socket cannot be added to a worker's event loop");
	log_info(d->source->source->id, "listening port", LOG_U("port", d->conf.port), LOG_S("bind", d->conf.bind),
		LOG_S("transport", "udp"));
	return true;
}

static void stop_reading(struct worker *w, void *arg)
{
	struct text_datagrams *d = arg;
	(void)w;
	for (int i = 0; d->readable && i < STOP_CALLS && !feed_is_blocked(&d->feed) && read_batch(d); i++)
		;
	if (d->readable)
		event_free(d->readable);
	d->readable = NULL;
}

void text_datagrams_stop(struct text_datagrams *d)
{
	if (d->worker)
		worker_call(d->worker, stop_reading, d);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

unsigned text_datagrams_busy(const struct text_datagrams *d)
{
	return atomic_load(&d->blocked);
}

static void give_up(struct worker *w, void *arg)
{
	struct text_datagrams *d = arg;
	(void)w;
	if (d->first)
		take_pending(d, true);
	feed_drop(&d->feed);
	peer_names_free(d->names);
	d->names = NULL;
}

void text_datagrams_end(struct text_datagrams *d)
{
	if (d->worker)
		worker_call(d->worker, give_up, d);
	d->worker = NULL;
}

uint16_t text_datagrams_port(const struct text_datagrams *d)
{
	return d->conf.port;
}
