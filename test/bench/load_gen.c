/*
 * load_gen.c: sends events over the forward protocol as fast as the server takes them (or at a given rate), and prints one line of
 * JSON with what was sent, what was acknowledged, and how long acks took.
 *
 * A chunk is built once for each connection. Before each sending only what must differ is overwritten in place: the chunk id, each
 * record's time and its `seq` (each number once, from --first on). So the generator costs little more than the copy into the socket,
 * and the server that is measured shares its machine with nearly nobody.
 */
#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "template.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACK_LEN (2 + 3 + 1 + ID_LEN) /* 81 a3 "ack" b8 id */
#define BUCKETS 40		     /* of the ack time: bucket i holds times below 2^i microseconds */

static struct {
	const char *host;
	const char *tag;
	unsigned port;
	unsigned connections;
	unsigned per_chunk;
	unsigned window;
	uint64_t records;
	uint64_t first; /* the first record's seq */
	uint64_t rate;	/* records a second over all connections; 0 = as fast as can be */
	enum mode mode;
	enum kind kind;
	bool ack;
	bool keep_time; /* all records carry the time of the start: one index, one date */
} opt = {.host = "127.0.0.1",
	.tag = "bench.app",
	.port = 24224,
	.connections = 2,
	.per_chunk = 1000,
	.window = 8,
	.records = 1000000,
	.ack = true};

struct connection {
	int fd;
	unsigned number;
	struct template t;
	uint64_t to_send;  /* chunks in all */
	uint64_t first;	   /* its first record's seq */
	uint64_t sent;	   /* chunks wholly in the socket */
	size_t offset;	   /* bytes of the current chunk that are in the socket; 0 = it has not begun */
	uint64_t acks;	   /* acks received */
	uint8_t in[16384]; /* bytes of acks, the first in_len of them */
	size_t in_len;
	int64_t *sent_at; /* ring of `window`: when a chunk went out */
	bool want_write;
	bool done;
};

static uint64_t run_id; /* makes the chunk ids of two runs differ */
static int64_t started_ns;
static uint64_t ack_time[BUCKETS];
static int64_t ack_time_max;

