/* out_http_conf.c: the table of the http output. */
#include "out_http.h"

#include "buffer_conf.h"
#include "chunk_text.h"
#include "pipeline.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(struct http_conf, field)
#define TEXT(n, f, h)                                                      \
	{                                                                  \
		.name = n, .type = CONF_STRING, .offset = AT(f), .help = h \
	}

static const struct conf_choice methods[] = {{"post", 0}, {"put", 1}, {NULL, 0}};
static const struct conf_choice compressions[] = {{"text", 0}, {"gzip", 1}, {NULL, 0}};
static const struct conf_choice verify_modes[] = {{"none", 0}, {"peer", 1}, {NULL, 0}};
static const struct conf_choice auth_methods[] = {{"basic", HTTP_AUTH_BASIC}, {"aws_sigv4", HTTP_AUTH_AWS}, {NULL, 0}};

static const struct conf_param auth_params[] = {
	{.name = "method",
		.type = CONF_ENUM,
		.offset = offsetof(struct auth_conf, method),
		.value = "basic",
		.choices = auth_methods,
		.help = "basic, or aws_sigv4: requests are signed for AWS."},
	{.name = "username",
		.type = CONF_STRING,
		.offset = offsetof(struct auth_conf, username),
		.value = "",
		.help = "The user."},
	{.name = "password",
		.type = CONF_STRING,
		.offset = offsetof(struct auth_conf, password),
		.value = "",
		.secret = true,
		.help = "The password."},
	{.name = "aws_service",
		.type = CONF_STRING,
		.offset = offsetof(struct auth_conf, aws_service),
		.help = "Of aws_sigv4: the service that is signed for: es, aoss, execute-api, osis ..."},
	{.name = "aws_region",
		.type = CONF_STRING,
		.offset = offsetof(struct auth_conf, aws_region),
		.help = "Of aws_sigv4: its region."},
	{.name = "aws_role_arn",
		.type = CONF_STRING,
		.offset = offsetof(struct auth_conf, aws_role_arn),
		.help = "Of aws_sigv4: the role whose temporary credentials are used. Default: credentials of the "
			"environment, the container, the shared file or the instance."},
	{.name = NULL},
};

static void check_auth(void *conf, struct conf_report *r)
{
	const struct auth_conf *c = conf;
	if (c->method == HTTP_AUTH_AWS && !c->aws_service)
		conf_report_add(r, CONF_ERROR, conf_where(c, "method"), "aws_service is required for aws_sigv4 auth");
	if (c->method == HTTP_AUTH_AWS && !c->aws_region)
		conf_report_add(r, CONF_ERROR, conf_where(c, "method"), "aws_region is required for aws_sigv4 auth");
}

static const struct conf_schema auth_schema = {
	.name = "auth",
	.title = "authentication of the http output",
	.size = sizeof(struct auth_conf),
	.params = auth_params,
	.check = check_auth,
	.help = "Who sends.",
};

static const struct conf_param params[] = {
	{.name = "endpoint",
		.type = CONF_STRING,
		.offset = AT(endpoint),
		.required = true,
		.help = "The URL. May hold ${tag} and the like, if they are chunk keys, behind the host's name only: "
			"events do not "
			"choose the host."},
	{.name = "http_method",
		.type = CONF_ENUM,
		.offset = AT(method),
		.value = "post",
		.choices = methods,
		.help = "post or put."},
	TEXT("content_type", content_type, "Of the body. Default: what the format makes."),
	{.name = "json_array",
		.type = CONF_BOOL,
		.offset = AT(json_array),
		.value = "false",
		.help = "The body is a JSON array; needs format json."},
	{.name = "headers",
		.type = CONF_HASH,
		.offset = AT(headers),
		.secret = true,
		.help = "Further request headers."},
	{.name = "headers_from_placeholders",
		.type = CONF_HASH,
		.offset = AT(header_placeholders),
		.help = "Further request headers whose values may hold ${tag} and the like."},
	TEXT("proxy", proxy, "An HTTP proxy. The environment's is not used."),
	{.name = "open_timeout",
		.type = CONF_TIME,
		.offset = AT(open_timeout_ns),
		.value = "10s",
		.positive = true,
		.old = "ssl_timeout",
		.help = "How long connecting (TLS as well) may take."},
	{.name = "read_timeout",
		.type = CONF_TIME,
		.offset = AT(read_timeout_ns),
		.value = "60s",
		.positive = true,
		.help = "How long a request may take."},
	{.name = "reuse_connections",
		.type = CONF_BOOL,
		.offset = AT(reuse),
		.value = "false",
		.help = "Keep connections open."},
	{.name = "retryable_response_codes",
		.type = CONF_ARRAY,
		.offset = AT(retryable),
		.value = "503",
		.help = "Statuses after which the chunk is sent again. 408, 429 and other 5xx are, too, unless "
			"error_response_as_unrecoverable is given as true."},
	{.name = "error_response_as_unrecoverable",
		.type = CONF_BOOL,
		.offset = AT(error_unrecoverable),
		.value = "true",
		.help = "Other statuses from 400 on: the chunk goes to <secondary> or the dead letters, or (false) is "
			"sent again."},
	{.name = "compress",
		.type = CONF_ENUM,
		.offset = AT(compress),
		.value = "text",
		.choices = compressions,
		.help = "text or gzip."},
	{.name = "allowed_hosts",
		.type = CONF_ARRAY,
		.offset = AT(allowed_hosts),
		.help = "The endpoint's host must be one of these."},
	TEXT("tls_ca_cert_path", tls_ca, "Authorities (PEM). Default: the system's."),
	TEXT("tls_client_cert_path", tls_cert, "A client certificate (PEM)."),
	TEXT("tls_private_key_path", tls_key, "Its private key (PEM)."),
	{.name = "tls_private_key_passphrase",
		.type = CONF_STRING,
		.offset = AT(tls_key_pass),
		.secret = true,
		.help = "The key's passphrase."},
	{.name = "tls_verify_mode",
		.type = CONF_ENUM,
		.offset = AT(verify_mode),
		.value = "peer",
		.choices = verify_modes,
		.help = "peer, or none: anybody could be the server."},
	TEXT("tls_version", tls_version, "The oldest TLS version: TLSv1_2 (the default) or TLSv1_3."),
	TEXT("tls_ciphers", tls_ciphers, "OpenSSL's cipher list for TLS 1.2."),
	BUFFER_FLAT_PARAMS,
	TIME_AS_INTEGER_PARAM,
	FORMATTER_FLAT_PARAMS,
	INJECT_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &auth_schema, .offset = AT(auth)},
	{.schema = &buffer_conf_schema, .offset = AT(buffer)},
	{.schema = &secondary_schema, .offset = AT(secondary)},
	{.schema = &formatter_section_schema, .offset = AT(format), .type = "json"},
	{.schema = &inject_values_schema, .offset = AT(inject)},
	{.schema = NULL},
};

