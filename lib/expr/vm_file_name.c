/* vm_file_name.c: File.basename and its like: names of files, without files. */
#include "expr/vm.h"

static struct span without_slashes(struct span s)
{
	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	return s;
}

static struct span base_of(struct span s)
{
	s = without_slashes(s);
	for (size_t i = s.n; i-- > 0;)
		if (s.p[i] == '/' && s.n > 1)
			return span_of(s.p + i + 1, s.n - i - 1);
	return s;
}

/* ".log" of "a.log"; a name that begins with its only dot has none. */
static struct span extension_of(struct span base)
{
	for (size_t i = base.n; i-- > 1;)
		if (base.p[i] == '.')
			return i + 1 < base.n ? span_of(base.p + i, base.n - i) : (struct span){0};
	return (struct span){0};
}

static bool base_name(struct expr_vm *x, const struct value *args, unsigned count, struct value *out)
{
	struct span s, suffix;
	if (!vm_want_str(x, &args[0], &s))
		return false;
	s = base_of(s);
	if (count > 1) {
		if (!vm_want_str(x, &args[1], &suffix))
			return false;
		if (span_is(suffix, ".*"))
			suffix = extension_of(s);
		if (suffix.n < s.n && span_eq(span_of(s.p + s.n - suffix.n, suffix.n), suffix))
			s.n -= suffix.n;
	}
	return vm_set_str(out, s);
}

static bool directory_name(struct expr_vm *x, const struct value *args, struct value *out)
{
	struct span s;
	if (!vm_want_str(x, &args[0], &s))
		return false;
	s = without_slashes(s);
	while (s.n && s.p[s.n - 1] != '/')
		s.n--;
	return vm_set_str(out, s.n ? without_slashes(s) : SPAN_LIT("."));
}

static bool extension(struct expr_vm *x, const struct value *args, struct value *out)
{
	struct span s;
	return vm_want_str(x, &args[0], &s) && vm_set_str(out, extension_of(base_of(s)));
}

static bool join(struct expr_vm *x, const struct value *args, unsigned count, struct value *out)
{
	struct vm_text t = {0};
	for (unsigned i = 0; i < count; i++) {
		struct span s;
		if (!vm_want_str(x, &args[i], &s))
			return false;
		bool ends = t.n && t.p[t.n - 1] == '/', begins = s.n && *s.p == '/';
		if (i && ends && begins)
			t.n--;
		if ((i && !ends && !begins && !vm_text_byte(x, &t, '/')) || !vm_text_put(x, &t, s))
			return false;
	}
	return vm_text_end(&t, out);
}

bool vm_file_function(
	struct expr_vm *x, const struct expr_node *n, const struct value *args, unsigned count, struct value *out)
{
	switch ((enum expr_function)n->method) {
	case FUNCTION_FILE_BASENAME:
		return base_name(x, args, count, out);
	case FUNCTION_FILE_DIRNAME:
		return directory_name(x, args, out);
	case FUNCTION_FILE_EXTNAME:
		return extension(x, args, out);
	default: /* FUNCTION_FILE_JOIN */
		return join(x, args, count, out);
	}
}
