#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log_file.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define VALUE_MAX 512 /* bytes of one value that are shown */

_Atomic int log_threshold = LOG_INFO;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *time_format;
static enum log_format out_format;
static const struct log_plugin_level *plugin_levels; /* log_set_plugin_levels */
static size_t plugin_level_count;
static int general_level; /* of all other plugins, where there are some */
static void (*tap_fn)(void *, enum log_level, const char *, const char *, const struct log_kv *);
static void *tap_arg;

static _Atomic uint64_t lines_written[LOG_FATAL + 1], lines_held;

static const char *const level_names[] = {"trace", "debug", "info", "warn", "error", "fatal"};

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* Text that may come from a peer, as the inside of a JSON string; the text form uses the same escapes. */
static void put_escaped(struct buf *b, struct span s)
{
	size_t i = 0, end = s.n > VALUE_MAX ? VALUE_MAX : s.n;
	while (i < end) {
		uint8_t c = s.p[i];
		size_t len = utf8_len(s.p + i, s.n - i);
		if (i + len > end)
			break; /* the cut would go through a character */
		if (len == 0) {
			buf_put_str(b, UTF8_REPLACEMENT);
			i += utf8_bad_len(s.p + i, s.n - i);
		} else if (c == '"' || c == '\\') {
			buf_put_byte(b, '\\');
			buf_put_byte(b, c);
			i++;
		} else if (c == '\n') {
			buf_put_str(b, "\\n");
			i++;
		} else if (c < 0x20 || c == 0x7f || (c == 0xc2 && s.p[i + 1] < 0xa0)) {
			buf_printf(b, "\\u%04x", len == 2 ? s.p[i + 1] : c); /* also C1: some terminals obey them */
			i += len;
		} else {
			buf_put(b, s.p + i, len);
			i += len;
		}
	}
	if (i < s.n)
		buf_printf(b, "...(%zu bytes)", s.n);
}

static void put_value(struct buf *b, const struct log_kv *kv)
{
	switch (kv->type) {
	case LOG_KV_STR:
		if (!kv->s) {
			buf_put_str(b, out_format == LOG_JSON ? "null" : "nil");
			return;
		}
		buf_put_byte(b, '"');
		put_escaped(b, span_str(kv->s));
		buf_put_byte(b, '"');
		return;
	case LOG_KV_SPAN:
		buf_put_byte(b, '"');
		put_escaped(b, kv->span);
		buf_put_byte(b, '"');
		return;
	case LOG_KV_INT:
		buf_printf(b, "%lld", (long long)kv->i);
		return;
	case LOG_KV_UINT:
		buf_printf(b, "%llu", (unsigned long long)kv->u);
		return;
	case LOG_KV_REAL:
		if (out_format == LOG_JSON && !isfinite(kv->d))
			buf_put_str(b, "null"); /* JSON has no NaN */
		else
			buf_printf(b, "%.6g", kv->d);
		return;
	}
}

static void put_time(struct buf *b)
{
	char text[128];
	time_t now = (time_t)(clock_wall_ns() / NS_PER_S);
	struct tm tm;
	localtime_r(&now, &tm);
	size_t n = strftime(text, sizeof text, time_format ? time_format : "%Y-%m-%d %H:%M:%S %z", &tm);
	if (out_format == LOG_JSON)
		put_escaped(b, span_of(text, n));
	else
		buf_put(b, text, n);
}

static void put_json(
	struct buf *b, enum log_level level, const char *plugin, const char *message, const struct log_kv *facts)
{
	buf_put_str(b, "{\"time\":\"");
	put_time(b);
	buf_printf(b, "\",\"level\":\"%s\"", level_names[level]);
	if (plugin) {
		buf_put_str(b, ",\"plugin\":\"");
		put_escaped(b, span_str(plugin));
		buf_put_byte(b, '"');
	}
	buf_put_str(b, ",\"message\":\"");
	put_escaped(b, span_str(message));
	buf_put_byte(b, '"');
	for (; facts->key; facts++) {
		buf_printf(b, ",\"%s\":", facts->key);
		put_value(b, facts);
	}
	buf_put_str(b, "}\n");
}

