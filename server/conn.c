#include "conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ingest.h"
#include "senders.h"
#include "transport_conf.h"
#include "watch.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <unistd.h>

#define READ_MIN 4096u /* bytes of the smallest read buffer */
#define READ_STEP \
	(1u << 20) /* a buffer grows to what has come, doubled, or to this: never to what a header announces */
#define READ_MORE    (64u << 10) /* bytes that there is room for, at the least, once a message does not fit */
#define READ_FREE    (16u << 10) /* an empty read buffer larger than this is given back */
#define TURN_BUDGET  (1u << 20)	 /* bytes read from one connection before others have their turn */
#define COUNTED_FROM (64u << 10) /* read buffers from this size count against the memory limit */

enum conn_state { CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING, CONN_GONE };

struct conn_group {
	struct worker *worker;
	const struct conn_ops *ops;
	struct conn_limits limits;
	const char *id;
	struct conn *first;
	unsigned count;
	struct worker_tick *tick;
};

struct conn {
	struct conn *next, **prev; /* of the group */
	struct conn_group *group;  /* while it is not GONE */
	const struct conn_ops *ops;
	struct worker *worker;
	void *session;
	int fd;
	SSL *ssl;
	enum conn_state state;
	unsigned holds;
	bool paused, eof, listen, fin_sent, read_wants_write;
	struct event *readable, *writable, *again;
	uint8_t *in;
	size_t in_n, in_cap, in_want;
	struct buf out;
	size_t out_at; /* bytes of `out` that are sent */
	int64_t stuck_ns, last_read_ns, deadline_ns;
	struct peer peer;
	struct sender *sender;
	char cert_name[128];
};

static _Atomic size_t memory_used;
static size_t memory_limit = SIZE_MAX;

static void conn_gone(struct conn *c);

void conn_set_memory_limit(size_t bytes)
{
	memory_limit = bytes;
}

/* ---- the read buffer -------------------------------------------------------------------------------------------- */

static size_t counted(size_t cap)
{
	return cap >= COUNTED_FROM ? cap : 0;
}

static void account(size_t before, size_t after)
{
	if (counted(after) >= counted(before))
		atomic_fetch_add_explicit(&memory_used, counted(after) - counted(before), memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(&memory_used, counted(before) - counted(after), memory_order_relaxed);
}

static void drop_buffer(struct conn *c)
{
	account(c->in_cap, 0);
	mem_free(c->in);
	c->in = NULL;
	c->in_n = c->in_cap = 0;
}

/* Room for at least one byte more. False: not now (memory), the connection waits for a second. */
static bool make_room(struct conn *c)
{
	size_t need = c->in_n + (c->in_want ? c->in_want : 1);
	if (c->in_cap >= need)
		return true;
	size_t most = c->in_n * 2 > READ_STEP ? c->in_n * 2 : READ_STEP;
	size_t least = c->in_n + (c->in_n / 2 > READ_MORE ? c->in_n / 2 : READ_MORE);
	size_t cap = need > most ? most : need > least ? need : least;
	if (cap <= c->in_cap)
		return c->in_cap > c->in_n;
	if (cap >= READ_STEP && atomic_load_explicit(&memory_used, memory_order_relaxed) + cap > memory_limit)
		return c->in_cap > c->in_n;
	uint8_t *p = mem_try_realloc(c->in, cap);
	if (!p)
		return c->in_cap > c->in_n;
	account(c->in_cap, cap);
	c->in = p;
	c->in_cap = cap;
	return true;
}

/* ---- bytes through TLS or not --------------------------------------------------------------------------------------- */

enum io { IO_OK, IO_BLOCKED, IO_EOF, IO_FAILED };

static enum io tls_result(struct conn *c, int rc, bool reading)
{
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return IO_BLOCKED;
	case SSL_ERROR_WANT_WRITE:
		c->read_wants_write = reading;
		event_add(c->writable, NULL);
		return IO_BLOCKED;
	case SSL_ERROR_ZERO_RETURN:
		return IO_EOF;
	default:
		return IO_FAILED;
	}
}

