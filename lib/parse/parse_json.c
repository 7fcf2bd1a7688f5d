/* parse_json.c: the types whose text is data already: json, msgpack; and none, whose text is just a text. */
#include "parse/parser_impl.h"

#include "base/utf8.h"
#include "record/json_get.h"
#include "record/msgpack_scan.h"

/* A map is a record, an array holds some; anything else is none. */
static void take_value(const struct parse_run *r, struct span value)
{
	const uint8_t *p = value.p, *end = p + value.n;
	struct mp_token t;
	if (mp_read(&p, end, &t) != MP_OK || (t.type != MP_MAP && t.type != MP_ARRAY)) {
		parse_no_match(r);
	} else if (t.type == MP_MAP) {
		map_finish(r, value);
	} else {
		for (uint32_t i = 0; i < t.count; i++) {
			size_t n = mp_length(p, end);
			bool map = (*p & 0xf0) == 0x80 || *p == 0xde || *p == 0xdf;
			if (map)
				map_finish(r, span_of(p, n));
			else
				parse_no_match(r);
			p += n;
		}
	}
}

static bool only_blanks(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p == end;
}

static bool read_json(const struct parse_run *r, struct span text)
{
	struct buf *out = &r->room->source;
	const uint8_t *p = text.p, *end = p + text.n;
	buf_clear(out);
	return json_get_lenient(&p, end, PARSE_DEPTH, out, NULL) == JSON_OK && only_blanks(p, end);
}

static void parse_json(const struct parse_run *r)
{
	if (read_json(r, r->text)) {
		take_value(r, buf_span(&r->room->source));
		return;
	}
	/* fluentd's parser takes bytes that are no UTF-8; here they become U+FFFD, which the document would have in their place anyway. */
	if (!utf8_valid(r->text)) {
		struct buf *scratch = &r->room->scratch;
		buf_clear(scratch);
		if (parser_scrub(scratch, r->text, UTF8_REPLACEMENT) && read_json(r, buf_span(scratch))) {
			buf_clear(scratch);
			take_value(r, buf_span(&r->room->source));
			return;
		}
		buf_clear(scratch);
	}
	parse_no_match(r);
}

const struct parser_type parser_json = {
	.names = "json",
	.schema = &parser_json_schema,
	.parse = parse_json,
};

/* Objects one after the other. fluentd keeps what is cut at the end for the next text; a text is whole here, so that is an error. */
static void parse_msgpack(const struct parse_run *r)
{
	const uint8_t *p = r->text.p, *end = p + r->text.n;
	do {
		size_t n = mp_skip(p, end, PARSE_DEPTH);
		if (!n) {
			parse_error(r, PARSE_ERROR, "the msgpack is cut, damaged or nested too deep");
			return;
		}
		take_value(r, span_of(p, n));
		p += n;
	} while (p < end);
}

const struct parser_type parser_msgpack = {
	.names = "msgpack",
	.schema = &parser_msgpack_schema,
	.parse = parse_msgpack,
};

static void parse_none(const struct parse_run *r)
{
	fields_start(r->room);
	fields_add(r->room, span_str(r->p->conf->message_key), r->text);
	fields_finish_as_is(r, r->p->conf->estimate_current_event ? &r->now : NULL);
}

const struct parser_type parser_none = {
	.names = "none",
	.schema = &parser_none_schema,
	.parse = parse_none,
};
