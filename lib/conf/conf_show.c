/* conf_show.c: the configuration in force, as text that is a configuration again: all values, and where each comes from. */
#include "conf/conf_schema.h"

#include "conf/conf_scope.h"
#include "base/clock.h"
#include "base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>

#define MASK	       "xxxxxx"
#define COMMENT_COLUMN ((size_t)48)

/* ---- values ---- */

/* Whether a bare value would be read as this very text. */
static bool is_bare(const char *s)
{
	if (!*s || strchr(" \t\"'[{#=", *s) || strstr(s, "#{") || isspace((unsigned char)s[strlen(s) - 1]))
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || (isspace((unsigned char)s[0]) && s[1] == '#'))
			return false;
	return true;
}

static void put_quoted_bytes(const char *s, size_t n, struct buf *out)
{
	static const char from[] = "\r\n\t\f\b", to[] = "rntfb";
	buf_put_byte(out, '"');
	for (const char *end = s + n; s < end; s++) {
		const char *escape = strchr(from, *s);
		if (!*s)
			buf_put_str(out, "\\0");
		else if (escape)
			buf_printf(out, "\\%c", to[escape - from]);
		else if (*s == '"' || *s == '\\' || (*s == '#' && s[1] == '{'))
			buf_printf(out, "\\%c", *s);
		else
			buf_put_byte(out, (uint8_t)*s);
	}
	buf_put_byte(out, '"');
}

static void put_quoted(const char *s, struct buf *out)
{
	put_quoted_bytes(s, strlen(s), out);
}

/* scheme://user:password@host: the password masked, wherever it stands. */
static char *mask_urls(const char *s)
{
	struct buf out;
	buf_init(&out, SIZE_MAX);
	for (const char *url; (url = strstr(s, "://"));) {
		const char *user = url + 3, *end = user + strcspn(user, "/?#, \t\n\"'"), *at = NULL, *colon = NULL;
		for (const char *p = user; p < end; p++) {
			at = *p == '@' ? p : at;
			colon = *p == ':' && !colon ? p : colon;
		}
		bool secret = at && colon && colon < at;
		const char *keep = secret ? colon + 1 : end;
		buf_put(&out, s, (size_t)(keep - s));
		if (secret)
			buf_put_str(&out, MASK);
		s = secret ? at : end;
	}
	buf_put_str(&out, s);
	char *masked = buf_take(&out);
	return masked ? masked : mem_strdup(MASK);
}

static void put_string(const char *s, struct buf *out)
{
	char *masked = mask_urls(s);
	if (is_bare(masked))
		buf_put_str(out, masked);
	else
		put_quoted(masked, out);
	mem_free(masked);
}

/* JSON text that is read as it is: #{ would be code, and cannot stand outside of strings. */
static void put_json_text(const char *s, struct buf *out)
{
	for (; *s; s++) {
		if (s[0] == '#' && s[1] == '{')
			buf_put_str(out, "\\u0023");
		else
			buf_put_byte(out, (uint8_t)*s);
	}
}

static void put_json_string(const char *s, struct buf *out)
{
	buf_put_byte(out, '"');
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || (s[0] == '#' && s[1] == '{'))
			buf_printf(out, "\\u%04x", (unsigned char)*s);
		else
			buf_printf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	}
	buf_put_byte(out, '"');
}

static void put_masked_json(const char *s, struct buf *out)
{
	char *masked = mask_urls(s);
	put_json_string(masked, out);
	mem_free(masked);
}

static void put_array(const struct conf_array *a, struct buf *out)
{
	buf_put_byte(out, '[');
	for (size_t i = 0; i < a->n; i++) {
		if (i)
			buf_put_byte(out, ',');
		put_masked_json(a->v[i], out);
	}
	buf_put_byte(out, ']');
}

static void put_hash(const struct conf_hash *h, struct buf *out)
{
	buf_put_byte(out, '{');
	for (size_t i = 0; i < h->n; i++) {
		if (i)
			buf_put_byte(out, ',');
		put_json_string(h->v[i].key, out);
		buf_put_byte(out, ':');
		if (!h->v[i].value)
			buf_put_str(out, "null");
		else if (h->v[i].json)
			put_json_text(h->v[i].value, out);
		else
			put_masked_json(h->v[i].value, out);
	}
	buf_put_byte(out, '}');
}

