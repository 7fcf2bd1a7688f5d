#include "http_events.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "entry.h"
#include "forward/inflate.h"
#include "http/http_deflate.h"
#include "http/http_form.h"
#include "record/json_get.h"
#include "record/msgpack_scan.h"

#include <ctype.h>
#include <stdlib.h>

#define DEPTH	       64u
#define ENTRIES_MAX    (1u << 30)
#define PARAM_NAME_MAX 4096u /* bytes of a parameter's name */

/* The parameters of query and form that matter; p NULL: it is not there. */
struct params {
	struct span json, ndjson, msgpack, time;
	struct arena arena; /* decoded values */
};

struct reading {
	const struct http_reader *reader;
	const struct http_request *request;
	struct event_time now, time; /* `time`: of the parameter */
	bool has_time;
	struct params params;
	struct added added;
	struct http_events *out;
	struct span text; /* that is being read: kept if it is bad */
};

/* ---- what is wrong ------------------------------------------------------------------------------------------------------- */

static void fail(struct reading *x, unsigned status, const char *why)
{
	if (x->out->status)
		return;
	x->out->status = status;
	x->out->why = why;
}

/* One event of several: the others go on. */
static void bad(struct reading *x, const char *reason, const char *why, struct span bytes)
{
	if (!x->out->why)
		x->out->why = why;
	if (!bad_events_add(&x->out->bad, reason, bytes))
		fail(x, 503, "no memory: send it again");
}

/* ---- parameters ---------------------------------------------------------------------------------------------------------------- */

