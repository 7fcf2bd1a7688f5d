#include "forward/forward_message.h"

#include "base/utf8.h"
#include "forward/forward_text.h"
#include "forward/inflate.h"
#include "record/event.h"
#include "record/msgpack_class.h"
#include "record/msgpack_scan.h"

/* What a message is made of. Elements that are not there have n = 0. */
struct parts {
	uint32_t count;
	struct span tag, second, record, option;
};

static enum forward_step drop(struct forward_msg *msg, const char *reason)
{
	msg->reason = reason;
	msg->entries = (struct span){0};
	msg->count = 0;
	return FORWARD_DROPPED;
}

/* The sender keeps the message and comes again when there is memory. */
static enum forward_step no_memory(struct forward_msg *msg)
{
	msg->reason = "out_of_memory";
	return FORWARD_CLOSE;
}

static enum mp_type type_of(struct span object, struct mp_token *t)
{
	const uint8_t *p = object.p;
	if (object.n == 0 || mp_read(&p, p + object.n, t) != MP_OK)
		*t = (struct mp_token){.type = MP_NIL};
	return t->type;
}

static bool is_text(const struct mp_token *t)
{
	return t->type == MP_STR || t->type == MP_BIN;
}

/* ---- the message's parts -------------------------------------------------------------------------- */

static struct span element(struct span m, const struct forward_frame *frame, uint32_t i)
{
	if (i >= frame->elements || i + 1 >= FORWARD_FRAME_ELEMENTS)
		return (struct span){0};
	size_t begin = frame->element[i], end = i + 1 < frame->elements ? frame->element[i + 1] : m.n;
	return span_of(m.p + begin, end - begin);
}

/* The type of the second element says which form it is; nothing else does. */
static enum forward_form form_of(struct span second)
{
	struct mp_token t;
	switch (type_of(second, &t)) {
	case MP_ARRAY:
		return FORWARD_FORM_FORWARD;
	case MP_STR:
	case MP_BIN:
		return FORWARD_FORM_PACKED;
	default:
		return FORWARD_FORM_MESSAGE;
	}
}

static void split(struct span m, const struct forward_frame *frame, struct parts *p, enum forward_form *form)
{
	p->count = frame->elements;
	p->tag = element(m, frame, 0);
	p->second = element(m, frame, 1);
	p->record = element(m, frame, 2);
	*form = form_of(p->second);
	struct span option = element(m, frame, *form == FORWARD_FORM_MESSAGE ? 3 : 2);
	struct mp_token t;
	/* nil and anything else that is no map is as no option at all. */
	bool has_keys = option.n && type_of(option, &t) == MP_MAP && t.count;
	p->option = has_keys ? option : (struct span){0};
}

static void read_chunk(const struct forward_limits *limits, struct span option, struct forward_msg *msg)
{
	struct span chunk = mp_map_get(option, SPAN_LIT("chunk"));
	struct mp_token t;
	if (chunk.n == 0 || chunk.n > limits->max_chunk_id || type_of(chunk, &t) == MP_NIL)
		return;
	msg->chunk = chunk;
	msg->chunk_text = is_text(&t) ? t.body : chunk;
}

/* NULL, or why the tag is no use. */
static const char *read_tag(struct forward_reader *r, struct span tag, struct forward_msg *msg)
{
	struct mp_token t;
	type_of(tag, &t);
	if (!is_text(&t) || t.body.n > r->limits->max_tag)
		return "bad_tag";
	msg->tag = t.body;
	if (utf8_valid(t.body))
		return NULL;
	r->tag.max = 3 * t.body.n;
	msg->tag = forward_text_repair(&r->tag, t.body) ? buf_span(&r->tag) : (struct span){0};
	return r->tag.failed ? "out_of_memory" : NULL;
}

/*
 * Fluent Bit sends metrics, traces and more in the same way as logs. A word for each, not the number: the sender
 * must not choose how many reasons there are.
 */
