/* chunk_template.c: placeholders for what the events of a chunk have in common, with fluentd's rules about which may stand where. */
#include "chunk_keys.h"

#include "base/mem.h"
#include "record/msgpack_scan.h"
#include "record/time_format.h"

#include <ctype.h>
#include <stdlib.h>

enum part_type { PART_TEXT, PART_TIME, PART_TAG, PART_TAG_PART, PART_KEY, PART_CHUNK_ID };

struct part {
	enum part_type type;
	char *text; /* PART_TEXT, PART_TIME; PART_KEY: its name; others: the placeholder as written */
	long index;
};

struct chunk_template {
	struct part *parts;
	size_t count;
	const struct zone *zone;
};

static struct part *add_part(struct chunk_template *t, enum part_type type, const char *text, size_t n)
{
	t->parts = mem_realloc(t->parts, (t->count + 1) * sizeof *t->parts);
	t->parts[t->count] = (struct part){.type = type, .text = mem_strndup(text, n)};
	return &t->parts[t->count++];
}

static bool is_word(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && memcmp(s, word, n) == 0;
}

/* "tag[N]", "tag[-N]" */
static bool tag_index(const char *s, size_t n, long *index)
{
	char *end;
	if (n < 6 || n > 16 || memcmp(s, "tag[", 4) != 0 || s[n - 1] != ']' ||
		(s[4] != '-' && !isdigit((unsigned char)s[4])))
		return false;
	*index = strtol(s + 4, &end, 10);
	return end == s + n - 1;
}

/* What fluentd takes for a key: [-_.@a-zA-Z0-9]+, or $.path. */
static bool is_key(const char *s, size_t n)
{
	bool accessor = n > 2 && s[0] == '$' && s[1] == '.';
	for (size_t i = accessor ? 2 : 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr(accessor ? "-_.@[]" : "-_.@", s[i]))
			return false;
	return n > 0;
}

static void add_text(struct chunk_template *t, const char *s, size_t n, bool time)
{
	if (n)
		add_part(t, time && memchr(s, '%', n) ? PART_TIME : PART_TEXT, s, n);
}

/* What stands between ${ and }; PART_TEXT: it is no placeholder. */
static enum part_type type_of(const char *s, size_t n, long *index)
{
	if (is_word(s, n, "tag"))
		return PART_TAG;
	if (tag_index(s, n, index))
		return PART_TAG_PART;
	if (is_word(s, n, "chunk_id"))
		return PART_CHUNK_ID;
	return is_key(s, n) ? PART_KEY : PART_TEXT;
}

static void compile(struct chunk_template *t, const char *text, bool time)
{
	const char *from = text, *p = text, *end;
	while ((p = strstr(p, "${")) && (end = strchr(p, '}'))) {
		const char *s = p + 2;
		size_t n = (size_t)(end - s);
		long index;
		enum part_type type = type_of(s, n, &index);
		if (type == PART_TEXT) {
			p += 2;
			continue;
		}
		add_text(t, from, (size_t)(p - from), time);
		if (type == PART_KEY)
			add_part(t, type, s, n);
		else
			add_part(t, type, p, n + 3)->index = type == PART_TAG_PART ? index : 0;
		from = p = end + 1;
	}
	add_text(t, from, strlen(from), time);
}

/* ---- fluentd's rules ------------------------------------------------------------------------------------------------ */

struct rule {
	const char *text, *param;
	bool whole;
	struct conf_pos pos;
	struct conf_report *r;
};

/* The directives that make a text differ from one slice to the next, by the length of slices. */
static const struct {
	int64_t below;
	const char *directives, *title, *example;
} finenesses[] = {
	{60, "SsTcXr", "second", "%Y%m%d%H%M%S"},
	{3600, "MR", "minute", "%Y%m%d%H%M"},
	{86400, "HIkl", "hour", "%Y%m%d%H"},
	{INT64_MAX, "djeFDxc", "day", "%Y%m%d"},
};

