#include "forward_conf.h"

#include <stddef.h>
#include <string.h>

#define AT(field)	 offsetof(struct forward_conf, field)
#define USER_AT(field)	 offsetof(struct forward_user_conf, field)
#define CLIENT_AT(field) offsetof(struct forward_client_conf, field)
#define SEC_AT(field)	 offsetof(struct forward_security_conf, field)

/* ---- <security> ------------------------------------------------------------------------------------------------- */

static const struct conf_param user_params[] = {
	{.name = "username",
		.type = CONF_STRING,
		.offset = USER_AT(username),
		.required = true,
		.help = "The user's name."},
	{.name = "password",
		.type = CONF_STRING,
		.offset = USER_AT(password),
		.required = true,
		.secret = true,
		.help = "The user's password."},
	{.name = "allowed_tags",
		.type = CONF_STRING,
		.offset = USER_AT(allowed_tags),
		.help = "The tags that this user may send, written as in `<match>`. Default: all."},
	{.name = NULL},
};

static const struct conf_schema user_schema = {
	.name = "user",
	.title = "user of the forward input",
	.size = sizeof(struct forward_user_conf),
	.params = user_params,
	.help = "A user that user_auth lets in.",
};

static const struct conf_param client_params[] = {
	{.name = "host",
		.type = CONF_STRING,
		.offset = CLIENT_AT(host),
		.help = "The client's name or address; looked up once, at start."},
	{.name = "network",
		.type = CONF_STRING,
		.offset = CLIENT_AT(network),
		.help = "A network of clients: 10.0.0.0/8, fd00::/8."},
	{.name = "certificate_name",
		.type = CONF_STRING,
		.offset = CLIENT_AT(certificate_name),
		.help = "Instead of an address: a name in the client's certificate (DNS name, URI, mail address or "
			"CN), `*` "
			"for any part of it. Needs client_cert_auth."},
	{.name = "shared_key",
		.type = CONF_STRING,
		.offset = CLIENT_AT(shared_key),
		.secret = true,
		.help = "A key for these clients. Default: the one of <security>."},
	{.name = "users",
		.type = CONF_ARRAY,
		.offset = CLIENT_AT(users),
		.help = "The users that may come from there. Default: all."},
	{.name = "allowed_tags",
		.type = CONF_STRING,
		.offset = CLIENT_AT(allowed_tags),
		.help = "The tags that these clients may send, written as in `<match>`. Default: as <security> says."},
	LISTEN_LIMITS(struct forward_client_conf, "Default: as <security> says."),
	{.name = NULL},
};

static void check_client(void *conf, struct conf_report *r)
{
	const struct forward_client_conf *c = conf;
	int named = !!c->host + !!c->network + !!c->certificate_name;
	bool missing = conf_is_missing(c, "host") && conf_is_missing(c, "network") &&
		       conf_is_missing(c, "certificate_name");
	if (named > 1 || (!named && missing))
		conf_report_add(r, CONF_ERROR, c->common.pos,
			"<client> needs one of 'host', 'network' and 'certificate_name', and no more than one");
	if (c->certificate_name && c->limits.connections != CONF_NIL_INT)
		conf_report_add(r, CONF_ERROR, conf_where(c, "max_connections_per_client"),
			"connections are counted before a certificate is seen: max_connections_per_client goes with "
			"'host' "
			"or 'network'");
}

static const struct conf_schema client_schema = {
	.name = "client",
	.title = "client of the forward input",
	.size = sizeof(struct forward_client_conf),
	.params = client_params,
	.check = check_client,
	.help = "A client or network with a key, users, tags or limits of its own. The first one that the peer fits "
		"counts.",
};

