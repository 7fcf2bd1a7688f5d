/* conf_doc.c: the tables as documentation: the reference in Markdown, and help for a terminal. */
#include "conf/conf_schema.h"

#define WIDTH ((size_t)80)

static const char *type_name(const struct conf_param *p)
{
	static const char *const names[] = {
		[CONF_STRING] = "string",
		[CONF_INT] = "integer",
		[CONF_FLOAT] = "float",
		[CONF_BOOL] = "bool",
		[CONF_SIZE] = "size",
		[CONF_TIME] = "time",
		[CONF_ENUM] = "enum",
		[CONF_ARRAY] = "array",
		[CONF_HASH] = "hash",
		[CONF_REGEXP] = "regexp",
		[CONF_BYTES] = "string",
		[CONF_IGNORED] = "",
	};
	return names[p->type];
}

/* A parameter that is written into the section now; not v0.12's, which stand in a place that somebody else reads. */
static bool has_row(const struct conf_param *p)
{
	return p->type != CONF_IGNORED && (p->support == CONF_HONOURED || p->support == CONF_DEPRECATED);
}

/* ---- Markdown ---- */

/* Within a table: no | and no line ends. */
static void put_cell(struct buf *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '|')
			buf_put_str(out, "\\|");
		else
			buf_put_byte(out, *text == '\n' ? ' ' : (uint8_t)*text);
	}
}

static void put_code(struct buf *out, const char *text)
{
	buf_put_byte(out, '`');
	put_cell(out, text);
	buf_put_byte(out, '`');
}

static void put_choices(struct buf *out, const struct conf_param *p, const char *quote)
{
	for (const struct conf_choice *c = p->choices; c->name; c++)
		buf_printf(out, "%s%s%s%s", c == p->choices ? "" : ", ", quote, c->name, quote);
}

static void put_old_names(struct buf *out, const char *old)
{
	buf_put_str(out, " Old names: `");
	for (; *old; old++)
		if (*old == ' ')
			buf_put_str(out, "`, `");
		else
			buf_put_byte(out, (uint8_t)*old);
	buf_put_str(out, "`.");
}

static void put_row(struct buf *out, const struct conf_param *p)
{
	buf_put_str(out, "| ");
	put_code(out, p->name);
	buf_printf(out, " | %s", type_name(p));
	if (p->type == CONF_ENUM) {
		buf_put_str(out, ": ");
		put_choices(out, p, "`");
	}
	buf_put_str(out, " | ");
	if (p->required)
		buf_put_str(out, "**required**");
	else if (p->value)
		put_code(out, p->value);
	buf_put_str(out, " | ");
	put_cell(out, p->help);
	if (p->old)
		put_old_names(out, p->old);
	if (p->support == CONF_DEPRECATED) {
		buf_put_str(out, " Deprecated: ");
		put_cell(out, p->instead);
		buf_put_byte(out, '.');
	}
	buf_put_str(out, " |\n");
}

/* The parameters with one kind of support, as a list of names with what to do instead. */
static void put_list(struct buf *out, const struct conf_schema *schema, const char *title, unsigned kinds)
{
	bool any = false;
	for (const struct conf_param *p = schema->params; p && p->name; p++) {
		if (!(kinds & 1U << p->support))
			continue;
		if (!any)
			buf_printf(out, "%s:\n\n", title);
		any = true;
		buf_printf(out, "- `%s`%s%s\n", p->name, p->instead ? ": " : "", p->instead ? p->instead : "");
	}
	buf_put_str(out, any ? "\n" : "");
}

/* A parameter of v0.12 that stands in a place which somebody else reads. */
static bool is_old(const struct conf_param *p, const char *why)
{
	bool old = p->type == CONF_IGNORED && (p->support == CONF_DEPRECATED || p->support == CONF_MOVED);
	return old && p->instead && (!why || strcmp(p->instead, why) == 0);
}

/* Whether a parameter before `p` has the same explanation. */
static bool is_told(const struct conf_schema *schema, const struct conf_param *p)
{
	for (const struct conf_param *q = schema->params; q != p; q++)
		if (is_old(q, p->instead))
			return true;
	return false;
}

/* v0.12's names, those with one explanation together. */
static void put_old(struct buf *out, const struct conf_schema *schema)
{
	for (const struct conf_param *p = schema->params; p && p->name; p++) {
		const char *comma = "";
		if (!is_old(p, NULL) || is_told(schema, p))
			continue;
		buf_put_str(out, "Old, still read:");
		for (const struct conf_param *q = p; q->name; q++) {
			if (!is_old(q, p->instead))
				continue;
			buf_printf(out, "%s `%s%s`", comma, q->name, q->numbered ? "1` ... `99" : "");
			comma = ",";
		}
		buf_printf(out, " (%s).\n\n", p->instead);
	}
}

