/* out_rewrite_tag_filter.c: <match> @type rewrite_tag_filter: events go on under a tag that is made from a field of theirs. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "batch_split.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"
#include "rewrite_rule.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TAG_MAX 4096u

struct rule_conf {
	struct conf_common common;
	char *key, *tag, *label;
	struct conf_regexp pattern;
	bool invert;
};

struct rewrite_conf {
	struct conf_common common;
	bool capitalize;
	char *remove_tag_prefix, *hostname_command;
	struct conf_regexp remove_tag_regexp;
	struct conf_list rules;
};

#define RULE_AT(field) offsetof(struct rule_conf, field)
#define AT(field)      offsetof(struct rewrite_conf, field)

static const struct conf_param rule_params[] = {
	{.name = "key",
		.type = CONF_STRING,
		.offset = RULE_AT(key),
		.required = true,
		.help = "The field that the pattern is looked for in: a name, or a path like $.a.b."},
	{.name = "pattern",
		.type = CONF_REGEXP,
		.offset = RULE_AT(pattern),
		.required = true,
		.help = "The regular expression. A field that is missing or empty never hits, but with `invert`."},
	{.name = "tag",
		.type = CONF_STRING,
		.offset = RULE_AT(tag),
		.required = true,
		.help = "The new tag: $1, $2 ... are what the groups took; ${tag}, ${tag_parts[N]}, ${hostname}, "
			"__TAG__, "
			"__TAG_PARTS[N]__ and __HOSTNAME__ are possible."},
	{.name = "label", .type = CONF_STRING, .offset = RULE_AT(label), .help = "The <label> that such events go to."},
	{.name = "invert",
		.type = CONF_BOOL,
		.offset = RULE_AT(invert),
		.value = "false",
		.help = "The rule hits where the pattern does not."},
	{.name = NULL},
};

static const struct conf_schema rule_schema = {
	.name = "rule",
	.title = "rule of the rewrite_tag_filter output",
	.size = sizeof(struct rule_conf),
	.params = rule_params,
	.help = "Rules are tried in their order; the first that hits counts.",
};

static const struct conf_choice emit_modes[] = {{"batch", 0}, {"record", 1}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "capitalize_regex_backreference",
		.type = CONF_BOOL,
		.offset = AT(capitalize),
		.value = "false",
		.help = "$1, $2 ... with a capital first letter and small ones behind it."},
	{.name = "remove_tag_prefix",
		.type = CONF_STRING,
		.offset = AT(remove_tag_prefix),
		.help = "Taken (with the dot behind it) from what ${tag} and ${tag_parts[N]} stand for."},
	{.name = "remove_tag_regexp",
		.type = CONF_REGEXP,
		.offset = AT(remove_tag_regexp),
		.help = "The same with a regular expression."},
	{.name = "hostname_command",
		.type = CONF_STRING,
		.offset = AT(hostname_command),
		.value = "hostname",
		.help = "Only `hostname` (the machine's name), `hostname -s` (up to the first dot) and `hostname -f`: "
			"weir "
			"runs no commands."},
	{.name = "emit_mode",
		.type = CONF_IGNORED,
		.choices = emit_modes,
		.support = CONF_NOT_USED,
		.instead = "events go on in batches; nothing differs"},
	{.name = "rewriterule",
		.type = CONF_IGNORED,
		.numbered = true,
		.support = CONF_MOVED,
		.instead = "v0.12's form of a rule, `key regexp tag`, where `!regexp` inverts; use <rule>"},
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &rule_schema, .offset = AT(rules), .multi = true},
	{.schema = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct rewrite_conf *c = conf;
	if (c->remove_tag_prefix && c->remove_tag_regexp.source)
		conf_report_add(r, CONF_ERROR, conf_where(c, "remove_tag_regexp"),
			"remove_tag_prefix and remove_tag_regexp are exclusive");
	if (strcmp(c->hostname_command, "hostname") != 0 && strcmp(c->hostname_command, "hostname -s") != 0 &&
		strcmp(c->hostname_command, "hostname -f") != 0)
		conf_report_add(r, CONF_ERROR, conf_where(c, "hostname_command"),
			"weir runs no commands: `hostname`, `hostname -s` and `hostname -f` are understood; write any "
			"other "
			"name into the tag itself, e.g. with \"#{ENV['NODE_NAME']}\"");
}

static const struct conf_schema schema = {
	.name = "match",
	.title = "rewrite_tag_filter output",
	.size = sizeof(struct rewrite_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Sends events on under a new tag, by rules over their fields. An event that no rule hits is dropped, "
		"as is "
		"one whose tag would stay the same (it would come back for ever), but with a `label`; both are "
		"counted.",
};

struct rule {
	struct rewrite_rule *rule;
	const struct router *router;
	char *what;   /* for the identity of what goes there */
	size_t group; /* the first rule with that `what`: their events go on together */
};

