/* loaded.h: a configuration, read and checked and made into parts; nothing is opened or started. */
#ifndef WEIR_LOADED_H
#define WEIR_LOADED_H

#include "cmdline.h"
#include "pipeline.h"

#include <stdio.h>

struct loaded {
	struct conf_tree *tree;
	struct system_conf *system;
	struct pipeline *pipeline; /* NULL if the text could not be read */
	struct metrics *metrics;
	bool lent; /* the metrics are another's */
};

/* What the command line names. With errors in the report nothing of it must be started. Always to be freed. */
void loaded_read(struct loaded *l, const struct cmdline *cmd, struct conf_report *report);
/* The same for a reload: plugins count on in the metrics that there are. */
void loaded_read_again(struct loaded *l, const struct cmdline *cmd, struct metrics *m, struct conf_report *report);
void loaded_free(struct loaded *l);

void loaded_print(const struct conf_report *report, FILE *to);

/* The folder of the dead letters, for the caller to mem_free. */
char *loaded_dead_path(const struct loaded *l);

/* For tools: reads it, and tells what is wrong with it on standard error. False if it cannot be used; it is freed then. */
bool loaded_for_tool(struct loaded *l, const struct cmdline *cmd);

#endif
