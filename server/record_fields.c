#include "record_fields.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "record/json_get.h"

#include <stdio.h>
#include <unistd.h>

#define JSON_DEPTH 100 /* of a value of <record> */

enum node_kind { NODE_CONSTANT, NODE_EXPRESSION, NODE_ARRAY, NODE_MAP };

/* A value as it is made: a tree where <record> has JSON with expressions in it. */
struct node {
	enum node_kind kind;
	struct value constant;
	const struct expr *expr;
	struct node *kids; /* elements; key, value, key, value, ... */
	uint32_t count;	   /* of kids */
};

struct field {
	const struct conf_pair *pair;
	struct node key, value;
};

struct record_fields {
	struct expr_set *set;
	struct arena arena; /* nodes and constants */
	struct field *v;
	size_t n;
};

/* What it takes to compile one pair. */
struct maker {
	struct record_fields *fields;
	enum record_dialect dialect;
	bool typed;
	struct conf_report *report;
	const struct conf_pair *pair;
	struct span text; /* being compiled */
	bool is_key;
};

const struct conf_schema record_section_schema = {
	.name = "record",
	.title = "fields to set",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.help = "Each line is a field and its value.",
};

/* ---- findings ----------------------------------------------------------------------------------------------------- */

/* The place of offset `at` of the text that is being compiled. */
static struct conf_pos place(const struct maker *m, size_t at)
{
	const struct conf_pair *pair = m->pair;
	struct conf_pos pos = m->is_key ? pair->name_pos : pair->value_pos;
	struct span all = m->is_key ? span_str(pair->name) : span_of(pair->value, pair->value_len);
	const uint8_t *found = m->text.n ? memmem(all.p, all.n, m->text.p, m->text.n) : NULL;
	if (!found)
		return pos;
	size_t to = (size_t)(found - all.p) + (at < m->text.n ? at : m->text.n);
	if (!m->is_key && (pair->kind == CONF_VALUE_SINGLE || pair->kind == CONF_VALUE_DOUBLE))
		pos.column++;
	for (size_t i = 0; i < to; i++)
		pos.column += (all.p[i] & 0xc0) != 0x80;
	return pos;
}

static void refuse(struct maker *m, const struct expr_error *e)
{
	conf_report_add(m->report, CONF_ERROR, place(m, e->at), "the expression cannot run here: %s: `%.*s`", e->text,
		(int)(m->text.n < 200 ? m->text.n : 200), (const char *)m->text.p);
}

static void too_long(struct maker *m)
{
	conf_report_add(m->report, CONF_ERROR, m->pair->value_pos, "the value is too long");
}

static void on_unknown(void *arg, size_t at, struct span placeholder, bool understood)
{
	struct maker *m = arg;
	int n = (int)(placeholder.n < 200 ? placeholder.n : 200);
	if (understood)
		conf_report_add(m->report, CONF_WARNING, place(m, at),
			"'%.*s' is nothing to fluentd without `enable_ruby true`; weir takes the field that it names",
			n, (const char *)placeholder.p);
	else
		conf_report_add(m->report, CONF_WARNING, place(m, at),
			"unknown placeholder '%.*s': nothing comes in its place, as with fluentd (expressions need "
			"`enable_ruby true`)",
			n, (const char *)placeholder.p);
}

/* ---- compiling ---------------------------------------------------------------------------------------------------- */

static const struct expr *compile(struct maker *m, bool typed, struct expr_error *e)
{
	struct expr_set *set = m->fields->set;
	switch (m->dialect) {
	case RECORD_PLAIN:
		return expr_compile_plain(set, m->text, typed, on_unknown, m, e);
	case RECORD_RUBY:
		return expr_compile_template(set, m->text, '[', typed, e);
	default:
		return expr_compile_template(set, m->text, '"', true, e);
	}
}

static void make_text(struct maker *m, struct span text, bool typed, struct node *n)
{
	struct expr_error e;
	m->text = text;
	*n = (struct node){.kind = NODE_CONSTANT, .constant = value_str(text)};
	if (m->dialect == RECORD_MODIFIER && (m->is_key || !memmem(text.p, text.n, "${", 2)))
		return;
	n->expr = compile(m, typed, &e);
	if (!n->expr)
		refuse(m, &e);
	else if (!expr_is_constant(n->expr, &n->constant))
		n->kind = NODE_EXPRESSION;
}

static void make_json(struct maker *m, const struct value *v, struct node *n);

static bool add_kid(struct maker *m, struct node *n, const struct value *v, bool is_key)
{
	struct value loaded = *v;
	if (is_key && value_is_str(&loaded))
		make_text(m, value_text(&loaded), false, &n->kids[n->count]);
	else
		make_json(m, &loaded, &n->kids[n->count]);
	return n->kids[n->count++].kind == NODE_CONSTANT;
}

