#include "frame_text.h"

#include "base/clock.h"
#include "chunk_text.h"
#include "dead_letter.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "record/time_text.h"

void frame_text_time(char out[FRAME_TEXT_TIME], int64_t ns)
{
	struct time_text clock = {.set = false};
	char text[TIME_TEXT_MAX];
	size_t n = time_text_put(&clock, (struct event_time){.sec = ns / NS_PER_S}, 0, text);
	memcpy(out, text, n < FRAME_TEXT_TIME ? n : FRAME_TEXT_TIME - 1);
	out[n < FRAME_TEXT_TIME ? n : FRAME_TEXT_TIME - 1] = 0;
}

static void put_key(struct buf *out, const char *key)
{
	if (out->n && out->p[out->n - 1] != '{')
		buf_put_byte(out, ',');
	buf_printf(out, "\"%s\":", key);
}

static void put_text(struct buf *out, const char *key, struct span text)
{
	put_key(out, key);
	json_put_string(out, text);
}

static void put_why(struct buf *out, struct span info)
{
	struct dead_letter_view why;
	char time[FRAME_TEXT_TIME];
	dead_letter_read(info, &why);
	frame_text_time(time, why.time_ns);
	put_text(out, "destination", why.plugin);
	put_text(out, "reason", why.reason);
	if (why.text.n)
		put_text(out, "text", why.text);
	if (why.status) {
		put_key(out, "status");
		buf_printf(out, "%u", why.status);
	}
	if (why.index.n)
		put_text(out, "index", why.index);
	put_text(out, "given_up", span_str(time));
}

/* DEL and the C1 control characters, which JSON lets through: inside its strings only, so they can be escaped there. */
static void escape(struct buf *out, struct span line)
{
	for (size_t i = 0; i < line.n; i++) {
		uint8_t c = line.p[i];
		if (c == 0x7f) {
			buf_put_str(out, "\\u007f");
		} else if (c == 0xc2 && i + 1 < line.n && line.p[i + 1] < 0xa0) {
			buf_printf(out, "\\u00%02x", line.p[i + 1]);
			i++;
		} else {
			buf_put_byte(out, c);
		}
	}
}

static void put_head(struct buf *line, const char *chunk, const struct frame_view *v)
{
	buf_clear(line);
	buf_put_byte(line, '{');
	if (chunk)
		put_text(line, "chunk", span_str(chunk));
	if (v->type == FRAME_DEAD)
		put_why(line, v->info);
	put_text(line, "tag", v->tag);
}

static void end_line(struct buf *out, struct buf *line)
{
	buf_put_str(line, "}\n");
	if (line->failed)
		buf_put_str(out, "{\"error\":\"too long to be shown\"}\n");
	else
		escape(out, buf_span(line));
}

void frame_text_put(struct buf *out, const char *chunk, const struct frame_view *v)
{
	const uint8_t *p = v->entries.p;
	struct time_text clock = {.set = false};
	struct buf line;
	struct event e;
	bool any = false;
	buf_init(&line, out->max / 8);
	while (chunk_text_next(v, &p, &e)) {
		char time[TIME_TEXT_MAX];
		const uint8_t *r = e.record.p;
		put_head(&line, chunk, v);
		put_text(&line, "time", span_of(time, time_text_put(&clock, e.time, 9, time)));
		put_key(&line, "record");
		if (!json_put(&line, &r, r + e.record.n, MP_DEPTH_LIMIT))
			buf_put_str(&line, "null");
		end_line(out, &line);
		any = true;
	}
	if (!any && v->entries.n) {
		put_head(&line, chunk, v);
		put_text(&line, "raw", v->entries);
		end_line(out, &line);
	}
	buf_free(&line);
}

void frame_text_plain(struct buf *out, struct span text, size_t most)
{
	struct buf quoted, escaped;
	bool cut = text.n > most;
	buf_init(&quoted, 8 * most + 64);
	buf_init(&escaped, 48 * most + 64);
	if (cut)
		text.n = most;
	if (json_put_string(&quoted, text) && quoted.n >= 2)
		escape(&escaped, span_of(quoted.p + 1, quoted.n - 2));
	buf_put_span(out, buf_span(&escaped));
	if (cut)
		buf_put_str(out, "...");
	buf_free(&quoted);
	buf_free(&escaped);
}