static const struct conf_param security_params[] = {
	{.name = "self_hostname",
		.type = CONF_STRING,
		.offset = SEC_AT(self_hostname),
		.help = "The name that weir gives itself in the handshake. It must differ from the senders' own. "
			"Required with shared_key."},
	{.name = "shared_key",
		.type = CONF_STRING,
		.offset = SEC_AT(shared_key),
		.secret = true,
		.help = "The key that senders and weir share. May be empty (Fluent Bit's Empty_Shared_Key). Without it "
			"there is no handshake: the rest counts by addresses and certificates."},
	{.name = "user_auth",
		.type = CONF_BOOL,
		.offset = SEC_AT(user_auth),
		.value = "false",
		.help = "Senders also need a user and its password."},
	{.name = "allow_anonymous_source",
		.type = CONF_BOOL,
		.offset = SEC_AT(allow_anonymous_source),
		.value = "true",
		.help = "Senders that no <client> fits are served, with the key of <security>."},
	{.name = "allowed_tags",
		.type = CONF_STRING,
		.offset = SEC_AT(allowed_tags),
		.help = "The tags that senders may send, written as in `<match>`. A message under another tag is "
			"refused: it "
			"is not acknowledged, and told. Default: all."},
	LISTEN_LIMITS(struct forward_security_conf, "Default: any number."),
	{.name = NULL},
};

static const struct conf_sub security_subs[] = {
	{.schema = &user_schema, .offset = SEC_AT(users), .multi = true},
	{.schema = &client_schema, .offset = SEC_AT(clients), .multi = true},
	{.schema = NULL},
};

/* Whether the section does something even without a handshake. */
static bool limits_anything(const struct forward_security_conf *c)
{
	return c->clients.n || c->allowed_tags || c->limits.connections != CONF_NIL_INT ||
	       c->limits.events_per_s != CONF_NIL_INT || c->limits.bytes_per_s != CONF_NIL_INT;
}

/* Nobody shall believe to ask for a key and not do it. */
static void check_key(const struct forward_security_conf *c, struct conf_report *r)
{
	bool wanted = c->self_hostname || c->shared_key || c->user_auth || c->users.n || !limits_anything(c);
	for (size_t i = 0; i < c->clients.n; i++) {
		const struct forward_client_conf *client = c->clients.v[i];
		wanted |= client->shared_key || client->users.n;
	}
	if (wanted && !c->shared_key && conf_is_missing(c, "shared_key"))
		conf_report_add(r, CONF_ERROR, c->common.pos, "'shared_key' parameter is required in <security>");
	if (wanted && !c->self_hostname && conf_is_missing(c, "self_hostname"))
		conf_report_add(r, CONF_ERROR, c->common.pos, "'self_hostname' parameter is required in <security>");
	if (!wanted)
		conf_report_add(r, CONF_NOTE, c->common.pos,
			"<security> has no shared_key: senders are told apart by address and certificate alone");
}

static void check_security(void *conf, struct conf_report *r)
{
	const struct forward_security_conf *c = conf;
	check_key(c, r);
	if (c->user_auth && !c->users.n)
		conf_report_add(
			r, CONF_ERROR, conf_where(c, "user_auth"), "<user> sections required if user_auth enabled");
	if (!c->allow_anonymous_source && !c->clients.n)
		conf_report_add(r, CONF_ERROR, conf_where(c, "allow_anonymous_source"),
			"<client> sections required if allow_anonymous_source disabled");
}

static const struct conf_schema security_schema = {
	.name = "security",
	.title = "security of the forward input",
	.size = sizeof(struct forward_security_conf),
	.params = security_params,
	.subs = security_subs,
	.check = check_security,
	.help = "Who may send, how much, and under which tags. The handshake with shared_key proves who sends, and "
		"encrypts "
		"nothing: use TLS as well.",
};

/* ---- <source> --------------------------------------------------------------------------------------------------- */

