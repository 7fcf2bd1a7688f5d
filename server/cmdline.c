#include "cmdline.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	OPT_IGNORED,
	OPT_IGNORED_ARG,
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
	{"conf-encoding", required_argument, NULL, OPT_IGNORED_ARG},
	{"log-rotate-age", required_argument, NULL, OPT_IGNORED_ARG},
	{"log-rotate-size", required_argument, NULL, OPT_IGNORED_ARG},
	{"gemfile", required_argument, NULL, OPT_IGNORED_ARG},
	{"gem-path", required_argument, NULL, OPT_IGNORED_ARG},
	{"plugin", required_argument, NULL, 'p'},
	{NULL, 0, NULL, 0},
};

void cmdline_help(void)
{
	fputs("weir takes log events over the forward protocol, keeps them in durable buffers and indexes them into\n"
	      "Elasticsearch or OpenSearch. It reads fluentd's configuration.\n"
	      "\n"
	      "usage: weir [options]             run in the foreground\n"
	      "       weir check [options]       check a configuration; every unknown parameter is an error\n"
	      "       weir plugins               list the plugins\n"
	      "       weir help PLUGIN           what a plugin does, and its parameters\n"
	      "\n"
	      "  -c, --config FILE       the configuration (default: $FLUENT_CONF, " DEFAULT_CONFIG ",\n"
	      "                          " FLUENTD_CONFIG ")\n"
	      "  -i, --inline-config S   configuration text that is read after the file\n"
	      "  -o, --log FILE          log there instead of to standard error (SIGUSR1 opens it anew)\n"
	      "  -q, -qq                 log only warnings; only errors\n"
	      "  -v, -vv                 log debug lines; trace lines\n"
	      "      --dry-run           check the configuration, list what would be loaded, contact nobody\n"
	      "      --strict            an unknown parameter is an error\n"
	      "      --strict-config-value  a value that is no number is an error where one is wanted\n"
	      "      --show              with check: print the configuration in force, secrets masked\n"
	      "      --workers N         threads that read from senders\n"
	      "      --version           print the version\n"
	      "  -h, --help              this text\n"
	      "\n"
	      "signals: TERM, INT end in order (a second one at once); USR1 sends what is buffered and opens the log "
	      "anew\n",
		stdout);
}

static const char *default_config(void)
{
	const char *path = getenv("FLUENT_CONF");
	if (path && *path)
		return path;
	return access(DEFAULT_CONFIG, R_OK) == 0 || access(FLUENTD_CONFIG, R_OK) != 0 ? DEFAULT_CONFIG : FLUENTD_CONFIG;
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

static void take_option(struct cmdline *cmd, int opt)
{
	char *end;
	switch (opt) {
	case 'c':
		cmd->config = optarg;
		break;
	case 'i':
		cmd->inline_text = optarg;
		break;
	case 'o':
		cmd->log_path = optarg;
		break;
	case 'v':
		cmd->verbosity++;
		break;
	case 'q':
		cmd->verbosity--;
		break;
	case 'h':
		cmd->verb = CMD_HELP;
		break;
	case OPT_VERSION:
		cmd->verb = CMD_VERSION;
		break;
	case OPT_DRY_RUN:
		cmd->dry_run = true;
		break;
	case OPT_STRICT:
		cmd->strict = true;
		break;
	case OPT_STRICT_VALUE:
		cmd->strict_value = true;
		break;
	case OPT_SHOW:
		cmd->show = true;
		break;
	case OPT_WORKERS:
		cmd->workers = strtol(optarg, &end, 10);
		if (*end || cmd->workers < 1 || cmd->workers > 256)
			wrong(cmd, "--workers wants a number from 1 to 256, not ", optarg);
		break;
	case 'p':
		wrong(cmd, "Ruby plugins cannot be loaded: ", optarg);
		break;
	case OPT_IGNORED:
	case OPT_IGNORED_ARG:
	case 'r':
	case 'I':
		break;
	default:
		wrong(cmd, "unknown option ", "");
	}
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
	opterr = 1;
	while ((opt = getopt_long(argc, argv, "c:i:o:vqhp:r:I:", options, NULL)) != -1 && cmd->verb != CMD_WRONG)
		take_option(cmd, opt);
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
	if (cmd->dry_run && cmd->verb == CMD_RUN)
		cmd->verb = CMD_CHECK;
	else if (cmd->verb == CMD_CHECK)
		cmd->strict = true;
}
