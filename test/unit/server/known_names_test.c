/*
 * What fluentd's configurations of an aggregator may say (fluentd 1.19, fluent-plugin-elasticsearch 6, fluent-plugin-opensearch 1.1 and the plugins around them): each of these
 * names stands in a table, honoured or with what to do instead, so that none of them is ever merely unknown.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "format/formatter.h"
#include "parse/parser.h"
#include "plugin.h"
#include "system_conf.h"

#include <stdio.h>
#include <string.h>

enum { INPUT = PLUGIN_INPUT, OUTPUT = PLUGIN_OUTPUT, FILTER = PLUGIN_FILTER, PARSER, FORMATTER, SYSTEM };

#define FLAT_BUFFER                                                                                              \
	"buffer_type buffer_path buffer_chunk_limit buffer_queue_limit buffer_queue_full_action flush_interval " \
	"try_flush_interval queued_chunk_flush_interval num_threads retry_wait retry_limit disable_retry_limit " \
	"max_retry_wait flush_at_shutdown time_slice_format time_slice_wait"
#define TIMES                                                                                              \
	"types time_key time_type time_format time_format_fallbacks localtime utc timezone keep_time_key " \
	"estimate_current_event null_value_pattern null_empty_string timeout"
#define TLS_CLIENT                                                                                                \
	"tls_version tls_ciphers tls_insecure_mode tls_allow_self_signed_cert tls_verify_hostname tls_cert_path " \
	"tls_client_cert_path tls_client_private_key_path tls_client_private_key_passphrase"

static const struct row {
	int kind;
	const char *name, *section; /* section: "" = the plugin's own, else a sub-section, or one in another: "a/b" */
	const char *params;
} rows[] = {
	{SYSTEM, "", "",
		"workers restart_worker_interval root_dir log_level suppress_repeated_stacktrace "
		"ignore_repeated_log_interval ignore_same_log_interval emit_error_log_interval suppress_config_dump "
		"log_event_verbose without_source with_source_only rpc_endpoint enable_get_dump process_name "
		"file_permission dir_permission umask strict_config_value enable_msgpack_time_support "
		"disable_shared_socket enable_input_metrics enable_size_metrics enable_jit config_include_dir"},
	{SYSTEM, "", "log", "path format time_format rotate_age rotate_size forced_stacktrace_level"},
	{INPUT, "forward", "",
		"bind port backlog linger_timeout blocking_timeout chunk_size_limit chunk_size_warn_limit "
		"decompression_size_limit skip_invalid_event source_address_key source_hostname_key resolve_hostname "
		"tag add_tag_prefix deny_keepalive send_keepalive_packet"},
	{INPUT, "forward", "transport",
		"receive_buffer_size linger_timeout version min_version max_version ciphers insecure cert_path "
		"private_key_path private_key_passphrase ca_path client_cert_auth ca_cert_path ca_private_key_path "
		"ca_private_key_passphrase generate_private_key_length generate_cert_country generate_cert_state "
		"generate_cert_locality generate_cert_common_name generate_cert_expiration generate_cert_digest "
		"cert_verifier ensure_fips"},
	{INPUT, "forward", "security", "self_hostname shared_key user_auth allow_anonymous_source"},
	{INPUT, "forward", "security/user", "username password"},
	{INPUT, "forward", "security/client", "host network shared_key users"},
	{INPUT, "http", "",
		"port bind body_size_limit decompression_size_limit keepalive_timeout backlog add_http_headers "
		"add_remote_addr add_query_params cors_allow_origins cors_allow_credentials respond_with_empty_img "
		"use_204_response dump_error_log add_tag_prefix"},
	{INPUT, "monitor_agent", "", "bind port tag emit_interval include_config include_retry include_debug_info"},
	{INPUT, "prometheus", "", "bind port metrics_path aggregated_metrics_path content_encoding"},
	{INPUT, "prometheus_monitor", "", "interval"},
	{INPUT, "prometheus_output_monitor", "", "interval gauge_all"},
	{INPUT, "prometheus_tail_monitor", "", "interval"},
	{INPUT, "syslog", "",
		"port bind tag frame_type message_length_limit delimiter severity_key priority_key facility_key "
		"source_hostname_key source_address_key resolve_hostname send_keepalive_packet emit_unmatched_lines "
		"protocol_type include_source_host source_host_key"},
	{INPUT, "tcp", "",
		"tag port bind delimiter message_length_limit source_hostname_key source_address_key "
		"send_keepalive_packet"},
	{INPUT, "tcp", "security/client", "host network"},
	{INPUT, "udp", "", "tag port bind message_length_limit remove_newline source_hostname_key source_address_key"},
	{INPUT, "udp", "transport", "receive_buffer_size"},
	{INPUT, "unix", "", "path backlog tag"},
	{INPUT, "tail", "",
		"path exclude_path pos_file pos_file_compaction_interval tag path_key read_from_head refresh_interval "
		"rotate_wait limit_recently_modified enable_watch_timer enable_stat_watcher read_lines_limit "
		"read_bytes_limit_per_second multiline_flush_interval emit_unmatched_lines follow_inodes "
		"ignore_repeated_permission_error open_on_every_update skip_refresh_on_startup encoding from_encoding "
		"max_line_size"},
	{INPUT, "debug_agent", "", "bind port unix_path object"},
	{INPUT, "sample", "", "tag size rate auto_increment_key reuse_record sample dummy"},
	{OUTPUT, "elasticsearch", "buffer",
		"path path_suffix file_permission dir_permission calc_num_records chunk_format timekey timekey_wait "
		"timekey_use_utc timekey_zone flush_mode flush_interval flush_thread_count flush_thread_interval "
		"flush_thread_burst_interval flush_at_shutdown delayed_commit_timeout overflow_action chunk_limit_size "
		"chunk_limit_records chunk_full_threshold total_limit_size queue_limit_length "
		"queued_chunks_limit_size compress decompression_size_limit disable_chunk_backup retry_type "
		"retry_wait retry_exponential_backoff_base retry_max_interval retry_randomize retry_timeout "
		"retry_max_times retry_forever retry_secondary_threshold"},
	{OUTPUT, "elasticsearch", "", FLAT_BUFFER},
	{OUTPUT, "elasticsearch", "", "slow_flush_log_threshold time_as_integer"},
	{OUTPUT, "elasticsearch", "",
		"host port hosts scheme path user password cloud_id cloud_auth api_key custom_headers ssl_verify "
		"ssl_version ssl_min_version ssl_max_version ca_file client_cert client_key client_key_pass "
		"request_timeout logstash_format logstash_prefix logstash_prefix_separator logstash_dateformat "
		"utc_index index_name target_index_key include_timestamp include_tag_key tag_key time_key "
		"time_key_format time_key_exclude_timestamp time_precision time_parse_error_tag type_name "
		"suppress_type_name target_type_key parent_key id_key routing_key write_operation "
		"emit_error_for_missing_id remove_keys remove_keys_on_update remove_keys_on_update_key "
		"suppress_doc_wrap flatten_hashes flatten_hashes_separator pipeline include_index_in_url "
		"bulk_message_request_threshold compression_level template_name template_file template_overwrite "
		"customize_template templates use_legacy_template rollover_index deflector_alias index_date_pattern "
		"index_separator application_name enable_ilm ilm_policy_id ilm_policy ilm_policies "
		"ilm_policy_overwrite max_retry_putting_template fail_on_putting_template_retry_exceed "
		"verify_es_version_at_startup default_elasticsearch_version max_retry_get_es_version "
		"fail_on_detecting_es_version_retry_exceed validate_client_version catch_transport_exception_on_retry "
		"reload_connections reload_after reload_on_failure resurrect_after reconnect_on_error "
		"sniffer_class_name selector_class_name retry_tag unrecoverable_error_types log_es_400_reason "
		"ignore_exceptions exception_backup target_index_affinity truncate_caches_interval http_backend "
		"http_backend_excon_nonblock prefer_oj_serializer content_type with_transporter_log index_prefix"},
	{OUTPUT, "elasticsearch", "metadata", "include_chunk_id chunk_id_key"},
	{OUTPUT, "elasticsearch_data_stream", "",
		"data_stream_name data_stream_template_name data_stream_ilm_name data_stream_ilm_policy "
		"data_stream_ilm_policy_overwrite data_stream_template_use_index_patterns_wildcard"},
	{OUTPUT, "elasticsearch_dynamic", "", "host index_name logstash_prefix type_name"},
	{OUTPUT, "opensearch", "",
		"host port hosts scheme path user password ssl_verify ca_file logstash_format index_name "
		"verify_os_version_at_startup default_opensearch_version log_os_400_reason max_retry_get_os_version "
		"fail_on_detecting_os_version_retry_exceed emit_error_label_event unrecoverable_record_types"},
	{OUTPUT, "opensearch", "endpoint",
		"url region access_key_id secret_access_key assume_role_arn assume_role_session_name "
		"assume_role_web_identity_token_file ecs_container_credentials_relative_uri sts_credentials_region "
		"refresh_credentials_interval aws_service_name"},
	{OUTPUT, "opensearch_data_stream", "", "data_stream_name data_stream_template_name"},
	{OUTPUT, "forward", "",
		TLS_CLIENT
		" transport require_ack_response ack_response_timeout send_timeout connect_timeout recover_wait "
		"hard_timeout heartbeat_type heartbeat_interval phi_failure_detector phi_threshold expire_dns_cache "
		"dns_round_robin keepalive keepalive_timeout compress time_as_integer "
		"ignore_network_errors_at_startup verify_connection_at_startup slow_flush_log_threshold"},
	{OUTPUT, "forward", "", FLAT_BUFFER},
	{OUTPUT, "forward", "server", "host name port shared_key username password standby weight"},
	{OUTPUT, "forward", "service_discovery",
		"path conf_encoding service proto hostname dns_server_host interval dns_lookup shared_key username "
		"password"},
	{OUTPUT, "forward", "service_discovery/service", "host name port shared_key username password standby weight"},
	{OUTPUT, "forward", "security", "self_hostname shared_key"},
	{OUTPUT, "file", "",
		"path append compress recompress add_path_suffix path_suffix symlink_path symlink_path_use_relative"},
	{OUTPUT, "file", "", FLAT_BUFFER},
	{OUTPUT, "stdout", "", "use_logger"},
	{OUTPUT, "null", "", "never_flush"},
	{OUTPUT, "copy", "", "copy_mode deep_copy"},
	{OUTPUT, "rewrite_tag_filter", "",
		"capitalize_regex_backreference remove_tag_prefix remove_tag_regexp hostname_command emit_mode "
		"rewriterule"},
	{OUTPUT, "rewrite_tag_filter", "rule", "key pattern tag label invert"},
	{OUTPUT, "route", "", "remove_tag_prefix add_tag_prefix"},
	{OUTPUT, "label_router", "route/match", "labels namespaces container_names hosts negate"},
	{OUTPUT, "secondary_file", "", "directory basename append compress"},
	{OUTPUT, "http", "",
		"endpoint http_method content_type json_array headers headers_from_placeholders proxy open_timeout "
		"read_timeout ssl_timeout reuse_connections retryable_response_codes "
		"error_response_as_unrecoverable compress tls_ca_cert_path tls_client_cert_path tls_private_key_path "
		"tls_private_key_passphrase tls_verify_mode tls_version tls_ciphers allowed_hosts"},
	{OUTPUT, "http", "auth", "method username password aws_service aws_region aws_role_arn"},
	{OUTPUT, "detect_exceptions", "",
		"remove_tag_prefix message languages multiline_flush_interval max_lines max_bytes stream "
		"force_line_breaks"},
	{FILTER, "record_transformer", "",
		"renew_record keep_keys remove_keys renew_time_key auto_typecast enable_ruby"},
	{FILTER, "record_modifier", "", "prepare_value char_encoding remove_keys whitelist_keys"},
	{FILTER, "record_modifier", "replace", "key expression replace"},
	{FILTER, "grep", "", "regexp1 exclude1"},
	{FILTER, "grep", "regexp", "key pattern"},
	{FILTER, "grep", "exclude", "key pattern"},
	{FILTER, "grep", "and/regexp", "key pattern"},
	{FILTER, "grep", "or/exclude", "key pattern"},
	{FILTER, "parser", "",
		"key_name reserve_data reserve_time remove_key_name_field inject_key_prefix hash_value_field "
		"replace_invalid_sequence emit_invalid_record_to_error"},
	{FILTER, "concat", "",
		"key separator n_lines multiline_start_regexp multiline_end_regexp continuous_line_regexp "
		"stream_identity_key flush_interval timeout_label use_first_timestamp partial_key partial_value "
		"use_partial_metadata use_partial_cri_logtag partial_cri_logtag_key partial_cri_stream_key "
		"buffer_limit_size buffer_overflow_method"},
	{FILTER, "geoip", "",
		"geoip_lookup_keys geoip_lookup_key geoip2_database geoip_database backend_library "
		"skip_adding_null_record"},
	{FILTER, "dedot", "", "de_dot de_dot_separator de_dot_nested"},
	{FILTER, "elasticsearch_genid", "",
		"hash_id_key use_record_as_seed record_keys use_entire_record include_tag_in_seed "
		"include_time_in_seed separator hash_type"},
	{FILTER, "prometheus", "metric", "name type desc key buckets initialized"},
	{PARSER, "json", "", "json_parser " TIMES},
	{PARSER, "regexp", "", "expression " TIMES},
	{PARSER, "ltsv", "", "delimiter label_delimiter delimiter_pattern " TIMES},
	{PARSER, "csv", "", "keys delimiter parser_engine " TIMES},
	{PARSER, "tsv", "", "keys delimiter " TIMES},
	{PARSER, "none", "", "message_key " TIMES},
	{PARSER, "nginx", "", TIMES},
	{PARSER, "apache", "", TIMES},
	{PARSER, "apache2", "", TIMES},
	{PARSER, "apache_error", "", TIMES},
	{PARSER, "syslog", "",
		"message_format with_priority time_format rfc5424_time_format support_colonless_ident "
		"parser_engine " TIMES},
	{PARSER, "multiline", "", "format_firstline format1 format20"},
	{PARSER, "msgpack", "", TIMES},
	{PARSER, "cri", "", "merge_cri_fields"},
	{FORMATTER, "json", "", "json_parser add_newline newline"},
	{FORMATTER, "ltsv", "", "delimiter label_delimiter add_newline newline"},
	{FORMATTER, "csv", "", "fields delimiter force_quotes add_newline"},
	{FORMATTER, "tsv", "", "keys delimiter add_newline newline"},
	{FORMATTER, "hash", "", "add_newline newline"},
	{FORMATTER, "out_file", "",
		"output_time output_tag delimiter time_format time_type localtime utc timezone newline"},
	{FORMATTER, "single_value", "", "message_key add_newline newline"},
	{FORMATTER, "stdout", "", "output_type"},
	{OUTPUT, "file", "inject",
		"hostname_key hostname worker_id_key tag_key time_key time_type time_format localtime utc timezone"},
	{INPUT, "http", "parse", ""},
	{INPUT, "tcp", "extract", "tag_key keep_tag_key time_key keep_time_key time_type time_format"},
};