/* Where the URL's host begins and how long it is, with its port. */
static const char *host_of(const char *url, size_t *n)
{
	const char *p = strstr(url, "://");
	p = p ? p + 3 : url;
	*n = strcspn(p, "/?#");
	return p;
}

static bool ciphers_are_known(const char *list)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	bool known = ctx && SSL_CTX_set_cipher_list(ctx, list) == 1;
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return known;
}

static void check_tls(struct http_conf *c, struct conf_report *r)
{
	const char *version = c->tls_version ? c->tls_version : "TLSv1_2";
	c->tls13 = strcmp(version, "TLSv1_3") == 0 || strcmp(version, "TLS1_3") == 0;
	if (!c->tls13 && strcmp(version, "TLSv1_2") != 0 && strcmp(version, "TLS1_2") != 0)
		conf_report_add(r, CONF_ERROR, conf_where(c, "tls_version"),
			"'%s' is no TLS version: TLSv1_2 or TLSv1_3", version);
	if (c->tls_ciphers && !ciphers_are_known(c->tls_ciphers))
		conf_report_add(r, CONF_ERROR, conf_where(c, "tls_ciphers"), "no cipher of the list is known");
	/* They may come later: a request without them fails, and is tried again. */
	conf_check_file(c, "tls_ca_cert_path", c->tls_ca, CONF_WARNING, r);
	conf_check_file(c, "tls_client_cert_path", c->tls_cert, CONF_WARNING, r);
	conf_check_file(c, "tls_private_key_path", c->tls_key, CONF_WARNING, r);
}

static void check_codes(const struct http_conf *c, struct conf_report *r)
{
	for (size_t i = 0; i < c->retryable.n; i++) {
		const char *code = c->retryable.v[i];
		if (strlen(code) != 3 || strspn(code, "0123456789") != 3 || *code == '0')
			conf_report_add(r, CONF_ERROR, conf_where(c, "retryable_response_codes"),
				"retryable_response_codes: '%s' is no status of HTTP", code);
	}
}

static void check(void *conf, struct conf_report *r)
{
	struct http_conf *c = conf;
	check_tls(c, r);
	check_codes(c, r);
	size_t n = 0;
	const char *host = c->endpoint ? host_of(c->endpoint, &n) : "";
	if (c->endpoint && strncmp(c->endpoint, "http://", 7) != 0 && strncmp(c->endpoint, "https://", 8) != 0)
		conf_report_add(r, CONF_ERROR, conf_where(c, "endpoint"), "endpoint is no http:// or https:// URL");
	else if (c->endpoint && (!n || memchr(host, '$', n) || memchr(host, '%', n)))
		conf_report_add(r, CONF_ERROR, conf_where(c, "endpoint"),
			"placeholders in the host's name are not possible: events must not choose where they are sent");
	bool allowed = c->allowed_hosts.n == 0 || !c->endpoint;
	for (size_t i = 0; i < c->allowed_hosts.n; i++) {
		size_t len = strlen(c->allowed_hosts.v[i]);
		allowed |= n >= len && memcmp(host, c->allowed_hosts.v[i], len) == 0 && (n == len || host[len] == ':');
	}
	if (!allowed)
		conf_report_add(
			r, CONF_ERROR, conf_where(c, "endpoint"), "the endpoint's host is none of allowed_hosts");
}

const struct conf_schema http_out_schema = {
	.name = "match",
	.title = "http output",
	.size = sizeof(struct http_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Sends each chunk as the body of an HTTP request.",
};
