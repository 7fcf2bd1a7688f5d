/* conf_schema.c: fills a plugin's struct from a section by the plugin's table. */
#include "conf/conf_schema.h"

#include "conf/conf_scope.h"
#include "conf/conf_value.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *make(const struct conf_scope *scope, const struct conf_rules *rules, struct conf_report *report);

static void *field(void *conf, const struct conf_param *p)
{
	return (char *)conf + p->offset;
}

/* ---- one value ---- */

static bool enum_value(const struct conf_param *p, const char *text, int *v, const char **why)
{
	static _Thread_local char why_text[400];
	size_t n = 0;
	*why = NULL;
	for (const struct conf_choice *c = p->choices; c->name; c++)
		if (strcmp(c->name, text) == 0) {
			*v = c->value;
			return true;
		}
	n += (size_t)snprintf(why_text, sizeof why_text, "valid options are ");
	for (const struct conf_choice *c = p->choices; c->name && n < sizeof why_text; c++)
		n += (size_t)snprintf(why_text + n, sizeof why_text - n, "%s%s", c == p->choices ? "" : ",", c->name);
	if (n < sizeof why_text)
		snprintf(why_text + n, sizeof why_text - n, " but got '%.80s'", text);
	*why = why_text;
	return false;
}

static bool string_value(const char *text, size_t len, char **v, const char **why)
{
	*why = strlen(text) < len ? "a 0 byte is not possible here" : NULL;
	if (*why)
		return false;
	*v = mem_strdup(text);
	return true;
}

static bool bytes_value(const char *text, size_t len, struct conf_bytes *v)
{
	*v = (struct conf_bytes){.p = mem_strndup(text, len), .n = len};
	return true;
}

static void set_nil(const struct conf_param *p, void *to)
{
	switch (p->type) {
	case CONF_INT:
	case CONF_SIZE:
	case CONF_TIME:
		*(int64_t *)to = CONF_NIL_INT;
		break;
	case CONF_FLOAT:
		*(double *)to = NAN;
		break;
	case CONF_ENUM:
		*(int *)to = CONF_NIL_ENUM;
		break;
	default:
		break; /* zeroed memory is nil */
	}
}

/* Sets the field from a text; false and why if it is none of the type. The field is left alone then. */
static bool set_text(const struct conf_param *p, const char *text, size_t len, bool strict, void *to, const char **why)
{
	switch (p->type) {
	case CONF_STRING:
		return string_value(text, len, to, why);
	case CONF_INT:
		return conf_value_int(text, strict, to, why);
	case CONF_FLOAT:
		return conf_value_float(text, strict, to, why);
	case CONF_BOOL:
		return conf_value_bool(text, strict, to, why);
	case CONF_SIZE:
		return conf_value_size(text, strict, to, why);
	case CONF_TIME:
		return conf_value_time(text, strict, to, why);
	case CONF_ENUM:
		return enum_value(p, text, to, why);
	case CONF_ARRAY:
		return conf_value_array(text, to, why);
	case CONF_HASH:
		return conf_value_hash(text, to, why);
	case CONF_REGEXP:
		return conf_value_regexp(text, to, why);
	case CONF_BYTES:
		return bytes_value(text, len, to);
	case CONF_IGNORED:
		break;
	}
	*why = NULL;
	return true;
}

/* Leaves nil behind: two parameters may share a field. */
static void free_value(const struct conf_param *p, void *at)
{
	char **s = at;
	switch (p->type) {
	case CONF_STRING:
		if (*s)
			mem_free_secret(*s, strlen(*s));
		*s = NULL;
		break;
	case CONF_ARRAY:
		conf_value_free_array(at);
		break;
	case CONF_HASH:
		conf_value_free_hash(at);
		break;
	case CONF_REGEXP:
		conf_value_free_regexp(at);
		break;
	case CONF_BYTES:
		mem_free(((struct conf_bytes *)at)->p);
		*(struct conf_bytes *)at = (struct conf_bytes){0};
		break;
	default:
		break;
	}
}

static void set_default(const struct conf_param *p, void *to)
{
	const char *why = NULL;
	if (p->type == CONF_IGNORED)
		return;
	free_value(p, to);
	set_nil(p, to);
	if (p->value && !set_text(p, p->value, strlen(p->value), false, to, &why)) {
		fprintf(stderr, "weir: the default of '%s' in its table is wrong: %s\n", p->name, why);
		abort();
	}
}

