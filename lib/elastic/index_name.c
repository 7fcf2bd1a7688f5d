#include "elastic/index_name.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "record/record_path.h"
#include "record/time_format.h"

#include <stdlib.h>

/* Of one field; a name has 255 bytes at most, and a sender chooses how long a field is. */
#define FIELD_MAX 1024

enum part_type { PART_TEXT, PART_TIME, PART_TAG, PART_TAG_PART, PART_FIELD };

struct part {
	enum part_type type;
	char *text;		   /* PART_TEXT; PART_TIME: the format */
	long index;		   /* PART_TAG_PART: negative counts from the end */
	struct record_path *field; /* PART_FIELD */
};

struct name_template {
	struct part *part;
	size_t n, cap;
	int64_t period; /* seconds; 0: no time in it */
};

bool name_template_is_hidden(const struct name_template *t)
{
	return t->n && t->part[0].text && t->part[0].text[0] == '.';
}

/* ---- compilation ------------------------------------------------------------------------------------- */

static struct part *add_part(struct name_template *t, enum part_type type)
{
	if (t->n == t->cap)
		t->part = mem_realloc(t->part, (t->cap = 2 * t->cap + 4) * sizeof *t->part);
	t->part[t->n] = (struct part){.type = type};
	return &t->part[t->n++];
}

/* How long the text of a directive stays the same, in seconds; 0: for ever, -1: for less than a second. */
static int64_t directive_period(char c)
{
	if (strchr("LNQ", c))
		return -1;
	if (strchr("SsTcrX+", c))
		return 1;
	if (strchr("MR", c))
		return 60;
	if (strchr("HkIlpP", c))
		return 3600;
	return strchr("nt%", c) ? 0 : 86400;
}

/* Literal text with strftime directives in it. */
static bool add_time(struct name_template *t, const char *s, size_t n, struct err *err)
{
	struct part *p = add_part(t, PART_TEXT);
	p->text = mem_strndup(s, n);
	for (const char *at = p->text; (at = strchr(at, '%')); at++) {
		p->type = PART_TIME;
		const char *c = at + 1 + strspn(at + 1, "-0^#_:EO123456789");
		if (!*c)
			break;
		const int64_t period = directive_period(*c);
		if (period < 0)
			return err_set(err, "%%%c: a name cannot change within a second", *c);
		if (period && (t->period == 0 || period < t->period))
			t->period = period;
		at = c;
	}
	return true;
}

/* The N in [N]; `s` begins with the bracket. */
static bool parse_index(const char *s, size_t n, long *index)
{
	char *end;
	if (n < 3 || n > 12 || s[0] != '[' || s[n - 1] != ']' || strspn(s + 1, "-0123456789") != n - 2)
		return false;
	*index = strtol(s + 1, &end, 10);
	return end == s + n - 1;
}

static bool is_prefix(const char *s, size_t n, const char *word)
{
	return n >= strlen(word) && memcmp(s, word, strlen(word)) == 0;
}

/* What fluentd takes for a key, or a record accessor. */
static bool is_field(const char *s, size_t n)
{
	if (is_prefix(s, n, "$.") || is_prefix(s, n, "$["))
		return true;
	for (size_t i = 0; i < n; i++) {
		const bool alpha = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z');
		if (!alpha && !(s[i] >= '0' && s[i] <= '9') && !strchr("-_.@", s[i]))
			return false;
	}
	return n > 0 && !(n == 8 && memcmp(s, "chunk_id", 8) == 0);
}

static bool add_field(struct name_template *t, const char *s, size_t n, struct err *err)
{
	char *path = mem_strndup(s, n);
	struct record_path *field = record_path_compile(path, err);
	mem_free(path);
	if (field)
		add_part(t, PART_FIELD)->field = field;
	return field;
}

/* The inside of ${...}. */
static bool add_placeholder(struct name_template *t, const char *s, size_t n, struct err *err)
{
	long index;
	const size_t word = is_prefix(s, n, "tag_parts") ? 9 : 3;
	if (n == 3 && is_prefix(s, n, "tag")) {
		add_part(t, PART_TAG);
		return true;
	}
	if (is_prefix(s, n, "tag") && n > word && s[word] == '[' && parse_index(s + word, n - word, &index)) {
		add_part(t, PART_TAG_PART)->index = index;
		return true;
	}
	if (is_field(s, n))
		return add_field(t, s, n, err);
	return err_set(err, "'${%.*s}' is no placeholder: ${tag}, ${tag[N]}, ${key}, ${$.a.b} and ${$['a']['b']} are",
		(int)n, s);
}

