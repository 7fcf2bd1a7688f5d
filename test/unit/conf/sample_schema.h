/* sample_schema.h: a table with everything that a table can have; for the tests of conf_schema and for the fuzzer. */
#ifndef WEIR_TEST_CONF_SAMPLE_SCHEMA_H
#define WEIR_TEST_CONF_SAMPLE_SCHEMA_H

#include "conf/conf_schema.h"

struct sample_user {
	struct conf_common common;
	char *username, *password;
};

struct sample_security {
	struct conf_common common;
	char *shared_key;
	bool user_auth;
	struct conf_list users;
};

struct sample_labels {
	struct conf_common common;
};

enum sample_mode { SAMPLE_LAZY, SAMPLE_INTERVAL };

struct sample {
	struct conf_common common;
	char *bind, *hosts;
	int64_t port, backlog;
	double ratio;
	bool keepalive;
	int64_t limit, interval, timeout;
	int mode;
	struct conf_array keys;
	struct conf_hash headers;
	struct conf_regexp pattern;
	struct conf_list security, labels;
};

static const struct conf_param sample_user_params[] = {
	{.name = "username", .type = CONF_STRING, .offset = offsetof(struct sample_user, username), .required = true},
	{.name = "password",
		.type = CONF_STRING,
		.offset = offsetof(struct sample_user, password),
		.required = true,
		.secret = true},
	{.name = NULL},
};

static const struct conf_schema sample_user_schema = {
	.name = "user",
	.size = sizeof(struct sample_user),
	.params = sample_user_params,
};

static const struct conf_sub sample_security_subs[] = {
	{.schema = &sample_user_schema, .offset = offsetof(struct sample_security, users), .multi = true},
	{.schema = NULL},
};

static const struct conf_param sample_security_params[] = {
	{.name = "shared_key",
		.type = CONF_STRING,
		.offset = offsetof(struct sample_security, shared_key),
		.required = true,
		.secret = true,
		.help = "The key."},
	{.name = "user_auth",
		.type = CONF_BOOL,
		.offset = offsetof(struct sample_security, user_auth),
		.value = "false"},
	{.name = NULL},
};

static const struct conf_schema sample_security_schema = {
	.name = "security",
	.title = "handshake",
	.size = sizeof(struct sample_security),
	.params = sample_security_params,
	.subs = sample_security_subs,
};

static const struct conf_schema sample_labels_schema = {
	.name = "labels",
	.size = sizeof(struct sample_labels),
	.free_keys = true,
};

static const struct conf_choice sample_modes[] = {
	{"lazy", SAMPLE_LAZY},
	{"interval", SAMPLE_INTERVAL},
	{NULL, 0},
};

#define SAMPLE(field) .offset = offsetof(struct sample, field)

static const struct conf_param sample_params[] = {
	{.name = "bind", .type = CONF_STRING, SAMPLE(bind), .value = "0.0.0.0", .help = "The address."},
	{.name = "hosts", .type = CONF_STRING, SAMPLE(hosts), .help = "Where to | which."},
	{.name = "port", .type = CONF_INT, SAMPLE(port), .value = "24224", .max = 65535, .help = "The port."},
	{.name = "backlog", .type = CONF_INT, SAMPLE(backlog), .min = 1},
	{.name = "ratio", .type = CONF_FLOAT, SAMPLE(ratio), .value = "0.95", .positive = true},
	{.name = "keepalive", .type = CONF_BOOL, SAMPLE(keepalive), .value = "true"},
	{.name = "chunk_limit_size",
		.type = CONF_SIZE,
		SAMPLE(limit),
		.value = "8m",
		.old = "buffer_chunk_limit chunk_limit",
		.positive = true,
		.help = "The size."},
	{.name = "flush_interval", .type = CONF_TIME, SAMPLE(interval), .value = "60s", .max = INT64_C(3600000000000)},
	{.name = "timeout", .type = CONF_TIME, SAMPLE(timeout)},
	{.name = "flush_mode",
		.type = CONF_ENUM,
		SAMPLE(mode),
		.value = "interval",
		.choices = sample_modes,
		.help = "When."},
	{.name = "keys", .type = CONF_ARRAY, SAMPLE(keys), .value = "a,b"},
	{.name = "headers", .type = CONF_HASH, SAMPLE(headers), .secret = true},
	{.name = "pattern", .type = CONF_REGEXP, SAMPLE(pattern), .value = "/^a/i"},
	{.name = "blocking_timeout", .type = CONF_IGNORED, .support = CONF_NOT_USED, .instead = "nothing polls here"},
	{.name = "cert_verifier",
		.type = CONF_IGNORED,
		.value = "none",
		.support = CONF_NOT_POSSIBLE,
		.instead = "use client_cert_auth"},
	{.name = "index_prefix", .type = CONF_IGNORED, .support = CONF_REMOVED, .instead = "use hosts"},
	{.name = "wait",
		.type = CONF_TIME,
		SAMPLE(timeout),
		.support = CONF_DEPRECATED,
		.instead = "use timeout",
		.help = "Old."},
	{.name = NULL},
};

static const struct conf_sub sample_subs[] = {
	{.schema = &sample_security_schema, .offset = offsetof(struct sample, security)},
	{.schema = &sample_labels_schema, .offset = offsetof(struct sample, labels), .multi = true},
	{.schema = NULL},
};

static void sample_check(void *conf, struct conf_report *report)
{
	const struct sample *s = conf;
	if (s->port == 9)
		conf_report_add(report, CONF_ERROR, conf_where(conf, "port"), "not that port");
}

static const struct conf_schema sample_schema = {
	.name = "source",
	.title = "sample input",
	.size = sizeof(struct sample),
	.params = sample_params,
	.subs = sample_subs,
	.help = "Takes samples.",
	.check = sample_check,
};

#endif
