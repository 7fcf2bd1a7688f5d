/*
 * conf_yaml.c: a configuration in YAML, as fluentd 1.15 and later read it, into the same tree.
 *
 *     system: { workers: 2 }
 *     config:
 *       - source: { $type: forward, port: 24224 }
 *       - match: { $tag: "**", $type: elasticsearch, host: !fluent/s "#{ENV['ES_HOST']}" }
 *       - !include outputs.yaml
 *
 * Aliases make a graph of the document: depth and the number of visits are bounded. Nothing here holds on to libyaml's nodes.
 */
#include "conf/conf_json.h"
#include "conf/conf_reader.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <strings.h>
#include <yaml.h>

#define VISITS_MAX 50000

struct yaml {
	struct conf_reader *reader;
	const char *file;
	yaml_document_t doc;
	size_t visits;
	unsigned depth;
};

/* ---- nodes ---- */

static struct conf_pos pos_of(const struct yaml *y, const yaml_node_t *n)
{
	return (struct conf_pos){y->file, (unsigned)n->start_mark.line + 1, (unsigned)n->start_mark.column + 1};
}

static void error_at(struct yaml *y, const yaml_node_t *n, const char *text)
{
	conf_report_add(y->reader->report, CONF_ERROR, pos_of(y, n), "%s", text);
}

static bool is_scalar(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE;
}

static struct span text_of(const yaml_node_t *n)
{
	return is_scalar(n) ? span_of(n->data.scalar.value, n->data.scalar.length) : span_str("");
}

static bool has_tag(const yaml_node_t *n, const char *tag)
{
	return n->tag && strcmp((const char *)n->tag, tag) == 0;
}

static bool is_include(const yaml_node_t *n)
{
	return is_scalar(n) && has_tag(n, "!include");
}

/* A scalar that YAML 1.1 gives a type by its looks. */
static bool is_plain(const yaml_node_t *n)
{
	return is_scalar(n) && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && has_tag(n, YAML_DEFAULT_SCALAR_TAG);
}

static bool is_null(const yaml_node_t *n)
{
	struct span s = text_of(n);
	return is_plain(n) &&
	       (s.n == 0 || span_is(s, "~") || span_is(s, "null") || span_is(s, "Null") || span_is(s, "NULL"));
}

/* "true" or "false" for the words that YAML 1.1 takes as one, NULL otherwise. */
static const char *bool_of(const yaml_node_t *n)
{
	static const char *const words[][2] = {{"true", "true"}, {"yes", "true"}, {"on", "true"}, {"false", "false"},
		{"no", "false"}, {"off", "false"}};
	for (size_t i = 0; is_plain(n) && i < sizeof words / sizeof *words; i++)
		if (strcasecmp((const char *)n->data.scalar.value, words[i][0]) == 0)
			return words[i][1];
	return NULL;
}

static yaml_node_t *node_at(struct yaml *y, int index)
{
	return yaml_document_get_node(&y->doc, index);
}

/* Bounds what an alias can multiply; false if it is too much (reported). */
static bool enter(struct yaml *y, const yaml_node_t *n)
{
	if (y->depth >= CONF_NESTING_MAX || y->visits >= VISITS_MAX) {
		error_at(y, n,
			y->depth >= CONF_NESTING_MAX ? "this is nested too deeply" : "aliases make this too large");
		return false;
	}
	y->depth++;
	y->visits++;
	return true;
}

/* ---- mappings: with what << merges into them ---- */

struct entry {
	yaml_node_t *key, *value;
};

struct entries {
	struct entry *v;
	size_t n;
};

static void entries_set(struct entries *e, struct entry new)
{
	for (size_t i = 0; i < e->n; i++)
		if (span_eq(text_of(e->v[i].key), text_of(new.key))) {
			e->v[i] = new;
			return;
		}
	e->v = mem_realloc(e->v, (e->n + 1) * sizeof *e->v);
	e->v[e->n++] = new;
}

static void collect(struct yaml *y, const yaml_node_t *map, struct entries *out);

