/* conn_io.c: a connection's socket, through TLS or not. */
#include "base/clock.h"
#include "base/log.h"
#include "conn_impl.h"
#include "transport_conf.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>

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

enum io conn_io_read(struct conn *c, uint8_t *p, size_t n, size_t *got)
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

enum io conn_io_write(struct conn *c, const uint8_t *p, size_t n, size_t *put)
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

void conn_io_end(struct conn *c)
{
	if (c->ssl && SSL_is_init_finished(c->ssl)) {
		ERR_clear_error();
		SSL_shutdown(c->ssl); /* close_notify (RFC 8446, 6.1); whether it arrives is not waited for */
	}
	shutdown(c->fd, SHUT_WR);
}

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

enum io conn_io_handshake(struct conn *c)
{
	static struct log_limit limit;
	uint64_t held;
	ERR_clear_error();
	int rc = SSL_accept(c->ssl);
	if (rc == 1) {
		read_cert_name(c);
		return IO_OK;
	}
	enum io io = tls_result(c, rc, true);
	char reason[160];
	if (io != IO_BLOCKED && ERR_peek_error() && log_allowed(&limit, 10 * NS_PER_S, &held))
		log_warn(c->group->id, "a TLS handshake failed: the connection is closed; others go on",
			LOG_S("peer", c->peer.text), LOG_S("reason", tls_error_text(reason, sizeof reason)),
			LOG_U("held_back", held));
	return io;
}