static void put_size(int64_t bytes, struct buf *out)
{
	static const char units[] = "tgmk";
	int64_t unit = INT64_C(1) << 40;
	for (size_t i = 0; units[i]; i++, unit /= 1024)
		if (bytes >= unit && bytes % unit == 0) {
			buf_printf(out, "%" PRId64 "%c", bytes / unit, units[i]);
			return;
		}
	buf_printf(out, "%" PRId64, bytes);
}

/* Fractions of seconds are written without a unit: fluentd would read 0.5s as 5 s. */
static void put_time(int64_t ns, struct buf *out)
{
	if (ns % NS_PER_S == 0)
		buf_printf(out, "%" PRId64 "%s", ns / NS_PER_S, ns < 0 ? "" : "s");
	else {
		buf_printf(out, "%.9f", (double)ns / (double)NS_PER_S);
		while (out->n && out->p[out->n - 1] == '0')
			out->n--;
	}
}

static void put_regexp(const struct conf_regexp *r, struct buf *out)
{
	char *text = mem_printf(
		"/%s/%s%s%s", r->source, r->ignore_case ? "i" : "", r->multi_line ? "m" : "", r->extended ? "x" : "");
	if (is_bare(text))
		buf_put_str(out, text);
	else
		put_quoted(text, out);
	mem_free(text);
}

static void put_enum(const struct conf_param *p, int v, struct buf *out)
{
	for (const struct conf_choice *c = p->choices; c->name; c++)
		if (c->value == v) {
			buf_put_str(out, c->name);
			return;
		}
}

/* The value of a parameter; false (and nothing) if it is nil. */
static bool put_value(const struct conf_param *p, const void *at, struct buf *out)
{
	switch (p->type) {
	case CONF_STRING:
		if (!*(char *const *)at)
			return false;
		put_string(*(char *const *)at, out);
		return true;
	case CONF_INT:
	case CONF_SIZE:
	case CONF_TIME:
		if (*(const int64_t *)at == CONF_NIL_INT)
			return false;
		if (p->type == CONF_INT)
			buf_printf(out, "%" PRId64, *(const int64_t *)at);
		else if (p->type == CONF_SIZE)
			put_size(*(const int64_t *)at, out);
		else
			put_time(*(const int64_t *)at, out);
		return true;
	case CONF_FLOAT:
		if (isnan(*(const double *)at))
			return false;
		return buf_printf(out, "%.15g", *(const double *)at);
	case CONF_BOOL:
		return buf_put_str(out, *(const bool *)at ? "true" : "false");
	case CONF_ENUM:
		put_enum(p, *(const int *)at, out);
		return *(const int *)at != CONF_NIL_ENUM;
	case CONF_ARRAY:
		if (!((const struct conf_array *)at)->v)
			return false;
		put_array(at, out);
		return true;
	case CONF_HASH:
		if (!((const struct conf_hash *)at)->v)
			return false;
		put_hash(at, out);
		return true;
	case CONF_REGEXP:
		if (!((const struct conf_regexp *)at)->source)
			return false;
		put_regexp(at, out);
		return true;
	case CONF_BYTES:
		if (!((const struct conf_bytes *)at)->p)
			return false;
		put_quoted_bytes(((const struct conf_bytes *)at)->p, ((const struct conf_bytes *)at)->n, out);
		return true;
	case CONF_IGNORED:
		break;
	}
	return false;
}

/* ---- lines ---- */

static void put_indent(struct buf *out, unsigned indent)
{
	for (unsigned i = 0; i < indent; i++)
		buf_put_str(out, "  ");
}

/* Ends the line that begins at `start` with where it comes from. */
static void put_origin(struct buf *out, size_t start, const struct conf_pair *pair)
{
	buf_put_byte(out, ' ');
	while (out->n - start < COMMENT_COLUMN && buf_put_byte(out, ' '))
		;
	if (!pair || pair->made_up) {
		buf_put_str(out, "# default\n");
		return;
	}
	const char *file = pair->name_pos.file ? pair->name_pos.file : "command line";
	if (pair->from_code)
		buf_printf(out, "# from the environment (%s:%u)\n", file, pair->name_pos.line);
	else
		buf_printf(out, "# %s:%u\n", file, pair->name_pos.line);
}

/* A pair as it stands in the file: what may be a secret, by its name or because it came from the environment, is not shown. */
static void show_pair(const struct conf_pair *p, struct buf *out, unsigned indent)
{
	size_t start = out->n;
	put_indent(out, indent);
	buf_printf(out, "%s ", p->name);
	if (p->from_code || conf_looks_secret(span_str(p->name)))
		buf_put_str(out, MASK);
	else if (p->kind == CONF_VALUE_JSON)
		put_json_text(p->value, out);
	else
		put_string(p->value, out);
	put_origin(out, start, p);
}

