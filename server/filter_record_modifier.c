/* filter_record_modifier.c: <filter> @type record_modifier: sets fields by Ruby's expressions, one after the other, and replaces texts. */
#include "base/mem.h"
#include "base/regexp.h"
#include "pipeline.h"
#include "record_encoding.h"
#include "record_fields.h"

#include <stddef.h>

struct replace_conf {
	struct conf_common common;
	char *key, *replace;
	struct conf_regexp expression;
};

struct modifier_conf {
	struct conf_common common;
	char *char_encoding;
	struct conf_array remove_keys, whitelist_keys;
	struct conf_list records, replaces;
};

#define AT(field) .offset = offsetof(struct modifier_conf, field)

static const struct conf_param params[] = {
	{.name = "remove_keys",
		.type = CONF_ARRAY,
		AT(remove_keys),
		.help = "Fields (record accessors) that are removed, after those of `<record>` were set."},
	{.name = "whitelist_keys",
		.type = CONF_ARRAY,
		AT(whitelist_keys),
		.help = "Only these fields stay, and those of `<record>`. Not together with `remove_keys`."},
	{.name = "char_encoding",
		.type = CONF_STRING,
		AT(char_encoding),
		.help = "`FROM:utf-8`: the values' texts are in the encoding FROM (a name that Ruby or iconv has: "
			"euc-jp, shift_jis, windows-1252) and become UTF-8; what is no text in it becomes U+FFFD. "
			"`utf-8` alone changes nothing: texts are taken for that anyway, and what is none is replaced "
			"when documents are written."},
	{.name = "prepare_value",
		.type = CONF_IGNORED,
		.support = CONF_NOT_POSSIBLE,
		.instead = "weir runs no code at start; write what it prepares into the expressions of <record>"},
	{.name = "include_tag_key",
		.type = CONF_IGNORED,
		.support = CONF_REMOVED,
		.instead = "write `tag ${tag}` into <record>"},
	{.name = NULL},
};

static const struct conf_param replace_params[] = {
	{.name = "key",
		.type = CONF_STRING,
		.offset = offsetof(struct replace_conf, key),
		.required = true,
		.help = "The field."},
	{.name = "expression",
		.type = CONF_REGEXP,
		.offset = offsetof(struct replace_conf, expression),
		.required = true,
		.help = "The regular expression: `/.../`."},
	{.name = "replace",
		.type = CONF_STRING,
		.offset = offsetof(struct replace_conf, replace),
		.required = true,
		.help = "What comes in the place of each match; `\\1` and `\\k<name>` are the match's groups."},
	{.name = NULL},
};

static const struct conf_schema replace_schema = {
	.name = "replace",
	.title = "replacement of the record_modifier filter",
	.size = sizeof(struct replace_conf),
	.params = replace_params,
	.help = "Replaces parts of a field's text.",
};

static const struct conf_sub subs[] = {
	{.schema = &record_section_schema, AT(records), .multi = true},
	{.schema = &replace_schema, AT(replaces), .multi = true},
	{.schema = NULL},
};

static const struct conf_schema schema;

/* Fields outside of <record>; some of them may be misspelt parameters. */
static void check(void *conf, struct conf_report *r)
{
	static const char *const names[] = {"remove_keys", "whitelist_keys", "char_encoding", "prepare_value", NULL};
	const struct modifier_conf *c = conf;
	for (const struct conf_pair *p = c->common.section ? c->common.section->pairs : NULL; p; p = p->next) {
		if (!conf_is_more(&schema, p->name))
			continue;
		const char *near = conf_nearest(p->name, names);
		conf_report_add(r, CONF_WARNING, p->name_pos,
			"'%.80s' becomes a field of each event: fields belong into <record>%s%s%s", p->name,
			near ? "; did you mean the parameter '" : "", near ? near : "", near ? "'?" : "");
	}
}

