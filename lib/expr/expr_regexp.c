#include "expr/expr_regexp.h"

#include "base/mem.h"

/* Oniguruma takes \d, \s and \w as Unicode's unless told otherwise; Ruby's are ASCII. */
#define AS_RUBY (ONIG_OPTION_WORD_IS_ASCII | ONIG_OPTION_DIGIT_IS_ASCII | ONIG_OPTION_SPACE_IS_ASCII)

static int add_group(const UChar *name, const UChar *end, int count, int *numbers, regex_t *onig, void *arg)
{
	struct expr_regexp *r = arg;
	(void)onig;
	r->groups[r->group_count++] = (struct expr_group){span_of(name, (size_t)(end - name)), numbers[count - 1]};
	return 0;
}

/* The engine tells names in the order of a hash table. */
static void sort_groups(struct expr_regexp *r)
{
	for (size_t i = 1; i < r->group_count; i++) {
		for (size_t j = i; j > 0 && r->groups[j].number < r->groups[j - 1].number; j--) {
			struct expr_group g = r->groups[j];
			r->groups[j] = r->groups[j - 1];
			r->groups[j - 1] = g;
		}
	}
}

struct expr_regexp *expr_regexp_compile(struct span source, unsigned flags, struct err *err)
{
	/* It checks the source, tells what is wrong, and sets the engine's limits. */
	struct regexp *checked = regexp_compile(source, flags, err);
	OnigErrorInfo info;
	OnigOptionType options = AS_RUBY | (flags & REGEXP_IGNORE_CASE ? ONIG_OPTION_IGNORECASE : 0) |
				 (flags & REGEXP_EXTENDED ? ONIG_OPTION_EXTEND : 0) |
				 (flags & REGEXP_MULTI_LINE ? ONIG_OPTION_MULTILINE : 0);
	if (!checked)
		return NULL;
	regexp_free(checked);
	struct expr_regexp *r = mem_zalloc(sizeof *r);
	const UChar *p = source.n ? source.p : (const UChar *)"";
	if (onig_new(&r->onig, p, p + source.n, options, ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info) != ONIG_NORMAL) {
		err_set(err, "not a regular expression: /%.*s/", (int)source.n, (const char *)p);
		mem_free(r);
		return NULL;
	}
	r->source = mem_strndup(source.p, source.n);
	r->flags = flags;
	r->groups = mem_array((size_t)onig_number_of_names(r->onig) + 1, sizeof *r->groups);
	onig_foreach_name(r->onig, add_group, r);
	sort_groups(r);
	return r;
}

void expr_regexp_free(struct expr_regexp *r)
{
	if (!r)
		return;
	onig_free(r->onig);
	mem_free(r->source);
	mem_free(r->groups);
	mem_free(r);
}

enum regexp_result expr_regexp_search(const struct expr_regexp *r, struct span text, size_t from, OnigRegion *region)
{
	const UChar *p = text.n ? text.p : (const UChar *)"", *end = p + text.n;
	int rc = onig_search(r->onig, p, end, p + from, end, region, ONIG_OPTION_NONE);
	if (rc >= 0)
		return REGEXP_YES;
	return rc == ONIG_MISMATCH ? REGEXP_NO : REGEXP_LIMIT;
}

int expr_regexp_group(const struct expr_regexp *r, struct span name)
{
	for (size_t i = 0; i < r->group_count; i++)
		if (span_eq(r->groups[i].name, name))
			return r->groups[i].number;
	return 0;
}
