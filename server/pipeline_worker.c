#include "pipeline_worker.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static long worker_count(const struct builder *b)
{
	return b->system->workers == CONF_NIL_INT ? 1 : (long)b->system->workers;
}

/* Digits alone; the end, NULL if there are none. */
static const char *read_id(const char *p, long *id)
{
	const char *start = p;
	for (*id = 0; isdigit((unsigned char)*p); p++)
		*id = *id < 1000000 ? *id * 10 + (*p - '0') : *id;
	return p > start ? p : NULL;
}

static bool read_range(const char *arg, struct worker_range *r)
{
	const char *p = read_id(arg, &r->first);
	if (p && *p == '-')
		p = read_id(p + 1, &r->last);
	else
		r->last = r->first;
	return p && *p == 0;
}

static bool check_range(struct builder *b, const struct conf_section *s, const struct worker_range *r)
{
	long count = worker_count(b), beyond = r->first >= count ? r->first : r->last;
	if (r->first > r->last)
		conf_report_add(b->report, CONF_ERROR, s->arg_pos,
			"greater first_worker_id<%ld> than last_worker_id<%ld> specified by <worker> directive is not "
			"allowed. Available multi worker assign syntax is <smaller_worker_id>-<greater_worker_id>",
			r->first, r->last);
	else if (beyond >= count)
		conf_report_add(b->report, CONF_ERROR, s->arg_pos,
			"worker id %ld specified by <worker> directive is not allowed. Available worker id is between "
			"0 and %ld (<system> workers is %ld)",
			beyond, count - 1, count);
	else
		return true;
	return false;
}

bool worker_section(struct builder *b, const struct conf_section *section, struct worker_range *r)
{
	if (!*section->arg) {
		conf_report_add(b->report, CONF_ERROR, section->pos, "Missing worker id on <worker> directive");
		return false;
	}
	if (!read_range(section->arg, r)) {
		conf_report_add(b->report, CONF_ERROR, section->arg_pos,
			"'%s' is neither the number of a worker nor a range of them: <worker 0> or <worker 0-3>",
			section->arg);
		return false;
	}
	if (!check_range(b, section, r))
		return false;
	conf_report_add(b->report, CONF_NOTE, section->pos,
		"weir's workers are threads that share one configuration: what stands in <worker %s> runs once",
		section->arg);
	for (const struct conf_section *s = section->sections; s; s = s->next)
		if (strcmp(s->name, "source") != 0 && strcmp(s->name, "match") != 0 && strcmp(s->name, "filter") != 0 &&
			strcmp(s->name, "label") != 0)
			conf_report_add(
				b->report, CONF_ERROR, s->pos, "<worker> section cannot have <%s> directive", s->name);
	for (const struct conf_pair *p = section->pairs; p; p = p->next)
		conf_report_add(b->report, b->rules->strict ? CONF_ERROR : CONF_WARNING, p->name_pos,
			"parameter '%s' in <worker %s> is not used", p->name, section->arg);
	return true;
}

bool worker_has_rules(const struct conf_section *section)
{
	for (const struct conf_section *s = section->sections; s; s = s->next)
		if (strcmp(s->name, "match") == 0 || strcmp(s->name, "filter") == 0)
			return true;
	return false;
}

long worker_of_source(struct builder *b, const struct conf_section *section)
{
	struct worker_range mine = b->workers, r;
	if (mine.first < 0)
		mine = (struct worker_range){0, worker_count(b) - 1};
	for (const struct conf_section *s = b->pipeline->root->sections; s; s = s->next) {
		if (strcmp(s->name, "worker") != 0 || !worker_has_rules(s) || !read_range(s->arg, &r))
			continue;
		bool all = r.first <= mine.first && mine.last <= r.last;
		bool none = r.last < mine.first || mine.last < r.first;
		if (all || none)
			continue;
		conf_report_add(b->report, CONF_ERROR, section->pos,
			"the rules of <worker %s> are not those of all workers that run this <source>: in fluentd "
			"chance "
			"decides which of them an event meets. Move it into the <worker> whose rules it is meant for",
			s->arg);
		break;
	}
	return mine.first;
}