static const struct conf_schema schema = {
	.name = "filter",
	.title = "record_modifier filter",
	.size = sizeof(struct modifier_conf),
	.params = params,
	.subs = subs,
	.more_keys = true,
	.check = check,
	.help = "Sets the fields of its `<record>` section, one after the other, so that each value sees those before "
		"it. In v0.12 they stood beside the parameters; they still may, and come first. "
		"`${...}` in a value is an expression in Ruby, with `tag`, `tag_parts`, `time` and `record`. Then come "
		"`remove_keys` or `whitelist_keys`, and `<replace>`.",
};

struct replacement {
	const struct replace_conf *conf;
	const struct expr *expr;
};

struct modifier {
	const struct modifier_conf *conf;
	struct record_fields *fields;
	struct record_path **remove;
	size_t remove_count;
	struct replacement *replace;
	size_t replace_count;
	char *encoding; /* that texts come in; NULL = they are taken as they are */
	struct filter_pool pool, encodings;
};

/* ---- making ---- */

static void destroy(void *self)
{
	struct modifier *m = self;
	if (!m)
		return;
	for (size_t i = 0; i < m->remove_count; i++)
		record_path_free(m->remove[i]);
	mem_free(m->remove);
	mem_free(m->replace);
	mem_free(m->encoding);
	filter_pool_destroy(&m->pool, record_room_free);
	filter_pool_destroy(&m->encodings, record_encoding_free);
	record_fields_free(m->fields);
	mem_free(m);
}

static void add_removals(struct modifier *m, struct conf_report *report)
{
	const struct conf_array *keys = &m->conf->remove_keys;
	struct err err;
	m->remove = mem_array(keys->n + 1, sizeof *m->remove);
	for (size_t i = 0; i < keys->n; i++) {
		struct record_path *path = record_path_compile(keys->v[i], &err);
		if (path)
			m->remove[m->remove_count++] = path;
		else
			conf_report_add(
				report, CONF_ERROR, conf_where(m->conf, "remove_keys"), "remove_keys: %s", err.text);
	}
}

static void add_replacements(struct modifier *m, struct conf_report *report)
{
	const struct conf_list *list = &m->conf->replaces;
	struct expr_error e;
	m->replace = mem_array(list->n + 1, sizeof *m->replace);
	for (size_t i = 0; i < list->n; i++) {
		const struct replace_conf *c = list->v[i];
		const struct conf_regexp *re = &c->expression;
		if (!c->key || !re->source || !c->replace)
			continue;
		unsigned flags = (re->ignore_case ? REGEXP_IGNORE_CASE : 0) | (re->extended ? REGEXP_EXTENDED : 0) |
				 (re->multi_line ? REGEXP_MULTI_LINE : 0);
		const struct expr *expr = expr_compile_gsub(record_fields_set(m->fields), span_str(c->key),
			span_str(re->source), flags, span_str(c->replace), &e);
		if (expr)
			m->replace[m->replace_count++] = (struct replacement){c, expr};
		else
			conf_report_add(report, CONF_ERROR, conf_where(c, "expression"), "%s", e.text);
	}
}

static void *create(struct filter *f, struct builder *b)
{
	const struct modifier_conf *c = f->conf;
	struct conf_report *report = builder_report(b);
	size_t errors = report->errors;
	struct modifier *m = mem_zalloc(sizeof *m);
	struct err err;
	m->conf = c;
	filter_pool_init(&m->pool);
	filter_pool_init(&m->encodings);
	if (c->remove_keys.v && c->whitelist_keys.v)
		conf_report_add(report, CONF_ERROR, conf_where(c, "whitelist_keys"),
			"remove_keys and whitelist_keys are exclusive with each other.");
	if (c->char_encoding && !record_encoding_parse(c->char_encoding, &m->encoding, &err))
		conf_report_add(report, CONF_ERROR, conf_where(c, "char_encoding"), "char_encoding: %s", err.text);
	m->fields = record_fields_make(&c->common, &c->records, RECORD_MODIFIER, true, report);
	add_removals(m, report);
	add_replacements(m, report);
	if (report->errors == errors)
		return m;
	destroy(m);
	return NULL;
}

/* ---- one record ---- */

/* What one record's way through the filter needs. */
struct change {
	const struct modifier *m;
	struct expr_vm *vm;
	struct filter_walk *walk;
	struct record_encoding *encoding; /* NULL = texts stay as they are */
	struct record record;
};