static const char *read_signal(struct span option)
{
	static const char *const reasons[] = {NULL, "signal_1", "signal_2", "signal_3", "signal_4"};
	struct span signal = mp_map_get(option, SPAN_LIT("fluent_signal"));
	struct mp_token t;
	if (signal.n == 0)
		return NULL;
	switch (type_of(signal, &t)) {
	case MP_UINT:
		return t.u < sizeof reasons / sizeof *reasons ? reasons[t.u] : "signal_other";
	case MP_INT:
		return "signal_other";
	default:
		return NULL;
	}
}

/* ---- entries -------------------------------------------------------------------------------------- */

static const char *const bad_reasons[] = {
	[EVENT_BAD_ENTRY] = "bad_entry",
	[EVENT_BAD_TIME] = "bad_time",
	[EVENT_BAD_RECORD] = "bad_record",
	[EVENT_TOO_DEEP] = "too_deep",
	[EVENT_TORN] = "bad_tail",
};

/* A bad event. False: it fails the whole message. */
static bool skip_bad(struct forward_reader *r, struct span entry, const char *reason, struct forward_msg *msg)
{
	if (r->limits->keep_invalid)
		return false;
	msg->skipped++;
	if (r->on_bad)
		r->on_bad(r->arg, entry, reason);
	return true;
}

/*
 * Copies the good entries one by one. They may lie in r->entries themselves (from its beginning on): what is kept
 * moves towards the beginning then, over what has been read.
 */
static enum forward_step clean(struct forward_reader *r, struct span from, bool packed, struct forward_msg *msg)
{
	const uint8_t *p = from.p, *end = from.p + from.n;
	uint8_t *to = r->entries.p;
	if (p != to) {
		r->entries.max = from.n;
		if (!buf_reserve(&r->entries, from.n))
			return no_memory(msg);
		to = r->entries.p;
	}
	uint8_t *const first = to;
	while (p < end) {
		struct event e;
		size_t used;
		enum event_result result = event_read(p, end, r->limits->max_depth, &e, &used);
		if (result == EVENT_TORN)
			used = (size_t)(end - p);
		if (result == EVENT_NIL && !packed)
			result = EVENT_BAD_ENTRY;
		if (result == EVENT_OK) {
			memmove(to, p, used);
			to += used;
			msg->count++;
		} else if (result == EVENT_SKIP) {
			msg->markers++;
		} else if (result != EVENT_NIL && !skip_bad(r, span_of(p, used), bad_reasons[result], msg)) {
			return drop(msg, bad_reasons[result]);
		}
		p += used;
	}
	msg->entries = span_of(first, (size_t)(to - first));
	return FORWARD_EVENTS;
}

static enum forward_step read_forward(
	struct forward_reader *r, const struct parts *parts, uint32_t good, struct forward_msg *msg)
{
	const uint8_t *p = parts->second.p, *end = p + parts->second.n;
	struct mp_token t;
	mp_read(&p, end, &t);
	struct span entries = span_of(p, (size_t)(end - p));
	if (good != t.count)
		return clean(r, entries, false, msg);
	msg->entries = entries;
	msg->count = good;
	return FORWARD_EVENTS;
}

/* ---- PackedForward -------------------------------------------------------------------------------- */

/* False: a compression that we do not know. */
static bool compression(struct span option, struct span body, enum inflate_kind *kind)
{
	struct span value = mp_map_get(option, SPAN_LIT("compressed"));
	struct mp_token t;
	type_of(value, &t);
	if (!is_text(&t) || t.body.n == 0 || span_is(t.body, "text")) {
		/* No entry begins with these bytes, and there are senders that forget the option. */
		*kind = inflate_sniff(body);
		return true;
	}
	*kind = span_is(t.body, "gzip") ? INFLATE_GZIP : span_is(t.body, "zstd") ? INFLATE_ZSTD : INFLATE_NONE;
	return *kind != INFLATE_NONE;
}

