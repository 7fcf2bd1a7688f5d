#include "conn.h"

#include "base/clock.h"
#include "base/mem.h"
#include "clients.h"
#include "conn_impl.h"
#include "ingest.h"
#include "senders.h"
#include "watch.h"

#include <netinet/tcp.h>
#include <sys/random.h>
#include <unistd.h>

/* ---- out -------------------------------------------------------------------------------------------------------------- */

static void half_close(struct conn *c)
{
	if (c->fin_sent)
		return;
	c->fin_sent = true;
	conn_io_end(c);
	if (c->eof)
		conn_gone(c);
	else if (!c->patient)
		c->deadline_ns = clock_mono_ns() + c->group->limits.linger_ns;
}

void conn_flush(struct conn *c)
{
	if (c->state == CONN_GONE || c->state == CONN_HANDSHAKE)
		return;
	while (c->out_at < c->out.n) {
		size_t put;
		enum io io = conn_io_write(c, c->out.p + c->out_at, c->out.n - c->out_at, &put);
		if (io == IO_FAILED || io == IO_EOF) {
			conn_gone(c);
			return;
		}
		if (io == IO_BLOCKED) {
			if (!c->stuck_ns)
				c->stuck_ns = clock_mono_ns();
			event_add(c->writable, NULL);
			return;
		}
		c->out_at += put;
		c->stuck_ns = 0;
	}
	buf_clear(&c->out);
	c->out_at = 0;
	if (c->out.cap > c->group->limits.out_max)
		buf_free(&c->out);
	if (c->state == CONN_CLOSING)
		half_close(c);
}

struct buf *conn_out(struct conn *c)
{
	return &c->out;
}

size_t conn_unsent(const struct conn *c)
{
	return c->out.n - c->out_at;
}

int64_t conn_stuck_since(const struct conn *c)
{
	return c->stuck_ns;
}

/* ---- events ------------------------------------------------------------------------------------------------------------------- */

static void handshake(struct conn *c)
{
	enum io io = conn_io_handshake(c);
	if (io == IO_OK) {
		c->state = CONN_OPEN;
		c->ops->on_ready(c);
		conn_read_turn(c);
	} else if (io != IO_BLOCKED) {
		conn_gone(c);
	}
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct conn *c = arg;
	(void)fd;
	(void)events;
	conn_hold(c);
	if (c->state == CONN_HANDSHAKE)
		handshake(c);
	else
		conn_read_turn(c);
	conn_release(c);
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
	struct conn *c = arg;
	(void)fd;
	(void)events;
	conn_hold(c);
	bool reading = c->read_wants_write;
	c->read_wants_write = false;
	if (c->state == CONN_HANDSHAKE) {
		handshake(c);
	} else {
		if (conn_unsent(c)) {
			conn_flush(c);
			if (c->state == CONN_OPEN && !conn_unsent(c) && c->ops->on_drained)
				c->ops->on_drained(c);
		}
		if (reading)
			conn_read_turn(c);
	}
	conn_release(c);
}

static void on_tick(void *arg)
{
	struct conn_group *g = arg;
	int64_t now = clock_mono_ns();
	for (struct conn *c = g->first, *next; c; c = next) {
		next = c->next;
		bool waits = c->state == CONN_OPEN && c->pauses & PAUSE_RATE; /* for weir, not for the peer */
		if (!c->deadline_ns || now < c->deadline_ns || waits)
			continue;
		c->deadline_ns = 0;
		if (c->state == CONN_CLOSING)
			conn_gone(c);
		else
			c->ops->on_deadline(c);
	}
}