/* What forward and unix have in common. */
#define COMMON_PARAMS                                                                                                \
	LISTEN_BACKLOG(struct forward_conf),                                                                         \
		{.name = "chunk_size_limit",                                                                         \
			.type = CONF_SIZE,                                                                           \
			.offset = AT(chunk_size_limit),                                                              \
			.value = "64m",                                                                              \
			.min = 1024,                                                                                 \
			.max = (int64_t)1 << 30,                                                                     \
			.help = "Bytes of one message. A larger one ends its connection, without an ack. (fluentd "  \
				"has no limit)"},                                                                    \
		{.name = "chunk_size_warn_limit",                                                                    \
			.type = CONF_SIZE,                                                                           \
			.offset = AT(chunk_size_warn_limit),                                                         \
			.positive = true,                                                                            \
			.help = "Bytes of a message that are worth a warning."},                                     \
		{.name = "decompression_size_limit",                                                                 \
			.type = CONF_SIZE,                                                                           \
			.offset = AT(decompression_size_limit),                                                      \
			.value = "256m",                                                                             \
			.min = 1024,                                                                                 \
			.max = (int64_t)1 << 30,                                                                     \
			.help = "Bytes of a compressed message's events when they are unpacked. A larger one is a "  \
				"dead letter."},                                                                     \
		{.name = "decompression_ratio_limit",                                                                \
			.type = CONF_INT,                                                                            \
			.offset = AT(decompression_ratio_limit),                                                     \
			.value = "10000",                                                                            \
			.min = 0,                                                                                    \
			.max = 1000000,                                                                              \
			.help = "How many times larger than its compressed form a message over 1 MiB may be; 0 = "   \
				"any. Beyond it, it is "                                                             \
				"taken for a bomb: a dead letter."},                                                 \
		{.name = "depth_limit",                                                                              \
			.type = CONF_INT,                                                                            \
			.offset = AT(depth_limit),                                                                   \
			.value = "64",                                                                               \
			.min = 8,                                                                                    \
			.max = 200,                                                                                  \
			.help = "Maps and arrays within one another in one message. Deeper ones are dead letters."}, \
		{.name = "object_limit",                                                                             \
			.type = CONF_INT,                                                                            \
			.offset = AT(object_limit),                                                                  \
			.value = "4000000",                                                                          \
			.min = 1000,                                                                                 \
			.max = 1000000000,                                                                           \
			.help = "msgpack objects in one message. More end the connection."},                         \
		{.name = "skip_invalid_event",                                                                       \
			.type = CONF_BOOL,                                                                           \
			.offset = AT(skip_invalid_event),                                                            \
			.value = "true",                                                                             \
			.help = "A bad event is left out of its message (and kept as a dead letter). false: the "    \
				"whole message is a "                                                                \
				"dead letter."},                                                                     \
		{.name = "tag",                                                                                      \
			.type = CONF_STRING,                                                                         \
			.offset = AT(tag),                                                                           \
			.help = "The tag of all events, whatever the sender says."},                                 \
		{.name = "add_tag_prefix",                                                                           \
			.type = CONF_STRING,                                                                         \
			.offset = AT(add_tag_prefix),                                                                \
			.help = "Goes before each tag, with a dot."},                                                \
		LISTEN_MAX_CONNECTIONS(struct forward_conf),                                                         \
		{.name = "message_timeout",                                                                          \
			.type = CONF_TIME,                                                                           \
			.offset = AT(message_timeout_ns),                                                            \
			.value = "60s",                                                                              \
			.positive = true,                                                                            \
			.help = "How long a sender that has begun a message may say nothing. An idle connection "    \
				"between messages may stay "                                                         \
				"for ever."},                                                                        \
		LISTEN_BLOCKING_TIMEOUT

