/*
 * in_syslog.c: <source> @type syslog: RFC 3164 and RFC 5424 over UDP, TCP and TLS. The tag is TAG.FACILITY.SEVERITY, as the message's priority says.
 */
#include "base/mem.h"
#include "client_list.h"
#include "listen_params.h"
#include "peer.h"
#include "pipeline.h"
#include "record/msgpack_scan.h"
#include "text_datagrams.h"
#include "text_session.h"
#include "transport_conf.h"

#include <stddef.h>

#define LINGER_NS (2 * 1000000000LL)

enum { PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_TLS };
enum { FRAME_TRADITIONAL, FRAME_OCTET_COUNT };

struct in_syslog_conf {
	struct conf_common common;
	char *tag, *bind, *source_hostname_key, *source_address_key, *source_host_key;
	char *severity_key, *facility_key;
	int64_t port, message_length_limit, max_connections, backlog;
	int protocol_type, frame_type;
	bool include_source_host, emit_unmatched_lines, resolve_hostname, send_keepalive_packet;
	struct conf_bytes delimiter;
	struct conf_list parse, security, transport;
};

#define AT(field) .offset = offsetof(struct in_syslog_conf, field)

static const struct conf_choice protocols[] = {{"tcp", PROTOCOL_TCP}, {"udp", PROTOCOL_UDP}, {NULL, 0}};
static const struct conf_choice frames[] = {
	{"traditional", FRAME_TRADITIONAL}, {"octet_count", FRAME_OCTET_COUNT}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "tag",
		.type = CONF_STRING,
		AT(tag),
		.required = true,
		.help = "The beginning of the tag; facility and severity follow it: `system` gives "
			"`system.daemon.info`."},
	LISTEN_BIND(struct in_syslog_conf),
	LISTEN_PORT(struct in_syslog_conf, "5140", "The port."),
	{.name = "protocol_type",
		.type = CONF_ENUM,
		AT(protocol_type),
		.choices = protocols,
		.support = CONF_DEPRECATED,
		.instead = "use the transport directive: <transport tcp>"},
	{.name = "frame_type",
		.type = CONF_ENUM,
		AT(frame_type),
		.value = "traditional",
		.choices = frames,
		.help = "Over TCP and TLS: messages end with `delimiter`, or begin with their length (RFC 6587)."},
	{.name = "delimiter",
		.type = CONF_BYTES,
		AT(delimiter),
		.value = "\n",
		.help = "What each message ends with, over TCP and TLS. Default: a line feed."},
	{.name = "message_length_limit",
		.type = CONF_SIZE,
		AT(message_length_limit),
		.value = "2048",
		.min = 1,
		.max = 65536,
		.help = "Bytes of a message over UDP. The rest of a longer one is cut off, and it is counted. (Over "
			"TCP a "
			"message may "
			"have 16 MiB.)"},
	{.name = "severity_key",
		.type = CONF_STRING,
		AT(severity_key),
		.old = "priority_key",
		.help = "The field that gets the severity (`info`)."},
	{.name = "facility_key",
		.type = CONF_STRING,
		AT(facility_key),
		.help = "The field that gets the facility (`daemon`)."},
	LISTEN_HOSTNAME_KEY(struct in_syslog_conf),
	LISTEN_ADDRESS_KEY(struct in_syslog_conf),
	{.name = "resolve_hostname",
		.type = CONF_BOOL,
		AT(resolve_hostname),
		.help = "Look up senders' names. Set by source_hostname_key."},
	{.name = "include_source_host",
		.type = CONF_BOOL,
		AT(include_source_host),
		.value = "false",
		.support = CONF_DEPRECATED,
		.instead = "use \"source_hostname_key\" or \"source_address_key\" instead"},
	{.name = "source_host_key",
		.type = CONF_STRING,
		AT(source_host_key),
		.value = "source_host",
		.help = "The field of include_source_host."},
	{.name = "emit_unmatched_lines",
		.type = CONF_BOOL,
		AT(emit_unmatched_lines),
		.value = "false",
		.help = "A message that cannot be read becomes an event `{\"unmatched_line\": ...}` with the tag "
			"TAG.unmatched; otherwise it is a dead letter."},
	LISTEN_KEEPALIVE(struct in_syslog_conf),
	LISTEN_MAX_CONNECTIONS(struct in_syslog_conf),
	LISTEN_BACKLOG(struct in_syslog_conf),
	LISTEN_BLOCKING_TIMEOUT,
	PARSER_FLAT_PARAMS_BUT_DELIMITER,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &parser_section_schema, AT(parse), .type = "syslog"},
	{.schema = &client_list_schema, AT(security)},
	{.schema = &transport_conf_schema, AT(transport)},
	{.schema = NULL},
};

