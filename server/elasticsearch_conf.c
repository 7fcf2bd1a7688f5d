#include "elasticsearch_conf.h"

#include "elasticsearch_endpoint.h"
#include "elasticsearch_rollover.h"
#include "pipeline.h"

#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(struct elasticsearch_conf, field)

static const struct conf_choice schemes[] = {{"http", 0}, {"https", 1}, {NULL, 0}};

static const struct conf_choice operations[] = {
	{"index", BULK_INDEX},
	{"create", BULK_CREATE},
	{"update", BULK_UPDATE},
	{"upsert", BULK_UPSERT},
	{NULL, 0},
};

static const struct conf_choice levels[] = {
	{"no_compression", 0},
	{"best_speed", 1},
	{"default_compression", 6},
	{"best_compression", 9},
	{NULL, 0},
};

static const struct conf_choice ids[] = {{"derived", ES_ID_DERIVED}, {"auto", ES_ID_AUTO}, {NULL, 0}};

#define NOTE(n, why)                                                                      \
	{                                                                                 \
		.name = n, .type = CONF_IGNORED, .support = CONF_NOT_USED, .instead = why \
	}
/* `v`: the value that asks for nothing; NULL = none does. */
#define NO(n, v, why)                                                                                     \
	{                                                                                                 \
		.name = n, .type = CONF_IGNORED, .value = v, .support = CONF_NOT_POSSIBLE, .instead = why \
	}
#define REMOVED(n, why)                                                                  \
	{                                                                                \
		.name = n, .type = CONF_IGNORED, .support = CONF_REMOVED, .instead = why \
	}
#define TEXT(n, f, h)                                                      \
	{                                                                  \
		.name = n, .type = CONF_STRING, .offset = AT(f), .help = h \
	}
#define FLAG(n, f, v, h)                                                             \
	{                                                                            \
		.name = n, .type = CONF_BOOL, .offset = AT(f), .value = v, .help = h \
	}

