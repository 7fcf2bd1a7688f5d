#include "expr/vm.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

#define ARENA_MAX	((size_t)64 << 20)
#define STEPS_OF_RECORD 2000000
#define WORK_MAX	((size_t)32 << 20)
#define WORK_KEEP	((size_t)1 << 20)

/* ---- raising ------------------------------------------------------------------------------------------------------ */

void vm_set_raised(struct expr_vm *x, enum expr_module class, const char *fmt, ...)
{
	va_list ap;
	x->jump = JUMP_RAISE;
	x->raised.class = class;
	va_start(ap, fmt);
	vsnprintf(x->raised.text, sizeof x->raised.text, fmt, ap);
	va_end(ap);
}

void vm_set_no_room(struct expr_vm *x)
{
	vm_set_raised(x, MODULE_LIMIT_ERROR, "the record needs more than %zu MiB of memory", ARENA_MAX >> 20);
}

void vm_set_out_of_steps(struct expr_vm *x)
{
	x->steps = 0;
	vm_set_raised(x, MODULE_LIMIT_ERROR, "the record needs more than %d steps", STEPS_OF_RECORD);
}

void vm_set_no_conversion(struct expr_vm *x, const struct value *v, const char *into)
{
	const char *of = v->type == VALUE_NIL	 ? "nil"
			 : v->type == VALUE_BOOL ? (v->b ? "true" : "false")
						 : expr_module_name(expr_module_of(v));
	vm_set_raised(x, MODULE_TYPE_ERROR, "no implicit conversion of %s into %s", of, into);
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

bool vm_keep(struct expr_vm *x, struct value *v)
{
	if (v->type != VALUE_STR || !x->set->mutates)
		return true;
	struct value_box *box = arena_alloc(&x->arena, sizeof *box);
	if (!box)
		return vm_no_room(x);
	*box = (struct value_box){v->s, v->bin};
	*v = (struct value){.type = VALUE_BOX, .box = box};
	return true;
}

bool vm_fetch(struct expr_vm *x, struct value *place, struct value *out)
{
	if (place->type == VALUE_RAW || place->type == VALUE_RAW_ARRAY || place->type == VALUE_RAW_MAP)
		if (!value_open(&x->arena, place))
			return vm_no_room(x);
	if (!vm_keep(x, place))
		return false;
	*out = *place;
	return true;
}

bool vm_new_array(struct expr_vm *x, struct value *out)
{
	struct value_array *array = value_array_new(&x->arena, 0);
	*out = (struct value){.type = VALUE_ARRAY, .array = array};
	return array || vm_no_room(x);
}

bool vm_new_hash(struct expr_vm *x, struct value *out)
{
	struct value_map *map = value_map_new(&x->arena, 0);
	*out = (struct value){.type = VALUE_MAP, .map = map};
	return map || vm_no_room(x);
}

bool vm_push(struct expr_vm *x, struct value *array, const struct value *v)
{
	struct value kept = *v;
	if (!vm_step(x, 1) || !vm_keep(x, &kept))
		return false;
	return value_array_push(&x->arena, array->array, &kept) || vm_no_room(x);
}

bool vm_put(struct expr_vm *x, struct value *hash, const struct value *key, const struct value *v)
{
	struct value kept = *v;
	if (!vm_step(x, 1) || !vm_keep(x, &kept))
		return false;
	struct value *place = value_map_put(&x->arena, hash->map, key);
	if (!place)
		return vm_no_room(x);
	*place = kept;
	return true;
}

bool vm_pair(struct expr_vm *x, const struct value *a, const struct value *b, struct value *out)
{
	struct value pair;
	if (!vm_new_array(x, &pair) || !vm_push(x, &pair, a) || !vm_push(x, &pair, b))
		return false;
	*out = pair;
	return true;
}

uint8_t *vm_bytes(struct expr_vm *x, size_t n)
{
	uint8_t *p = arena_alloc(&x->arena, n);
	if (!p)
		vm_no_room(x);
	return p && vm_step(x, n / 64) ? p : NULL;
}

bool vm_copy_str(struct expr_vm *x, struct span s, struct value *out)
{
	uint8_t *p = vm_bytes(x, s.n);
	if (!p)
		return false;
	if (s.n)
		memcpy(p, s.p, s.n);
	return vm_set_str(out, span_of(p, s.n));
}

/* ---- the evaluator as others see it ------------------------------------------------------------------------------- */

struct expr_vm *expr_vm_new(const struct expr_set *s)
{
	struct expr_vm *x = mem_zalloc(sizeof *x);
	x->set = s;
	arena_init(&x->arena, ARENA_MAX);
	buf_init(&x->work, WORK_MAX);
	if (getrandom(x->random, sizeof x->random, 0) != sizeof x->random)
		x->random[0] = (uint64_t)(uintptr_t)x;
	x->random[1] |= 1;
	x->base[VAR_HOSTNAME] = value_str(span_str(s->hostname));
	return x;
}

void expr_vm_free(struct expr_vm *x)
{
	if (!x)
		return;
	arena_free(&x->arena);
	buf_free(&x->work);
	if (x->region)
		onig_region_free(x->region, 1);
	mem_free(x);
}

struct arena *expr_vm_arena(struct expr_vm *x)
{
	if (x->work.cap > WORK_KEEP)
		buf_free(&x->work);
	return &x->arena;
}

/* The parts of the tag between dots, or (prefix, suffix) what begins or ends with each. */
static struct value_array *tag_array(struct expr_vm *x, struct span tag, int variable)
{
	struct value_array *array = value_array_new(&x->arena, 8);
	size_t n = tag.n;
	while (n && tag.p[n - 1] == '.') /* as String#split, empty parts at the end do not count */
		n--;
	for (size_t from = 0, to; array && n && from <= n; from = to + 1) {
		to = from;
		while (to < n && tag.p[to] != '.')
			to++;
		struct value v = value_str(variable == VAR_TAG_PARTS	? span_of(tag.p + from, to - from)
					   : variable == VAR_TAG_PREFIX ? span_of(tag.p, to)
									: span_of(tag.p + from, n - from));
		if (!value_array_push(&x->arena, array, &v))
			return NULL;
	}
	return array;
}

bool expr_vm_set_tag(struct expr_vm *x, struct span tag)
{
	x->base[VAR_TAG] = value_str(tag);
	for (int i = VAR_TAG_PARTS; i <= VAR_TAG_SUFFIX; i++) {
		if (!(x->set->uses & 1u << i))
			continue;
		struct value_array *array = tag_array(x, tag, i);
		if (!array)
			return false;
		x->base[i] = (struct value){.type = VALUE_ARRAY, .array = array};
	}
	return true;
}

bool expr_vm_share(struct expr_vm *x, const struct record *r)
{
	struct value v;
	for (uint32_t i = 0; i < r->map->n; i++)
		if (!vm_fetch(x, &r->map->v[i].value, &v))
			return false;
	return true;
}

void expr_vm_set_record(struct expr_vm *x, const struct record *r, struct event_time time)
{
	x->base[VAR_RECORD] = (struct value){.type = VALUE_MAP, .map = r->map};
	if (x->set->uses & 1u << VAR_TIME) {
		vm_time_local(&x->base[VAR_TIME], time);
		x->base[VAR_TIME].variant = x->set->time == EXPR_EVENT_TIME ? TIME_EVENT : TIME_PLAIN;
	}
	x->steps = STEPS_OF_RECORD;
	x->searches = 0;
}

bool expr_vm_no_room(struct expr_vm *x)
{
	return vm_no_room(x);
}

const char *expr_vm_error(const struct expr_vm *x)
{
	return x->raised.text;
}

bool expr_vm_text(struct expr_vm *x, const struct value *v, struct span *text)
{
	return vm_to_s(x, v, text);
}