static enum io raw_read(struct conn *c, uint8_t *p, size_t n, size_t *got)
{
	*got = 0;
	if (c->ssl) {
		ERR_clear_error();
		int rc = SSL_read_ex(c->ssl, p, n, got);
		return rc == 1 ? IO_OK : tls_result(c, rc, true);
	}
	ssize_t rc;
	do
		rc = recv(c->fd, p, n, 0);
	while (rc < 0 && errno == EINTR);
	if (rc > 0) {
		*got = (size_t)rc;
		return IO_OK;
	}
	if (rc == 0)
		return IO_EOF;
	return errno == EAGAIN || errno == EWOULDBLOCK ? IO_BLOCKED : IO_FAILED;
}

static enum io raw_write(struct conn *c, const uint8_t *p, size_t n, size_t *put)
{
	*put = 0;
	if (c->ssl) {
		ERR_clear_error();
		int rc = SSL_write_ex(c->ssl, p, n, put);
		return rc == 1 ? IO_OK : tls_result(c, rc, false);
	}
	ssize_t rc;
	do
		rc = send(c->fd, p, n, MSG_NOSIGNAL);
	while (rc < 0 && errno == EINTR);
	if (rc >= 0) {
		*put = (size_t)rc;
		return IO_OK;
	}
	return errno == EAGAIN || errno == EWOULDBLOCK ? IO_BLOCKED : IO_FAILED;
}

/* ---- out -------------------------------------------------------------------------------------------------------------- */

static void half_close(struct conn *c)
{
	if (c->fin_sent)
		return;
	c->fin_sent = true;
	if (c->ssl && SSL_is_init_finished(c->ssl)) {
		ERR_clear_error();
		SSL_shutdown(c->ssl); /* close_notify (RFC 8446, 6.1); whether it arrives is not waited for */
	}
	shutdown(c->fd, SHUT_WR);
	if (c->eof)
		conn_gone(c);
	else
		c->deadline_ns = clock_mono_ns() + c->group->limits.linger_ns;
}

