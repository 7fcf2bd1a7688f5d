/* http_conf.h: the parameters of <source> @type http. */
#ifndef WEIR_HTTP_CONF_H
#define WEIR_HTTP_CONF_H

#include "transport_conf.h"

struct http_conf {
	struct conf_common common;
	char *bind, *add_tag_prefix;
	int64_t port, body_size_limit, decompression_size_limit, keepalive_timeout_ns, max_age_ns, backlog,
		max_connections;
	bool add_http_headers, add_remote_addr, add_query_params, respond_with_empty_img, use_204_response;
	bool dump_error_log, cors_allow_credentials;
	struct conf_array cors_allow_origins;
	struct conf_list parse, security, transport;
};

/* <parse> without @type, or with @type in_http: how the time of a record is read. */
struct http_parse_conf {
	struct conf_common common;
	char *time_key, *time_format, *timezone;
	int time_type;
	bool localtime, utc, keep_time_key;
};

extern const struct conf_schema http_conf_schema, http_parse_conf_schema;

#endif
