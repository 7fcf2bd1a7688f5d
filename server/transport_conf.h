/* transport_conf.h: the <transport tcp|tls|udp> section of an input, and the TLS context made from it. */
#ifndef WEIR_TRANSPORT_CONF_H
#define WEIR_TRANSPORT_CONF_H

#include "base/err.h"
#include "conf/conf_schema.h"

#include <openssl/ssl.h>

struct transport_conf {
	struct conf_common common; /* arg: the protocol */
	char *version, *min_version, *max_version, *ciphers;
	bool insecure, client_cert_auth, ensure_fips;
	char *cert_path, *private_key_path, *private_key_passphrase, *ca_path;
	char *ca_cert_path, *ca_private_key_path, *ca_private_key_passphrase;
	int64_t generate_private_key_length, generate_cert_expiration_ns;
	char *generate_cert_country, *generate_cert_state, *generate_cert_locality, *generate_cert_common_name;
	int64_t linger_timeout, receive_buffer_size;
	bool wrong; /* its check has said why it cannot be used */
};

extern const struct conf_schema transport_conf_schema;

/* The section in a source's list of at most one; NULL = none. */
const struct transport_conf *transport_of(const struct conf_list *transport);
/* An error if the section says udp: for a source of connections. */
void transport_check_stream(const struct conf_list *transport, struct conf_report *r);

/* c NULL (no section) means plain TCP. */
bool transport_is_tls(const struct transport_conf *c);
bool transport_is_udp(const struct transport_conf *c);
/* Whether only clients with a certificate are served. `transport`: the sections, at most one. */
bool transport_wants_certificate(const struct conf_list *transport);

/*
 * Reads certificate, key and CA files. NULL and err, which names the file and what is wrong with it. A shared library context is reference-counted by OpenSSL:
 * SSL_CTX_free.
 */
SSL_CTX *transport_tls_context(const struct transport_conf *c, struct err *err);
/* The same while a configuration is read: NULL if it is not TLS, or if findings say why it cannot be. */
SSL_CTX *transport_tls_make(const struct transport_conf *c, struct conf_report *report);

/* The oldest error of OpenSSL's queue as text, the queue is emptied. */
const char *tls_error_text(char *out, size_t size);

#endif