void conn_deadline(struct conn *c, int64_t at_ns)
{
	if (c->state != CONN_CLOSING && c->state != CONN_GONE)
		c->deadline_ns = at_ns;
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------- */

struct conn_group *conn_group_new(
	struct worker *w, const struct conn_ops *ops, const struct conn_limits *limits, const char *id)
{
	struct conn_group *g = mem_alloc(sizeof *g);
	*g = (struct conn_group){.worker = w, .ops = ops, .limits = *limits, .id = id};
	g->tick = worker_tick(w, on_tick, g);
	return g;
}

void conn_group_free(struct conn_group *g)
{
	if (!g)
		return;
	worker_untick(g->tick);
	mem_free(g);
}

void conn_group_each(struct conn_group *g, void (*fn)(struct conn *c, void *arg), void *arg)
{
	for (struct conn *c = g->first, *next; c; c = next) {
		next = c->next;
		fn(c, arg);
	}
}

static void set_keepalive(struct conn *c)
{
	int on = 1, idle = 60, interval = 15, count = 4;
	setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void set_socket_options(struct conn *c)
{
	const struct conn_limits *l = &c->group->limits;
	int on = 1;
	if (c->peer.sa.sa_family != AF_UNIX) {
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (l->keepalive)
			set_keepalive(c);
	}
	if (l->linger_s > 0) {
		struct linger linger = {.l_onoff = 1, .l_linger = l->linger_s};
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	}
	if (l->receive_buffer > 0)
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &l->receive_buffer, sizeof l->receive_buffer);
}

static bool set_up_tls(struct conn *c, SSL_CTX *tls)
{
	c->ssl = SSL_new(tls);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		return false;
	SSL_set_accept_state(c->ssl);
	return true;
}

/* Three to five quarters of max_age_ns from now; without random numbers, all of it. */
static int64_t end_of_age(int64_t max_age_ns)
{
	uint32_t random;
	if (!max_age_ns)
		return 0;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
		random = UINT32_MAX / 2;
	return clock_mono_ns() + (int64_t)((double)max_age_ns * (0.75 + 0.5 * random / UINT32_MAX));
}

struct conn *conn_new(struct conn_group *g, int fd, const struct peer *peer, SSL_CTX *tls, void *session)
{
	struct event_base *base = worker_base(g->worker);
	struct conn *c = mem_zalloc(sizeof *c);
	*c = (struct conn){.group = g,
		.ops = g->ops,
		.worker = g->worker,
		.session = session,
		.fd = fd,
		.peer = *peer,
		.holds = 1,
		.in_want = 1};
	c->state = tls ? CONN_HANDSHAKE : CONN_OPEN;
	c->last_read_ns = clock_mono_ns();
	c->age_end_ns = end_of_age(g->limits.max_age_ns);
	const struct watch *watch = ingest_watch(worker_ingest(g->worker));
	c->sender = sender_open(watch ? watch->senders : NULL, g->id, peer->ip);
	buf_init(&c->out, 16u << 20);
	c->next = g->first;
	c->prev = &g->first;
	if (c->next)
		c->next->prev = &c->next;
	g->first = c;
	set_socket_options(c);
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
	c->again = event_new(base, -1, 0, conn_on_again, c);
	if (!c->readable || !c->writable || !c->again || (tls && !set_up_tls(c, tls))) {
		conn_gone(c);
		return NULL;
	}
	return c;
}

void conn_begin(struct conn *c)
{
	conn_hold(c);
	if (event_add(c->readable, NULL) < 0)
		conn_gone(c);
	else if (c->state == CONN_OPEN)
		c->ops->on_ready(c);
	conn_release(c);
}

void conn_gone(struct conn *c)
{
	if (c->state == CONN_GONE)
		return;
	c->state = CONN_GONE;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->group = NULL;
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	if (c->again)
		event_free(c->again);
	c->readable = c->writable = c->again = NULL;
	SSL_free(c->ssl);
	c->ssl = NULL;
	close(c->fd);
	c->fd = -1;
	atomic_fetch_sub(worker_load(c->worker), 1);
	conn_release(c);
}

void conn_hold(struct conn *c)
{
	c->holds++;
}

void conn_release(struct conn *c)
{
	if (--c->holds)
		return;
	c->ops->on_free(c);
	sender_close(c->sender);
	client_leave(c->client);
	conn_drop_read_buffer(c);
	buf_free(&c->out);
	mem_free(c);
}

static void set_linger(struct conn *c)
{
	c->patient = false;
	c->deadline_ns = clock_mono_ns() + c->group->limits.linger_ns;
}

static void close_orderly(struct conn *c, bool listen, bool patient)
{
	if (c->state == CONN_HANDSHAKE) {
		conn_gone(c);
		return;
	}
	c->state = CONN_CLOSING;
	c->listen = listen;
	c->patient = patient;
	c->deadline_ns = 0;
	conn_resume_by(c, PAUSE_ALL);
	if (c->state == CONN_CLOSING)
		conn_flush(c);
	if (c->state == CONN_CLOSING && !c->fin_sent && !patient)
		set_linger(c);
}

void conn_finish(struct conn *c, bool listen)
{
	if (c->state == CONN_CLOSING && c->patient)
		set_linger(c);
	else if (c->state != CONN_GONE && c->state != CONN_CLOSING)
		close_orderly(c, listen, false);
}

void conn_part(struct conn *c)
{
	if (c->state == CONN_GONE || c->state == CONN_CLOSING)
		return;
	set_keepalive(c); /* a peer that has vanished sends no FIN */
	close_orderly(c, true, true);
}

void conn_abort(struct conn *c)
{
	conn_gone(c);
}

int64_t conn_age_end(const struct conn *c)
{
	return c->age_end_ns;
}

bool conn_is_ending(const struct conn *c)
{
	return c->state == CONN_GONE || c->state == CONN_CLOSING;
}

void conn_set_client(struct conn *c, struct client *client, const struct client_limits *limits)
{
	c->client = client;
	c->limits = limits;
}

void conn_set_limits(struct conn *c, const struct client_limits *limits)
{
	c->limits = c->client ? limits : NULL;
	if (!c->limits)
		conn_resume_by(c, PAUSE_RATE);
}

void conn_sent_events(struct conn *c, uint64_t messages, uint64_t events)
{
	sender_add_events(c->sender, messages, events);
	if (c->limits)
		client_sent_events(c->client, events, c->limits->events_per_s, clock_mono_ns());
}

void *conn_session(struct conn *c)
{
	return c->session;
}

const struct peer *conn_peer(const struct conn *c)
{
	return &c->peer;
}

struct worker *conn_worker(struct conn *c)
{
	return c->worker;
}

int64_t conn_rate_waited(const struct conn *c)
{
	return c->rate_waited_ns;
}

int64_t conn_last_read(const struct conn *c)
{
	return c->last_read_ns;
}
