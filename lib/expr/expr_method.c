#include "expr/expr_method.h"

static const char *const names[M_COUNT_OF_METHODS] = {
#define EXPR_METHOD_NAME(id, name) [M_##id] = name,
	EXPR_METHODS(EXPR_METHOD_NAME)
#undef EXPR_METHOD_NAME
};

int expr_method_find(struct span name)
{
	for (int i = 0; i < M_COUNT_OF_METHODS; i++)
		if (span_is(name, names[i]))
			return i;
	return -1;
}

const char *expr_method_name(unsigned id)
{
	return names[id];
}

bool expr_method_mutates(unsigned id)
{
	static const uint16_t others[] = {M_INDEX_SET, M_SHL, M_INSERT, M_PREPEND, M_CONCAT, M_REPLACE, M_CLEAR, M_PUSH,
		M_APPEND, M_POP, M_SHIFT, M_UNSHIFT, M_DELETE, M_DELETE_AT, M_DELETE_IF, M_KEEP_IF, M_UPDATE, M_STORE};
	const char *name = names[id];
	if (strlen(name) > 2 && name[strlen(name) - 1] == '!')
		return true;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (others[i] == id)
			return true;
	return false;
}
