#include "elasticsearch_endpoint.h"

#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(struct endpoint_conf, field)
#define TEXT(n, f, h)                                                      \
	{                                                                  \
		.name = n, .type = CONF_STRING, .offset = AT(f), .help = h \
	}

enum { SERVICE_ES, SERVICE_AOSS };

static const struct conf_choice services[] = {{"es", SERVICE_ES}, {"aoss", SERVICE_AOSS}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "url",
		.type = CONF_STRING,
		.offset = AT(url),
		.required = true,
		.help = "The domain's or the collection's URL."},
	{.name = "region", .type = CONF_STRING, .offset = AT(region), .required = true, .help = "Its region."},
	{.name = "access_key_id",
		.type = CONF_STRING,
		.offset = AT(access_key),
		.value = "",
		.help = "A key, with its secret. Default: from a role if one is given, else from the environment "
			"(AWS_ACCESS_KEY_ID, or a web identity as on EKS), the container (ECS, EKS), the shared "
			"credentials file or the instance (EC2)."},
	{.name = "secret_access_key",
		.type = CONF_STRING,
		.offset = AT(secret_key),
		.value = "",
		.secret = true,
		.help = "The key's secret."},
	TEXT("assume_role_arn", role_arn, "The role whose temporary credentials are used."),
	{.name = "assume_role_session_name",
		.type = CONF_STRING,
		.offset = AT(session_name),
		.value = "fluentd",
		.help = "What the session is called in AWS's logs."},
	TEXT("assume_role_web_identity_token_file", token_file,
		"The file of the token that gives the role; it is read anew each time."),
	TEXT("ecs_container_credentials_relative_uri", container_uri,
		"Where the container's credentials are. Default: $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI."),
	TEXT("sts_credentials_region", sts_region, "The region of the token service. Default: `region`."),
	{.name = "refresh_credentials_interval",
		.type = CONF_TIME,
		.offset = AT(refresh_ns),
		.value = "5h",
		.positive = true,
		.help = "When credentials are asked for anew at the latest; those that end sooner, sooner."},
	{.name = "aws_service_name",
		.type = CONF_ENUM,
		.offset = AT(service),
		.value = "es",
		.choices = services,
		.help = "es, or aoss (serverless; its time series collections take no ids: `document_id auto`)."},
	{.name = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct endpoint_conf *c = conf;
	if (c->url && strncmp(c->url, "http://", 7) != 0 && strncmp(c->url, "https://", 8) != 0)
		conf_report_add(r, CONF_ERROR, conf_where(c, "url"), "url is no http:// or https:// URL");
	if (!*c->access_key != !*c->secret_key)
		conf_report_add(r, CONF_WARNING, conf_where(c, *c->access_key ? "access_key_id" : "secret_access_key"),
			"access_key_id and secret_access_key belong together: this one is not used");
	conf_check_file(c, "assume_role_web_identity_token_file", c->token_file, CONF_WARNING, r);
	if (c->token_file && *c->token_file && !c->role_arn)
		conf_report_add(r, CONF_ERROR, conf_where(c, "assume_role_web_identity_token_file"),
			"assume_role_web_identity_token_file needs assume_role_arn");
}

const struct conf_schema endpoint_conf_schema = {
	.name = "endpoint",
	.title = "AWS endpoint of the Elasticsearch outputs",
	.size = sizeof(struct endpoint_conf),
	.params = params,
	.check = check,
	.help = "Amazon OpenSearch Service: the server instead of host, port and user; each request is signed "
		"(Signature Version 4).",
};

struct aws_credentials *endpoint_credentials(const struct endpoint_conf *c, const char *proxy, const char *plugin)
{
	return aws_credentials_new(&(struct aws_options){.access_key = c->access_key,
		.secret_key = c->secret_key,
		.role_arn = c->role_arn,
		.session_name = c->session_name,
		.token_file = c->token_file,
		.container_uri = c->container_uri,
		.sts_region = c->sts_region && *c->sts_region ? c->sts_region : c->region,
		.refresh_ns = c->refresh_ns == CONF_NIL_INT ? INT64_MAX : c->refresh_ns,
		.proxy = proxy,
		.plugin = plugin});
}

struct sigv4_signer endpoint_signer(const struct endpoint_conf *c, struct aws_credentials *credentials)
{
	return (struct sigv4_signer){.region = c->region,
		.service = c->service == SERVICE_AOSS ? "aoss" : "es",
		.keys = aws_credentials_get,
		.arg = credentials};
}
