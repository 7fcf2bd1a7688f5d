#include "yaml_json.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <yaml.h>

/* What aliases multiply is bounded. */
#define DEPTH_MAX  32u
#define VISITS_MAX 100000u

struct reader {
	yaml_document_t doc;
	unsigned depth, visits;
	struct err *err;
};

static json_t *read_node(struct reader *r, int index);

static json_t *fail(struct reader *r, const yaml_node_t *n, const char *why)
{
	err_set(r->err, "line %zu: %s", n->start_mark.line + 1, why);
	return NULL;
}

static bool is_plain(const yaml_node_t *n)
{
	return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && n->tag &&
	       strcmp((const char *)n->tag, YAML_DEFAULT_SCALAR_TAG) == 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcasecmp(text, *words) == 0)
			return true;
	return false;
}

static json_t *read_plain(const char *text)
{
	static const char *const nulls[] = {"", "~", "null", NULL};
	static const char *const yes[] = {"true", "yes", "on", NULL}, *const no[] = {"false", "no", "off", NULL};
	if (is_one_of(text, nulls))
		return json_null();
	if (is_one_of(text, yes) || is_one_of(text, no))
		return json_boolean(is_one_of(text, yes));
	if (text[strspn(text, "+-0123456789")] == 0) {
		char *end;
		errno = 0;
		const long long number = strtoll(text, &end, 10);
		if (end != text && !*end && !errno)
			return json_integer(number);
	}
	return json_string(text);
}

static json_t *read_scalar(struct reader *r, const yaml_node_t *n)
{
	const char *text = (const char *)n->data.scalar.value;
	if (strlen(text) != n->data.scalar.length)
		return fail(r, n, "a 0 byte is not possible here");
	return is_plain(n) ? read_plain(text) : json_string(text);
}

static json_t *read_list(struct reader *r, const yaml_node_t *n)
{
	json_t *list = json_array();
	for (const yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
		json_t *item = read_node(r, *i);
		if (!item || json_array_append_new(list, item) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *read_map(struct reader *r, const yaml_node_t *n)
{
	json_t *map = json_object();
	for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		json_t *value = NULL;
		if (key->type != YAML_SCALAR_NODE)
			fail(r, key, "a name is expected");
		else
			value = read_node(r, p->value);
		if (!value || json_object_set_new(map, (const char *)key->data.scalar.value, value) < 0) {
			json_decref(map);
			return NULL;
		}
	}
	return map;
}

static json_t *read_node(struct reader *r, int index)
{
	const yaml_node_t *n = yaml_document_get_node(&r->doc, index);
	json_t *value = NULL;
	if (++r->visits > VISITS_MAX || r->depth >= DEPTH_MAX)
		return fail(r, n, "this is too large, or nested too deeply");
	r->depth++;
	if (n->type == YAML_SCALAR_NODE)
		value = read_scalar(r, n);
	else if (n->type == YAML_SEQUENCE_NODE)
		value = read_list(r, n);
	else if (n->type == YAML_MAPPING_NODE)
		value = read_map(r, n);
	r->depth--;
	return value;
}

json_t *yaml_json_read(struct span text, struct err *err)
{
	struct reader r = {.err = err};
	yaml_parser_t parser;
	json_t *value = NULL;
	err_set(err, "no memory for YAML");
	if (!utf8_valid(text)) {
		err_set(err, "this is not UTF-8");
		return NULL;
	}
	if (!yaml_parser_initialize(&parser))
		return NULL;
	yaml_parser_set_input_string(&parser, text.n ? text.p : (const uint8_t *)"", text.n);
	if (yaml_parser_load(&parser, &r.doc)) {
		value = yaml_document_get_root_node(&r.doc) ? read_node(&r, 1) : json_null();
		yaml_document_delete(&r.doc);
	} else {
		err_set(err, "line %zu: YAML: %s", parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "out of memory");
	}
	yaml_parser_delete(&parser);
	return value;
}
