#include "rewrite_rule.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "record/ruby_text.h"

#include <ctype.h>
#include <stdlib.h>

#define GROUPS_MAX 100u
#define VALUE_MAX  (16u << 20) /* of a field as text */

enum part_type { PART_TEXT, PART_GROUP, PART_TAG, PART_TAG_PART };

struct part {
	enum part_type type;
	char *text; /* PART_TEXT */
	unsigned number;
};

struct rewrite_rule {
	struct record_path *key;
	struct regexp *pattern;
	bool invert, capitalize;
	struct part *parts;
	size_t count;
	unsigned groups; /* as many as the tag names, and the match */
	char *unknown;
};

static struct part *add_part(struct rewrite_rule *r, enum part_type type)
{
	r->parts = mem_realloc(r->parts, (r->count + 1) * sizeof *r->parts);
	r->parts[r->count] = (struct part){.type = type};
	return &r->parts[r->count++];
}

static void add_text(struct rewrite_rule *r, const char *s, size_t n)
{
	if (n)
		add_part(r, PART_TEXT)->text = mem_strndup(s, n);
}

/* ---- placeholders --------------------------------------------------------------------------------------------- */

static bool is_word(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && memcmp(s, word, n) == 0;
}

/* "word[N]": the N. */
static bool indexed(const char *s, size_t n, const char *word, unsigned *number)
{
	size_t len = strlen(word);
	if (n < len + 3 || memcmp(s, word, len) != 0 || s[len] != '[' || s[n - 1] != ']' || n > len + 11)
		return false;
	for (size_t i = len + 1; i < n - 1; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	*number = (unsigned)strtoul(s + len + 1, NULL, 10);
	return true;
}

/* Bytes of the placeholder at s, with its inside; 0: there is none. Those that fluentd's pattern takes, known or not. */
static size_t placeholder(const char *s, const char **inside, size_t *n)
{
	const char *p = s + 2;
	bool brace = s[0] == '$' && s[1] == '{', line = s[0] == '_' && s[1] == '_';
	if (!brace && !line)
		return 0;
	*inside = p;
	while (brace ? islower((unsigned char)*p) || *p == '_'
		     : isupper((unsigned char)*p) || (*p == '_' && !(p[1] == '_' && p > s + 2)))
		p++;
	if (p == s + 2)
		return 0;
	if (*p == '[') {
		size_t digits = strspn(p + 1, "0123456789");
		if (!digits || p[1 + digits] != ']')
			return 0;
		p += digits + 2;
	}
	*n = (size_t)(p - *inside);
	if (brace)
		return *p == '}' ? (size_t)(p + 1 - s) : 0;
	return p[0] == '_' && p[1] == '_' ? (size_t)(p + 2 - s) : 0;
}

static void add_placeholder(struct rewrite_rule *r, const char *s, size_t n, const char *hostname)
{
	unsigned number;
	if (is_word(s, n, "tag") || is_word(s, n, "TAG")) {
		add_part(r, PART_TAG);
	} else if (is_word(s, n, "hostname") || is_word(s, n, "HOSTNAME")) {
		add_text(r, hostname, strlen(hostname));
	} else if (indexed(s, n, "tag_parts", &number) || indexed(s, n, "TAG_PARTS", &number)) {
		add_part(r, PART_TAG_PART)->number = number;
	} else {
		mem_free(r->unknown);
		r->unknown = mem_strndup(s, n);
	}
}

static bool has_range(const char *tag)
{
	static const char *const names[] = {"${tag_parts[", "__TAG_PARTS["};
	for (size_t i = 0; i < 2; i++) {
		const char *p = strstr(tag, names[i]);
		if (p && strstr(p, "..") && strchr(p, ']') > strstr(p, ".."))
			return true;
	}
	return false;
}

static bool compile_tag(struct rewrite_rule *r, const struct rewrite_rule_options *o, struct err *err)
{
	const char *text = o->tag, *p = text;
	if (has_range(text))
		return err_set(err, "${tag_parts[n]} and __TAG_PARTS[n]__ placeholder does not support range specify");
	r->groups = 1;
	while (*p) {
		const char *inside;
		size_t n, used = placeholder(p, &inside, &n);
		if (used) {
			add_text(r, text, (size_t)(p - text));
			add_placeholder(r, inside, n, o->hostname);
			text = p += used;
		} else if (*p == '$' && isdigit((unsigned char)p[1]) && !o->invert) {
			char *end;
			unsigned long number = strtoul(p + 1, &end, 10);
			add_text(r, text, (size_t)(p - text));
			if (number && number < GROUPS_MAX) {
				add_part(r, PART_GROUP)->number = (unsigned)number;
				if (number >= r->groups)
					r->groups = (unsigned)number + 1;
			}
			text = p = end;
		} else if (p[0] == '$' && p[1] == '{') {
			mem_free(r->unknown);
			r->unknown = mem_strndup(p, strcspn(p, "}") + (strchr(p, '}') != NULL));
			p += 2;
		} else {
			p++;
		}
	}
	add_text(r, text, (size_t)(p - text));
	return true;
}

struct rewrite_rule *rewrite_rule_compile(
	const struct rewrite_rule_options *o, const char **unknown, const char **part, struct err *err)
{
	struct rewrite_rule *r = mem_zalloc(sizeof *r);
	r->invert = o->invert;
	r->capitalize = o->capitalize;
	r->key = record_path_compile(o->key, err);
	r->pattern = r->key ? regexp_compile(o->pattern, o->pattern_flags, err) : NULL;
	if (r->pattern && compile_tag(r, o, err)) {
		*unknown = r->unknown;
		return r;
	}
	*part = !r->key ? "key" : !r->pattern ? "pattern" : "tag";
	rewrite_rule_free(r);
	return NULL;
}

void rewrite_rule_free(struct rewrite_rule *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++)
		mem_free(r->parts[i].text);
	mem_free(r->parts);
	mem_free(r->unknown);
	record_path_free(r->key);
	regexp_free(r->pattern);
	mem_free(r);
}

