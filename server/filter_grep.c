/*
 * filter_grep.c: <filter> @type grep: keeps or drops events by what their fields say. As in fluentd, the <regexp> sections at the top must all match, one <exclude> there is enough to
 * drop, and a field that is not there is "".
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/regexp_engine.h"
#include "base/utf8.h"
#include "filter_walk.h"
#include "parse/parser.h"
#include "pipeline.h"
#include "record/record_path.h"
#include "record/ruby_text.h"

#include <stddef.h>

#define OLD_MAX	 20 /* regexp1 ... regexp20 */
#define TEXT_MAX ((size_t)256 << 20)

struct condition_conf {
	struct conf_common common;
	char *key;
	struct conf_regexp pattern;
};

struct group_conf {
	struct conf_common common;
	struct conf_list regexps, excludes;
};

struct filter_grep_conf {
	struct conf_common common;
	char *regexp[OLD_MAX], *exclude[OLD_MAX];
	struct conf_list regexps, excludes, ands, ors;
};

/* ---- tables ---- */

static const struct conf_param condition_params[] = {
	{.name = "key",
		.type = CONF_STRING,
		.offset = offsetof(struct condition_conf, key),
		.required = true,
		.help = "The field (record accessor). One that is not there counts as empty."},
	{.name = "pattern",
		.type = CONF_REGEXP,
		.offset = offsetof(struct condition_conf, pattern),
		.required = true,
		.help = "The regular expression, in Ruby's syntax: `/.../`, with i, m, x behind it if needed."},
	{.name = NULL},
};

static const struct conf_schema regexp_schema = {
	.name = "regexp",
	.title = "regexp of the grep filter",
	.size = sizeof(struct condition_conf),
	.params = condition_params,
	.help = "The event goes on only if the field matches.",
};

static const struct conf_schema exclude_schema = {
	.name = "exclude",
	.title = "exclude of the grep filter",
	.size = sizeof(struct condition_conf),
	.params = condition_params,
	.help = "The event is dropped if the field matches.",
};

static const struct conf_sub group_subs[] = {
	{.schema = &regexp_schema, .offset = offsetof(struct group_conf, regexps), .multi = true},
	{.schema = &exclude_schema, .offset = offsetof(struct group_conf, excludes), .multi = true},
	{.schema = NULL},
};

static const struct conf_schema and_schema = {
	.name = "and",
	.title = "group of the grep filter",
	.size = sizeof(struct group_conf),
	.subs = group_subs,
	.help = "`<regexp>` sections that must all match, or `<exclude>` sections that drop an event only if all "
		"match.",
};

static const struct conf_schema or_schema = {
	.name = "or",
	.title = "group of the grep filter",
	.size = sizeof(struct group_conf),
	.subs = group_subs,
	.help = "`<regexp>` sections of which one must match, or `<exclude>` sections of which one is enough to drop.",
};

#define OLD(i, field, section)                                                                                     \
	{                                                                                                          \
		.name = #field #i, .type = CONF_STRING, .offset = offsetof(struct filter_grep_conf, field[(i)-1]), \
		.support = CONF_DEPRECATED, .instead = "write a <" section "> section"                             \
	}
#define OLD_20(field, section)                                                                                      \
	OLD(1, field, section), OLD(2, field, section), OLD(3, field, section), OLD(4, field, section),             \
		OLD(5, field, section), OLD(6, field, section), OLD(7, field, section), OLD(8, field, section),     \
		OLD(9, field, section), OLD(10, field, section), OLD(11, field, section), OLD(12, field, section),  \
		OLD(13, field, section), OLD(14, field, section), OLD(15, field, section), OLD(16, field, section), \
		OLD(17, field, section), OLD(18, field, section), OLD(19, field, section), OLD(20, field, section)

static const struct conf_param params[] = {
	OLD_20(regexp, "regexp"),
	OLD_20(exclude, "exclude"),
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &regexp_schema, .offset = offsetof(struct filter_grep_conf, regexps), .multi = true},
	{.schema = &exclude_schema, .offset = offsetof(struct filter_grep_conf, excludes), .multi = true},
	{.schema = &and_schema, .offset = offsetof(struct filter_grep_conf, ands), .multi = true},
	{.schema = &or_schema, .offset = offsetof(struct filter_grep_conf, ors), .multi = true},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "filter",
	.title = "grep filter",
	.size = sizeof(struct filter_grep_conf),
	.params = params,
	.subs = subs,
	.help = "Keeps or drops events by what their fields say. All `<regexp>` must match; an `<exclude>` that "
		"matches "
		"drops; `<and>` and `<or>` hold groups of either.",
};

/* ---- the filter ---- */

struct condition {
	char *key;
	struct record_path *path;
	regex_t *regexp;
};

struct conditions {
	struct condition *v;
	size_t n;
};

enum { ALL_MATCH, ONE_MATCHES, ALL_DROP, ONE_DROPS, KINDS };

struct filter_grep {
	struct conditions conditions[KINDS];
	struct filter_pool pool;
};

struct room {
	struct filter_room room;
	struct buf msgpack, text, scrubbed;
};