static bool no_room(const struct change *c)
{
	record_fields_no_room(c->walk);
	return false;
}

static bool raised(const struct change *c, const char *written)
{
	record_fields_raised(c->walk, c->vm, written);
	return false;
}

static bool set_fields(struct change *c)
{
	const struct record_fields *fields = c->m->fields;
	for (size_t i = 0; i < record_fields_count(fields); i++) {
		struct span key;
		struct value v;
		if (!record_fields_get(fields, i, c->vm, &key, &v))
			return raised(c, record_fields_text(fields, i));
		if (!record_set(&c->record, key, &v))
			return no_room(c);
	}
	return true;
}

static bool is_listed(const struct modifier *m, const struct value *key)
{
	const struct conf_array *list = &m->conf->whitelist_keys;
	if (!value_is_str(key))
		return false;
	for (size_t i = 0; i < list->n; i++)
		if (span_is(value_text(key), list->v[i]))
			return true;
	for (size_t i = 0; i < record_fields_count(m->fields); i++)
		if (span_is(value_text(key), record_fields_key(m->fields, i)))
			return true;
	return false;
}

static bool thin_out(struct change *c)
{
	struct record kept;
	struct value self, key, v;
	struct value_iter it;
	for (size_t i = 0; i < c->m->remove_count; i++)
		if (!record_remove_path(&c->record, c->m->remove[i]))
			return no_room(c);
	if (!c->m->conf->whitelist_keys.v)
		return true;
	if (!record_new(&kept, c->record.arena))
		return no_room(c);
	record_iter(&c->record, &self, &it);
	while (value_iter_pair(&it, &key, &v))
		if (is_listed(c->m, &key) && !record_set(&kept, value_text(&key), &v))
			return no_room(c);
	c->record = kept;
	return true;
}

static bool replace(struct change *c)
{
	struct value v;
	expr_vm_set_record(c->vm, &c->record, c->walk->time);
	for (size_t i = 0; i < c->m->replace_count; i++) {
		const struct replacement *r = &c->m->replace[i];
		if (!expr_eval(c->vm, r->expr, &v))
			return raised(c, r->conf->expression.source);
		if (v.type != VALUE_NIL && v.type != VALUE_BOOL && !record_set(&c->record, span_str(r->conf->key), &v))
			return no_room(c);
	}
	return true;
}

static void put(struct change *c)
{
	struct span converted = c->encoding ? record_encoding_convert(c->encoding, &c->record) : (struct span){0};
	if (!c->encoding)
		filter_walk_put(c->walk, &c->record);
	else if (converted.n)
		filter_walk_put_raw(c->walk, converted);
	else
		no_room(c);
}

static void modify(struct change *c)
{
	expr_vm_set_record(c->vm, &c->record, c->walk->time);
	if (!record_fields_prepare(c->m->fields, c->vm, &c->record)) {
		no_room(c);
		return;
	}
	if (set_fields(c) && thin_out(c) && (!c->m->replace_count || replace(c)))
		put(c);
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	struct modifier *m = f->self;
	struct record_room *room = record_room_take(&m->pool, m->fields);
	struct arena *arena = expr_vm_arena(room->vm);
	struct arena_mark mark = arena_save(arena);
	struct filter_walk w;
	struct change c = {.m = m, .vm = room->vm, .walk = &w};
	if (m->encoding)
		c.encoding = record_encoding_take(&m->encodings, m->encoding);
	filter_walk_begin(&w, f, in, b, out);
	bool tagged = expr_vm_set_tag(room->vm, b->tag);
	while (filter_walk_open(&w, arena, &c.record)) {
		if (tagged)
			modify(&c);
		else
			no_room(&c);
	}
	arena_restore(arena, mark);
	filter_pool_give(&m->pool, &room->room);
	if (c.encoding)
		record_encoding_give(&m->encodings, c.encoding);
	return w.count;
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_record_modifier = {
	.kind = PLUGIN_FILTER,
	.name = "record_modifier",
	.help = "Sets, removes and replaces fields, with Ruby's expressions.",
	.schema = &schema,
	.filter = &ops,
};
