/* run_decoder.h: for tests: whole inputs through the decoder, cut in several ways, and what came out as one line of text. */
#ifndef WEIR_TEST_FORWARD_RUN_DECODER_H
#define WEIR_TEST_FORWARD_RUN_DECODER_H

#include "../record/bytes_util.h"
#include "base/buf.h"
#include "forward/forward_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

enum { MIB = 1 << 20 };

/* What came out of a whole input: a line for each result. */
struct outcome {
	char text[1024];
	uint32_t events;
};

static inline void say(struct outcome *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void say(struct outcome *o, const char *fmt, ...)
{
	size_t n = strlen(o->text);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(o->text + n, sizeof o->text - n, fmt, ap);
	va_end(ap);
}

static inline void on_bad(void *arg, struct span entry, const char *reason)
{
	say(arg, "(%s %zu) ", reason, entry.n);
}

static inline void say_result(struct outcome *o, enum forward_step step, const struct forward_msg *msg)
{
	switch (step) {
	case FORWARD_EVENTS:
		say(o, "%.*s:%u", (int)(msg->tag.n < 20 ? msg->tag.n : 20), msg->tag.p, msg->count);
		if (msg->skipped || msg->markers)
			say(o, " skipped %u markers %u", msg->skipped, msg->markers);
		o->events += msg->count;
		break;
	case FORWARD_DROPPED:
		say(o, "drop:%s", msg->reason);
		break;
	case FORWARD_CLOSE:
		say(o, "close:%s", msg->reason);
		return;
	default:
		say(o, "nil");
	}
	if (msg->chunk.n)
		say(o, " ack %.*s", (int)(msg->chunk_text.n < 20 ? msg->chunk_text.n : 20), msg->chunk_text.p);
	say(o, "; ");
}

/* Each call gets a copy of exactly the bytes that are there. `piece` 0: all at once. */
static inline struct outcome run(const struct forward_limits *limits, struct span in, size_t piece)
{
	struct outcome o = {.text = ""};
	struct forward_decoder *d = forward_decoder_new(limits, on_bad, &o);
	size_t consumed = 0, have = piece && piece < in.n ? piece : in.n;
	for (;;) {
		struct forward_msg msg;
		size_t used, want;
		struct span part = exact_copy(in.p + consumed, have - consumed);
		enum forward_step step = forward_decode(d, part.p, part.n, &used, &want, &msg);
		if (step != FORWARD_MORE)
			say_result(&o, step, &msg);
		exact_free(part);
		consumed += used;
		if (step == FORWARD_CLOSE)
			break;
		if (step != FORWARD_MORE)
			continue;
		assert_true(want >= 1);
		if (have == in.n) {
			say(&o, forward_decoder_is_inside(d) ? "more" : "");
			break;
		}
		have = in.n - have < piece ? in.n : have + piece;
	}
	forward_decoder_free(d);
	return o;
}

static inline void check_span(const struct forward_limits *limits, struct span in, const char *want)
{
	static const size_t pieces[] = {0, 1, 2, 3, 7, 1000};
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		if (pieces[i] && in.n / pieces[i] > 2000)
			continue;
		struct outcome o = run(limits, in, pieces[i]);
		if (strcmp(o.text, want))
			fail_msg("in pieces of %zu: '%s' instead of '%s'", pieces[i], o.text, want);
	}
}

static inline void check_hex(const struct forward_limits *limits, const char *hex, const char *want)
{
	struct span in = exact_hex(hex);
	check_span(limits, in, want);
	exact_free(in);
}

#endif
