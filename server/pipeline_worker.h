/*
 * pipeline_worker.h: <worker N> and <worker N-M>. fluentd's workers are processes, of which each has the directives outside of <worker> and then its own ones; weir
 * is one process, and so every directive runs once. What a source of <worker 0> sends meets the rules that worker 0 has in fluentd, and no other worker's.
 */
#ifndef WEIR_PIPELINE_WORKER_H
#define WEIR_PIPELINE_WORKER_H

#include "pipeline_impl.h"

/* The workers that a <worker> section names; false if it cannot be used (in the report). */
bool worker_section(struct builder *b, const struct conf_section *section, struct worker_range *r);

/* Whether it holds a filter or a match of its own. */
bool worker_has_rules(const struct conf_section *section);

/*
 * The worker whose rules the events of a source meet; -1: all have the same. A finding where fluentd would leave it to chance: where the workers that run the source have
 * different rules.
 */
long worker_of_source(struct builder *b, const struct conf_section *section);

#endif
