/*
 * listen_params.h: rows for the tables of sources that listen: what is the same in all of them. CONF is the source's struct; its fields are called as the parameters.
 */
#ifndef WEIR_LISTEN_PARAMS_H
#define WEIR_LISTEN_PARAMS_H

#include "conf/conf_schema.h"

#include <stddef.h>

#define LISTEN_BIND(CONF)                                                                                \
	{                                                                                                \
		.name = "bind", .type = CONF_STRING, .offset = offsetof(CONF, bind), .value = "0.0.0.0", \
		.help = "The address to listen on; `::` for IPv6 and IPv4."                              \
	}

#define LISTEN_PORT(CONF, PORT, HELP)                                                                        \
	{                                                                                                    \
		.name = "port", .type = CONF_INT, .offset = offsetof(CONF, port), .value = (PORT), .min = 0, \
		.max = 65535, .help = (HELP)                                                                 \
	}

#define LISTEN_BACKLOG(CONF)                                                                              \
	{                                                                                                 \
		.name = "backlog", .type = CONF_INT, .offset = offsetof(CONF, backlog), .positive = true, \
		.help = "Connections that may wait to be accepted. Default: 1024."                        \
	}

#define LISTEN_MAX_CONNECTIONS(CONF)                                                                    \
	{                                                                                               \
		.name = "max_connections", .type = CONF_INT, .offset = offsetof(CONF, max_connections), \
		.value = "16384", .min = 1, .max = 1000000,                                             \
		.help = "Connections at one time; further ones are closed at once."                     \
	}

#define LISTEN_MAX_AGE(CONF, HELP)                                                                     \
	{                                                                                              \
		.name = "max_connection_age", .type = CONF_TIME, .offset = offsetof(CONF, max_age_ns), \
		.positive = true, .help = "After so long, a quarter more or less at random, " HELP     \
	}

/* Rows for <security> and its <client>s: what one address may do. CONF has them in a struct listen_limits_conf called `limits`. */
struct listen_limits_conf {
	int64_t connections, events_per_s, bytes_per_s;
};

#define LISTEN_LIMITS(CONF, DEFAULT)                                                                               \
	{.name = "max_connections_per_client",                                                                     \
		.type = CONF_INT,                                                                                  \
		.offset = offsetof(CONF, limits.connections),                                                      \
		.min = 1,                                                                                          \
		.max = 1000000,                                                                                    \
		.help = "Connections of one address at one time; further ones are closed at once. " DEFAULT},      \
		{.name = "max_events_per_second",                                                                  \
			.type = CONF_INT,                                                                          \
			.offset = offsetof(CONF, limits.events_per_s),                                             \
			.min = 1,                                                                                  \
			.max = 1000000000000,                                                                      \
			.help = "Events a second of one address. Of one that sends more, weir reads more slowly: " \
				"nothing is lost. " DEFAULT},                                                      \
	{                                                                                                          \
		.name = "max_bytes_per_second", .type = CONF_SIZE, .offset = offsetof(CONF, limits.bytes_per_s),   \
		.min = 1, .max = (int64_t)1 << 50,                                                                 \
		.help = "Bytes a second of one address, as they come over the net; likewise. " DEFAULT             \
	}

#define LISTEN_KEEPALIVE(CONF)                                                                                       \
	{                                                                                                            \
		.name = "send_keepalive_packet", .type = CONF_BOOL, .offset = offsetof(CONF, send_keepalive_packet), \
		.value = "false", .help = "TCP keepalive: the system finds out that a silent peer is gone."          \
	}

#define LISTEN_HOSTNAME_KEY(CONF)                                                                                  \
	{                                                                                                          \
		.name = "source_hostname_key", .type = CONF_STRING, .offset = offsetof(CONF, source_hostname_key), \
		.help = "The field that gets the sender's name (reverse DNS)."                                     \
	}

/* Its name of before. */
#define LISTEN_HOST_KEY(CONF)                                                                                  \
	{                                                                                                      \
		.name = "source_host_key", .type = CONF_STRING, .offset = offsetof(CONF, source_hostname_key), \
		.support = CONF_DEPRECATED, .instead = "use source_hostname_key instead"                       \
	}

#define LISTEN_ADDRESS_KEY(CONF)                                                                                 \
	{                                                                                                        \
		.name = "source_address_key", .type = CONF_STRING, .offset = offsetof(CONF, source_address_key), \
		.help = "The field that gets the sender's address."                                              \
	}

#define LISTEN_BLOCKING_TIMEOUT                                                             \
	{                                                                                   \
		.name = "blocking_timeout", .type = CONF_IGNORED, .support = CONF_NOT_USED, \
		.instead = "nothing blocks here"                                            \
	}

#endif