static enum forward_step read_body(struct forward_reader *r, struct span entries, struct forward_msg *msg)
{
	msg->entries = entries;
	if (event_scan(entries, r->limits->max_depth, &msg->count))
		return FORWARD_EVENTS;
	msg->count = 0;
	return clean(r, entries, true, msg);
}

static enum forward_step read_packed(struct forward_reader *r, const struct parts *parts, struct forward_msg *msg)
{
	struct mp_token t;
	enum inflate_kind kind;
	type_of(parts->second, &t);
	if (!compression(parts->option, t.body, &kind))
		return drop(msg, "bad_compression");
	if (kind == INFLATE_NONE)
		return read_body(r, t.body, msg);
	msg->form = FORWARD_FORM_COMPRESSED;
	r->entries.max = r->limits->max_decompressed;
	switch (inflate_all(kind, t.body, r->limits->max_ratio, &r->entries)) {
	case INFLATE_OK:
		return read_body(r, buf_span(&r->entries), msg);
	case INFLATE_TOO_LARGE:
		return drop(msg, "decompressed_too_large");
	case INFLATE_BAD:
		return drop(msg, "bad_compressed");
	case INFLATE_NO_MEMORY:
		break;
	}
	return no_memory(msg);
}

/* ---- Message -------------------------------------------------------------------------------------- */

static bool has_pairs(struct span map)
{
	struct mp_token t;
	return map.n && type_of(map, &t) == MP_MAP && t.count;
}

/* [time, record], or [[time, metadata], record] where the option has metadata. */
static enum forward_step build_entry(struct forward_reader *r, const struct parts *parts, struct forward_msg *msg)
{
	struct span metadata = mp_map_get(parts->option, SPAN_LIT("metadata"));
	struct buf *out = &r->entries;
	bool header = has_pairs(metadata);
	size_t n = 2 + parts->second.n + (header ? metadata.n : 0) + parts->record.n;
	out->max = r->limits->max_message + n;
	if (!buf_reserve(out, n))
		return no_memory(msg);
	buf_put(out, "\x92\x92", header ? 2 : 1);
	buf_put_span(out, parts->second);
	if (header)
		buf_put_span(out, metadata);
	buf_put_span(out, parts->record);
	msg->entries = buf_span(out);
	msg->count = 1;
	return FORWARD_EVENTS;
}

static enum forward_step read_message(struct forward_reader *r, const struct parts *parts, struct forward_msg *msg)
{
	struct event_time time;
	struct mp_token t;
	size_t used;
	if (parts->count < 3)
		return drop(msg, "bad_arity");
	switch (event_time_read(parts->second.p, parts->second.p + parts->second.n, &time, &used)) {
	case EVENT_MARKER:
		msg->markers = 1;
		return FORWARD_EVENTS;
	case EVENT_TIME_BAD:
		return drop(msg, "bad_time");
	case EVENT_TIME:
	case EVENT_TIME_NOW:
		break;
	}
	if (type_of(parts->record, &t) != MP_MAP)
		return drop(msg, "bad_record");
	return build_entry(r, parts, msg);
}

enum forward_step forward_message_read(
	struct forward_reader *r, struct span m, const struct forward_frame *frame, struct forward_msg *msg)
{
	struct parts parts;
	split(m, frame, &parts, &msg->form);
	read_chunk(r->limits, parts.option, msg);
	if (frame->deep)
		return drop(msg, "too_deep");
	if (parts.count < 2)
		return drop(msg, "bad_arity");
	const char *reason = read_tag(r, parts.tag, msg);
	if (r->tag.failed)
		return no_memory(msg);
	if (!reason)
		reason = read_signal(parts.option);
	if (reason)
		return drop(msg, reason);
	switch (msg->form) {
	case FORWARD_FORM_FORWARD:
		return read_forward(r, &parts, frame->good, msg);
	case FORWARD_FORM_PACKED:
		return read_packed(r, &parts, msg);
	default:
		return read_message(r, &parts, msg);
	}
}
