/* system_conf.h: the <system> section. */
#ifndef WEIR_SYSTEM_CONF_H
#define WEIR_SYSTEM_CONF_H

#include "base/log.h"
#include "conf/conf_schema.h"

struct system_log_conf {
	struct conf_common common;
	int format;
	char *time_format, *path;
	char *rotate_age; /* a number of files, or daily, weekly, monthly */
	int64_t rotate_size;
};

struct system_admin_conf {
	struct conf_common common;
	char *bind;
	int64_t port;
};

struct system_dead_conf {
	struct conf_common common;
	char *path;
	int64_t total_limit_size;
	int overflow;
};

struct system_conf {
	struct conf_common common;
	int64_t workers;
	char *root_dir;
	int log_level;
	bool strict_config_value;
	bool without_source;
	bool confine;
	char *rpc_endpoint;
	bool enable_get_dump;
	int64_t input_memory_limit;
	char *file_permission, *dir_permission, *umask; /* octal */
	char *config_include_dir;			/* conf_tree_read has used it */
	struct conf_list log, admin, dead_letters;
	struct conf_list metrics, counter_server, counter_client, source_only_buffer; /* without effect */
};

extern const struct conf_schema system_conf_schema;

/* The folder for what must last, where root_dir is not given: $WEIR_STATE_DIR, systemd's $STATE_DIRECTORY, /var/lib/weir. */
const char *system_state_dir(const struct system_conf *c);

/* The permissions of files and folders that outputs write for others to read: file_permission and dir_permission, 0644 and 0755. */
unsigned system_file_mode(const struct system_conf *c);
unsigned system_dir_mode(const struct system_conf *c);
/* What rotate_age and rotate_size mean; `log` may be NULL. */
bool system_is_rotate_age(const char *text);
struct log_rotation system_log_rotation(const struct system_log_conf *log);
/* Appends the names of what differs between two of them and counts at a start only, with ", " between. */
void system_put_restarts(const struct system_conf *a, const struct system_conf *b, struct buf *out);
/* umask; -1 = as the process was given it. */
int system_umask(const struct system_conf *c);

#endif