static void free_room(struct filter_room *room)
{
	struct room *r = (struct room *)room;
	buf_free(&r->msgpack);
	buf_free(&r->text);
	buf_free(&r->scrubbed);
	mem_free(r);
}

static struct room *take_room(struct filter_grep *g)
{
	struct room *r = (struct room *)filter_pool_take(&g->pool);
	if (r)
		return r;
	r = mem_zalloc(sizeof *r);
	buf_init(&r->msgpack, TEXT_MAX);
	buf_init(&r->text, TEXT_MAX);
	buf_init(&r->scrubbed, TEXT_MAX);
	return r;
}

static void destroy(void *self)
{
	struct filter_grep *g = self;
	if (!g)
		return;
	for (int kind = 0; kind < KINDS; kind++) {
		for (size_t i = 0; i < g->conditions[kind].n; i++) {
			mem_free(g->conditions[kind].v[i].key);
			record_path_free(g->conditions[kind].v[i].path);
			onig_free(g->conditions[kind].v[i].regexp);
		}
		mem_free(g->conditions[kind].v);
	}
	filter_pool_destroy(&g->pool, free_room);
	mem_free(g);
}

/* ---- making ---- */

struct maker {
	struct filter_grep *grep;
	struct conf_report *report;
};

static bool has_key(const struct conditions *c, const char *key)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->v[i].key, key) == 0)
			return true;
	return false;
}

/* A condition's two values, and where they stand. */
struct written {
	const char *key;
	struct span source;
	unsigned flags;
	struct conf_pos key_pos, pattern_pos;
};

static void add(struct maker *m, int kind, const struct written *w)
{
	struct conditions *c = &m->grep->conditions[kind];
	struct err err;
	c->v = mem_realloc(c->v, (c->n + 1) * sizeof *c->v);
	struct condition *made = &c->v[c->n++];
	*made = (struct condition){.key = mem_strdup(w->key)};
	made->path = record_path_compile(w->key, &err);
	if (!made->path)
		conf_report_add(m->report, CONF_ERROR, w->key_pos, "%s", err.text);
	made->regexp = regexp_engine_compile(w->source, w->flags, &err);
	if (!made->regexp)
		conf_report_add(m->report, CONF_ERROR, w->pattern_pos, "%s", err.text);
}

/* The sections of a list; `in` names the group for messages ("" at the top). */
static void add_sections(struct maker *m, int kind, const struct conf_list *list, const char *in)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct condition_conf *c = list->v[i];
		const struct conf_regexp *re = &c->pattern;
		if (!c->key || !re->source)
			continue;
		if (has_key(&m->grep->conditions[kind], c->key)) {
			conf_report_add(m->report, CONF_ERROR, conf_where(c, "key"), "Duplicate key%s: %s", in, c->key);
			continue;
		}
		const struct written w = {.key = c->key,
			.source = span_str(re->source),
			.flags = (re->ignore_case ? REGEXP_IGNORE_CASE : 0) | (re->extended ? REGEXP_EXTENDED : 0) |
				 (re->multi_line ? REGEXP_MULTI_LINE : 0),
			.key_pos = conf_where(c, "key"),
			.pattern_pos = conf_where(c, "pattern")};
		add(m, kind, &w);
	}
}

static void add_groups(struct maker *m, int match, int drop, const struct conf_list *groups, const char *name)
{
	char in[16];
	snprintf(in, sizeof in, " in <%s>", name);
	for (size_t i = 0; i < groups->n; i++) {
		const struct group_conf *g = groups->v[i];
		if (g->regexps.n && g->excludes.n)
			conf_report_add(m->report, CONF_ERROR, g->common.pos,
				"Do not specify both <regexp> and <exclude> in <%s>", name);
		add_sections(m, match, &g->regexps, in);
		add_sections(m, drop, &g->excludes, in);
	}
}

/* v0.12: regexp1 KEY PATTERN */
static void add_old(struct maker *m, int kind, char *const *values, const char *name, const void *conf)
{
	for (unsigned i = 0; i < OLD_MAX; i++) {
		char param[16];
		if (!values[i])
			continue;
		snprintf(param, sizeof param, "%s%u", name, i + 1);
		const struct conf_pos pos = conf_where(conf, param);
		const char *blank = strchr(values[i], ' ');
		if (!blank) {
			conf_report_add(m->report, CONF_ERROR, pos, "%s does not contain 2 parameters", param);
			continue;
		}
		char *key = mem_strndup(values[i], (size_t)(blank - values[i]));
		if (has_key(&m->grep->conditions[kind], key))
			conf_report_add(m->report, CONF_ERROR, pos, "%s contains a duplicated key, %s", param, key);
		else
			add(m, kind,
				&(struct written){
					.key = key, .source = span_str(blank + 1), .key_pos = pos, .pattern_pos = pos});
		mem_free(key);
	}
}