/* An array or map: msgpack if nothing in it changes. */
static void make_container(struct maker *m, const struct value *v, struct node *n)
{
	struct value_iter it;
	struct value key, element;
	bool constant = true, is_map = value_is_map(v);
	uint32_t count = value_count(v);
	*n = (struct node){.kind = is_map ? NODE_MAP : NODE_ARRAY};
	n->kids = arena_array(&m->fields->arena, (is_map ? 2 * (size_t)count : count) + 1, sizeof *n->kids);
	if (!n->kids) {
		too_long(m);
		return;
	}
	value_iter_init(&it, v);
	while (is_map ? value_iter_pair(&it, &key, &element) : value_iter_element(&it, &element)) {
		if (is_map)
			constant = add_kid(m, n, &key, true) && constant;
		constant = add_kid(m, n, &element, false) && constant;
	}
	if (constant && m->dialect == RECORD_PLAIN)
		*n = (struct node){.kind = NODE_CONSTANT, .constant = *v};
}

static void make_json(struct maker *m, const struct value *v, struct node *n)
{
	if (value_is_str(v))
		make_text(m, value_text(v), m->typed, n);
	else if (value_is_array(v) || value_is_map(v))
		make_container(m, v, n);
	else
		*n = (struct node){.kind = NODE_CONSTANT, .constant = *v};
}

/* A value that begins with { or [ is JSON, if it can be. False: it is a text. */
static bool make_from_json(struct maker *m, struct span text, struct node *n)
{
	const uint8_t *p = text.p, *end = p + text.n;
	const char *why = NULL;
	struct buf msgpack;
	if (m->dialect == RECORD_MODIFIER || !text.n || (*p != '{' && *p != '['))
		return false;
	buf_init(&msgpack, (size_t)16 << 20);
	bool good = json_get(&p, end, JSON_DEPTH, &msgpack, &why) == JSON_OK;
	while (good && p < end)
		good = memchr(" \t\r\n", *p++, 4) != NULL;
	if (good) {
		uint8_t *copy = arena_copy(&m->fields->arena, msgpack.p, msgpack.n);
		struct value v = copy ? value_raw(span_of(copy, msgpack.n)) : value_nil();
		if (!copy)
			too_long(m);
		value_load(&v);
		make_json(m, &v, n);
	} else {
		conf_report_add(m->report, CONF_WARNING, m->pair->value_pos,
			"the value of '%s' begins as JSON but is none (%s): it is taken as text", m->pair->name,
			why ? why : "text follows it");
	}
	buf_free(&msgpack);
	return good;
}

static void make_field(struct maker *m, const struct conf_pair *pair, struct field *f)
{
	struct span text = span_of(pair->value, pair->value_len);
	f->pair = m->pair = pair;
	m->is_key = true;
	make_text(m, span_str(pair->name), false, &f->key);
	m->is_key = false;
	if (pair->kind == CONF_VALUE_NIL)
		f->value = (struct node){.kind = NODE_CONSTANT, .constant = value_nil()};
	else if (!make_from_json(m, text, &f->value))
		make_text(m, text, m->typed, &f->value);
}

/* Whether a section after the i-th has the field, too. */
static bool comes_again(const struct conf_list *sections, size_t i, const char *name)
{
	for (; i < sections->n; i++)
		if (conf_section_get(((const struct conf_common *)sections->v[i])->section, name))
			return true;
	return false;
}

/* The section's fields that count: of those of one name the last, in the last section that has it. */
static void add_section(struct maker *m, const struct conf_section *s, const struct conf_schema *flat,
	const struct conf_list *sections, size_t next)
{
	struct record_fields *f = m->fields;
	for (const struct conf_pair *p = s->pairs; p; p = p->next) {
		const struct conf_pair *last = conf_section_get(s, p->name);
		if ((last && last != p) || p->broken || p->kind == CONF_VALUE_DEFAULT ||
			(flat && !conf_is_more(flat, p->name)) || comes_again(sections, next, p->name))
			continue;
		f->v = mem_realloc(f->v, (f->n + 1) * sizeof *f->v);
		make_field(m, p, &f->v[f->n++]);
	}
}

static struct expr_set *new_set(enum record_dialect dialect)
{
	char hostname[256] = "";
	if (gethostname(hostname, sizeof hostname - 1) != 0)
		hostname[0] = 0;
	return expr_set_new(dialect == RECORD_MODIFIER ? EXPR_EVENT_TIME : EXPR_TIME, hostname);
}

