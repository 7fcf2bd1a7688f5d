#include "plugin.h"

#include <string.h>

extern const struct plugin in_debug_agent, in_forward, in_http, in_sample, in_syslog, in_tail, in_tcp, in_udp, in_unix;
extern const struct plugin in_monitor_agent, in_prometheus, in_prometheus_monitor, in_prometheus_output_monitor,
	in_prometheus_tail_monitor;
extern const struct plugin filter_prometheus, out_prometheus;
extern const struct plugin filter_concat, filter_grep, filter_parser;
extern const struct plugin filter_dedot, filter_elasticsearch_genid, filter_flatten_hash, filter_geoip,
	filter_record_modifier;
extern const struct plugin filter_record_transformer, filter_stdout;
extern const struct plugin out_elasticsearch_data_stream, out_elasticsearch_dynamic, out_opensearch_data_stream;
extern const struct plugin out_detect_exceptions, out_file, out_forward, out_http, out_label_router,
	out_rewrite_tag_filter, out_roundrobin, out_route, out_secondary_file;
extern const struct plugin out_copy, out_elasticsearch, out_null, out_opensearch, out_relabel, out_stdout;

const struct plugin *const plugin_list[] = {
	/* inputs */
	&in_debug_agent,
	&in_forward,
	&in_http,
	&in_monitor_agent,
	&in_prometheus,
	&in_prometheus_monitor,
	&in_prometheus_output_monitor,
	&in_prometheus_tail_monitor,
	&in_sample,
	&in_syslog,
	&in_tail,
	&in_tcp,
	&in_udp,
	&in_unix,
	/* outputs */
	&out_copy,
	&out_detect_exceptions,
	&out_elasticsearch,
	&out_elasticsearch_data_stream,
	&out_elasticsearch_dynamic,
	&out_file,
	&out_forward,
	&out_http,
	&out_label_router,
	&out_null,
	&out_opensearch,
	&out_opensearch_data_stream,
	&out_prometheus,
	&out_relabel,
	&out_rewrite_tag_filter,
	&out_roundrobin,
	&out_route,
	&out_secondary_file,
	&out_stdout,
	/* filters */
	&filter_concat,
	&filter_dedot,
	&filter_elasticsearch_genid,
	&filter_flatten_hash,
	&filter_geoip,
	&filter_grep,
	&filter_parser,
	&filter_prometheus,
	&filter_record_modifier,
	&filter_record_transformer,
	&filter_stdout,
	NULL,
};

const char *plugin_kind_name(enum plugin_kind kind)
{
	return kind == PLUGIN_INPUT ? "input" : kind == PLUGIN_OUTPUT ? "output" : "filter";
}

/* Whether `name` is one of the names in `list`, which spaces separate. */
static bool is_in(const char *list, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = list; p && *p;) {
		size_t len = strcspn(p, " ");
		if (len == n && memcmp(p, name, n) == 0)
			return true;
		p += len + strspn(p + len, " ");
	}
	return false;
}

const struct plugin *plugin_find(enum plugin_kind kind, const char *name)
{
	for (const struct plugin *const *p = plugin_list; *p; p++)
		if ((*p)->kind == kind && (strcmp((*p)->name, name) == 0 || is_in((*p)->alias, name)))
			return *p;
	return NULL;
}

