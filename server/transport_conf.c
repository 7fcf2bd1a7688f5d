#include "transport_conf.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AT(field) offsetof(struct transport_conf, field)

static const struct conf_param params[] = {
	{.name = "version",
		.type = CONF_STRING,
		.offset = AT(version),
		.help = "One TLS version only: TLSv1_2 or TLSv1_3. Default: TLS 1.2 and 1.3 are both spoken. (fluentd "
			"speaks only 1.2 by "
			"default.)"},
	{.name = "min_version",
		.type = CONF_STRING,
		.offset = AT(min_version),
		.help = "The oldest TLS version: TLSv1_1, TLSv1_2, TLSv1_3."},
	{.name = "max_version", .type = CONF_STRING, .offset = AT(max_version), .help = "The newest TLS version."},
	{.name = "ciphers",
		.type = CONF_STRING,
		.offset = AT(ciphers),
		.value = "ALL:!aNULL:!eNULL:!SSLv2",
		.help = "OpenSSL's cipher list for TLS 1.2 and older."},
	{.name = "insecure",
		.type = CONF_BOOL,
		.offset = AT(insecure),
		.value = "false",
		.help = "A certificate of its own making, new at each start. For trials: senders cannot verify it."},
	{.name = "cert_path",
		.type = CONF_STRING,
		.offset = AT(cert_path),
		.help = "The server's certificate chain (PEM), its own first."},
	{.name = "private_key_path",
		.type = CONF_STRING,
		.offset = AT(private_key_path),
		.help = "The certificate's private key (PEM)."},
	{.name = "private_key_passphrase",
		.type = CONF_STRING,
		.offset = AT(private_key_passphrase),
		.secret = true,
		.help = "The key's passphrase."},
	{.name = "ca_path",
		.type = CONF_STRING,
		.offset = AT(ca_path),
		.help = "The authorities (PEM) that clients' certificates must come from."},
	{.name = "client_cert_auth",
		.type = CONF_BOOL,
		.offset = AT(client_cert_auth),
		.value = "false",
		.help = "Only clients with a certificate from ca_path are served (mutual TLS)."},
	{.name = "ca_cert_path",
		.type = CONF_STRING,
		.offset = AT(ca_cert_path),
		.help = "A private authority's certificate: the server's certificate is made at each start and signed "
			"with it."},
	{.name = "ca_private_key_path",
		.type = CONF_STRING,
		.offset = AT(ca_private_key_path),
		.help = "The private authority's key."},
	{.name = "ca_private_key_passphrase",
		.type = CONF_STRING,
		.offset = AT(ca_private_key_passphrase),
		.secret = true,
		.help = "The passphrase of the private authority's key."},
	{.name = "generate_private_key_length",
		.type = CONF_INT,
		.offset = AT(generate_private_key_length),
		.value = "2048",
		.min = 2048,
		.max = 8192,
		.help = "Bits of a generated RSA key."},
	{.name = "generate_cert_country",
		.type = CONF_STRING,
		.offset = AT(generate_cert_country),
		.value = "US",
		.help = "C of a generated certificate."},
	{.name = "generate_cert_state",
		.type = CONF_STRING,
		.offset = AT(generate_cert_state),
		.value = "CA",
		.help = "ST of a generated certificate."},
	{.name = "generate_cert_locality",
		.type = CONF_STRING,
		.offset = AT(generate_cert_locality),
		.value = "Mountain View",
		.help = "L of a generated certificate."},
	{.name = "generate_cert_common_name",
		.type = CONF_STRING,
		.offset = AT(generate_cert_common_name),
		.help = "CN and DNS name of a generated certificate. Default: the host's name."},
	{.name = "generate_cert_expiration",
		.type = CONF_TIME,
		.offset = AT(generate_cert_expiration_ns),
		.value = "3650d",
		.positive = true,
		.help = "How long a generated certificate is good."},
	{.name = "generate_cert_digest",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "generated certificates are signed with SHA-256"},
	{.name = "ensure_fips",
		.type = CONF_BOOL,
		.offset = AT(ensure_fips),
		.value = "false",
		.help = "Do not start unless OpenSSL runs in FIPS mode."},
	{.name = "cert_verifier",
		.type = CONF_IGNORED,
		.support = CONF_NOT_POSSIBLE,
		.instead = "it names Ruby code; use client_cert_auth with ca_path, and <security> for names"},
	{.name = "linger_timeout",
		.type = CONF_INT,
		.offset = AT(linger_timeout),
		.value = "0",
		.min = 0,
		.max = 3600,
		.help = "SO_LINGER in seconds. With 0, connections are closed in order (FIN). (fluentd resets them.)"},
	{.name = "receive_buffer_size",
		.type = CONF_SIZE,
		.offset = AT(receive_buffer_size),
		.positive = true,
		.help = "SO_RCVBUF of the sockets. Default: the system's."},
	{.name = NULL},
};

