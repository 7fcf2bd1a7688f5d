/* concat_conf.h: the parameters of <filter> @type concat. */
#ifndef WEIR_CONCAT_CONF_H
#define WEIR_CONCAT_CONF_H

#include "conf/conf_schema.h"

enum metadata_format { DOCKER_FLUENTD, DOCKER_JOURNALD, DOCKER_JOURNALD_LOWERCASE };
enum overflow { OVERFLOW_IGNORE, OVERFLOW_TRUNCATE, OVERFLOW_DROP, OVERFLOW_NEW };

/* Made from concat_schema. */
struct concat_conf {
	struct conf_common common;
	char *key, *separator, *stream_identity_key, *timeout_label;
	int64_t n_lines, flush_interval_ns, buffer_limit_size;
	struct conf_regexp start, end, continuous;
	bool use_first_timestamp;
	char *partial_key, *partial_value;
	bool keep_partial_key, use_partial_metadata, keep_partial_metadata, use_partial_cri_logtag;
	int partial_metadata_format, buffer_overflow_method;
	char *partial_cri_logtag_key, *partial_cri_stream_key;
};

extern const struct conf_schema concat_schema;

#endif
