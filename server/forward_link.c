#include "forward_link.h"

#include "base/clock.h"
#include "base/mem.h"
#include "record/msgpack_scan.h"
#include "transport_conf.h"

#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_MAX (64u << 10) /* of one object: HELO, PONG, an ack */

struct forward_link {
	int fd, stop_fd;
	SSL *ssl; /* NULL = plain */
	bool keepalive;
	struct buf in;
	size_t used; /* bytes at the beginning of `in` that were given out */
	char name[300];
};

/* ---- waiting -------------------------------------------------------------------------------------------------------- */

static enum link_result wait_for(
	struct forward_link *l, short events, int64_t deadline_ns, const char *what, struct err *err)
{
	for (;;) {
		int64_t left = deadline_ns - clock_mono_ns();
		struct pollfd fds[] = {{.fd = l->fd, .events = events}, {.fd = l->stop_fd, .events = POLLIN}};
		if (left <= 0) {
			err_set(err, "%s: time out while %s", l->name, what);
			return LINK_FAILED;
		}
		int64_t ms = (left + NS_PER_MS - 1) / NS_PER_MS;
		int n = poll(fds, l->stop_fd >= 0 ? 2 : 1, ms > 60000 ? 60000 : (int)ms);
		if (n < 0 && errno != EINTR) {
			err_sys(err, errno, "%s: poll", l->name);
			return LINK_FAILED;
		}
		if (n > 0 && fds[1].revents && l->stop_fd >= 0) {
			err_set(err, "%s: ended because weir stops", l->name);
			return LINK_STOPPED;
		}
		if (n > 0 && fds[0].revents)
			return LINK_OK;
	}
}

static int64_t deadline_of(int64_t timeout_ns)
{
	int64_t now = clock_mono_ns();
	return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

/* After an SSL function: waits for what it wants. */
static enum link_result ssl_wait(struct forward_link *l, int rc, int64_t deadline, const char *what, struct err *err)
{
	char text[256];
	int why = SSL_get_error(l->ssl, rc);
	if (why == SSL_ERROR_WANT_READ)
		return wait_for(l, POLLIN, deadline, what, err);
	if (why == SSL_ERROR_WANT_WRITE)
		return wait_for(l, POLLOUT, deadline, what, err);
	long verify = SSL_get_verify_result(l->ssl);
	if (verify != X509_V_OK)
		err_set(err, "%s: the server's certificate is refused: %s", l->name,
			X509_verify_cert_error_string(verify));
	else if (why == SSL_ERROR_ZERO_RETURN || (why == SSL_ERROR_SYSCALL && ERR_peek_error() == 0))
		err_set(err, "%s: the server closed the connection while %s", l->name, what);
	else
		err_set(err, "%s: TLS: %s while %s", l->name, tls_error_text(text, sizeof text), what);
	ERR_clear_error();
	return LINK_FAILED;
}

/* ---- bytes ---------------------------------------------------------------------------------------------------------- */

enum link_result forward_link_write(struct forward_link *l, struct span bytes, int64_t timeout_ns, struct err *err)
{
	static const char what[] = "sending";
	int64_t deadline = deadline_of(timeout_ns);
	const uint8_t *p = bytes.p, *end = p + bytes.n;
	while (p < end) {
		enum link_result r;
		size_t want = (size_t)(end - p) > 1u << 20 ? 1u << 20 : (size_t)(end - p);
		if (l->ssl) {
			int n = SSL_write(l->ssl, p, (int)want);
			if (n > 0) {
				p += n;
				continue;
			}
			r = ssl_wait(l, n, deadline, what, err);
		} else {
			ssize_t n = send(l->fd, p, want, MSG_NOSIGNAL);
			if (n >= 0) {
				p += n;
				continue;
			}
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN) {
				err_sys(err, errno, "%s: sending", l->name);
				return LINK_FAILED;
			}
			r = wait_for(l, POLLOUT, deadline, what, err);
		}
		if (r != LINK_OK)
			return r;
	}
	return LINK_OK;
}

