/*
 * aws_credentials.h: the keys that requests are signed with for AWS: given, or from a role, a container, a file or the instance. They are asked for when they are
 * needed, kept until shortly before they end, and asked for anew then. Any thread.
 */
#ifndef WEIR_AWS_CREDENTIALS_H
#define WEIR_AWS_CREDENTIALS_H

#include "http/sigv4.h"

/* Strings may be NULL or "" for none; they must live as long as the credentials. */
struct aws_options {
	const char *access_key, *secret_key;
	const char *role_arn, *session_name, *token_file; /* a role; with the token file by a web identity */
	const char *container_uri;			  /* behind http://169.254.170.2 */
	const char *sts_region;
	int64_t refresh_ns; /* ask anew after this time at the latest; INT64_MAX = when they end */
	const char *proxy;  /* to the token service */
	const char *plugin; /* for the log */
};

struct aws_credentials;
struct aws_credentials *aws_credentials_new(const struct aws_options *o);
void aws_credentials_free(struct aws_credentials *c); /* NULL is allowed */

/* As sigv4_signer has it; `credentials` is a struct aws_credentials. */
bool aws_credentials_get(void *credentials, struct sigv4_keys *out, struct err *err);

#endif
