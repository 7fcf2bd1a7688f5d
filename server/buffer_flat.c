/* buffer_flat.c: v0.12 wrote an output's buffer parameters among its own. */
#include "buffer_conf.h"

#include "base/mem.h"

#include <stddef.h>
#include <string.h>

/* Those whose name or value <buffer>'s own table does not know by itself. `to` NULL: as it is. */
static const struct {
	const char *name, *to;
} names[] = {
	{"buffer_type", "@type"},
	{"buffer_path", NULL},
	{"buffer_chunk_limit", NULL},
	{"buffer_queue_limit", NULL},
	{"buffer_queue_full_action", "overflow_action"},
	{"flush_interval", NULL},
	{"try_flush_interval", NULL},
	{"queued_chunk_flush_interval", NULL},
	{"num_threads", NULL},
	{"retry_wait", NULL},
	{"retry_limit", NULL},
	{"disable_retry_limit", NULL},
	{"max_retry_wait", NULL},
	{"flush_at_shutdown", NULL},
	{"time_slice_format", "timekey"},
	{"time_slice_wait", "timekey_wait"},
};
#define NAMES (sizeof names / sizeof *names)

static size_t find(const char *name)
{
	size_t i = 0;
	while (i < NAMES && strcmp(names[i].name, name) != 0)
		i++;
	return i;
}

/* The slice that a name's format means: by its finest directive. */
static const char *timekey_of(const char *format)
{
	return strstr(format, "%S") ? "1" : strstr(format, "%M") ? "60" : strstr(format, "%H") ? "3600" : "86400";
}

struct flat {
	struct conf_section section;
	struct conf_pair pairs[NAMES];
};

static void report(const struct conf_pair *p, struct conf_report *r)
{
	conf_report_add(r, CONF_WARNING, p->name_pos,
		"'%s' parameter is deprecated: v0.12 wrote it here; it belongs into a <buffer> section", p->name);
	bool slice = strcmp(p->name, "time_slice_format") == 0;
	if (slice && !strstr(p->value, "%S") && !strstr(p->value, "%M") && !strstr(p->value, "%H") &&
		!strstr(p->value, "%d"))
		conf_report_add(r, CONF_ERROR, p->value_pos, "time_slice_format only with %%Y or %%m is too long");
}

struct conf_section *buffer_conf_from_flat(const struct conf_section *own, struct conf_report *r)
{
	struct flat *f = mem_zalloc(sizeof *f);
	size_t n = 0;
	f->section = (struct conf_section){.name = "buffer", .arg = "", .pos = own->pos, .parent = own->parent};
	for (size_t i = 0; i < NAMES; i++) {
		const struct conf_pair *p = conf_section_get(own, names[i].name);
		if (!p)
			continue;
		report(p, r);
		struct conf_pair *to = &f->pairs[n];
		*to = *p;
		to->next = NULL;
		if (names[i].to)
			to->name = names[i].to;
		if (strcmp(p->name, "buffer_queue_full_action") == 0 && strcmp(p->value, "exception") == 0)
			to->value = "throw_exception";
		if (strcmp(p->name, "time_slice_format") == 0) {
			to->value = timekey_of(p->value);
			f->section.arg = "time";
		}
		to->value_len = strlen(to->value);
		if (n++)
			f->pairs[n - 2].next = to;
	}
	f->section.pairs = f->pairs;
	if (n)
		return &f->section;
	mem_free(f);
	return NULL;
}

void buffer_conf_flat_unused(const struct conf_section *own, struct conf_report *r)
{
	for (const struct conf_pair *p = own ? own->pairs : NULL; p; p = p->next)
		if (find(p->name) < NAMES)
			conf_report_add(r, CONF_WARNING, p->name_pos,
				"'%s' is not used: there is a <buffer> section, and it belongs into it", p->name);
}