/* Some bytes more at the end of l->in. */
static enum link_result read_more(struct forward_link *l, int64_t deadline, struct err *err)
{
	static const char what[] = "waiting for its answer";
	if (!buf_reserve(&l->in, 4096)) {
		err_set(err, "%s: the server's answer is too long", l->name);
		return LINK_FAILED;
	}
	for (;;) {
		enum link_result r;
		if (l->ssl) {
			int n = SSL_read(l->ssl, l->in.p + l->in.n, (int)(l->in.cap - l->in.n));
			if (n > 0) {
				l->in.n += (size_t)n;
				return LINK_OK;
			}
			r = ssl_wait(l, n, deadline, what, err);
		} else {
			ssize_t n = recv(l->fd, l->in.p + l->in.n, l->in.cap - l->in.n, 0);
			if (n > 0) {
				l->in.n += (size_t)n;
				return LINK_OK;
			}
			if (n == 0) {
				err_set(err, "%s: the server closed the connection while %s", l->name, what);
				return LINK_FAILED;
			}
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN) {
				err_sys(err, errno, "%s: receiving", l->name);
				return LINK_FAILED;
			}
			r = wait_for(l, POLLIN, deadline, what, err);
		}
		if (r != LINK_OK)
			return r;
	}
}

enum link_result forward_link_read(struct forward_link *l, struct span *object, int64_t timeout_ns, struct err *err)
{
	int64_t deadline = deadline_of(timeout_ns);
	if (l->used) {
		memmove(l->in.p, l->in.p + l->used, l->in.n - l->used);
		l->in.n -= l->used;
		l->used = 0;
	}
	for (;;) {
		size_t n = l->in.n ? mp_length(l->in.p, l->in.p + l->in.n) : 0;
		if (n) {
			*object = span_of(l->in.p, n);
			l->used = n;
			return LINK_OK;
		}
		enum link_result r = read_more(l, deadline, err);
		if (r != LINK_OK)
			return r;
	}
}

bool forward_link_keepalive(const struct forward_link *l)
{
	return l->keepalive;
}

bool forward_link_is_good(struct forward_link *l)
{
	struct pollfd fd = {.fd = l->fd, .events = POLLIN};
	uint8_t byte;
	if (poll(&fd, 1, 0) <= 0)
		return true;
	/* An end, or something that nobody asked for; a session ticket of TLS 1.3 is neither. */
	if (!l->ssl)
		return recv(l->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
	int n = SSL_peek(l->ssl, &byte, 1);
	bool good = n <= 0 && SSL_get_error(l->ssl, n) == SSL_ERROR_WANT_READ;
	ERR_clear_error();
	return good;
}

/* ---- opening -------------------------------------------------------------------------------------------------------- */

static enum link_result connect_to(struct forward_link *l, const struct addrinfo *a, int64_t deadline, struct err *err)
{
	int one = 1, code = 0;
	socklen_t len = sizeof code;
	l->fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	if (l->fd < 0) {
		err_sys(err, errno, "%s: socket", l->name);
		return LINK_FAILED;
	}
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	if (connect(l->fd, a->ai_addr, a->ai_addrlen) == 0)
		return LINK_OK;
	if (errno != EINPROGRESS) {
		err_sys(err, errno, "%s: connecting", l->name);
		return LINK_FAILED;
	}
	enum link_result r = wait_for(l, POLLOUT, deadline, "connecting", err);
	if (r != LINK_OK)
		return r;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0 || code) {
		err_sys(err, code ? code : errno, "%s: connecting", l->name);
		return LINK_FAILED;
	}
	return LINK_OK;
}

static enum link_result connect_unix(struct forward_link *l, const char *path, struct err *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof un.sun_path) {
		err_set(err, "%s: the socket's path is too long", l->name);
		return LINK_FAILED;
	}
	memcpy(un.sun_path, path, strlen(path));
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&un, sizeof un) < 0 ||
		fcntl(l->fd, F_SETFL, O_NONBLOCK) < 0) {
		err_sys(err, errno, "%s: connecting", l->name);
		return LINK_FAILED;
	}
	return LINK_OK;
}

/* One address after the other. */
static enum link_result connect_any(struct forward_link *l, const struct forward_link_options *o, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV}, *list = NULL;
	char port[12];
	uint32_t random = 0;
	size_t n = 0, first = 0;
	snprintf(port, sizeof port, "%u", o->port);
	int rc = getaddrinfo(o->host, port, &hints, &list);
	if (rc) {
		err_set(err, "%s: the name cannot be resolved: %s", l->name, gai_strerror(rc));
		return LINK_FAILED;
	}
	for (const struct addrinfo *a = list; a; a = a->ai_next)
		n++;
	if (o->any_address && n && getrandom(&random, sizeof random, GRND_NONBLOCK) == sizeof random)
		first = random % n;
	enum link_result r = LINK_FAILED;
	for (size_t i = 0; i < n && r == LINK_FAILED; i++) {
		const struct addrinfo *a = list;
		for (size_t k = (first + i) % n; k; k--)
			a = a->ai_next;
		if (l->fd >= 0)
			close(l->fd);
		r = connect_to(l, a, deadline_of(o->connect_timeout_ns), err);
	}
	freeaddrinfo(list);
	return r;
}

