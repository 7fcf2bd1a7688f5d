#include "parse/capture.h"

#include "base/mem.h"

#include <oniguruma.h>

/* Oniguruma takes \d, \s and \w as Unicode's unless told otherwise; Ruby's are ASCII. */
#define AS_RUBY (ONIG_OPTION_WORD_IS_ASCII | ONIG_OPTION_DIGIT_IS_ASCII | ONIG_OPTION_SPACE_IS_ASCII)

struct group {
	struct span name; /* in the regex */
	int *numbers;	  /* of the groups with this name, rising; in the regex */
	int count;
};

struct capture {
	regex_t *onig;
	struct group *groups;
	size_t n;
};

static int add_group(const UChar *name, const UChar *name_end, int count, int *numbers, regex_t *onig, void *arg)
{
	struct capture *c = arg;
	(void)onig;
	c->groups[c->n++] = (struct group){span_of(name, (size_t)(name_end - name)), numbers, count};
	return 0;
}

/* The engine tells names in the order of a hash table. */
static void sort_groups(struct capture *c)
{
	for (size_t i = 1; i < c->n; i++)
		for (size_t j = i; j > 0 && c->groups[j].numbers[0] < c->groups[j - 1].numbers[0]; j--) {
			struct group g = c->groups[j];
			c->groups[j] = c->groups[j - 1];
			c->groups[j - 1] = g;
		}
}

struct capture *capture_compile(struct span source, unsigned flags, struct err *err)
{
	/* It checks the source and sets the engine's limits. */
	struct regexp *checked = regexp_compile(source, flags, err);
	OnigErrorInfo info;
	OnigOptionType options = AS_RUBY | (flags & REGEXP_IGNORE_CASE ? ONIG_OPTION_IGNORECASE : 0) |
				 (flags & REGEXP_EXTENDED ? ONIG_OPTION_EXTEND : 0) |
				 (flags & REGEXP_MULTI_LINE ? ONIG_OPTION_MULTILINE : 0);
	if (!checked)
		return NULL;
	regexp_free(checked);
	struct capture *c = mem_zalloc(sizeof *c);
	const UChar *p = source.n ? source.p : (const UChar *)"";
	int rc = onig_new(&c->onig, p, p + source.n, options, ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
	if (rc != ONIG_NORMAL) {
		UChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
		int n = onig_error_code_to_str(text, rc, &info);
		err_set(err, "not a regular expression: %.*s", n, (const char *)text);
		mem_free(c);
		return NULL;
	}
	c->groups = mem_array((size_t)onig_number_of_names(c->onig) + 1, sizeof *c->groups);
	onig_foreach_name(c->onig, add_group, c);
	sort_groups(c);
	return c;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	onig_free(c->onig);
	mem_free(c->groups);
	mem_free(c);
}

size_t capture_count(const struct capture *c)
{
	return c->n;
}

struct span capture_name(const struct capture *c, size_t i)
{
	return c->groups[i].name;
}

void capture_room_free(struct capture_room *room)
{
	if (room->region)
		onig_region_free(room->region, 1);
	room->region = NULL;
}

enum regexp_result capture_search(
	const struct capture *c, struct span text, size_t from, struct capture_room *room, size_t *start, size_t *end)
{
	const UChar *p = text.n ? text.p : (const UChar *)"", *stop = p + text.n;
	if (!room->region)
		room->region = onig_region_new();
	OnigRegion *region = room->region;
	if (!region)
		return REGEXP_LIMIT;
	int rc = onig_search(c->onig, p, stop, p + from, stop, region, ONIG_OPTION_NONE);
	if (rc < 0)
		return rc == ONIG_MISMATCH ? REGEXP_NO : REGEXP_LIMIT;
	if (start)
		*start = (size_t)region->beg[0];
	if (end)
		*end = (size_t)region->end[0];
	return REGEXP_YES;
}

struct span capture_get(const struct capture *c, const struct capture_room *room, struct span text, size_t i)
{
	const OnigRegion *region = room->region;
	const struct group *g = &c->groups[i];
	for (int k = g->count - 1; k >= 0; k--) {
		int at = g->numbers[k];
		if (at < region->num_regs && region->beg[at] >= 0) {
			const uint8_t *p = text.n ? text.p : (const uint8_t *)"";
			return span_of(p + region->beg[at], (size_t)(region->end[at] - region->beg[at]));
		}
	}
	return (struct span){0};
}
