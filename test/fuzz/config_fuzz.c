/*
 * A configuration of any bytes: reading, filling a struct by a table, showing the result. Nothing is read from the disk. Checked beside what the sanitizers
 * see: what is shown of a configuration without mistakes can be read again.
 */
#include "conf/conf_reader.h"
#include "conf/conf_schema.h"

#include "../unit/conf/sample_schema.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct conf_section *s, struct conf_report *report, struct buf *out)
{
	static const struct conf_rules rules = {.strict = false};
	void *conf = conf_make(&sample_schema, s, &rules, report);
	conf_show(&sample_schema, conf, out, 0);
	conf_free(&sample_schema, conf);
}

/* Everything but the places of a section that was made from text that was shown. */
static void check_again(const struct conf_expr_env *env, struct buf *text)
{
	struct conf_report report;
	struct buf again;
	buf_init(&again, SIZE_MAX);
	conf_report_init(&report);
	struct conf_tree *t = conf_tree_read_text("shown", buf_span(text), env, &report);
	if (report.errors || !conf_tree_root(t)->sections)
		abort();
	show(conf_tree_root(t)->sections, &report, &again);
	conf_tree_free(t);
	conf_report_free(&report);
	buf_free(&again);
}

/* A text that begins as YAML configurations do is read as one. */
static const char *name_for(struct span text)
{
	bool yaml = text.n >= 7 && (memcmp(text.p, "config:", 7) == 0 || memcmp(text.p, "system:", 7) == 0);
	return yaml ? "fuzz.yaml" : "fuzz";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf_expr_env env = {.worker_id = 1, .no_files = true};
	struct conf_report report;
	struct buf out;
	buf_init(&out, SIZE_MAX);
	conf_report_init(&report);
	struct conf_tree *t = conf_tree_read_text(name_for(span_of(data, size)), span_of(data, size), &env, &report);
	const struct conf_section *root = conf_tree_root(t);
	show(root, &report, &out);
	for (const struct conf_section *s = root->sections; s; s = s->next) {
		size_t before = report.errors;
		buf_clear(&out);
		show(s, &report, &out);
		/* Names and arguments of any characters are not written in a way that can be read back. */
		if (before == 0 && report.errors == 0 && !*s->arg && !s->sections)
			check_again(&env, &out);
	}
	conf_report_print(&report, &out, true);
	conf_tree_free(t);
	conf_report_free(&report);
	buf_free(&out);
	return 0;
}
