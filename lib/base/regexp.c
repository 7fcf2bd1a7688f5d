#include "base/regexp.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/regexp_engine.h"
#include "base/utf8.h"

#include <pthread.h>

#define SOURCE_MAX ((size_t)1 << 20) /* bytes of an expression as it is compiled */

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

/* How an expression is written for Oniguruma. */
struct rewriting {
	const uint8_t *p, *end;
	unsigned depth; /* sets around p */
	struct buf *out;
};

/* Puts `by` for `word`, if that is what comes. */
static bool replace(struct rewriting *r, const char *word, const char *by)
{
	size_t n = strlen(word);
	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	return buf_put_str(r->out, by);
}

/* Ruby's \d, \s and \w are ASCII, and its [:punct:] has the symbols of ASCII, too. A set within a set is allowed, so it does not matter where they stand. */
static bool put_set(struct rewriting *r)
{
	return replace(r, "\\d", "[0-9]") || replace(r, "\\D", "[^0-9]") || replace(r, "\\s", "[\\x09-\\x0d\\x20]") ||
	       replace(r, "\\S", "[^\\x09-\\x0d\\x20]") || replace(r, "\\w", "[a-zA-Z0-9_]") ||
	       replace(r, "\\W", "[^a-zA-Z0-9_]") ||
	       (r->depth && (replace(r, "[:punct:]", "[[:punct:]$+<=>\\^`|~]") ||
				    replace(r, "[:^punct:]", "[^[:punct:]$+<=>\\^`|~]")));
}

/*
 * \b, [[:digit:]] and \p{Word} are Unicode's in Ruby, and Oniguruma has options only for them together with \w and the like: so it takes all as Unicode's, and what
 * is different is written out.
 */
static bool put_as_ruby(struct buf *out, struct span source)
{
	struct rewriting r = {.p = source.p, .end = source.p + source.n, .out = out};
	while (r.p < r.end) {
		if (put_set(&r))
			continue;
		size_t n = *r.p == '\\' && r.end - r.p > 1 ? 2 : 1;
		if (*r.p == ']' && r.depth)
			r.depth--;
		if (*r.p == '[') {
			r.depth++;
			n += r.end - r.p > 1 && r.p[1] == '^';
			n += (size_t)(r.end - r.p) > n && r.p[n] == ']'; /* the first in a set is no end of it */
		}
		buf_put(out, r.p, n);
		r.p += n;
	}
	return !out->failed;
}

regex_t *regexp_engine_compile(struct span source, unsigned flags, struct err *err)
{
	OnigErrorInfo info = {0};
	struct buf written;
	int rc = ONIGERR_MEMORY;
	UChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
	OnigOptionType options = (flags & REGEXP_IGNORE_CASE ? ONIG_OPTION_IGNORECASE : 0) |
				 (flags & REGEXP_EXTENDED ? ONIG_OPTION_EXTEND : 0) |
				 (flags & REGEXP_MULTI_LINE ? ONIG_OPTION_MULTILINE : 0);
	regex_t *onig;

	pthread_once(&once, initialize);
	if (!utf8_valid(source)) {
		err_set(err, "the regular expression is not UTF-8");
		return NULL;
	}
	buf_init(&written, SOURCE_MAX);
	if (put_as_ruby(&written, source)) {
		const UChar *p = written.n ? written.p : (const UChar *)"";
		rc = onig_new(&onig, p, p + written.n, options, ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
	}
	if (rc != ONIG_NORMAL) {
		int n = onig_error_code_to_str(text, rc, &info);
		err_set(err, "not a regular expression: %.*s: /%.*s/", n, (const char *)text, (int)source.n,
			(const char *)source.p);
	}
	buf_free(&written);
	return rc == ONIG_NORMAL ? onig : NULL;
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

static enum regexp_result search_mended(const struct regexp *r, struct span text)
{
	struct buf b;
	enum regexp_result result = REGEXP_LIMIT;
	buf_init(&b, 3 * text.n);
	for (size_t i = 0, n; i < text.n; i += n) {
		n = utf8_len(text.p + i, text.n - i);
		if (n)
			buf_put(&b, text.p + i, n);
		else
			buf_put_str(&b, UTF8_REPLACEMENT);
		n = n ? n : utf8_bad_len(text.p + i, text.n - i);
	}
	if (!b.failed)
		result = regexp_engine_search(r->onig, buf_span(&b), 0, NULL);
	buf_free(&b);
	return result;
}

enum regexp_result regexp_search(const struct regexp *r, struct span text)
{
	return utf8_valid(text) ? regexp_engine_search(r->onig, text, 0, NULL) : REGEXP_NO;
}

enum regexp_result regexp_search_bytes(const struct regexp *r, struct span text)
{
	return utf8_valid(text) ? regexp_engine_search(r->onig, text, 0, NULL) : search_mended(r, text);
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