/* ---- ranges ---- */

static const char *amount(const struct conf_param *p, int64_t v, char *text, size_t size)
{
	if (p->type == CONF_TIME)
		snprintf(text, size, "%.9g s", (double)v / (double)NS_PER_S);
	else
		snprintf(text, size, "%" PRId64 "%s", v, p->type == CONF_SIZE ? " bytes" : "");
	return text;
}

/* Why the value, which is of the type, is out of range; NULL if it is not. */
static const char *out_of_range(const struct conf_param *p, const void *at, char *text, size_t size)
{
	char low[40], high[40];
	if (p->type == CONF_FLOAT) {
		double f = *(const double *)at;
		return p->positive && f <= 0 ? "must be greater than 0" : NULL;
	}
	if (p->type != CONF_INT && p->type != CONF_SIZE && p->type != CONF_TIME)
		return NULL;
	int64_t v = *(const int64_t *)at;
	if (p->positive && v <= 0)
		return "must be greater than 0";
	bool too_low = (p->min || p->max) && v < p->min, too_high = p->max && v > p->max;
	if (!too_low && !too_high)
		return NULL;
	amount(p, p->min, low, sizeof low);
	if (p->max)
		snprintf(text, size, "must be from %s to %s", low, amount(p, p->max, high, sizeof high));
	else
		snprintf(text, size, "must be %s at least", low);
	return text;
}

/* ---- parameters ---- */

struct maker {
	const struct conf_scope *scope;
	const struct conf_rules *rules;
	struct conf_report *report;
	void *conf;
};

/* What would do as much as the default does no harm. */
static bool asks_for_nothing(const struct conf_param *p, const char *text)
{
	bool given;
	const char *why;
	if (!p->value || strcmp(p->value, text) == 0)
		return p->value != NULL;
	return strcmp(p->value, "false") == 0 && conf_value_bool(text, false, &given, &why) && !given;
}

static void report_support(struct maker *m, const struct conf_param *p, const struct conf_pair *pair)
{
	const char *instead = p->instead ? p->instead : "";
	const char *colon = p->instead ? ": " : "";
	bool harmless = asks_for_nothing(p, pair->value);
	switch (p->support) {
	case CONF_HONOURED:
	case CONF_MOVED:
		break;
	case CONF_NOT_USED:
		conf_report_add(
			m->report, CONF_NOTE, pair->name_pos, "'%s' has no effect%s%s", pair->name, colon, instead);
		break;
	case CONF_NOT_POSSIBLE:
		if (!harmless)
			conf_report_add(m->report, CONF_ERROR, pair->name_pos, "'%s' is not possible with weir%s%s",
				pair->name, colon, instead);
		break;
	case CONF_REMOVED:
		conf_report_add(m->report, CONF_ERROR, pair->name_pos, "'%s' parameter is already removed%s%s",
			pair->name, colon, instead);
		break;
	case CONF_DEPRECATED:
		conf_report_add(m->report, CONF_WARNING, pair->name_pos, "'%s' parameter is deprecated%s%s", pair->name,
			colon, instead);
		break;
	}
}

static void take_nil(struct maker *m, const struct conf_param *p, const struct conf_pair *pair)
{
	if (p->required || p->value)
		conf_report_add(m->report, CONF_ERROR, pair->value_pos,
			"'%s' parameter is required but nil is specified", p->name);
	else
		set_nil(p, field(m->conf, p));
}

/* What stands in the file. */
static const char *name_of(const struct conf_pair *pair)
{
	return pair->written ? pair->written : pair->name;
}

