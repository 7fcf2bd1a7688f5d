/*
 * in_own_log.h: weir's own log as events: `fluent.info {"message": "...", "port": 24224, ...}`, for <label @FLUENT_LOG> or a <match fluent.**>. No plugin of a
 * configuration: the pipeline adds it where rules ask for it.
 */
#ifndef WEIR_IN_OWN_LOG_H
#define WEIR_IN_OWN_LOG_H

#include "plugin.h"

struct own_log_conf {
	struct conf_common common;
	unsigned levels; /* a bit for each enum log_level whose lines become events */
};

extern const struct plugin in_own_log;

#endif
