#include "format/formatter.h"

#include "base/mem.h"
#include "format/formatter_impl.h"

static const struct formatter_type *find_type(const char *name)
{
	for (const struct formatter_type *t = formatter_types; t->name; t++)
		if (strcmp(t->name, name) == 0)
			return t;
	return NULL;
}

const struct conf_schema *formatter_type_schema(const char *type)
{
	const struct formatter_type *t = find_type(type);
	return t ? t->schema : NULL;
}

const char *formatter_type_at(size_t i)
{
	return formatter_types[i].name;
}

const char *formatter_type_name(const struct formatter *f)
{
	return f->type->name;
}

static void unknown_type(const char *name, struct conf_pos pos, struct conf_report *report)
{
	const char *names[32];
	size_t n = 0;
	for (const struct formatter_type *t = formatter_types; t->name && n < 31; t++)
		names[n++] = t->name;
	names[n] = NULL;
	const char *near = conf_nearest(name, names);
	conf_report_add(report, CONF_ERROR, pos,
		near ? "Unknown formatter plugin '%s': did you mean '%s'?"
		     : "Unknown formatter plugin '%s': json, out_file, single_value, ltsv, csv, tsv, hash, msgpack, "
		       "stdout",
		name, near);
}

static bool knows(const struct conf_schema *schema, const char *name)
{
	for (const struct conf_param *p = schema->params; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return true;
	return false;
}

/* A section of its own from those pairs of `s` that the type knows. */
static const struct conf_section *flat_section(struct formatter *f, const struct conf_section *s)
{
	size_t n = 0;
	for (const struct conf_pair *i = s ? s->pairs : NULL; i; i = i->next)
		n++;
	f->own_pairs = mem_array(n + 1, sizeof *f->own_pairs);
	f->own_section = mem_zalloc(sizeof *f->own_section);
	n = 0;
	for (const struct conf_pair *i = s ? s->pairs : NULL; i; i = i->next)
		if (knows(f->type->schema, i->name))
			f->own_pairs[n++] = *i;
	for (size_t i = 0; i < n; i++)
		f->own_pairs[i].next = i + 1 < n ? &f->own_pairs[i + 1] : NULL;
	*f->own_section = (struct conf_section){.name = "format", .arg = "", .pairs = n ? f->own_pairs : NULL};
	if (s) {
		f->own_section->pos = s->pos;
		f->own_section->arg_pos = s->arg_pos;
		f->own_section->parent = s->parent;
	}
	return f->own_section;
}

static bool make(
	struct formatter *f, const struct conf_section *s, const struct conf_rules *rules, struct conf_report *report)
{
	size_t errors = report->errors;
	const struct conf_schema *schema = f->type->schema;
	struct err err;
	f->conf = conf_make(schema, s, rules, report);
	const struct formatter_conf *c = f->conf;
	bool local_given = conf_is_given(schema, c, "localtime"), utc_given = conf_is_given(schema, c, "utc");
	if (local_given && utc_given && c->localtime == c->utc)
		conf_report_add(report, CONF_ERROR, conf_where(c, "utc"),
			"both of utc and localtime are specified, use only one of them");
	if (report->errors != errors)
		return false;
	if (!time_writer_init(&f->time, c->time_format, c->localtime && !c->utc, c->timezone, &err)) {
		conf_report_add(report, CONF_ERROR, conf_where(c, "timezone"), "%s", err.text);
		return false;
	}
	if (c->add_newline)
		f->line_end = c->newline == NEWLINE_CRLF ? SPAN_LIT("\r\n") : SPAN_LIT("\n");
	f->delimiter = span_str(c->delimiter);
	return !f->type->create || f->type->create(f, rules, report);
}

struct formatter *formatter_make_type(const struct conf_section *s, const char *name, struct conf_pos pos, bool all,
	const struct conf_rules *rules, struct conf_report *report)
{
	const struct formatter_type *type = find_type(name);
	if (!type) {
		unknown_type(name, pos, report);
		return NULL;
	}
	struct formatter *f = mem_zalloc(sizeof *f);
	f->type = type;
	/* The parameters of the formatter within stdout stand beside its own. */
	if (make(f, all || formatter_is_stdout(type) ? s : flat_section(f, s), rules, report))
		return f;
	formatter_free(f);
	return NULL;
}

struct formatter *formatter_make(const struct conf_section *section, const char *default_type,
	const struct conf_rules *rules, struct conf_report *report)
{
	const struct conf_section *s = section;
	bool own = s && strcmp(s->name, "format") == 0;
	for (const struct conf_section *i = s && !own ? s->sections : NULL; i && !own; i = i->next)
		if (strcmp(i->name, "format") == 0) {
			s = i;
			own = true;
		}
	const struct conf_pair *type = s ? conf_section_get(s, own ? "@type" : "format") : NULL;
	if (!type && own)
		type = conf_section_get(s, "type");
	struct formatter *f = formatter_make_type(s, type ? type->value : default_type,
		type ? type->value_pos
		: s  ? s->pos
		     : (struct conf_pos){0},
		own, rules, report);
	if (f)
		f->type_pair = type;
	return f;
}

void formatter_show(const struct formatter *f, struct buf *out, unsigned indent)
{
	conf_show_type(f->type->name, f->type_pair, out, indent);
	conf_show_params(f->type->schema, f->conf, out, indent);
}

void formatter_free(struct formatter *f)
{
	if (!f)
		return;
	for (size_t i = 0; f->paths && f->paths[i]; i++)
		record_path_free(f->paths[i]);
	mem_free(f->paths);
	formatter_free(f->inner);
	conf_free(f->type->schema, f->conf);
	mem_free(f->own_section);
	mem_free(f->own_pairs);
	mem_free(f);
}

bool formatter_put(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	bool map = record.n && ((*record.p & 0xf0) == 0x80 || *record.p == 0xde || *record.p == 0xdf);
	if (!map || out->failed)
		return false;
	f->type->put(f, tag, time, record, out);
	return !out->failed;
}
