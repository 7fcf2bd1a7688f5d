/*
 * Everything that is wrong with a plugin is told in one run: what its table finds does not keep its own checks from running, and these are at ease with what is missing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"
#include "conf/conf_reader.h"
#include "parse/parser.h"
#include "pipeline.h"
#include "system_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct checked {
	struct conf_report report;
	struct buf text, findings;
};

static void check_text(struct checked *c)
{
	static const struct conf_rules rules = {.strict = true};
	const struct conf_expr_env env = {.no_files = true};
	conf_report_init(&c->report);
	struct conf_tree *tree = conf_tree_read_text("t", buf_span(&c->text), &env, &c->report);
	struct system_conf *system = conf_make(&system_conf_schema, NULL, &rules, &c->report);
	struct metrics *m = metrics_new();
	pipeline_free(pipeline_new(conf_tree_root(tree), system, &rules, m, &c->report));
	buf_init(&c->findings, 1 << 20);
	for (size_t i = 0; i < c->report.n; i++) {
		const struct conf_finding *f = &c->report.v[i];
		if (f->severity == CONF_ERROR)
			buf_printf(&c->findings, "%u:%u %s\n", f->pos.line, f->pos.column, f->text);
	}
	metrics_free(m);
	conf_free(&system_conf_schema, system);
	conf_tree_free(tree);
}

static void free_checked(struct checked *c)
{
	conf_report_free(&c->report);
	buf_free(&c->text);
	buf_free(&c->findings);
}

/* Each section of the table, empty, with what must be said of it whose first line is `begin`. */
static void put_empty(
	struct checked *c, const struct conf_schema *schema, unsigned begin, struct buf *want, unsigned *line)
{
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		if (p->required)
			buf_printf(want, "%u:1 '%s' parameter is required in <%s>\n", begin, p->name, schema->name);
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++) {
		buf_printf(&c->text, "<%s>\n", sub->schema->name);
		++*line;
		put_empty(c, sub->schema, *line, want, line);
		buf_printf(&c->text, "</%s>\n", sub->schema->name);
		++*line;
	}
}

/* Each line of `want` begins a line of what was found. */
static void expect_lines(const struct checked *c, struct buf *want)
{
	char *at = (char *)want->p;
	for (char *end; want->n && (end = strchr(at, '\n')) != NULL; at = end + 1) {
		*end = 0;
		if (!strstr(buf_cstr((struct buf *)(uintptr_t)&c->findings), at))
			fail_msg("%s\nmissing: %s\n%s", c->text.p, at, c->findings.p);
	}
}

static void whatever_is_missing(void **state)
{
	static const char *const names[] = {"source", "match", "filter"};
	(void)state;
	for (const struct plugin *const *p = plugin_list; *p; p++) {
		struct checked c;
		struct buf want;
		unsigned line = 2;
		const char *name = names[(*p)->kind];
		buf_init(&c.text, 1 << 20);
		buf_init(&want, 1 << 20);
		buf_printf(&c.text, "<%s>\n@type %s\n", name, (*p)->name);
		put_empty(&c, (*p)->schema, 1, &want, &line);
		buf_printf(&c.text, "</%s>\n", name);
		check_text(&c);
		expect_lines(&c, &want);
		buf_free(&want);
		free_checked(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_is_missing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
