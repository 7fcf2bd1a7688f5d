#include "conf/conf_report.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* More findings than anybody reads are counted only, so that a broken file of megabytes stays cheap. */
#define KEPT_MAX   ((size_t)1000)
#define TEXT_MAX   ((size_t)1000)
#define SOURCE_MAX ((size_t)16 << 20)
#define LINE_SHOWN ((size_t)200)

void conf_report_init(struct conf_report *r)
{
	*r = (struct conf_report){0};
}

void conf_report_free(struct conf_report *r)
{
	for (size_t i = 0; i < r->n; i++)
		mem_free(r->v[i].text);
	mem_free(r->v);
	conf_report_init(r);
}

/* Puts text from a file on one line: control characters escaped, what is not UTF-8 replaced. */
static void put_clean(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.n;) {
		uint8_t c = text.p[i];
		size_t n = utf8_len(text.p + i, text.n - i);
		if (c == '\n')
			buf_put_str(out, "\\n");
		else if (c == '\t')
			buf_put_str(out, "\\t");
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else if (n)
			buf_put(out, text.p + i, n);
		else
			buf_put_str(out, UTF8_REPLACEMENT);
		i += n ? n : utf8_bad_len(text.p + i, text.n - i);
	}
}

static char *clean_text(const char *fmt, va_list ap)
{
	struct buf raw, out;
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	buf_init(&raw, SIZE_MAX);
	buf_init(&out, SIZE_MAX);
	if (n > 0 && buf_reserve(&raw, (size_t)n + 1)) {
		vsnprintf((char *)raw.p, (size_t)n + 1, fmt, again);
		raw.n = (size_t)n;
	}
	va_end(again);
	size_t keep = raw.n;
	if (keep > TEXT_MAX) {
		for (keep = TEXT_MAX; keep > 0 && (raw.p[keep] & 0xc0) == 0x80;)
			keep--;
	}
	put_clean(&out, span_of(raw.p, keep));
	if (keep < raw.n)
		buf_put_str(&out, "...");
	buf_free(&raw);
	char *text = buf_take(&out);
	return text ? text : mem_strdup("");
}

static bool same_file(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_known(const struct conf_report *r, struct conf_pos pos, const char *text)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct conf_finding *f = &r->v[i];
		if (f->pos.line == pos.line && f->pos.column == pos.column && strcmp(f->text, text) == 0 &&
			same_file(f->pos.file, pos.file))
			return true;
	}
	return false;
}

void conf_report_add(struct conf_report *r, enum conf_severity severity, struct conf_pos pos, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = clean_text(fmt, ap);
	va_end(ap);
	if (is_known(r, pos, text)) {
		mem_free(text);
		return;
	}
	size_t *count[] = {[CONF_NOTE] = &r->notes, [CONF_WARNING] = &r->warnings, [CONF_ERROR] = &r->errors};
	(*count[severity])++;
	if (r->n == KEPT_MAX) {
		mem_free(text);
		return;
	}
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 16;
		r->v = mem_realloc(r->v, r->cap * sizeof *r->v);
	}
	r->v[r->n++] = (struct conf_finding){.severity = severity, .pos = pos, .text = text};
}

/* ---- printing ---- */

/* The file whose lines are being quoted, and how far its lines have been counted. */
struct source {
	const char *file;
	struct buf text;
	size_t at;
	unsigned line;
};

static void source_open(struct source *s, const char *file)
{
	buf_free(&s->text);
	*s = (struct source){.file = file, .line = 1, .text = {.max = SOURCE_MAX}};
	FILE *f = file ? fopen(file, "re") : NULL;
	if (!f)
		return;
	size_t n = 1;
	while (n > 0 && buf_reserve(&s->text, 16384)) {
		n = fread(s->text.p + s->text.n, 1, 16384, f);
		s->text.n += n;
	}
	fclose(f);
}

/* The line of that number, without its end; empty if the file has none (or cannot be read). Lines are asked for in rising order. */
static struct span source_line(struct source *s, const char *file, unsigned line)
{
	if (!same_file(s->file, file) || line < s->line)
		source_open(s, file);
	const uint8_t *p = s->text.p;
	for (; s->line < line && s->at < s->text.n; s->at++)
		if (p[s->at] == '\n' || (p[s->at] == '\r' && !(s->at + 1 < s->text.n && p[s->at + 1] == '\n')))
			s->line++;
	size_t n = 0;
	while (s->line == line && s->at + n < s->text.n && p[s->at + n] != '\n' && p[s->at + n] != '\r')
		n++;
	return span_of(p ? p + s->at : NULL, n);
}

bool conf_looks_secret(struct span name)
{
	static const char *const words[] = {
		"pass", "pasw", "secret", "shared", "api_k", "apik", "token", "auth", "cred", "header"};
	char lower[64];
	size_t n = name.n < sizeof lower ? name.n : sizeof lower - 1;
	for (size_t i = 0; i < n; i++)
		lower[i] = (char)tolower(name.p[i]);
	lower[n] = 0;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strstr(lower, words[i]))
			return true;
	return false;
}

/* How many bytes of a source line may be shown: up to the value where it may be a secret. */
static size_t shown_bytes(struct span line)
{
	size_t begin = 0;
	while (begin < line.n && (line.p[begin] == ' ' || line.p[begin] == '\t'))
		begin++;
	size_t end = begin;
	while (end < line.n && line.p[end] != ' ' && line.p[end] != '\t' && line.p[end] != ':' && line.p[end] != '=')
		end++;
	struct span value = span_of(line.p + end, line.n - end);
	while (value.n && (*value.p == ' ' || *value.p == '\t'))
		value = span_of(value.p + 1, value.n - 1);
	bool harmless = span_is(value, "true") || span_is(value, "false"); /* user_auth true */
	return !harmless && conf_looks_secret(span_of(line.p + begin, end - begin)) ? end : line.n;
}

