#include "conf/conf_tree.h"

#include "conf/conf_reader.h"
#include "base/mem.h"

struct conf_tree {
	struct conf_arena arena;
	struct conf_section root;
	bool whole;
	struct conf_file *files;
};

/* ---- building ---- */

void conf_cursor_init(struct conf_cursor *c, struct conf_section *section)
{
	*c = (struct conf_cursor){section, &section->pairs, &section->sections, 0};
}

bool conf_cursor_open(struct conf_reader *r, struct conf_cursor *c, struct span name, struct span arg,
	struct conf_pos pos, struct conf_pos arg_pos, struct conf_cursor *child)
{
	if (c->depth == CONF_NESTING_MAX) {
		conf_report_add(r->report, CONF_ERROR, pos, "sections are nested too deeply here");
		return false;
	}
	struct conf_section *s = conf_arena_zalloc(r->arena, sizeof *s);
	s->name = conf_arena_copy(r->arena, name.p, name.n);
	s->arg = conf_arena_copy(r->arena, arg.p, arg.n);
	s->pos = pos;
	s->arg_pos = arg_pos;
	s->parent = c->section;
	*c->section_end = s;
	c->section_end = &s->next;
	unsigned depth = c->depth + 1;
	conf_cursor_init(child, s);
	child->depth = depth;
	return true;
}

struct conf_pair *conf_cursor_add(struct conf_reader *r, struct conf_cursor *c, struct span name, struct span value)
{
	struct conf_pair *p = conf_arena_zalloc(r->arena, sizeof *p);
	p->name = conf_arena_copy(r->arena, name.p, name.n);
	p->value = conf_arena_copy(r->arena, value.p, value.n);
	p->value_len = value.n;
	*c->pair_end = p;
	c->pair_end = &p->next;
	return p;
}

void conf_reader_refused(struct conf_reader *r, const struct conf_pair *pair, const struct conf_lex_value *value)
{
	const char *name = pair->name + (pair->name[0] == '@');
	if (strcmp(name, "type") != 0 && strcmp(name, "format") != 0)
		r->in_values += value->refused;
}

/* ---- reading ---- */

/* The text of -i has "\n" for its line ends, as fluentd takes it. */
static struct span inline_text(struct conf_arena *arena, const char *text)
{
	size_t n = strlen(text), m = 0;
	char *copy = conf_arena_copy(arena, text, n);
	for (size_t i = 0; i < n; i++) {
		bool line_end = text[i] == '\\' && text[i + 1] == 'n';
		copy[m++] = line_end ? '\n' : text[i];
		i += line_end;
	}
	return span_of(copy, m);
}

static struct conf_tree *tree_new(void)
{
	struct conf_tree *t = mem_zalloc(sizeof *t);
	t->root.name = "ROOT";
	t->root.arg = "";
	return t;
}

/* What the <system> section that was read says of it, else `given`. */
static const char *include_dir(const struct conf_section *root, const char *given)
{
	for (const struct conf_section *s = root->sections; s; s = s->next) {
		const struct conf_pair *p = strcmp(s->name, "system") == 0 ? conf_section_get(s, "config_include_dir")
									   : NULL;
		if (p && !p->broken)
			return p->kind == CONF_VALUE_NIL ? NULL : p->value;
	}
	return given;
}

static void add_file(void *arg, const char *path, const struct stat *st)
{
	struct conf_tree *t = arg;
	struct conf_file *f = conf_arena_zalloc(&t->arena, sizeof *f);
	f->path = conf_arena_copy(&t->arena, path, strlen(path));
	if (st)
		f->st = *st;
	f->next = t->files;
	t->files = f;
}

struct conf_tree *conf_tree_read(const struct conf_source *source, struct conf_report *report)
{
	struct conf_tree *t = tree_new();
	struct conf_reader r = {
		.arena = &t->arena,
		.report = report,
		.env = {.worker_id = source->worker_id, .no_files = false, .on_file = add_file, .arg = t},
		.main_is_yaml = source->yaml,
	};
	struct conf_cursor root;
	size_t errors = report->errors;
	conf_cursor_init(&root, &t->root);
	if (source->path)
		conf_include_file(&r, &root, source->path, (struct conf_pos){0});
	if (source->inline_text)
		conf_parse(&r, &root, NULL, inline_text(&t->arena, source->inline_text));
	const char *dir = include_dir(&t->root, source->include_dir);
	if (dir && *dir)
		conf_include_dir(&r, &root, dir);
	mem_free(r.seen);
	t->whole = report->errors - errors == r.in_values;
	return t;
}

struct conf_tree *conf_tree_read_text(
	const char *name, struct span text, const struct conf_expr_env *env, struct conf_report *report)
{
	struct conf_tree *t = tree_new();
	struct conf_reader r = {.arena = &t->arena, .report = report, .env = *env};
	struct conf_cursor root;
	size_t errors = report->errors;
	conf_cursor_init(&root, &t->root);
	name = conf_arena_copy(&t->arena, name, strlen(name));
	if (strstr(name, ".yaml"))
		conf_yaml(&r, &root, name, text);
	else
		conf_parse(&r, &root, name, text);
	mem_free(r.seen);
	t->whole = report->errors - errors == r.in_values;
	return t;
}

void conf_tree_free(struct conf_tree *t)
{
	if (!t)
		return;
	conf_arena_free(&t->arena);
	mem_free(t);
}

const struct conf_section *conf_tree_root(const struct conf_tree *t)
{
	return &t->root;
}

const struct conf_file *conf_tree_files(const struct conf_tree *t)
{
	return t->files;
}

bool conf_tree_is_whole(const struct conf_tree *t)
{
	return t->whole;
}

const struct conf_pair *conf_section_get(const struct conf_section *s, const char *name)
{
	const struct conf_pair *found = NULL;
	for (const struct conf_pair *p = s->pairs; p; p = p->next)
		if (strcmp(p->name, name) == 0)
			found = p;
	return found && found->kind != CONF_VALUE_DEFAULT ? found : NULL;
}

static bool pairs_equal(const struct conf_pair *a, const struct conf_pair *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (strcmp(a->name, b->name) != 0 || a->kind != b->kind || a->value_len != b->value_len ||
			memcmp(a->value, b->value, a->value_len) != 0)
			return false;
	return !a && !b;
}

/* Down to the first section within, else to the next one, else up to the first that has a next one; not above `top`. */
static const struct conf_section *after(const struct conf_section *s, const struct conf_section *top, int *depth)
{
	if (s->sections) {
		++*depth;
		return s->sections;
	}
	while (s != top && !s->next) {
		s = s->parent;
		--*depth;
	}
	return s == top ? NULL : s->next;
}

bool conf_section_equal(const struct conf_section *a, const struct conf_section *b)
{
	const struct conf_section *x = a, *y = b;
	int dx = 0, dy = 0;
	while (x && y) {
		if (dx != dy || strcmp(x->name, y->name) != 0 || strcmp(x->arg, y->arg) != 0 ||
			!pairs_equal(x->pairs, y->pairs))
			return false;
		x = after(x, a, &dx);
		y = after(y, b, &dy);
	}
	return !x && !y;
}
