#include "cmdline.h"

#include "system_conf.h"

#include "tools.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/weir/weir.conf"
#define FLUENTD_CONFIG "/etc/fluent/fluent.conf"

enum {
	OPT_DRY_RUN = 256,
	OPT_VERSION,
	OPT_STRICT,
	OPT_STRICT_VALUE,
	OPT_SHOW,
	OPT_WORKERS,
	OPT_UMASK,
	OPT_WITHOUT_SOURCE,
	OPT_FILE_TYPE,
	OPT_ROTATE_AGE,
	OPT_ROTATE_SIZE,
	OPT_USER,
	OPT_GROUP,
	OPT_IGNORED,
	OPT_IGNORED_ARG,
	OPT_REFUSED, /* and what follows it */
	OPT_SOURCE_ONLY = OPT_REFUSED,
	OPT_V0,
	OPT_DAEMON,
	OPT_SETUP,
	OPT_SHOW_PLUGIN,
	OPT_END,
};

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"inline-config", required_argument, NULL, 'i'},
	{"log", required_argument, NULL, 'o'},
	{"verbose", no_argument, NULL, 'v'},
	{"quiet", no_argument, NULL, 'q'},
	{"dry-run", no_argument, NULL, OPT_DRY_RUN},
	{"strict", no_argument, NULL, OPT_STRICT},
	{"strict-config-value", no_argument, NULL, OPT_STRICT_VALUE},
	{"show", no_argument, NULL, OPT_SHOW},
	{"workers", required_argument, NULL, OPT_WORKERS},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, 'h'},
	/* Of fluentd's, without effect here: one process, no Ruby, no stack traces. */
	{"no-supervisor", no_argument, NULL, OPT_IGNORED},
	{"under-supervisor", no_argument, NULL, OPT_IGNORED},
	{"use-v1-config", no_argument, NULL, OPT_IGNORED},
	{"suppress-config-dump", no_argument, NULL, OPT_IGNORED},
	{"suppress-repeated-stacktrace", optional_argument, NULL, OPT_IGNORED},
	{"enable-input-metrics", no_argument, NULL, OPT_IGNORED},
	{"disable-input-metrics", no_argument, NULL, OPT_IGNORED},
	{"enable-size-metrics", no_argument, NULL, OPT_IGNORED},
	{"disable-shared-socket", no_argument, NULL, OPT_IGNORED},
	{"log-event-verbose", no_argument, NULL, OPT_IGNORED},
	{"emit-error-log-interval", required_argument, NULL, OPT_IGNORED_ARG},
	{"log-rotate-age", required_argument, NULL, OPT_ROTATE_AGE},
	{"log-rotate-size", required_argument, NULL, OPT_ROTATE_SIZE},
	{"without-source", no_argument, NULL, OPT_WITHOUT_SOURCE},
	{"umask", required_argument, NULL, OPT_UMASK},
	{"config-file-type", required_argument, NULL, OPT_FILE_TYPE},
	{"with-source-only", no_argument, NULL, OPT_SOURCE_ONLY},
	{"use-v0-config", no_argument, NULL, OPT_V0},
	{"user", required_argument, NULL, OPT_USER},
	{"group", required_argument, NULL, OPT_GROUP},
	{"daemon", required_argument, NULL, OPT_DAEMON},
	{"setup", optional_argument, NULL, OPT_SETUP},
	{"show-plugin-config", required_argument, NULL, OPT_SHOW_PLUGIN},
	{"conf-encoding", required_argument, NULL, OPT_IGNORED_ARG},
	{"gemfile", required_argument, NULL, OPT_IGNORED_ARG},
	{"gem-path", required_argument, NULL, OPT_IGNORED_ARG},
	{"plugin", required_argument, NULL, 'p'},
	{NULL, 0, NULL, 0},
};

/* What fluentd's options that would change something are refused with, from OPT_REFUSED on. */
static const char *const refused[] = {
	[OPT_SOURCE_ONLY -
		OPT_REFUSED] = "--with-source-only: outputs that cannot deliver keep events in their buffers",
	[OPT_V0 - OPT_REFUSED] = "--use-v0-config: v0.12's parameters are read in v1's syntax; v0's own syntax is not",
	[OPT_DAEMON - OPT_REFUSED] = "--daemon: weir stays in the foreground; a service manager runs and watches it",
	[OPT_SETUP - OPT_REFUSED] = "--setup: begin with config/weir.conf",
	[OPT_SHOW_PLUGIN - OPT_REFUSED] = "--show-plugin-config: `weir help PLUGIN` tells it",
};