static bool has_directive(const char *text, const char *set)
{
	for (const char *p = text; (p = strchr(p, '%')); p++) {
		p += 1 + strspn(p + 1, "-0^#_:123456789");
		if (!*p)
			break;
		if (strchr(set, *p))
			return true;
	}
	return false;
}

static void check_time(const struct chunk_keys *k, const struct rule *rule)
{
	int64_t timekey = chunk_keys_timekey(k);
	bool any = has_directive(rule->text, "YmdHMSjsyFTDeIklRXcx");
	if (!timekey) {
		if (any)
			conf_report_add(rule->r, rule->whole ? CONF_ERROR : CONF_WARNING, rule->pos,
				"Parameter '%s: %s' has timestamp placeholders, but chunk key 'time' is not configured",
				rule->param, rule->text);
		return;
	}
	if (!rule->whole)
		return;
	if (!any) {
		conf_report_add(rule->r, CONF_ERROR, rule->pos,
			"Parameter '%s: %s' doesn't have timestamp placeholders for timekey %lld", rule->param,
			rule->text, (long long)timekey);
		return;
	}
	size_t need = 0;
	while (timekey >= finenesses[need].below)
		need++;
	for (size_t i = 0; i <= need; i++)
		if (has_directive(rule->text, finenesses[i].directives))
			return;
	conf_report_add(rule->r, CONF_ERROR, rule->pos,
		"Parameter '%s: %s' doesn't have timestamp placeholder for %s('%s') for timekey %lld", rule->param,
		rule->text, finenesses[need].title, finenesses[need].example, (long long)timekey);
}

/* What looks like a placeholder of other plugins and is none here: fluentd keeps it as it is, too, and says so when it writes. */
static void check_unknown(const struct rule *rule)
{
	const char *end;
	long index;
	for (const char *p = rule->text; (p = strstr(p, "${")) && (end = strchr(p, '}')); p += 2) {
		if (type_of(p + 2, (size_t)(end - p) - 2, &index) != PART_TEXT)
			continue;
		conf_report_add(rule->r, CONF_WARNING, rule->pos,
			"'%.*s' is no placeholder of %s, and stays there as it is: ${tag}, ${tag[N]}, ${key}, ${$.a.b} "
			"and "
			"${chunk_id} are",
			(int)(end + 1 - p), p, rule->param);
	}
}

static void check_tag(const struct chunk_template *t, const struct chunk_keys *k, const struct rule *rule)
{
	bool used = false;
	for (size_t i = 0; i < t->count; i++)
		used |= t->parts[i].type == PART_TAG || t->parts[i].type == PART_TAG_PART;
	if (used && !chunk_keys_has_tag(k))
		conf_report_add(rule->r, rule->whole ? CONF_ERROR : CONF_WARNING, rule->pos,
			"Parameter '%s: %s' has tag placeholders, but chunk key 'tag' is not configured", rule->param,
			rule->text);
	if (!used && chunk_keys_has_tag(k) && rule->whole)
		conf_report_add(rule->r, CONF_ERROR, rule->pos, "Parameter '%s: %s' doesn't have tag placeholder",
			rule->param, rule->text);
}

static void check_keys(const struct chunk_template *t, const struct chunk_keys *k, const struct rule *rule)
{
	const char *name;
	for (size_t i = 0; i < t->count; i++)
		if (t->parts[i].type == PART_KEY && !chunk_keys_has_field(k, t->parts[i].text))
			conf_report_add(rule->r, rule->whole ? CONF_ERROR : CONF_WARNING, rule->pos,
				"Parameter '%s: %s' has placeholders, but chunk keys doesn't have keys %s", rule->param,
				rule->text, t->parts[i].text);
	for (size_t n = 0; rule->whole && (name = chunk_keys_field(k, n)); n++) {
		bool used = false;
		for (size_t i = 0; i < t->count; i++)
			used |= t->parts[i].type == PART_KEY && strcmp(t->parts[i].text, name) == 0;
		if (!used)
			conf_report_add(rule->r, CONF_ERROR, rule->pos,
				"Parameter '%s: %s' doesn't have enough placeholders for keys %s", rule->param,
				rule->text, name);
	}
}

