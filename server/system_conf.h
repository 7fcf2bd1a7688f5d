/* system_conf.h: the <system> section. */
#ifndef WEIR_SYSTEM_CONF_H
#define WEIR_SYSTEM_CONF_H

#include "base/log.h"
#include "conf/conf_schema.h"

struct system_log_conf {
	struct conf_common common;
	int format;
	char *time_format, *path;
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
	int64_t input_memory_limit;
	struct conf_list log, admin, dead_letters;
};

extern const struct conf_schema system_conf_schema;

/* The folder for what must last, where root_dir is not given: $WEIR_STATE_DIR, systemd's $STATE_DIRECTORY, /var/lib/weir. */
const char *system_state_dir(const struct system_conf *c);

#endif
