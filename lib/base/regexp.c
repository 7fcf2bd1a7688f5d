#include "base/regexp.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <oniguruma.h>
#include <pthread.h>

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

struct regexp *regexp_compile(struct span source, unsigned flags, struct err *err)
{
	OnigErrorInfo info;
	UChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
	OnigOptionType options = (flags & REGEXP_IGNORE_CASE ? ONIG_OPTION_IGNORECASE : 0) |
				 (flags & REGEXP_EXTENDED ? ONIG_OPTION_EXTEND : 0) |
				 (flags & REGEXP_MULTI_LINE ? ONIG_OPTION_MULTILINE : 0);
	struct regexp *r;

	pthread_once(&once, initialize);
	if (!utf8_valid(source)) {
		err_set(err, "the regular expression is not UTF-8");
		return NULL;
	}
	r = mem_zalloc(sizeof *r);
	const UChar *p = source.n ? source.p : (const UChar *)"";
	int rc = onig_new(&r->onig, p, p + source.n, options, ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
	if (rc != ONIG_NORMAL) {
		int n = onig_error_code_to_str(text, rc, &info);
		err_set(err, "not a regular expression: %.*s: /%.*s/", n, (const char *)text, (int)source.n,
			(const char *)p);
		mem_free(r);
		return NULL;
	}
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
	const UChar *p = text.n ? text.p : (const UChar *)"", *end = p + text.n;
	if (!utf8_valid(text))
		return REGEXP_NO;
	int rc = onig_search(r->onig, p, end, p, end, NULL, ONIG_OPTION_NONE);
	if (rc >= 0)
		return REGEXP_YES;
	return rc == ONIG_MISMATCH ? REGEXP_NO : REGEXP_LIMIT;
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
	const UChar *p = text.n ? text.p : (const UChar *)"", *end = p + text.n;
	if (!room->region)
		room->region = onig_region_new();
	OnigRegion *region = room->region;
	if (!region)
		return REGEXP_LIMIT;
	if (!utf8_valid(text))
		return REGEXP_NO;
	int rc = onig_search(r->onig, p, end, p, end, region, ONIG_OPTION_NONE);
	if (rc < 0)
		return rc == ONIG_MISMATCH ? REGEXP_NO : REGEXP_LIMIT;
	for (size_t i = 0; i < count; i++) {
		bool took = i < (size_t)region->num_regs && region->beg[i] >= 0;
		groups[i] = took ? span_of(p + region->beg[i], (size_t)(region->end[i] - region->beg[i]))
				 : (struct span){0};
	}
	return REGEXP_YES;
}
