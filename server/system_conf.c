#include "system_conf.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AT(field)	offsetof(struct system_conf, field)
#define LOG_AT(field)	offsetof(struct system_log_conf, field)
#define ADMIN_AT(field) offsetof(struct system_admin_conf, field)
#define DEAD_AT(field)	offsetof(struct system_dead_conf, field)

static const struct conf_choice formats[] = {{"text", LOG_TEXT}, {"json", LOG_JSON}, {NULL, 0}};

static const struct conf_choice levels[] = {
	{"trace", LOG_TRACE},
	{"debug", LOG_DEBUG},
	{"info", LOG_INFO},
	{"warn", LOG_WARN},
	{"error", LOG_ERROR},
	{"fatal", LOG_FATAL},
	{NULL, 0},
};

enum { DEAD_HOLD, DEAD_DROP_OLDEST };
static const struct conf_choice dead_overflows[] = {
	{"block", DEAD_HOLD}, {"drop_oldest_chunk", DEAD_DROP_OLDEST}, {NULL, 0}};

static const struct conf_param log_params[] = {
	{.name = "format",
		.type = CONF_ENUM,
		.offset = LOG_AT(format),
		.value = "text",
		.choices = formats,
		.help = "The form of log lines."},
	{.name = "time_format",
		.type = CONF_STRING,
		.offset = LOG_AT(time_format),
		.value = "%Y-%m-%d %H:%M:%S %z",
		.help = "strftime format of their time."},
	{.name = "path",
		.type = CONF_STRING,
		.offset = LOG_AT(path),
		.writes = CONF_WRITES_FILE,
		.help = "The log file; -o goes before it. Default: standard error."},
	{.name = "rotate_age",
		.type = CONF_STRING,
		.offset = LOG_AT(rotate_age),
		.help = "How many files to keep (with rotate_size), or daily, weekly or monthly. Default: no rotation, "
			"or 5 "
			"files with rotate_size. (logrotate and SIGUSR1 do as well)"},
	{.name = "rotate_size",
		.type = CONF_SIZE,
		.offset = LOG_AT(rotate_size),
		.min = 1024,
		.help = "Bytes at which a log file is full. Default: no rotation, or 1 MiB with rotate_age."},
	{.name = "forced_stacktrace_level",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "there are no stack traces"},
	{.name = NULL},
};

static const struct {
	const char *name;
	enum log_period period;
} periods[] = {{"daily", LOG_DAILY}, {"weekly", LOG_WEEKLY}, {"monthly", LOG_MONTHLY}};

static enum log_period period_of(const char *text)
{
	for (size_t i = 0; i < sizeof periods / sizeof *periods; i++)
		if (strcmp(periods[i].name, text) == 0)
			return periods[i].period;
	return LOG_NO_PERIOD;
}

/* A number of files; 0 if it is none. */
static unsigned files_of(const char *text)
{
	size_t n = strspn(text, "0123456789");
	return n && n < 4 && !text[n] ? (unsigned)strtoul(text, NULL, 10) : 0;
}

bool system_is_rotate_age(const char *text)
{
	return period_of(text) || files_of(text) >= 2;
}

static void check_log(void *conf, struct conf_report *r)
{
	const struct system_log_conf *c = conf;
	if (c->rotate_age && !system_is_rotate_age(c->rotate_age))
		conf_report_add(r, CONF_ERROR, conf_where(c, "rotate_age"),
			"rotate_age: '%s' is neither a number of files from 2 to 999 nor daily, weekly or monthly",
			c->rotate_age);
}

struct log_rotation system_log_rotation(const struct system_log_conf *log)
{
	if (!log || (!log->rotate_age && log->rotate_size == CONF_NIL_INT))
		return (struct log_rotation){0};
	enum log_period period = log->rotate_age ? period_of(log->rotate_age) : LOG_NO_PERIOD;
	if (period)
		return (struct log_rotation){.period = period};
	return (struct log_rotation){
		.files = log->rotate_age ? files_of(log->rotate_age) : 5,
		.bytes = log->rotate_size == CONF_NIL_INT ? 1 << 20 : log->rotate_size,
	};
}