static void merge(struct yaml *y, const yaml_node_t *from, struct entries *out)
{
	if (from->type == YAML_MAPPING_NODE)
		collect(y, from, out);
	else if (from->type == YAML_SEQUENCE_NODE)
		for (yaml_node_item_t *i = from->data.sequence.items.start; i < from->data.sequence.items.top; i++)
			merge(y, node_at(y, *i), out);
	else
		error_at(y, from, "'<<' needs a mapping");
}

/* As fluentd has it: what comes later in the mapping counts. */
static void collect(struct yaml *y, const yaml_node_t *map, struct entries *out)
{
	if (!enter(y, map))
		return;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		struct entry e = {node_at(y, p->key), node_at(y, p->value)};
		y->visits++;
		if (!is_scalar(e.key))
			error_at(y, e.key, "a name is expected");
		else if (is_plain(e.key) && span_is(text_of(e.key), "<<"))
			merge(y, e.value, out);
		else
			entries_set(out, e);
	}
	y->depth--;
}

static yaml_node_t *find(const struct entries *e, const char *name)
{
	for (size_t i = 0; i < e->n; i++)
		if (span_is(text_of(e->v[i].key), name))
			return e->v[i].value;
	return NULL;
}

/* ---- values ---- */

/* The text as between double quotes in the other syntax, for !fluent/s. */
static void evaluate(struct yaml *y, const yaml_node_t *n, struct buf *out, struct conf_lex_value *value)
{
	struct buf quoted;
	struct conf_pos pos = pos_of(y, n);
	buf_init(&quoted, CONF_VALUE_MAX);
	buf_printf(&quoted, "\"");
	buf_put_span(&quoted, text_of(n));
	buf_put_byte(&quoted, '"');
	struct conf_lex lex = {
		quoted.p, quoted.p + quoted.n, y->file, pos.line, pos.column, y->reader->report, &y->reader->env, true};
	conf_lex_quoted(&lex, out, value);
	if (!value->broken && lex.p != lex.end) {
		error_at(y, n, "a quote within the text of !fluent/s needs a back-slash");
		value->broken = true;
	}
	buf_free(&quoted);
}

static bool is_json_number(const yaml_node_t *n)
{
	struct buf out;
	struct conf_json json;
	bool ok = is_plain(n) && text_of(n).n > 0 && (text_of(n).p[0] == '-' || text_of(n).p[0] <= '9');
	buf_init(&out, SIZE_MAX);
	conf_json_init(&json, &out);
	ok = ok && conf_json_feed(&json, '[') == CONF_JSON_MORE;
	for (size_t i = 0; i < text_of(n).n && ok; i++)
		ok = conf_json_feed(&json, text_of(n).p[i]) == CONF_JSON_MORE && conf_json_in_word(&json);
	ok = ok && conf_json_feed(&json, ']') == CONF_JSON_DONE;
	buf_free(&out);
	return ok;
}

static void put_json_text(struct span s, struct buf *out)
{
	buf_put_byte(out, '"');
	conf_json_escape(s, out);
	buf_put_byte(out, '"');
}

static void put_json_scalar(struct yaml *y, const yaml_node_t *n, struct buf *out, struct conf_lex_value *value)
{
	if (has_tag(n, "!fluent/s")) {
		struct conf_lex_value v;
		struct buf text;
		buf_init(&text, CONF_VALUE_MAX);
		evaluate(y, n, &text, &v);
		put_json_text(buf_span(&text), out);
		value->from_code |= v.from_code;
		value->broken |= v.broken;
		value->refused += v.refused;
		buf_free(&text);
	} else if (is_null(n)) {
		buf_put_str(out, "null");
	} else if (bool_of(n)) {
		buf_put_str(out, bool_of(n));
	} else if (is_json_number(n)) {
		buf_put_span(out, text_of(n));
	} else {
		put_json_text(text_of(n), out);
	}
}

static void put_json(struct yaml *y, const yaml_node_t *n, struct buf *out, struct conf_lex_value *value);

static void put_json_map(struct yaml *y, const yaml_node_t *n, struct buf *out, struct conf_lex_value *value)
{
	struct entries e = {0};
	collect(y, n, &e);
	buf_put_byte(out, '{');
	for (size_t i = 0; i < e.n; i++) {
		if (i)
			buf_put_byte(out, ',');
		put_json_text(text_of(e.v[i].key), out);
		buf_put_byte(out, ':');
		put_json(y, e.v[i].value, out, value);
	}
	buf_put_byte(out, '}');
	mem_free(e.v);
}

