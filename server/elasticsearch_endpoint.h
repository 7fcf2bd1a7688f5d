/* elasticsearch_endpoint.h: <endpoint> of the Elasticsearch and OpenSearch outputs: a domain of AWS, whose requests are signed. */
#ifndef WEIR_ELASTICSEARCH_ENDPOINT_H
#define WEIR_ELASTICSEARCH_ENDPOINT_H

#include "aws_credentials.h"
#include "conf/conf_schema.h"

struct endpoint_conf {
	struct conf_common common;
	char *url, *region, *access_key, *secret_key, *role_arn, *session_name, *token_file, *container_uri,
		*sts_region;
	int64_t refresh_ns;
	int service;
};

extern const struct conf_schema endpoint_conf_schema;

/* Both refer to the configuration, and the signer to the credentials, which are for the caller to free. */
struct aws_credentials *endpoint_credentials(const struct endpoint_conf *c, const char *proxy, const char *plugin);
struct sigv4_signer endpoint_signer(const struct endpoint_conf *c, struct aws_credentials *credentials);

#endif