static void show_numbered(
	const struct conf_param *param, const struct conf_section *s, struct buf *out, unsigned indent)
{
	for (const struct conf_pair *p = s->pairs; p; p = p->next)
		if (conf_is_name_of(param, p->name) && conf_section_get(s, p->name) == p)
			show_pair(p, out, indent);
}

static void show_param(const struct conf_param *p, const void *conf, struct buf *out, unsigned indent)
{
	const struct conf_common *c = conf;
	const struct conf_pair *pair = c->section ? conf_scope_pair(c->section, p) : NULL;
	if (p->numbered && c->section)
		show_numbered(p, c->section, out, indent);
	if (p->type == CONF_IGNORED || (p->support == CONF_DEPRECATED && !pair))
		return;
	struct buf value;
	buf_init(&value, SIZE_MAX);
	bool set = put_value(p, (const char *)conf + p->offset, &value);
	size_t start = out->n;
	put_indent(out, indent);
	if (!set)
		buf_printf(out, "# %s is not set", p->name);
	else
		buf_printf(out, "%s %s", p->name, p->secret ? MASK : buf_cstr(&value));
	put_origin(out, start, pair && pair->broken ? NULL : pair);
	buf_free(&value);
}

static void show_common(
	const char *name, const char *value, const struct conf_common *c, struct buf *out, unsigned indent)
{
	size_t start = out->n;
	if (!value || !c->section)
		return;
	const struct conf_pair *pair = conf_section_get(c->section, name);
	put_indent(out, indent);
	buf_printf(out, "%s ", name);
	put_string(value, out);
	put_origin(out, start, pair ? pair : conf_section_get(c->section, name + 1));
}

void conf_show_type(const char *type, const struct conf_pair *pair, struct buf *out, unsigned indent)
{
	size_t start = out->n;
	put_indent(out, indent);
	buf_put_str(out, "@type ");
	put_string(type, out);
	put_origin(out, start, pair);
}

void conf_show_params(const struct conf_schema *schema, const void *conf, struct buf *out, unsigned indent)
{
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		show_param(p, conf, out, indent);
}

/* Keys that no table knows. */
static void show_free_keys(
	const struct conf_schema *schema, const struct conf_section *s, struct buf *out, unsigned indent)
{
	for (const struct conf_pair *p = s->pairs; p; p = p->next)
		if (conf_section_get(s, p->name) == p && (schema->free_keys || conf_is_more(schema, p->name)))
			show_pair(p, out, indent);
}

static void show(const struct conf_schema *schema, const void *conf, struct buf *out, unsigned indent,
	const struct conf_show_other *other)
{
	const struct conf_common *c = conf;
	const char *name = c->section ? c->section->name : schema->name;
	if (strcmp(name, "ROOT") == 0) {
		conf_show_inside(schema, conf, out, indent, other);
		return;
	}
	put_indent(out, indent);
	buf_printf(out, *c->arg ? "<%s %s>\n" : "<%s>\n", name, c->arg);
	conf_show_inside(schema, conf, out, indent + 1, other);
	put_indent(out, indent);
	buf_printf(out, "</%s>\n", name);
}

void conf_show_inside(const struct conf_schema *schema, const void *conf, struct buf *out, unsigned indent,
	const struct conf_show_other *other)
{
	const struct conf_common *c = conf;
	show_common("@type", c->type, c, out, indent);
	show_common("@id", c->id, c, out, indent);
	show_common("@label", c->label, c, out, indent);
	show_common("@log_level", c->log_level, c, out, indent);
	conf_show_params(schema, conf, out, indent);
	bool by_other = schema->free_sections || schema->shown_by_other;
	if (by_other && other && c->section)
		other->show(other, c->section, out, indent);
	else if ((schema->free_keys || schema->more_keys) && !by_other && c->section)
		show_free_keys(schema, c->section, out, indent);
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++) {
		const struct conf_list *list = (const struct conf_list *)(const void *)((const char *)conf +
											sub->offset);
		for (size_t i = 0; i < list->n; i++)
			show(sub->schema, list->v[i], out, indent, other);
	}
}

void conf_show(const struct conf_schema *schema, const void *conf, struct buf *out, unsigned indent)
{
	show(schema, conf, out, indent, NULL);
}