static int protocol_of(const struct in_syslog_conf *c)
{
	const struct transport_conf *t = transport_of(&c->transport);
	if (c->protocol_type != CONF_NIL_ENUM)
		return c->protocol_type;
	return transport_is_tls(t)			? PROTOCOL_TLS
	       : t && strcmp(t->common.arg, "tcp") == 0 ? PROTOCOL_TCP
							: PROTOCOL_UDP;
}

static const struct conf_schema schema;

static void check(void *conf, struct conf_report *r)
{
	const struct in_syslog_conf *c = conf;
	if (c->tag && !*c->tag)
		conf_report_add(r, CONF_ERROR, conf_where(c, "tag"), "'tag' parameter must not be empty");
	if (!c->delimiter.n)
		conf_report_add(r, CONF_ERROR, conf_where(c, "delimiter"), "'delimiter' must not be empty");
	if (c->include_source_host && c->source_address_key)
		conf_report_add(r, CONF_ERROR, conf_where(c, "include_source_host"),
			"specify either source_address_key or include_source_host");
	if (c->source_hostname_key && conf_is_given(&schema, c, "resolve_hostname") && !c->resolve_hostname)
		conf_report_add(r, CONF_ERROR, conf_where(c, "resolve_hostname"),
			"resolve_hostname must be true with source_hostname_key");
	if (c->send_keepalive_packet && protocol_of(c) == PROTOCOL_UDP)
		conf_report_add(r, CONF_ERROR, conf_where(c, "send_keepalive_packet"),
			"send_keepalive_packet is available for tcp/tls");
	if (c->security.n && protocol_of(c) == PROTOCOL_UDP)
		conf_report_add(r, CONF_ERROR, ((const struct conf_common *)c->security.v[0])->pos,
			"<security> is available for tcp/tls: over UDP anybody can write any address");
}