static const char *placeholder_end(const char *s)
{
	if (strncmp(s, "$[", 2) != 0)
		return strchr(s, '}');
	const char *end = strstr(s, "]}");
	return end ? end + 1 : NULL;
}

static bool compile(struct name_template *t, const char *s, bool times, struct err *err)
{
	while (*s) {
		const char *hole = strstr(s, "${");
		const size_t n = hole ? (size_t)(hole - s) : strlen(s);
		if (n && times && !add_time(t, s, n, err))
			return false;
		if (n && !times)
			add_part(t, PART_TEXT)->text = mem_strndup(s, n);
		if (!hole)
			return true;
		const char *end = placeholder_end(hole + 2);
		if (!end)
			return err_set(err, "'}' is missing after '%s'", hole);
		if (!add_placeholder(t, hole + 2, (size_t)(end - hole - 2), err))
			return false;
		s = end + 1;
	}
	return true;
}

struct name_template *name_template_compile(const char *text, bool times, struct err *err)
{
	struct name_template *t = mem_zalloc(sizeof *t);
	if (compile(t, text, times, err))
		return t;
	name_template_free(t);
	return NULL;
}

void name_template_free(struct name_template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		mem_free(t->part[i].text);
		record_path_free(t->part[i].field);
	}
	mem_free(t->part);
	mem_free(t);
}

static bool uses(const struct name_template *t, enum part_type a, enum part_type b)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->part[i].type == a || t->part[i].type == b)
			return true;
	return false;
}

bool name_template_uses_tag(const struct name_template *t)
{
	return uses(t, PART_TAG, PART_TAG_PART);
}

bool name_template_uses_record(const struct name_template *t)
{
	return uses(t, PART_FIELD, PART_FIELD);
}

int64_t name_template_period(const struct name_template *t)
{
	return t->period;
}

/* ---- names ------------------------------------------------------------------------------------------- */

/* The part of the tag between dots; empty beyond its ends, as in fluentd. */
static struct span tag_part(struct span tag, long index)
{
	long parts = 1;
	if (tag.n == 0)
		return tag;
	for (size_t i = 0; i < tag.n; i++)
		parts += tag.p[i] == '.';
	if (index < 0)
		index += parts;
	const uint8_t *p = tag.p, *end = tag.p + tag.n;
	for (; index > 0 && p < end; index--) {
		const uint8_t *dot = memchr(p, '.', (size_t)(end - p));
		p = dot ? dot + 1 : end;
	}
	if (index != 0 || p == end)
		return (struct span){0};
	const uint8_t *dot = memchr(p, '.', (size_t)(end - p));
	return span_of(p, (size_t)((dot ? dot : end) - p));
}

/* A value as text: strings and numbers as they are, nil as nothing, containers as JSON. */
static bool put_value(struct buf *out, struct span value)
{
	struct mp_token t;
	if (value.n == 0)
		return true;
	const uint8_t *p = value.p, *end = value.p + value.n;
	if (mp_read(&p, end, &t) != MP_OK || t.type == MP_NIL)
		return true;
	if (t.type == MP_STR || t.type == MP_BIN)
		return buf_put(out, t.body.p, t.body.n < FIELD_MAX ? t.body.n : FIELD_MAX);
	struct buf text;
	buf_init(&text, FIELD_MAX);
	p = value.p;
	bool good = true;
	/* One that is longer than any name may be leaves nothing, as one that is missing. */
	if (json_put(&text, &p, end, MP_DEPTH_LIMIT)) {
		const bool quoted = text.p[0] == '"';
		good = buf_put(out, text.p + quoted, text.n - 2 * (size_t)quoted);
	}
	buf_free(&text);
	return good;
}

bool name_template_put(const struct name_template *t, struct span tag, struct event_time time, int64_t utc_offset_s,
	struct span record, struct buf *out)
{
	const struct time_zone zone = {(int32_t)utc_offset_s, utc_offset_s ? NULL : "UTC"};
	for (size_t i = 0; i < t->n; i++) {
		const struct part *p = &t->part[i];
		switch (p->type) {
		case PART_TEXT:
			buf_put_str(out, p->text);
			break;
		case PART_TIME:
			time_format_put(out, p->text, time, zone);
			break;
		case PART_TAG:
			buf_put_span(out, tag);
			break;
		case PART_TAG_PART:
			buf_put_span(out, tag_part(tag, p->index));
			break;
		case PART_FIELD:
			put_value(out, record_path_get(p->field, record));
			break;
		}
	}
	return !out->failed;
}