struct chunk_template *chunk_template_new(const struct chunk_keys *k, const char *text, const char *param, bool whole,
	struct conf_pos pos, struct conf_report *r)
{
	struct chunk_template *t = mem_zalloc(sizeof *t);
	struct rule rule = {.text = text, .param = param, .whole = whole, .pos = pos, .r = r};
	size_t errors = r->errors;
	t->zone = chunk_keys_zone(k);
	compile(t, text, chunk_keys_timekey(k) != 0);
	check_time(k, &rule);
	check_tag(t, k, &rule);
	check_keys(t, k, &rule);
	check_unknown(&rule);
	if (r->errors == errors)
		return t;
	chunk_template_free(t);
	return NULL;
}

void chunk_template_free(struct chunk_template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		mem_free(t->parts[i].text);
	mem_free(t->parts);
	mem_free(t);
}

size_t chunk_template_fixed(const struct chunk_template *t)
{
	return t->count && t->parts[0].type == PART_TEXT   ? strlen(t->parts[0].text)
	       : t->count && t->parts[0].type == PART_TIME ? strcspn(t->parts[0].text, "%")
							   : 0;
}

/* ---- a chunk's text ------------------------------------------------------------------------------------------------- */

static void put_data(struct span s, bool path, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (!path || isalnum(c) || c >= 0x80 || (c && strchr("._@:=+,-", c)))
			buf_put_byte(out, c);
		else
			buf_put(out, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

static struct span tag_part(struct span tag, long index)
{
	long parts = 1;
	const uint8_t *p = tag.p, *end = tag.p + tag.n;
	for (size_t i = 0; i < tag.n; i++)
		parts += tag.p[i] == '.';
	index += index < 0 ? parts : 0;
	if (index < 0 || index >= parts)
		return (struct span){0};
	while (index--)
		p = (const uint8_t *)memchr(p, '.', (size_t)(end - p)) + 1;
	const uint8_t *dot = p < end ? memchr(p, '.', (size_t)(end - p)) : NULL;
	return span_of(p, (size_t)((dot ? dot : end) - p));
}

static void put_key(const struct chunk_meta *m, const struct part *p, bool path, struct buf *out)
{
	struct mp_token t;
	struct span value = m->stage.n ? mp_map_get(m->stage, span_str(p->text)) : (struct span){0};
	const uint8_t *at = value.p;
	if (value.n && mp_read(&at, at + value.n, &t) == MP_OK && t.type == MP_STR)
		put_data(t.body, path, out);
	else
		buf_printf(out, "${%s}", p->text);
}

static void put_time(const struct chunk_template *t, const struct chunk_meta *m, const char *format, struct buf *out)
{
	struct time_zone zone = {0};
	zone.offset = zone_offset(t->zone, m->timekey, &zone.name);
	time_format_put(out, format, (struct event_time){.sec = m->timekey}, zone);
}

bool chunk_template_put(
	const struct chunk_template *t, const struct chunk_meta *m, const char *chunk_id, bool path, struct buf *out)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct part *p = &t->parts[i];
		switch (p->type) {
		case PART_TEXT:
			buf_put_str(out, p->text);
			break;
		case PART_TIME:
			if (m->has_timekey)
				put_time(t, m, p->text, out);
			else
				buf_put_str(out, p->text);
			break;
		case PART_TAG:
			if (m->has_tag)
				put_data(m->tag, path, out);
			else
				buf_put_str(out, p->text);
			break;
		case PART_TAG_PART:
			if (m->has_tag)
				put_data(tag_part(m->tag, p->index), path, out);
			else
				buf_put_str(out, p->text);
			break;
		case PART_KEY:
			put_key(m, p, path, out);
			break;
		case PART_CHUNK_ID:
			buf_put_str(out, chunk_id);
			break;
		}
	}
	return !out->failed;
}
