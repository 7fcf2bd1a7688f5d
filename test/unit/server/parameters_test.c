/*
 * Every parameter of every plugin, parser, formatter and section, from their tables: it takes a good value, shows its default, and says what is wrong with a wrong value, at
 * the value's place. What a plugin's own check says is tested with the plugin.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "conf/conf_reader.h"
#include "format/formatter.h"
#include "parse/parser.h"
#include "plugin.h"
#include "system_conf.h"

#include <inttypes.h>
#include <stdio.h>

#define SCHEMAS_MAX 512

static const struct conf_schema *schemas[SCHEMAS_MAX];
static size_t schema_count, params_seen, failures;

static void meet(const struct conf_schema *schema)
{
	for (size_t i = 0; i < schema_count; i++)
		if (schemas[i] == schema)
			return;
	assert_true(schema_count < SCHEMAS_MAX);
	schemas[schema_count++] = schema;
	for (const struct conf_sub *sub = schema->subs; sub && sub->schema; sub++)
		meet(sub->schema);
}

/* The table of a type, which may have several names. */
static const struct conf_schema *by_first_name(const char *names, const struct conf_schema *(*find)(const char *))
{
	char name[64];
	snprintf(name, sizeof name, "%.*s", (int)strcspn(names, " "), names);
	return find(name);
}

static int meet_all(void **state)
{
	(void)state;
	meet(&system_conf_schema);
	for (const struct plugin *const *p = plugin_list; *p; p++)
		meet((*p)->schema);
	for (size_t i = 0; parser_type_at(i); i++)
		meet(by_first_name(parser_type_at(i), parser_type_schema));
	for (size_t i = 0; formatter_type_at(i); i++)
		meet(by_first_name(formatter_type_at(i), formatter_type_schema));
	return 0;
}

/* ---- values ---------------------------------------------------------------------------------------------------------- */

static int64_t within(const struct conf_param *p, int64_t v)
{
	if ((p->min || p->max) && v < p->min)
		return p->min;
	return p->max && v > p->max ? p->max : v;
}

/* `text`, to be read as it is. */
static void put_quoted(struct buf *out, const char *text)
{
	static const char from[] = "\r\n\t\f\b", to[] = "rntfb";
	buf_put_byte(out, '"');
	for (; *text; text++) {
		const char *escape = strchr(from, *text);
		bool special = strchr("\"\\", *text) || (text[0] == '#' && text[1] == '{');
		buf_printf(out, escape || special ? "\\%c" : "%c", escape ? to[escape - from] : *text);
	}
	buf_put_byte(out, '"');
}

/* A value that the parameter takes, and how it is shown. */
static const char *good_value(const struct conf_param *p, char *text, size_t size, const char **shown)
{
	*shown = text;
	switch (p->type) {
	case CONF_INT:
		snprintf(text, size, "%" PRId64, within(p, 7));
		return text;
	case CONF_SIZE:
		snprintf(text, size, "%" PRId64, within(p, 4099));
		return text;
	case CONF_TIME:
		snprintf(text, size, "%" PRId64 "s", within(p, 7 * NS_PER_S) / NS_PER_S);
		return text;
	case CONF_FLOAT:
		return *shown = "0.5";
	case CONF_BOOL:
		return *shown = p->value && strcmp(p->value, "true") == 0 ? "false" : "true";
	case CONF_ENUM:
		return *shown = p->choices[p->choices[1].name ? 1 : 0].name;
	case CONF_ARRAY:
		*shown = "[\"a\",\"b\"]";
		return "a,b";
	case CONF_HASH:
		*shown = "{\"a\":\"1\"}";
		return "a:1";
	case CONF_REGEXP:
		return *shown = "/x(?<y>.)/i";
	case CONF_BYTES:
		*shown = "\"x\"";
		return "x";
	case CONF_STRING:
	case CONF_IGNORED:
		break;
	}
	return *shown = "some.text";
}

/* A value that is none of the type, and a part of what is said of it; NULL if every text is a value. */
static const char *wrong_value(const struct conf_param *p, const char **why)
{
	switch (p->type) {
	case CONF_STRING:
		*why = "a 0 byte is not possible here";
		return "\"a\\0b\"";
	case CONF_INT:
		*why = "'many' is not an integer (fluentd would take it as 0)";
		return "many";
	case CONF_FLOAT:
		*why = "'much' is not a number (fluentd would take it as 0)";
		return "much";
	case CONF_BOOL:
		*why = "'perhaps' is neither true nor false";
		return "perhaps";
	case CONF_SIZE:
		*why = "'10p' has no unit that is known, and is not a size such as 512k, 8m or 1g (fluentd would take "
		       "it as 10)";
		return "10p";
	case CONF_TIME:
		*why = "'soon' is not a time such as 5s, 10m or 1h (fluentd would take it as 0 s)";
		return "soon";
	case CONF_ENUM:
		*why = "valid options are ";
		return "none-of-them";
	case CONF_ARRAY:
		*why = "";
		return "'[\"a\"'";
	case CONF_HASH:
		*why = "";
		return "'{\"a\"'";
	default:
		return NULL;
	}
}

