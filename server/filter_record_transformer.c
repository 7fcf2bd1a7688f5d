/* filter_record_transformer.c: <filter> @type record_transformer: sets, keeps and removes fields; values hold placeholders or, with enable_ruby, Ruby's expressions. */
#include "base/mem.h"
#include "parse/ruby_number.h"
#include "pipeline.h"
#include "record_fields.h"

#include <math.h>
#include <stddef.h>

#define TIME_MAX 9e15 /* seconds that a double holds exactly */

struct transformer_conf {
	struct conf_common common;
	struct conf_array keep_keys, remove_keys;
	char *renew_time_key;
	bool renew_record, enable_ruby, auto_typecast;
	struct conf_list records;
};

#define AT(field) .offset = offsetof(struct transformer_conf, field)

static const struct conf_param params[] = {
	{.name = "renew_record",
		.type = CONF_BOOL,
		AT(renew_record),
		.value = "false",
		.help = "The record begins empty: it gets the fields of `<record>` and those in `keep_keys` only."},
	{.name = "keep_keys", .type = CONF_ARRAY, AT(keep_keys), .help = "With `renew_record`: fields that stay."},
	{.name = "remove_keys",
		.type = CONF_ARRAY,
		AT(remove_keys),
		.help = "Fields (record accessors) that are removed, after those of `<record>` were set."},
	{.name = "renew_time_key",
		.type = CONF_STRING,
		AT(renew_time_key),
		.help = "A field of the new record with a time in seconds since 1970 (a number, or text): it becomes "
			"the "
			"event's time. It stays in the record unless `remove_keys` names it."},
	{.name = "auto_typecast",
		.type = CONF_BOOL,
		AT(auto_typecast),
		.value = "true",
		.help = "A value that is one `${...}` and nothing else keeps its type; false: it becomes text."},
	{.name = "enable_ruby",
		.type = CONF_BOOL,
		AT(enable_ruby),
		.value = "false",
		.help = "`${...}` holds an expression in Ruby. weir evaluates the part of Ruby that such expressions "
			"use; one "
			"that it does not know is an error at start, and one that raises makes its event an error. "
			"False: `${tag}`, `${tag_parts[N]}`, `${tag_prefix[N]}`, `${tag_suffix[N]}`, `${hostname}`, "
			"`${time}` and `${record[\"KEY\"]}`."},
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &record_section_schema, AT(records), .multi = true},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "filter",
	.title = "record_transformer filter",
	.size = sizeof(struct transformer_conf),
	.params = params,
	.subs = subs,
	.help = "Sets the fields of its `<record>` section. Values are text with `${...}` in it, or JSON whose texts "
		"may "
		"have some. All values see the record as it was before.",
};

struct transformer {
	const struct transformer_conf *conf;
	struct record_fields *fields;
	struct record_path **remove;
	size_t remove_count;
	struct filter_pool pool;
};

/* ---- making ---- */

static void destroy(void *self)
{
	struct transformer *t = self;
	if (!t)
		return;
	for (size_t i = 0; i < t->remove_count; i++)
		record_path_free(t->remove[i]);
	mem_free(t->remove);
	filter_pool_destroy(&t->pool, record_room_free);
	record_fields_free(t->fields);
	mem_free(t);
}

static void *create(struct filter *f, struct builder *b)
{
	const struct transformer_conf *c = f->conf;
	struct conf_report *report = builder_report(b);
	size_t errors = report->errors;
	struct transformer *t = mem_zalloc(sizeof *t);
	struct err err;
	t->conf = c;
	filter_pool_init(&t->pool);
	if (c->keep_keys.v && !c->renew_record)
		conf_report_add(report, CONF_ERROR, conf_where(c, "keep_keys"),
			"`renew_record` must be true to use `keep_keys`");
	t->remove = mem_array(c->remove_keys.n + 1, sizeof *t->remove);
	for (size_t i = 0; i < c->remove_keys.n; i++) {
		struct record_path *path = record_path_compile(c->remove_keys.v[i], &err);
		if (path)
			t->remove[t->remove_count++] = path;
		else
			conf_report_add(report, CONF_ERROR, conf_where(c, "remove_keys"), "remove_keys: %s", err.text);
	}
	t->fields = record_fields_make(
		&c->common, &c->records, c->enable_ruby ? RECORD_RUBY : RECORD_PLAIN, c->auto_typecast, report);
	if (report->errors == errors)
		return t;
	destroy(t);
	return NULL;
}

/* ---- one record ---- */