static const struct conf_param params[] = {
	/* where to */
	{.name = "host",
		.type = CONF_STRING,
		.offset = AT(host),
		.value = "localhost",
		.help = "The server, if there is one only."},
	{.name = "port",
		.type = CONF_INT,
		.offset = AT(port),
		.value = "9200",
		.min = 1,
		.max = 65535,
		.help = "The port of `host`, and of `hosts` without one."},
	TEXT("hosts", hosts,
		"Several servers, separated by commas: name, name:port or a URL "
		"(https://user:password@name:port/path). They are used in "
		"turn; one that does not answer is left out until it does."),
	{.name = "scheme",
		.type = CONF_ENUM,
		.offset = AT(scheme),
		.value = "http",
		.choices = schemes,
		.help = "For servers that no URL names."},
	TEXT("path", path, "What stands before /_bulk, for servers behind a proxy."),
	TEXT("user", user, "The user of basic authentication. `%{...}` around a value is allowed, as in fluentd."),
	{.name = "password", .type = CONF_STRING, .offset = AT(password), .secret = true, .help = "Its password."},
	{.name = "api_key",
		.type = CONF_STRING,
		.offset = AT(api_key),
		.secret = true,
		.help = "An API key: `id:key`, or the encoded form that Kibana shows."},
	TEXT("cloud_id", cloud_id, "An Elastic Cloud deployment's id."),
	{.name = "cloud_auth",
		.type = CONF_STRING,
		.offset = AT(cloud_auth),
		.secret = true,
		.help = "`user:password` for it."},
	{.name = "custom_headers",
		.type = CONF_HASH,
		.offset = AT(custom_headers),
		.secret = true,
		.help = "Further request headers."},
	FLAG("ssl_verify", ssl_verify, "true", "Verify the server's certificate and name."),
	TEXT("ssl_version", ssl_version, "One TLS version only: TLSv1_2 or TLSv1_3. Default: both."),
	TEXT("ssl_min_version", ssl_min_version, "The oldest TLS version."),
	TEXT("ssl_max_version", ssl_max_version, "The newest TLS version."),
	TEXT("ssl_ciphers", ssl_ciphers, "OpenSSL's cipher list for TLS 1.2."),
	TEXT("ca_file", ca_file,
		"The authorities (PEM) that the server's certificate must come from. Default: the system's."),
	TEXT("client_cert", client_cert, "A client certificate (PEM)."),
	TEXT("client_key", client_key, "Its private key (PEM)."),
	{.name = "client_key_pass",
		.type = CONF_STRING,
		.offset = AT(client_key_pass),
		.secret = true,
		.help = "The key's passphrase."},
	TEXT("proxy", proxy, "An HTTP proxy. The environment's is not used."),
	{.name = "request_timeout",
		.type = CONF_TIME,
		.offset = AT(request_timeout_ns),
		.value = "120s",
		.positive = true,
		.help = "How long a request may take. (fluentd gives up after 5 s and sends the same again, which a "
			"busy cluster likes least.)"},
	{.name = "connect_timeout",
		.type = CONF_TIME,
		.offset = AT(connect_timeout_ns),
		.value = "10s",
		.positive = true,
		.help = "How long connecting may take."},
	{.name = "resurrect_after",
		.type = CONF_TIME,
		.offset = AT(resurrect_after_ns),
		.value = "60s",
		.positive = true,
		.help = "The longest that a server that does not answer is left out."},
	{.name = "compression_level",
		.type = CONF_ENUM,
		.offset = AT(compression_level),
		.value = "no_compression",
		.choices = levels,
		.help = "gzip for request bodies."},
	{.name = "bulk_message_request_threshold",
		.type = CONF_SIZE,
		.offset = AT(request_bytes),
		.value = "5m",
		.help = "Bytes of a request body. A larger chunk becomes several requests; one event over it goes "
			"alone. (-1, fluentd's default of one "
			"request a chunk, is taken as 5m.)"},
	{.name = "bulk_events_limit",
		.type = CONF_INT,
		.offset = AT(request_events),
		.value = "20000",
		.min = 1,
		.max = 1000000,
		.help = "Events of a request."},
	{.name = "document_size_limit",
		.type = CONF_SIZE,
		.offset = AT(document_bytes),
		.value = "10m",
		.min = 1024,
		.max = 90 << 20,
		.help = "Bytes of one document. A larger one is a dead letter."},
	/* which index */
	FLAG("logstash_format", logstash_format, "false",
		"The index is logstash_prefix, logstash_prefix_separator and the event's date; @timestamp is added."),
	{.name = "logstash_prefix",
		.type = CONF_STRING,
		.offset = AT(logstash_prefix),
		.value = "logstash",
		.help = "May hold placeholders: ${tag}, ${tag[1]}, ${key}, ${$.a.b}."},
	{.name = "logstash_prefix_separator",
		.type = CONF_STRING,
		.offset = AT(logstash_prefix_separator),
		.value = "-",
		.help = "Between prefix and date."},
	{.name = "logstash_dateformat",
		.type = CONF_STRING,
		.offset = AT(logstash_dateformat),
		.value = "%Y.%m.%d",
		.help = "strftime format of the event's time."},
	FLAG("utc_index", utc_index, "true", "Dates in index names are UTC's; false: the process's time zone."),
	{.name = "index_name",
		.type = CONF_STRING,
		.offset = AT(index_name),
		.value = "fluentd",
		.help = "The index without logstash_format. May hold placeholders and strftime directives, which are "
			"resolved for each event: they need no "
			"chunk keys, and never split requests."},
	TEXT("target_index_key", target_index_key,
		"The record's field whose value is the index; it is taken from the record. Goes before all else."),
	{.name = "type_name",
		.type = CONF_STRING,
		.offset = AT(type_name),
		.value = "fluentd",
		.help = "The mapping type, for servers before 7 only: it is sent when the server asks for it."},
	FLAG("suppress_type_name", suppress_type_name, "false", "Never send a mapping type."),
	TEXT("pipeline", pipeline, "The ingest pipeline. May hold placeholders."),
	/* which document */
	{.name = "write_operation",
		.type = CONF_ENUM,
		.offset = AT(write_operation),
		.value = "index",
		.choices = operations,
		.help = "index and create: an event is a new document; with weir's own ids it is always sent as "
			"create, so that a repetition makes no second "
			"one. update and upsert need id_key."},
	{.name = "document_id",
		.type = CONF_ENUM,
		.offset = AT(document_id),
		.value = "derived",
		.choices = ids,
		.help = "derived: ids are made from what the event is, so that a repetition meets its first copy. "
			"auto: the server makes them, and repetitions "
			"make duplicates (for servers that allow no ids)."},
	TEXT("id_key", id_key, "The record's field that is the document's id. An event without it gets a derived one."),
	TEXT("routing_key", routing_key, "The record's field that is the routing value."),
	FLAG("emit_error_for_missing_id", emit_error_for_missing_id, "false",
		"With id_key: an event without it is a dead letter."),
	FLAG("include_timestamp", include_timestamp, "false", "Add @timestamp without logstash_format as well."),
	FLAG("include_tag_key", include_tag_key, "false", "Add the tag to the record."),
	{.name = "tag_key",
		.type = CONF_STRING,
		.offset = AT(tag_key),
		.value = "tag",
		.help = "The field for the tag."},
	TEXT("time_key", time_key,
		"The record's field that @timestamp and the index's date are taken from. An event without it has its "
		"own time."),
	TEXT("time_key_format", time_key_format,
		"strptime format of time_key. Default: ISO 8601 and seconds since 1970."),
	FLAG("time_key_exclude_timestamp", time_key_exclude_timestamp, "false",
		"time_key is for the index's date only; no @timestamp is added."),
	{.name = "time_precision",
		.type = CONF_INT,
		.offset = AT(time_precision),
		.value = "9",
		.min = 0,
		.max = 9,
		.help = "Digits of @timestamp's fraction."},
	{.name = "remove_keys",
		.type = CONF_ARRAY,
		.offset = AT(remove_keys),
		.help = "Top-level fields that are not sent."},
	FLAG("flatten_hashes", flatten_hashes, "false", "Nested maps become fields with joined names."),
	{.name = "flatten_hashes_separator",
		.type = CONF_STRING,
		.offset = AT(flatten_hashes_separator),
		.value = "_",
		.help = "Between joined names."},
	/* what has to be on the server */
	TEXT("template_name", template_name, "An index template that is put on the server before the first event."),
	TEXT("template_file", template_file, "Its JSON."),
	{.name = "templates",
		.type = CONF_HASH,
		.offset = AT(templates),
		.help = "Several of them: `{\"name\": \"file\"}`."},
	{.name = "customize_template",
		.type = CONF_HASH,
		.offset = AT(customize_template),
		.help = "Text of template_file and what it is replaced by: `{\"<<shards>>\": \"3\"}`."},
	FLAG("template_overwrite", template_overwrite, "false", "Put the template also where there is one."),
	FLAG("use_legacy_template", use_legacy_template, "true",
		"The template is one of _template; false: of _index_template."),
	FLAG("enable_ilm", enable_ilm, "false",
		"Put a lifecycle policy, attach it to the index template, and write through the index's name, an "
		"alias, to indices that roll over. Where only the events tell the name (placeholders, "
		"logstash_format), there is an alias and a template for each, made before its first event; they are "
		"not taken away again."),
	{.name = "ilm_policy_id",
		.type = CONF_STRING,
		.offset = AT(ilm_policy_id),
		.value = "logstash-policy",
		.help = "The policy's name."},
	TEXT("ilm_policy", ilm_policy, "Its JSON. Default: rollover at 50 GB or 30 days."),
	{.name = "ilm_policies",
		.type = CONF_HASH,
		.offset = AT(ilm_policies),
		.help = "Several policies that are put in place of ilm_policy: `{\"name\": {\"policy\": ...}}`."},
	FLAG("ilm_policy_overwrite", ilm_policy_overwrite, "false", "Put policies also where there are some."),
	FLAG("rollover_index", rollover_index, "false",
		"Make the first index and the alias that events are written through, without a policy."),
	TEXT("deflector_alias", deflector_alias, "The alias, with rollover_index. Default: index_name."),
	{.name = "application_name",
		.type = CONF_STRING,
		.offset = AT(application_name),
		.value = "default",
		.help = "A part of the names of indices that roll over: INDEX-APPLICATION-DATE-000001."},
	{.name = "index_date_pattern",
		.type = CONF_STRING,
		.offset = AT(index_date_pattern),
		.value = "now/d",
		.help = "The date in them, as date math of the server; empty: none."},
	{.name = "index_separator",
		.type = CONF_STRING,
		.offset = AT(index_separator),
		.value = "-",
		.help = "Between the parts of these names."},
	TEXT("data_stream_name", data_stream_name,
		"The data stream (elasticsearch_data_stream, opensearch_data_stream). May hold placeholders, which are "
		"resolved for each event."),
	TEXT("data_stream_template_name", data_stream_template_name, "Its index template. Default: NAME_template."),
	TEXT("data_stream_ilm_name", data_stream_ilm_name, "Its lifecycle policy. Default: NAME_policy."),
	TEXT("data_stream_ilm_policy", data_stream_ilm_policy,
		"The policy's JSON. Default: rollover at 50 GB or 30 days."),
	FLAG("data_stream_ilm_policy_overwrite", data_stream_ilm_policy_overwrite, "false",
		"Put the policy also where there is one."),
	FLAG("data_stream_template_use_index_patterns_wildcard", data_stream_wildcard, "true",
		"The template is for all names that begin with the stream's."),
	BUFFER_FLAT_PARAMS,
	TIME_AS_INTEGER_PARAM,
	/* fluentd's, without effect here */
	NOTE("include_index_in_url", "the index stands in the URL, and in action lines where it differs"),
	NOTE("reload_connections", "the configured servers are used, and no others are looked for"),
	NOTE("reload_on_failure", "the configured servers are used, and no others are looked for"),
	NOTE("reload_after", "the configured servers are used, and no others are looked for"),
	NOTE("sniffer_class_name", "the configured servers are used, and no others are looked for"),
	NOTE("selector_class_name", "servers are used in turn, dead ones left out"),
	NOTE("reconnect_on_error", "a broken connection is always opened anew"),
	NOTE("http_backend", "requests are libcurl's"),
	NOTE("http_backend_excon_nonblock", "requests are libcurl's"),
	NOTE("prefer_oj_serializer", "JSON is written in one pass"),
	NOTE("content_type", "application/x-ndjson is understood by all versions"),
	NOTE("with_transporter_log", "`-v` logs requests"),
	NOTE("verify_es_version_at_startup", "nothing is asked at start; all versions from 6 on are served alike"),
	NOTE("verify_os_version_at_startup", "nothing is asked at start; all versions are served alike"),
	NOTE("default_elasticsearch_version", "all versions from 6 on are served alike"),
	NOTE("default_opensearch_version", "all versions are served alike"),
	NOTE("max_retry_get_es_version", "the version is not asked for"),
	NOTE("max_retry_get_os_version", "the version is not asked for"),
	NOTE("fail_on_detecting_es_version_retry_exceed", "the version is not asked for"),
	NOTE("fail_on_detecting_os_version_retry_exceed", "the version is not asked for"),
	NOTE("validate_client_version", "there is no client version"),
	NOTE("log_es_400_reason", "the reason of each kind of rejection is always logged"),
	NOTE("log_os_400_reason", "the reason of each kind of rejection is always logged"),
	NOTE("unrecoverable_error_types", "each event of a reply is judged by itself: rejected ones that may succeed "
					  "later are sent again, others are dead letters"),
	NOTE("unrecoverable_record_types", "each event of a reply is judged by itself"),
	NOTE("retry_tag",
		"rejected events are sent again from the buffer; they do not go through routing a second time"),
	NOTE("ignore_exceptions", "what cannot be delivered becomes dead letters"),
	NOTE("exception_backup", "what cannot be delivered becomes dead letters"),
	NOTE("emit_error_label_event", "what cannot be delivered becomes dead letters"),
	NOTE("catch_transport_exception_on_retry", "transport errors are always retried"),
	NOTE("time_parse_error_tag", "an event whose time_key cannot be read has its own time"),
	NOTE("truncate_caches_interval", "there are no such caches"),
	NOTE("max_retry_putting_template",
		"it is tried before the first event, and again until it is there; events wait in the buffer"),
	NOTE("fail_on_putting_template_retry_exceed",
		"it is tried before the first event, and again until it is there; events wait in the buffer"),
	/* and what would change what happens */
	NO("target_type_key", NULL, "mapping types are gone since version 7"),
	NO("parent_key", NULL, "parent types are gone since version 6"),
	NO("remove_keys_on_update", "", "use remove_keys"),
	NO("remove_keys_on_update_key", NULL, "use remove_keys"),
	NO("suppress_doc_wrap", "false", "updates are sent as {\"doc\": ...}"),
	NO("target_index_affinity", "false", "give the index of an update by target_index_key"),
	REMOVED("index_prefix", "specify the target with index_name, or with logstash_prefix and logstash_format"),
	{.name = NULL},
};

