/*
 * expr_fuzz.c: any expression over any record: it is refused, or it raises, or its value can be written and read again; and no expression and record take long or much memory. The
 * first byte says how the text is compiled; after it come the text, a 0 byte, and a record in msgpack (a built-in one if that is none).
 */
#include "../unit/expr/expr_cases.h"
#include "base/mem.h"
#include "expr/expr.h"
#include "record/json_get.h"
#include "record/msgpack_scan.h"

#include <stdlib.h>

enum { MODE_CODE, MODE_RUBY, MODE_MODIFIER, MODE_PLAIN, MODES };

static struct buf usual, out;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const uint8_t *p = (const uint8_t *)case_record;
	(void)argc;
	(void)argv;
	setenv("TZ", "UTC", 1);
	buf_init(&usual, 1 << 16);
	buf_init(&out, (size_t)256 << 20);
	if (json_get(&p, p + strlen(case_record), 100, &usual, NULL) != JSON_OK)
		abort();
	return 0;
}

/* Most texts that a fuzzer makes up are refused at their second character, so it gets known expressions as material. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	enum { CASES = sizeof value_cases / sizeof *value_cases };
	if (seed % 3 || size == 0)
		return LLVMFuzzerMutate(data, size, max);
	const char *piece = value_cases[seed / 3 % CASES].code;
	size_t n = strlen(piece), end = 1;
	while (end < size && data[end])
		end++;
	size_t at = 1 + seed / 7 % end, cut = seed & 8 ? end - at : 0;
	if (size - cut + n + 2 > max)
		return LLVMFuzzerMutate(data, size, max);
	memmove(data + at + n + 2, data + at + cut, size - at - cut);
	data[at] = '(';
	memcpy(data + at + 1, piece, n);
	data[at + 1 + n] = ')';
	return size - cut + n + 2;
}

static void on_unknown(void *arg, size_t at, struct span placeholder, bool understood)
{
	const struct span *text = arg;
	(void)understood;
	if (at > text->n || placeholder.n > text->n - at)
		abort();
}

static const struct expr *compile(struct expr_set *s, unsigned mode, struct span text)
{
	struct expr_error e;
	const struct expr *made = mode == MODE_CODE	  ? expr_compile(s, text, &e)
				  : mode == MODE_RUBY	  ? expr_compile_template(s, text, '[', true, &e)
				  : mode == MODE_MODIFIER ? expr_compile_template(s, text, '"', true, &e)
							  : expr_compile_plain(s, text, true, on_unknown, &text, &e);
	if (!made && (e.at > text.n + 1 || !*e.text))
		abort();
	return made;
}

/* The record as msgpack; it is whole or the built-in one. */
static void evaluate(struct expr_vm *x, const struct expr *e, struct span msgpack)
{
	struct arena *a = expr_vm_arena(x);
	struct record r;
	struct value v;
	struct span text;
	size_t used;
	bool own = msgpack.n && record_open(&r, a, msgpack.p, msgpack.p + msgpack.n, MP_DEPTH_LIMIT - 1, &used);
	if (!own && !record_open(&r, a, usual.p, usual.p + usual.n, MP_DEPTH_LIMIT - 1, &used))
		return;
	if (!expr_vm_set_tag(x, SPAN_LIT(CASE_TAG)) || !value_map_unique(a, r.map) || !expr_vm_share(x, &r))
		return;
	expr_vm_set_record(x, &r, (struct event_time){CASE_SEC, CASE_NSEC});
	if (!expr_eval(x, e, &v)) {
		if (!*expr_vm_error(x))
			abort();
		return;
	}
	buf_clear(&out);
	if (value_put(&out, &v) && mp_skip(out.p, out.p + out.n, MP_DEPTH_LIMIT) != out.n)
		abort();
	if (expr_vm_text(x, &v, &text) && text.n > ((size_t)256 << 20))
		abort();
	buf_clear(&out);
	if (record_put(&r, &out) && mp_skip(out.p, out.p + out.n, MP_DEPTH_LIMIT) != out.n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const uint8_t *text = data + 1, *end = size > 1 ? memchr(text, 0, size - 1) : NULL;
	size_t n = end ? (size_t)(end - text) : size - 1;
	struct expr_set *s = expr_set_new(data[0] & 0x80 ? EXPR_EVENT_TIME : EXPR_TIME, CASE_HOSTNAME);
	const struct expr *e = compile(s, data[0] % MODES, span_of(text, n));
	if (e) {
		struct expr_vm *x = expr_vm_new(s);
		evaluate(x, e, end ? span_of(end + 1, size - n - 2) : (struct span){0});
		expr_vm_free(x);
	}
	expr_set_free(s);
	return 0;
}