static void fail(const char *what)
{
	fprintf(stderr, "load_gen: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The id of the n-th ack that a connection asks for: run, connection and number, so that none comes twice. */
static void make_id(unsigned connection, uint64_t n, char *out)
{
	static const char digit[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";
	uint64_t part[3] = {run_id, connection, n};

	for (unsigned p = 0; p < 3; p++) {
		for (unsigned i = 0; i < ID_LEN / 3; i++) {
			out[p * (ID_LEN / 3) + i] = digit[part[p] & 63];
			part[p] >>= 6;
		}
	}
}

/* Writes into the template what differs in the next chunk. */
static void stamp(struct connection *c)
{
	struct template *t = &c->t;
	uint8_t *p = t->bytes.p;
	int64_t now = opt.keep_time ? started_ns : clock_wall_ns();
	uint32_t sec = (uint32_t)(now / NS_PER_S);
	uint32_t nsec = (uint32_t)(now % NS_PER_S);
	uint64_t seq = c->first + c->sent * opt.per_chunk;

	for (unsigned i = 0; i < opt.per_chunk; i++) {
		be32_put(p + t->time[i], sec);
		be32_put(p + t->time[i] + 4, nsec);
		be64_put(p + t->seq[i], seq + i);
		if (++nsec == NS_PER_S) {
			nsec = 0;
			sec++;
		}
	}
	for (unsigned i = 0; i < t->ids; i++)
		make_id(c->number, c->sent * t->ids + i, (char *)p + t->id[i]);
}

/* ---- connections ---- */

static void connection_open(struct connection *c, unsigned number, uint64_t first, uint64_t chunks)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
	int on = 1;

	if (inet_pton(AF_INET, opt.host, &a.sin_addr) != 1) {
		fprintf(stderr, "load_gen: '%s' is no IPv4 address\n", opt.host);
		exit(2);
	}
	*c = (struct connection){.number = number, .to_send = chunks, .first = first};
	c->sent_at = mem_array(opt.window, sizeof *c->sent_at);
	template_build(&c->t, opt.mode, opt.kind, opt.tag, opt.per_chunk, opt.ack);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a))
		fail("cannot connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK))
		fail("fcntl");
}

static uint64_t acked_chunks(const struct connection *c)
{
	return c->t.ids ? c->acks / c->t.ids : c->sent;
}

/* Whether the next chunk may begin now; *wait_ns is lowered to when it may. */
static bool may_begin(const struct connection *c, int64_t now, int64_t *wait_ns)
{
	int64_t due;

	if (c->sent == c->to_send || c->sent - acked_chunks(c) >= opt.window)
		return false;
	if (!opt.rate)
		return true;
	due = started_ns + (int64_t)((double)(c->sent * opt.connections * opt.per_chunk) * 1e9 / (double)opt.rate);
	if (due <= now)
		return true;
	if (*wait_ns < 0 || due - now < *wait_ns)
		*wait_ns = due - now;
	return false;
}

/* Sends until the socket is full, the window is, or the rate says later. False: the connection is broken. */
static bool connection_send(struct connection *c, int64_t *wait_ns)
{
	c->want_write = false;
	while (c->offset > 0 || may_begin(c, clock_wall_ns(), wait_ns)) {
		ssize_t n;

		if (c->offset == 0)
			stamp(c);
		n = send(c->fd, c->t.bytes.p + c->offset, c->t.bytes.n - c->offset, MSG_NOSIGNAL);
		if (n < 0) {
			c->want_write = errno == EAGAIN || errno == EINTR;
			return c->want_write;
		}
		c->offset += (size_t)n;
		if (c->offset < c->t.bytes.n)
			continue;
		c->offset = 0;
		c->sent_at[c->sent % opt.window] = clock_mono_ns();
		c->sent++;
	}
	return true;
}

static void count_ack_time(int64_t ns)
{
	unsigned i = 0;

	while (i < BUCKETS - 1 && ns >= INT64_C(1000) << i)
		i++;
	ack_time[i]++;
	if (ns > ack_time_max)
		ack_time_max = ns;
}

/* Each ack must be the next one that is due, to the byte: the server answers in order. */
static bool take_acks(struct connection *c)
{
	char want[ACK_LEN] = "\x81\xa3"
			     "ack\xb8";
	size_t at = 0;

	for (; c->in_len - at >= ACK_LEN; at += ACK_LEN) {
		make_id(c->number, c->acks, want + 6);
		if (memcmp(c->in + at, want, ACK_LEN) != 0) {
			fprintf(stderr, "load_gen: connection %u: ack %" PRIu64 " is not the one that is due\n",
				c->number, c->acks);
			return false;
		}
		if (++c->acks % c->t.ids == 0)
			count_ack_time(clock_mono_ns() - c->sent_at[(c->acks / c->t.ids - 1) % opt.window]);
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	return true;
}

static bool connection_receive(struct connection *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->in + c->in_len, sizeof c->in - c->in_len, 0);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0) {
			errno = ECONNRESET;
			return false;
		}
		c->in_len += (size_t)n;
		if (!take_acks(c))
			return false;
	}
}

static void watch(int ep, struct connection *c, int op)
{
	struct epoll_event e = {.events = EPOLLIN | (c->want_write ? EPOLLOUT : 0u), .data.ptr = c};

	if (epoll_ctl(ep, op, c->fd, &e))
		fail("epoll_ctl");
}

/* One turn for a connection. False: it is broken. */
static bool connection_turn(int ep, struct connection *c, int64_t *wait_ns)
{
	bool wanted = c->want_write;

	if (!connection_receive(c) || !connection_send(c, wait_ns))
		return false;
	if (c->want_write != wanted)
		watch(ep, c, EPOLL_CTL_MOD);
	c->done = c->sent == c->to_send && acked_chunks(c) == c->to_send;
	return true;
}

/* True if everything was sent and acknowledged. */
static bool run(struct connection *all)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	unsigned left = opt.connections;
	bool good = true;

	if (ep < 0)
		fail("epoll_create1");
	for (unsigned i = 0; i < opt.connections; i++)
		watch(ep, &all[i], EPOLL_CTL_ADD);
	started_ns = clock_wall_ns();
	while (left && good) {
		struct epoll_event events[64];
		int64_t wait_ns = -1;

		left = opt.connections;
		for (unsigned i = 0; i < opt.connections && good; i++) {
			good = connection_turn(ep, &all[i], &wait_ns);
			if (!good)
				fprintf(stderr, "load_gen: connection %u: %s\n", i, strerror(errno));
			left -= all[i].done;
		}
		if (left && good)
			epoll_wait(ep, events, 64, wait_ns < 0 ? 1000 : (int)(wait_ns / NS_PER_MS) + 1);
	}
	close(ep);
	return good;
}

/* ---- the report ---- */

/* The upper bound in milliseconds of the bucket below which `part` of the acks came. */
static double ack_ms(double part)
{
	uint64_t all = 0, seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		all += ack_time[i];
	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += ack_time[i];
		if (all && (double)seen >= part * (double)all)
			return (double)(UINT64_C(1) << i) / 1000;
	}
	return 0;
}