struct metadata_conf {
	struct conf_common common;
	bool include_chunk_id;
};

static const struct conf_param metadata_params[] = {
	{.name = "include_chunk_id",
		.type = CONF_BOOL,
		.offset = offsetof(struct metadata_conf, include_chunk_id),
		.value = "false",
		.help = "Only false: documents have ids of their own, by which a repetition is known."},
	NOTE("chunk_id_key", "no chunk id is added"),
	{.name = NULL},
};

static void check_metadata(void *conf, struct conf_report *r)
{
	const struct metadata_conf *c = conf;
	if (c->include_chunk_id)
		conf_report_add(r, CONF_ERROR, conf_where(c, "include_chunk_id"),
			"include_chunk_id is not possible with weir: documents have ids of their own, by which a "
			"repetition is "
			"known; leave it out");
}

static const struct conf_schema metadata_schema = {
	.name = "metadata",
	.title = "metadata of the elasticsearch output",
	.size = sizeof(struct metadata_conf),
	.params = metadata_params,
	.check = check_metadata,
	.help = "fluentd adds the chunk's id here.",
};

static const struct conf_sub subs[] = {
	{.schema = &endpoint_conf_schema, .offset = AT(endpoint)},
	{.schema = &metadata_schema, .offset = AT(metadata)},
	{.schema = &buffer_conf_schema, .offset = AT(buffer)},
	{.schema = &secondary_schema, .offset = AT(secondary)},
	{.schema = NULL},
};

