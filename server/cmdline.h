/* cmdline.h: fluentd's command line, as far as it makes sense here, and weir's verbs. */
#ifndef WEIR_CMDLINE_H
#define WEIR_CMDLINE_H

#include <stdbool.h>
#include <stdint.h>

enum cmd_verb { CMD_RUN, CMD_CHECK, CMD_PLUGINS, CMD_HELP_PLUGIN, CMD_REFERENCE, CMD_VERSION, CMD_HELP, CMD_WRONG };

struct cmdline {
	enum cmd_verb verb;
	const char *config;	  /* -c, $FLUENT_CONF, or the default place */
	const char *inline_text;  /* -i */
	const char *include_dir;  /* $FLUENT_CONF_INCLUDE_DIR, or conf.d in fluentd's or weir's folder; NULL = none */
	const char *log_path;	  /* -o */
	const char *user, *group; /* --user, --group; NULL = as it is */
	const char *subject;	  /* of `help NAME` */
	char *rotate_age;	  /* --log-rotate-age; NULL = as configured */
	int64_t rotate_size;	  /* --log-rotate-size; 0 = as configured */
	int verbosity;		  /* -v = 1, -vv = 2, -q = -1, -qq = -2 */
	bool dry_run, strict, strict_value, show, yaml, without_source;
	long workers; /* --workers; 0 = as configured */
};

/* Reads argv. Mistakes are told on standard error, and give CMD_WRONG. */
void cmdline_parse(int argc, char **argv, struct cmdline *cmd);
void cmdline_help(void);

/* For a tool that reads the configuration `config`; NULL: the default one. */
void cmdline_for_tool(struct cmdline *cmd, const char *config);

#endif
