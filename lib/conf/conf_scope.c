#include "conf/conf_scope.h"

#include "base/mem.h"

#include <stdio.h>

/* Whether `name` is one of the words in `list`. */
static bool in_words(const char *list, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = list; p && n; p = strchr(p, ' ')) {
		p += *p == ' ';
		if (strncmp(p, name, n) == 0 && (p[n] == ' ' || p[n] == 0))
			return true;
	}
	return false;
}

const struct conf_pair *conf_scope_pair(const struct conf_section *section, const struct conf_param *p)
{
	const struct conf_pair *found = conf_section_get(section, p->name);
	for (const struct conf_pair *pair = p->old && !found ? section->pairs : NULL; pair; pair = pair->next)
		if (in_words(p->old, pair->name))
			found = pair;
	return found && found->kind != CONF_VALUE_DEFAULT ? found : NULL;
}

bool conf_is_name_of(const struct conf_param *p, const char *name)
{
	size_t n = strlen(p->name);
	if (p->numbered)
		return strncmp(name, p->name, n) == 0 && name[n] && !name[n + strspn(name + n, "0123456789")];
	return strcmp(p->name, name) == 0 || in_words(p->old, name);
}

static const struct conf_param *find_param(const struct conf_schema *schema, const char *name)
{
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		if (conf_is_name_of(p, name))
			return p;
	return NULL;
}

static const struct conf_sub *find_sub(const struct conf_schema *schema, const char *name)
{
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++)
		if (strcmp(sub->schema->name, name) == 0)
			return sub;
	return NULL;
}

/* The sub-section whose table has such a parameter or (where `section`) sub-section. */
static const struct conf_sub *sub_with(const struct conf_schema *schema, const char *name, bool section)
{
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++)
		if (section ? find_sub(sub->schema, name) != NULL : find_param(sub->schema, name) != NULL)
			return sub;
	return NULL;
}

static const struct conf_scope *scope_with(const struct conf_scope *scope, const char *name, bool section)
{
	for (const struct conf_scope *s = scope->up; s; s = s->up)
		if (section ? find_sub(s->schema, name) != NULL : find_param(s->schema, name) != NULL)
			return s;
	return NULL;
}

bool conf_scope_takes_old(const struct conf_schema *schema, const char *name)
{
	bool old = strcmp(name, "type") == 0 || strcmp(name, "id") == 0 || strcmp(name, "log_level") == 0;
	return old && !schema->free_keys && !find_param(schema, name);
}

const char *conf_scope_name(const struct conf_scope *scope, char text[CONF_SCOPE_NAME])
{
	const struct conf_section *s = scope->section;
	const struct conf_pair *type = conf_section_get(s, "@type");
	if (!type && conf_scope_takes_old(scope->schema, "type"))
		type = conf_section_get(s, "type");
	if (scope->schema->free_keys || (type && type->kind == CONF_VALUE_NIL))
		type = NULL;
	if (!s->parent)
		snprintf(text, CONF_SCOPE_NAME, "the top level");
	else if (type)
		snprintf(text, CONF_SCOPE_NAME, "<%.40s> of type %.80s", s->name, type->value);
	else
		snprintf(text, CONF_SCOPE_NAME, "<%.40s>", s->name);
	return text;
}

/* ---- what was meant ---- */

static const char *const reserved[] = {"@type", "@id", "@label", "@log_level"};
#define RESERVED_N (sizeof reserved / sizeof *reserved)

/* The nearest name of a parameter that has an effect, or (where `section`) of a sub-section. */
static const char *nearest(const struct conf_schema *schema, const char *name, bool section)
{
	size_t n = 0, cap = RESERVED_N + 1;
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		cap++;
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++)
		cap++;
	const char **names = mem_array(cap, sizeof *names);
	for (const struct conf_param *p = schema->params; p && p->name && !section; p++)
		if (p->support == CONF_HONOURED || p->support == CONF_DEPRECATED)
			names[n++] = p->name;
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema && section; sub++)
		names[n++] = sub->schema->name;
	for (size_t i = 0; i < RESERVED_N && !section; i++)
		names[n++] = reserved[i];
	names[n] = NULL;
	const char *found = conf_nearest(name, names);
	mem_free(names);
	return found;
}

