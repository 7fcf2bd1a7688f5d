/* expr_gsub.c: record[key].gsub(regexp, replacement) for those who have its parts and no code: record_modifier's <replace>. */
#include "expr/compile.h"

const struct expr *expr_compile_gsub(struct expr_set *s, struct span key, struct span regexp, unsigned flags,
	struct span replacement, struct expr_error *e)
{
	struct compiler p;
	struct expr_node *args[2], *record, *field, *name;
	compile_start(&p, s, SPAN_LIT(""), e);
	p.uses |= 1u << VAR_RECORD;
	record = compile_node(&p, NODE_VAR, 0);
	name = compile_value(&p, 0, value_str(compile_copy(&p, key)));
	field = record && name ? compile_call(&p, 0, record, M_INDEX, &name, 1) : NULL;
	args[0] = compile_regexp(&p, 0, regexp, flags);
	args[1] = compile_value(&p, 0, value_str(compile_copy(&p, replacement)));
	if (!field || !args[0] || !args[1])
		return NULL;
	struct expr_node *changed = compile_call(&p, 0, field, M_GSUB, args, 2);
	/* nil where there is no such field */
	struct expr_node *root = changed ? compile_with(&p, compile_node(&p, NODE_AND, 0), field, changed, NULL) : NULL;
	return compile_finish(&p, SPAN_LIT(""), root);
}
