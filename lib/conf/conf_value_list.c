/* conf_value_list.c: arrays, hashes and regular expressions as parameters have them. */
#include "conf/conf_value.h"

#include "base/mem.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>

static _Thread_local char why_text[320];

static bool is_comma_space(char c)
{
	return isspace((unsigned char)c);
}

static struct span trim(struct span s)
{
	while (s.n && is_comma_space((char)s.p[0]))
		s = span_of(s.p + 1, s.n - 1);
	while (s.n && is_comma_space((char)s.p[s.n - 1]))
		s.n--;
	return s;
}

/* The next item of a comma list, trimmed, as split(/\s*,\s*\/) gives it; false at the end. */
static bool next_item(struct span *rest, struct span *item)
{
	if (!rest->p)
		return false;
	const uint8_t *comma = rest->n ? memchr(rest->p, ',', rest->n) : NULL;
	size_t n = comma ? (size_t)(comma - rest->p) : rest->n;
	*item = trim(span_of(rest->p, n));
	*rest = comma ? span_of(comma + 1, rest->n - n - 1) : span_of(NULL, 0);
	return true;
}

/* ---- JSON ---- */

static json_t *parse_json(const char *text, const char **why)
{
	json_error_t e;
	json_t *j = json_loads(text, 0, &e);
	if (!j) {
		snprintf(why_text, sizeof why_text, "'%.80s' is not valid JSON: %.120s", text, e.text);
		*why = why_text;
	}
	return j;
}

/* A string's content, anything else as JSON text. */
static char *json_item_text(const json_t *j, bool *json)
{
	*json = !json_is_string(j);
	if (!*json)
		return mem_strdup(json_string_value(j));
	char *dumped = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
	char *text = mem_strdup(dumped ? dumped : "");
	mem_free(dumped);
	return text;
}

/* ---- arrays ---- */

static void array_add(struct conf_array *a, char *item)
{
	a->v = mem_realloc(a->v, (a->n + 2) * sizeof *a->v);
	a->v[a->n++] = item;
	a->v[a->n] = NULL;
}

void conf_value_free_array(struct conf_array *a)
{
	for (size_t i = 0; i < a->n; i++)
		mem_free_secret(a->v[i], strlen(a->v[i]));
	mem_free(a->v);
	*a = (struct conf_array){0};
}

static bool array_of_json(const char *text, struct conf_array *a, const char **why)
{
	size_t i;
	json_t *item, *j = parse_json(text, why);
	bool ok = j != NULL, json;
	json_array_foreach(j, i, item)
	{
		ok = !json_is_null(item);
		if (!ok)
			break;
		array_add(a, json_item_text(item, &json));
	}
	if (j && !ok)
		*why = "null is not possible in this array";
	json_decref(j);
	return ok;
}

bool conf_value_array(const char *text, struct conf_array *a, const char **why)
{
	struct span rest = trim(span_str(text)), item;
	*why = NULL;
	*a = (struct conf_array){.v = mem_zalloc(sizeof *a->v)};
	if (*text == '[') {
		if (array_of_json(text, a, why))
			return true;
		conf_value_free_array(a);
		return false;
	}
	if (*text == '{') {
		array_add(a, mem_strdup(text));
		if (memchr(rest.p, ',', rest.n))
			*why = "the hash is taken as the one item of the array (fluentd would cut it at its commas)";
		return true;
	}
	while (rest.n && next_item(&rest, &item))
		array_add(a, mem_strndup(item.p, item.n));
	while (a->n && a->v[a->n - 1][0] == 0) {
		mem_free(a->v[--a->n]);
		a->v[a->n] = NULL;
	}
	return true;
}

/* ---- hashes ---- */

/* Of two equal keys the last one counts. Takes key and value. */
static void hash_set(struct conf_hash *h, char *key, char *value, bool json)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->v[i].key, key) == 0) {
			mem_free(key);
			mem_free(h->v[i].value);
			h->v[i].value = value;
			h->v[i].json = json;
			return;
		}
	h->v = mem_realloc(h->v, (h->n + 1) * sizeof *h->v);
	h->v[h->n++] = (struct conf_hash_item){key, value, json};
}

void conf_value_free_hash(struct conf_hash *h)
{
	for (size_t i = 0; i < h->n; i++) {
		mem_free(h->v[i].key);
		if (h->v[i].value)
			mem_free_secret(h->v[i].value, strlen(h->v[i].value));
	}
	mem_free(h->v);
	*h = (struct conf_hash){0};
}

static bool hash_of_json(const char *text, struct conf_hash *h, const char **why)
{
	const char *key;
	json_t *item, *j = parse_json(text, why);
	if (!j)
		return false;
	json_object_foreach(j, key, item)
	{
		bool json = true;
		char *value = json_is_null(item) ? NULL : json_item_text(item, &json);
		hash_set(h, mem_strdup(key), value, json);
	}
	json_decref(j);
	return true;
}

bool conf_value_hash(const char *text, struct conf_hash *h, const char **why)
{
	struct span rest = trim(span_str(text)), item;
	*why = NULL;
	*h = (struct conf_hash){.v = mem_zalloc(sizeof *h->v)};
	bool ok = *text == '{' ? hash_of_json(text, h, why) : *text != '[';
	if (*text == '[')
		*why = "a hash is expected, not an array";
	while (ok && *text != '{' && rest.n && next_item(&rest, &item)) {
		const uint8_t *colon = item.n ? memchr(item.p, ':', item.n) : NULL;
		size_t n = colon ? (size_t)(colon - item.p) : item.n;
		struct span value = colon ? span_of(colon + 1, item.n - n - 1) : span_of(NULL, 0);
		ok = item.n > 0;
		if (!ok) {
			*why = "a key is missing between two commas";
			break;
		}
		if (trim(value).n < value.n) {
			value = trim(value);
			*why = "blanks behind a colon are left out (fluentd would keep them)";
		}
		hash_set(h, mem_strndup(item.p, n), colon ? mem_strndup(value.p, value.n) : NULL, false);
	}
	if (!ok)
		conf_value_free_hash(h);
	return ok;
}

/* ---- regular expressions ---- */

static bool options(const char *text, struct conf_regexp *r, const char **why)
{
	*why = NULL;
	for (; *text; text++) {
		if (*text == 'i') {
			r->ignore_case = true;
		} else if (*text == 'm') {
			r->multi_line = true;
		} else if (*text == 'x') {
			r->extended = true;
			*why = "the option x is honoured: blanks and comments in the expression do not count (fluentd "
			       "would ignore the option)";
		} else if (!strchr("onesu", *text)) {
			snprintf(why_text, sizeof why_text,
				"'%c' is no option of a regular expression: /.../ may be followed by i, m and x",
				*text);
			*why = why_text;
			return false;
		}
	}
	return true;
}

bool conf_value_regexp(const char *text, struct conf_regexp *r, const char **why)
{
	*r = (struct conf_regexp){0};
	*why = NULL;
	const char *slash = strrchr(text, '/');
	if (text[0] != '/') {
		r->source = mem_strdup(text);
		return true;
	}
	if (slash == text) {
		*why = "invalid regexp: missing right slash (an expression that begins with / must end with one)";
		return false;
	}
	if (!options(slash + 1, r, why))
		return false;
	r->source = mem_strndup(text + 1, (size_t)(slash - text - 1));
	return true;
}

void conf_value_free_regexp(struct conf_regexp *r)
{
	mem_free(r->source);
	*r = (struct conf_regexp){0};
}
