/* conn_read.c: a connection's bytes in: the read buffer, whose turn it is, pauses. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "clients.h"
#include "conn_impl.h"
#include "senders.h"

#define READ_MIN 4096u /* bytes of the smallest read buffer */
#define READ_STEP \
	(1u << 20) /* a buffer grows to what has come, doubled, or to this: never to what a header announces */
#define READ_MORE    (64u << 10) /* bytes that there is room for, at the least, once a message does not fit */
#define READ_FREE    (16u << 10) /* an empty read buffer larger than this is given back */
#define TURN_BUDGET  (1u << 20)	 /* bytes read from one connection before others have their turn */
#define COUNTED_FROM (64u << 10) /* read buffers from this size count against the memory limit */

#define AGAIN_US 100000 /* until one that waits for memory tries again */

#define EXEMPT_NS (5 * NS_PER_S)

static _Atomic size_t memory_used, memory_waiting; /* waiting: of what is used, that of conn_count_waiting */
static _Atomic size_t memory_limit = SIZE_MAX;

void conn_set_memory_limit(size_t bytes)
{
	atomic_store_explicit(&memory_limit, bytes, memory_order_relaxed);
}

void conn_count_waiting(size_t more, size_t less)
{
	atomic_fetch_add_explicit(&memory_used, more - less, memory_order_relaxed);
	atomic_fetch_add_explicit(&memory_waiting, more - less, memory_order_relaxed);
}

static bool is_over_limit(size_t more)
{
	return atomic_load_explicit(&memory_used, memory_order_relaxed) + more >
	       atomic_load_explicit(&memory_limit, memory_order_relaxed);
}

/*
 * One connection at a time may go over the limit until it has a message whole, or for a while if its peer is slow: else all of it might be used up by halves that wait
 * for one another. Not where what waits for full buffers has used it up: that gets its room without anybody reading.
 */
static _Atomic(const struct conn *) exempt;
static _Atomic int64_t exempt_until_ns; /* monotonic: then another one may be it */

static bool may_go_over(const struct conn *c, size_t more)
{
	const struct conn *is = atomic_load(&exempt);
	int64_t now = clock_mono_ns();
	if (atomic_load(&memory_waiting) + more > atomic_load(&memory_limit))
		return false;
	if (is == c)
		return true;
	if ((is && now < atomic_load(&exempt_until_ns)) || !atomic_compare_exchange_strong(&exempt, &is, c))
		return false;
	atomic_store(&exempt_until_ns, now + EXEMPT_NS);
	return true;
}

static void end_exemption(const struct conn *c)
{
	if (atomic_load(&exempt) == c)
		atomic_store(&exempt, NULL);
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

void conn_drop_read_buffer(struct conn *c)
{
	end_exemption(c);
	account(c->in_cap, 0);
	mem_free(c->in);
	c->in = NULL;
	c->in_n = c->in_cap = 0;
}

/* Room for at least one byte more. False: not now (memory), the connection waits a little. */
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
	if (cap >= READ_STEP && is_over_limit(cap) && !may_go_over(c, cap))
		return c->in_cap > c->in_n;
	uint8_t *p = mem_try_realloc(c->in, cap);
	if (!p)
		return c->in_cap > c->in_n;
	account(c->in_cap, cap);
	c->in = p;
	c->in_cap = cap;
	return true;
}

/* ---- in -------------------------------------------------------------------------------------------------------------- */

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
	if (is_over_limit(cap))
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
	if (used)
		end_exemption(c);
	if (c->in_n && used)
		memmove(c->in, c->in + used, c->in_n);
	else if (!c->in_n && c->in_cap > READ_FREE)
		conn_drop_read_buffer(c);
}

static bool may_read(const struct conn *c)
{
	return !c->pauses && !c->eof && (c->state == CONN_OPEN || c->state == CONN_CLOSING);
}

static enum io read_step(struct conn *c, size_t *got, bool *more)
{
	uint8_t *scratch = worker_scratch(c->worker);
	size_t room, used;
	enum io io;
	if (c->in_n == 0) {
		room = WORKER_SCRATCH;
		io = conn_io_read(c, scratch, room, got);
		if (io == IO_OK) {
			offer(c, scratch, *got, &used);
			if (used < *got && c->state != CONN_GONE && !keep(c, scratch + used, *got - used))
				conn_gone(c);
		}
	} else {
		if (!make_room(c)) {
			conn_pause_by(c, PAUSE_MEMORY);
			event_add(c->again, &(struct timeval){.tv_usec = AGAIN_US});
			return IO_BLOCKED;
		}
		room = c->in_cap - c->in_n;
		io = conn_io_read(c, c->in + c->in_n, room, got);
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

static void wait_a_while(struct conn *c, int64_t ns)
{
	struct timeval t = {.tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / 1000 + 1};
	conn_pause_by(c, PAUSE_RATE);
	c->rate_waited_ns += ns;
	event_add(c->again, &t);
}

/* Counts what its client has just sent. True: it is read no further for now. */
static bool was_too_fast(struct conn *c, size_t got)
{
	static struct log_limit log_fast;
	uint64_t held;
	client_sent_bytes(c->client, got, c->limits->bytes_per_s, c->last_read_ns);
	int64_t wait = c->state == CONN_OPEN ? client_wait(c->client, c->last_read_ns) : 0;
	if (wait) {
		counter_add(c->group->limits.rate_waits, 1);
		if (log_allowed(&log_fast, 60 * NS_PER_S, &held))
			log_info(c->group->id,
				"a client sends more than max_events_per_second or max_bytes_per_second: it is read "
				"more slowly, "
				"and nothing of it is lost",
				LOG_S("peer", c->peer.text), LOG_U("held_back", held));
		wait_a_while(c, wait);
	}
	return wait != 0;
}

void conn_read_turn(struct conn *c)
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
		if (c->limits && was_too_fast(c, got))
			return;
	}
}

/* ---- pauses ---------------------------------------------------------------------------------------------------------- */

void conn_pause_by(struct conn *c, unsigned who)
{
	if (!c->pauses && c->readable)
		event_del(c->readable);
	c->pauses |= who;
}

void conn_pause(struct conn *c)
{
	conn_pause_by(c, PAUSE_SESSION);
}

void conn_resume_by(struct conn *c, unsigned who)
{
	bool paused = c->pauses != 0;
	c->pauses &= ~who;
	if (!paused || c->pauses || c->state == CONN_GONE)
		return;
	conn_hold(c);
	if (!c->eof)
		event_add(c->readable, NULL);
	if (c->in_n && (c->state == CONN_OPEN || c->state == CONN_CLOSING)) {
		size_t used;
		offer(c, c->in, c->in_n, &used);
		if (c->state != CONN_GONE)
			consumed(c, used);
	}
	if (c->ssl && c->state != CONN_GONE && !c->pauses && !c->eof)
		event_active(c->readable, EV_READ, 0); /* TLS may hold bytes that no socket event will tell of */
	conn_release(c);
}

void conn_resume(struct conn *c)
{
	conn_resume_by(c, PAUSE_SESSION);
}

void conn_on_again(evutil_socket_t fd, short events, void *arg)
{
	struct conn *c = arg;
	(void)fd;
	(void)events;
	int64_t now = clock_mono_ns(), wait = c->pauses & PAUSE_RATE ? client_wait(c->client, now) : 0;
	if (wait) {
		wait_a_while(c, wait); /* another connection of the same client was faster */
		return;
	}
	c->last_read_ns = now; /* no silence of the peer's */
	conn_hold(c);
	conn_resume_by(c, PAUSE_MEMORY | PAUSE_RATE);
	conn_release(c);
}