/* ": it belongs into <x>" for a name that another section knows; false if none does. */
static bool hint_for_place(const struct conf_scope *scope, const char *name, bool section, char *text, size_t size)
{
	const struct conf_sub *sub = sub_with(scope->schema, name, section);
	const struct conf_scope *up = scope_with(scope, name, section);
	if (sub)
		snprintf(text, size, ": it belongs into <%s>", sub->schema->name);
	else if (up && up->section->parent)
		snprintf(text, size, ": it belongs into <%.40s>, outside of <%.40s>", up->section->name,
			scope->section->name);
	else if (up)
		snprintf(text, size, ": it belongs to the top level, outside of <%.40s>", scope->section->name);
	return sub || up;
}

/* What was probably meant, for the end of a message; nothing if nothing comes to mind. */
static void hint_for_param(const struct conf_scope *scope, const char *name, char *text, size_t size)
{
	const char *near, *equals = strchr(name, '=');
	size_t n = strlen(name);
	*text = 0;
	if (hint_for_place(scope, name, false, text, size))
		return;
	if (find_sub(scope->schema, name))
		snprintf(text, size, ": it is a section, <%s>", name);
	else if (equals && equals > name)
		snprintf(text, size, ": write '%.*s' and its value without '='", (int)(equals - name), name);
	else if (n > 1 && name[n - 1] == ':')
		snprintf(text, size, ": write '%.*s', without ':'", (int)n - 1, name);
	else if ((near = nearest(scope->schema, name, false)))
		snprintf(text, size, ": did you mean '%s'?", near);
}

static void hint_for_section(const struct conf_scope *scope, const char *name, char *text, size_t size)
{
	const char *near;
	*text = 0;
	if (hint_for_place(scope, name, true, text, size))
		return;
	if (find_param(scope->schema, name))
		snprintf(text, size, ": '%s' is a parameter", name);
	else if ((near = nearest(scope->schema, name, true)))
		snprintf(text, size, ": did you mean <%s>?", near);
}

/* ---- reports ---- */

static bool is_reserved(const char *name)
{
	for (size_t i = 0; i < RESERVED_N; i++)
		if (strcmp(name, reserved[i]) == 0)
			return true;
	return false;
}

bool conf_is_more(const struct conf_schema *schema, const char *name)
{
	return !find_param(schema, name) && !is_reserved(name) && !conf_scope_takes_old(schema, name);
}

/* A parameter given under its own and under an old name: the own one counts. */
static bool is_shadowed(const struct conf_scope *scope, const struct conf_pair *pair, const struct conf_param *p)
{
	const struct conf_pair *own = strcmp(pair->name, p->name) != 0 && !p->numbered
					      ? conf_section_get(scope->section, p->name)
					      : NULL;
	return own != NULL;
}

static void report_pair(const struct conf_scope *scope, const struct conf_pair *pair, enum conf_severity severity,
	struct conf_report *report)
{
	char where[CONF_SCOPE_NAME], hint[200];
	const struct conf_param *p = find_param(scope->schema, pair->name);
	if (p && is_shadowed(scope, pair, p))
		conf_report_add(report, CONF_WARNING, pair->name_pos, "'%s' is not used: '%s' is given as well",
			pair->name, p->name);
	if (scope->schema->more_keys || !conf_is_more(scope->schema, pair->name))
		return;
	hint_for_param(scope, pair->name, hint, sizeof hint);
	/* "password=x" is all name: no more of it is told than a name. */
	size_t shown = strcspn(pair->name, "=");
	shown += pair->name[shown] == '=';
	conf_report_add(report, severity, pair->name_pos, "'%.*s' is not a parameter of %s%s",
		shown < 80 ? (int)shown : 80, pair->name, conf_scope_name(scope, where), hint);
}

void conf_scope_report_unknown(
	const struct conf_scope *scope, const struct conf_rules *rules, struct conf_report *report)
{
	char where[CONF_SCOPE_NAME], hint[200];
	enum conf_severity severity = rules->strict ? CONF_ERROR : CONF_WARNING;
	for (const struct conf_pair *p = scope->schema->free_keys ? NULL : scope->section->pairs; p; p = p->next)
		report_pair(scope, p, severity, report);
	for (const struct conf_section *s = scope->schema->free_sections ? NULL : scope->section->sections; s;
		s = s->next) {
		if (find_sub(scope->schema, s->name))
			continue;
		hint_for_section(scope, s->name, hint, sizeof hint);
		conf_report_add(report, severity, s->pos, "section <%.40s> is not used in %s%s", s->name,
			conf_scope_name(scope, where), hint);
	}
}
