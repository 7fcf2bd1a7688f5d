/* formatter_types.c: each type of formatter: its table, what it makes of its parameters, how it writes. */
#include "format/formatter_impl.h"

#include "base/mem.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "record/ruby_text.h"

#include <inttypes.h>
#include <stddef.h>

/* ---- tables ---- */

#define AT(field) .offset = offsetof(struct formatter_conf, field)

static const struct conf_choice newlines[] = {{"lf", NEWLINE_LF}, {"crlf", NEWLINE_CRLF}, {NULL, 0}};
static const struct conf_choice time_types[] = {
	{"string", TIME_STRING}, {"unixtime", TIME_UNIXTIME}, {"float", TIME_FLOAT}, {NULL, 0}};

#define NEWLINE                                                                                        \
	{                                                                                              \
		.name = "newline", .type = CONF_ENUM, AT(newline), .value = "lf", .choices = newlines, \
		.help = "The line end."                                                                \
	}
#define ADD_NEWLINE                                                                         \
	{                                                                                   \
		.name = "add_newline", .type = CONF_BOOL, AT(add_newline), .value = "true", \
		.help = "A line end behind each event."                                     \
	}
#define TIMES                                                                                                          \
	{.name = "time_type",                                                                                          \
		.type = CONF_ENUM,                                                                                     \
		AT(time_type),                                                                                         \
		.value = "string",                                                                                     \
		.choices = time_types,                                                                                 \
		.help = "Text, seconds since 1970, or seconds with a fraction."},                                      \
		{.name = "time_format",                                                                                \
			.type = CONF_STRING,                                                                           \
			AT(time_format),                                                                               \
			.help = "The form of the time in strftime directives. Not set: ISO 8601, for `stdout` with a " \
				"fraction."},                                                                          \
		{.name = "localtime",                                                                                  \
			.type = CONF_BOOL,                                                                             \
			AT(localtime),                                                                                 \
			.value = "true",                                                                               \
			.help = "In the machine's zone; false: in UTC."},                                              \
		{.name = "utc", .type = CONF_BOOL, AT(utc), .value = "false", .help = "In UTC."},                      \
	{                                                                                                              \
		.name = "timezone", .type = CONF_STRING, AT(timezone), .help = "In this zone: `+09:00`, `Asia/Tokyo`." \
	}
#define END                  \
	{                    \
		.name = NULL \
	}

#define SCHEMA(NAME, TITLE, HELP)                         \
	static const struct conf_schema NAME##_schema = { \
		.name = "format",                         \
		.title = (TITLE),                         \
		.size = sizeof(struct formatter_conf),    \
		.params = NAME##_params,                  \
		.help = (HELP),                           \
	}

static const struct conf_param json_params[] = {
	TIMES,
	NEWLINE,
	ADD_NEWLINE,
	{.name = "json_parser",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "weir has one JSON writer of its own"},
	END,
};
SCHEMA(json, "json formatter", "The record as JSON.");

static const struct conf_param out_file_params[] = {
	TIMES,
	NEWLINE,
	{.name = "output_time", .type = CONF_BOOL, AT(output_time), .value = "true", .help = "The time comes first."},
	{.name = "output_tag", .type = CONF_BOOL, AT(output_tag), .value = "true", .help = "Then the tag."},
	{.name = "delimiter",
		.type = CONF_STRING,
		AT(delimiter),
		.value = "TAB",
		.help = "Between them: SPACE, COMMA, or else a tab."},
	END,
};
SCHEMA(out_file, "out_file formatter", "Time, tag and the record as JSON.");

static const struct conf_param single_value_params[] = {
	TIMES,
	NEWLINE,
	ADD_NEWLINE,
	{.name = "message_key", .type = CONF_STRING, AT(message_key), .value = "message", .help = "The field."},
	END,
};
SCHEMA(single_value, "single_value formatter", "One field.");