/* ---- a section with one parameter, and what it gives --------------------------------------------------------------------- */

struct made {
	struct conf_schema schema; /* of the parameter's table, without its own checks and sub-sections */
	struct conf_report report;
	struct conf_tree *tree;
	void *conf;
	struct buf shown;
};

static void make(struct made *m, const struct conf_schema *schema, const char *name, const char *value)
{
	struct conf_expr_env env = {.no_files = true};
	struct conf_rules rules = {.strict = true};
	struct buf text;
	char good[64];
	const char *shown;
	*m = (struct made){.schema = *schema};
	m->schema.check = NULL;
	m->schema.subs = NULL;
	buf_init(&text, 1 << 20);
	buf_printf(&text, "<%s>\n", schema->name);
	if (name)
		buf_printf(&text, "%s %s\n", name, value);
	for (const struct conf_param *p = schema->params; p->name; p++)
		if (p->required && (!name || strcmp(p->name, name) != 0))
			buf_printf(&text, "%s %s\n", p->name, good_value(p, good, sizeof good, &shown));
	buf_printf(&text, "</%s>\n", schema->name);
	conf_report_init(&m->report);
	m->tree = conf_tree_read_text("t", buf_span(&text), &env, &m->report);
	m->conf = conf_make(&m->schema, conf_tree_root(m->tree)->sections, &rules, &m->report);
	buf_init(&m->shown, 1 << 20);
	conf_show(&m->schema, m->conf, &m->shown, 0);
	buf_free(&text);
}

static void unmake(struct made *m)
{
	conf_free(&m->schema, m->conf);
	conf_tree_free(m->tree);
	conf_report_free(&m->report);
	buf_free(&m->shown);
}

/* What is shown for a parameter: its value without what comes behind; "" if it is not set; NULL if it is not shown. */
static const char *shown_value(struct made *m, const char *name, char *text, size_t size)
{
	char begin[128];
	snprintf(begin, sizeof begin, "\n  # %s is not set ", name);
	if (strstr(buf_cstr(&m->shown), begin))
		return "";
	snprintf(begin, sizeof begin, "\n  %s ", name);
	const char *at = strstr(buf_cstr(&m->shown), begin);
	if (!at)
		return NULL;
	at += strlen(begin);
	/* The place stands behind the last # of the line. */
	size_t n = strcspn(at, "\n");
	while (n && at[n - 1] != '#')
		n--;
	while (n && (at[n - 1] == '#' || at[n - 1] == ' '))
		n--;
	snprintf(text, size, "%.*s", (int)n, at);
	return text;
}

static void fail_param(const struct made *m, const char *name, const char *what, const char *got)
{
	failures++;
	print_error("<%s> %s, %s: %s: %s\n", m->schema.name, m->schema.title ? m->schema.title : "", name, what,
		got ? got : "nothing");
	for (size_t i = 0; i < m->report.n; i++)
		print_error("  %u:%u %s\n", m->report.v[i].pos.line, m->report.v[i].pos.column, m->report.v[i].text);
}

/* ---- the three things, for each parameter ----------------------------------------------------------------------------------- */

static bool has_value(const struct conf_param *p)
{
	return p->type != CONF_IGNORED && (p->support == CONF_HONOURED || p->support == CONF_DEPRECATED);
}

/* A good value is taken without a word, under each of its names. */
static void check_good(const struct conf_schema *schema, const struct conf_param *p, const char *name)
{
	char good[64], text[512];
	const char *shown;
	struct made m;
	const char *value = good_value(p, good, sizeof good, &shown);
	make(&m, schema, name, value);
	size_t warnings = p->support == CONF_DEPRECATED;
	const char *got = shown_value(&m, p->name, text, sizeof text);
	if (m.report.n != warnings)
		fail_param(&m, name, "a good value is not taken", value);
	else if (p->type == CONF_SIZE ? !got || !*got : !got || strcmp(got, p->secret ? "xxxxxx" : shown) != 0)
		fail_param(&m, name, "a good value is shown as", got);
	else if (!strstr(buf_cstr(&m.shown), "# t:2\n"))
		fail_param(&m, name, "its place is not shown", buf_cstr(&m.shown));
	unmake(&m);
}

/* The default is what the same text in a file means. */
static void check_default(const struct conf_schema *schema, const struct conf_param *p)
{
	struct made none, given;
	struct buf value;
	char text[2][4096];
	if (p->support == CONF_DEPRECATED || p->required)
		return;
	make(&none, schema, NULL, NULL);
	const char *shown = shown_value(&none, p->name, text[0], sizeof text[0]);
	if (none.report.n)
		fail_param(&none, p->name, "defaults alone give findings", "");
	if (!p->value && (!shown || (*shown && p->type != CONF_BOOL)))
		fail_param(&none, p->name, "it has no default, but is shown as", shown);
	buf_init(&value, 1 << 16);
	if (p->value) {
		put_quoted(&value, p->value);
		make(&given, schema, p->name, buf_cstr(&value));
		const char *again = shown_value(&given, p->name, text[1], sizeof text[1]);
		if (given.report.n || !shown || !again || strcmp(shown, again) != 0)
			fail_param(&given, p->name, "the default is not what its text means", shown);
		unmake(&given);
	}
	buf_free(&value);
	unmake(&none);
}