/* ---- evaluation --------------------------------------------------------------------------------------------------- */

void rewrite_room_init(struct rewrite_room *room)
{
	room->regexp.region = NULL;
	buf_init(&room->value, VALUE_MAX);
	buf_init(&room->scrubbed, VALUE_MAX);
}

void rewrite_room_free(struct rewrite_room *room)
{
	regexp_room_free(&room->regexp);
	buf_free(&room->value);
	buf_free(&room->scrubbed);
}

/* As Ruby's scrub('?'): each ill-formed part is one question mark. */
static struct span scrub(struct span text, struct buf *out)
{
	if (utf8_valid(text))
		return text;
	buf_clear(out);
	for (size_t i = 0; i < text.n;) {
		size_t len = utf8_len(text.p + i, text.n - i);
		if (len) {
			buf_put(out, text.p + i, len);
		} else {
			len = utf8_bad_len(text.p + i, text.n - i);
			buf_put_byte(out, '?');
		}
		i += len;
	}
	return buf_span(out);
}

/* N-th of the parts between dots, as String#split has them: empty ones at the end are none. */
static struct span tag_part(struct span tag, unsigned number)
{
	const uint8_t *p = tag.p, *end = tag.p + tag.n;
	for (; number && p < end; number--) {
		const uint8_t *dot = memchr(p, '.', (size_t)(end - p));
		p = dot ? dot + 1 : end;
	}
	if (number || p == end)
		return (struct span){0};
	const uint8_t *dot = memchr(p, '.', (size_t)(end - p));
	return span_of(p, (size_t)((dot ? dot : end) - p));
}

static void put_group(const struct rewrite_rule *r, struct span text, struct buf *out)
{
	size_t from = out->n;
	if (!buf_put_span(out, text) || !r->capitalize)
		return;
	for (size_t i = from; i < out->n; i++)
		out->p[i] = (uint8_t)(i == from ? toupper(out->p[i]) : tolower(out->p[i]));
}

static void put_tag(const struct rewrite_rule *r, struct span tag, const struct span *groups, struct buf *out)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct part *p = &r->parts[i];
		switch (p->type) {
		case PART_TEXT:
			buf_put_str(out, p->text);
			break;
		case PART_GROUP:
			put_group(r, groups[p->number], out);
			break;
		case PART_TAG:
			buf_put_span(out, tag);
			break;
		case PART_TAG_PART:
			buf_put_span(out, tag_part(tag, p->number));
			break;
		}
	}
}

bool rewrite_rule_apply(
	const struct rewrite_rule *r, struct span record, struct span tag, struct rewrite_room *room, struct buf *out)
{
	struct span groups[GROUPS_MAX] = {{0}};
	struct span value = record_path_get(r->key, record);
	buf_clear(&room->value);
	if (value.n && !ruby_to_s(&room->value, value))
		buf_clear(&room->value);
	struct span text = scrub(buf_span(&room->value), &room->scrubbed);
	if (!text.n && !r->invert)
		return false;
	bool hit = regexp_groups(r->pattern, text, &room->regexp, groups, r->groups) == REGEXP_YES;
	if (hit == r->invert)
		return false;
	put_tag(r, tag, groups, out);
	return true;
}
