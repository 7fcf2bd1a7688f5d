/* out_forward_conf.c: the table of the forward output, and what is checked and made from it at start. */
#include "out_forward.h"

#include "base/mem.h"
#include "buffer_conf.h"
#include "pipeline.h"
#include "transport_conf.h"

#include <openssl/err.h>
#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(struct forward_out_conf, field)
#define NOTE(n, why)                                                                      \
	{                                                                                 \
		.name = n, .type = CONF_IGNORED, .support = CONF_NOT_USED, .instead = why \
	}
#define FLAG(n, f, v, h)                                                             \
	{                                                                            \
		.name = n, .type = CONF_BOOL, .offset = AT(f), .value = v, .help = h \
	}
#define TEXT(n, f, h)                                                      \
	{                                                                  \
		.name = n, .type = CONF_STRING, .offset = AT(f), .help = h \
	}
#define SECRET(n, S, f, h)                                                                                 \
	{                                                                                                  \
		.name = n, .type = CONF_STRING, .offset = offsetof(struct S, f), .secret = true, .help = h \
	}
#define TIME(n, f, v, h)                                                                               \
	{                                                                                              \
		.name = n, .type = CONF_TIME, .offset = AT(f), .value = v, .positive = true, .help = h \
	}

/* ---- tables ----------------------------------------------------------------------------------------------------------- */

#define SERVER_AT(field) offsetof(struct forward_server_conf, field)

static const struct conf_param server_params[] = {
	{.name = "host", .type = CONF_STRING, .offset = SERVER_AT(host), .required = true, .help = "Name or address."},
	{.name = "name", .type = CONF_STRING, .offset = SERVER_AT(name), .help = "What logs call it."},
	{.name = "port",
		.type = CONF_INT,
		.offset = SERVER_AT(port),
		.value = "24224",
		.min = 1,
		.max = 65535,
		.help = "Its port."},
	SECRET("shared_key", forward_server_conf, shared_key, "Its own key, instead of <security>'s."),
	{.name = "username",
		.type = CONF_STRING,
		.offset = SERVER_AT(username),
		.value = "",
		.help = "For servers with users."},
	SECRET("password", forward_server_conf, password, "The user's password."),
	{.name = "standby",
		.type = CONF_BOOL,
		.offset = SERVER_AT(standby),
		.value = "false",
		.help = "Used only while another one is not there."},
	{.name = "weight",
		.type = CONF_INT,
		.offset = SERVER_AT(weight),
		.value = "60",
		.min = 0,
		.max = 1000000,
		.help = "How much it gets, in relation to the others; 0 = only if all others fail."},
	{.name = NULL},
};

static const struct conf_schema server_schema = {
	.name = "server",
	.title = "server of the forward output",
	.size = sizeof(struct forward_server_conf),
	.params = server_params,
	.help = "A server that events are sent to.",
};

static const struct conf_schema service_schema = {
	.name = "service",
	.title = "service of the forward output's <service_discovery>",
	.size = sizeof(struct forward_server_conf),
	.params = server_params,
	.help = "The same as a <server>.",
};

#define DISCOVERY_AT(field) offsetof(struct forward_discovery_conf, field)

static const struct conf_param discovery_params[] = {
	{.name = "path",
		.type = CONF_STRING,
		.offset = DISCOVERY_AT(path),
		.value = "/etc/fluent/sd.yaml",
		.help = "Of file: where the servers stand, as JSON (`.json`) or YAML: a list of {host, port, name, "
			"weight, standby, username, password, shared_key}, of which host and port must be there. It is "
			"read again when it has changed."},
	{.name = "conf_encoding",
		.type = CONF_STRING,
		.offset = DISCOVERY_AT(encoding),
		.value = "utf-8",
		.help = "Of file: its encoding."},
	{.name = "service",
		.type = CONF_STRING,
		.offset = DISCOVERY_AT(service),
		.help = "Of srv: the servers are those of the SRV records _SERVICE._PROTO.HOSTNAME."},
	{.name = "proto",
		.type = CONF_STRING,
		.offset = DISCOVERY_AT(proto),
		.value = "tcp",
		.help = "Of srv, without its underscore."},
	{.name = "hostname", .type = CONF_STRING, .offset = DISCOVERY_AT(hostname), .help = "Of srv."},
	{.name = "dns_server_host",
		.type = CONF_STRING,
		.offset = DISCOVERY_AT(dns_server),
		.help = "Of srv: the name server that is asked, with `:port` if that is not 53. Default: the "
			"system's."},
	{.name = "interval",
		.type = CONF_INT,
		.offset = DISCOVERY_AT(interval),
		.value = "60",
		.min = 1,
		.max = 86400,
		.help = "Of srv: how many seconds an answer counts. While no server works, it is asked again after 5."},
	{.name = "dns_lookup",
		.type = CONF_BOOL,
		.offset = DISCOVERY_AT(dns_lookup),
		.value = "true",
		.help = "Of srv: the same name server is asked for the servers' addresses; with false, their names are "
			"looked up like any other's."},
	SECRET("shared_key", forward_discovery_conf, shared_key, "Of srv: the servers' key, instead of <security>'s."),
	{.name = "username",
		.type = CONF_STRING,
		.offset = DISCOVERY_AT(username),
		.value = "",
		.help = "Of srv: for servers with users."},
	SECRET("password", forward_discovery_conf, password, "Of srv: the user's password."),
	{.name = NULL},
};

