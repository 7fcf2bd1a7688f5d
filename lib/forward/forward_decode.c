#include "forward/forward_decode.h"

#include "base/mem.h"
#include "forward/forward_frame.h"
#include "forward/forward_message.h"
#include "record/json_get.h"
#include "record/msgpack_class.h"
#include "record/msgpack_scan.h"

const struct forward_limits forward_default_limits = {
	.max_message = (size_t)64 << 20,
	.max_decompressed = (size_t)256 << 20,
	.max_objects = 4000000,
	.max_depth = 64,
	.max_tag = 4096,
	.max_chunk_id = 1024,
};

/* Of JSON as msgpack: "0.1," becomes nine bytes; short texts become one byte more at most. */
#define JSON_GROWTH 3

enum mode { MODE_UNKNOWN, MODE_MSGPACK, MODE_JSON };

struct forward_decoder {
	struct forward_reader reader;
	struct buf converted; /* JSON mode: the message as msgpack */
	struct json_framer framer;
	size_t framed; /* JSON mode: bytes that the framer has seen */
	struct forward_frame_limits frame_limits;
	enum mode mode;
	bool inside;
	struct forward_frame frame; /* its array is the end of this structure */
};

struct forward_decoder *forward_decoder_new(const struct forward_limits *limits,
	void (*on_bad)(void *arg, struct span entry, const char *reason), void *arg)
{
	uint32_t depth = limits->max_depth < MP_DEPTH_LIMIT ? limits->max_depth : MP_DEPTH_LIMIT;
	struct forward_decoder *d = mem_zalloc(offsetof(struct forward_decoder, frame) + forward_frame_size(depth));
	d->reader.limits = limits;
	d->reader.on_bad = on_bad;
	d->reader.arg = arg;
	d->frame_limits = (struct forward_frame_limits){
		.max_bytes = limits->max_message, .max_objects = limits->max_objects, .max_depth = depth};
	forward_frame_reset(&d->frame);
	return d;
}

void forward_decoder_release(struct forward_decoder *d)
{
	buf_free(&d->reader.entries);
	buf_free(&d->reader.tag);
	buf_free(&d->converted);
}

void forward_decoder_free(struct forward_decoder *d)
{
	if (!d)
		return;
	forward_decoder_release(d);
	mem_free(d);
}

bool forward_decoder_is_inside(const struct forward_decoder *d)
{
	return d->inside;
}

static enum forward_step close_for(struct forward_msg *msg, const char *reason)
{
	msg->reason = reason;
	return FORWARD_CLOSE;
}

/* Between messages nothing of the last one is needed any more: an idle connection costs its decoder and no more. */
static enum forward_step more(struct forward_decoder *d, bool inside, size_t wanted, size_t *want)
{
	forward_decoder_release(d);
	d->inside = inside;
	*want = wanted;
	return FORWARD_MORE;
}

static const char *frame_reason(enum forward_frame_step step)
{
	switch (step) {
	case FORWARD_FRAME_TOO_LARGE:
		return "too_large";
	case FORWARD_FRAME_TOO_MANY:
		return "too_many_objects";
	default:
		return "bad_msgpack";
	}
}

static bool is_array(uint8_t first)
{
	return (mp_class[first] & (MP_CLASS_NEST | MP_CLASS_MAP)) == MP_CLASS_NEST;
}

static enum forward_step decode_msgpack(
	struct forward_decoder *d, struct span in, size_t *used, size_t *want, struct forward_msg *msg)
{
	if (!d->inside && in.p[0] == 0xc0) {
		*used = 1;
		return FORWARD_HEARTBEAT;
	}
	if (!d->inside && !is_array(in.p[0]))
		return close_for(msg, mp_class[in.p[0]] ? "not_array" : "bad_msgpack");
	size_t wanted = 1;
	enum forward_frame_step step = forward_frame_walk(&d->frame, &d->frame_limits, in.p, in.n, &wanted);
	if (step == FORWARD_FRAME_MORE)
		return more(d, true, wanted, want);
	if (step != FORWARD_FRAME_WHOLE)
		return close_for(msg, frame_reason(step));
	*used = d->frame.at;
	msg->raw = span_of(in.p, d->frame.at);
	enum forward_step result = forward_message_read(&d->reader, msg->raw, &d->frame, msg);
	forward_frame_reset(&d->frame);
	d->inside = false;
	return result;
}