/* Takes the text instead of the default that is in the field. */
static void take_value(struct maker *m, const struct conf_param *p, const struct conf_pair *pair)
{
	union {
		int64_t i;
		double d;
		int e;
		bool b;
		char *s;
		struct conf_array a;
		struct conf_hash h;
		struct conf_regexp r;
		struct conf_bytes bytes;
	} v = {0};
	static const size_t sizes[] = {
		[CONF_STRING] = sizeof v.s,
		[CONF_INT] = sizeof v.i,
		[CONF_FLOAT] = sizeof v.d,
		[CONF_BOOL] = sizeof v.b,
		[CONF_SIZE] = sizeof v.i,
		[CONF_TIME] = sizeof v.i,
		[CONF_ENUM] = sizeof v.e,
		[CONF_ARRAY] = sizeof v.a,
		[CONF_HASH] = sizeof v.h,
		[CONF_REGEXP] = sizeof v.r,
		[CONF_BYTES] = sizeof v.bytes,
		[CONF_IGNORED] = 0,
	};
	const char *why = NULL;
	char text[120];
	if (!set_text(p, pair->value, pair->value_len, m->rules->strict_value, &v, &why)) {
		conf_report_add(m->report, CONF_ERROR, pair->value_pos, "%s: %s%s", name_of(pair),
			p->secret ? "this is not a possible value" : why,
			pair->from_code && !pair->value_len ? "; is the variable set that it comes from?" : "");
		return;
	}
	if (why)
		conf_report_add(m->report, CONF_WARNING, pair->value_pos, "%s: %s", name_of(pair),
			p->secret ? "this is not taken as fluentd would take it" : why);
	why = out_of_range(p, &v, text, sizeof text);
	if (why) {
		conf_report_add(m->report, CONF_ERROR, pair->value_pos, "'%s' %s", name_of(pair), why);
		free_value(p, &v);
		return;
	}
	free_value(p, field(m->conf, p));
	memcpy(field(m->conf, p), &v, sizes[p->type]);
}

static void take_param(struct maker *m, const struct conf_param *p)
{
	const struct conf_section *section = m->scope->section;
	const struct conf_pair *pair = section ? conf_scope_pair(section, p) : NULL;
	if (!pair) {
		if (p->required && section)
			conf_report_add(m->report, CONF_ERROR, section->pos, "'%s' parameter is required in %s",
				p->name, conf_scope_name(m->scope, (char[CONF_SCOPE_NAME]){0}));
		return;
	}
	report_support(m, p, pair);
	if (pair->broken || p->type == CONF_IGNORED)
		return;
	if (pair->kind == CONF_VALUE_NIL)
		take_nil(m, p, pair);
	else
		take_value(m, p, pair);
}

/* ---- sections ---- */

static void take_sub(struct maker *m, const struct conf_sub *sub)
{
	const struct conf_section *s = m->scope->section ? m->scope->section->sections : NULL;
	struct conf_list *list = (struct conf_list *)(void *)((char *)m->conf + sub->offset);
	for (; s; s = s->next) {
		if (strcmp(s->name, sub->schema->name) != 0)
			continue;
		if (list->n && !sub->multi) {
			conf_report_add(m->report, CONF_ERROR, s->pos, "'<%s>' section cannot be written twice or more",
				s->name);
			continue;
		}
		struct conf_scope inner = {sub->schema, s, m->scope};
		list->v = mem_realloc(list->v, (list->n + 1) * sizeof *list->v);
		list->v[list->n++] = make(&inner, m->rules, m->report);
	}
	if (sub->required && list->n == 0 && m->scope->section)
		conf_report_add(m->report, CONF_ERROR, m->scope->section->pos, "'<%s>' sections are required in %s",
			sub->schema->name, conf_scope_name(m->scope, (char[CONF_SCOPE_NAME]){0}));
}

static char *common_value(struct maker *m, const char *name)
{
	const struct conf_section *s = m->scope->section;
	const struct conf_pair *p = s && !m->scope->schema->free_keys ? conf_section_get(s, name) : NULL;
	if (!p && s && conf_scope_takes_old(m->scope->schema, name + 1)) {
		p = conf_section_get(s, name + 1);
		if (p)
			conf_report_add(m->report, CONF_WARNING, p->name_pos,
				"'%s' is deprecated parameter name. use '%s' instead.", p->name, name);
	}
	return p && p->kind != CONF_VALUE_NIL && !p->broken ? mem_strdup(p->value) : NULL;
}

static void check_log_level(struct maker *m, const char *name)
{
	enum log_level level;
	const struct conf_section *s = m->scope->section;
	if (!name || log_level_parse(name, &level))
		return;
	const struct conf_pair *p = conf_section_get(s, "@log_level");
	p = p ? p : conf_section_get(s, "log_level");
	conf_report_add(m->report, CONF_ERROR, p ? p->value_pos : s->pos,
		"Unknown log level: '%s'; there are trace, debug, info, warn, error and fatal", name);
}