static bool version_number(const char *name, int *version)
{
	static const struct {
		const char *name;
		int version;
	} names[] = {
		{"TLSv1_1", TLS1_1_VERSION},
		{"TLS1_1", TLS1_1_VERSION},
		{"TLSv1_2", TLS1_2_VERSION},
		{"TLS1_2", TLS1_2_VERSION},
		{"TLSv1_3", TLS1_3_VERSION},
		{"TLS1_3", TLS1_3_VERSION},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name[0] == ':' ? name + 1 : name, names[i].name) == 0) {
			*version = names[i].version;
			return true;
		}
	}
	return false;
}

static void check_version(const struct transport_conf *c, const char *param, const char *value, struct conf_report *r)
{
	int version;
	if (value && !version_number(value, &version))
		conf_report_add(r, CONF_ERROR, conf_where(c, param),
			"'%s' is no TLS version for %s: TLSv1_1, TLSv1_2 or TLSv1_3", value, param);
}

static void check_versions(const struct transport_conf *c, struct conf_report *r)
{
	int min, max;
	check_version(c, "version", c->version, r);
	check_version(c, "min_version", c->min_version, r);
	check_version(c, "max_version", c->max_version, r);
	if (c->min_version && c->max_version && version_number(c->min_version, &min) &&
		version_number(c->max_version, &max) && min > max)
		conf_report_add(r, CONF_ERROR, conf_where(c, "min_version"), "min_version is newer than max_version");
}

static void check_tls(const struct transport_conf *c, struct conf_report *r)
{
	check_versions(c, r);
	bool none = !c->cert_path && !c->ca_cert_path && !c->insecure;
	if (none && conf_is_missing(c, "cert_path") && conf_is_missing(c, "ca_cert_path"))
		conf_report_add(r, CONF_ERROR, c->common.pos,
			"no valid cert options configured. specify either 'cert_path', 'ca_cert_path' or 'insecure'");
	if (c->cert_path && !c->private_key_path && conf_is_missing(c, "private_key_path"))
		conf_report_add(r, CONF_ERROR, conf_where(c, "cert_path"), "private_key_path is needed with cert_path");
	if (c->ca_cert_path && !c->ca_private_key_path && conf_is_missing(c, "ca_private_key_path"))
		conf_report_add(r, CONF_ERROR, conf_where(c, "ca_cert_path"),
			"ca_private_key_path is needed with ca_cert_path");
	if (c->client_cert_auth && !c->ca_path && conf_is_missing(c, "ca_path"))
		conf_report_add(r, CONF_ERROR, conf_where(c, "client_cert_auth"),
			"client_cert_auth needs ca_path: the authorities whose clients are let in");
	conf_check_file(c, "cert_path", c->cert_path, CONF_ERROR, r);
	conf_check_file(c, "private_key_path", c->private_key_path, CONF_ERROR, r);
	conf_check_file(c, "ca_path", c->ca_path, CONF_ERROR, r);
	conf_check_file(c, "ca_cert_path", c->ca_cert_path, CONF_ERROR, r);
	conf_check_file(c, "ca_private_key_path", c->ca_private_key_path, CONF_ERROR, r);
}

