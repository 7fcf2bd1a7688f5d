#include "event_labels.h"

#include "base/mem.h"
#include "metrics/metrics.h"
#include "record/record_path.h"
#include "record/ruby_text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MAX 4096u /* bytes of a label's value */

enum part_kind { PART_TEXT, PART_TAG, PART_TAG_PARTS, PART_TAG_PREFIX, PART_TAG_SUFFIX, PART_FIELD };

struct part {
	enum part_kind kind;
	long n;			  /* of tag_parts[n] and the like */
	char *text;		  /* PART_TEXT */
	struct record_path *path; /* PART_FIELD */
};

struct label {
	const char *key; /* in the section */
	struct part *parts;
	size_t count;
};

struct event_labels {
	struct label *v;
	size_t n;
	bool of_tag, fixed;
};

const struct conf_schema event_labels_schema = {
	.name = "labels",
	.title = "labels of a metric",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.help = "Labels: `name value`. A value is text, `$.field` or `$['a']['b']`, and may hold `${tag}`, "
		"`${tag_parts[N]}`, "
		"`${tag_prefix[N]}`, `${tag_suffix[N]}`, `${hostname}`, `${worker_id}` and `${field}`.",
};

const struct conf_schema event_initlabels_schema = {
	.name = "initlabels",
	.title = "initial labels of a metric",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.help = "With `initialized`: values for the labels that come from events, under which the metric is there, and "
		"0, from "
		"the start.",
};

/* ---- making ------------------------------------------------------------------------------------------------------- */

static struct part *add_part(struct label *l, enum part_kind kind)
{
	l->parts = mem_realloc(l->parts, (l->count + 1) * sizeof *l->parts);
	l->parts[l->count] = (struct part){.kind = kind};
	return &l->parts[l->count++];
}

static void add_text(struct label *l, const char *text, size_t n)
{
	if (n)
		add_part(l, PART_TEXT)->text = mem_strndup(text, n);
}

/* "tag_parts[-1]" with that name before the bracket; false: it is something else. */
static bool is_indexed(const char *inside, const char *name, long *n)
{
	size_t len = strlen(name);
	char *end;
	if (strncmp(inside, name, len) != 0 || inside[len] != '[')
		return false;
	*n = strtol(inside + len + 1, &end, 10);
	return end > inside + len + 1 && strcmp(end, "]") == 0;
}

static bool add_placeholder(struct label *l, const char *inside, struct err *err)
{
	static const struct {
		const char *name;
		enum part_kind kind;
	} indexed[] = {{"tag_parts", PART_TAG_PARTS}, {"tag_prefix", PART_TAG_PREFIX}, {"tag_suffix", PART_TAG_SUFFIX}};
	char host[256] = "";
	long n;
	if (strcmp(inside, "tag") == 0) {
		add_part(l, PART_TAG);
		return true;
	}
	if (strcmp(inside, "hostname") == 0) {
		gethostname(host, sizeof host - 1);
		add_text(l, host, strlen(host));
		return true;
	}
	if (strcmp(inside, "worker_id") == 0) {
		add_text(l, "0", 1); /* one process */
		return true;
	}
	for (size_t i = 0; i < sizeof indexed / sizeof *indexed; i++) {
		if (is_indexed(inside, indexed[i].name, &n)) {
			add_part(l, indexed[i].kind)->n = n;
			return true;
		}
	}
	struct record_path *path = record_path_compile(inside, err);
	if (path)
		add_part(l, PART_FIELD)->path = path;
	return path != NULL;
}

static bool parse_value(struct label *l, const char *value, struct err *err)
{
	if (strncmp(value, "$.", 2) == 0 || strncmp(value, "$[", 2) == 0)
		return add_placeholder(l, value, err);
	for (const char *p = value; *p;) {
		const char *open = strstr(p, "${"), *close = open ? strchr(open, '}') : NULL;
		if (!close) {
			add_text(l, p, strlen(p));
			return true;
		}
		add_text(l, p, (size_t)(open - p));
		char *inside = mem_strndup(open + 2, (size_t)(close - open) - 2);
		bool ok = add_placeholder(l, inside, err);
		mem_free(inside);
		if (!ok)
			return false;
		p = close + 1;
	}
	return true;
}

static void free_parts(struct label *l)
{
	for (size_t i = 0; i < l->count; i++) {
		mem_free(l->parts[i].text);
		record_path_free(l->parts[i].path);
	}
	mem_free(l->parts);
	l->parts = NULL;
	l->count = 0;
}

/* The label of that name, emptied, or a new one. */
static struct label *place_of(struct event_labels *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->v[i].key, key) == 0) {
			free_parts(&s->v[i]);
			return &s->v[i];
		}
	}
	s->v = mem_realloc(s->v, (s->n + 1) * sizeof *s->v);
	s->v[s->n] = (struct label){.key = key};
	return &s->v[s->n++];
}