static const struct conf_param ltsv_params[] = {
	TIMES,
	NEWLINE,
	ADD_NEWLINE,
	{.name = "delimiter", .type = CONF_STRING, AT(delimiter), .value = "\t", .help = "Between fields."},
	{.name = "label_delimiter",
		.type = CONF_STRING,
		AT(label_delimiter),
		.value = ":",
		.help = "Between name and value."},
	{.name = "replacement",
		.type = CONF_STRING,
		AT(replacement),
		.value = " ",
		.help = "Stands in values for the delimiter."},
	END,
};
SCHEMA(ltsv, "ltsv formatter", "Labelled tab-separated values.");

static const struct conf_param csv_params[] = {
	TIMES,
	ADD_NEWLINE,
	{.name = "fields", .type = CONF_ARRAY, AT(keys), .required = true, .help = "The fields (record accessors)."},
	{.name = "delimiter",
		.type = CONF_STRING,
		AT(delimiter),
		.value = ",",
		.help = "Between fields; `\\t` and TAB are a tab."},
	{.name = "force_quotes",
		.type = CONF_BOOL,
		AT(force_quotes),
		.value = "true",
		.help = "Quotes around every field; false: where they are needed."},
	END,
};
SCHEMA(csv, "csv formatter", "Comma-separated values.");

static const struct conf_param tsv_params[] = {
	TIMES,
	NEWLINE,
	ADD_NEWLINE,
	{.name = "keys", .type = CONF_ARRAY, AT(keys), .required = true, .help = "The fields."},
	{.name = "delimiter", .type = CONF_STRING, AT(delimiter), .value = "\t", .help = "Between fields."},
	END,
};
SCHEMA(tsv, "tsv formatter", "Tab-separated values.");

static const struct conf_param hash_params[] = {TIMES, NEWLINE, ADD_NEWLINE, END};
SCHEMA(hash, "hash formatter", "The record as Ruby prints a Hash: {\"a\"=>1}.");

static const struct conf_param msgpack_params[] = {TIMES, END};
SCHEMA(msgpack, "msgpack formatter", "The record as msgpack.");

static const struct conf_param stdout_params[] = {
	TIMES,
	{.name = "output_type",
		.type = CONF_STRING,
		AT(output_type),
		.value = "json",
		.help = "The formatter of the record; its parameters may stand here too."},
	END,
};
static const struct conf_schema stdout_schema = {
	.name = "format",
	.title = "stdout formatter",
	.size = sizeof(struct formatter_conf),
	.params = stdout_params,
	.free_keys = true, /* of the formatter within, and of what it stands in */
	.free_sections = true,
	.help = "Time, tag and the record in another form.",
};

const struct conf_schema formatter_section_schema = {
	.name = "format",
	.title = "formatter",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.shown_by_other = true,
	.help = "How events are written: `@type` and the parameters of that formatter.",
};

/* ---- writing ---- */

static void put_json(struct span record, struct buf *out)
{
	const uint8_t *p = record.p;
	if (!json_put(out, &p, record.p + record.n, MP_DEPTH_LIMIT))
		out->failed = true;
}

static void json_format(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	(void)tag;
	(void)time;
	put_json(record, out);
	buf_put_span(out, f->line_end);
}

static void put_time(const struct formatter *f, struct event_time t, struct buf *out)
{
	switch (f->conf->time_type) {
	case TIME_UNIXTIME:
		buf_printf(out, "%" PRId64, t.sec);
		break;
	case TIME_FLOAT:
		buf_printf(out, "%" PRId64 ".%09" PRIu32, t.sec, t.nsec);
		break;
	default:
		time_writer_put(&f->time, t, out);
	}
}

static void out_file_format(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	if (f->conf->output_time) {
		put_time(f, time, out);
		buf_put_span(out, f->delimiter);
	}
	if (f->conf->output_tag) {
		buf_put_span(out, tag);
		buf_put_span(out, f->delimiter);
	}
	put_json(record, out);
	buf_put_span(out, f->line_end);
}