static const struct conf_sub discovery_subs[] = {
	{.schema = &service_schema, .offset = DISCOVERY_AT(services), .multi = true},
	{.schema = NULL},
};

static void check_srv(const struct forward_discovery_conf *d, struct conf_report *r)
{
	bool missing = (!d->service && conf_is_missing(d, "service")) ||
		       (!d->hostname && conf_is_missing(d, "hostname"));
	if (d->kind == DISCOVERY_SRV && missing)
		conf_report_add(r, CONF_ERROR, d->common.pos,
			"'service' and 'hostname' parameters are required in <service_discovery> of @type srv");
}

static void check_discovery(void *conf, struct conf_report *r)
{
	static const char *const types[] = {
		[DISCOVERY_STATIC] = "static", [DISCOVERY_FILE] = "file", [DISCOVERY_SRV] = "srv"};
	struct forward_discovery_conf *d = conf;
	for (size_t i = 0; d->common.type && i < sizeof types / sizeof *types; i++) {
		if (strcmp(d->common.type, types[i]) == 0) {
			d->kind = (enum discovery_kind)i;
			check_srv(d, r);
			return;
		}
	}
	conf_report_add(r, CONF_ERROR, d->common.pos,
		d->common.type ? "there is no service discovery '%s': static, file or srv"
			       : "'@type' parameter is required, in section <service_discovery>",
		d->common.type);
}

static const struct conf_schema discovery_schema = {
	.name = "service_discovery",
	.title = "service discovery of the forward output",
	.size = sizeof(struct forward_discovery_conf),
	.params = discovery_params,
	.subs = discovery_subs,
	.check = check_discovery,
	.help = "Servers that come from elsewhere, and may change while weir runs. `@type static`: its <service> "
		"sections; `@type file`: a file of its own; `@type srv`: SRV records.",
};

static const struct conf_param security_params[] = {
	{.name = "self_hostname",
		.type = CONF_STRING,
		.offset = offsetof(struct forward_out_security_conf, self_hostname),
		.required = true,
		.help = "What this side is called; the server must be called otherwise."},
	{.name = "shared_key",
		.type = CONF_STRING,
		.offset = offsetof(struct forward_out_security_conf, shared_key),
		.required = true,
		.secret = true,
		.help = "The key that both sides know."},
	{.name = NULL},
};

static const struct conf_schema security_schema = {
	.name = "security",
	.title = "security of the forward output",
	.size = sizeof(struct forward_out_security_conf),
	.params = security_params,
	.help = "The handshake with a shared key. With weir and fluentd as servers; use TLS as well for anything that "
		"matters.",
};

static const struct conf_choice transports[] = {{"tcp", FORWARD_TCP}, {"tls", FORWARD_TLS}, {NULL, 0}};
static const struct conf_choice compressions[] = {
	{"text", FORWARD_TEXT}, {"gzip", FORWARD_GZIP}, {"zstd", FORWARD_ZSTD}, {NULL, 0}};

static const struct conf_choice heartbeats[] = {{"transport", FORWARD_BEAT_TRANSPORT}, {"tcp", FORWARD_BEAT_TCP},
	{"udp", FORWARD_BEAT_UDP}, {"none", FORWARD_BEAT_NONE}, {NULL, 0}};

