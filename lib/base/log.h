/*
 * log.h: weir's own log, in fluentd's text form or as JSON lines.
 *
 *     2026-08-07 12:00:00 +0000 [warn]: #0 [es_out] the bulk request was refused status=429 host="es:9200"
 *     {"time":"2026-08-07 12:00:00 +0000","level":"warn","plugin":"es_out","message":"...","status":429,...}
 *
 * A message is a fixed sentence for the person at 3 a.m.: what happened, what weir does about it, what they can do; the
 * facts follow as key=value. Values are escaped (control characters, invalid UTF-8) and cut at 512 bytes, so nothing a
 * peer sends can forge a line. Levels: error = somebody must act; warn = degraded; info = life cycle; debug = per
 * connection; trace = per message; nothing per record. Secrets are never given to the logger.
 *
 * Any thread may log; a line is one write(2).
 */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "base/span.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };

struct log_kv {
	const char *key;
	enum { LOG_KV_STR, LOG_KV_INT, LOG_KV_UINT, LOG_KV_REAL, LOG_KV_SPAN } type;
	union {
		const char *s; /* NULL prints nil */
		int64_t i;
		uint64_t u;
		double d;
		struct span span;
	};
};

/* Makers of key=value facts: a C string, a signed and an unsigned integer, a real number, bytes. */
#define LOG_S(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_STR, .s = (v)})
#define LOG_I(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_INT, .i = (int64_t)(v)})
#define LOG_U(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_UINT, .u = (uint64_t)(v)})
#define LOG_D(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_REAL, .d = (v)})
#define LOG_B(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_SPAN, .span = (v)})

/* The level below which nothing is written; read without a lock. */
extern _Atomic int log_threshold;

/*
 * Writes a line. `plugin` is the @id of the plugin that speaks, or NULL; `message` a fixed sentence; the facts end with
 * one whose key is NULL. Use the macros below.
 */
void log_write(enum log_level level, const char *plugin, const char *message, const struct log_kv *facts);

/* The facts stand between two ends, so that there may be none. */
#define log_at(level, plugin, message, ...)                                                                \
	do {                                                                                               \
		if ((int)(level) >= atomic_load_explicit(&log_threshold, memory_order_relaxed))            \
			log_write((level), (plugin), (message),                                            \
				(const struct log_kv[]){{.key = NULL}, ##__VA_ARGS__, {.key = NULL}} + 1); \
	} while (0)

#define log_error(plugin, message, ...) log_at(LOG_ERROR, plugin, message, ##__VA_ARGS__)
#define log_warn(plugin, message, ...)	log_at(LOG_WARN, plugin, message, ##__VA_ARGS__)
#define log_info(plugin, message, ...)	log_at(LOG_INFO, plugin, message, ##__VA_ARGS__)
#define log_debug(plugin, message, ...) log_at(LOG_DEBUG, plugin, message, ##__VA_ARGS__)
#define log_trace(plugin, message, ...) log_at(LOG_TRACE, plugin, message, ##__VA_ARGS__)

/*
 * Lets one line through every interval_ns; zero-initialised, one for each kind of event (static, or in the object that
 * speaks). log_allowed returns true if the caller may log now and then sets *held to the number of lines held back since the
 * last one (log it as LOG_U("held_back", held)).
 */
struct log_limit {
	_Atomic int64_t next_ns; /* monotonic */
	_Atomic uint64_t held;
};
bool log_allowed(struct log_limit *limit, int64_t interval_ns, uint64_t *held);

/* Lines written at that level, and lines held back, since the start. */
uint64_t log_lines(enum log_level level);
uint64_t log_lines_held(void);

enum log_format { LOG_TEXT, LOG_JSON };

/* Start-up and reload only. `path` NULL means standard error. False (errno set) if the file cannot be opened; the old one stays. */
bool log_open(const char *path);
/* Opens the same path again (after a rotation by rename). */
bool log_reopen(void);
void log_set_format(enum log_format format);

/* Rotation of the log file by weir itself: by size (PATH.0 is the last full one, `files` in all with PATH), or by time (PATH.20260807). */
enum log_period { LOG_NO_PERIOD, LOG_DAILY, LOG_WEEKLY, LOG_MONTHLY };
struct log_rotation {
	unsigned files; /* 2 at least for rotation by size; 0 = none */
	int64_t bytes;
	enum log_period period;
};
void log_set_rotation(const struct log_rotation *r);

/* strftime(3) format of the time; the string is copied. NULL restores fluentd's "%Y-%m-%d %H:%M:%S %z". */
void log_set_time_format(const char *format);

/*
 * Levels of single plugins (@log_level), by their @id; all others keep what log_threshold is at the call, which is lowered where a plugin wants more. Start-up
 * and reload only; `v` (n of them) and its strings stay in use until the next call, which may be (NULL, 0).
 */
struct log_plugin_level {
	const char *plugin;
	enum log_level level;
};
void log_set_plugin_levels(const struct log_plugin_level *v, size_t n);
/* The same with (NULL, 0), if v is what is in force. */
void log_drop_plugin_levels(const struct log_plugin_level *v);

/* "trace" ... "fatal" to the level; false if there is no such level. */
bool log_level_parse(const char *name, enum log_level *level);
const char *log_level_name(enum log_level level);

/*
 * A second reader of the log (the own-log source, tests). Called for each line at or above the threshold, in the logging thread, with the lock of the
 * logger held: it must not log and must not wait. NULL takes it away.
 */
void log_tap(void (*tap)(void *arg, enum log_level level, const char *plugin, const char *message,
		     const struct log_kv *facts),
	void *arg);

#endif