static void set_param(struct params *p, struct span name, struct span value)
{
	struct {
		const char *name;
		struct span *at;
	} known[] = {{"json", &p->json}, {"ndjson", &p->ndjson}, {"msgpack", &p->msgpack}, {"time", &p->time}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (span_is(name, known[i].name))
			*known[i].at = value.p ? value : SPAN_LIT("");
}

static void read_form(struct reading *x, struct span form)
{
	struct buf name, value;
	enum http_field f;
	buf_init(&name, PARAM_NAME_MAX);
	buf_init(&value, form.n + 1);
	while ((f = http_form_next(&form, &name, &value)) == HTTP_FIELD) {
		/* An empty value is one as well: span_of(NULL) would be none. */
		void *copy = arena_copy(&x->params.arena, value.n ? value.p : (const uint8_t *)"", value.n);
		if (copy)
			set_param(&x->params, buf_span(&name), span_of(copy, value.n));
		else
			fail(x, 503, "no memory: send it again");
	}
	if (f == HTTP_FIELD_BAD)
		fail(x, 400, "invalid data of application/x-www-form-urlencoded");
	buf_free(&name);
	buf_free(&value);
}

static void read_multipart(struct reading *x, struct span body, struct span boundary)
{
	struct span name, content;
	enum http_field f;
	while ((f = http_multipart_next(&body, boundary, &name, &content)) == HTTP_FIELD)
		set_param(&x->params, name, content);
	if (f == HTTP_FIELD_BAD)
		fail(x, 400, "invalid data of multipart/form-data");
}

bool http_events_in_query(const struct http_request *r)
{
	struct span query = r->query;
	struct buf name, value;
	bool found = false;
	buf_init(&name, PARAM_NAME_MAX);
	buf_init(&value, query.n + 1);
	while (!found && http_form_next(&query, &name, &value) == HTTP_FIELD) {
		struct span n = buf_span(&name);
		found = span_is(n, "json") || span_is(n, "ndjson") || span_is(n, "msgpack");
	}
	buf_free(&name);
	buf_free(&value);
	return found;
}

static bool begins(struct span s, const char *with)
{
	size_t n = strlen(with);
	return s.n >= n && memcmp(s.p, with, n) == 0;
}

static void read_params(struct reading *x, struct span body)
{
	struct span type = http_request_header(x->request, "content-type");
	struct span boundary = http_multipart_boundary(type);
	read_form(x, x->request->query);
	if (x->reader->parser)
		return;
	if (begins(type, "application/x-www-form-urlencoded"))
		read_form(x, body);
	else if (boundary.n)
		read_multipart(x, body, boundary);
	else if (begins(type, "application/json") || begins(type, "application/csp-report"))
		x->params.json = body.p ? body : SPAN_LIT("");
	else if (begins(type, "application/msgpack"))
		x->params.msgpack = body.p ? body : SPAN_LIT("");
	else if (begins(type, "application/x-ndjson"))
		x->params.ndjson = body.p ? body : SPAN_LIT("");
}

/* ---- fields that are added -------------------------------------------------------------------------------------------------------- */

/* PREFIX and the name in capitals, with _ for -. */
static bool put_key(struct buf *b, const char *prefix, struct span name)
{
	size_t n = strlen(prefix);
	if (!mp_put_str_head(b, n + name.n) || !buf_put(b, prefix, n) || !buf_reserve(b, name.n))
		return false;
	for (size_t i = 0; i < name.n; i++)
		b->p[b->n++] = name.p[i] == '-' ? '_' : (uint8_t)toupper(name.p[i]);
	return true;
}

static bool came_before(const struct http_request *r, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (http_same_word(r->headers[j].name, r->headers[i].name))
			return true;
	return false;
}

/* A header that came several times becomes an array. */
static bool put_header(struct buf *b, const struct http_request *r, unsigned first)
{
	uint32_t same = 0;
	for (unsigned i = first; i < r->header_count; i++)
		same += http_same_word(r->headers[i].name, r->headers[first].name);
	bool ok = put_key(b, "HTTP_", r->headers[first].name) && (same == 1 || mp_put_array_head(b, same));
	for (unsigned i = first; ok && i < r->header_count; i++)
		if (http_same_word(r->headers[i].name, r->headers[first].name))
			ok = mp_put_str(b, r->headers[i].value);
	return ok;
}

static bool add_headers(struct reading *x)
{
	bool ok = true;
	for (unsigned i = 0; ok && i < x->request->header_count; i++) {
		if (came_before(x->request, i))
			continue;
		ok = put_header(&x->added.pairs, x->request, i);
		x->added.count++;
	}
	return ok;
}

static bool add_query(struct reading *x)
{
	struct span query = x->request->query;
	struct buf name, value;
	bool ok = true;
	buf_init(&name, PARAM_NAME_MAX);
	buf_init(&value, query.n + 1);
	while (ok && http_form_next(&query, &name, &value) == HTTP_FIELD) {
		ok = put_key(&x->added.pairs, "QUERY_", buf_span(&name)) &&
		     mp_put_str(&x->added.pairs, buf_span(&value));
		x->added.count++;
	}
	buf_free(&name);
	buf_free(&value);
	return ok;
}

static bool add_address(struct reading *x, const char *peer)
{
	struct span address = http_request_header(x->request, "x-forwarded-for");
	const uint8_t *comma = address.n ? memchr(address.p, ',', address.n) : NULL;
	if (comma)
		address.n = (size_t)(comma - address.p);
	if (!address.n)
		address = span_str(peer);
	x->added.count++;
	return mp_put_str(&x->added.pairs, SPAN_LIT("REMOTE_ADDR")) && mp_put_str(&x->added.pairs, address);
}

static void add_fields(struct reading *x, const char *peer)
{
	const struct http_conf *c = x->reader->conf;
	if ((c->add_http_headers && !add_headers(x)) || (c->add_query_params && !add_query(x)) ||
		(c->add_remote_addr && !add_address(x, peer)))
		fail(x, 503, "no memory: send it again");
}

/* ---- records ------------------------------------------------------------------------------------------------------------------------ */

static void put_event(struct reading *x, struct event_time t, struct span record, struct span without)
{
	if (x->has_time)
		t = x->time;
	if (entry_put(&x->out->entries, t, record, &x->added, without))
		x->out->count++;
	else
		fail(x, 503, "no memory: send it again");
}

static bool is_number(struct span value)
{
	const uint8_t *p = value.p;
	struct mp_token t;
	return mp_read(&p, value.p + value.n, &t) == MP_OK && t.type >= MP_UINT && t.type <= MP_FLOAT64;
}

/* A msgpack map with its time in a field. */
static void take_record(struct reading *x, struct span record)
{
	const struct http_parse_conf *c = x->reader->parse;
	struct span key = span_str(c->time_key), value = {0};
	struct event_time t = x->now;
	if (key.n && !x->has_time)
		value = mp_map_get(record, key);
	if (value.n && value.p[0] != 0xc0 &&
		((x->reader->only_numbers && !is_number(value)) ||
			!time_reader_value(x->reader->time, value, x->now, &t))) {
		bad(x, "bad_time", "the time of a record cannot be read", record);
		return;
	}
	put_event(x, t, record, value.n && !c->keep_time_key ? key : (struct span){0});
}

/* A map, or an array of maps. */
static void take_value(struct reading *x, struct span value)
{
	const uint8_t *p = value.p, *end = p + value.n;
	struct mp_token t = {0};
	bool ok = mp_read(&p, end, &t) == MP_OK;
	if (ok && t.type == MP_MAP) {
		take_record(x, value);
		return;
	}
	if (!ok || t.type != MP_ARRAY) {
		bad(x, "not_map", "it is neither a record nor an array of records", x->text);
		return;
	}
	while (p < end) {
		struct span element = span_of(p, mp_length(p, end));
		const uint8_t *head = p;
		if (mp_read(&head, end, &t) == MP_OK && t.type == MP_MAP)
			take_record(x, element);
		else
			bad(x, "not_map", "an element of the array is no record", element);
		p += element.n;
	}
}

static bool is_blank(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	return p == end;
}

static void read_json(struct reading *x, struct span text)
{
	struct buf value;
	const uint8_t *p = text.p, *end = p + text.n;
	const char *why = NULL;
	struct buf scrubbed;
	x->text = text;
	buf_init(&value, ENTRIES_MAX);
	buf_init(&scrubbed, ENTRIES_MAX);
	enum json_result result = json_get_lenient(&p, end, DEPTH, &value, &why);
	/* fluentd takes bytes that are no UTF-8; here they become U+FFFD, which the document would have in their place anyway. */
	if (result == JSON_BAD && !value.failed && !utf8_valid(text) &&
		parser_scrub(&scrubbed, text, UTF8_REPLACEMENT)) {
		p = scrubbed.p;
		end = p + scrubbed.n;
		result = json_get_lenient(&p, end, DEPTH, &value, &why);
	}
	if (value.failed || scrubbed.failed)
		fail(x, 503, "no memory: send it again");
	else if (result == JSON_SHORT)
		bad(x, "bad_json", "the JSON is cut", text);
	else if (result != JSON_OK)
		bad(x, "bad_json", why ? why : "it is no JSON", text);
	else if (!is_blank(p, end))
		bad(x, "bad_json", "something stands behind the JSON", text);
	else
		take_value(x, buf_span(&value));
	buf_free(&scrubbed);
	buf_free(&value);
}

static void read_ndjson(struct reading *x, struct span text)
{
	const uint8_t *p = text.p, *end = p + text.n;
	for (uint32_t line = 1; p < end && !x->out->status; line++) {
		const uint8_t *feed = memchr(p, '\n', (size_t)(end - p));
		const uint8_t *stop = feed ? feed : end;
		if (!is_blank(p, stop)) {
			bool good = !x->out->why;
			read_json(x, span_of(p, (size_t)(stop - p)));
			if (good && x->out->why)
				x->out->why_line = line;
		}
		p = feed ? feed + 1 : end;
	}
}

static void read_msgpack(struct reading *x, struct span data)
{
	const uint8_t *p = data.p, *end = p + data.n;
	while (p < end && !x->out->status) {
		size_t n = mp_skip(p, end, DEPTH);
		x->text = span_of(p, n ? n : (size_t)(end - p));
		if (!n) {
			bad(x, "bad_msgpack", "the msgpack is cut, damaged or nested too deep", x->text);
			return;
		}
		take_value(x, x->text);
		p += n;
	}
}

static void take_parsed(void *arg, const struct parsed *p)
{
	struct reading *x = arg;
	if (p->result == PARSE_OK)
		put_event(x, p->has_time ? p->time : x->now, p->record, (struct span){0});
	else
		bad(x, "pattern_not_matched", p->why, x->text);
}

/* ---- the body ------------------------------------------------------------------------------------------------------------------------- */

/* Content-Encoding. False: failed. */
static bool unpack(struct reading *x, struct span *body, struct buf *out)
{
	struct span encoding = http_request_header(x->request, "content-encoding");
	size_t before = out->n;
	if (!encoding.n || http_same_word(encoding, SPAN_LIT("identity")))
		return true;
	bool gzip = http_same_word(encoding, SPAN_LIT("gzip")) || http_same_word(encoding, SPAN_LIT("x-gzip"));
	bool zstd = http_same_word(encoding, SPAN_LIT("zstd"));
	enum inflate_result result;
	if (gzip || zstd) {
		result = inflate_all(gzip ? INFLATE_GZIP : INFLATE_ZSTD, *body, 0, out);
	} else if (http_same_word(encoding, SPAN_LIT("deflate"))) {
		enum http_inflate r = http_inflate(*body, out);
		result = r == HTTP_INFLATE_OK	       ? INFLATE_OK
			 : r == HTTP_INFLATE_TOO_LARGE ? INFLATE_TOO_LARGE
			 : r == HTTP_INFLATE_BAD       ? INFLATE_BAD
						       : INFLATE_NO_MEMORY;
	} else {
		fail(x, 415, "no Content-Encoding but gzip, deflate and zstd is known");
		return false;
	}
	if (result == INFLATE_BAD)
		fail(x, 400, "the compressed body is damaged or cut");
	else if (result == INFLATE_TOO_LARGE)
		fail(x, 413, "Too large: the unpacked body is over decompression_size_limit");
	else if (result == INFLATE_NO_MEMORY)
		fail(x, 503, "no memory: send it again");
	*body = span_of(out->p + before, out->n - before);
	return result == INFLATE_OK;
}

static void read_time(struct reading *x)
{
	if (!x->params.time.p)
		return;
	x->has_time = true;
	if (!time_reader_text(x->reader->float_time, x->params.time, x->now, &x->time) ||
		(!x->time.sec && !x->time.nsec))
		x->time = x->now;
}

static void read_events(struct reading *x, struct span body, struct parser_room *room)
{
	struct params *p = &x->params;
	if (x->reader->parser) {
		x->text = body;
		parser_parse_bytes(x->reader->parser, body, x->now, room, take_parsed, x);
	} else if (p->msgpack.p) {
		read_msgpack(x, p->msgpack);
	} else if (p->json.p) {
		read_json(x, p->json);
	} else if (p->ndjson.p) {
		read_ndjson(x, p->ndjson);
	} else {
		fail(x, 400, "'json', 'ndjson' or 'msgpack' parameter is required");
	}
}

void http_events_read(const struct http_reader *reader, const struct http_request *r, struct span body,
	const char *peer, struct event_time now, struct parser_room *room, struct http_events *out)
{
	struct reading x = {.reader = reader, .request = r, .now = now, .out = out};
	struct buf unpacked;
	*out = (struct http_events){0};
	buf_init(&out->entries, ENTRIES_MAX);
	bad_events_init(&out->bad);
	buf_init(&unpacked, (size_t)reader->conf->decompression_size_limit);
	added_init(&x.added);
	if (unpack(&x, &body, &unpacked)) {
		arena_init(&x.params.arena, body.n + r->query.n + (1u << 20));
		read_params(&x, body);
		read_time(&x);
		add_fields(&x, peer);
		if (!out->status)
			read_events(&x, body, room);
		arena_free(&x.params.arena);
	}
	if (!out->status && !out->count && out->bad.count)
		out->status = 400;
	added_free(&x.added);
	buf_free(&unpacked);
}

void http_events_free(struct http_events *e)
{
	buf_free(&e->entries);
	bad_events_free(&e->bad);
}

/* ---- how a source reads ------------------------------------------------------------------------------------------------------------------ */

/* <parse> of another type than in_http, or v0.12's `format` other than default. */
static bool wants_parser(const struct conf_section *s, const struct conf_section **parse)
{
	const struct conf_pair *type = conf_section_get(s, "format");
	const char *own = "default";
	*parse = NULL;
	for (const struct conf_section *i = s->sections; i && !*parse; i = i->next)
		if (strcmp(i->name, "parse") == 0)
			*parse = i;
	if (*parse) {
		type = conf_section_get(*parse, "@type");
		if (!type)
			type = conf_section_get(*parse, "type");
		own = "in_http";
	}
	return type && strcmp(type->value, own) != 0;
}

bool http_reader_init(
	struct http_reader *r, const struct http_conf *c, const struct conf_rules *rules, struct conf_report *report)
{
	static const struct conf_section none = {.name = "parse", .arg = ""};
	const struct conf_section *parse;
	size_t errors = report->errors;
	struct err err;
	r->conf = c;
	if (wants_parser(c->common.section, &parse)) {
		r->parser = parser_make(c->common.section, NULL, rules, report);
	} else {
		r->parse = conf_make(&http_parse_conf_schema, parse ? parse : &none, rules, report);
		bool own_type = r->parse->time_type != CONF_NIL_ENUM;
		struct time_reader_conf conf = {
			.type = own_type		? (enum time_type)r->parse->time_type
				: r->parse->time_format ? TIME_TYPE_STRING
							: TIME_TYPE_FLOAT,
			.format = r->parse->time_format,
			.localtime = r->parse->localtime,
			.utc = r->parse->utc,
			.timezone = r->parse->timezone,
		};
		r->only_numbers = !own_type && !r->parse->time_format;
		r->time = time_reader_new(&conf, &err);
		if (!r->time)
			conf_report_add(report, CONF_ERROR, conf_where(r->parse, "timezone"), "%s", err.text);
	}
	r->float_time = time_reader_new(&(struct time_reader_conf){.type = TIME_TYPE_FLOAT}, &err);
	return report->errors == errors && r->float_time;
}

void http_reader_free(struct http_reader *r)
{
	parser_free(r->parser);
	conf_free(&http_parse_conf_schema, r->parse);
	time_reader_free(r->time);
	time_reader_free(r->float_time);
}
