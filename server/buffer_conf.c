#include "buffer_conf.h"

#include "base/mem.h"
#include "record/zone.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(struct buffer_conf, field)

static const struct conf_choice modes[] = {
	{"default", FLUSH_CONF_DEFAULT},
	{"interval", FLUSH_CONF_INTERVAL},
	{"immediate", FLUSH_CONF_IMMEDIATE},
	{"lazy", FLUSH_CONF_LAZY},
	{NULL, 0},
};

static const struct conf_choice overflows[] = {
	{"block", OVERFLOW_CONF_BLOCK},
	{"throw_exception", OVERFLOW_CONF_THROW},
	{"drop_oldest_chunk", OVERFLOW_CONF_DROP_OLDEST},
	{NULL, 0},
};

static const struct conf_choice retry_types[] = {
	{"exponential_backoff", RETRY_CONF_EXPONENTIAL},
	{"periodic", RETRY_CONF_PERIODIC},
	{NULL, 0},
};

static const struct conf_param params[] = {
	{.name = "path",
		.type = CONF_STRING,
		.offset = AT(path),
		.old = "buffer_path",
		.help = "The folder of the chunk files. Default: ID/buffer below <system> root_dir or weir's state "
			"folder."},
	{.name = "chunk_limit_size",
		.type = CONF_SIZE,
		.offset = AT(chunk_limit_size),
		.value = "32m",
		.min = 4096,
		.max = (int64_t)1 << 40,
		.old = "buffer_chunk_limit",
		.help = "Bytes of a chunk at which it is queued. Requests are cut by bytes of their own, so larger "
			"chunks do "
			"not make larger requests."},
	{.name = "chunk_limit_records",
		.type = CONF_INT,
		.offset = AT(chunk_limit_records),
		.positive = true,
		.help = "Events of a chunk at which it is queued."},
	{.name = "chunk_full_threshold",
		.type = CONF_FLOAT,
		.offset = AT(chunk_full_threshold),
		.value = "0.95",
		.help = "The part of chunk_limit_size at which a chunk counts as full."},
	{.name = "total_limit_size",
		.type = CONF_SIZE,
		.offset = AT(total_limit_size),
		.value = "64g",
		.positive = true,
		.help = "Bytes of all chunks of this output. When they are reached, overflow_action decides."},
	{.name = "queue_limit_length",
		.type = CONF_INT,
		.offset = AT(queue_limit_length),
		.positive = true,
		.old = "buffer_queue_limit",
		.help = "If set, total_limit_size is chunk_limit_size times this (as v0.12 had it)."},
	{.name = "min_free_size",
		.type = CONF_SIZE,
		.offset = AT(min_free_size),
		.value = "256m",
		.help = "Bytes of the file system that chunks leave free; below it the buffer counts as full."},
	{.name = "flush_mode",
		.type = CONF_ENUM,
		.offset = AT(flush_mode),
		.value = "default",
		.choices = modes,
		.help = "When a chunk that is not full is sent: interval (flush_interval after its first event), "
			"immediate (as "
			"soon as a flush thread is free), lazy (when its time slice has ended). default is lazy where "
			"`time` "
			"is a chunk key of an output that splits chunks, else interval."},
	{.name = "flush_interval",
		.type = CONF_TIME,
		.offset = AT(flush_interval_ns),
		.value = "60s",
		.help = "The age at which a chunk is sent in mode interval."},
	{.name = "flush_thread_count",
		.type = CONF_INT,
		.offset = AT(flush_thread_count),
		.value = "1",
		.min = 1,
		.max = 64,
		.old = "num_threads",
		.help = "Chunks that are sent side by side."},
	{.name = "flush_at_shutdown",
		.type = CONF_BOOL,
		.offset = AT(flush_at_shutdown),
		.help = "Send everything before the end. Default: only for memory buffers, as files are read again at "
			"the next "
			"start."},
	{.name = "shutdown_timeout",
		.type = CONF_TIME,
		.offset = AT(shutdown_timeout_ns),
		.value = "30s",
		.help = "How long the end waits for flush_at_shutdown; what is left then stays on disk."},
	{.name = "overflow_action",
		.type = CONF_ENUM,
		.offset = AT(overflow_action),
		.value = "block",
		.choices = overflows,
		.old = "buffer_queue_full_action",
		.help = "When the buffer is full: block (senders are read no further, nothing is lost), "
			"throw_exception (messages are "
			"not acknowledged), drop_oldest_chunk (counted, and told in the log)."},
	{.name = "retry_type",
		.type = CONF_ENUM,
		.offset = AT(retry_type),
		.value = "exponential_backoff",
		.choices = retry_types,
		.help = "How the time between tries grows."},
	{.name = "retry_wait",
		.type = CONF_TIME,
		.offset = AT(retry_wait_ns),
		.value = "1s",
		.min = 1000000,
		.help = "The first wait after a failure."},
	{.name = "retry_exponential_backoff_base",
		.type = CONF_FLOAT,
		.offset = AT(retry_base),
		.value = "2",
		.positive = true,
		.help = "What each further wait is multiplied by."},
	{.name = "retry_max_interval",
		.type = CONF_TIME,
		.offset = AT(retry_max_interval_ns),
		.value = "30s",
		.min = 1000000,
		.old = "max_retry_wait",
		.help = "The longest wait. (fluentd has no limit by default, and waits for hours after a long "
			"outage.)"},
	{.name = "retry_randomize",
		.type = CONF_BOOL,
		.offset = AT(retry_randomize),
		.value = "true",
		.help = "Waits are random between 0 and their length, so that not all come back at once."},
	{.name = "retry_timeout",
		.type = CONF_TIME,
		.offset = AT(retry_timeout_ns),
		.value = "72h",
		.help = "How long a chunk that keeps failing by itself is tried before it goes to <secondary> or the "
			"dead letters. While "
			"the destination is down the clock stands still."},
	{.name = "retry_max_times",
		.type = CONF_INT,
		.offset = AT(retry_max_times),
		.old = "retry_limit",
		.help = "How often a chunk that keeps failing by itself is tried again before it goes to <secondary> "
			"or the dead "
			"letters."},
	{.name = "retry_forever",
		.type = CONF_BOOL,
		.offset = AT(retry_forever),
		.value = "false",
		.old = "disable_retry_limit",
		.help = "Switches retry_timeout and retry_max_times off."},
	{.name = "retry_secondary_threshold",
		.type = CONF_FLOAT,
		.offset = AT(retry_secondary_threshold),
		.value = "0.8",
		.help = "The part of retry_timeout after which <secondary> is used."},
	{.name = "timekey",
		.type = CONF_TIME,
		.offset = AT(timekey_ns),
		.positive = true,
		.help = "Length of a time slice, where `time` is a chunk key."},
	{.name = "timekey_wait",
		.type = CONF_TIME,
		.offset = AT(timekey_wait_ns),
		.value = "600s",
		.help = "How long after its end a time slice is sent."},
	{.name = "timekey_use_utc",
		.type = CONF_BOOL,
		.offset = AT(timekey_use_utc),
		.value = "false",
		.help = "Time slices are UTC's."},
	{.name = "timekey_zone",
		.type = CONF_STRING,
		.offset = AT(timekey_zone),
		.help = "The zone of time slices: +09:00 or Asia/Tokyo. Default: the process's."},
	{.name = "flush_thread_interval",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.old = "try_flush_interval",
		.instead = "flush threads are woken when there is work"},
	{.name = "flush_thread_burst_interval",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.old = "queued_chunk_flush_interval",
		.instead = "flush threads do not pause between chunks"},
	{.name = "delayed_commit_timeout",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "a chunk is committed when its destination has answered"},
	{.name = "queued_chunks_limit_size",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "a queued chunk costs nothing but disk"},
	{.name = "compress",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "chunks are kept as they came; the file system may compress them"},
	{.name = "decompression_size_limit",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "chunks are not compressed"},
	{.name = "disable_chunk_backup",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "what cannot be delivered becomes dead letters"},
	{.name = "path_suffix",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "chunk files end with .chunk"},
	{.name = "file_permission",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "chunk files are for weir's user only"},
	{.name = "dir_permission",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "buffer folders are for weir's user only"},
	{.name = "calc_num_records",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "records are always counted"},
	{.name = "chunk_format",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "weir has one chunk format"},
	{.name = NULL},
};

