#include "record/record_path.h"

#include "base/mem.h"
#include "record/msgpack_scan.h"

#include <ctype.h>
#include <stdlib.h>

struct record_path {
	char *text; /* the keys point into it */
	struct record_step *step;
	size_t n, cap;
};

static void add_key(struct record_path *p, const char *key, size_t n)
{
	if (p->n == p->cap)
		p->step = mem_realloc(p->step, (p->cap = 2 * p->cap + 4) * sizeof *p->step);
	p->step[p->n++] = (struct record_step){.key = span_of(key, n)};
}

/* The digits in [0], up to `end`, where the bracket is. */
static bool add_index(struct record_path *p, const char *digits, const char *end, struct err *err)
{
	char *stop;
	const char *first = *digits == '-' ? digits + 1 : digits;
	const long long index = strtoll(digits, &stop, 10);
	if (!isdigit((unsigned char)*first) || stop != end || end - first > 18)
		return err_set(err, "'%.*s' is no array index", (int)(end - digits), digits);
	add_key(p, digits, 0);
	p->step[p->n - 1] = (struct record_step){.is_index = true, .index = index};
	return true;
}

/* [0][-1]... from s to end. */
static bool add_indices(struct record_path *p, const char *s, const char *end, struct err *err)
{
	while (s < end) {
		const char *close = memchr(s, ']', (size_t)(end - s));
		if (*s != '[' || !close)
			return err_set(err, "'%.*s' is no array index in brackets", (int)(end - s), s);
		if (!add_index(p, s + 1, close, err))
			return false;
		s = close + 1;
	}
	return true;
}

/* a.b[0].c; as in fluentd, no white space, and an empty part at the end means nothing. */
static bool parse_dots(struct record_path *p, const char *s, struct err *err)
{
	for (const char *end; *s; s = *end ? end + 1 : end) {
		end = s + strcspn(s, ".");
		if (strcspn(s, " \t\r\n\v\f") < (size_t)(end - s))
			return err_set(err, "white space is not possible in dot notation: write $['...']");
		const char *bracket = memchr(s, '[', (size_t)(end - s));
		if (bracket != s)
			add_key(p, s, (size_t)((bracket ? bracket : end) - s));
		if (bracket && !add_indices(p, bracket, end, err))
			return false;
	}
	return p->n > 0 || err_set(err, "there is no key after '$.'");
}

/* The bracket that ends a quoted key: the first that follows a quote of the same kind. */
static const char *quoted_end(const char *s, char quote)
{
	for (; (s = strchr(s, quote)); s++)
		if (s[1] == ']')
			return s;
	return NULL;
}

/* ['a'][0]["b"] */
static bool parse_brackets(struct record_path *p, const char *s, struct err *err)
{
	while (*s) {
		if (*s++ != '[')
			return err_set(err, "'[' is missing before '%s'", s - 1);
		if (*s == '\'' || *s == '"') {
			const char *end = quoted_end(s + 1, *s);
			if (!end)
				return err_set(err, "%c] is missing after '%s'", *s, s);
			add_key(p, s + 1, (size_t)(end - s - 1));
			s = end + 2;
			continue;
		}
		const char *end = strchr(s, ']');
		if (!end)
			return err_set(err, "']' is missing after '%s'", s);
		if (!add_index(p, s, end, err))
			return false;
		s = end + 1;
	}
	return true;
}

static struct record_path *compile(const char *text, bool dots, struct err *err)
{
	struct record_path *p = mem_zalloc(sizeof *p);
	p->text = mem_strdup(text);
	bool good = true;
	if (strncmp(text, "$.", 2) == 0)
		good = parse_dots(p, p->text + 2, err);
	else if (strncmp(text, "$[", 2) == 0)
		good = parse_brackets(p, p->text + 1, err);
	else if (dots && strchr(text, '.'))
		good = parse_dots(p, p->text, err);
	else if (*text)
		add_key(p, p->text, strlen(text));
	else
		good = err_set(err, "the name of the field is empty");
	if (good)
		return p;
	record_path_free(p);
	err_wrap(err, "'%s' is no record accessor", text);
	return NULL;
}

struct record_path *record_path_compile(const char *text, struct err *err)
{
	return compile(text, false, err);
}

struct record_path *record_path_compile_dotted(const char *text, struct err *err)
{
	return compile(text, true, err);
}

void record_path_free(struct record_path *p)
{
	if (!p)
		return;
	mem_free(p->step);
	mem_free(p->text);
	mem_free(p);
}

size_t record_path_steps(const struct record_path *p, const struct record_step **steps)
{
	*steps = p->step;
	return p->n;
}

static struct span array_get(struct span array, int64_t index)
{
	struct mp_token t;
	const uint8_t *p = array.p, *end = array.p + array.n;
	if (mp_read(&p, end, &t) != MP_OK || t.type != MP_ARRAY)
		return (struct span){0};
	if (index < 0)
		index += t.count;
	if (index < 0 || index >= t.count)
		return (struct span){0};
	for (;; index--) {
		const size_t n = mp_length(p, end);
		if (index == 0 || n == 0)
			return span_of(p, n);
		p += n;
	}
}

struct span record_path_get(const struct record_path *p, struct span record)
{
	struct span at = record;
	for (size_t i = 0; i < p->n && at.n; i++)
		at = p->step[i].is_index ? array_get(at, p->step[i].index) : mp_map_get(at, p->step[i].key);
	return at;
}
