/* in_udp.c: <source> @type udp: a text a datagram, through the parser of <parse>. */
#include "base/mem.h"
#include "listen_params.h"
#include "peer.h"
#include "pipeline.h"
#include "text_datagrams.h"
#include "transport_conf.h"

#include <stddef.h>

struct in_udp_conf {
	struct conf_common common;
	char *tag, *bind, *source_hostname_key, *source_address_key;
	int64_t port, message_length_limit, body_size_limit, receive_buffer_size;
	bool remove_newline;
	struct conf_list parse, extract, transport;
};

#define AT(field) .offset = offsetof(struct in_udp_conf, field)

static const struct conf_param params[] = {
	{.name = "tag", .type = CONF_STRING, AT(tag), .required = true, .help = "The events' tag."},
	LISTEN_BIND(struct in_udp_conf),
	LISTEN_PORT(struct in_udp_conf, "5160", "The UDP port."),
	{.name = "message_length_limit",
		.type = CONF_SIZE,
		AT(message_length_limit),
		.value = "4096",
		.min = 1,
		.max = 65536,
		.help = "Bytes of a datagram. The rest of a longer one is cut off, and it is counted."},
	{.name = "body_size_limit",
		.type = CONF_SIZE,
		AT(body_size_limit),
		.min = 1,
		.max = 65536,
		.support = CONF_DEPRECATED,
		.instead = "use message_length_limit instead"},
	{.name = "remove_newline",
		.type = CONF_BOOL,
		AT(remove_newline),
		.value = "true",
		.help = "A line end at the end of a datagram is taken off."},
	LISTEN_HOSTNAME_KEY(struct in_udp_conf),
	LISTEN_HOST_KEY(struct in_udp_conf),
	LISTEN_ADDRESS_KEY(struct in_udp_conf),
	{.name = "receive_buffer_size",
		.type = CONF_SIZE,
		AT(receive_buffer_size),
		.positive = true,
		.support = CONF_DEPRECATED,
		.instead = "use receive_buffer_size in transport section instead"},
	LISTEN_BLOCKING_TIMEOUT,
	PARSER_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &parser_section_schema, AT(parse)},
	{.schema = &extract_values_schema, AT(extract)},
	{.schema = &transport_conf_schema, AT(transport)},
	{.schema = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct in_udp_conf *c = conf;
	const struct conf_common *t = c->transport.n ? c->transport.v[0] : NULL;
	if (c->tag && !*c->tag)
		conf_report_add(r, CONF_ERROR, conf_where(c, "tag"), "'tag' parameter must not be empty");
	if (t && *t->arg && strcmp(t->arg, "udp") != 0)
		conf_report_add(r, CONF_ERROR, t->pos, "valid options are udp but got %s: use @type tcp", t->arg);
}

static const struct conf_schema schema = {
	.name = "source",
	.title = "udp input",
	.size = sizeof(struct in_udp_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Takes a text from each datagram. UDP loses what comes faster than it is read; what the system tells "
		"of "
		"that is counted.",
};

struct in_udp {
	struct text_source source;
	struct text_datagrams *datagrams;
};

static void destroy(void *self)
{
	struct in_udp *u = self;
	if (!u)
		return;
	text_datagrams_free(u->datagrams);
	text_source_free(&u->source);
	mem_free(u);
}

static int receive_buffer(const struct in_udp_conf *c)
{
	const struct transport_conf *t = transport_of(&c->transport);
	if (t && t->receive_buffer_size != CONF_NIL_INT)
		return (int)t->receive_buffer_size;
	return c->receive_buffer_size == CONF_NIL_INT ? 0 : (int)c->receive_buffer_size;
}

static void *create(struct source *s, struct builder *b)
{
	const struct in_udp_conf *c = s->conf;
	struct conf_report *report = builder_report(b);
	size_t errors = report->errors;
	struct in_udp *u = mem_zalloc(sizeof *u);
	text_source_init(&u->source, s, c->common.section, b, NULL);
	u->source.extract = extract_values_make(c->common.section, builder_rules(b), report);
	u->source.tag = c->tag;
	u->source.address_key = c->source_address_key;
	u->source.hostname_key = c->source_hostname_key;
	u->source.resolve = c->source_hostname_key != NULL;
	u->source.max_text = (size_t)(c->body_size_limit != CONF_NIL_INT ? c->body_size_limit
									 : c->message_length_limit);
	u->source.take = text_take_plain;
	struct text_datagrams_conf conf = {
		.bind = c->bind,
		.port = (uint16_t)c->port,
		.receive_buffer = receive_buffer(c),
		.remove_newline = c->remove_newline,
		.metrics = builder_metrics(b),
	};
	u->datagrams = text_datagrams_new(&conf, &u->source);
	if (report->errors == errors)
		return u;
	destroy(u);
	return NULL;
}

static bool start(struct source *s, struct server *server, struct err *err)
{
	struct in_udp *u = s->self;
	return text_datagrams_start(u->datagrams, server, err);
}

static void stop(struct source *s)
{
	struct in_udp *u = s->self;
	text_datagrams_stop(u->datagrams);
}

static unsigned busy(const struct source *s)
{
	const struct in_udp *u = s->self;
	return text_datagrams_busy(u->datagrams);
}

static void end(struct source *s)
{
	struct in_udp *u = s->self;
	text_datagrams_end(u->datagrams);
}

static void describe(const struct source *s, struct buf *out)
{
	const struct in_udp *u = s->self;
	const struct in_udp_conf *c = s->conf;
	buf_printf(
		out, "%s:%u udp, %s", c->bind, text_datagrams_port(u->datagrams), parser_type_name(u->source.parser));
}

static bool is_open(const struct source *s)
{
	return is_everywhere(((const struct in_udp_conf *)s->conf)->bind);
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.stop = stop,
	.busy = busy,
	.end = end,
	.is_open = is_open,
	.describe = describe,
};

const struct plugin in_udp = {
	.kind = PLUGIN_INPUT,
	.name = "udp",
	.help = "A text in each datagram.",
	.schema = &schema,
	.input = &ops,
};