static const struct conf_schema log_schema = {
	.name = "log",
	.title = "log",
	.size = sizeof(struct system_log_conf),
	.params = log_params,
	.check = check_log,
	.help = "weir's own log.",
};

static const struct conf_param admin_params[] = {
	{.name = "bind",
		.type = CONF_STRING,
		.offset = ADMIN_AT(bind),
		.value = "127.0.0.1",
		.help = "The address of the admin endpoint."},
	{.name = "port",
		.type = CONF_INT,
		.offset = ADMIN_AT(port),
		.value = "24280",
		.min = 0,
		.max = 65535,
		.help = "Its port; 0 = any free one."},
	{.name = NULL},
};

static const struct conf_schema admin_schema = {
	.name = "admin",
	.title = "admin endpoint",
	.size = sizeof(struct system_admin_conf),
	.params = admin_params,
	.help = "The HTTP endpoint for /metrics, /healthz and /readyz. Without the section there is none.",
};

static const struct conf_param dead_params[] = {
	{.name = "path",
		.type = CONF_STRING,
		.offset = DEAD_AT(path),
		.writes = CONF_WRITES_FOLDER,
		.help = "The folder. Default: `dead` below root_dir or weir's state folder."},
	{.name = "total_limit_size",
		.type = CONF_SIZE,
		.offset = DEAD_AT(total_limit_size),
		.value = "1g",
		.min = 1 << 20,
		.help = "Bytes of all dead letters."},
	{.name = "overflow_action",
		.type = CONF_ENUM,
		.offset = DEAD_AT(overflow),
		.value = "block",
		.choices = dead_overflows,
		.help = "When it is full: block (what cannot be given up is held, with an alarm) or drop_oldest_chunk "
			"(counted)."},
	{.name = NULL},
};

static const struct conf_schema dead_schema = {
	.name = "dead_letters",
	.title = "dead letters",
	.size = sizeof(struct system_dead_conf),
	.params = dead_params,
	.help = "Where events are kept that can be neither delivered nor sent back. With a `<label @DEAD_LETTER>` they "
		"are "
		"events `weir.dead_letter` as well, for an index of their own.",
};

#define NOT_USED(param, why)                                                                  \
	{                                                                                     \
		.name = param, .type = CONF_IGNORED, .support = CONF_NOT_USED, .instead = why \
	}

