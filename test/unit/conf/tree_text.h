/* tree_text.h: a configuration tree and a report as text, for tables of expected results. */
#ifndef WEIR_TEST_CONF_TREE_TEXT_H
#define WEIR_TEST_CONF_TREE_TEXT_H

#include "conf/conf_tree.h"

static inline void tree_text_string(struct buf *out, const char *s, size_t n)
{
	buf_put_byte(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '\n')
			buf_put_str(out, "\\n");
		else if (c < 0x20)
			buf_printf(out, "\\x%02x", c);
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else
			buf_put_byte(out, c);
	}
	buf_put_byte(out, '"');
}

/* {k="v", j=nil} <a "arg">{...}: of repeated names the last; kinds as they are in fluentd. */
static inline void tree_text(struct buf *out, const struct conf_section *s)
{
	const char *comma = "";
	buf_put_byte(out, '{');
	for (const struct conf_pair *p = s->pairs; p; p = p->next) {
		bool last = true;
		for (const struct conf_pair *q = p->next; q; q = q->next)
			last = last && strcmp(p->name, q->name) != 0;
		if (!last)
			continue;
		buf_printf(out, "%s%s=", comma, p->name);
		comma = ", ";
		if (p->broken)
			buf_put_str(out, "broken");
		else if (p->kind == CONF_VALUE_NIL)
			buf_put_str(out, "nil");
		else if (p->kind == CONF_VALUE_DEFAULT)
			buf_put_str(out, ":default");
		else
			tree_text_string(out, p->value, p->value_len);
	}
	buf_put_byte(out, '}');
	for (const struct conf_section *c = s->sections; c; c = c->next) {
		buf_printf(out, " <%s ", c->name);
		tree_text_string(out, c->arg, strlen(c->arg));
		buf_put_byte(out, '>');
		tree_text(out, c);
		if (c->sections || c->next)
			buf_printf(out, " </%s>", c->name);
	}
}

/* One finding a line, as "line:column severity: text"; the file too if it is not the one given. */
static inline void report_text(struct buf *out, const struct conf_report *r, const char *file)
{
	static const char *const words[] = {[CONF_NOTE] = "note", [CONF_WARNING] = "warning", [CONF_ERROR] = "error"};
	for (size_t i = 0; i < r->n; i++) {
		const struct conf_finding *f = &r->v[i];
		if (f->pos.file && file && strcmp(f->pos.file, file) != 0)
			buf_printf(out, "%s:", f->pos.file);
		buf_printf(out, "%u:%u %s: %s\n", f->pos.line, f->pos.column, words[f->severity], f->text);
	}
	if (out->n)
		out->n--;
}

#endif