static void put_json(struct yaml *y, const yaml_node_t *n, struct buf *out, struct conf_lex_value *value)
{
	if (!enter(y, n)) {
		value->broken = true;
		return;
	}
	if (is_scalar(n)) {
		put_json_scalar(y, n, out, value);
	} else if (n->type == YAML_MAPPING_NODE) {
		put_json_map(y, n, out, value);
	} else {
		buf_put_byte(out, '[');
		for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
			if (i > n->data.sequence.items.start)
				buf_put_byte(out, ',');
			put_json(y, node_at(y, *i), out, value);
		}
		buf_put_byte(out, ']');
	}
	y->depth--;
}

/* The value of a parameter, which is no section. */
static void read_value(struct yaml *y, const yaml_node_t *n, struct buf *out, struct conf_lex_value *value)
{
	*value = (struct conf_lex_value){.kind = CONF_VALUE_BARE};
	struct span s = text_of(n);
	if (!is_scalar(n) || has_tag(n, "!fluent/json")) {
		value->kind = CONF_VALUE_JSON;
		put_json(y, n, out, value);
	} else if (has_tag(n, "!fluent/s")) {
		evaluate(y, n, out, value);
	} else if (is_null(n)) {
		value->kind = CONF_VALUE_NIL;
	} else if (bool_of(n)) {
		buf_put_str(out, bool_of(n));
	} else if (is_plain(n) && s.n > 1 && s.p[0] == ':' && s.p[1] != ' ') {
		/* Ruby's symbols. */
		buf_put(out, s.p + 1, s.n - 1);
	} else {
		value->kind = is_plain(n) ? CONF_VALUE_BARE : CONF_VALUE_SINGLE;
		buf_put_span(out, s);
		if (is_include(n)) {
			error_at(y, n, "!include is possible in a list of directives only");
			value->broken = true;
		}
	}
	value->pos = pos_of(y, n);
}

static void add_pair(
	struct yaml *y, struct conf_cursor *c, const char *name, const yaml_node_t *key, const yaml_node_t *n)
{
	struct conf_lex_value value;
	struct buf text;
	buf_init(&text, CONF_VALUE_MAX);
	read_value(y, n, &text, &value);
	if (text.failed)
		error_at(y, n, "the value is too long");
	/* libyaml has checked the file, but not what code brings. */
	if (text.n && !utf8_valid(buf_span(&text))) {
		error_at(y, n, "what this embedded code gives is not UTF-8");
		value.broken = true;
	}
	struct conf_pair *pair = conf_cursor_add(y->reader, c, span_str(name), buf_span(&text));
	pair->kind = value.kind;
	pair->from_code = value.from_code;
	pair->broken = value.broken || text.failed;
	pair->name_pos = pos_of(y, key);
	pair->value_pos = pos_of(y, n);
	conf_reader_refused(y->reader, pair, &value);
	buf_free(&text);
}

/* ---- sections ---- */

/* An argument: $tag, $name, $arg; a list is joined. */
static void read_arg(struct yaml *y, const yaml_node_t *n, const char *joint, struct buf *out)
{
	struct conf_lex_value value;
	if (!n)
		return;
	if (n->type != YAML_SEQUENCE_NODE) {
		read_value(y, n, out, &value);
		if (value.kind == CONF_VALUE_JSON)
			error_at(y, n, "a text or a list of texts is expected");
		return;
	}
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
		if (i > n->data.sequence.items.start)
			buf_put_str(out, joint);
		if (is_scalar(node_at(y, *i)))
			read_value(y, node_at(y, *i), out, &value);
		else
			error_at(y, node_at(y, *i), "a text is expected");
	}
}

static void section(
	struct yaml *y, struct conf_cursor *c, const char *name, const yaml_node_t *key, const yaml_node_t *body);

/* $type and the like; NULL if the name is not one of them. */
static const char *reserved(const char *name)
{
	static const char *const names[] = {
		"$type", "@type", "$label", "@label", "$id", "@id", "$log_level", "@log_level"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i += 2)
		if (strcmp(name, names[i]) == 0)
			return names[i + 1];
	return NULL;
}

