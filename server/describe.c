#include "describe.h"

#include "buffer_conf.h"
#include "cmdline.h"
#include "plugin.h"
#include "system_conf.h"

#include <stdio.h>
#include <string.h>

static const enum plugin_kind kinds[] = {PLUGIN_INPUT, PLUGIN_FILTER, PLUGIN_OUTPUT};
static const char *const titles[] = {"Inputs: `<source>`", "Filters: `<filter PATTERN>`", "Outputs: `<match PATTERN>`"};

static void print(struct buf *out)
{
	fputs(buf_cstr(out), stdout);
	buf_free(out);
}

int describe_plugins(void)
{
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		for (const struct plugin *const *p = plugin_list; *p; p++)
			if ((*p)->kind == kinds[k])
				printf("%-7s %-28s %s\n", plugin_kind_name(kinds[k]), (*p)->name, (*p)->help);
	}
	return 0;
}

static const struct conf_schema *general(const char *name)
{
	static const struct conf_schema *const list[] = {&system_conf_schema, &buffer_conf_schema};
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		if (strcmp(list[i]->name, name) == 0)
			return list[i];
	return NULL;
}

int describe_plugin(const char *name)
{
	struct buf out;
	bool found = false;
	if (!name) {
		cmdline_help();
		return 0;
	}
	buf_init(&out, 16 << 20);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		const struct plugin *p = plugin_find(kinds[k], name);
		if (!p)
			continue;
		buf_printf(&out, "%s %s: %s\n", plugin_kind_name(p->kind), p->name, p->help);
		conf_help(p->schema, &out);
		buf_put_byte(&out, '\n');
		found = true;
	}
	const struct conf_schema *section = general(name);
	if (section) {
		conf_help(section, &out);
		found = true;
	}
	if (!found)
		fprintf(stderr, "weir: there is no plugin '%s': `weir plugins` lists those that there are\n", name);
	print(&out);
	return found ? 0 : 1;
}

int describe_reference(void)
{
	struct buf out;
	buf_init(&out, 64 << 20);
	buf_put_str(&out, "# Configuration reference\n\n"
			  "Made by `weir reference` from the tables that weir reads configurations with. `weir help "
			  "NAME` prints a part of it.\n\n");
	conf_reference(&system_conf_schema, &out, 2);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		buf_printf(&out, "## %s\n\n", titles[k]);
		for (const struct plugin *const *p = plugin_list; *p; p++) {
			if ((*p)->kind != kinds[k])
				continue;
			buf_printf(&out, "### %s\n\n", (*p)->name);
			conf_reference((*p)->schema, &out, 4);
		}
	}
	print(&out);
	return 0;
}