static const struct conf_param params[] = {
	{.name = "workers",
		.type = CONF_INT,
		.offset = AT(workers),
		.min = 1,
		.max = 256,
		.help = "Threads that read from senders. They share one configuration and its buffers. Default: the "
			"number of CPUs."},
	{.name = "root_dir",
		.type = CONF_STRING,
		.offset = AT(root_dir),
		.help = "The folder below which buffers without a path, dead letters and positions are kept. Default: "
			"$WEIR_STATE_DIR, "
			"$STATE_DIRECTORY or /var/lib/weir."},
	{.name = "log_level",
		.type = CONF_ENUM,
		.offset = AT(log_level),
		.value = "info",
		.choices = levels,
		.help = "Log lines below it are not written."},
	{.name = "strict_config_value",
		.type = CONF_BOOL,
		.offset = AT(strict_config_value),
		.value = "false",
		.help = "Values that are no numbers are errors where numbers are wanted."},
	{.name = "input_memory_limit",
		.type = CONF_SIZE,
		.offset = AT(input_memory_limit),
		.value = "512m",
		.min = 16 << 20,
		.help = "Memory for messages that are not whole yet, or wait for room in a full buffer, of all "
			"connections together. When it is used up, the largest ones wait."},
	{.name = "file_permission",
		.type = CONF_STRING,
		.offset = AT(file_permission),
		.value = "0644",
		.help = "Permissions (octal) of the files that outputs write for others to read. Buffers and dead "
			"letters are for weir's user only."},
	{.name = "dir_permission",
		.type = CONF_STRING,
		.offset = AT(dir_permission),
		.value = "0755",
		.help = "The same of the folders that they make."},
	{.name = "umask",
		.type = CONF_STRING,
		.offset = AT(umask),
		.help = "The process's file mode creation mask (octal). Default: as it was given."},
	{.name = "confine",
		.type = CONF_BOOL,
		.offset = AT(confine),
		.value = "true",
		.help = "weir denies itself, as far as the kernel can, what it does not need: to start programs, some "
			"60 "
			"system calls (seccomp), and to write outside of the folders that the configuration names "
			"(landlock). A log line at start tells it. A reload that names other folders is refused."},
	{.name = "without_source",
		.type = CONF_BOOL,
		.offset = AT(without_source),
		.value = "false",
		.help = "Start no `<source>`: what is in the buffers is delivered, nothing new is taken in."},
	{.name = "rpc_endpoint",
		.type = CONF_STRING,
		.offset = AT(rpc_endpoint),
		.help = "host:port that takes fluentd's commands over HTTP: /api/plugins.flushBuffers, "
			"/api/processes.interruptWorkers, killWorkers, flushBuffersAndKillWorkers, /api/config.dump. "
			"Whoever reaches it can stop weir."},
	{.name = "enable_get_dump",
		.type = CONF_BOOL,
		.offset = AT(enable_get_dump),
		.value = "false",
		.help = "rpc_endpoint also answers /api/config.getDump: the configuration in force, secrets masked."},
	{.name = "config_include_dir",
		.type = CONF_STRING,
		.offset = AT(config_include_dir),
		.help = "A folder whose *.conf, *.yaml and *.yml are read after the configuration; \"\" = none. "
			"Default: "
			"$FLUENT_CONF_INCLUDE_DIR, and conf.d beside a configuration in /etc/fluent or /etc/weir."},
	{.name = "with_source_only",
		.type = CONF_IGNORED,
		.value = "false",
		.support = CONF_NOT_POSSIBLE,
		.instead = "outputs that cannot deliver keep events in their buffers as well"},
	NOT_USED("process_name", "the process is called weir"),
	NOT_USED("restart_worker_interval", "workers are threads"),
	NOT_USED("suppress_repeated_stacktrace", "there are no stack traces, and repeated lines are held back"),
	NOT_USED("emit_error_log_interval", "repeated lines are held back"),
	NOT_USED("ignore_repeated_log_interval", "repeated lines are held back"),
	NOT_USED("ignore_same_log_interval", "repeated lines are held back"),
	NOT_USED("suppress_config_dump", "the configuration is not dumped at start; `weir check --show` prints it"),
	NOT_USED("log_event_verbose", "log lines name their plugin"),
	NOT_USED("disable_shared_socket", "workers share their sockets"),
	NOT_USED("enable_input_metrics", "metrics are always kept"),
	NOT_USED("enable_size_metrics", "metrics are always kept"),
	NOT_USED("enable_msgpack_time_support", "msgpack's timestamps are always understood"),
	NOT_USED("enable_jit", "there is nothing to compile"),
	{.name = NULL},
};

/* Sections of fluentd's whose work is done here otherwise. */
static void note_section(void *conf, struct conf_report *r)
{
	const struct conf_common *c = conf;
	conf_report_add(r, CONF_NOTE, c->pos, "<%s> has no effect: %s", c->schema->name, c->schema->title);
}

#define SECTION_NOT_USED(NAME, WHY)                       \
	static const struct conf_schema NAME##_schema = { \
		.name = #NAME,                            \
		.title = WHY,                             \
		.size = sizeof(struct conf_common),       \
		.help = "Accepted, without effect.",      \
		.free_keys = true,                        \
		.free_sections = true,                    \
		.check = note_section,                    \
	}

SECTION_NOT_USED(metrics, "weir keeps its own metrics");
SECTION_NOT_USED(counter_server, "weir counts by itself");
SECTION_NOT_USED(counter_client, "weir counts by itself");
SECTION_NOT_USED(source_only_buffer, "buffers take events while outputs are not ready");

