/* pipeline_impl.h: inside of pipeline: what its files share. Main thread, while a configuration is read. */
#ifndef WEIR_PIPELINE_IMPL_H
#define WEIR_PIPELINE_IMPL_H

#include "base/log.h"
#include "pipeline.h"
#include "router.h"

struct list {
	void **v;
	size_t n;
};

void list_add(struct list *l, void *p);

/* fluentd's worker processes that a <worker> section names. */
struct worker_range {
	long first, last; /* first -1: all of them */
};
#define EVERY_WORKER ((struct worker_range){-1, -1})

/* The rules of one label, or of the top level, as one of fluentd's workers has them. */
struct scope {
	const char *label; /* "" = the top level */
	struct worker_range workers;
	struct router *router;
};

struct pipeline {
	const struct conf_section *root;
	struct list sources, outputs, filters;
	struct list scopes;	 /* the first one is the top level of every worker */
	struct list secondaries; /* outputs in <secondary>: their flow is their primary's */
	struct list keys;	 /* chunk_keys */
	struct list memory;	 /* sections made here */
	struct list holders;	 /* where their plugins have them */
	struct source *held;	 /* of what those give on by themselves */
	struct log_plugin_level *log_levels;
};

struct builder {
	struct pipeline *pipeline;
	const struct system_conf *system;
	const struct conf_rules *rules;
	struct metrics *metrics;
	struct conf_report *report;
	const char *label;	      /* of the section that is being built; "" at the top level */
	struct worker_range workers;  /* of the <worker> that is being built */
	const char *pattern;	      /* of the <match> or <filter> that is being built */
	const struct output *primary; /* whose <secondary> is being built; NULL = none */
};

/* The router of a label ("" = the top level) as that worker has it; NULL if there is none. */
struct router *pipeline_router(const struct pipeline *p, const char *label, long worker);

/* A plugin of a section, made and added to the pipeline; findings go to the report. */
void builder_source(struct builder *b, const struct conf_section *section);
void builder_filter(struct builder *b, const struct conf_section *section);
void builder_match(struct builder *b, const struct conf_section *section);
/* The source of weir's own log, where rules ask for it. After all rules. */
void builder_own_log(struct builder *b);
/* Where there is a <label @DEAD_LETTER>. */
void builder_dead_letters(struct builder *b);

#endif
