/* aws_fetch.h: where AWS credentials come from. For aws_credentials.c, which keeps them. Waits for servers, some seconds each. Any thread. */
#ifndef WEIR_AWS_FETCH_H
#define WEIR_AWS_FETCH_H

#include "aws_credentials.h"

struct aws_found {
	struct sigv4_keys keys;
	int64_t end_ns;	  /* since 1970; INT64_MAX = none */
	const char *from; /* for the log */
};

/* What the options say; else environment, web identity, container, file, instance, as AWS's own libraries have it. */
bool aws_fetch(const struct aws_options *o, struct aws_found *out, struct err *err);

/* Where a container's credentials are asked for; NULL if it has none. For the caller to mem_free. */
char *aws_container_url(const char *relative_uri);

/* Reads what a container or an instance answers (JSON), and what the token service does (XML). */
bool aws_read_json(struct span text, struct aws_found *out, struct err *err);
bool aws_read_xml(struct span text, struct aws_found *out, struct err *err);
/* Of a file with sections of profiles. */
bool aws_read_profile(struct span text, const char *profile, struct aws_found *out, struct err *err);

#endif