void cmdline_help(void)
{
	fputs("weir takes log events over the forward protocol, keeps them in durable buffers and indexes them into\n"
	      "Elasticsearch or OpenSearch. It reads fluentd's configuration.\n"
	      "\n"
	      "usage: weir [options]             run in the foreground\n"
	      "       weir check [options]       check a configuration; every unknown parameter is an error\n"
	      "       weir plugins               list the plugins\n"
	      "       weir help PLUGIN           what a plugin does, and its parameters\n",
		stdout);
	for (const struct tool *t = tool_list; t->name; t++)
		fputs(t->usage, stdout);
	fputs("\n"
	      "  -c, --config FILE       the configuration (default: $FLUENT_CONF, " DEFAULT_CONFIG ",\n"
	      "                          " FLUENTD_CONFIG ")\n"
	      "  -i, --inline-config S   configuration text that is read after the file\n"
	      "  -o, --log FILE          log there instead of to standard error (SIGUSR1 opens it anew)\n"
	      "      --log-rotate-age N  keep N log files, or rotate daily, weekly, monthly\n"
	      "      --log-rotate-size S  a log file is full at this size\n"
	      "  -q, -qq                 log only warnings; only errors\n"
	      "  -v, -vv                 log debug lines; trace lines\n"
	      "      --dry-run           check the configuration, list what would be loaded, contact nobody\n"
	      "      --strict            an unknown parameter is an error\n"
	      "      --strict-config-value  a value that is no number is an error where one is wanted\n"
	      "      --show              with check: print the configuration in force, secrets masked\n"
	      "      --workers N         threads that read from senders\n"
	      "      --without-source    take nothing in: deliver what is in the buffers\n"
	      "      --umask MASK        file mode creation mask (octal)\n"
	      "      --user USER, --group GROUP  started as root: be them, before anything is opened\n"
	      "      --config-file-type T  yaml: the configuration is YAML, whatever its name\n"
	      "      --version           print the version\n"
	      "  -h, --help              this text\n"
	      "\n"
	      "signals: TERM, INT end in order (a second one at once); USR1 sends what is buffered and opens the log "
	      "anew;\n"
	      "         HUP, USR2 read the configuration again\n",
		stdout);
}

static const char *default_config(void)
{
	const char *path = getenv("FLUENT_CONF");
	if (path && *path)
		return path;
	return access(DEFAULT_CONFIG, R_OK) == 0 || access(FLUENTD_CONFIG, R_OK) != 0 ? DEFAULT_CONFIG : FLUENTD_CONFIG;
}

/* fluentd adds /etc/fluent/conf.d to every configuration; here only one that lies beside it gets it. */
static const char *default_include_dir(const char *config)
{
	static const char *const folders[] = {"/etc/weir/conf.d", "/etc/fluent/conf.d"};
	const char *dir = getenv("FLUENT_CONF_INCLUDE_DIR");
	if (dir)
		return dir;
	for (size_t i = 0; config && i < sizeof folders / sizeof *folders; i++) {
		size_t n = strlen(folders[i]) - strlen("conf.d");
		if (strncmp(config, folders[i], n) == 0 && !strchr(config + n, '/'))
			return folders[i];
	}
	return NULL;
}

static bool take_verb(struct cmdline *cmd, int argc, char **argv)
{
	static const struct {
		const char *name;
		enum cmd_verb verb;
	} verbs[] = {
		{"check", CMD_CHECK},
		{"plugins", CMD_PLUGINS},
		{"help", CMD_HELP_PLUGIN},
		{"reference", CMD_REFERENCE},
		{"version", CMD_VERSION},
	};
	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(argv[1], verbs[i].name) == 0) {
			cmd->verb = verbs[i].verb;
			return true;
		}
	}
	return false;
}

static void wrong(struct cmdline *cmd, const char *text, const char *what)
{
	fprintf(stderr, "weir: %s%s (weir --help lists the options)\n", text, what);
	cmd->verb = CMD_WRONG;
}

/* Images of fluentd always name a folder for plugins, which is empty nearly always. */
static bool holds_ruby(const char *folder)
{
	bool found = false;
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		size_t n = strlen(e->d_name);
		found |= n > 3 && strcmp(e->d_name + n - 3, ".rb") == 0;
	}
	if (d)
		closedir(d);
	return found;
}

static void take_umask(struct cmdline *cmd)
{
	char *end;
	unsigned long mask = strtoul(optarg, &end, 8);
	if (*end || end == optarg || mask > 0777)
		wrong(cmd, "--umask wants an octal number such as 022, not ", optarg);
	else
		umask((mode_t)mask);
}

/* What getopt did not take; `before` is the argument that it was looking at. */
static void refuse(struct cmdline *cmd, int opt, const char *before)
{
	char name[3] = {'-', (char)optopt, 0};
	bool is_long = strncmp(before, "--", 2) == 0;
	wrong(cmd, opt == ':' ? "a value is missing behind " : "unknown option ", is_long ? before : name);
}

static void take_workers(struct cmdline *cmd)
{
	char *end;
	cmd->workers = strtol(optarg, &end, 10);
	if (*end || cmd->workers < 1 || cmd->workers > 256)
		wrong(cmd, "--workers wants a number from 1 to 256, not ", optarg);
}