static bool is_told(const struct made *m, const struct conf_param *p, const char *why)
{
	char want[256];
	const struct conf_finding *f = m->report.v;
	snprintf(want, sizeof want, "%s: %s", p->name, p->secret ? "this is not a possible value" : why);
	return m->report.n == 1 && f->severity == CONF_ERROR && f->pos.line == 2 &&
	       f->pos.column == strlen(p->name) + 2 && strncmp(f->text, want, strlen(want)) == 0;
}

/* A wrong value is an error at its place, and the default stays. */
static void check_wrong(const struct conf_schema *schema, const struct conf_param *p)
{
	const char *why = "", *value = wrong_value(p, &why);
	struct made m;
	if (!value)
		return;
	make(&m, schema, p->name, value);
	/* What is deprecated is warned of as well. */
	if (p->support == CONF_HONOURED && !is_told(&m, p, why))
		fail_param(&m, p->name, "a wrong value gives something else than", why);
	if (m.report.errors != 1)
		fail_param(&m, p->name, "a wrong value is no error", value);
	unmake(&m);
}

static void check_range(const struct conf_schema *schema, const struct conf_param *p)
{
	bool low = p->min || p->positive, high = p->max;
	char value[64];
	for (int i = 0; i < 2; i++) {
		struct made m;
		int64_t v = i ? p->max : p->positive ? 1 : p->min;
		if (!(i ? high : low) || p->type == CONF_FLOAT || v == INT64_MAX || v == INT64_MIN)
			continue;
		v += i ? 1 : -1;
		if (p->type == CONF_TIME)
			snprintf(value, sizeof value, "%.9f", (double)v / (double)NS_PER_S);
		else
			snprintf(value, sizeof value, "%" PRId64, v);
		/* A double cannot tell a nanosecond in a century. */
		if (p->type == CONF_TIME && v > INT64_C(1) << 52)
			continue;
		make(&m, schema, p->name, value);
		if (m.report.errors != 1 || (!strstr(m.report.v[m.report.n - 1].text, "' must be ") && v >= 0))
			fail_param(&m, p->name, "a value out of range is taken", value);
		unmake(&m);
	}
}

/* What fluentd has and weir does not: a note, a warning or an error, at its name. */
static void check_unsupported(const struct conf_schema *schema, const struct conf_param *p)
{
	static const struct {
		enum conf_severity severity;
		const char *text;
	} want[] = {
		[CONF_NOT_USED] = {CONF_NOTE, "'%s' has no effect"},
		[CONF_NOT_POSSIBLE] = {CONF_ERROR, "'%s' is not possible with weir"},
		[CONF_REMOVED] = {CONF_ERROR, "'%s' parameter is already removed"},
		[CONF_DEPRECATED] = {CONF_WARNING, "'%s' parameter is deprecated"},
		[CONF_MOVED] = {CONF_NOTE, NULL},
	};
	char text[256];
	struct made m;
	snprintf(text, sizeof text, "%s%s", p->name, p->numbered ? "7" : "");
	make(&m, schema, text, "x");
	snprintf(text, sizeof text, want[p->support].text ? want[p->support].text : "%s", p->name);
	if (p->support == CONF_MOVED || (p->support == CONF_HONOURED && p->type == CONF_IGNORED)) {
		if (m.report.n)
			fail_param(&m, p->name, "it is told of twice", "");
	} else if (m.report.n != 1 || m.report.v[0].severity != want[p->support].severity ||
		   m.report.v[0].pos.column != 1 || strncmp(m.report.v[0].text, text, strlen(text)) != 0) {
		fail_param(&m, p->name, "instead of a finding there is", "this");
	} else if (!p->instead) {
		fail_param(&m, p->name, "nothing is said of what to do instead", "");
	}
	unmake(&m);
}

static void check_param(const struct conf_schema *schema, const struct conf_param *p)
{
	params_seen++;
	if (!has_value(p)) {
		check_unsupported(schema, p);
		return;
	}
	struct made m = {.schema = *schema};
	if (!p->help && p->support != CONF_DEPRECATED)
		fail_param(&m, p->name, "it has no help", "");
	check_good(schema, p, p->name);
	for (const char *old = p->old; old && *old; old += strspn(old, " ")) {
		char name[128];
		size_t n = strcspn(old, " ");
		snprintf(name, sizeof name, "%.*s", (int)n, old);
		check_good(schema, p, name);
		old += n;
	}
	check_default(schema, p);
	check_wrong(schema, p);
	check_range(schema, p);
}

static void test_every_parameter(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_count; i++)
		for (const struct conf_param *p = schemas[i]->params; p && p->name; p++)
			check_param(schemas[i], p);
	print_message("%zu parameters in %zu tables\n", params_seen, schema_count);
	assert_int_equal(failures, 0);
	assert_true(params_seen > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_parameter),
	};
	return cmocka_run_group_tests(tests, meet_all, NULL);
}