static void add_section(struct event_labels *s, const struct conf_common *c, struct conf_report *report)
{
	struct err err;
	for (const struct conf_pair *p = c->section->pairs; p; p = p->next) {
		if (!metrics_label_fits(p->name))
			conf_report_add(report, CONF_ERROR, p->name_pos,
				"'%s' cannot be a label's name: letters, digits and _ can", p->name);
		else if (!parse_value(place_of(s, p->name), p->value, &err))
			conf_report_add(report, CONF_ERROR, p->value_pos, "the label '%s' cannot be used: %s", p->name,
				err.text);
	}
}

struct event_labels *event_labels_make(
	const struct conf_list *outer, const struct conf_list *inner, struct conf_report *report)
{
	struct event_labels *s = mem_zalloc(sizeof *s);
	if (outer && outer->n)
		add_section(s, outer->v[0], report);
	if (inner && inner->n)
		add_section(s, inner->v[0], report);
	s->of_tag = s->fixed = true;
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->v[i].count; k++) {
			s->fixed &= s->v[i].parts[k].kind == PART_TEXT;
			s->of_tag &= s->v[i].parts[k].kind != PART_FIELD;
		}
	}
	return s;
}

void event_labels_free(struct event_labels *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free_parts(&s->v[i]);
	mem_free(s->v);
	mem_free(s);
}

bool event_labels_are_of_tag(const struct event_labels *s)
{
	return s->of_tag;
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

/* From the first to the last of the tag's parts with these numbers (from 0); negative ones count from the end; empty if there are none. */
static struct span tag_range(struct span tag, long first, long last)
{
	long parts = 1, at = 0;
	for (size_t i = 0; i < tag.n; i++)
		parts += tag.p[i] == '.';
	first = first < 0 ? first + parts : first;
	last = last < 0 ? last + parts : last;
	if (first < 0 || first >= parts || last < first || last >= parts)
		return (struct span){0};
	size_t begin = 0, end = tag.n;
	for (size_t i = 0; i < tag.n; i++) {
		if (tag.p[i] != '.')
			continue;
		if (at == last) {
			end = i;
			break;
		}
		if (++at == first)
			begin = i + 1;
	}
	return span_of(tag.p + begin, end - begin);
}

static void put_part(const struct part *p, struct span tag, struct span record, struct buf *out)
{
	struct span field;
	switch (p->kind) {
	case PART_TEXT:
		buf_put_str(out, p->text);
		return;
	case PART_TAG:
		buf_put_span(out, tag);
		return;
	case PART_TAG_PARTS:
		buf_put_span(out, tag_range(tag, p->n, p->n));
		return;
	case PART_TAG_PREFIX:
		buf_put_span(out, tag_range(tag, 0, p->n));
		return;
	case PART_TAG_SUFFIX:
		buf_put_span(out, tag_range(tag, p->n, -1));
		return;
	case PART_FIELD:
		field = record_path_get(p->path, record);
		if (field.n)
			(void)ruby_to_s(out, field); /* it may have no room: the caller looks */
		return;
	}
}

bool event_labels_put(const struct event_labels *s, struct span tag, struct span record, struct buf *out)
{
	uint8_t room[VALUE_MAX];
	struct buf value = {.p = room, .cap = sizeof room, .max = sizeof room}; /* never grows */
	bool ok = true;
	for (size_t i = 0; i < s->n && ok; i++) {
		buf_clear(&value);
		for (size_t k = 0; k < s->v[i].count; k++)
			put_part(&s->v[i].parts[k], tag, record, &value);
		metrics_put_label(out, s->v[i].key, buf_span(&value));
		ok = !value.failed && !out->failed;
	}
	return ok;
}

static bool is_fixed(const struct label *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->parts[i].kind != PART_TEXT)
			return false;
	return true;
}

bool event_labels_put_initial(
	const struct event_labels *s, const struct conf_common *initial, struct buf *out, struct conf_report *report)
{
	bool ok = true;
	for (size_t i = 0; i < s->n; i++) {
		const struct label *l = &s->v[i];
		const struct conf_pair *given = initial ? conf_section_get(initial->section, l->key) : NULL;
		struct buf value;
		if (!given && !is_fixed(l)) {
			conf_report_add(report, CONF_ERROR, initial ? initial->pos : (struct conf_pos){0},
				"'initialized' wants a value in <initlabels> for the label '%s', which comes from "
				"events",
				l->key);
			ok = false;
			continue;
		}
		buf_init(&value, VALUE_MAX);
		for (size_t k = 0; !given && k < l->count; k++)
			put_part(&l->parts[k], (struct span){0}, (struct span){0}, &value);
		metrics_put_label(out, l->key, given ? span_str(given->value) : buf_span(&value));
		buf_free(&value);
	}
	return ok;
}