static const struct conf_param params[] = {
	FLAG("require_ack_response", require_ack, "false",
		"A chunk is delivered when the server has acknowledged it. Without it, what was on its way when a "
		"server or "
		"the network broke is lost."),
	TIME("ack_response_timeout", ack_timeout_ns, "190s", "How long an acknowledgement may take."),
	TIME("send_timeout", send_timeout_ns, "60s", "How long sending may take."),
	TIME("connect_timeout", connect_timeout_ns, "10s", "How long connecting may take."),
	TIME("hard_timeout", hard_timeout_ns, "60s",
		"How long TLS and the handshake may take, and the longest that a server may leave "
		"heartbeats unanswered."),
	TIME("recover_wait", recover_wait_ns, "10s", "How long a server that failed is left alone."),
	FLAG("keepalive", keepalive, "false", "Keep connections open from one chunk to the next."),
	TIME("keepalive_timeout", keepalive_timeout_ns, NULL, "How long at most. Default: without end."),
	FLAG("dns_round_robin", dns_round_robin, "false", "Begin with any of a name's addresses, not with the first."),
	{.name = "compress",
		.type = CONF_ENUM,
		.offset = AT(compress),
		.value = "text",
		.choices = compressions,
		.help = "text, gzip or zstd (weir and fluentd from 1.19 on)."},
	FLAG("time_as_integer", time_as_integer, "false",
		"Times in whole seconds, for servers older than fluentd 0.14."),
	{.name = "transport",
		.type = CONF_ENUM,
		.offset = AT(transport),
		.value = "tcp",
		.choices = transports,
		.help = "tcp or tls."},
	TEXT("tls_version", tls_version, "The oldest TLS version: TLSv1_2 (the default) or TLSv1_3."),
	TEXT("tls_ciphers", tls_ciphers, "OpenSSL's cipher list for TLS 1.2."),
	FLAG("tls_insecure_mode", tls_insecure, "false", "Verify nothing: anybody could be the server."),
	FLAG("tls_allow_self_signed_cert", tls_self_signed, "false", "Accept a self-signed certificate."),
	FLAG("tls_verify_hostname", tls_verify_hostname, "true", "Verify that the certificate is for the host's name."),
	{.name = "tls_cert_path",
		.type = CONF_ARRAY,
		.offset = AT(tls_cert_path),
		.old = "tls_ca_cert_path",
		.help = "Authorities (PEM) that the server's certificate may come from. Default: the system's."},
	TEXT("tls_client_cert_path", tls_client_cert, "A client certificate (PEM)."),
	TEXT("tls_client_private_key_path", tls_client_key, "Its private key (PEM)."),
	SECRET("tls_client_private_key_passphrase", forward_out_conf, tls_client_key_pass, "The key's passphrase."),
	{.name = "heartbeat_type",
		.type = CONF_ENUM,
		.offset = AT(heartbeat),
		.value = "none",
		.choices = heartbeats,
		.help = "How servers are asked whether they are there: transport and tcp connect, udp sends a datagram "
			"to "
			"the same port, none (the default; transport in fluentd) finds out that a server is gone when "
			"something is sent to it. Whether it is back is found out beside the delivery in any case."},
	TIME("heartbeat_interval", heartbeat_interval_ns, "1s", "How often."),
	FLAG("phi_failure_detector", phi_detector, "true",
		"A server that answers no heartbeat is left alone after phi_threshold, not only after hard_timeout."),
	{.name = "phi_threshold",
		.type = CONF_INT,
		.offset = AT(phi_threshold),
		.value = "16",
		.min = 1,
		.max = 1000,
		.help = "As fluentd's: 16 is 37 s of silence."},
	NOTE("expire_dns_cache", "names are looked up at each connection"),
	NOTE("verify_connection_at_startup",
		"the start contacts nobody; a server that is not there is told in the log"),
	NOTE("ignore_network_errors_at_startup", "the start contacts nobody"),
	NOTE("suspend_flush", "chunks wait in the buffer"),
	{.name = "tls_cert_thumbprint",
		.type = CONF_IGNORED,
		.support = CONF_NOT_POSSIBLE,
		.instead = "Windows' certificate store; use tls_cert_path"},
	{.name = "tls_cert_logical_store_name",
		.type = CONF_IGNORED,
		.support = CONF_NOT_POSSIBLE,
		.instead = "Windows' certificate store; use tls_cert_path"},
	BUFFER_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &server_schema, .offset = AT(servers), .multi = true},
	{.schema = &security_schema, .offset = AT(security)},
	{.schema = &discovery_schema, .offset = AT(discovery), .multi = true},
	{.schema = &buffer_conf_schema, .offset = AT(buffer)},
	{.schema = &secondary_schema, .offset = AT(secondary)},
	{.schema = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct forward_out_conf *c = conf;
	if (!c->servers.n && !c->discovery.n)
		conf_report_add(r, CONF_ERROR, c->common.pos,
			"forward output plugin requires at least one node is required. Add <server> or "
			"<service_discovery>");
	if (!c->tls_client_cert != !c->tls_client_key)
		conf_report_add(r, CONF_ERROR, c->common.pos,
			"tls_client_cert_path and tls_client_private_key_path belong together");
	if (c->tls_version && strcmp(c->tls_version, "TLSv1_2") != 0 && strcmp(c->tls_version, "TLSv1_3") != 0)
		conf_report_add(r, CONF_ERROR, conf_where(c, "tls_version"),
			"'%s' is no TLS version: TLSv1_2 or TLSv1_3", c->tls_version);
	if (!c->require_ack)
		conf_report_add(r, CONF_NOTE, c->common.pos,
			"without require_ack_response, what is on its way when a server or the network breaks is lost; "
			"`require_ack_response true` keeps it");
}