static void check(void *conf, struct conf_report *r)
{
	struct transport_conf *c = conf;
	const char *protocol = c->common.arg;
	size_t errors = r->errors;
	if (transport_is_tls(c))
		check_tls(c, r);
	else if (*protocol && strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
		conf_report_add(r, CONF_ERROR, c->common.section ? c->common.section->arg_pos : c->common.pos,
			"valid options are tcp,tls but got %s", protocol);
	/* Of values that are none it was told before. */
	bool complete = c->cert_path	  ? c->private_key_path != NULL
			: c->ca_cert_path ? c->ca_private_key_path != NULL
					  : c->insecure;
	c->wrong = r->errors > errors || !complete;
}

const struct conf_schema transport_conf_schema = {
	.name = "transport",
	.title = "transport",
	.size = sizeof(struct transport_conf),
	.params = params,
	.check = check,
	.help = "How senders connect: `<transport tls>` for TLS; without the section, plain TCP.",
};

const struct transport_conf *transport_of(const struct conf_list *transport)
{
	return transport->n ? transport->v[0] : NULL;
}

void transport_check_stream(const struct conf_list *transport, struct conf_report *r)
{
	const struct transport_conf *c = transport_of(transport);
	if (transport_is_udp(c))
		conf_report_add(r, CONF_ERROR, c->common.pos, "valid options are tcp,tls but got udp");
}

bool transport_is_tls(const struct transport_conf *c)
{
	return c && strcmp(c->common.arg, "tls") == 0;
}

bool transport_is_udp(const struct transport_conf *c)
{
	return c && strcmp(c->common.arg, "udp") == 0;
}

bool transport_wants_certificate(const struct conf_list *transport)
{
	const struct transport_conf *c = transport_of(transport);
	return transport_is_tls(c) && c->client_cert_auth;
}

/* ---- OpenSSL -------------------------------------------------------------------------------------------------------- */

const char *tls_error_text(char *out, size_t size)
{
	unsigned long e = ERR_get_error();
	const char *reason = ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : e ? ERR_reason_error_string(e) : NULL;
	snprintf(out, size, "%s", reason ? reason : "unknown TLS error");
	ERR_clear_error();
	return out;
}

static bool fail(struct err *err, const char *what, const char *file)
{
	char reason[160];
	return err_set(err, "%s %s cannot be used: %s", what, file, tls_error_text(reason, sizeof reason));
}

static int give_passphrase(char *out, int size, int writing, void *passphrase)
{
	(void)writing;
	int n = passphrase ? (int)strlen(passphrase) : 0;
	if (n > size)
		return -1;
	if (n)
		memcpy(out, passphrase, (size_t)n);
	return n;
}

static EVP_PKEY *read_key(const char *path, char *passphrase)
{
	FILE *f = fopen(path, "re");
	if (!f) {
		ERR_raise(ERR_LIB_SYS, ERR_R_SYS_LIB);
		return NULL;
	}
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, give_passphrase, passphrase);
	fclose(f);
	return key;
}

static X509 *read_cert(const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f) {
		ERR_raise(ERR_LIB_SYS, ERR_R_SYS_LIB);
		return NULL;
	}
	X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	return cert;
}

static bool add_name(X509_NAME *name, const char *field, const char *text)
{
	return !text || !*text ||
	       X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0) == 1;
}

static bool add_extension(X509 *cert, int nid, const char *text)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, text);
	bool ok = e && X509_add_ext(cert, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

/* Fills and signs a server certificate for `key` (RFC 5280), by the authority or by itself. */
static bool make_cert(const struct transport_conf *c, X509 *cert, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
	char host[256], san[300];
	unsigned char serial[16];
	gethostname(host, sizeof host);
	host[sizeof host - 1] = 0;
	const char *cn = c->generate_cert_common_name ? c->generate_cert_common_name : host;
	snprintf(san, sizeof san, "DNS:%s", cn);
	X509_NAME *name = X509_get_subject_name(cert);
	BIGNUM *bn = RAND_bytes(serial, sizeof serial) == 1 ? BN_bin2bn(serial, sizeof serial, NULL) : NULL;
	bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) && X509_set_version(cert, X509_VERSION_3) &&
		  X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
		  X509_gmtime_adj(X509_getm_notAfter(cert), (long)(c->generate_cert_expiration_ns / 1000000000)) &&
		  add_name(name, "C", c->generate_cert_country) && add_name(name, "ST", c->generate_cert_state) &&
		  add_name(name, "L", c->generate_cert_locality) && add_name(name, "CN", cn) &&
		  X509_set_issuer_name(cert, ca ? X509_get_subject_name(ca) : name) && X509_set_pubkey(cert, key) &&
		  add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
		  add_extension(cert, NID_subject_alt_name, san) &&
		  add_extension(cert, NID_ext_key_usage, "serverAuth") &&
		  X509_sign(cert, ca_key ? ca_key : key, EVP_sha256()) > 0;
	BN_free(bn);
	return ok;
}

