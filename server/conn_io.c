/* conn_io.c: a connection's socket, through TLS or not. */
#include "base/clock.h"
#include "base/log.h"
#include "conn_impl.h"
#include "transport_conf.h"

#include <errno.h>
#include <fnmatch.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/ioctl.h>

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

bool conn_has_input(const struct conn *c)
{
	int n = 0;
	return c->in_n || (c->ssl && SSL_has_pending(c->ssl)) || (ioctl(c->fd, FIONREAD, &n) == 0 && n > 0);
}

void conn_io_end(struct conn *c)
{
	if (c->ssl && SSL_is_init_finished(c->ssl)) {
		ERR_clear_error();
		SSL_shutdown(c->ssl); /* close_notify (RFC 8446, 6.1); whether it arrives is not waited for */
	}
	shutdown(c->fd, SHUT_WR);
}

static bool is_such_a_name(const ASN1_STRING *name, const char *pattern)
{
	char text[256];
	int n = name ? ASN1_STRING_length(name) : 0;
	if (n <= 0 || n >= (int)sizeof text || memchr(ASN1_STRING_get0_data(name), 0, (size_t)n))
		return false;
	memcpy(text, ASN1_STRING_get0_data(name), (size_t)n);
	text[n] = 0;
	return fnmatch(pattern, text, FNM_CASEFOLD | FNM_NOESCAPE) == 0;
}

static bool has_alternative_name(const X509 *cert, const char *pattern)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		if (g->type == GEN_DNS || g->type == GEN_URI || g->type == GEN_EMAIL)
			found = is_such_a_name(g->d.ia5, pattern);
	}
	GENERAL_NAMES_free(names);
	return found;
}

static bool has_common_name(const X509 *cert, const char *pattern)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	return at >= 0 && is_such_a_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), pattern);
}

bool conn_has_cert_name(const struct conn *c, const char *pattern)
{
	const X509 *cert = c->ssl ? SSL_get0_peer_certificate(c->ssl) : NULL;
	return cert && SSL_get_verify_result(c->ssl) == X509_V_OK &&
	       (has_alternative_name(cert, pattern) || has_common_name(cert, pattern));
}

enum io conn_io_handshake(struct conn *c)
{
	static struct log_limit limit;
	uint64_t held;
	ERR_clear_error();
	int rc = SSL_accept(c->ssl);
	if (rc == 1)
		return IO_OK;
	enum io io = tls_result(c, rc, true);
	char reason[160];
	if (io != IO_BLOCKED && ERR_peek_error() && log_allowed(&limit, 10 * NS_PER_S, &held))
		log_warn(c->group->id, "a TLS handshake failed: the connection is closed; others go on",
			LOG_S("peer", c->peer.text), LOG_S("reason", tls_error_text(reason, sizeof reason)),
			LOG_U("held_back", held));
	return io;
}