static bool has_word(const char *list, const char *name, size_t n)
{
	for (const char *p = list; p && *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");
		if (len == n && memcmp(p, name, n) == 0)
			return true;
		p += len;
	}
	return false;
}

static bool has_param(const struct conf_schema *schema, const char *name, size_t n)
{
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		if (has_word(p->name, name, n) || has_word(p->old, name, n))
			return true;
	return false;
}

/* The table of "a/b" in another one; NULL if there is none. */
static const struct conf_schema *find_section(const struct conf_schema *schema, const char *path)
{
	while (schema && *path) {
		size_t n = strcspn(path, "/");
		const struct conf_sub *sub = schema->subs;
		while (sub && sub->schema && !has_word(sub->schema->name, path, n))
			sub++;
		schema = sub ? sub->schema : NULL;
		path += n + (path[n] == '/');
	}
	return schema;
}

static const struct conf_schema *find(const struct row *r)
{
	if (r->kind == SYSTEM)
		return &system_conf_schema;
	if (r->kind == PARSER)
		return parser_type_schema(r->name);
	if (r->kind == FORMATTER)
		return formatter_type_schema(r->name);
	const struct plugin *p = plugin_find((enum plugin_kind)r->kind, r->name);
	return p ? p->schema : NULL;
}

static void test_known_names(void **state)
{
	size_t missing = 0, seen = 0;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		const struct conf_schema *schema = find(r);
		schema = schema ? find_section(schema, r->section) : NULL;
		if (!schema)
			print_error("%s has no section '%s', or is not there\n", r->name, r->section);
		missing += !schema;
		for (const char *p = r->params; schema && *p; p += strspn(p, " ")) {
			size_t n = strcspn(p, " ");
			if (!has_param(schema, p, n)) {
				print_error("%s <%s> does not know %.*s\n", r->name, r->section, (int)n, p);
				missing++;
			}
			seen++;
			p += n;
		}
	}
	print_message("%zu names\n", seen);
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