struct rewrite {
	struct rule *rules;
	size_t n;
	char *prefix;
	struct regexp *remove;
	char hostname[256];
	const struct router *router; /* of rules without a label */
	struct counter *no_rule, *same_tag;
	struct log_limit same_log;
};

/* ---- set-up ------------------------------------------------------------------------------------------------------- */

static void find_hostname(const char *command, char out[256])
{
	if (gethostname(out, 256) < 0)
		snprintf(out, 256, "localhost");
	out[255] = 0;
	if (strcmp(command, "hostname -s") == 0)
		out[strcspn(out, ".")] = 0;
}

static unsigned flags_of(const struct conf_regexp *r)
{
	return (r->ignore_case ? REGEXP_IGNORE_CASE : 0) | (r->extended ? REGEXP_EXTENDED : 0) |
	       (r->multi_line ? REGEXP_MULTI_LINE : 0);
}

static void add_rule(struct rewrite *w, struct output *o, struct builder *b, struct rewrite_rule_options *options,
	const struct rule_conf *written, struct conf_pos pos)
{
	const struct rewrite_conf *c = o->conf;
	struct err err;
	const char *unknown = NULL, *part = "tag", *label = written ? written->label : NULL;
	struct rule rule = {.router = w->router};
	options->capitalize = c->capitalize;
	options->hostname = w->hostname;
	if (label && *label)
		rule.router = builder_label(b, label, conf_where(written, "label"));
	rule.rule = rewrite_rule_compile(options, &unknown, &part, &err);
	if (written)
		pos = conf_where(written, part);
	if (!rule.rule)
		conf_report_add(builder_report(b), CONF_ERROR, pos, "%s", err.text);
	else if (unknown && *unknown == '$')
		conf_report_add(builder_report(b), CONF_WARNING, pos,
			"'%s' is no placeholder: it stays as it is in the tag '%s'", unknown, options->tag);
	else if (unknown)
		conf_report_add(builder_report(b), CONF_WARNING, pos,
			"unknown placeholder '%s' in the tag '%s': it stands for nothing", unknown, options->tag);
	rule.what = mem_printf("%s|%s", o->id, label ? label : "");
	while (rule.group < w->n && strcmp(w->rules[rule.group].what, rule.what) != 0)
		rule.group++;
	w->rules = mem_realloc(w->rules, (w->n + 1) * sizeof *w->rules);
	w->rules[w->n++] = rule;
}

/* "key regexp tag", the expression maybe in quotes and with ! before it. */
static void add_old_rule(struct rewrite *w, struct output *o, struct builder *b, const char *text, struct conf_pos pos)
{
	const char *key_end = text + strcspn(text, " \t"), *end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	const char *tag = end;
	while (tag > text && !isspace((unsigned char)tag[-1]))
		tag--;
	const char *re = key_end + strspn(key_end, " \t"), *re_end = tag;
	while (re_end > re && isspace((unsigned char)re_end[-1]))
		re_end--;
	if (re_end <= re || tag <= key_end) {
		conf_report_add(builder_report(b), CONF_ERROR, pos, "a rule is `key regexp tag`: '%s' is none", text);
		return;
	}
	char *key = mem_strndup(text, (size_t)(key_end - text)), *to = mem_strndup(tag, (size_t)(end - tag));
	bool invert = *re == '!';
	re += invert;
	if (re_end - re >= 2 && (*re == '"' || *re == '/') && re_end[-1] == *re) {
		re++;
		re_end--;
	}
	struct rewrite_rule_options options = {
		.key = key, .tag = to, .invert = invert, .pattern = span_of(re, (size_t)(re_end - re))};
	add_rule(w, o, b, &options, NULL, pos);
	mem_free(key);
	mem_free(to);
}

