#include "describe.h"

#include "cmdline.h"
#include "format/formatter.h"
#include "parse/parser.h"
#include "pipeline.h"
#include "plugin.h"
#include "system_conf.h"

#include <stdio.h>
#include <string.h>

#define OUT_MAX	     ((size_t)64 << 20)
#define SECTIONS_MAX ((size_t)256)

static const enum plugin_kind kinds[] = {PLUGIN_INPUT, PLUGIN_FILTER, PLUGIN_OUTPUT};
static const char *const titles[] = {"Inputs: `<source>`", "Filters: `<filter PATTERN>`", "Outputs: `<match PATTERN>`"};

/* What is chosen by the @type of a <parse> or <format> section. */
static const struct text_kind {
	const char *name, *title;
	const char *(*at)(size_t i);
	const struct conf_schema *(*schema)(const char *type);
} text_kinds[] = {
	{"parser", "Parsers: `<parse>`", parser_type_at, parser_type_schema},
	{"format", "Formatters: `<format>`", formatter_type_at, formatter_type_schema},
};
#define TEXT_KINDS (sizeof text_kinds / sizeof *text_kinds)

/* The i-th type, NULL after the last; *rest gets its other names, "" if there are none. Valid until the next call. */
static const char *type_at(const struct text_kind *kind, size_t i, const char **rest)
{
	static char name[64];
	const char *names = kind->at(i);
	if (!names)
		return NULL;
	size_t n = strcspn(names, " ");
	snprintf(name, sizeof name, "%.*s", (int)n, names);
	*rest = names + n + strspn(names + n, " ");
	return name;
}

static int print(struct buf *out)
{
	int status = out->failed ? 1 : 0;
	fputs(buf_cstr(out), stdout);
	buf_free(out);
	return status;
}

int describe_plugins(void)
{
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
		for (const struct plugin *const *p = plugin_list; *p; p++)
			if ((*p)->kind == kinds[k])
				printf("%-7s %-28s %s\n", plugin_kind_name(kinds[k]), (*p)->name, (*p)->help);
	const char *type, *rest;
	for (size_t k = 0; k < TEXT_KINDS; k++)
		for (size_t i = 0; (type = type_at(&text_kinds[k], i, &rest)); i++) {
			const char *help = text_kinds[k].schema(type)->help;
			printf("%-7s %-28s %s\n", text_kinds[k].name, type, help ? help : "");
		}
	return 0;
}

/* ---- sections -------------------------------------------------------------------------------------------------------- */

/* Tables that were met, and in how many places. */
struct sections {
	const struct conf_schema *v[SECTIONS_MAX + 1]; /* NULL-terminated */
	unsigned times[SECTIONS_MAX];
	size_t n;
};

static void meet(struct sections *s, const struct conf_schema *schema)
{
	size_t i = 0;
	while (i < s->n && s->v[i] != schema)
		i++;
	if (i == SECTIONS_MAX)
		return;
	s->v[i] = schema;
	s->times[i]++;
	if (i < s->n)
		return;
	s->n++;
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++)
		meet(s, sub->schema);
}

static void meet_all(struct sections *s)
{
	*s = (struct sections){0};
	meet(s, &system_conf_schema);
	for (const struct plugin *const *p = plugin_list; *p; p++)
		meet(s, (*p)->schema);
}

static bool is_plugin(const struct conf_schema *schema)
{
	for (const struct plugin *const *p = plugin_list; *p; p++)
		if ((*p)->schema == schema)
			return true;
	return false;
}

/* Those that several tables have. */
static void keep_shared(struct sections *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++)
		if (s->times[i] > 1 && !is_plugin(s->v[i]))
			s->v[n++] = s->v[i];
	s->v[n] = NULL;
	s->n = n;
}

/* ---- help -------------------------------------------------------------------------------------------------------------- */

static bool help_plugin(const char *name, struct buf *out)
{
	bool found = false;
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		const struct plugin *p = plugin_find(kinds[k], name);
		if (!p)
			continue;
		buf_printf(out, "%s %s: %s\n", plugin_kind_name(p->kind), p->name, p->help);
		conf_help(p->schema, out);
		buf_put_byte(out, '\n');
		found = true;
	}
	for (size_t k = 0; k < TEXT_KINDS; k++) {
		const struct conf_schema *schema = text_kinds[k].schema(name);
		if (!schema)
			continue;
		buf_printf(out, "%s %s, in a <%s> section:\n", text_kinds[k].name, name, schema->name);
		conf_help(schema, out);
		buf_put_byte(out, '\n');
		found = true;
	}
	return found;
}

static bool help_section(const char *name, struct buf *out)
{
	struct sections all;
	bool found = false;
	meet_all(&all);
	for (size_t i = 0; i < all.n; i++) {
		if (strcmp(all.v[i]->name, name) != 0 || is_plugin(all.v[i]))
			continue;
		conf_help(all.v[i], out);
		found = true;
	}
	return found;
}

