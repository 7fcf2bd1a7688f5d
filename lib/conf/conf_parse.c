/*
 * conf_parse.c: sections and parameters of fluentd's v1 syntax. After a mistake the reader goes on with the next line; what can only follow
 * from a mistake that was told already (the end of a section that could not be opened) is not told again.
 */
#include "conf/conf_reader.h"

#include "base/mem.h"

struct parser {
	struct conf_reader *reader;
	struct conf_lex lex;
	struct conf_cursor stack[CONF_NESTING_MAX + 1]; /* open sections; [0] is where the file is included */
	size_t depth;
	const char *guessed; /* a section that was closed by the end tag of another one: its own may still come */
	struct buf text;     /* of the value being read */
};

static void error_at(struct parser *p, struct conf_pos pos, const char *text)
{
	conf_report_add(p->lex.report, CONF_ERROR, pos, "%s", text);
}

static void error_here(struct parser *p, const char *text)
{
	error_at(p, conf_lex_pos(&p->lex), text);
}

static struct conf_cursor *top(struct parser *p)
{
	return &p->stack[p->depth];
}

static const char *copy(struct parser *p, struct span s)
{
	return conf_arena_copy(p->reader->arena, s.p, s.n);
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* Nothing but a comment may follow; what does follow is told and skipped. */
static bool line_end(struct parser *p, const char *text)
{
	if (conf_lex_line_end(&p->lex))
		return true;
	conf_lex_blanks(&p->lex);
	error_here(p, text);
	conf_lex_next_line(&p->lex);
	return false;
}

/* ---- begin tags ---- */

struct tag {
	struct span name;
	struct conf_pos pos, arg_pos;
	bool closes_itself; /* its end stands on the same line */
};

/* A bare argument: up to > or the line's end, trimmed. */
static struct span bare_arg(struct conf_lex *l)
{
	const uint8_t *at = l->p;
	while (!conf_lex_at_line_end(l) && *l->p != '>')
		conf_lex_skip(l, 1);
	size_t n = (size_t)(l->p - at);
	while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
		n--;
	return span_of(at, n);
}

/* fluentd takes a tag over several lines; here only if it is whole, for a missing > is far more frequent. */
static bool rest_on_other_lines(struct parser *p, struct tag *tag)
{
	struct conf_lex l = p->lex;
	struct span arg = span_of(NULL, 0);
	conf_lex_spacing(&l);
	struct conf_pos pos = conf_lex_pos(&l);
	if (p->text.n == 0) {
		arg = bare_arg(&l);
		if (arg.n && (memchr(arg.p, '<', arg.n) || strchr("\"'@", *arg.p)))
			return false;
		conf_lex_spacing(&l);
	}
	if (conf_lex_peek(&l, 0) != '>')
		return false;
	if (arg.n) {
		buf_put_span(&p->text, arg);
		tag->arg_pos = pos;
	}
	p->lex = l;
	return true;
}

/* The argument goes to p->text; the cursor stands at the > or where it should be. False if it is told what is wrong. */
static bool read_arg(struct parser *p, struct tag *tag)
{
	struct conf_lex *l = &p->lex;
	conf_lex_blanks(l);
	tag->arg_pos = conf_lex_pos(l);
	int c = conf_lex_peek(l, 0);
	if (c == '#') {
		error_here(p, conf_lex_peek(l, 1) == '{'
				      ? "embedded code in a section's argument needs double quotes: \"#{...}\""
				      : "a comment is not possible within a tag: expected '>'");
		buf_put_span(&p->text, bare_arg(l));
		return false;
	}
	if (c == '"' || c == '\'') {
		struct conf_lex_value value;
		conf_lex_quoted(l, &p->text, &value);
		conf_lex_blanks(l);
		if (!value.broken && value.kind != CONF_VALUE_NIL && value.kind != CONF_VALUE_DEFAULT)
			return true;
		if (!value.broken)
			error_at(p, value.pos, "use_nil and use_default are not possible in a section's argument");
		return !value.broken;
	}
	buf_put_span(&p->text, bare_arg(l));
	return true;
}

/* Whether the rest of the line holds the end of the section that the line begins. */
static bool ends_on_line(const struct conf_lex *l, struct span name)
{
	const uint8_t *p = l->p;
	for (; p < l->end && *p != '\n'; p++)
		if (*p == '<' && (size_t)(l->end - p) > name.n + 1 && p[1] == '/' && memcmp(p + 2, name.p, name.n) == 0)
			return true;
	return false;
}

static void read_tag(struct parser *p, struct tag *tag)
{
	struct conf_lex *l = &p->lex;
	unsigned line = l->line;
	bool told = !read_arg(p, tag);
	if (l->line != line)
		return; /* a broken string: the next line is being read */
	if (conf_lex_at_line_end(l) && !told)
		rest_on_other_lines(p, tag);
	if (conf_lex_peek(l, 0) != '>') {
		if (!told)
			error_here(p, "expected '>'");
		tag->closes_itself = ends_on_line(l, tag->name);
		conf_lex_next_line(l);
		return;
	}
	conf_lex_skip(l, 1);
	struct conf_lex after = *l;
	if (!line_end(p, "expected end of line after tag"))
		tag->closes_itself = ends_on_line(&after, tag->name);
}

static void parse_begin(struct parser *p)
{
	struct conf_lex *l = &p->lex;
	struct tag tag = {.pos = conf_lex_pos(l)};
	conf_lex_skip(l, 1);
	if (conf_lex_peek(l, 0) == ' ' || conf_lex_peek(l, 0) == '\t') {
		error_at(p, tag.pos, "the section's name must follow '<' at once");
		conf_lex_blanks(l);
	}
	tag.name = conf_lex_name(l);
	if (tag.name.n == 0) {
		error_here(p, "expected the name of a section");
		conf_lex_next_line(l);
		return;
	}
	int c = conf_lex_peek(l, 0);
	if (c != ' ' && c != '\t' && c != '>' && c != '"' && c != '\'' && !conf_lex_at_line_end(l))
		error_here(p, "unexpected character in the name of a section");
	buf_clear(&p->text);
	read_tag(p, &tag);
	if (tag.closes_itself)
		return;
	struct conf_cursor child;
	conf_lex_check(l, tag.arg_pos, buf_span(&p->text), false);
	if (p->text.n && memchr(p->text.p, 0, p->text.n))
		error_at(p, tag.arg_pos, "a 0 byte is not possible in a section's argument");
	if (conf_cursor_open(p->reader, top(p), tag.name, buf_span(&p->text), tag.pos, tag.arg_pos, &child)) {
		p->stack[++p->depth] = child;
		return;
	}
	/* Too deep to go on: the rest of the file would only give mistakes that are none. */
	p->depth = 0;
	l->p = l->end;
}

/* ---- end tags ---- */

static void close_section(struct parser *p, struct span name, struct conf_pos pos)
{
	size_t d = p->depth;
	while (d > 0 && !span_is(name, p->stack[d].section->name))
		d--;
	if (p->depth > 0 && d == p->depth) {
		p->depth--;
		return;
	}
	if (d == 0 && p->guessed && span_is(name, p->guessed)) {
		p->guessed = NULL;
		return;
	}
	if (p->depth == 0) {
		conf_report_add(p->lex.report, CONF_ERROR, pos, "unmatched end tag '</%.*s>': no section is open",
			(int)name.n, (const char *)name.p);
		return;
	}
	const struct conf_section *open = top(p)->section;
	conf_report_add(p->lex.report, CONF_ERROR, pos, "unmatched end tag '</%.*s>': <%s> of line %u is open",
		(int)name.n, (const char *)name.p, open->name, open->pos.line);
	p->guessed = open->name;
	p->depth = d ? d - 1 : p->depth - 1;
}

static void parse_end(struct parser *p)
{
	struct conf_lex *l = &p->lex;
	struct conf_pos pos = conf_lex_pos(l);
	conf_lex_skip(l, 2);
	struct span name = conf_lex_name(l);
	conf_lex_blanks(l);
	if (conf_lex_peek(l, 0) != '>') {
		conf_report_add(l->report, CONF_ERROR, conf_lex_pos(l),
			"expected character in tag name: an end tag is '</%.*s>', without an argument", (int)name.n,
			(const char *)name.p);
		conf_lex_next_line(l);
	} else {
		conf_lex_skip(l, 1);
		line_end(p, "expected end of line after end tag");
	}
	close_section(p, name, pos);
}

/* ---- parameters ---- */

static const char *const reserved[] = {"@type", "@id", "@label", "@log_level", "@include", NULL};

/* '@' names are fluentd's own; those of nested sections (@timestamp in <record>) pass. */
static bool check_reserved(struct parser *p, const char *name, struct conf_pos pos)
{
	static const char *const plugins[] = {"ROOT", "match", "source", "filter", "system", NULL};
	if (name[0] != '@' || is_one_of(name, reserved) || !is_one_of(top(p)->section->name, plugins))
		return true;
	const char *near = conf_nearest(name, reserved);
	conf_report_add(p->lex.report, CONF_ERROR, pos,
		"'@' is the system reserved prefix. Don't use '@' prefix parameter in the configuration: %s%s%s%s",
		name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return false;
}

/* What fluentd takes literally and nobody means literally. */
static void warn_of_traps(struct parser *p, const char *name, const char *value, struct conf_pos pos)
{
	const char *code = strstr(value, "#{"), *placeholder = strstr(value, "${");
	const char *shown = conf_looks_secret(span_str(name)) ? "xxxxxx" : value;
	if (code && !(placeholder && placeholder < code))
		conf_report_add(p->lex.report, CONF_WARNING, pos,
			"#{...} is evaluated in double quotes only: this is taken as the text '%s', as fluentd does",
			shown);
	else if (value[0] == '#' && (value[1] == ' ' || value[1] == '\t' || value[1] == 0))
		conf_report_add(p->lex.report, CONF_WARNING, pos,
			"this is no comment but the value of '%s', as in fluentd: a comment can follow a value only",
			name);
	else if (value[0] == '=' && (value[1] == ' ' || value[1] == 0))
		conf_report_add(p->lex.report, CONF_WARNING, pos,
			"the value of '%s' is taken with the '=', as fluentd does: write '%s %s' without it", name,
			name,
			shown != value ? shown
			: value[1]     ? value + 2
				       : "");
}

static void add_pair(struct parser *p, const char *name, struct conf_pos name_pos, const struct conf_lex_value *value)
{
	if (p->text.failed)
		error_at(p, value->pos, "the value is too long");
	bool ok = conf_lex_check(&p->lex, value->pos, buf_span(&p->text), value->from_code) && !p->text.failed;
	struct conf_pair *pair = conf_cursor_add(p->reader, top(p), span_str(name), buf_span(&p->text));
	pair->kind = value->kind;
	pair->from_code = value->from_code;
	pair->broken = value->broken || !ok;
	pair->name_pos = name_pos;
	pair->value_pos = value->pos;
	conf_reader_refused(p->reader, pair, value);
	if (value->kind == CONF_VALUE_BARE && ok)
		warn_of_traps(p, name, pair->value, value->pos);
}

static void parse_include(struct parser *p, struct conf_pos pos)
{
	struct conf_lex_value value = {.kind = CONF_VALUE_BARE, .pos = conf_lex_pos(&p->lex)};
	int c = conf_lex_peek(&p->lex, 0);
	buf_clear(&p->text);
	if (c == '"' || c == '\'')
		conf_lex_quoted(&p->lex, &p->text, &value);
	else
		buf_put_span(&p->text, conf_lex_bare(&p->lex));
	if (value.broken)
		return;
	struct conf_pos at = value.pos;
	bool usable = value.kind != CONF_VALUE_NIL && value.kind != CONF_VALUE_DEFAULT && p->text.n > 0 &&
		      !memchr(p->text.p, 0, p->text.n) && (c != '#');
	bool ended = line_end(p, "expected end of line");
	if (!usable)
		error_at(p, pos, "@include needs the path of a file");
	else if (ended && conf_lex_check(&p->lex, at, buf_span(&p->text), value.from_code))
		conf_include(p->reader, top(p), span_str(copy(p, buf_span(&p->text))), at);
}

/* The name of a parameter, bare or in quotes; NULL if it is broken (reported, and the next line is being read). */
static const char *parse_key(struct parser *p, struct conf_pos pos)
{
	int c = conf_lex_peek(&p->lex, 0);
	struct span key;
	buf_clear(&p->text);
	if (c == '"' || c == '\'') {
		struct conf_lex_value value;
		conf_lex_quoted(&p->lex, &p->text, &value);
		if (value.broken)
			return NULL;
		key = buf_span(&p->text);
	} else {
		key = conf_lex_word(&p->lex);
	}
	if (conf_lex_check(&p->lex, pos, key, false) && key.n && !memchr(key.p, 0, key.n))
		return copy(p, key);
	if (key.n == 0)
		error_at(p, pos, "expected the name of a parameter");
	conf_lex_next_line(&p->lex);
	return NULL;
}

static void parse_pair(struct parser *p)
{
	struct conf_lex *l = &p->lex;
	struct conf_pos pos = conf_lex_pos(l);
	const char *name = parse_key(p, pos);
	if (!name)
		return;
	conf_lex_blanks(l);
	bool old_include = p->depth == 0 && strcmp(name, "include") == 0 && !conf_lex_at_line_end(l);
	if (old_include)
		conf_report_add(l->report, CONF_WARNING, pos, "'include' is deprecated. Use '@include' instead");
	if (old_include || strcmp(name, "@include") == 0) {
		parse_include(p, pos);
		return;
	}
	bool allowed = check_reserved(p, name, pos);
	struct conf_lex_value value;
	buf_clear(&p->text);
	conf_lex_value(l, &p->text, &value);
	if (!value.broken)
		line_end(p, "expected end of line");
	if (allowed)
		add_pair(p, name, pos, &value);
}

/* ---- the whole file ---- */

/* Whether a <child> within an <open> is a sign that the end of <open> is missing. */
static bool is_strange(const char *open, const char *child)
{
	static const char *const top_only[] = {"source", "system", "worker", NULL};
	static const char *const holders[] = {"label", "worker", NULL};
	static const char *const routes[] = {"match", "filter", NULL};
	if (strcmp(open, "worker") == 0)
		return is_one_of(child, top_only + 1);
	if (strcmp(child, "label") == 0)
		return !is_one_of(open, routes);
	return is_one_of(child, top_only) || (is_one_of(child, routes) && !is_one_of(open, holders));
}

/* Gives the strange sections and what follows them back to the file's own level, so that they are not judged as parts of another one. */
static const struct conf_section *give_back(struct parser *p, struct conf_section *open)
{
	struct conf_section **end = &open->sections, *s = open->sections;
	for (; s && !is_strange(open->name, s->name); s = s->next)
		end = &s->next;
	const struct conf_section *first = s;
	*end = NULL;
	*p->stack[0].section_end = s;
	for (; s; s = s->next) {
		s->parent = p->stack[0].section;
		p->stack[0].section_end = &s->next;
	}
	return first;
}

static void close_at_end(struct parser *p)
{
	const struct conf_section *open = top(p)->section, *strange = NULL;
	for (size_t d = 1; d <= p->depth; d++)
		strange = give_back(p, p->stack[d].section);
	if (strange)
		conf_report_add(p->lex.report, CONF_ERROR, open->pos,
			"expected end tag '</%s>' but got end of file: is it missing before <%s> in line %u?",
			open->name, strange->name, strange->pos.line);
	else
		conf_report_add(p->lex.report, CONF_ERROR, open->pos, "expected end tag '</%s>' but got end of file",
			open->name);
}

/* `config:` alone on the first line is the other syntax under the wrong name. */
static bool is_yaml(const struct conf_lex *start)
{
	struct conf_lex l = *start;
	struct span word = conf_lex_word(&l);
	conf_lex_blanks(&l);
	return (span_is(word, "config:") || span_is(word, "system:")) && conf_lex_at_line_end(&l);
}

static bool text_is_readable(struct conf_reader *r, const char *file, struct span text)
{
	const uint8_t *zero = text.n ? memchr(text.p, 0, text.n) : NULL;
	struct conf_lex l = {text.p, text.p + text.n, file, 1, 1, r->report, &r->env, false};
	if (text.n >= 2 && (memcmp(text.p, "\xff\xfe", 2) == 0 || memcmp(text.p, "\xfe\xff", 2) == 0)) {
		conf_report_add(
			r->report, CONF_ERROR, conf_lex_pos(&l), "this file is UTF-16: please convert it to UTF-8");
		return false;
	}
	if (!zero)
		return true;
	conf_lex_skip(&l, (size_t)(zero - text.p));
	conf_report_add(r->report, CONF_ERROR, conf_lex_pos(&l), "a 0 byte: this is not a text file");
	return false;
}

void conf_parse(struct conf_reader *r, struct conf_cursor *c, const char *file, struct span text)
{
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text = span_of(text.p + 3, text.n - 3);
	if (!text_is_readable(r, file, text))
		return;
	/* Included files recurse into this: the stack of sections is too large for the C stack. */
	struct parser *p = mem_zalloc(sizeof *p);
	p->reader = r;
	p->lex = (struct conf_lex){text.p, text.p + text.n, file, 1, 1, r->report, &r->env, false};
	p->stack[0] = *c;
	buf_init(&p->text, CONF_VALUE_MAX);
	conf_lex_spacing(&p->lex);
	if (is_yaml(&p->lex))
		error_here(p, "this looks like YAML: a YAML configuration needs a name that ends in .yaml or .yml");
	else
		for (; conf_lex_peek(&p->lex, 0) != -1; conf_lex_spacing(&p->lex)) {
			if (conf_lex_peek(&p->lex, 0) != '<')
				parse_pair(p);
			else if (conf_lex_peek(&p->lex, 1) == '/')
				parse_end(p);
			else
				parse_begin(p);
		}
	if (p->depth > 0)
		close_at_end(p);
	*c = p->stack[0];
	buf_free(&p->text);
	mem_free(p);
}