static bool is_section_list(struct yaml *y, const yaml_node_t *n)
{
	return n->type == YAML_SEQUENCE_NODE && n->data.sequence.items.start < n->data.sequence.items.top &&
	       !is_scalar(node_at(y, *n->data.sequence.items.start));
}

static void add_entry(struct yaml *y, struct conf_cursor *c, const struct entry *e)
{
	struct span s = text_of(e->key);
	const char *name = conf_arena_copy(y->reader->arena, s.p, s.n), *at_name = reserved(name);
	if (strlen(name) != s.n || s.n == 0) {
		error_at(y, e->key, "expected the name of a parameter");
	} else if (e->value->type == YAML_MAPPING_NODE && !has_tag(e->value, "!fluent/json")) {
		section(y, c, name, e->key, e->value);
	} else if (is_section_list(y, e->value) && !has_tag(e->value, "!fluent/json")) {
		yaml_node_item_t *i = e->value->data.sequence.items.start;
		for (; i < e->value->data.sequence.items.top; i++)
			section(y, c, name, e->key, node_at(y, *i));
	} else {
		add_pair(y, c, at_name ? at_name : name, e->key, e->value);
	}
}

static void directives(struct yaml *y, struct conf_cursor *c, const yaml_node_t *list);

/* Which key gives a section its argument. */
static const char *arg_key(const char *name)
{
	if (strcmp(name, "match") == 0 || strcmp(name, "filter") == 0)
		return "$tag";
	return strcmp(name, "label") == 0 ? "$name" : "$arg";
}

static void fill(
	struct yaml *y, struct conf_cursor *c, const char *name, const struct entries *e, const yaml_node_t *key)
{
	bool holder = strcmp(name, "label") == 0 || strcmp(name, "worker") == 0;
	const yaml_node_t *config = find(e, "config");
	if (holder && c->depth <= 2 && !config)
		error_at(y, key, "a list of directives is expected in it: 'config:'");
	for (size_t i = 0; i < e->n; i++) {
		if (span_is(text_of(e->v[i].key), arg_key(name)))
			continue;
		if (holder && e->v[i].value == config && c->depth <= 2)
			directives(y, c, config);
		else
			add_entry(y, c, &e->v[i]);
	}
}

static void section(
	struct yaml *y, struct conf_cursor *c, const char *name, const yaml_node_t *key, const yaml_node_t *body)
{
	struct entries e = {0};
	struct buf arg;
	struct conf_cursor child;
	if (body->type != YAML_MAPPING_NODE) {
		if (!is_null(body))
			error_at(y, body, "the parameters of a section are expected, as a mapping");
		return;
	}
	if (!enter(y, body))
		return;
	buf_init(&arg, CONF_VALUE_MAX);
	collect(y, body, &e);
	const yaml_node_t *arg_node = find(&e, arg_key(name));
	bool tags = strcmp(arg_key(name), "$tag") == 0;
	read_arg(y, arg_node, tags ? " " : ",", &arg);
	if (tags && arg_node && arg_node->type == YAML_SEQUENCE_NODE &&
		arg_node->data.sequence.items.top - arg_node->data.sequence.items.start > 1)
		conf_report_add(y->reader->report, CONF_WARNING, pos_of(y, arg_node),
			"each of these patterns is taken (fluentd would join them with commas, and match none)");
	if (arg_node && memchr(arg.n ? arg.p : (const uint8_t *)"", 0, arg.n))
		error_at(y, arg_node, "a 0 byte is not possible in a section's argument");
	if (conf_cursor_open(y->reader, c, span_str(name), buf_span(&arg), pos_of(y, key),
		    pos_of(y, arg_node ? arg_node : key), &child))
		fill(y, &child, name, &e, key);
	mem_free(e.v);
	buf_free(&arg);
	y->depth--;
}

