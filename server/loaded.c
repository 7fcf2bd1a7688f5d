#include "loaded.h"

#include "base/mem.h"

#include <string.h>
#include <unistd.h>

static const struct conf_section *system_section(const struct conf_section *root, struct conf_report *report)
{
	const struct conf_section *found = NULL;
	for (const struct conf_section *s = root->sections; s; s = s->next) {
		if (strcmp(s->name, "system") != 0)
			continue;
		if (found)
			conf_report_add(
				report, CONF_ERROR, s->pos, "<system> is duplicated. <system> should be only one");
		else
			found = s;
	}
	return found;
}

static void read_into(struct loaded *l, const struct cmdline *cmd, struct conf_report *report)
{
	static const struct conf_section none = {.name = "system", .arg = ""};
	struct conf_source source = {
		.path = cmd->config,
		.inline_text = cmd->inline_text,
		.include_dir = cmd->include_dir,
		.yaml = cmd->yaml,
	};
	struct conf_rules rules = {.strict = cmd->strict, .strict_value = cmd->strict_value};
	l->tree = conf_tree_read(&source, report);
	const struct conf_section *root = conf_tree_root(l->tree);
	const struct conf_section *section = system_section(root, report);
	l->system = conf_make(&system_conf_schema, section ? section : &none, &rules, report);
	rules.strict_value |= l->system->strict_config_value;
	if (cmd->workers)
		l->system->workers = cmd->workers;
	l->system->without_source |= cmd->without_source;
	if (conf_tree_is_whole(l->tree))
		l->pipeline = pipeline_new(root, l->system, &rules, l->metrics, report);
}

void loaded_read(struct loaded *l, const struct cmdline *cmd, struct conf_report *report)
{
	*l = (struct loaded){.metrics = metrics_new()};
	read_into(l, cmd, report);
}

void loaded_read_again(struct loaded *l, const struct cmdline *cmd, struct metrics *m, struct conf_report *report)
{
	*l = (struct loaded){.metrics = m, .lent = true};
	read_into(l, cmd, report);
}

void loaded_free(struct loaded *l)
{
	pipeline_free(l->pipeline);
	conf_free(&system_conf_schema, l->system);
	conf_tree_free(l->tree);
	if (!l->lent)
		metrics_free(l->metrics);
}

void loaded_print(const struct conf_report *report, FILE *to)
{
	struct buf out;
	buf_init(&out, 16 << 20);
	conf_report_print(report, &out, isatty(fileno(to)));
	fputs(buf_cstr(&out), to);
	buf_free(&out);
}

char *loaded_dead_path(const struct loaded *l)
{
	const struct system_dead_conf *c = l->system->dead_letters.n ? l->system->dead_letters.v[0] : NULL;
	return c && c->path ? mem_strdup(c->path) : mem_printf("%s/dead", system_state_dir(l->system));
}

bool loaded_for_tool(struct loaded *l, const struct cmdline *cmd)
{
	struct conf_report report;
	conf_report_init(&report);
	loaded_read(l, cmd, &report);
	bool ok = !report.errors;
	if (!ok) {
		loaded_print(&report, stderr);
		fprintf(stderr, "weir: the configuration %s cannot be used\n", cmd->config ? cmd->config : "");
		loaded_free(l);
	}
	conf_report_free(&report);
	return ok;
}