const struct conf_schema forward_out_schema = {
	.name = "match",
	.title = "forward output",
	.size = sizeof(struct forward_out_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Sends events to other weirs, fluentds or fluent-bits over the forward protocol. Each message that "
		"came in goes "
		"out as one, under an id that follows from what it is: a weir behind this one knows a repetition.",
};

/* ---- TLS ---------------------------------------------------------------------------------------------------------------- */

/* A certificate that is its own authority is accepted, nothing else that is wrong with it. */
static int accept_self_signed(int ok, X509_STORE_CTX *ctx)
{
	int error = X509_STORE_CTX_get_error(ctx);
	if (ok || (error != X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT && error != X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN))
		return ok;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

static int give_passphrase(char *out, int size, int writing, void *arg)
{
	const char *text = arg ? arg : "";
	size_t n = strlen(text);
	(void)writing;
	if (n > (size_t)size)
		return -1;
	memcpy(out, text, n);
	return (int)n;
}

static bool load_authorities(SSL_CTX *ctx, const struct forward_out_conf *c, struct conf_report *r)
{
	char text[256];
	bool ok = true;
	if (!c->tls_cert_path.n)
		return SSL_CTX_set_default_verify_paths(ctx) == 1;
	for (size_t i = 0; i < c->tls_cert_path.n; i++) {
		if (SSL_CTX_load_verify_locations(ctx, c->tls_cert_path.v[i], NULL) == 1)
			continue;
		conf_report_add(r, CONF_ERROR, conf_where(c, "tls_cert_path"), "%s cannot be read as certificates: %s",
			c->tls_cert_path.v[i], tls_error_text(text, sizeof text));
		ok = false;
	}
	return ok;
}

static bool load_client_cert(SSL_CTX *ctx, const struct forward_out_conf *c, struct conf_report *r)
{
	char text[256];
	if (!c->tls_client_cert || !c->tls_client_key)
		return true;
	SSL_CTX_set_default_passwd_cb(ctx, give_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, c->tls_client_key_pass);
	bool cert = SSL_CTX_use_certificate_chain_file(ctx, c->tls_client_cert) == 1;
	if (cert && SSL_CTX_use_PrivateKey_file(ctx, c->tls_client_key, SSL_FILETYPE_PEM) == 1 &&
		SSL_CTX_check_private_key(ctx) == 1)
		return true;
	conf_report_add(r, CONF_ERROR, conf_where(c, cert ? "tls_client_private_key_path" : "tls_client_cert_path"),
		"the %s %s cannot be used: %s", cert ? "client certificate's key" : "client certificate",
		cert ? c->tls_client_key : c->tls_client_cert, tls_error_text(text, sizeof text));
	return false;
}

SSL_CTX *forward_out_tls(const struct forward_out_conf *c, struct conf_report *r)
{
	if (c->transport != FORWARD_TLS)
		return NULL;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	bool ok = ctx != NULL;
	if (ok)
		ok = SSL_CTX_set_min_proto_version(ctx, c->tls_version && strcmp(c->tls_version, "TLSv1_3") == 0
								? TLS1_3_VERSION
								: TLS1_2_VERSION) == 1;
	if (ok && c->tls_ciphers && SSL_CTX_set_cipher_list(ctx, c->tls_ciphers) != 1) {
		conf_report_add(r, CONF_ERROR, conf_where(c, "tls_ciphers"), "no cipher of the list is known");
		ok = false;
	}
	if (ok && c->tls_insecure)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	else if (ok)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, c->tls_self_signed ? accept_self_signed : NULL);
	if (ok && load_authorities(ctx, c, r) && load_client_cert(ctx, c, r))
		return ctx;
	ERR_clear_error();
	if (!ctx)
		conf_report_add(r, CONF_ERROR, c->common.pos, "no memory for TLS");
	SSL_CTX_free(ctx);
	return NULL;
}