static void *create(struct filter *f, struct builder *b)
{
	const struct filter_grep_conf *c = f->conf;
	struct filter_grep *g = mem_zalloc(sizeof *g);
	struct maker m = {g, builder_report(b)};
	size_t errors = m.report->errors;
	filter_pool_init(&g->pool);
	add_old(&m, ALL_MATCH, c->regexp, "regexp", c);
	add_old(&m, ONE_DROPS, c->exclude, "exclude", c);
	add_sections(&m, ALL_MATCH, &c->regexps, "");
	add_sections(&m, ONE_DROPS, &c->excludes, "");
	add_groups(&m, ALL_MATCH, ALL_DROP, &c->ands, "and");
	add_groups(&m, ONE_MATCHES, ONE_DROPS, &c->ors, "or");
	if (m.report->errors == errors)
		return g;
	destroy(g);
	return NULL;
}

/* ---- events ---- */

enum verdict { NO, YES, RAISED, GIVEN_UP };

/* The field's value; false: the way to it leads through something that has no fields, where Ruby's dig raises. */
static bool look_up(const struct condition *c, struct span record, struct value *v)
{
	const struct record_step *step;
	size_t n = record_path_steps(c->path, &step);
	*v = (struct value){.type = VALUE_RAW_MAP, .s = record};
	for (size_t i = 0; i < n && v->type != VALUE_NIL; i++) {
		const struct value key = step[i].is_index ? value_int(step[i].index) : value_str(step[i].key);
		bool found;
		if (value_is_map(v))
			found = value_get(NULL, v, &key, v);
		else if (value_is_array(v) && step[i].is_index)
			found = value_at(v, step[i].index, v);
		else
			return false;
		if (!found)
			*v = value_nil();
	}
	return true;
}

/* Ruby's to_s of it, as UTF-8. */
static bool text_of(struct room *room, const struct value *v, struct span *text)
{
	*text = (struct span){0};
	if (v->type == VALUE_NIL)
		return true;
	if (value_is_str(v)) {
		*text = value_text(v);
	} else {
		buf_clear(&room->msgpack);
		buf_clear(&room->text);
		if (!value_put(&room->msgpack, v) || !ruby_to_s(&room->text, buf_span(&room->msgpack)))
			return false;
		*text = buf_span(&room->text);
	}
	if (utf8_valid(*text))
		return true;
	buf_clear(&room->scrubbed);
	if (!parser_scrub(&room->scrubbed, *text, "?"))
		return false;
	*text = buf_span(&room->scrubbed);
	return true;
}

static enum verdict matches(const struct condition *c, struct span record, struct room *room)
{
	struct value v;
	struct span text;
	if (!look_up(c, record, &v))
		return RAISED;
	if (!text_of(room, &v, &text))
		return GIVEN_UP;
	switch (regexp_engine_search(c->regexp, text, 0, NULL)) {
	case REGEXP_YES:
		return YES;
	case REGEXP_NO:
		return NO;
	default:
		return GIVEN_UP;
	}
}

/* YES if one condition's answer is `wanted`; NO if none is. */
static enum verdict any(const struct conditions *c, enum verdict wanted, struct span record, struct room *room)
{
	for (size_t i = 0; i < c->n; i++) {
		enum verdict v = matches(&c->v[i], record, room);
		if (v == RAISED || v == GIVEN_UP)
			return v;
		if (v == wanted)
			return YES;
	}
	return NO;
}

/* YES: the event goes on. */
static enum verdict judge(const struct filter_grep *g, struct span record, struct room *room)
{
	static const struct {
		int kind;
		enum verdict wanted, drops; /* looking for such an answer; dropped if there is one, or none */
	} rules[] = {
		{ALL_MATCH, NO, YES},
		{ONE_MATCHES, YES, NO},
		{ALL_DROP, NO, NO},
		{ONE_DROPS, YES, YES},
	};
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		const struct conditions *c = &g->conditions[rules[i].kind];
		if (!c->n)
			continue;
		enum verdict v = any(c, rules[i].wanted, record, room);
		if (v == RAISED || v == GIVEN_UP)
			return v;
		if (v == rules[i].drops)
			return NO;
	}
	return YES;
}

/* fluentd keeps an event whose fields it cannot look into. */
static void keep_with_warning(struct filter_walk *w)
{
	static struct log_limit limit;
	uint64_t held;
	if (log_allowed(&limit, 10 * NS_PER_S, &held))
		log_warn(w->filter->id, "a field of the filter lies in something that is no map; the event goes on",
			LOG_B("tag", w->batch->tag), LOG_U("held_back", held));
	filter_walk_keep(w);
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	struct filter_grep *g = f->self;
	struct room *room = take_room(g);
	struct filter_walk w;
	filter_walk_begin(&w, f, in, b, out);
	while (filter_walk_next(&w)) {
		switch (judge(g, w.record, room)) {
		case YES:
			filter_walk_keep(&w);
			break;
		case RAISED:
			keep_with_warning(&w);
			break;
		case GIVEN_UP:
			filter_walk_fail(
				&w, "grep_limit", "a regular expression was given up: too many steps for this text");
			break;
		case NO:
			break;
		}
	}
	filter_pool_give(&g->pool, &room->room);
	return w.count;
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_grep = {
	.kind = PLUGIN_FILTER,
	.name = "grep",
	.help = "Keeps or drops events by what their fields say.",
	.schema = &schema,
	.filter = &ops,
};