/* Plugins that configurations name and weir does not have. */
static const struct {
	enum plugin_kind kind;
	const char *names;
	const char *instead;
} missing[] = {
	{PLUGIN_INPUT,
		"exec windows_eventlog windows_eventlog2 systemd kafka kafka_group sql mysql_replicator snmp s3 sqs "
		"kinesis redis mqtt amqp rabbitmq beats opentelemetry netflow snmptrap elb_log http_pull heroku_syslog "
		"dstat "
		"df ping_message proc_count",
		"collect with fluent-bit and send to weir over the forward protocol"},
	{PLUGIN_OUTPUT, "s3 gcs azurestorage azure-storage-append-blob webhdfs",
		"archive from a fluentd or fluent-bit behind weir, or with the search server's snapshots"},
	{PLUGIN_OUTPUT,
		"kafka kafka2 kafka_buffered kinesis_streams kinesis_firehose cloudwatch_logs google_cloud splunk_hec "
		"datadog newrelic loki gelf "
		"syslog remote_syslog remote_syslog_tls logzio logzio_buffered sumologic mongo mongo_replset exec "
		"exec_filter "
		"influxdb influxdb2 tdlog td bigquery bigquery_insert bigquery_load redis redis_store rabbitmq amqp "
		"mqtt nats "
		"splunk splunk-http-eventcollector azure-loganalytics papertrail kubernetes_remote_syslog coralogix "
		"logdna "
		"loggly scalyr opentelemetry kinesis_streams_aggregated mysql_bulk sql zabbix vmware_loginsight "
		"graphite "
		"statsd dogstatsd slack mail norikra",
		"weir delivers to Elasticsearch and OpenSearch; keep a fluent-bit for that destination"},
	{PLUGIN_INPUT, "secure_forward", "use @type forward with <transport tls> and <security>"},
	{PLUGIN_OUTPUT, "secure_forward", "use @type forward with `transport tls` and <security>"},
	{PLUGIN_INPUT, "multiprocess", "weir's workers are threads: put the configurations together with @include"},
	{PLUGIN_INPUT, "docker kubernetes_objects kubernetes_events gc_stat object_space",
		"collect with fluent-bit and send to weir over the forward protocol"},
	{PLUGIN_OUTPUT, "record_transformer parser grep concat dedot",
		"use a <filter> of that name: weir changes events in filters"},
	{PLUGIN_OUTPUT, "retag add_tag_prefix", "use route (add_tag_prefix, remove_tag_prefix) or rewrite_tag_filter"},
	{PLUGIN_OUTPUT, "flowcounter datacounter grepcounter numeric_monitor",
		"weir counts by itself (/metrics), and the prometheus output counts what records say"},
	{PLUGIN_FILTER, "sampling sampling_filter", "sample where events are made, or take some out with grep"},
	{PLUGIN_FILTER, "kubernetes_sumologic systemd_entry rename_key anonymizer",
		"use record_transformer or record_modifier, or an ingest pipeline of the search server"},
	{PLUGIN_OUTPUT, "suppress copy_ex bufferize",
		"use copy (its <store ignore_error>); every output that delivers has a buffer of its own"},
	{PLUGIN_FILTER, "record_map jq_transformer jq typecast masking string_scrub json_transform mutate",
		"use record_transformer or record_modifier, or an ingest pipeline of the search server"},
	{PLUGIN_FILTER, "docker_metadata ec2_metadata enhance_k8s_metadata prometheus_format",
		"let the sender add it: an aggregator does not see where the event comes from"},
	{PLUGIN_OUTPUT, "forest", "give each tag a <match> of its own; index names may hold ${tag}"},
	{PLUGIN_OUTPUT, "record_reformer record_modifier",
		"set fields with a record_transformer filter, and the tag with rewrite_tag_filter"},
	{PLUGIN_OUTPUT, "flatten_hash", "use the filter of that name, and rewrite_tag_filter for the tag"},
	{PLUGIN_FILTER, "throttle", "limit senders where they are (fluent-bit's throttle filter)"},
	{PLUGIN_FILTER, "ua_parser", "let an ingest pipeline of the search server do it (its user_agent processor)"},
	{PLUGIN_OUTPUT, "geoip", "use the filter of that name, and rewrite_tag_filter for the tag"},
	{PLUGIN_FILTER, "parse_json_field", "use the parser filter with `reserve_data true` and a json <parse>"},
	{PLUGIN_FILTER, "viaq_data_model",
		"write the fields with record_transformer; index names may hold ${tag} and fields"},
	{PLUGIN_FILTER, "kubernetes_metadata",
		"let the sender add it (fluent-bit's kubernetes filter): an aggregator sees neither node nor pod"},
};

const char *plugin_instead(enum plugin_kind kind, const char *name)
{
	for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
		if (missing[i].kind == kind && is_in(missing[i].names, name))
			return missing[i].instead;
	return NULL;
}
