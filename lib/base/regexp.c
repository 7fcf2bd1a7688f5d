#include "base/regexp.h"

#include "base/mem.h"
#include "base/regexp_engine.h"
#include "base/utf8.h"

#include <pthread.h>

/* Oniguruma takes \d, \s and \w as Unicode's unless told otherwise; Ruby's are ASCII. */
#define AS_RUBY (ONIG_OPTION_WORD_IS_ASCII | ONIG_OPTION_DIGIT_IS_ASCII | ONIG_OPTION_SPACE_IS_ASCII)

/* A step back is some 10 ns: the worst search ends after about a tenth of a second. */
#define STEPS_AT_ONE_START 1000000
#define STEPS_OF_A_SEARCH  10000000
#define STACK_ENTRIES	   200000 /* of some 40 bytes each */

struct regexp {
	regex_t *onig;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialize(void)
{
	OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
	onig_initialize(encodings, 1);
	onig_set_retry_limit_in_match(STEPS_AT_ONE_START);
	onig_set_retry_limit_in_search(STEPS_OF_A_SEARCH);
	onig_set_match_stack_limit_size(STACK_ENTRIES);
}

/* ---- the engine ------------------------------------------------------------------------------------------------------ */

regex_t *regexp_engine_compile(struct span source, unsigned flags, struct err *err)
{
	OnigErrorInfo info;
	UChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
	OnigOptionType options = AS_RUBY | (flags & REGEXP_IGNORE_CASE ? ONIG_OPTION_IGNORECASE : 0) |
				 (flags & REGEXP_EXTENDED ? ONIG_OPTION_EXTEND : 0) |
				 (flags & REGEXP_MULTI_LINE ? ONIG_OPTION_MULTILINE : 0);
	regex_t *onig;

	pthread_once(&once, initialize);
	if (!utf8_valid(source)) {
		err_set(err, "the regular expression is not UTF-8");
		return NULL;
	}
	const UChar *p = source.n ? source.p : (const UChar *)"";
	int rc = onig_new(&onig, p, p + source.n, options, ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
	if (rc == ONIG_NORMAL)
		return onig;
	int n = onig_error_code_to_str(text, rc, &info);
	err_set(err, "not a regular expression: %.*s: /%.*s/", n, (const char *)text, (int)source.n, (const char *)p);
	return NULL;
}

enum regexp_result regexp_engine_search(regex_t *onig, struct span text, size_t from, OnigRegion *region)
{
	const UChar *p = text.n ? text.p : (const UChar *)"", *end = p + text.n;
	int rc = onig_search(onig, p, end, p + from, end, region, ONIG_OPTION_NONE);
	if (rc >= 0)
		return REGEXP_YES;
	return rc == ONIG_MISMATCH ? REGEXP_NO : REGEXP_LIMIT;
}

struct names {
	struct regexp_name *v;
	size_t n;
};

/* The engine tells names in the order of a hash table: each is put where it belongs. */
static int add_name(const UChar *name, const UChar *end, int count, int *numbers, regex_t *onig, void *arg)
{
	struct names *names = arg;
	size_t at = names->n++;
	(void)onig;
	for (; at > 0 && names->v[at - 1].numbers[0] > numbers[0]; at--)
		names->v[at] = names->v[at - 1];
	names->v[at] = (struct regexp_name){span_of(name, (size_t)(end - name)), numbers, count};
	return 0;
}

struct regexp_name *regexp_engine_names(regex_t *onig, size_t *n)
{
	struct names names = {.v = mem_array((size_t)onig_number_of_names(onig), sizeof *names.v)};
	onig_foreach_name(onig, add_name, &names);
	*n = names.n;
	return names.v;
}

/* ---- expressions ----------------------------------------------------------------------------------------------------- */

struct regexp *regexp_compile(struct span source, unsigned flags, struct err *err)
{
	regex_t *onig = regexp_engine_compile(source, flags, err);
	if (!onig)
		return NULL;
	struct regexp *r = mem_alloc(sizeof *r);
	r->onig = onig;
	return r;
}

void regexp_free(struct regexp *r)
{
	if (!r)
		return;
	onig_free(r->onig);
	mem_free(r);
}

enum regexp_result regexp_search(const struct regexp *r, struct span text)
{
	return utf8_valid(text) ? regexp_engine_search(r->onig, text, 0, NULL) : REGEXP_NO;
}

void regexp_room_free(struct regexp_room *room)
{
	if (room->region)
		onig_region_free(room->region, 1);
	room->region = NULL;
}

enum regexp_result regexp_groups(
	const struct regexp *r, struct span text, struct regexp_room *room, struct span *groups, size_t count)
{
	if (!room->region)
		room->region = onig_region_new();
	const OnigRegion *region = room->region;
	if (!region)
		return REGEXP_LIMIT;
	if (!utf8_valid(text))
		return REGEXP_NO;
	enum regexp_result found = regexp_engine_search(r->onig, text, 0, room->region);
	const uint8_t *p = text.n ? text.p : (const uint8_t *)"";
	for (size_t i = 0; found == REGEXP_YES && i < count; i++) {
		bool took = i < (size_t)region->num_regs && region->beg[i] >= 0;
		groups[i] = took ? span_of(p + region->beg[i], (size_t)(region->end[i] - region->beg[i]))
				 : (struct span){0};
	}
	return found;
}
