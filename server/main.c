/* main.c: the command line to what it asks for; nothing else. */
#include "cmdline.h"
#include "crash_guard.h"
#include "describe.h"
#include "die_at.h"
#include "privileges.h"
#include "server.h"
#include "tools.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>

int main(int argc, char **argv)
{
	struct cmdline cmd;
	const struct tool *tool = argc > 1 ? tool_find(argv[1]) : NULL;
	privileges_lock();
	/* Both seed or initialise globals, and must do so before there are threads. */
	json_object_seed(0);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	crash_guard_start();
	if (tool)
		return tool->run(argc - 1, argv + 1);
	cmdline_parse(argc, argv, &cmd);
	struct err err;
	if (!privileges_become(cmd.user, cmd.group, &err)) {
		fprintf(stderr, "weir: %s\n", err.text);
		return 1;
	}
	switch (cmd.verb) {
	case CMD_WRONG:
		return 1;
	case CMD_HELP:
		cmdline_help();
		return 0;
	case CMD_VERSION:
		puts("weir " WEIR_VERSION);
		return 0;
	case CMD_PLUGINS:
		return describe_plugins();
	case CMD_HELP_PLUGIN:
		return describe_plugin(cmd.subject);
	case CMD_REFERENCE:
		return describe_reference();
	case CMD_CHECK:
		return server_check(&cmd);
	case CMD_RUN:
		break;
	}
	int status = die_at_from_env() ? server_run(&cmd) : 1;
	curl_global_cleanup();
	return status;
}
