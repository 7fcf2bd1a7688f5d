/* forward_conf.h: the parameters of <source> @type forward and @type unix. */
#ifndef WEIR_FORWARD_CONF_H
#define WEIR_FORWARD_CONF_H

#include "listen_params.h"
#include "transport_conf.h"

struct forward_user_conf {
	struct conf_common common;
	char *username, *password, *allowed_tags;
};

struct forward_client_conf {
	struct conf_common common;
	char *host, *network, *certificate_name, *shared_key, *allowed_tags;
	struct conf_array users;
	struct listen_limits_conf limits;
};

struct forward_security_conf {
	struct conf_common common;
	char *self_hostname, *shared_key, *allowed_tags;
	bool user_auth, allow_anonymous_source;
	struct listen_limits_conf limits;
	struct conf_list users, clients;
};

struct forward_conf {
	struct conf_common common;
	char *bind;
	int64_t port, backlog, linger_timeout;
	int64_t chunk_size_limit, chunk_size_warn_limit, decompression_size_limit, decompression_ratio_limit;
	int64_t depth_limit, object_limit;
	bool skip_invalid_event;
	char *source_address_key, *source_hostname_key;
	bool resolve_hostname;
	char *tag, *add_tag_prefix;
	bool deny_keepalive, send_keepalive_packet;
	int64_t max_connections, max_age_ns, message_timeout_ns, handshake_timeout_ns;
	struct conf_list transport, security;
	/* @type unix */
	char *path;
};

extern const struct conf_schema forward_conf_schema, unix_conf_schema;

#endif
