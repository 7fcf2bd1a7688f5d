#include "record/json_put.h"

#include "record/json_writer.h"

/* One run into `out`. */
static enum json_writer_status put_into(
	struct buf *out, size_t limit, const uint8_t **p, const uint8_t *end, unsigned max_depth)
{
	struct json_writer w;
	json_writer_init(&w, out, limit, max_depth);
	const enum json_writer_status status = json_writer_run(&w, p, end);
	json_writer_free(&w);
	return status;
}

/*
 * The writer wants more room than the text takes. Near the ceiling the text is made elsewhere, to see whether it
 * fits.
 */
static bool put_by_copy(struct buf *out, const uint8_t **p, const uint8_t *end, unsigned max_depth)
{
	const uint8_t *q = *p;
	const size_t room = out->max - out->n;
	struct buf text;
	buf_init(&text, SIZE_MAX / 2);
	const bool good = put_into(&text, room, &q, end, max_depth) == JSON_WRITER_DONE &&
			  buf_put_span(out, buf_span(&text));
	buf_free(&text);
	if (good)
		*p = q;
	return good;
}

bool json_put(struct buf *out, const uint8_t **p, const uint8_t *end, unsigned max_depth)
{
	if (out->failed)
		return false;
	switch (put_into(out, JSON_LIMIT_MAX, p, end, max_depth)) {
	case JSON_WRITER_DONE:
		return true;
	case JSON_WRITER_NO_ROOM:
	case JSON_WRITER_TOO_LONG:
		if (put_by_copy(out, p, end, max_depth))
			return true;
		out->failed = true;
		return false;
	default:
		return false;
	}
}

bool json_put_string(struct buf *out, struct span s)
{
	const size_t before = out->n;
	buf_put_byte(out, '"');
	for (size_t at = 0; at < s.n;) {
		uint8_t text[6 * (256 + 3)], *d = text;
		at += json_writer_repair(&d, s.p + at, s.n - at < 256 ? s.n - at : 256, s.p + s.n);
		buf_put(out, text, (size_t)(d - text));
	}
	if (buf_put_byte(out, '"'))
		return true;
	out->n = before;
	return false;
}