static void put_value(struct span value, struct buf *out)
{
	if (value.n && !ruby_to_s(out, value))
		out->failed = true;
}

static void single_value_format(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	(void)tag;
	(void)time;
	put_value(mp_map_get(record, span_str(f->conf->message_key)), out);
	buf_put_span(out, f->line_end);
}

/* Ruby's gsub of the delimiter in what has been written from offset `from` on. */
static void replace_from(struct buf *out, size_t from, struct span what, const char *with)
{
	struct buf copy;
	if (out->failed || !what.n || !memmem(out->p + from, out->n - from, what.p, what.n))
		return;
	buf_init(&copy, out->max);
	buf_put(&copy, out->p + from, out->n - from);
	out->n = from;
	for (struct span rest = buf_span(&copy); rest.n;) {
		const uint8_t *at = memmem(rest.p, rest.n, what.p, what.n);
		size_t n = at ? (size_t)(at - rest.p) : rest.n;
		buf_put(out, rest.p, n);
		if (at)
			buf_put_str(out, with);
		n += at ? what.n : 0;
		rest = span_of(rest.p + n, rest.n - n);
	}
	out->failed = out->failed || copy.failed;
	buf_free(&copy);
}

static void ltsv_format(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	const uint8_t *p = record.p, *end = p + record.n;
	struct mp_token map;
	(void)tag;
	(void)time;
	if (mp_read(&p, end, &map) != MP_OK)
		return;
	for (uint32_t i = 0; i < map.count && !out->failed; i++) {
		size_t key = mp_length(p, end);
		struct span value = span_of(p + key, mp_length(p + key, end));
		if (i)
			buf_put_span(out, f->delimiter);
		put_value(span_of(p, key), out);
		buf_put_str(out, f->conf->label_delimiter);
		size_t from = out->n;
		put_value(value, out);
		replace_from(out, from, f->delimiter, f->conf->replacement);
		p = value.p + value.n;
	}
	buf_put_span(out, f->line_end);
}

static void tsv_format(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	const struct conf_array *keys = &f->conf->keys;
	(void)tag;
	(void)time;
	for (size_t i = 0; i < keys->n; i++) {
		if (i)
			buf_put_span(out, f->delimiter);
		put_value(mp_map_get(record, span_str(keys->v[i])), out);
	}
	buf_put_span(out, f->line_end);
}

/* Quotes around what was written from offset `from` on, and doubled within. */
static void quote_from(struct buf *out, size_t from)
{
	size_t quotes = 2, n;
	for (size_t i = from; i < out->n; i++)
		quotes += out->p[i] == '"';
	if (out->failed || !buf_reserve(out, quotes))
		return;
	n = out->n + quotes;
	out->p[--n] = '"';
	for (size_t i = out->n; i-- > from;) {
		out->p[--n] = out->p[i];
		if (out->p[i] == '"')
			out->p[--n] = '"';
	}
	out->p[--n] = '"';
	out->n += quotes;
}

static bool needs_quotes(const struct formatter *f, struct span text)
{
	if (!text.n || memmem(text.p, text.n, f->delimiter.p, f->delimiter.n))
		return true;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '"' || text.p[i] == '\r' || text.p[i] == '\n')
			return true;
	return false;
}

static void csv_format(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	(void)tag;
	(void)time;
	for (size_t i = 0; f->paths[i] && !out->failed; i++) {
		struct span value = record_path_get(f->paths[i], record);
		bool null = !value.n || *value.p == 0xc0;
		if (i)
			buf_put_span(out, f->delimiter);
		size_t from = out->n;
		put_value(value, out);
		if (f->conf->force_quotes ||
			(!null && !out->failed && needs_quotes(f, span_of(out->p + from, out->n - from))))
			quote_from(out, from);
	}
	buf_put_span(out, f->line_end);
}

