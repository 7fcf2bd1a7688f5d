#include "http_conf.h"

#include "client_list.h"
#include "listen_params.h"
#include "parse/parser.h"
#include "parse/time_reader.h"

#include <stddef.h>
#include <string.h>

#define AT(field)	.offset = offsetof(struct http_conf, field)
#define PARSE_AT(field) .offset = offsetof(struct http_parse_conf, field)

/* ---- <parse> -------------------------------------------------------------------------------------------------------------- */

static const struct conf_choice time_types[] = {{"float", TIME_TYPE_FLOAT}, {"unixtime", TIME_TYPE_UNIXTIME},
	{"string", TIME_TYPE_STRING}, {"mixed", TIME_TYPE_MIXED}, {NULL, 0}};

static const struct conf_param parse_params[] = {
	{.name = "time_key",
		.type = CONF_STRING,
		PARSE_AT(time_key),
		.value = "time",
		.help = "The field with the event's time."},
	{.name = "time_type",
		.type = CONF_ENUM,
		PARSE_AT(time_type),
		.choices = time_types,
		.help = "What the time is: float or unixtime (seconds since 1970), string. Default: seconds, or string "
			"with "
			"`time_format`."},
	{.name = "time_format",
		.type = CONF_STRING,
		PARSE_AT(time_format),
		.help = "The form of a time that is a string (strptime)."},
	{.name = "timezone",
		.type = CONF_STRING,
		PARSE_AT(timezone),
		.help = "The zone of times without one: +09:00, Asia/Tokyo."},
	{.name = "localtime",
		.type = CONF_BOOL,
		PARSE_AT(localtime),
		.value = "true",
		.help = "Times without a zone are the machine's."},
	{.name = "utc", .type = CONF_BOOL, PARSE_AT(utc), .value = "false", .help = "Times without a zone are UTC."},
	{.name = "keep_time_key",
		.type = CONF_BOOL,
		PARSE_AT(keep_time_key),
		.value = "false",
		.help = "The field stays in the record."},
	{.name = "estimate_current_event",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "an event without a time always gets the present one"},
	{.name = "types",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "fluentd's in_http ignores it as well: JSON and msgpack have types"},
	{.name = NULL},
};

const struct conf_schema http_parse_conf_schema = {
	.name = "parse",
	.title = "in_http parser",
	.size = sizeof(struct http_parse_conf),
	.params = parse_params,
	.help = "How the time of a JSON or msgpack record is read.",
};

/* ---- <source> --------------------------------------------------------------------------------------------------------------- */

static const struct conf_param params[] = {
	LISTEN_PORT(struct http_conf, "9880", "The TCP port."),
	LISTEN_BIND(struct http_conf),
	{.name = "body_size_limit",
		.type = CONF_SIZE,
		AT(body_size_limit),
		.value = "32m",
		.min = 1,
		.max = (int64_t)1 << 30,
		.help = "Bytes of a request's body; a larger one gets a 413."},
	{.name = "decompression_size_limit",
		.type = CONF_SIZE,
		AT(decompression_size_limit),
		.value = "256m",
		.min = 1,
		.max = (int64_t)1 << 30,
		.help = "Bytes of a compressed body when it is unpacked; a larger one gets a 413."},
	{.name = "keepalive_timeout",
		.type = CONF_TIME,
		AT(keepalive_timeout_ns),
		.value = "10s",
		.positive = true,
		.help = "A connection on which nothing comes for so long is closed."},
	LISTEN_BACKLOG(struct http_conf),
	LISTEN_MAX_CONNECTIONS(struct http_conf),
	LISTEN_MAX_AGE(struct http_conf,
		"the next answer says `Connection: close`, so that clients spread over several weirs anew. Default: "
		"never."),
	{.name = "add_http_headers",
		.type = CONF_BOOL,
		AT(add_http_headers),
		.value = "false",
		.help = "The request's headers become fields: HTTP_USER_AGENT."},
	{.name = "add_remote_addr",
		.type = CONF_BOOL,
		AT(add_remote_addr),
		.value = "false",
		.help = "The client's address (the first of X-Forwarded-For, if there is one) becomes the field "
			"REMOTE_ADDR."},
	{.name = "add_query_params",
		.type = CONF_BOOL,
		AT(add_query_params),
		.value = "false",
		.help = "The parameters of the request's query become fields: QUERY_NAME."},
	{.name = "cors_allow_origins",
		.type = CONF_ARRAY,
		AT(cors_allow_origins),
		.help = "Origins whose pages may post from a browser; may hold a *. Others get a 403."},
	{.name = "cors_allow_credentials",
		.type = CONF_BOOL,
		AT(cors_allow_credentials),
		.value = "false",
		.help = "Those pages may send credentials."},
	{.name = "respond_with_empty_img",
		.type = CONF_BOOL,
		AT(respond_with_empty_img),
		.value = "false",
		.help = "The answer is a GIF of one pixel."},
	{.name = "use_204_response",
		.type = CONF_BOOL,
		AT(use_204_response),
		.value = "false",
		.help = "The answer is a 204 instead of a 200 without a body."},
	{.name = "dump_error_log",
		.type = CONF_BOOL,
		AT(dump_error_log),
		.value = "true",
		.help = "Requests that are refused are told in the log."},
	{.name = "add_tag_prefix",
		.type = CONF_STRING,
		AT(add_tag_prefix),
		.help = "Goes before each tag, with a dot."},
	LISTEN_BLOCKING_TIMEOUT,
	PARSER_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &parser_section_schema, AT(parse)},
	{.schema = &client_list_schema, AT(security)},
	{.schema = &transport_conf_schema, AT(transport)},
	{.schema = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct http_conf *c = conf;
	bool any = false;
	for (size_t i = 0; i < c->cors_allow_origins.n; i++)
		any |= strcmp(c->cors_allow_origins.v[i], "*") == 0;
	if (c->cors_allow_credentials && (!c->cors_allow_origins.v || any))
		conf_report_add(r, CONF_ERROR, conf_where(c, "cors_allow_credentials"),
			"Cannot enable cors_allow_credentials without specific origins");
	if (c->add_tag_prefix && !*c->add_tag_prefix)
		conf_report_add(
			r, CONF_ERROR, conf_where(c, "add_tag_prefix"), "'add_tag_prefix' parameter must not be empty");
	transport_check_stream(&c->transport, r);
}

const struct conf_schema http_conf_schema = {
	.name = "source",
	.title = "http input",
	.size = sizeof(struct http_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Takes events from HTTP requests: `POST /app.log` with JSON, NDJSON, msgpack or a form (`json=`); the "
		"path is the "
		"tag. A 200 is sent when the events are on disk, a 400 for a body that cannot be read, a 503 when a "
		"buffer is "
		"full: the client sends it again. A GET or HEAD without an event is answered with 200 at once, for "
		"health "
		"probes.",
};