static bool is_data_stream(const struct elasticsearch_conf *c)
{
	return c->common.schema == &elasticsearch_data_stream_conf_schema ||
	       c->common.schema == &opensearch_data_stream_conf_schema;
}

static void check_stream(const struct elasticsearch_conf *c, struct conf_report *r)
{
	if (is_data_stream(c) && !c->data_stream_name && conf_is_missing(c, "data_stream_name"))
		conf_report_add(r, CONF_ERROR, c->common.pos, "'data_stream_name' parameter is required");
	if (!is_data_stream(c) && c->data_stream_name)
		conf_report_add(r, CONF_ERROR, conf_where(c, "data_stream_name"),
			"data_stream_name belongs to @type elasticsearch_data_stream or opensearch_data_stream");
	if (is_data_stream(c) && (c->write_operation == BULK_UPDATE || c->write_operation == BULK_UPSERT))
		conf_report_add(
			r, CONF_ERROR, conf_where(c, "write_operation"), "a data stream takes new documents only");
}

static void check_literal(const struct elasticsearch_conf *c, const char *param, const char *value, const char *why,
	struct conf_report *r)
{
	const char *begin = value ? strstr(value, "${") : NULL;
	if (begin && strchr(begin, '}'))
		conf_report_add(
			r, CONF_ERROR, conf_where(c, param), "%s: placeholders are not possible here: %s", param, why);
}

