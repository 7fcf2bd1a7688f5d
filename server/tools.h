/* tools.h: verbs with a command line of their own: weir VERB ARGUMENTS. */
#ifndef WEIR_TOOLS_H
#define WEIR_TOOLS_H

struct tool {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the verb; the process's exit status */
	const char *usage;		   /* a line or more, for --help */
};

/* NULL: that is no tool's name. */
const struct tool *tool_find(const char *name);
/* All of them; ends with a name of NULL. */
extern const struct tool tool_list[];

/* One file each. */
int cmd_buffer(int argc, char **argv);
int cmd_deadletter(int argc, char **argv);
int cmd_drain(int argc, char **argv);
int cmd_cat(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_tail(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_setup(int argc, char **argv);

#endif
