#include "expr/expr_regexp.h"

#include "base/mem.h"

struct expr_regexp *expr_regexp_compile(struct span source, unsigned flags, struct err *err)
{
	regex_t *onig = regexp_engine_compile(source, flags, err);
	if (!onig)
		return NULL;
	struct expr_regexp *r = mem_zalloc(sizeof *r);
	r->onig = onig;
	r->source = mem_strndup(source.p, source.n);
	r->flags = flags;
	r->groups = regexp_engine_names(onig, &r->group_count);
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

int expr_regexp_group(const struct expr_regexp *r, struct span name)
{
	for (size_t i = 0; i < r->group_count; i++)
		if (span_eq(r->groups[i].name, name))
			return expr_regexp_number(r, i);
	return 0;
}