/* ---- legal names ------------------------------------------------------------------------------------- */

#define NAME_MAX_BYTES 255

/*
 * Lower case of letters that are in use beyond ASCII: from first to last, every one or every second, by adding
 * `delta`. None becomes longer in UTF-8. Rarer capitals stay, and Elasticsearch says so of the documents concerned.
 */
static uint32_t lower(uint32_t c)
{
	static const struct {
		uint16_t first, last;
		int16_t delta;
		uint8_t step;
	} rows[] = {
		{0x00c0, 0x00d6, 32, 1},
		{0x00d8, 0x00de, 32, 1},
		{0x0100, 0x012e, 1, 2},
		{0x0132, 0x0136, 1, 2},
		{0x0139, 0x0147, 1, 2},
		{0x014a, 0x0176, 1, 2},
		{0x0178, 0x0178, -121, 1},
		{0x0179, 0x017d, 1, 2},
		{0x01cd, 0x01db, 1, 2},
		{0x01de, 0x01ee, 1, 2},
		{0x01f8, 0x021e, 1, 2},
		{0x0222, 0x0232, 1, 2},
		{0x0386, 0x0386, 38, 1},
		{0x0388, 0x038a, 37, 1},
		{0x038c, 0x038c, 64, 1},
		{0x038e, 0x038f, 63, 1},
		{0x0391, 0x03a1, 32, 1},
		{0x03a3, 0x03ab, 32, 1},
		{0x0400, 0x040f, 80, 1},
		{0x0410, 0x042f, 32, 1},
		{0x0460, 0x0480, 1, 2},
		{0x048a, 0x04be, 1, 2},
		{0x04c0, 0x04c0, 15, 1},
		{0x04c1, 0x04cd, 1, 2},
		{0x04d0, 0x052e, 1, 2},
		{0x0531, 0x0556, 48, 1},
		{0x1e00, 0x1e94, 1, 2},
		{0x1e9e, 0x1e9e, -7615, 1},
		{0x1ea0, 0x1efe, 1, 2},
		{0x2126, 0x2126, -7517, 1},
		{0x212a, 0x212a, -8383, 1},
		{0x212b, 0x212b, -8262, 1},
		{0x2160, 0x216f, 16, 1},
		{0x24b6, 0x24cf, 26, 1},
		{0xff21, 0xff3a, 32, 1},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (c >= rows[i].first && c <= rows[i].last && (c - rows[i].first) % rows[i].step == 0)
			return (uint32_t)((int32_t)c + rows[i].delta);
	return c;
}

static uint32_t decode(const uint8_t *p, size_t len)
{
	if (len == 2)
		return (uint32_t)((p[0] & 0x1f) << 6 | (p[1] & 0x3f));
	return (uint32_t)((p[0] & 0x0f) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f));
}

static size_t encode(uint32_t c, uint8_t *out)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	out[0] = (uint8_t)(0xe0 | c >> 12);
	out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c & 0x3f));
	return 3;
}

static uint8_t clean_ascii(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c + 32);
	return c <= 0x20 || c == 0x7f || strchr("\\/*?\"<>|,#:", c) ? '_' : c;
}

size_t index_name_clean(uint8_t *p, size_t n, bool hidden)
{
	uint8_t *const first = p + (hidden && n && p[0] == '.'), *out = first;
	for (size_t i = (size_t)(first - p); i < n;) {
		size_t len = utf8_len(p + i, n - i), put = 1;
		uint8_t c[4] = {'_'};
		if (len == 1) {
			c[0] = clean_ascii(p[i]);
		} else if (len == 4) {
			memcpy(c, p + i, put = 4);
		} else if (len) {
			put = encode(lower(decode(p + i, len)), c);
		} else {
			len = utf8_bad_len(p + i, n - i);
		}
		i += len;
		if (out == first && strchr("-_+.", c[0]))
			continue;
		if ((size_t)(out - p) + put > NAME_MAX_BYTES)
			break;
		memcpy(out, c, put);
		out += put;
	}
	return out == first ? 0 : (size_t)(out - p);
}