static void take_common(struct maker *m)
{
	struct conf_common *c = m->conf;
	const struct conf_section *s = m->scope->section;
	c->type = common_value(m, "@type");
	c->id = common_value(m, "@id");
	c->label = common_value(m, "@label");
	c->log_level = common_value(m, "@log_level");
	check_log_level(m, c->log_level);
	c->arg = mem_strdup(s ? s->arg : "");
	c->section = s;
	c->schema = m->scope->schema;
	if (s)
		c->pos = s->pos;
}

static void *make(const struct conf_scope *scope, const struct conf_rules *rules, struct conf_report *report)
{
	const struct conf_schema *schema = scope->schema;
	struct maker m = {scope, rules, report, mem_zalloc(schema->size)};
	take_common(&m);
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		set_default(p, field(m.conf, p));
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		take_param(&m, p);
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++)
		take_sub(&m, sub);
	if (scope->section)
		conf_scope_report_unknown(scope, rules, report);
	if (schema->check)
		schema->check(m.conf, report);
	return m.conf;
}

void *conf_make(const struct conf_schema *schema, const struct conf_section *section, const struct conf_rules *rules,
	struct conf_report *report)
{
	struct conf_scope scope = {schema, section, NULL};
	return make(&scope, rules, report);
}

void conf_free(const struct conf_schema *schema, void *conf)
{
	struct conf_common *c = conf;
	if (!conf)
		return;
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		if (p->type != CONF_IGNORED)
			free_value(p, field(conf, p));
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++) {
		struct conf_list *list = (struct conf_list *)(void *)((char *)conf + sub->offset);
		for (size_t i = 0; i < list->n; i++)
			conf_free(sub->schema, list->v[i]);
		mem_free(list->v);
	}
	mem_free(c->type);
	mem_free(c->id);
	mem_free(c->label);
	mem_free(c->log_level);
	mem_free(c->arg);
	mem_free(conf);
}

void conf_each_written(const struct conf_schema *schema, const void *conf,
	void (*fn)(void *arg, enum conf_writes is, const char *path), void *arg)
{
	for (const struct conf_param *p = schema->params; p && p->name; p++) {
		const char *path = p->writes ? *(char *const *)(const void *)((const char *)conf + p->offset) : NULL;
		if (path)
			fn(arg, p->writes, path);
	}
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++) {
		const struct conf_list *list = (const struct conf_list *)(const void *)((const char *)conf +
											sub->offset);
		for (size_t i = 0; i < list->n; i++)
			conf_each_written(sub->schema, list->v[i], fn, arg);
	}
}

/* ---- places ---- */

static const struct conf_param *find_param(const struct conf_schema *schema, const char *name)
{
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static const struct conf_pair *find_pair(const struct conf_schema *schema, const void *conf, const char *name)
{
	const struct conf_common *c = conf;
	const struct conf_param *p = find_param(schema, name);
	if (!c->section)
		return NULL;
	const struct conf_pair *pair = p ? conf_scope_pair(c->section, p) : conf_section_get(c->section, name);
	if (!pair && name[0] == '@' && conf_scope_takes_old(schema, name + 1))
		pair = conf_section_get(c->section, name + 1);
	return pair;
}

struct conf_pos conf_where(const void *conf, const char *param)
{
	const struct conf_common *c = conf;
	const struct conf_pair *pair = find_pair(c->schema, conf, param);
	return pair ? pair->value_pos : c->pos;
}

bool conf_is_given(const struct conf_schema *schema, const void *conf, const char *param)
{
	return find_pair(schema, conf, param) != NULL;
}

bool conf_is_missing(const void *conf, const char *param)
{
	const struct conf_pair *pair = find_pair(((const struct conf_common *)conf)->schema, conf, param);
	return !pair || pair->kind == CONF_VALUE_NIL;
}

void conf_check_file(
	const void *conf, const char *param, const char *path, enum conf_severity severity, struct conf_report *report)
{
	if (path && *path && access(path, R_OK) != 0)
		conf_report_add(report, severity, conf_where(conf, param), "%s: cannot read '%s': %s", param, path,
			strerror(errno));
}