static const struct conf_param params[] = {
	LISTEN_BIND(struct forward_conf),
	LISTEN_PORT(struct forward_conf, "24224", "The TCP port, and the UDP port of heartbeats."),
	COMMON_PARAMS,
	{.name = "linger_timeout",
		.type = CONF_INT,
		.offset = AT(linger_timeout),
		.min = 0,
		.max = 3600,
		.support = CONF_DEPRECATED,
		.instead = "use the transport directive",
		.help = "SO_LINGER in seconds."},
	LISTEN_ADDRESS_KEY(struct forward_conf),
	LISTEN_HOSTNAME_KEY(struct forward_conf),
	{.name = "resolve_hostname",
		.type = CONF_BOOL,
		.offset = AT(resolve_hostname),
		.help = "Look up senders' names. Set by source_hostname_key."},
	{.name = "deny_keepalive",
		.type = CONF_BOOL,
		.offset = AT(deny_keepalive),
		.value = "false",
		.help = "Each connection is closed after its first message (and that one's ack)."},
	LISTEN_KEEPALIVE(struct forward_conf),
	LISTEN_MAX_AGE(struct forward_conf,
		"a connection is ended in order, after all acks: as soon as its sender pauses; without a pause for ten "
		"seconds, when nothing unread of it is here; after twenty, between two messages. Senders connect anew "
		"and spread over several weirs. What one sends before it notices is still stored, without acks: those "
		"that ask for acks must repeat it, as fluent-bit and fluentd do (@fluent-org/logger with eventRetry), "
		"and "
		"it is there once. One that never looks keeps its place. Default: never; one weir alone gains nothing "
		"by it."),
	{.name = "handshake_timeout",
		.type = CONF_TIME,
		.offset = AT(handshake_timeout_ns),
		.value = "10s",
		.positive = true,
		.help = "How long TLS and the handshake of <security> may take."},
	{.name = NULL},
};

static const struct conf_param unix_params[] = {
	{.name = "path",
		.type = CONF_STRING,
		.offset = AT(path),
		.value = "/var/run/fluent/fluent.sock",
		.writes = CONF_WRITES_FILE,
		.help = "The socket's path."},
	COMMON_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &transport_conf_schema, .offset = AT(transport)},
	{.schema = &security_schema, .offset = AT(security)},
	{.schema = NULL},
};

static void check_common(const struct forward_conf *c, struct conf_report *r)
{
	if (c->tag && !*c->tag)
		conf_report_add(r, CONF_ERROR, conf_where(c, "tag"), "'tag' parameter must not be empty");
	if (c->add_tag_prefix && !*c->add_tag_prefix)
		conf_report_add(
			r, CONF_ERROR, conf_where(c, "add_tag_prefix"), "'add_tag_prefix' parameter must not be empty");
}

static void check_certificate_names(const struct forward_conf *c, struct conf_report *r)
{
	const struct forward_security_conf *s = c->security.n ? c->security.v[0] : NULL;
	const struct transport_conf *t = transport_of(&c->transport);
	bool shown = t && transport_is_tls(t) && t->client_cert_auth;
	for (size_t i = 0; s && i < s->clients.n; i++) {
		const struct forward_client_conf *client = s->clients.v[i];
		if (client->certificate_name && !shown)
			conf_report_add(r, CONF_ERROR, conf_where(client, "certificate_name"),
				"certificate_name needs <transport tls> with client_cert_auth: nobody else shows a "
				"certificate");
	}
}

static void check(void *conf, struct conf_report *r)
{
	const struct forward_conf *c = conf;
	check_common(c, r);
	check_certificate_names(c, r);
	if (c->source_hostname_key && conf_is_given(&forward_conf_schema, c, "resolve_hostname") &&
		!c->resolve_hostname)
		conf_report_add(r, CONF_ERROR, conf_where(c, "resolve_hostname"),
			"resolve_hostname must be true with source_hostname_key");
	if (c->deny_keepalive && c->send_keepalive_packet)
		conf_report_add(r, CONF_ERROR, conf_where(c, "send_keepalive_packet"),
			"both 'send_keepalive_packet' and 'deny_keepalive' cannot be set to true");
	transport_check_stream(&c->transport, r);
}

static void check_unix(void *conf, struct conf_report *r)
{
	check_common(conf, r);
}

const struct conf_schema forward_conf_schema = {
	.name = "source",
	.title = "forward input",
	.size = sizeof(struct forward_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Takes events over the forward protocol: from fluent-bit, fluentd, Docker's fluentd log driver, Istio "
		"Mixer and the "
		"fluent-logger libraries, over TCP or TLS. An ack is sent when the events are on disk.",
};

const struct conf_schema unix_conf_schema = {
	.name = "source",
	.title = "unix input",
	.size = sizeof(struct forward_conf),
	.params = unix_params,
	.check = check_unix,
	.help = "Takes events over the forward protocol on a unix socket.",
};