static unsigned long rule_number(const struct conf_pair *p)
{
	return strtoul(p->name + strlen("rewriterule"), NULL, 10);
}

/* rewriterule1, rewriterule2 ... by their numbers, wherever they stand. False: there are none. */
static bool add_old_rules(struct rewrite *w, struct output *o, struct builder *b)
{
	const struct conf_section *s = ((const struct conf_common *)o->conf)->section;
	const struct conf_param *param = params;
	while (!param->numbered)
		param++;
	for (const struct conf_pair *last = NULL, *next;; last = next) {
		next = NULL;
		for (const struct conf_pair *p = s->pairs; p; p = p->next)
			if (conf_is_name_of(param, p->name) && conf_section_get(s, p->name) == p &&
				(!last || rule_number(p) > rule_number(last)) &&
				(!next || rule_number(p) < rule_number(next)))
				next = p;
		if (!next)
			return last != NULL;
		conf_report_add(builder_report(b), CONF_WARNING, next->name_pos, "'%s' parameter is deprecated: %s",
			next->name, param->instead);
		add_old_rule(w, o, b, next->value, next->value_pos);
	}
}

static void report_repeated(const struct rewrite_conf *c, struct conf_report *r)
{
	for (size_t i = 1; i < c->rules.n; i++) {
		const struct rule_conf *a = c->rules.v[i];
		for (size_t k = 0; k < i && a->key && a->pattern.source; k++) {
			const struct rule_conf *other = c->rules.v[k];
			if (other->key && other->pattern.source && strcmp(a->key, other->key) == 0 &&
				strcmp(a->pattern.source, other->pattern.source) == 0 &&
				flags_of(&a->pattern) == flags_of(&other->pattern) && a->invert == other->invert)
				conf_report_add(r, CONF_ERROR, a->common.pos,
					"duplicated rewriterules found: the same key and pattern as in the rule at "
					"line %u",
					other->common.pos.line);
		}
	}
}

static void destroy(void *self)
{
	struct rewrite *w = self;
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++) {
		rewrite_rule_free(w->rules[i].rule);
		mem_free(w->rules[i].what);
	}
	mem_free(w->rules);
	mem_free(w->prefix);
	regexp_free(w->remove);
	mem_free(w);
}

static struct counter *dropped(struct output *o, struct metrics *m, const char *reason)
{
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, "reason", reason, NULL);
	struct counter *c = metrics_counter(
		m, "weir_output_dropped_events_total", labels, "Events that an output did not pass on, by reason.");
	mem_free(labels);
	return c;
}