bool buffer_conf_in_memory(const struct buffer_conf *c)
{
	return c->common.type && strcmp(c->common.type, "memory") == 0;
}

/* fluentd's limits of memory buffers, where the section does not say others. */
static void limit_memory(struct buffer_conf *c)
{
	if (!conf_is_given(&buffer_conf_schema, c, "chunk_limit_size"))
		c->chunk_limit_size = 8 << 20;
	if (!conf_is_given(&buffer_conf_schema, c, "total_limit_size"))
		c->total_limit_size = 512 << 20;
	if (!conf_is_given(&buffer_conf_schema, c, "flush_at_shutdown"))
		c->flush_at_shutdown = true;
}

static void check_parts(const struct buffer_conf *c, struct conf_report *r)
{
	if (!(c->chunk_full_threshold > 0 && c->chunk_full_threshold <= 1))
		conf_report_add(r, CONF_ERROR, conf_where(c, "chunk_full_threshold"),
			"'chunk_full_threshold' must be more than 0, and 1 at most");
	if (!(c->retry_secondary_threshold >= 0 && c->retry_secondary_threshold <= 1))
		conf_report_add(r, CONF_ERROR, conf_where(c, "retry_secondary_threshold"),
			"'retry_secondary_threshold' must be from 0 to 1");
}