void conn_flush(struct conn *c)
{
	if (c->state == CONN_GONE || c->state == CONN_HANDSHAKE)
		return;
	while (c->out_at < c->out.n) {
		size_t put;
		enum io io = raw_write(c, c->out.p + c->out_at, c->out.n - c->out_at, &put);
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

/* ---- in --------------------------------------------------------------------------------------------------------------- */

/* Gives what is in the read buffer to the session. */
static void offer(struct conn *c, const uint8_t *p, size_t n, size_t *used)
{
	c->in_want = 1;
	*used = 0;
	if (c->state == CONN_CLOSING && !c->listen)
		*used = n;
	else
		*used = c->ops->on_bytes(c, p, n, &c->in_want);
}

/* Keeps the unconsumed end of the worker's scratch memory. These bytes are here: the memory limit only says how much more is got ready for. */
static bool keep(struct conn *c, const uint8_t *p, size_t n)
{
	size_t cap = n + (c->in_want > READ_MIN ? c->in_want : READ_MIN);
	if (cap > READ_STEP)
		cap = READ_STEP;
	if (atomic_load_explicit(&memory_used, memory_order_relaxed) + cap > memory_limit)
		cap = n;
	if (c->in_cap < n) {
		uint8_t *q = mem_try_realloc(c->in, cap);
		if (!q)
			return false;
		account(c->in_cap, cap);
		c->in = q;
		c->in_cap = cap;
	}
	memcpy(c->in, p, n);
	c->in_n = n;
	return true;
}

static void consumed(struct conn *c, size_t used)
{
	c->in_n -= used;
	if (c->in_n && used)
		memmove(c->in, c->in + used, c->in_n);
	else if (!c->in_n && c->in_cap > READ_FREE)
		drop_buffer(c);
}

static bool may_read(const struct conn *c)
{
	return !c->paused && !c->eof && (c->state == CONN_OPEN || c->state == CONN_CLOSING);
}

static enum io read_step(struct conn *c, size_t *got, bool *more)
{
	uint8_t *scratch = worker_scratch(c->worker);
	size_t room, used;
	enum io io;
	if (c->in_n == 0) {
		room = WORKER_SCRATCH;
		io = raw_read(c, scratch, room, got);
		if (io == IO_OK) {
			offer(c, scratch, *got, &used);
			if (used < *got && c->state != CONN_GONE && !keep(c, scratch + used, *got - used))
				conn_gone(c);
		}
	} else {
		if (!make_room(c)) {
			conn_pause(c);
			event_add(c->again, &(struct timeval){.tv_sec = 1});
			return IO_BLOCKED;
		}
		room = c->in_cap - c->in_n;
		io = raw_read(c, c->in + c->in_n, room, got);
		if (io == IO_OK) {
			c->in_n += *got;
			if (*got < c->in_want) {
				c->in_want -= *got; /* the session has said that fewer are of no use */
			} else {
				offer(c, c->in, c->in_n, &used);
				if (c->state != CONN_GONE)
					consumed(c, used);
			}
		}
	}
	*more = io == IO_OK && (c->ssl || *got == room); /* TLS gives a record at a time, whatever the room */
	return io;
}

static void saw_eof(struct conn *c)
{
	c->eof = true;
	event_del(c->readable);
	if (c->state == CONN_CLOSING) {
		if (conn_unsent(c) == 0)
			conn_gone(c);
	} else {
		c->ops->on_eof(c, c->in_n);
	}
}

static void read_turn(struct conn *c)
{
	size_t total = 0, got = 0;
	bool more = true;
	while (more && may_read(c)) {
		if (total >= TURN_BUDGET) {
			/* Others first. */
			if (c->ssl)
				event_active(c->readable, EV_READ, 0);
			return;
		}
		enum io io = read_step(c, &got, &more);
		if (io == IO_EOF && c->state != CONN_GONE)
			saw_eof(c);
		else if (io == IO_FAILED && c->state != CONN_GONE)
			conn_gone(c);
		if (io != IO_OK)
			return;
		c->last_read_ns = clock_mono_ns();
		sender_add_bytes(c->sender, got);
		total += got;
	}
}

/* ---- TLS handshake --------------------------------------------------------------------------------------------------------- */

static void read_cert_name(struct conn *c)
{
	X509 *cert = SSL_get1_peer_certificate(c->ssl);
	if (!cert)
		return;
	if (X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, c->cert_name, sizeof c->cert_name) <
		0)
		c->cert_name[0] = 0;
	X509_free(cert);
}

static void handshake(struct conn *c)
{
	static struct log_limit limit;
	uint64_t held;
	ERR_clear_error();
	int rc = SSL_accept(c->ssl);
	if (rc == 1) {
		c->state = CONN_OPEN;
		read_cert_name(c);
		c->ops->on_ready(c);
		read_turn(c);
		return;
	}
	enum io io = tls_result(c, rc, true);
	if (io == IO_BLOCKED)
		return;
	char reason[160];
	if (ERR_peek_error() && log_allowed(&limit, 10 * NS_PER_S, &held))
		log_warn(c->group->id, "a TLS handshake failed: the connection is closed; others go on",
			LOG_S("peer", c->peer.text), LOG_S("reason", tls_error_text(reason, sizeof reason)),
			LOG_U("held_back", held));
	conn_gone(c);
}

/* ---- events ------------------------------------------------------------------------------------------------------------------- */

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct conn *c = arg;
	(void)fd;
	(void)events;
	conn_hold(c);
	if (c->state == CONN_HANDSHAKE)
		handshake(c);
	else
		read_turn(c);
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
			read_turn(c);
	}
	conn_release(c);
}