static void hash_format(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	(void)tag;
	(void)time;
	put_value(record, out);
	buf_put_span(out, f->line_end);
}

static void msgpack_format(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	(void)f;
	(void)tag;
	(void)time;
	buf_put_span(out, record);
}

static void stdout_format(
	const struct formatter *f, struct span tag, struct event_time time, struct span record, struct buf *out)
{
	time_writer_put(&f->time, time, out);
	buf_put_byte(out, ' ');
	buf_put_span(out, tag);
	buf_put_str(out, ": ");
	size_t from = out->n;
	f->inner->type->put(f->inner, tag, time, record, out);
	if (out->n > from && out->p[out->n - 1] == '\n')
		out->n--;
	if (out->n > from && out->p[out->n - 1] == '\r')
		out->n--;
	buf_put_byte(out, '\n');
}

/* ---- making ---- */

static bool create_out_file(struct formatter *f, const struct conf_rules *rules, struct conf_report *report)
{
	const char *d = f->conf->delimiter;
	(void)rules;
	(void)report;
	f->line_end = f->conf->newline == NEWLINE_CRLF ? SPAN_LIT("\r\n") : SPAN_LIT("\n");
	f->delimiter = strcasestr(d, "space") ? SPAN_LIT(" ") : strcasestr(d, "comma") ? SPAN_LIT(",") : SPAN_LIT("\t");
	return true;
}

static bool create_csv(struct formatter *f, const struct conf_rules *rules, struct conf_report *report)
{
	const struct conf_array *fields = &f->conf->keys;
	const char *d = f->conf->delimiter;
	size_t n = 0;
	(void)rules;
	if (strcmp(d, "\\t") == 0 || strcmp(d, "TAB") == 0)
		f->delimiter = SPAN_LIT("\t");
	f->paths = mem_array(fields->n + 1, sizeof(void *));
	f->paths[0] = NULL;
	for (size_t i = 0; i < fields->n; i++) {
		struct err err;
		if (!*fields->v[i])
			continue;
		f->paths[n] = record_path_compile(fields->v[i], &err);
		if (!f->paths[n]) {
			conf_report_add(report, CONF_ERROR, conf_where(f->conf, "fields"), "fields: %s", err.text);
			return false;
		}
		f->paths[++n] = NULL;
	}
	if (!n)
		conf_report_add(report, CONF_ERROR, conf_where(f->conf, "fields"),
			"empty value is specified in fields parameter");
	return n > 0;
}

static bool create_stdout(struct formatter *f, const struct conf_rules *rules, struct conf_report *report)
{
	const char *type = f->conf->output_type;
	if (strcmp(type, "stdout") == 0) {
		conf_report_add(report, CONF_ERROR, conf_where(f->conf, "output_type"), "stdout cannot hold itself");
		return false;
	}
	if (!f->conf->time_format)
		f->time.format = "%Y-%m-%d %H:%M:%S.%N %z";
	f->inner = formatter_make_type(
		f->conf->common.section, type, conf_where(f->conf, "output_type"), false, rules, report);
	return f->inner != NULL;
}

const struct formatter_type formatter_types[] = {
	{"json", &json_schema, NULL, json_format},
	{"out_file", &out_file_schema, create_out_file, out_file_format},
	{"single_value", &single_value_schema, NULL, single_value_format},
	{"ltsv", &ltsv_schema, NULL, ltsv_format},
	{"csv", &csv_schema, create_csv, csv_format},
	{"tsv", &tsv_schema, NULL, tsv_format},
	{"hash", &hash_schema, NULL, hash_format},
	{"msgpack", &msgpack_schema, NULL, msgpack_format},
	{"stdout", &stdout_schema, create_stdout, stdout_format},
	{.name = NULL},
};

bool formatter_is_stdout(const struct formatter_type *t)
{
	return t->put == stdout_format;
}

bool formatter_is_binary(const struct formatter *f)
{
	return f->type->put == msgpack_format;
}
