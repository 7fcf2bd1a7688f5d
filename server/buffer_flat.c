/* buffer_flat.c: v0.12 wrote an output's buffer parameters among its own. */
#include "buffer_conf.h"

#include "base/mem.h"
#include "conf/conf_value.h"

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
/* Of v0.12's times, which are for <inject> and <format> as well and are told of there: the zone of slices of time. utc and localtime with time_slice_format only, as in fluentd. */
static const struct {
	const char *name, *to;
	bool inverted;
} times[] = {
	{"timezone", "timekey_zone", false}, {"utc", "timekey_use_utc", false}, {"localtime", "timekey_use_utc", true}};
#define TIMES (sizeof times / sizeof *times)
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

bool buffer_conf_is_slice(const char *format)
{
	return strstr(format, "%S") || strstr(format, "%M") || strstr(format, "%H") || strstr(format, "%d");
}

struct flat {
	struct conf_section section;
	struct conf_pair pairs[NAMES + TIMES];
	size_t n;
};

static void report(const struct conf_pair *p, struct conf_report *r)
{
	conf_report_add(r, CONF_WARNING, p->name_pos,
		"'%s' parameter is deprecated: v0.12 wrote it here; it belongs into a <buffer> section", p->name);
	if (strcmp(p->name, "time_slice_format") == 0 && !buffer_conf_is_slice(p->value))
		conf_report_add(r, CONF_ERROR, p->value_pos, "time_slice_format only with %%Y or %%m is too long");
}

static struct conf_pair *add(struct flat *f, const struct conf_pair *p, const char *name)
{
	struct conf_pair *to = &f->pairs[f->n];
	*to = *p;
	to->next = NULL;
	if (name) {
		to->name = name;
		to->written = p->name;
	}
	if (f->n++)
		f->pairs[f->n - 2].next = to;
	return to;
}

static void set_text(struct conf_pair *p, const char *value)
{
	p->value = value;
	p->value_len = strlen(value);
}

static void add_times(struct flat *f, const struct conf_section *own)
{
	const char *why;
	for (size_t i = 0; i < TIMES; i++) {
		bool yes, zone = i == 0;
		const struct conf_pair *p = conf_section_get(own, times[i].name);
		if (!p || p->kind == CONF_VALUE_NIL || p->broken || (!zone && !*f->section.arg))
			continue;
		struct conf_pair *to = add(f, p, times[i].to);
		if (!zone && conf_value_bool(p->value, false, &yes, &why))
			set_text(to, yes != times[i].inverted ? "true" : "false");
	}
}

struct conf_section *buffer_conf_from_flat(const struct conf_section *own, struct conf_report *r)
{
	struct flat *f = mem_zalloc(sizeof *f);
	f->section = (struct conf_section){.name = "buffer", .arg = "", .pos = own->pos, .parent = own->parent};
	for (size_t i = 0; i < NAMES; i++) {
		const struct conf_pair *p = conf_section_get(own, names[i].name);
		if (!p)
			continue;
		report(p, r);
		struct conf_pair *to = add(f, p, names[i].to);
		if (strcmp(p->name, "buffer_queue_full_action") == 0 && strcmp(p->value, "exception") == 0)
			set_text(to, "throw_exception");
		if (strcmp(p->name, "time_slice_format") == 0) {
			set_text(to, timekey_of(p->value));
			f->section.arg = "time";
		}
	}
	add_times(f, own);
	f->section.pairs = f->pairs;
	if (f->n)
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
