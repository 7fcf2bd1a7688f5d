/* buffer_conf.h: the <buffer> section of an output, and what it means for buffer.h and flow.h. */
#ifndef WEIR_BUFFER_CONF_H
#define WEIR_BUFFER_CONF_H

#include "conf/conf_schema.h"

enum { BUFFER_CONF_FILE, BUFFER_CONF_FILE_SINGLE, BUFFER_CONF_MEMORY };
enum { FLUSH_CONF_DEFAULT, FLUSH_CONF_INTERVAL, FLUSH_CONF_IMMEDIATE, FLUSH_CONF_LAZY };
enum { OVERFLOW_CONF_BLOCK, OVERFLOW_CONF_THROW, OVERFLOW_CONF_DROP_OLDEST };
enum { RETRY_CONF_EXPONENTIAL, RETRY_CONF_PERIODIC };

struct buffer_conf {
	struct conf_common common; /* arg: the chunk keys */
	int kind;		   /* from @type; nil = file */
	char *path;
	int64_t chunk_limit_size, chunk_limit_records, total_limit_size;
	double chunk_full_threshold;
	int64_t queue_limit_length;
	int64_t min_free_size;
	int flush_mode;
	int64_t flush_interval_ns;
	int64_t flush_thread_count;
	bool flush_at_shutdown;
	int64_t shutdown_timeout_ns;
	int overflow_action;
	int retry_type;
	int64_t retry_wait_ns, retry_max_interval_ns, retry_timeout_ns, retry_max_times;
	double retry_base, retry_secondary_threshold;
	bool retry_randomize, retry_forever;
	int64_t timekey_ns, timekey_wait_ns;
	bool timekey_use_utc;
	char *timekey_zone;
};

extern const struct conf_schema buffer_conf_schema;
/* Whether @type says that chunks are kept in memory. */
bool buffer_conf_in_memory(const struct buffer_conf *c);
/* The section in an output that needs none: a note. A struct conf_common. */
extern const struct conf_schema buffer_unused_schema;

/* The chunk keys: which of tag and time, and record fields, stand in the section's argument. */
struct buffer_keys {
	bool tag, time;
	char **fields; /* NULL-terminated: "key" or "$.path" */
	size_t field_count;
};
void buffer_keys_parse(const struct buffer_conf *c, struct buffer_keys *k);
void buffer_keys_free(struct buffer_keys *k);

/*
 * v0.12's flat parameters: a <buffer> section made from those in an output's own section, each with a warning; NULL if there are none. One block of memory, for the caller to
 * mem_free after what was made from it.
 */
struct conf_section *buffer_conf_from_flat(const struct conf_section *own, struct conf_report *r);
/* Whether time_slice_format names slices of a day at most. */
bool buffer_conf_is_slice(const char *format);
/* Beside a <buffer> section they are not used: says so. */
void buffer_conf_flat_unused(const struct conf_section *own, struct conf_report *r);

/* For an output's own table. */
#define BUFFER_FLAT(NAME)                                                            \
	{                                                                            \
		.name = NAME, .type = CONF_IGNORED, .support = CONF_MOVED,           \
		.instead = "v0.12 wrote it here; it belongs into a <buffer> section" \
	}
#define BUFFER_FLAT_PARAMS                                                                                          \
	BUFFER_FLAT("buffer_type"), BUFFER_FLAT("buffer_path"), BUFFER_FLAT("buffer_chunk_limit"),                  \
		BUFFER_FLAT("buffer_queue_limit"), BUFFER_FLAT("buffer_queue_full_action"),                         \
		BUFFER_FLAT("flush_interval"), BUFFER_FLAT("try_flush_interval"),                                   \
		BUFFER_FLAT("queued_chunk_flush_interval"), BUFFER_FLAT("num_threads"), BUFFER_FLAT("retry_wait"),  \
		BUFFER_FLAT("retry_limit"), BUFFER_FLAT("disable_retry_limit"), BUFFER_FLAT("max_retry_wait"),      \
		BUFFER_FLAT("flush_at_shutdown"), BUFFER_FLAT("time_slice_format"), BUFFER_FLAT("time_slice_wait"), \
	{                                                                                                           \
		.name = "slow_flush_log_threshold", .type = CONF_IGNORED, .support = CONF_NOT_USED,                 \
		.instead = "how long requests take is in /metrics"                                                  \
	}
/* For outputs that write times themselves. */
#define TIME_AS_INTEGER_PARAM                                                                                    \
	{                                                                                                        \
		.name = "time_as_integer", .type = CONF_IGNORED, .support = CONF_NOT_POSSIBLE, .value = "false", \
		.instead = "times keep their fractions: leave them out with time_precision 0 or a time_format"   \
	}

/*
 * Where the buffer lies: its own `path` ("/x/p.*.log" becomes the folder "/x/p.log"), else below root_dir or the state folder, as ID/buffer. For the
 * caller to mem_free.
 */
char *buffer_conf_path(const struct buffer_conf *c, const char *root_dir, const char *id);

#endif