static void print_source(struct source *s, struct conf_pos pos, struct buf *out)
{
	struct span line = pos.line ? source_line(s, pos.file, pos.line) : span_str("");
	if (line.n == 0)
		return;
	size_t shown = shown_bytes(line), i = 0;
	unsigned column = 1;
	struct buf caret;
	buf_init(&caret, SIZE_MAX);
	buf_printf(out, "%5u | ", pos.line);
	buf_printf(&caret, "%5s | ", "");
	for (; i < shown && i < LINE_SHOWN; column++) {
		size_t n = utf8_len(line.p + i, line.n - i);
		if (column < pos.column)
			buf_put_byte(&caret, line.p[i] == '\t' ? '\t' : ' ');
		if (n && (line.p[i] >= 0x20 || line.p[i] == '\t') && line.p[i] != 0x7f)
			buf_put(out, line.p + i, n);
		else
			buf_put_str(out, "?");
		i += n ? n : 1;
	}
	buf_put_str(out, i >= line.n ? "\n" : shown < line.n ? " xxxxxx\n" : "...\n");
	if (pos.column <= column + 1) {
		buf_printf(&caret, "%s^\n", pos.column > column ? " " : "");
		buf_put_span(out, buf_span(&caret));
	}
	buf_free(&caret);
}

static int by_place(const void *va, const void *vb)
{
	const struct conf_finding *const *pa = va, *const *pb = vb;
	const struct conf_finding *a = *pa, *b = *pb;
	/* The command line (no file) comes last: it is read after the files. */
	if (!a->pos.file != !b->pos.file)
		return a->pos.file ? -1 : 1;
	int c = a->pos.file ? strcmp(a->pos.file, b->pos.file) : 0;
	if (c == 0)
		c = (a->pos.line > b->pos.line) - (a->pos.line < b->pos.line);
	if (c == 0)
		c = (a->pos.column > b->pos.column) - (a->pos.column < b->pos.column);
	return c ? c : (a > b) - (a < b);
}

static void print_finding(const struct conf_finding *f, struct buf *out, bool colour)
{
	static const char *const words[] = {[CONF_NOTE] = "note", [CONF_WARNING] = "warning", [CONF_ERROR] = "error"};
	static const char *const colours[] = {[CONF_NOTE] = "36", [CONF_WARNING] = "35", [CONF_ERROR] = "31"};
	struct span file = span_str(f->pos.file ? f->pos.file : "command line");
	if (colour)
		buf_put_str(out, "\033[1m");
	put_clean(out, file);
	buf_put_byte(out, ':');
	if (f->pos.line)
		buf_printf(out, "%u:%u:", f->pos.line, f->pos.column);
	if (colour)
		buf_printf(out, " \033[%sm%s:\033[0m ", colours[f->severity], words[f->severity]);
	else
		buf_printf(out, " %s: ", words[f->severity]);
	buf_put_str(out, f->text);
	buf_put_byte(out, '\n');
}

void conf_report_print(const struct conf_report *r, struct buf *out, bool colour)
{
	if (r->n == 0)
		return;
	const struct conf_finding **v = mem_array(r->n, sizeof *v);
	for (size_t i = 0; i < r->n; i++)
		v[i] = &r->v[i];
	qsort(v, r->n, sizeof *v, by_place);
	struct source source = {.file = NULL};
	for (size_t i = 0; i < r->n; i++) {
		print_finding(v[i], out, colour);
		if (v[i]->pos.file)
			print_source(&source, v[i]->pos, out);
	}
	buf_free(&source.text);
	mem_free(v);
	size_t more = r->errors + r->warnings + r->notes - r->n;
	if (more)
		buf_printf(out, "... and %zu more\n", more);
}

/* ---- did you mean ---- */

#define NEAREST_LEN ((size_t)64)

static int fold(char c)
{
	return c == '-' ? '_' : tolower((unsigned char)c);
}

/* Damerau-Levenshtein (optimal string alignment) without regard to case and to - or _; both shorter than NEAREST_LEN. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t rows[3][NEAREST_LEN + 1];
	size_t *before = rows[0], *prev = rows[1], *cur = rows[2];
	for (size_t j = 0; j <= nb; j++)
		prev[j] = j;
	for (size_t i = 1; i <= na; i++) {
		cur[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t best = prev[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));
			if (prev[j] + 1 < best)
				best = prev[j] + 1;
			if (cur[j - 1] + 1 < best)
				best = cur[j - 1] + 1;
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) &&
				before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			cur[j] = best;
		}
		size_t *oldest = before;
		before = prev;
		prev = cur;
		cur = oldest;
	}
	return prev[nb];
}

const char *conf_nearest(const char *name, const char *const *names)
{
	size_t n = strlen(name);
	if (n == 0 || n >= NEAREST_LEN)
		return NULL;
	/* Short names are near to everything: the shorter, the fewer mistakes are believed. */
	size_t limit = n <= 2 ? 0 : n <= 5 ? 1 : n <= 9 ? 2 : 3, best = limit + 1;
	const char *found = NULL;
	for (; *names; names++) {
		size_t m = strlen(*names);
		if (m == 0 || m >= NEAREST_LEN || (m > n ? m - n : n - m) > limit)
			continue;
		size_t d = distance(name, n, *names, m);
		if (d < best) {
			best = d;
			found = *names;
		}
	}
	return found;
}