static bool use_generated(SSL_CTX *ctx, const struct transport_conf *c, struct err *err)
{
	X509 *ca = NULL;
	EVP_PKEY *ca_key = NULL;
	bool ok = true;
	if (c->ca_cert_path) {
		ca = read_cert(c->ca_cert_path);
		ca_key = ca ? read_key(c->ca_private_key_path, c->ca_private_key_passphrase) : NULL;
		if (!ca_key)
			ok = fail(err, "the authority", ca ? c->ca_private_key_path : c->ca_cert_path);
	}
	EVP_PKEY *key = ok ? EVP_RSA_gen((unsigned)c->generate_private_key_length) : NULL;
	X509 *cert = ok ? X509_new() : NULL;
	if (ok && !(key && cert && make_cert(c, cert, key, ca, ca_key) && SSL_CTX_use_certificate(ctx, cert) == 1 &&
			  SSL_CTX_use_PrivateKey(ctx, key) == 1))
		ok = fail(err, "a generated certificate", "");
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return ok;
}

static bool use_files(SSL_CTX *ctx, const struct transport_conf *c, struct err *err)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, c->cert_path) != 1)
		return fail(err, "the certificate", c->cert_path);
	EVP_PKEY *key = read_key(c->private_key_path, c->private_key_passphrase);
	if (!key)
		return fail(err, "the private key", c->private_key_path);
	bool ok = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(key);
	return ok ? true : fail(err, "the private key", c->private_key_path);
}

static bool set_versions(SSL_CTX *ctx, const struct transport_conf *c)
{
	int min = TLS1_2_VERSION, max = 0;
	if (c->version)
		version_number(c->version, &min), max = min;
	if (c->min_version) {
		version_number(c->min_version, &min);
		max = 0;
	}
	if (c->max_version)
		version_number(c->max_version, &max);
	return SSL_CTX_set_min_proto_version(ctx, min) == 1 && SSL_CTX_set_max_proto_version(ctx, max) == 1;
}

/* False: `param` is the parameter that is to blame. */
static bool set_up(SSL_CTX *ctx, const struct transport_conf *c, const char **param, struct err *err)
{
	*param = "ensure_fips";
	if (c->ensure_fips && !EVP_default_properties_is_fips_enabled(NULL))
		return err_set(err, "ensure_fips is set, and OpenSSL does not run in FIPS mode");
	*param = "version";
	if (!set_versions(ctx, c))
		return fail(err, "the TLS versions", "");
	*param = "ciphers";
	if (c->ciphers && SSL_CTX_set_cipher_list(ctx, c->ciphers) != 1)
		return fail(err, "the cipher list", c->ciphers);
	*param = c->cert_path ? "cert_path" : c->ca_cert_path ? "ca_cert_path" : "insecure";
	if (!(c->cert_path ? use_files(ctx, c, err) : use_generated(ctx, c, err)))
		return false;
	*param = "ca_path";
	if (c->ca_path) {
		if (SSL_CTX_load_verify_file(ctx, c->ca_path) != 1)
			return fail(err, "the authorities in", c->ca_path);
		SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(c->ca_path));
	}
	if (c->client_cert_auth)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* A worker writes what fits and comes back with the rest, from wherever its buffer is then. An idle connection keeps no record buffers. */
	SSL_CTX_set_mode(
		ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"weir", 4);
	return true;
}

static SSL_CTX *make_context(const struct transport_conf *c, const char **param, struct err *err)
{
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx) {
		fail(err, "OpenSSL", "");
		return NULL;
	}
	if (!set_up(ctx, c, param, err)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

SSL_CTX *transport_tls_context(const struct transport_conf *c, struct err *err)
{
	const char *param;
	return make_context(c, &param, err);
}

SSL_CTX *transport_tls_make(const struct transport_conf *c, struct conf_report *report)
{
	const char *param = "";
	struct err err;
	if (!transport_is_tls(c) || c->wrong)
		return NULL;
	SSL_CTX *ctx = make_context(c, &param, &err);
	if (!ctx)
		conf_report_add(report, CONF_ERROR, conf_where(c, param), "%s", err.text);
	return ctx;
}