/* The text of a whole message (or of an object, which is none). */
static enum forward_step read_json(struct forward_decoder *d, struct span text, struct forward_msg *msg)
{
	const uint8_t *p = text.p, *end = text.p + text.n;
	size_t wanted;
	d->converted.max = text.n < SIZE_MAX / JSON_GROWTH ? text.n * JSON_GROWTH : SIZE_MAX;
	switch (json_get(&p, end, MP_DEPTH_LIMIT, &d->converted, NULL)) {
	case JSON_OK:
		break;
	case JSON_TOO_DEEP:
		msg->reason = "too_deep";
		return FORWARD_DROPPED;
	default:
		return close_for(msg, d->converted.failed ? "out_of_memory" : "bad_json");
	}
	if (p != end)
		return close_for(msg, "bad_json");
	struct span m = buf_span(&d->converted);
	if (!is_array(m.p[0])) {
		msg->reason = "not_array";
		return FORWARD_DROPPED;
	}
	struct forward_frame_limits limits = d->frame_limits;
	limits.max_bytes = m.n; /* the text's length has been judged */
	enum forward_frame_step step = forward_frame_walk(&d->frame, &limits, m.p, m.n, &wanted);
	if (step != FORWARD_FRAME_WHOLE)
		return close_for(msg, frame_reason(step));
	enum forward_step result = forward_message_read(&d->reader, m, &d->frame, msg);
	forward_frame_reset(&d->frame);
	return result;
}

static enum forward_step decode_json(
	struct forward_decoder *d, struct span in, size_t *used, size_t *want, struct forward_msg *msg)
{
	bool bad;
	const size_t max = d->frame_limits.max_bytes, end = in.n < max ? in.n : max;
	msg->json = true;
	size_t found = json_framer_feed(&d->framer, in.p + d->framed, end - d->framed, &bad);
	if (bad)
		return close_for(msg, "bad_json");
	if (found == 0) {
		d->framed = end;
		return end == max ? close_for(msg, "too_large") : more(d, d->framer.started, 1, want);
	}
	*used = d->framed + found;
	msg->raw = span_of(in.p, *used);
	for (; *msg->raw.p != '[' && *msg->raw.p != '{'; msg->raw.p++)
		msg->raw.n--; /* white space between messages */
	d->framer = (struct json_framer){0};
	d->framed = 0;
	d->inside = false;
	return read_json(d, msg->raw, msg);
}

static void choose_mode(struct forward_decoder *d, uint8_t first)
{
	bool json = (first == '[' || first == '{') && !d->reader.limits->msgpack_only;
	d->mode = json ? MODE_JSON : MODE_MSGPACK;
}

enum forward_step forward_decode(
	struct forward_decoder *d, const uint8_t *p, size_t n, size_t *used, size_t *want, struct forward_msg *msg)
{
	*msg = (struct forward_msg){0};
	*used = 0;
	*want = 0;
	if (n == 0)
		return more(d, d->inside, 1, want);
	buf_clear(&d->reader.entries);
	buf_clear(&d->reader.tag);
	buf_clear(&d->converted);
	if (d->mode == MODE_UNKNOWN)
		choose_mode(d, p[0]);
	enum forward_step step = d->mode == MODE_JSON ? decode_json(d, span_of(p, n), used, want, msg)
						      : decode_msgpack(d, span_of(p, n), used, want, msg);
	if (step == FORWARD_CLOSE)
		*used = 0;
	return step;
}