static void directive(struct yaml *y, struct conf_cursor *c, const yaml_node_t *item)
{
	static const char *const names[] = {"source", "match", "filter", "label", "worker", NULL};
	struct entries e = {0};
	if (is_include(item)) {
		conf_include(y->reader, c, text_of(item), pos_of(y, item));
		return;
	}
	if (item->type == YAML_SEQUENCE_NODE) {
		directives(y, c, item);
		return;
	}
	if (item->type != YAML_MAPPING_NODE) {
		error_at(y, item, "a directive is expected, such as 'source:' or 'match:'");
		return;
	}
	collect(y, item, &e);
	for (size_t i = 0; i < e.n; i++) {
		struct span s = text_of(e.v[i].key);
		const char *name = conf_arena_copy(y->reader->arena, s.p, s.n), *near = conf_nearest(name, names);
		if (near && strcmp(near, name) == 0)
			section(y, c, near, e.v[i].key, e.v[i].value);
		else
			conf_report_add(y->reader->report, CONF_ERROR, pos_of(y, e.v[i].key),
				"there is no directive '%.40s'%s%s%s", name, near ? ": did you mean '" : "",
				near ? near : "",
				near ? "'?" : ": a list holds source, match, filter, label and worker");
	}
	mem_free(e.v);
}

static void directives(struct yaml *y, struct conf_cursor *c, const yaml_node_t *list)
{
	if (is_null(list))
		return;
	if (is_include(list)) {
		directive(y, c, list);
		return;
	}
	if (list->type != YAML_SEQUENCE_NODE) {
		error_at(y, list, "a list of directives is expected");
		return;
	}
	if (!enter(y, list))
		return;
	for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top; i++)
		directive(y, c, node_at(y, *i));
	y->depth--;
}

/* ---- documents ---- */

/* Other keys of the document hold what aliases refer to; a misspelt one would hold the whole configuration in silence. */
static void check_root_key(struct yaml *y, const yaml_node_t *key)
{
	static const char *const names[] = {"config", "system", NULL};
	struct span s = text_of(key);
	const char *name = conf_arena_copy(y->reader->arena, s.p, s.n), *near = conf_nearest(name, names);
	if (near && strcmp(near, name) != 0)
		conf_report_add(y->reader->report, CONF_ERROR, pos_of(y, key), "'%s' is not read: did you mean '%s'?",
			name, near);
}

static void document(struct yaml *y, struct conf_cursor *c, const yaml_node_t *root)
{
	struct entries e = {0};
	if (root->type == YAML_SEQUENCE_NODE) {
		/* What !include brings. */
		directives(y, c, root);
		return;
	}
	if (root->type != YAML_MAPPING_NODE) {
		if (!is_null(root))
			error_at(y, root, "a mapping with 'config:' is expected");
		return;
	}
	collect(y, root, &e);
	for (size_t i = 0; i < e.n; i++) {
		check_root_key(y, e.v[i].key);
		if (span_is(text_of(e.v[i].key), "system"))
			section(y, c, "system", e.v[i].key, e.v[i].value);
	}
	const yaml_node_t *config = find(&e, "config");
	if (config)
		directives(y, c, config);
	else if (!find(&e, "system"))
		error_at(y, root, "a mapping with 'config:' is expected");
	mem_free(e.v);
}

static void report_syntax(struct yaml *y, const yaml_parser_t *p)
{
	struct conf_pos pos = {y->file, (unsigned)p->problem_mark.line + 1, (unsigned)p->problem_mark.column + 1};
	bool reader = p->error == YAML_READER_ERROR;
	if (reader)
		pos = (struct conf_pos){y->file, 0, 0};
	conf_report_add(y->reader->report, CONF_ERROR, pos, "YAML: %s%s%s", p->context && !reader ? p->context : "",
		p->context && !reader ? ": " : "", p->problem ? p->problem : "out of memory");
}

void conf_yaml(struct conf_reader *r, struct conf_cursor *c, const char *file, struct span text)
{
	struct yaml y = {.reader = r, .file = file};
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser)) {
		conf_report_add(r->report, CONF_ERROR, (struct conf_pos){file, 0, 0}, "YAML: out of memory");
		return;
	}
	yaml_parser_set_input_string(&parser, text.n ? text.p : (const uint8_t *)"", text.n);
	if (!yaml_parser_load(&parser, &y.doc)) {
		report_syntax(&y, &parser);
	} else {
		yaml_node_t *root = yaml_document_get_root_node(&y.doc);
		if (root)
			document(&y, c, root);
		yaml_document_delete(&y.doc);
	}
	yaml_parser_delete(&parser);
}
