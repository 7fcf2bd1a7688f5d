/* elasticsearch_conf.h: the parameters of <match> @type elasticsearch and @type opensearch, and what the bulk library makes of them. */
#ifndef WEIR_ELASTICSEARCH_CONF_H
#define WEIR_ELASTICSEARCH_CONF_H

#include "buffer_conf.h"
#include "elastic/bulk_body.h"
#include "elastic/bulk_client.h"
#include "elastic_setup.h"
#include "record/record_path.h"

enum { ES_ID_DERIVED, ES_ID_AUTO };

struct elasticsearch_conf {
	struct conf_common common;
	/* where to */
	char *host, *hosts, *path, *user, *password, *cloud_id, *cloud_auth, *api_key, *proxy;
	int scheme;
	int64_t port;
	struct conf_hash custom_headers;
	bool ssl_verify;
	char *ssl_version, *ssl_min_version, *ssl_max_version, *ssl_ciphers;
	char *ca_file, *client_cert, *client_key, *client_key_pass;
	int64_t request_timeout_ns, connect_timeout_ns, resurrect_after_ns;
	int compression_level;
	int64_t request_bytes, request_events, document_bytes;
	/* which index */
	bool logstash_format, utc_index;
	char *logstash_prefix, *logstash_prefix_separator, *logstash_dateformat, *index_name, *target_index_key;
	char *type_name;
	bool suppress_type_name;
	char *pipeline;
	/* which document */
	int write_operation, document_id;
	char *id_key, *routing_key;
	bool emit_error_for_missing_id;
	bool include_timestamp, include_tag_key, time_key_exclude_timestamp;
	char *tag_key, *time_key, *time_key_format;
	int64_t time_precision;
	struct conf_array remove_keys;
	bool flatten_hashes;
	char *flatten_hashes_separator;
	/* what has to be on the server */
	char *template_name, *template_file;
	struct conf_hash templates, customize_template;
	bool template_overwrite, use_legacy_template;
	bool enable_ilm, rollover_index, ilm_policy_overwrite;
	char *ilm_policy_id, *ilm_policy, *deflector_alias, *index_date_pattern, *index_separator, *application_name;
	struct conf_hash ilm_policies;
	char *data_stream_name, *data_stream_template_name, *data_stream_ilm_name, *data_stream_ilm_policy;
	bool data_stream_ilm_policy_overwrite, data_stream_wildcard;
	struct conf_list buffer, secondary, endpoint, metadata;
};

extern const struct conf_schema elasticsearch_conf_schema, opensearch_conf_schema, elasticsearch_dynamic_conf_schema;
extern const struct conf_schema elasticsearch_data_stream_conf_schema, opensearch_data_stream_conf_schema;

/* Everything made from the parameters, read-only afterwards. */
struct elasticsearch_settings {
	struct bulk_options bulk;
	struct bulk_client_options client;
	char *type_name; /* for servers before 7, which ask for it; NULL = not to be sent */
	struct name_template *templates[4];
	struct record_path *paths[4];
	struct record_path **remove;
	struct bulk_host *hosts;
	char **texts; /* strings that the above point to; NULL-terminated */
	size_t text_count;
	const char **headers;
};

struct rollover;

/* Never NULL; findings are added. *each: what is to be set up for each index name that events tell; NULL = nothing. */
struct elastic_setup *elasticsearch_setup_make(
	const struct elasticsearch_conf *c, struct conf_report *r, struct rollover **each);

/*
 * elasticsearch_dynamic's placeholders as those of index_name.h: ${record['a']['b']} is ${$['a']['b']}, ${time.strftime('%Y')} is %Y. For the caller to
 * mem_free.
 */
char *elasticsearch_dynamic_text(const char *text);

/* False if findings were added. */
bool elasticsearch_settings_make(
	struct elasticsearch_settings *s, const struct elasticsearch_conf *c, struct conf_report *r);
void elasticsearch_settings_free(struct elasticsearch_settings *s);

#endif