/* Where fluentd's outputs take placeholders and these do not. */
static void check_literals(const struct elasticsearch_conf *c, struct conf_report *r)
{
	static const char server[] = "events do not choose the server; give each server a <match> of its own";
	static const char field[] = "it names one field of all events";
	check_literal(c, "host", c->host, server, r);
	check_literal(c, "hosts", c->hosts, server, r);
	if (c->common.schema != &elasticsearch_dynamic_conf_schema)
		return;
	check_literal(c, "tag_key", c->tag_key, field, r);
	check_literal(c, "time_key", c->time_key, field, r);
	check_literal(c, "id_key", c->id_key, field, r);
	check_literal(c, "routing_key", c->routing_key, field, r);
}

static void check(void *conf, struct conf_report *r)
{
	struct elasticsearch_conf *c = conf;
	check_literals(c, r);
	if (is_data_stream(c) && !conf_is_given(c->common.schema, c, "use_legacy_template"))
		c->use_legacy_template = false;
	rollover_check(c, r);
	if (c->user && *c->user && !c->password)
		conf_report_add(
			r, CONF_ERROR, conf_where(c, "user"), "`password` must be present if `user` is present");
	if ((c->write_operation == BULK_UPDATE || c->write_operation == BULK_UPSERT) && !c->id_key)
		conf_report_add(r, CONF_ERROR, conf_where(c, "write_operation"),
			"write_operation update and upsert need id_key: which document is meant?");
	if (c->cloud_auth && !strchr(c->cloud_auth, ':'))
		conf_report_add(r, CONF_ERROR, conf_where(c, "cloud_auth"), "cloud_auth is user:password");
	check_stream(c, r);
	if (c->endpoint.n && (c->user || c->api_key || c->cloud_id))
		conf_report_add(r, CONF_WARNING,
			conf_where(c, c->user	   ? "user"
				      : c->api_key ? "api_key"
						   : "cloud_id"),
			"this is not used: <endpoint> says where the server is, and requests are signed");
	/* They may come later: a request without them fails, and is tried again. */
	conf_check_file(c, "ca_file", c->ca_file, CONF_WARNING, r);
	conf_check_file(c, "client_cert", c->client_cert, CONF_WARNING, r);
	conf_check_file(c, "client_key", c->client_key, CONF_WARNING, r);
	if (!c->client_cert != !c->client_key)
		conf_report_add(r, CONF_ERROR, conf_where(c, c->client_cert ? "client_cert" : "client_key"),
			"client_cert and client_key belong together");
}