static const struct conf_sub subs[] = {
	{.schema = &log_schema, .offset = AT(log)},
	{.schema = &admin_schema, .offset = AT(admin)},
	{.schema = &dead_schema, .offset = AT(dead_letters)},
	{.schema = &metrics_schema, .offset = AT(metrics)},
	{.schema = &counter_server_schema, .offset = AT(counter_server)},
	{.schema = &counter_client_schema, .offset = AT(counter_client)},
	{.schema = &source_only_buffer_schema, .offset = AT(source_only_buffer)},
	{.schema = NULL},
};

/* 0644, 755, 0o22: -1 if it is none. */
static int octal(const char *text)
{
	const char *p = text + (strncmp(text, "0o", 2) == 0 ? 2 : 0);
	int v = 0;
	for (; *p >= '0' && *p <= '7' && v <= 07777; p++)
		v = v * 8 + (*p - '0');
	return *p == 0 && *text && v <= 07777 ? v : -1;
}

/* host:port or port */
static bool is_endpoint(const char *text)
{
	const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : text;
	size_t n = strspn(port, "0123456789");
	return n > 0 && n <= 5 && !port[n] && strtoul(port, NULL, 10) <= 65535;
}

static void check(void *conf, struct conf_report *r)
{
	const struct system_conf *c = conf;
	const struct {
		const char *name, *text;
	} modes[] = {
		{"file_permission", c->file_permission}, {"dir_permission", c->dir_permission}, {"umask", c->umask}};
	if (c->rpc_endpoint && !is_endpoint(c->rpc_endpoint))
		conf_report_add(r, CONF_ERROR, conf_where(c, "rpc_endpoint"),
			"rpc_endpoint should be 'host:port' or 'port', not '%s'", c->rpc_endpoint);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (modes[i].text && octal(modes[i].text) < 0)
			conf_report_add(r, CONF_ERROR, conf_where(c, modes[i].name),
				"%s: '%s' is not an octal number such as 0644", modes[i].name, modes[i].text);
}

const struct conf_schema system_conf_schema = {
	.name = "system",
	.title = "system",
	.size = sizeof(struct system_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "What concerns the whole process.",
};

const char *system_state_dir(const struct system_conf *c)
{
	static const char *const names[] = {"WEIR_STATE_DIR", "STATE_DIRECTORY"};
	if (c->root_dir)
		return c->root_dir;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *dir = getenv(names[i]);
		if (dir && *dir)
			return dir;
	}
	return "/var/lib/weir";
}

unsigned system_file_mode(const struct system_conf *c)
{
	return (unsigned)octal(c->file_permission);
}

unsigned system_dir_mode(const struct system_conf *c)
{
	return (unsigned)octal(c->dir_permission);
}

int system_umask(const struct system_conf *c)
{
	return c->umask ? octal(c->umask) : -1;
}

static bool differ(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

/* Of a section that may be there once. */
static bool sections_differ(const struct conf_list *a, const struct conf_list *b)
{
	const struct conf_common *x = a->n ? a->v[0] : NULL, *y = b->n ? b->v[0] : NULL;
	return x && y ? !conf_section_equal(x->section, y->section) : x != y;
}

void system_put_restarts(const struct system_conf *a, const struct system_conf *b, struct buf *out)
{
	const struct {
		const char *name;
		bool changed;
	} all[] = {
		{"workers", a->workers != b->workers},
		{"root_dir", differ(a->root_dir, b->root_dir)},
		{"without_source", a->without_source != b->without_source},
		{"confine", a->confine != b->confine},
		{"rpc_endpoint", differ(a->rpc_endpoint, b->rpc_endpoint)},
		{"enable_get_dump", a->enable_get_dump != b->enable_get_dump},
		{"<admin>", sections_differ(&a->admin, &b->admin)},
		{"<dead_letters>", sections_differ(&a->dead_letters, &b->dead_letters)},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].changed)
			buf_printf(out, "%s%s", out->n ? ", " : "", all[i].name);
}