static void put_text(
	struct buf *b, enum log_level level, const char *plugin, const char *message, const struct log_kv *facts)
{
	put_time(b);
	buf_printf(b, " [%s]: ", level_names[level]);
	if (plugin) {
		buf_put_byte(b, '[');
		put_escaped(b, span_str(plugin));
		buf_put_str(b, "] ");
	}
	buf_put_str(b, message);
	for (; facts->key; facts++) {
		buf_printf(b, " %s=", facts->key);
		put_value(b, facts);
	}
	buf_put_byte(b, '\n');
}

/* With the lock. */
static bool is_wanted(enum log_level level, const char *plugin)
{
	for (size_t i = 0; plugin && i < plugin_level_count; i++)
		if (strcmp(plugin_levels[i].plugin, plugin) == 0)
			return level >= plugin_levels[i].level;
	return plugin_level_count == 0 || (int)level >= general_level;
}

static void write_line(enum log_level level, const char *plugin, const char *message, const struct log_kv *facts)
{
	struct buf b;
	buf_init(&b, 64 << 10);
	if (out_format == LOG_JSON)
		put_json(&b, level, plugin, message, facts);
	else
		put_text(&b, level, plugin, message, facts);
	if (!b.failed)
		log_file_write(buf_span(&b));
	if (tap_fn)
		tap_fn(tap_arg, level, plugin, message, facts);
	buf_free(&b);
}

void log_write(enum log_level level, const char *plugin, const char *message, const struct log_kv *facts)
{
	int saved = errno;
	pthread_mutex_lock(&lock);
	if (is_wanted(level, plugin)) {
		atomic_fetch_add(&lines_written[level], 1);
		write_line(level, plugin, message, facts);
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
}

void log_set_plugin_levels(const struct log_plugin_level *v, size_t n)
{
	pthread_mutex_lock(&lock);
	int level = plugin_level_count ? general_level : atomic_load(&log_threshold);
	plugin_levels = v;
	plugin_level_count = n;
	general_level = level;
	for (size_t i = 0; i < n; i++)
		if ((int)v[i].level < level)
			level = (int)v[i].level;
	atomic_store(&log_threshold, level);
	pthread_mutex_unlock(&lock);
}

void log_drop_plugin_levels(const struct log_plugin_level *v)
{
	if (v && plugin_levels == v)
		log_set_plugin_levels(NULL, 0);
}

bool log_allowed(struct log_limit *limit, int64_t interval_ns, uint64_t *held)
{
	int64_t now = clock_mono_ns();
	int64_t next = atomic_load(&limit->next_ns);
	if (now < next || !atomic_compare_exchange_strong(&limit->next_ns, &next, now + interval_ns)) {
		atomic_fetch_add(&limit->held, 1);
		atomic_fetch_add(&lines_held, 1);
		return false;
	}
	*held = atomic_exchange(&limit->held, 0);
	return true;
}

uint64_t log_lines(enum log_level level)
{
	return atomic_load(&lines_written[level]);
}

uint64_t log_lines_held(void)
{
	return atomic_load(&lines_held);
}

bool log_open(const char *path)
{
	pthread_mutex_lock(&lock);
	bool ok = log_file_open(path);
	pthread_mutex_unlock(&lock);
	return ok;
}

bool log_reopen(void)
{
	pthread_mutex_lock(&lock);
	bool ok = log_file_reopen();
	pthread_mutex_unlock(&lock);
	return ok;
}

void log_set_rotation(const struct log_rotation *r)
{
	pthread_mutex_lock(&lock);
	log_file_set_rotation(r);
	pthread_mutex_unlock(&lock);
}

void log_set_format(enum log_format format)
{
	pthread_mutex_lock(&lock);
	out_format = format;
	pthread_mutex_unlock(&lock);
}

void log_set_time_format(const char *format)
{
	pthread_mutex_lock(&lock);
	mem_free(time_format);
	time_format = format ? mem_strdup(format) : NULL;
	pthread_mutex_unlock(&lock);
}

void log_tap(void (*tap)(void *, enum log_level, const char *, const char *, const struct log_kv *), void *arg)
{
	pthread_mutex_lock(&lock);
	tap_fn = tap;
	tap_arg = arg;
	pthread_mutex_unlock(&lock);
}
