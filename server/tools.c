#include "tools.h"

#include <stddef.h>
#include <string.h>

const struct tool tool_list[] = {
	{"buffer", cmd_buffer, "       weir buffer ls|show|verify|repair DIR   look at a buffer's folder, mend it\n"},
	{"deadletter", cmd_deadletter,
		"       weir deadletter ls|show|replay|drop     what could not be delivered, and why\n"},
	{"drain", cmd_drain, "       weir drain DIR             deliver what a buffer's folder from elsewhere holds\n"},
	{"status", cmd_status, "       weir status [--json]       how the weir that runs here is doing\n"},
	{"top", cmd_top, "       weir top                   the same on one screen, over and over\n"},
	{"tail", cmd_tail, "       weir tail [PATTERN]        events as they pass\n"},
	{"cat", cmd_cat, "       weir cat TAG               send lines of standard input as events\n"},
	{"setup-es", cmd_setup, "       weir setup-es [FOLDER]     put index templates and policies on the servers\n"},
	{NULL, NULL, NULL},
};

const struct tool *tool_find(const char *name)
{
	for (const struct tool *t = tool_list; t->name; t++)
		if (strcmp(t->name, name) == 0)
			return t;
	return NULL;
}