static void take_file_type(struct cmdline *cmd)
{
	cmd->yaml = strcmp(optarg, "yaml") == 0 || strcmp(optarg, "yml") == 0;
	if (!cmd->yaml && strcmp(optarg, "v1") != 0 && strcmp(optarg, "guess") != 0)
		wrong(cmd, "--config-file-type is one of guess, v1, yaml, yml, not ", optarg);
}

static void take_rotate_age(struct cmdline *cmd)
{
	cmd->rotate_age = optarg;
	if (!system_is_rotate_age(optarg))
		wrong(cmd, "--log-rotate-age wants a number from 2 to 999, daily, weekly or monthly, not ", optarg);
}

static void take_rotate_size(struct cmdline *cmd)
{
	const char *trap;
	if (!conf_parse_size(optarg, &cmd->rotate_size, &trap) || cmd->rotate_size < 1024)
		wrong(cmd, "--log-rotate-size wants a size such as 10m, not ", optarg);
}

/* False: no option without a value, or one that is not taken. */
static bool take_flag(struct cmdline *cmd, int opt)
{
	switch (opt) {
	case 'v':
		cmd->verbosity++;
		return true;
	case 'q':
		cmd->verbosity--;
		return true;
	case 'h':
		cmd->verb = CMD_HELP;
		return true;
	case OPT_VERSION:
		cmd->verb = CMD_VERSION;
		return true;
	case OPT_DRY_RUN:
		cmd->dry_run = true;
		return true;
	case OPT_STRICT:
		cmd->strict = true;
		return true;
	case OPT_STRICT_VALUE:
		cmd->strict_value = true;
		return true;
	case OPT_SHOW:
		cmd->show = true;
		return true;
	case OPT_WITHOUT_SOURCE:
		cmd->without_source = true;
		return true;
	default:
		return false;
	}
}

/* False: no option with a value, or one that is not taken. */
static bool take_value(struct cmdline *cmd, int opt)
{
	switch (opt) {
	case 'c':
		cmd->config = optarg;
		return true;
	case 'i':
		cmd->inline_text = optarg;
		return true;
	case 'o':
		cmd->log_path = optarg;
		return true;
	case OPT_WORKERS:
		take_workers(cmd);
		return true;
	case OPT_FILE_TYPE:
		take_file_type(cmd);
		return true;
	case OPT_ROTATE_AGE:
		take_rotate_age(cmd);
		return true;
	case OPT_ROTATE_SIZE:
		take_rotate_size(cmd);
		return true;
	case OPT_UMASK:
		take_umask(cmd);
		return true;
	case OPT_USER:
		cmd->user = optarg;
		return true;
	case OPT_GROUP:
		cmd->group = optarg;
		return true;
	default:
		return false;
	}
}

/* Options of fluentd's that weir refuses, or that mean nothing to it. */
static void take_other(struct cmdline *cmd, int opt, const char *text)
{
	switch (opt) {
	case 'p':
		if (holds_ruby(optarg))
			wrong(cmd, "-p: Ruby plugins cannot be loaded, and there are some in ", optarg);
		break;
	case 'd':
		wrong(cmd, refused[OPT_DAEMON - OPT_REFUSED], "");
		break;
	case 's':
		wrong(cmd, refused[OPT_SETUP - OPT_REFUSED], "");
		break;
	case OPT_IGNORED:
	case OPT_IGNORED_ARG:
	case 'r':
	case 'I':
	case 'g':
	case 'G':
		break;
	default:
		if (opt >= OPT_REFUSED && opt < OPT_END)
			wrong(cmd, refused[opt - OPT_REFUSED], "");
		else
			refuse(cmd, opt, text);
	}
}

void cmdline_for_tool(struct cmdline *cmd, const char *config)
{
	*cmd = (struct cmdline){.config = config ? config : default_config()};
	cmd->include_dir = default_include_dir(cmd->config);
}

void cmdline_parse(int argc, char **argv, struct cmdline *cmd)
{
	*cmd = (struct cmdline){.verb = CMD_RUN};
	if (take_verb(cmd, argc, argv)) {
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	int opt;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":c:i:o:vqhp:r:I:d:s::g:G:", options, NULL)) != -1 &&
		cmd->verb != CMD_WRONG)
		if (!take_flag(cmd, opt) && !take_value(cmd, opt))
			take_other(cmd, opt, argv[optind - 1]);
	if (cmd->verb == CMD_WRONG)
		return;
	if (cmd->verb == CMD_HELP_PLUGIN && optind < argc)
		cmd->subject = argv[optind++];
	if (cmd->verb == CMD_CHECK && optind < argc)
		cmd->config = argv[optind++];
	if (optind < argc) {
		wrong(cmd, "no such verb or argument: ", argv[optind]);
		return;
	}
	if (!cmd->config)
		cmd->config = cmd->inline_text && access(default_config(), R_OK) != 0 ? NULL : default_config();
	cmd->include_dir = default_include_dir(cmd->config);
	if (cmd->dry_run && cmd->verb == CMD_RUN)
		cmd->verb = CMD_CHECK;
	else if (cmd->verb == CMD_CHECK)
		cmd->strict = true;
}