static const struct conf_schema schema = {
	.name = "source",
	.title = "syslog input",
	.size = sizeof(struct in_syslog_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Takes syslog messages over UDP, TCP or TLS (`<transport udp|tcp|tls>`, UDP without the section). "
		"`<parse>` is "
		"`@type syslog` with `with_priority true` by default.",
};

struct in_syslog {
	struct text_source source;
	const struct in_syslog_conf *conf;
	bool parser_takes_priority;	  /* the parser reads <PRI>; otherwise it is taken off before */
	struct text_sessions sessions;	  /* TCP, TLS */
	struct text_datagrams *datagrams; /* UDP; one of the two */
	/* The section that the parser is made from: the file's, with this input's default. */
	struct conf_section section, parse;
	struct conf_pair with_priority;
};

/* ---- messages ---------------------------------------------------------------------------------------------------------------- */

static const char *facility_name(uint64_t pri)
{
	static const char *const names[] = {"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp",
		"cron", "authpriv", "ftp", "ntp", "audit", "alert", "at", "local0", "local1", "local2", "local3",
		"local4", "local5", "local6", "local7"};
	uint64_t i = pri >> 3;
	return i < sizeof names / sizeof *names ? names[i] : NULL;
}

static const char *severity_name(uint64_t pri)
{
	static const char *const names[] = {"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"};
	return names[pri & 7];
}

struct message {
	struct text_turn *turn;
	struct span whole;
	bool has_pri;
	uint64_t pri;
};

static void add_peer(const struct in_syslog *s, struct text_turn *turn)
{
	added_put(&turn->room->added, s->source.address_key, turn->ip);
	added_put(&turn->room->added, s->source.hostname_key, turn->name);
}

static void unmatched(struct in_syslog *s, struct message *m, const char *why)
{
	struct text_turn *turn = m->turn;
	struct buf *tag = &turn->room->tag, *record = &turn->room->extract;
	buf_clear(tag);
	buf_printf(tag, "%s.unmatched", s->source.tag);
	buf_clear(record);
	if (!s->conf->emit_unmatched_lines || !mp_put_map_head(record, 1) ||
		!mp_put_str(record, SPAN_LIT("unmatched_line")) || !mp_put_str(record, m->whole)) {
		text_unmatched(turn, span_str(s->source.tag), m->whole, why);
		return;
	}
	added_clear(&turn->room->added);
	add_peer(s, turn);
	text_emit(turn, buf_span(tag), turn->now, buf_span(record), &turn->room->added, (struct span){0});
}

/* The field `pri` that the parser has read. */
static bool read_pri(struct span record, uint64_t *pri)
{
	struct span v = mp_map_get(record, SPAN_LIT("pri"));
	const uint8_t *p = v.p;
	struct mp_token t;
	if (!v.n || mp_read(&p, v.p + v.n, &t) != MP_OK || t.type != MP_UINT)
		return false;
	*pri = t.u;
	return true;
}

static void take_record(void *arg, const struct parsed *p)
{
	struct message *m = arg;
	struct text_turn *turn = m->turn;
	struct in_syslog *s = (struct in_syslog *)turn->source;
	struct buf *tag = &turn->room->tag;
	struct span without = {0};
	uint64_t pri = m->pri;
	if (p->result != PARSE_OK) {
		unmatched(s, m, p->why);
		return;
	}
	if (!m->has_pri) {
		if (!read_pri(p->record, &pri)) {
			unmatched(s, m, "the message has no priority");
			return;
		}
		without = SPAN_LIT("pri");
	}
	const char *facility = facility_name(pri), *severity = severity_name(pri);
	added_clear(&turn->room->added);
	added_put(&turn->room->added, s->conf->severity_key, severity);
	added_put(&turn->room->added, s->conf->facility_key, facility);
	add_peer(s, turn);
	buf_clear(tag);
	buf_printf(tag, "%s.%s.%s", s->source.tag, facility ? facility : "", severity);
	text_emit(turn, buf_span(tag), p->has_time ? p->time : turn->now, p->record, &turn->room->added, without);
}

/* <PRI> and the rest of the line. */
static bool cut_pri(struct message *m, struct span *text)
{
	const uint8_t *p = m->whole.p, *end = p + m->whole.n;
	if (p == end || *p++ != '<')
		return false;
	const uint8_t *digits = p;
	for (m->pri = 0; p < end && *p >= '0' && *p <= '9' && p - digits < 9; p++)
		m->pri = m->pri * 10 + (uint64_t)(*p - '0');
	if (p == digits || p == end || *p != '>')
		return false;
	p++;
	const uint8_t *feed = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	*text = span_of(p, (size_t)((feed ? feed : end) - p));
	m->has_pri = true;
	return true;
}

static void take(struct text_source *t, struct text_turn *turn, struct span text)
{
	struct in_syslog *s = (struct in_syslog *)t;
	struct message m = {.turn = turn, .whole = text};
	if (!text.n)
		return;
	if (!s->parser_takes_priority && !cut_pri(&m, &text)) {
		unmatched(s, &m, "invalid syslog message: it does not begin with its priority");
		return;
	}
	parser_parse_bytes(t->parser, text, turn->now, &turn->room->parse, take_record, &m);
}

/* ---- making -------------------------------------------------------------------------------------------------------------------- */

static struct conf_section *find_parse(const struct conf_section *s)
{
	for (struct conf_section *i = s->sections; i; i = i->next)
		if (strcmp(i->name, "parse") == 0)
			return i;
	return NULL;
}

static bool is_syslog(const struct conf_section *s, bool own)
{
	const struct conf_pair *type = own ? conf_section_get(s, "@type") : conf_section_get(s, "format");
	if (!type && own)
		type = conf_section_get(s, "type");
	return !type || strcmp(type->value, "syslog") == 0;
}

static bool is_false(const char *value)
{
	return strcmp(value, "false") == 0 || strcmp(value, "no") == 0;
}

/* with_priority is true here unless the file says otherwise: a copy of the section that says so first, for of repeated names the last one counts. */
static const struct conf_section *section_with_priority(struct in_syslog *s, const struct conf_section *file)
{
	const struct conf_section *inner = find_parse(file);
	const struct conf_section *says = inner ? inner : file;
	if (!is_syslog(says, inner != NULL))
		return file;
	const struct conf_pair *given = conf_section_get(says, "with_priority");
	s->parser_takes_priority = !given || !is_false(given->value);
	s->with_priority = (struct conf_pair){
		.name = "with_priority",
		.value = "true",
		.value_len = 4,
		.made_up = true,
		.name_pos = says->pos,
		.value_pos = says->pos,
		.next = says->pairs,
	};
	s->parse = *says;
	s->parse.pairs = &s->with_priority;
	if (!inner)
		return &s->parse;
	s->section = *file;
	s->section.sections = &s->parse;
	s->parse.next = NULL;
	return &s->section;
}

static void destroy(void *self)
{
	struct in_syslog *s = self;
	if (!s)
		return;
	stream_server_free(s->sessions.server);
	text_datagrams_free(s->datagrams);
	text_source_free(&s->source);
	mem_free(s);
}

static int receive_buffer(const struct transport_conf *t)
{
	return t && t->receive_buffer_size != CONF_NIL_INT ? (int)t->receive_buffer_size : 0;
}

static void make_datagrams(struct in_syslog *s, struct builder *b)
{
	struct text_datagrams_conf conf = {
		.bind = s->conf->bind,
		.port = (uint16_t)s->conf->port,
		.receive_buffer = receive_buffer(transport_of(&s->conf->transport)),
		.remove_newline = true,
		.metrics = builder_metrics(b),
	};
	s->source.max_text = (size_t)s->conf->message_length_limit;
	s->datagrams = text_datagrams_new(&conf, &s->source);
}

static void make_stream(struct in_syslog *s, struct builder *b)
{
	const struct in_syslog_conf *c = s->conf;
	struct stream_hooks hooks = text_session_hooks;
	struct stream_conf conf = {
		.id = s->source.source->id,
		.names = &stream_names_source,
		.bind = c->bind,
		.port = (uint16_t)c->port,
		.backlog = c->backlog == CONF_NIL_INT ? 0 : (int)c->backlog,
		.max_connections = (unsigned)c->max_connections,
		.transport = transport_of(&c->transport),
		.security = c->security.n ? c->security.v[0] : NULL,
		.limits = {.out_max = 4096, .linger_ns = LINGER_NS, .keepalive = c->send_keepalive_packet},
	};
	hooks.arg = &s->sessions;
	s->source.max_text = TEXT_MAX;
	s->sessions.source = &s->source;
	s->sessions.octet_count = c->frame_type == FRAME_OCTET_COUNT;
	s->sessions.delimiter = span_of(c->delimiter.p, c->delimiter.n);
	s->sessions.server = stream_server_new(&conf, &hooks, builder_metrics(b), builder_report(b));
}

static void *create(struct source *source, struct builder *b)
{
	struct in_syslog_conf *c = source->conf;
	size_t errors = builder_report(b)->errors;
	struct in_syslog *s = mem_zalloc(sizeof *s);
	s->conf = c;
	source->section = section_with_priority(s, c->common.section);
	text_source_init(&s->source, source, source->section, b, "syslog");
	s->source.tag = c->tag;
	s->source.address_key = c->include_source_host ? c->source_host_key : c->source_address_key;
	s->source.hostname_key = c->source_hostname_key;
	s->source.resolve = c->resolve_hostname || c->source_hostname_key;
	s->source.take = take;
	if (protocol_of(c) == PROTOCOL_UDP)
		make_datagrams(s, b);
	else
		make_stream(s, b);
	if (builder_report(b)->errors == errors)
		return s;
	destroy(s);
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

static bool start(struct source *source, struct server *server, struct err *err)
{
	struct in_syslog *s = source->self;
	return s->datagrams ? text_datagrams_start(s->datagrams, server, err)
			    : stream_server_start(s->sessions.server, server, err);
}

static void stop(struct source *source)
{
	struct in_syslog *s = source->self;
	if (s->datagrams)
		text_datagrams_stop(s->datagrams);
	else
		stream_server_stop(s->sessions.server);
}

static unsigned busy(const struct source *source)
{
	const struct in_syslog *s = source->self;
	return s->datagrams ? text_datagrams_busy(s->datagrams) : stream_server_busy(s->sessions.server);
}

static void end(struct source *source)
{
	struct in_syslog *s = source->self;
	if (s->datagrams)
		text_datagrams_end(s->datagrams);
	else
		stream_server_end(s->sessions.server);
}

static bool renew(struct source *source, struct err *err)
{
	struct in_syslog *s = source->self;
	return s->datagrams || stream_server_renew(s->sessions.server, err);
}

static void describe(const struct source *source, struct buf *out)
{
	static const char *const names[] = {"udp", "tcp", "tls"};
	const struct in_syslog *s = source->self;
	unsigned port = s->datagrams ? text_datagrams_port(s->datagrams) : stream_server_port(s->sessions.server);
	buf_printf(out, "%s:%u %s", s->conf->bind, port, names[protocol_of(s->conf)]);
}

static bool is_open(const struct source *s)
{
	const struct in_syslog_conf *c = s->conf;
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

const struct plugin in_syslog = {
	.kind = PLUGIN_INPUT,
	.name = "syslog",
	.help = "Syslog messages over UDP, TCP or TLS.",
	.schema = &schema,
	.input = &ops,
};