static void check(void *conf, struct conf_report *r)
{
	struct buffer_conf *c = conf;
	if (buffer_conf_in_memory(c))
		limit_memory(c);
	check_parts(c, r);
	const char *type = c->common.type;
	if (type && strcmp(type, "file") != 0 && strcmp(type, "file_single") != 0 && strcmp(type, "memory") != 0)
		conf_report_add(
			r, CONF_ERROR, conf_where(c, "@type"), "Unknown buffer plugin '%s': file or memory", type);
	struct err err;
	if (c->timekey_zone && !zone_find(c->timekey_zone, &err))
		conf_report_add(r, CONF_ERROR, conf_where(c, "timekey_zone"), "%s", err.text);
	bool other = c->flush_mode == FLUSH_CONF_IMMEDIATE || c->flush_mode == FLUSH_CONF_LAZY;
	if (other && conf_is_given(&buffer_conf_schema, c, "flush_interval"))
		conf_report_add(r, CONF_WARNING, conf_where(c, "flush_interval"),
			"'flush_interval' has no effect with 'flush_mode' %s (fluentd refuses the two together)",
			c->flush_mode == FLUSH_CONF_LAZY ? "lazy" : "immediate");
}

const struct conf_schema buffer_conf_schema = {
	.name = "buffer",
	.title = "buffer",
	.size = sizeof(struct buffer_conf),
	.params = params,
	.check = check,
	.help = "Where and how an output keeps events until they are delivered. `@type file` (the default) is durable: "
		"an "
		"acknowledged event survives a crash and a power cut. `@type memory` is not.",
};

static void note_unused(void *conf, struct conf_report *r)
{
	conf_report_add(r, CONF_NOTE, ((const struct conf_common *)conf)->pos,
		"<buffer> has no effect: nothing is kept here, events are dealt with at once");
}

const struct conf_schema buffer_unused_schema = {
	.name = "buffer",
	.title = "buffer of an output that keeps nothing",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.check = note_unused,
	.help = "Without effect: events are dealt with at once.",
};

/* ---- chunk keys ----------------------------------------------------------------------------------------------- */

void buffer_keys_parse(const struct buffer_conf *c, struct buffer_keys *k)
{
	*k = (struct buffer_keys){0};
	const char *p = c->common.arg ? c->common.arg : "";
	if (strcmp(p, "[]") == 0)
		p = "";
	while (*p) {
		size_t skip = strspn(p, ", \t");
		p += skip;
		size_t n = strcspn(p, ",");
		size_t len = n;
		while (len && isspace((unsigned char)p[len - 1]))
			len--;
		if (len == 3 && memcmp(p, "tag", 3) == 0) {
			k->tag = true;
		} else if (len == 4 && memcmp(p, "time", 4) == 0) {
			k->time = true;
		} else if (len) {
			k->fields = mem_realloc(k->fields, (k->field_count + 2) * sizeof *k->fields);
			k->fields[k->field_count++] = mem_strndup(p, len);
			k->fields[k->field_count] = NULL;
		}
		p += n;
	}
}

void buffer_keys_free(struct buffer_keys *k)
{
	for (size_t i = 0; i < k->field_count; i++)
		mem_free(k->fields[i]);
	mem_free(k->fields);
	*k = (struct buffer_keys){0};
}

/* ---- the place -------------------------------------------------------------------------------------------------- */

char *buffer_conf_path(const struct buffer_conf *c, const char *root_dir, const char *id)
{
	if (!c->path)
		return mem_printf("%s/%s/buffer", root_dir, id);
	char *path = mem_strdup(c->path);
	/* "prefix.*.suffix" and "prefix*" name single files in fluentd; weir has a folder. */
	char *star = strchr(path, '*');
	if (star) {
		char *from = star > path && star[-1] == '.' ? star - 1 : star;
		memmove(from, star + 1, strlen(star + 1) + 1);
	}
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		path[--n] = 0;
	return path;
}