static void list_types(const char *section, struct buf *out)
{
	const char *type, *rest;
	for (size_t k = 0; k < TEXT_KINDS; k++) {
		if (strcmp(text_kinds[k].schema(type_at(&text_kinds[k], 0, &rest))->name, section) != 0)
			continue;
		buf_put_str(out, "\nIts types, each with a `weir help TYPE`:");
		for (size_t i = 0; (type = type_at(&text_kinds[k], i, &rest)); i++)
			buf_printf(out, " %s", type);
		buf_put_byte(out, '\n');
	}
}

/* The name of a plugin or section that may have been meant; NULL if none is near. */
static const char *nearest(const char *name)
{
	const char *names[SECTIONS_MAX + 128];
	struct sections all;
	size_t n = 0;
	meet_all(&all);
	for (const struct plugin *const *p = plugin_list; *p && n < 127; p++)
		names[n++] = (*p)->name;
	for (size_t i = 0; i < all.n; i++)
		names[n++] = all.v[i]->name;
	names[n] = NULL;
	return conf_nearest(name, names);
}

/* Whether it is one that weir does not have: what to do instead. */
static bool tell_instead(const char *name)
{
	bool told = false;
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		const char *instead = plugin_instead(kinds[k], name);
		if (instead)
			fprintf(stderr, "weir: weir has no %s plugin '%s': %s\n", plugin_kind_name(kinds[k]), name,
				instead);
		told |= instead != NULL;
	}
	return told;
}

static void not_found(const char *name)
{
	const char *near = nearest(name);
	if (tell_instead(name))
		return;
	if (near)
		fprintf(stderr, "weir: there is no plugin and no section '%s': did you mean '%s'?\n", name, near);
	else
		fprintf(stderr,
			"weir: there is no plugin and no section '%s': `weir plugins` lists those that there are\n",
			name);
}

int describe_plugin(const char *name)
{
	struct buf out;
	if (!name) {
		cmdline_help();
		return 0;
	}
	buf_init(&out, OUT_MAX);
	bool found = help_plugin(name, &out);
	if (help_section(name, &out)) {
		found = true;
		list_types(name, &out);
	}
	if (!found)
		not_found(name);
	print(&out);
	return found ? 0 : 1;
}

/* ---- the reference --------------------------------------------------------------------------------------------------------- */

/* A plugin that comes earlier and has the same parameters; NULL if there is none. */
static const struct plugin *same_as(const struct plugin *p)
{
	for (const struct plugin *const *other = plugin_list; *other != p; other++) {
		const struct conf_schema *a = (*other)->schema, *b = p->schema;
		if (a->params && a->params == b->params && a->subs == b->subs && (*other)->kind == p->kind)
			return *other;
	}
	return NULL;
}

static void put_plugin(const struct plugin *p, const struct sections *shared, struct buf *out)
{
	const struct plugin *same = same_as(p);
	if (same)
		buf_printf(out, "### %s (`<%s>`)\n\n%s\n\nThe parameters are those of `%s`.\n\n", p->schema->title,
			p->schema->name, p->schema->help ? p->schema->help : p->help, same->name);
	else
		conf_reference(p->schema, shared->v, out, 3);
	if (p->alias)
		buf_printf(out, "Other names: `%s`.\n\n", p->alias);
}

static void put_types(const struct text_kind *kind, const struct sections *shared, struct buf *out)
{
	buf_printf(out, "## %s\n\n", kind->title);
	const char *type, *rest;
	for (size_t i = 0; (type = type_at(kind, i, &rest)); i++) {
		conf_reference(kind->schema(type), shared->v, out, 3);
		if (*rest)
			buf_printf(out, "Other names: `%s`.\n\n", rest);
	}
}

int describe_reference(void)
{
	struct sections shared;
	struct buf out;
	meet_all(&shared);
	keep_shared(&shared);
	buf_init(&out, OUT_MAX);
	buf_put_str(&out, "# Configuration reference\n\n"
			  "Made by `weir reference` from the tables that weir reads configurations with. `weir help "
			  "NAME` prints a part of it.\n\n"
			  "Every plugin also has `@type`, `@id` (its name in logs and metrics, and of its buffer's "
			  "folder), `@log_level` and, "
			  "where it sends events on, `@label`.\n\n"
			  "Types of values: string; integer; float; bool (`true`, `false`; a name alone is true); size "
			  "(`512k`, `8m`, `1g`: powers of 1024); "
			  "time (`0.5`, `10s`, `5m`, `1h`, `1d`); enum; array (`a,b` or JSON); hash (`a:1,b:2` or "
			  "JSON); regexp (`/re/i`).\n\n");
	conf_reference(&system_conf_schema, shared.v, &out, 2);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		buf_printf(&out, "## %s\n\n", titles[k]);
		for (const struct plugin *const *p = plugin_list; *p; p++)
			if ((*p)->kind == kinds[k])
				put_plugin(*p, &shared, &out);
	}
	for (size_t k = 0; k < TEXT_KINDS; k++)
		put_types(&text_kinds[k], &shared, &out);
	buf_put_str(&out, "## Sections of several plugins\n\n");
	for (const struct conf_schema **s = shared.v; *s; s++)
		conf_reference(*s, shared.v, &out, 3);
	return print(&out);
}