static void on_again(evutil_socket_t fd, short events, void *arg)
{
	struct conn *c = arg;
	(void)fd;
	(void)events;
	conn_hold(c);
	conn_resume(c);
	conn_release(c);
}

void conn_pause(struct conn *c)
{
	if (c->paused)
		return;
	c->paused = true;
	if (c->readable)
		event_del(c->readable);
}

void conn_resume(struct conn *c)
{
	if (!c->paused || c->state == CONN_GONE)
		return;
	c->paused = false;
	conn_hold(c);
	if (!c->eof)
		event_add(c->readable, NULL);
	if (c->in_n && (c->state == CONN_OPEN || c->state == CONN_CLOSING)) {
		size_t used;
		offer(c, c->in, c->in_n, &used);
		if (c->state != CONN_GONE)
			consumed(c, used);
	}
	if (c->ssl && c->state != CONN_GONE && !c->paused && !c->eof)
		event_active(c->readable, EV_READ, 0); /* TLS may hold bytes that no socket event will tell of */
	conn_release(c);
}

static void on_tick(void *arg)
{
	struct conn_group *g = arg;
	int64_t now = clock_mono_ns();
	for (struct conn *c = g->first, *next; c; c = next) {
		next = c->next;
		if (!c->deadline_ns || now < c->deadline_ns)
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

unsigned conn_group_count(const struct conn_group *g)
{
	return g->count;
}

struct worker *conn_group_worker(struct conn_group *g)
{
	return g->worker;
}

void conn_group_each(struct conn_group *g, void (*fn)(struct conn *c, void *arg), void *arg)
{
	for (struct conn *c = g->first, *next; c; c = next) {
		next = c->next;
		fn(c, arg);
	}
}

static void set_socket_options(struct conn *c)
{
	const struct conn_limits *l = &c->group->limits;
	int on = 1;
	if (c->peer.sa.sa_family != AF_UNIX) {
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (l->keepalive) {
			int idle = 60, interval = 15, count = 4;
			setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
			setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
			setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
			setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
		}
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
	const struct watch *watch = ingest_watch(worker_ingest(g->worker));
	c->sender = sender_open(watch ? watch->senders : NULL, g->id, peer->ip);
	buf_init(&c->out, 16u << 20);
	c->next = g->first;
	c->prev = &g->first;
	if (c->next)
		c->next->prev = &c->next;
	g->first = c;
	g->count++;
	set_socket_options(c);
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
	c->again = event_new(base, -1, 0, on_again, c);
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

static void conn_gone(struct conn *c)
{
	if (c->state == CONN_GONE)
		return;
	c->state = CONN_GONE;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->group->count--;
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
	drop_buffer(c);
	buf_free(&c->out);
	mem_free(c);
}

void conn_finish(struct conn *c, bool listen)
{
	if (c->state == CONN_GONE || c->state == CONN_CLOSING)
		return;
	if (c->state == CONN_HANDSHAKE) {
		conn_gone(c);
		return;
	}
	c->state = CONN_CLOSING;
	c->listen = listen;
	c->deadline_ns = 0;
	if (c->paused)
		conn_resume(c);
	if (c->state == CONN_CLOSING)
		conn_flush(c);
	if (c->state == CONN_CLOSING && !c->fin_sent)
		c->deadline_ns = clock_mono_ns() + c->group->limits.linger_ns;
}

void conn_abort(struct conn *c)
{
	conn_gone(c);
}

bool conn_is_ending(const struct conn *c)
{
	return c->state == CONN_GONE || c->state == CONN_CLOSING;
}

struct sender *conn_sender(struct conn *c)
{
	return c->sender;
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

const char *conn_cert_name(struct conn *c)
{
	return c->cert_name;
}

int64_t conn_last_read(const struct conn *c)
{
	return c->last_read_ns;
}
