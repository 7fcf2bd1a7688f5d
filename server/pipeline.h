/*
 * pipeline.h: a configuration as running parts: sources, filters, outputs, and the routers between them. Built whole and checked before anything
 * is opened, so that `weir check` and a reload find everything that is wrong in one run.
 */
#ifndef WEIR_PIPELINE_H
#define WEIR_PIPELINE_H

#include "plugin.h"
#include "system_conf.h"

struct pipeline;

/* Makes everything from the tree; findings go to the report. Always returns one; with errors in the report it must not be started. */
struct pipeline *pipeline_new(const struct conf_section *root, const struct system_conf *system,
	const struct conf_rules *rules, struct metrics *m, struct conf_report *report);
void pipeline_free(struct pipeline *p); /* not started, or ended; NULL is allowed */

size_t pipeline_sources(const struct pipeline *p, struct source *const **v);
size_t pipeline_outputs(const struct pipeline *p, struct output *const **v);
size_t pipeline_filters(const struct pipeline *p, struct filter *const **v);

/* The router of the top level. */
const struct router *pipeline_top(const struct pipeline *p);

/*
 * A reload, while all workers are parked: sources that run and that both configurations have in the same words are p's from now on, with p's routers;
 * the others of `old` send what they still have p's way. What was kept still uses what `old` was made from.
 */
void pipeline_take_over(struct pipeline *p, struct pipeline *old);
/* Whether p has a source that `home` was made with. */
bool pipeline_has_source_of(const struct pipeline *p, const struct pipeline *home);

/* Puts each plugin's @log_level in force; until pipeline_free. */
void pipeline_set_log_levels(struct pipeline *p);

/* Where plugins have what holds events over messages, and the source (of no plugin) of what these give on by themselves; NULL if there are none. */
struct holder;
size_t pipeline_holders(const struct pipeline *p, struct holder **const **v);
struct source *pipeline_held_source(const struct pipeline *p);

/* fn for each file and folder that plugins write, and for each buffer's. */
void pipeline_each_written(
	const struct pipeline *p, void (*fn)(void *arg, enum conf_writes is, const char *path), void *arg);

/* What would be loaded: a line for each plugin. */
void pipeline_describe(const struct pipeline *p, struct buf *out);
/* `weir check --show`: all of it with every default and where each value came from. */
void pipeline_show(const struct pipeline *p, struct buf *out);

/* ---- for plugins while they are made -------------------------------------------------------------------------------- */

struct builder;
struct conf_report *builder_report(struct builder *b);
struct metrics *builder_metrics(struct builder *b);
/* Below it plugins keep what must last: <system> root_dir, or weir's state folder. */
const char *builder_root(struct builder *b);
const struct conf_rules *builder_rules(struct builder *b);
const struct system_conf *builder_system(const struct builder *b);
/* The router of the rules among which the plugin stands: where an output without @label sends events on to. */
const struct router *builder_router(struct builder *b);
/* The router of a label ("@NAME"); NULL and a finding at `pos` if there is no such <label>. */
const struct router *builder_label(struct builder *b, const char *label, struct conf_pos pos);
/* Makes an output within another one (<store>, <secondary>). NULL: findings were added. It belongs to the pipeline. */
struct output *builder_output(struct builder *b, const struct conf_section *section);
/* The same for a section that also holds a parameter of the outer output's, which the inner one must not see. */
struct output *builder_store(struct builder *b, const struct conf_section *section, const char *without);

/* The pipeline is told where the plugin has its holder. */
void builder_holder(struct builder *b, struct holder **h);

/*
 * Gives an output its buffer, and its <secondary> if there is one. `c` NULL: no <buffer> section; then v0.12's flat parameters, else all defaults. Within a
 * <secondary> the output gets the primary's flow instead: its chunks are what it flushes.
 */
struct buffer_conf;
struct chunk_keys;
void builder_flow(struct builder *b, struct output *o, const struct buffer_conf *c);
/* For an output that splits chunks: default_keys and default_timekey_ns as for chunk_keys_new. The keys are the pipeline's. */
const struct chunk_keys *builder_split_flow(struct builder *b, struct output *o, struct buffer_conf *c,
	const char *default_keys, int64_t default_timekey_ns);
/* The output whose <secondary> is being built; NULL if it is none. */
const struct output *builder_primary(const struct builder *b);

/* For tables of buffered outputs: a <secondary> section, which the builder makes. The field is a struct conf_list that nobody needs to look at. */
extern const struct conf_schema secondary_schema;

#endif