static enum link_result start_tls(
	struct forward_link *l, const struct forward_link_options *o, int64_t deadline, struct err *err)
{
	unsigned char address[16];
	bool is_address = inet_pton(AF_INET, o->host, address) == 1 || inet_pton(AF_INET6, o->host, address) == 1;
	l->ssl = SSL_new(o->tls);
	if (!l->ssl || SSL_set_fd(l->ssl, l->fd) != 1) {
		err_set(err, "%s: no memory for TLS", l->name);
		return LINK_FAILED;
	}
	SSL_set_mode(l->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	bool ok = is_address || SSL_set_tlsext_host_name(l->ssl, o->host) == 1;
	if (o->verify_hostname && ok)
		ok = is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(l->ssl), o->host) == 1
				: SSL_set1_host(l->ssl, o->host) == 1;
	if (!ok) {
		err_set(err, "%s: the name cannot be used for TLS", l->name);
		return LINK_FAILED;
	}
	for (;;) {
		int rc = SSL_connect(l->ssl);
		if (rc == 1)
			return LINK_OK;
		enum link_result r = ssl_wait(l, rc, deadline, "agreeing on TLS", err);
		if (r != LINK_OK)
			return r;
	}
}

static bool make_salt(char salt[FORWARD_SALT_LEN + 1])
{
	uint8_t random[FORWARD_SALT_LEN / 2];
	if (getrandom(random, sizeof random, 0) != sizeof random)
		return false;
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(salt + 2 * i, 3, "%02x", random[i]);
	return true;
}

static enum link_result handshake(
	struct forward_link *l, const struct forward_link_options *o, int64_t deadline, struct err *err)
{
	char salt[FORWARD_SALT_LEN + 1];
	struct forward_helo helo;
	struct span message;
	struct buf ping;
	struct buf nonce;
	enum link_result r = forward_link_read(l, &message, deadline - clock_mono_ns(), err);
	if (r != LINK_OK) {
		if (r == LINK_FAILED)
			err_wrap(err, "no HELO (a server without <security> never sends one)");
		return r;
	}
	buf_init(&ping, READ_MAX);
	buf_init(&nonce, READ_MAX);
	bool ok = forward_read_helo(message, &helo, err);
	if (ok && !(make_salt(salt) && forward_put_ping(&ping, o->credentials, &helo, salt)))
		ok = err_set(err, "no PING can be made");
	if (ok) {
		l->keepalive = helo.keepalive;
		buf_put_span(&nonce, helo.nonce);
		r = forward_link_write(l, buf_span(&ping), deadline - clock_mono_ns(), err);
		if (r == LINK_OK)
			r = forward_link_read(l, &message, deadline - clock_mono_ns(), err);
		if (r == LINK_OK)
			ok = forward_check_pong(message, o->credentials, buf_span(&nonce), salt, err);
	}
	if (!ok)
		err_wrap(err, "%s", l->name);
	buf_free(&ping);
	buf_free(&nonce);
	return ok ? r : LINK_FAILED;
}

struct forward_link *forward_link_open(const struct forward_link_options *o, bool *stopped, struct err *err)
{
	struct forward_link *l = mem_zalloc(sizeof *l);
	l->fd = -1;
	l->stop_fd = o->stop_fd;
	l->keepalive = true;
	buf_init(&l->in, READ_MAX);
	if (o->path)
		snprintf(l->name, sizeof l->name, "%s", o->path);
	else
		snprintf(l->name, sizeof l->name, strchr(o->host, ':') ? "[%s]:%u" : "%s:%u", o->host, o->port);
	enum link_result r = o->path ? connect_unix(l, o->path, err) : connect_any(l, o, err);
	int64_t deadline = deadline_of(o->hard_timeout_ns);
	if (r == LINK_OK && o->tls)
		r = start_tls(l, o, deadline, err);
	if (r == LINK_OK && o->credentials)
		r = handshake(l, o, deadline, err);
	*stopped = r == LINK_STOPPED;
	if (r == LINK_OK)
		return l;
	forward_link_close(l);
	return NULL;
}

void forward_link_close(struct forward_link *l)
{
	if (!l)
		return;
	if (l->ssl) {
		SSL_shutdown(l->ssl);
		SSL_free(l->ssl);
		ERR_clear_error();
	}
	if (l->fd >= 0)
		close(l->fd);
	buf_free(&l->in);
	mem_free(l);
}