const struct conf_schema elasticsearch_conf_schema = {
	.name = "match",
	.title = "elasticsearch output",
	.size = sizeof(struct elasticsearch_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Indexes events into Elasticsearch 6 to 9 or OpenSearch by bulk requests. Each event of a reply is "
		"judged by itself.",
};

const struct conf_schema opensearch_conf_schema = {
	.name = "match",
	.title = "opensearch output",
	.size = sizeof(struct elasticsearch_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Indexes events into OpenSearch: the same as the elasticsearch output.",
};

const struct conf_schema elasticsearch_data_stream_conf_schema = {
	.name = "match",
	.title = "elasticsearch_data_stream output",
	.size = sizeof(struct elasticsearch_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Indexes events into an Elasticsearch data stream, which is set up with its index template and "
		"lifecycle policy "
		"before the first event where it is missing. Always `create`, always with @timestamp.",
};

const struct conf_schema opensearch_data_stream_conf_schema = {
	.name = "match",
	.title = "opensearch_data_stream output",
	.size = sizeof(struct elasticsearch_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Indexes events into an OpenSearch data stream, which is set up with its index template before the "
		"first event "
		"where it is missing. Always `create`, always with @timestamp.",
};

const struct conf_schema elasticsearch_dynamic_conf_schema = {
	.name = "match",
	.title = "elasticsearch_dynamic output",
	.size = sizeof(struct elasticsearch_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "The elasticsearch output with v0.12's placeholders in index_name and the like: "
		"${record['key']['key']}, "
		"${tag_parts[N]}, ${tag}, ${time.strftime('FORMAT')}. Other Ruby is refused.",
};
