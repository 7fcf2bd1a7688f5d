/* in_tcp.c: <source> @type tcp: texts that a delimiter ends, over TCP or TLS, through the parser of <parse>. */
#include "base/clock.h"
#include "base/mem.h"
#include "client_list.h"
#include "listen_params.h"
#include "peer.h"
#include "pipeline.h"
#include "text_session.h"
#include "transport_conf.h"

#include <stddef.h>

#define LINGER_NS (2 * NS_PER_S)

struct in_tcp_conf {
	struct conf_common common;
	char *tag, *bind, *source_hostname_key, *source_address_key;
	int64_t port, message_length_limit, max_connections, backlog;
	bool send_keepalive_packet;
	struct conf_bytes delimiter;
	struct conf_list parse, extract, security, transport;
};

#define AT(field) .offset = offsetof(struct in_tcp_conf, field)

static const struct conf_param params[] = {
	{.name = "tag", .type = CONF_STRING, AT(tag), .required = true, .help = "The events' tag."},
	LISTEN_BIND(struct in_tcp_conf),
	LISTEN_PORT(struct in_tcp_conf, "5170", "The TCP port."),
	{.name = "delimiter",
		.type = CONF_BYTES,
		AT(delimiter),
		.value = "\n",
		.help = "What each text ends with. Default: a line feed."},
	{.name = "message_length_limit",
		.type = CONF_SIZE,
		AT(message_length_limit),
		.positive = true,
		.help = "Bytes of a text. A longer one is dropped, counted and told. Default: 16m. (fluentd has no "
			"limit by "
			"default)"},
	LISTEN_HOSTNAME_KEY(struct in_tcp_conf),
	LISTEN_HOST_KEY(struct in_tcp_conf),
	LISTEN_ADDRESS_KEY(struct in_tcp_conf),
	LISTEN_KEEPALIVE(struct in_tcp_conf),
	LISTEN_MAX_CONNECTIONS(struct in_tcp_conf),
	LISTEN_BACKLOG(struct in_tcp_conf),
	LISTEN_BLOCKING_TIMEOUT,
	PARSER_FLAT_PARAMS_BUT_DELIMITER,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &parser_section_schema, AT(parse)},
	{.schema = &extract_values_schema, AT(extract)},
	{.schema = &client_list_schema, AT(security)},
	{.schema = &transport_conf_schema, AT(transport)},
	{.schema = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct in_tcp_conf *c = conf;
	if (!c->delimiter.n)
		conf_report_add(r, CONF_ERROR, conf_where(c, "delimiter"), "'delimiter' must not be empty");
	if (c->tag && !*c->tag)
		conf_report_add(r, CONF_ERROR, conf_where(c, "tag"), "'tag' parameter must not be empty");
	transport_check_stream(&c->transport, r);
}

static const struct conf_schema schema = {
	.name = "source",
	.title = "tcp input",
	.size = sizeof(struct in_tcp_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Takes texts, each with a delimiter at its end, over TCP or TLS. Senders get no answer: what they have "
		"sent and what has not arrived, they do not learn.",
};

struct in_tcp {
	struct text_source source;
	struct text_sessions sessions;
};

static void destroy(void *self)
{
	struct in_tcp *t = self;
	if (!t)
		return;
	stream_server_free(t->sessions.server);
	text_source_free(&t->source);
	mem_free(t);
}

static void make_server(struct in_tcp *t, const struct in_tcp_conf *c, struct builder *b)
{
	struct stream_hooks hooks = text_session_hooks;
	struct stream_conf conf = {
		.id = t->source.source->id,
		.names = &stream_names_source,
		.bind = c->bind,
		.port = (uint16_t)c->port,
		.backlog = c->backlog == CONF_NIL_INT ? 0 : (int)c->backlog,
		.max_connections = (unsigned)c->max_connections,
		.transport = transport_of(&c->transport),
		.security = c->security.n ? c->security.v[0] : NULL,
		.limits = {.out_max = 4096, .linger_ns = LINGER_NS, .keepalive = c->send_keepalive_packet},
	};
	hooks.arg = &t->sessions;
	t->sessions.source = &t->source;
	t->sessions.delimiter = span_of(c->delimiter.p, c->delimiter.n);
	t->sessions.server = stream_server_new(&conf, &hooks, builder_metrics(b), builder_report(b));
}

static void *create(struct source *s, struct builder *b)
{
	const struct in_tcp_conf *c = s->conf;
	struct conf_report *report = builder_report(b);
	size_t errors = report->errors;
	struct in_tcp *t = mem_zalloc(sizeof *t);
	text_source_init(&t->source, s, c->common.section, b, NULL);
	t->source.extract = extract_values_make(c->common.section, builder_rules(b), report);
	t->source.tag = c->tag;
	t->source.address_key = c->source_address_key;
	t->source.hostname_key = c->source_hostname_key;
	t->source.resolve = c->source_hostname_key != NULL;
	t->source.max_text = c->message_length_limit == CONF_NIL_INT ? TEXT_MAX : (size_t)c->message_length_limit;
	t->source.take = text_take_plain;
	make_server(t, c, b);
	if (report->errors == errors)
		return t;
	destroy(t);
	return NULL;
}

static bool start(struct source *s, struct server *server, struct err *err)
{
	struct in_tcp *t = s->self;
	return stream_server_start(t->sessions.server, server, err);
}

static void stop(struct source *s)
{
	struct in_tcp *t = s->self;
	stream_server_stop(t->sessions.server);
}

static unsigned busy(const struct source *s)
{
	const struct in_tcp *t = s->self;
	return stream_server_busy(t->sessions.server);
}

static void end(struct source *s)
{
	struct in_tcp *t = s->self;
	stream_server_end(t->sessions.server);
}

static bool renew(struct source *s, struct err *err)
{
	struct in_tcp *t = s->self;
	return stream_server_renew(t->sessions.server, err);
}

static void describe(const struct source *s, struct buf *out)
{
	const struct in_tcp *t = s->self;
	const struct in_tcp_conf *c = s->conf;
	buf_printf(out, "%s:%u %s, %s", c->bind, stream_server_port(t->sessions.server),
		c->transport.n && transport_is_tls(c->transport.v[0]) ? "tls" : "tcp",
		parser_type_name(t->source.parser));
}

static bool is_open(const struct source *s)
{
	const struct in_tcp_conf *c = s->conf;
	return is_everywhere(c->bind) && client_list_lets_all(&c->security) &&
	       !transport_wants_certificate(&c->transport);
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.stop = stop,
	.busy = busy,
	.end = end,
	.renew = renew,
	.is_open = is_open,
	.describe = describe,
};

const struct plugin in_tcp = {
	.kind = PLUGIN_INPUT,
	.name = "tcp",
	.help = "Texts with a delimiter, over TCP or TLS.",
	.schema = &schema,
	.input = &ops,
};