static void report(const struct connection *all, double elapsed)
{
	uint64_t sent = 0, acked = 0, bytes = 0;

	for (unsigned i = 0; i < opt.connections; i++) {
		sent += all[i].sent * opt.per_chunk;
		acked += (all[i].t.ids ? acked_chunks(&all[i]) : 0) * opt.per_chunk;
		bytes += all[i].sent * all[i].t.bytes.n;
	}
	printf("{\"sent\":%" PRIu64 ",\"acked\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"elapsed\":%.6f,\"ack_ms_p50\":%.3f,\"ack_ms_p99\":%.3f,\"ack_ms_max\":%.3f}\n",
		sent, acked, bytes, elapsed, ack_ms(0.5), ack_ms(0.99), (double)ack_time_max / 1e6);
}

/* ---- arguments ---- */

static void usage(int status)
{
	fputs("usage: load_gen [--host 127.0.0.1] [--port 24224] [--tag bench.app] [--connections 2] [--records "
	      "1000000]\n"
	      "                [--chunk 1000] [--window 8] [--rate 0] [--kind small|kube] [--mode "
	      "packed|forward|message]\n"
	      "                [--first 0] [--no-ack] [--keep-time]\n",
		status ? stderr : stdout);
	exit(status);
}

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 10);

	if (*end || end == text || v < min || v > max) {
		fprintf(stderr, "load_gen: '%s' is not a number from %" PRIu64 " to %" PRIu64 "\n", text, min, max);
		exit(2);
	}
	return v;
}

static int word(const char *text, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	usage(2);
	return -1;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {{"host", 1, NULL, 'H'}, {"port", 1, NULL, 'p'}, {"tag", 1, NULL, 't'},
		{"connections", 1, NULL, 'c'}, {"records", 1, NULL, 'n'}, {"chunk", 1, NULL, 'r'},
		{"window", 1, NULL, 'w'}, {"rate", 1, NULL, 'R'}, {"kind", 1, NULL, 'k'}, {"mode", 1, NULL, 'm'},
		{"first", 1, NULL, 'f'}, {"no-ack", 0, NULL, 'a'}, {"keep-time", 0, NULL, 'T'}, {"help", 0, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	static const char *const kinds[] = {"small", "kube", NULL};
	static const char *const modes[] = {"packed", "forward", "message", NULL};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'H':
			opt.host = optarg;
			break;
		case 't':
			opt.tag = optarg;
			break;
		case 'p':
			opt.port = (unsigned)number(optarg, 1, 65535);
			break;
		case 'c':
			opt.connections = (unsigned)number(optarg, 1, 10000);
			break;
		case 'n':
			opt.records = number(optarg, 1, UINT64_MAX / 2);
			break;
		case 'r':
			opt.per_chunk = (unsigned)number(optarg, 1, 100000);
			break;
		case 'w':
			opt.window = (unsigned)number(optarg, 1, 100000);
			break;
		case 'f':
			opt.first = number(optarg, 0, UINT64_MAX / 4);
			break;
		case 'R':
			opt.rate = number(optarg, 0, UINT32_MAX);
			break;
		case 'k':
			opt.kind = (enum kind)word(optarg, kinds);
			break;
		case 'm':
			opt.mode = (enum mode)word(optarg, modes);
			break;
		case 'a':
			opt.ack = false;
			break;
		case 'T':
			opt.keep_time = true;
			break;
		case 'h':
			usage(0);
			break;
		default:
			usage(2);
		}
	}
	if (optind != argc)
		usage(2);
}

int main(int argc, char **argv)
{
	struct connection *all;
	uint64_t chunks, first;
	int64_t began;
	bool good;

	parse(argc, argv);
	if (getrandom(&run_id, sizeof run_id, 0) != sizeof run_id)
		fail("getrandom");
	chunks = (opt.records + opt.per_chunk - 1) / opt.per_chunk;
	all = mem_array(opt.connections, sizeof *all);
	first = opt.first;
	for (unsigned i = 0; i < opt.connections; i++) {
		uint64_t some = chunks / opt.connections + (i < chunks % opt.connections);
		connection_open(&all[i], i, first, some);
		first += some * opt.per_chunk;
	}
	began = clock_mono_ns();
	good = run(all);
	report(all, (double)(clock_mono_ns() - began) / 1e9);
	for (unsigned i = 0; i < opt.connections; i++) {
		close(all[i].fd);
		template_free(&all[i].t);
		mem_free(all[i].sent_at);
	}
	mem_free(all);
	return good ? 0 : 1;
}