/* What one record's way through the filter needs. */
struct change {
	const struct transformer *t;
	struct expr_vm *vm;
	struct filter_walk *walk;
	struct record old, new;
};

static bool no_room(const struct change *c)
{
	record_fields_no_room(c->walk);
	return false;
}

/* The new record before <record> is put into it. */
static bool begin_new(struct change *c)
{
	const struct conf_array *keep = &c->t->conf->keep_keys;
	const struct expr_set *set = record_fields_set(c->t->fields);
	struct value v;
	if (c->t->conf->renew_record) {
		if (!record_new(&c->new, c->old.arena))
			return no_room(c);
		for (size_t i = 0; i < keep->n; i++)
			if (record_get(&c->old, span_str(keep->v[i]), &v) &&
				!record_set(&c->new, span_str(keep->v[i]), &v))
				return no_room(c);
		return true;
	}
	c->new = c->old;
	if (!expr_set_mutates(set))
		return true;
	/* What expressions change in the record itself is lost, what they change in its values is not: as in Ruby. */
	c->new.map = value_map_copy(c->old.arena, c->old.map);
	return c->new.map || no_room(c);
}

static bool set_fields(struct change *c)
{
	const struct record_fields *fields = c->t->fields;
	size_t n = record_fields_count(fields);
	struct made {
		struct span key;
		struct value v;
	} *made = arena_array(c->old.arena, n + 1, sizeof *made);
	if (!made)
		return no_room(c);
	for (size_t i = 0; i < n; i++) {
		if (record_fields_get(fields, i, c->vm, &made[i].key, &made[i].v))
			continue;
		record_fields_raised(c->walk, c->vm, record_fields_text(fields, i));
		return false;
	}
	for (size_t i = 0; i < n; i++)
		if (!record_set(&c->new, made[i].key, &made[i].v))
			return no_room(c);
	return true;
}

/* The time in the field, if it is there; false: it is none, and the event has failed. */
static bool renew_time(const struct change *c, struct event_time *time, bool *found)
{
	struct value v;
	double d;
	*found = c->t->conf->renew_time_key && record_get(&c->new, span_str(c->t->conf->renew_time_key), &v);
	if (!*found)
		return true;
	switch (v.type) {
	case VALUE_NIL:
		d = 0;
		break;
	case VALUE_INT:
		d = (double)v.i;
		break;
	case VALUE_FLOAT:
		d = v.d;
		break;
	case VALUE_TIME:
		*time = v.time;
		return true;
	default:
		d = value_is_str(&v) ? ruby_to_f(value_text(&v)) : NAN;
	}
	if (!(fabs(d) <= TIME_MAX)) {
		filter_walk_fail(c->walk, "renew_time_error", "the field of renew_time_key holds no time");
		return false;
	}
	*time = (struct event_time){.sec = (int64_t)floor(d), .nsec = (uint32_t)((d - floor(d)) * 1e9)};
	return true;
}

static void transform(struct change *c)
{
	struct event_time time;
	bool renewed;
	expr_vm_set_record(c->vm, &c->old, c->walk->time);
	if (!record_fields_prepare(c->t->fields, c->vm, &c->old)) {
		no_room(c);
		return;
	}
	if (!begin_new(c) || !set_fields(c) || !renew_time(c, &time, &renewed))
		return;
	for (size_t i = 0; i < c->t->remove_count; i++) {
		if (!record_remove_path(&c->new, c->t->remove[i])) {
			no_room(c);
			return;
		}
	}
	if (renewed)
		filter_walk_put_at(c->walk, &c->new, time);
	else
		filter_walk_put(c->walk, &c->new);
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	struct transformer *t = f->self;
	struct record_room *room = record_room_take(&t->pool, t->fields);
	struct arena *arena = expr_vm_arena(room->vm);
	struct arena_mark mark = arena_save(arena);
	struct filter_walk w;
	struct change c = {.t = t, .vm = room->vm, .walk = &w};
	filter_walk_begin(&w, f, in, b, out);
	bool tagged = expr_vm_set_tag(room->vm, b->tag);
	while (filter_walk_open(&w, arena, &c.old)) {
		if (tagged)
			transform(&c);
		else
			no_room(&c);
	}
	arena_restore(arena, mark);
	filter_pool_give(&t->pool, &room->room);
	return w.count;
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_record_transformer = {
	.kind = PLUGIN_FILTER,
	.name = "record_transformer",
	.help = "Sets and removes fields, with placeholders and Ruby's expressions.",
	.schema = &schema,
	.filter = &ops,
};