static void put_table(struct buf *out, const struct conf_schema *schema)
{
	bool any = false;
	for (const struct conf_param *p = schema->params; p && p->name; p++) {
		if (!has_row(p))
			continue;
		if (!any)
			buf_put_str(out, "| parameter | type | default | meaning |\n|---|---|---|---|\n");
		any = true;
		put_row(out, p);
	}
	buf_put_str(out, any ? "\n" : "");
}

static void put_heading(struct buf *out, unsigned level)
{
	for (unsigned i = 0; i < level; i++)
		buf_put_byte(out, '#');
	buf_put_byte(out, ' ');
}

static bool is_in(const struct conf_schema *schema, const struct conf_schema *const *list)
{
	for (; list && *list; list++)
		if (*list == schema)
			return true;
	return false;
}

static void put_title(struct buf *out, const struct conf_sub *as)
{
	buf_printf(out, "`<%s>`%s%s%s%s", as->schema->name, as->schema->title ? ": " : "",
		as->schema->title ? as->schema->title : "", as->required ? ", required" : "",
		as->multi ? ", several possible" : "");
}

static void put_body(
	const struct conf_schema *schema, const struct conf_schema *const *elsewhere, struct buf *out, unsigned heading)
{
	bool any = false;
	if (schema->help)
		buf_printf(out, "%s\n\n", schema->help);
	put_table(out, schema);
	put_list(out, schema, "Accepted, without effect", 1U << CONF_NOT_USED);
	put_list(out, schema, "Refused", 1U << CONF_NOT_POSSIBLE | 1U << CONF_REMOVED);
	put_old(out, schema);
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++) {
		if (!is_in(sub->schema, elsewhere))
			continue;
		buf_put_str(out, any ? "- " : "Sections that are described at the end:\n\n- ");
		put_title(out, sub);
		buf_put_byte(out, '\n');
		any = true;
	}
	buf_put_str(out, any ? "\n" : "");
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++) {
		if (is_in(sub->schema, elsewhere))
			continue;
		put_heading(out, heading + 1);
		put_title(out, sub);
		buf_put_str(out, "\n\n");
		put_body(sub->schema, elsewhere, out, heading + 1);
	}
}

void conf_reference(
	const struct conf_schema *schema, const struct conf_schema *const *elsewhere, struct buf *out, unsigned heading)
{
	put_heading(out, heading);
	buf_printf(out, "%s (`<%s>`)\n\n", schema->title ? schema->title : schema->name, schema->name);
	put_body(schema, elsewhere, out, heading);
}

/* ---- help ---- */

static void put_spaces(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_put_byte(out, ' ');
}

/* The text in lines of WIDTH columns at most, each indented. */
static void put_wrapped(struct buf *out, const char *text, size_t indent)
{
	size_t column = 0;
	while (text && *text) {
		size_t n = strcspn(text, " \n");
		if (column && column + 1 + n > WIDTH) {
			buf_put_byte(out, '\n');
			column = 0;
		}
		if (n) {
			put_spaces(out, column ? 1 : indent);
			buf_put(out, text, n);
			column += (column ? 1 : indent) + n;
		}
		text += n;
		text += strspn(text, " \n");
	}
	if (column)
		buf_put_byte(out, '\n');
}

static void help_param(const struct conf_param *p, struct buf *out, size_t indent)
{
	if (!has_row(p))
		return;
	put_spaces(out, indent);
	buf_printf(out, "%s (%s", p->name, type_name(p));
	if (p->type == CONF_ENUM) {
		buf_put_str(out, ": ");
		put_choices(out, p, "");
	}
	if (p->required)
		buf_put_str(out, "; required");
	else if (p->value)
		buf_printf(out, "; default %s", *p->value ? p->value : "\"\"");
	buf_put_str(out, ")\n");
	put_wrapped(out, p->help, indent + 4);
}

static void help(const struct conf_schema *schema, struct buf *out, size_t indent)
{
	put_spaces(out, indent);
	buf_printf(out, schema->title ? "<%s>  %s\n" : "<%s>\n", schema->name, schema->title);
	put_wrapped(out, schema->help, indent + 2);
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		help_param(p, out, indent + 2);
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++)
		help(sub->schema, out, indent + 2);
}

void conf_help(const struct conf_schema *schema, struct buf *out)
{
	help(schema, out, 0);
}