struct record_fields *record_fields_make(const struct conf_common *conf, const struct conf_list *sections,
	enum record_dialect dialect, bool typed, struct conf_report *report)
{
	struct record_fields *f = mem_zalloc(sizeof *f);
	struct maker m = {.fields = f, .dialect = dialect, .typed = typed, .report = report};
	f->set = new_set(dialect);
	arena_init(&f->arena, (size_t)64 << 20);
	if (conf->schema->more_keys && conf->section)
		add_section(&m, conf->section, conf->schema, sections, 0);
	for (size_t i = 0; i < sections->n; i++)
		add_section(&m, ((const struct conf_common *)sections->v[i])->section, NULL, sections, i + 1);
	return f;
}

void record_fields_free(struct record_fields *f)
{
	if (!f)
		return;
	expr_set_free(f->set);
	arena_free(&f->arena);
	mem_free(f->v);
	mem_free(f);
}

struct expr_set *record_fields_set(const struct record_fields *f)
{
	return f->set;
}

size_t record_fields_count(const struct record_fields *f)
{
	return f->n;
}

const char *record_fields_key(const struct record_fields *f, size_t i)
{
	return f->v[i].pair->name;
}

const char *record_fields_text(const struct record_fields *f, size_t i)
{
	return f->v[i].pair->value;
}

/* ---- values for a record ------------------------------------------------------------------------------------------ */

static bool make_value(const struct node *n, struct expr_vm *x, struct value *v);

static bool make_map(const struct node *n, struct expr_vm *x, struct value *v)
{
	struct arena *a = expr_vm_arena(x);
	struct value_map *map = value_map_new(a, n->count / 2);
	struct value key, made;
	if (!map)
		return expr_vm_no_room(x);
	for (uint32_t i = 0; i + 1 < n->count; i += 2) {
		if (!make_value(&n->kids[i], x, &key) || !make_value(&n->kids[i + 1], x, &made))
			return false;
		struct value *place = value_map_put(a, map, &key);
		if (!place)
			return expr_vm_no_room(x);
		*place = made;
	}
	*v = (struct value){.type = VALUE_MAP, .map = map};
	return true;
}

static bool make_array(const struct node *n, struct expr_vm *x, struct value *v)
{
	struct arena *a = expr_vm_arena(x);
	struct value_array *array = value_array_new(a, n->count);
	struct value made;
	if (!array)
		return expr_vm_no_room(x);
	for (uint32_t i = 0; i < n->count; i++)
		if (!make_value(&n->kids[i], x, &made) || !value_array_push(a, array, &made))
			return false;
	*v = (struct value){.type = VALUE_ARRAY, .array = array};
	return true;
}

static bool make_value(const struct node *n, struct expr_vm *x, struct value *v)
{
	switch (n->kind) {
	case NODE_CONSTANT:
		*v = n->constant;
		return true;
	case NODE_EXPRESSION:
		return expr_eval(x, n->expr, v);
	case NODE_ARRAY:
		return make_array(n, x, v);
	default:
		return make_map(n, x, v);
	}
}

bool record_fields_get(const struct record_fields *f, size_t i, struct expr_vm *x, struct span *key, struct value *v)
{
	const struct field *field = &f->v[i];
	struct value k;
	if (!make_value(&field->key, x, &k) || !expr_vm_text(x, &k, key))
		return false;
	return make_value(&field->value, x, v);
}

/* ---- for filters -------------------------------------------------------------------------------------------------- */

struct record_room *record_room_take(struct filter_pool *p, const struct record_fields *f)
{
	struct record_room *r = (struct record_room *)filter_pool_take(p);
	if (r)
		return r;
	r = mem_zalloc(sizeof *r);
	r->vm = expr_vm_new(f->set);
	return r;
}

void record_room_free(struct filter_room *room)
{
	struct record_room *r = (struct record_room *)room;
	expr_vm_free(r->vm);
	mem_free(r);
}

bool record_fields_prepare(const struct record_fields *f, struct expr_vm *x, const struct record *r)
{
	if (expr_set_walks(f->set) && !value_map_unique(r->arena, r->map))
		return false;
	return !expr_set_mutates(f->set) || expr_vm_share(x, r);
}

void record_fields_raised(struct filter_walk *w, const struct expr_vm *x, const char *written)
{
	char text[900];
	snprintf(text, sizeof text, "failed to expand `%.300s`: %s", written, expr_vm_error(x));
	filter_walk_fail(w, "expression_error", text);
}

void record_fields_no_room(struct filter_walk *w)
{
	filter_walk_fail(w, "filter_limit", "the record needs more memory than a filter has for one");
}