static void *create(struct output *o, struct builder *b)
{
	const struct rewrite_conf *c = o->conf;
	struct rewrite *w = mem_zalloc(sizeof *w);
	struct err err;
	find_hostname(c->hostname_command, w->hostname);
	w->router = c->common.label ? builder_label(b, c->common.label, conf_where(c, "@label")) : builder_router(b);
	w->no_rule = dropped(o, builder_metrics(b), "no_rule");
	w->same_tag = dropped(o, builder_metrics(b), "same_tag");
	w->prefix = c->remove_tag_prefix ? mem_strdup(c->remove_tag_prefix) : NULL;
	if (c->remove_tag_regexp.source) {
		w->remove = regexp_compile(
			span_str(c->remove_tag_regexp.source), flags_of(&c->remove_tag_regexp), &err);
		if (!w->remove)
			conf_report_add(
				builder_report(b), CONF_ERROR, conf_where(c, "remove_tag_regexp"), "%s", err.text);
	}
	for (size_t i = 0; i < c->rules.n; i++) {
		const struct rule_conf *r = c->rules.v[i];
		if (!r->key || !r->pattern.source || !r->tag)
			continue;
		struct rewrite_rule_options options = {.key = r->key,
			.tag = r->tag,
			.invert = r->invert,
			.pattern = span_str(r->pattern.source),
			.pattern_flags = flags_of(&r->pattern)};
		add_rule(w, o, b, &options, r, r->common.pos);
	}
	if (!add_old_rules(w, o, b) && !c->rules.n)
		conf_report_add(
			builder_report(b), CONF_ERROR, c->common.pos, "missing rewriterules: there is no <rule>");
	report_repeated(c, builder_report(b));
	return w;
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

/* What ${tag} stands for. `cut` holds it where the middle of a tag is taken out. */
static struct span placeholder_tag(const struct rewrite *w, struct span tag, struct rewrite_room *room, struct buf *cut)
{
	struct span found;
	if (w->prefix) {
		size_t n = strlen(w->prefix);
		if (tag.n < n || memcmp(tag.p, w->prefix, n) != 0)
			return tag;
		n += n < tag.n && tag.p[n] == '.';
		return span_of(tag.p + n, tag.n - n);
	}
	if (!w->remove || regexp_groups(w->remove, tag, &room->regexp, &found, 1) != REGEXP_YES)
		return tag;
	size_t from = (size_t)(found.p - tag.p), to = from + found.n;
	buf_put(cut, tag.p, from);
	buf_put(cut, tag.p + to, tag.n - to);
	return buf_span(cut);
}

struct turn {
	struct rewrite *w;
	struct ingest *in;
	const struct batch *b;
	struct span tag;
	struct rewrite_room room;
	struct buf to;
	struct batch_split split;
	uint64_t no_rule, same_tag;
};

static void sort_event(struct turn *t, const struct batch_iter *it)
{
	const struct rewrite *w = t->w;
	for (size_t i = 0; i < w->n; i++) {
		const struct rule *r = &w->rules[i];
		buf_clear(&t->to);
		if (!rewrite_rule_apply(r->rule, it->event.record, t->tag, &t->room, &t->to))
			continue;
		struct span to = buf_span(&t->to);
		if (r->router == w->router && span_eq(to, t->b->tag))
			t->same_tag++;
		else if (!batch_split_add(&t->split, &w->rules[r->group], to, it->entry))
			ingest_no_memory(t->in, it->entry.n, 1);
		return;
	}
	t->no_rule++;
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	struct rewrite *w = o->self;
	struct turn t = {.w = w, .in = in, .b = b};
	struct batch_iter it;
	struct buf cut;
	uint64_t held;
	rewrite_room_init(&t.room);
	buf_init(&t.to, TAG_MAX);
	buf_init(&cut, 1 << 20);
	batch_split_init(&t.split);
	t.tag = placeholder_tag(w, b->tag, &t.room, &cut);
	for (batch_iter_init(&it, b); batch_iter_next(&it);)
		sort_event(&t, &it);
	counter_add(w->no_rule, t.no_rule);
	counter_add(w->same_tag, t.same_tag);
	if (t.same_tag && log_allowed(&w->same_log, 60 * NS_PER_S, &held))
		log_warn(o->id,
			"events whose tag would stay the same are dropped: they would come back here for ever; give "
			"the rule "
			"another tag, or a label",
			LOG_B("tag", b->tag), LOG_U("events", t.same_tag), LOG_U("held_back", held));
	for (size_t i = 0; i < t.split.n; i++) {
		const struct rule *r = t.split.parts[i].target;
		struct batch part = batch_split_part(b, &t.split.parts[i], r->what, true);
		ingest_route(in, r->router, &part);
	}
	batch_split_free(&t.split);
	rewrite_room_free(&t.room);
	buf_free(&t.to);
	buf_free(&cut);
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_rewrite_tag_filter = {
	.kind = PLUGIN_OUTPUT,
	.name = "rewrite_tag_filter",
	.help = "Sends events on under a tag made from their fields.",
	.schema = &schema,
	.output = &ops,
};
