#include "forward/forward_frame.h"

#include "record/event.h"
#include "record/msgpack_class.h"

size_t forward_frame_size(uint32_t max_depth)
{
	return sizeof(struct forward_frame) + max_depth * sizeof(uint32_t);
}

void forward_frame_reset(struct forward_frame *f)
{
	*f = (struct forward_frame){.left = 1, .objects = 1};
}

/* Children are announced, `at` being behind their header. Each takes a byte at least. */
static inline enum forward_frame_step announce(
	struct forward_frame *f, const struct forward_frame_limits *limits, uint64_t kids, size_t at)
{
	if (kids > limits->max_bytes - at)
		return FORWARD_FRAME_TOO_LARGE;
	if (kids > limits->max_objects - f->objects)
		return FORWARD_FRAME_TOO_MANY;
	f->objects += (uint32_t)kids;
	return FORWARD_FRAME_WHOLE;
}

/* Reads the token at *at and moves *at behind it. On anything but WHOLE nothing has changed. */
static inline enum forward_frame_step token(struct forward_frame *f, const struct forward_frame_limits *limits,
	struct span in, size_t *at, uint64_t *kids, size_t *want)
{
	*kids = 0;
	if (*at == limits->max_bytes)
		return FORWARD_FRAME_TOO_LARGE;
	if (*at == in.n)
		return FORWARD_FRAME_MORE;
	uint64_t size = mp_token_size(in.p + *at, in.n - *at, kids);
	if (size == 0)
		return FORWARD_FRAME_NOT_MSGPACK;
	if (size > limits->max_bytes - *at)
		return FORWARD_FRAME_TOO_LARGE;
	if (size > in.n - *at) {
		*want = (size_t)size - (in.n - *at);
		return FORWARD_FRAME_MORE;
	}
	enum forward_frame_step step = announce(f, limits, *kids, *at + (size_t)size);
	if (step == FORWARD_FRAME_WHOLE)
		*at += (size_t)size;
	return step;
}

/* What lies deeper than max_depth, up to its end: no level is told from another. */
static enum forward_frame_step walk_beneath(
	struct forward_frame *f, const struct forward_frame_limits *limits, struct span in, size_t *want)
{
	while (f->beneath) {
		uint64_t kids;
		*want = 1;
		enum forward_frame_step step = token(f, limits, in, &f->at, &kids, want);
		if (step != FORWARD_FRAME_WHOLE)
			return step;
		f->beneath += kids - 1;
	}
	return FORWARD_FRAME_WHOLE;
}

static void enter(struct forward_frame *f, const struct forward_frame_limits *limits, uint64_t kids)
{
	if (f->depth == limits->max_depth) {
		f->deep = true;
		f->beneath = kids;
	} else {
		f->outer[f->depth++] = f->left;
		f->left = (uint32_t)kids;
	}
}

/* Whether the innermost container is the message's second element: in Forward mode its objects are entries. */
static bool is_entries(const struct forward_frame *f)
{
	return f->depth == 2 && f->elements == 2;
}

/* The entry that has just ended and was not walked by event_scan_usual. */
static void judge_entry(struct forward_frame *f, const struct forward_frame_limits *limits, struct span in)
{
	struct event e;
	size_t used;
	if (event_read(in.p + f->entry, in.p + f->at, limits->max_depth - 2, &e, &used) == EVENT_OK)
		f->good++;
}

/* Entries, as long as they are whole and as usual. An entry lies in two containers. */
static enum forward_frame_step walk_entries(
	struct forward_frame *f, const struct forward_frame_limits *limits, struct span in)
{
	size_t used;
	uint64_t objects;
	size_t end = in.n < limits->max_bytes ? in.n : limits->max_bytes;
	uint32_t good = event_scan_usual(
		span_of(in.p + f->at, end - f->at), limits->max_depth - 2, f->left, &used, &objects);
	if (objects > limits->max_objects - f->objects)
		return FORWARD_FRAME_TOO_MANY;
	f->objects += (uint32_t)objects;
	f->at += used;
	f->left -= good;
	f->good += good;
	return FORWARD_FRAME_WHOLE;
}

/* The objects of the innermost container, up to its end or to the header of a container in it. */
static enum forward_frame_step walk_level(
	struct forward_frame *f, const struct forward_frame_limits *limits, struct span in, size_t *want)
{
	const size_t end = in.n < limits->max_bytes ? in.n : limits->max_bytes;
	const bool is_top = f->depth == 1;
	size_t at = f->at, begin = at;
	uint32_t left = f->left;
	uint64_t kids = 0;
	enum forward_frame_step step = FORWARD_FRAME_WHOLE;
	bool nest = false;
	for (; left && !nest; left--) {
		uint8_t c = at < end ? in.p[at] : 0, leaf = mp_class[c];
		begin = at;
		if ((c & 0xe0) == 0xa0 && end - at > (c & 0x1fu)) { /* fixstr, without the table: one load less */
			at += (size_t)1 + (c & 0x1f);
		} else if (leaf - 1u < MP_CLASS_LEAF_MAX && leaf <= end - at) {
			at += leaf;
		} else {
			*want = left;
			step = token(f, limits, in, &at, &kids, want);
			if (step != FORWARD_FRAME_WHOLE)
				break;
			nest = mp_class[c] & MP_CLASS_NEST;
		}
		if (is_top && f->elements < FORWARD_FRAME_ELEMENTS)
			f->element[f->elements++] = begin;
	}
	f->at = at;
	f->left = left;
	f->entry = is_entries(f) ? begin : f->entry;
	if (nest)
		enter(f, limits, kids);
	return step;
}

enum forward_frame_step forward_frame_walk(
	struct forward_frame *f, const struct forward_frame_limits *limits, const uint8_t *p, size_t n, size_t *want)
{
	const struct span in = span_of(p, n);
	enum forward_frame_step step = FORWARD_FRAME_WHOLE;
	while (step == FORWARD_FRAME_WHOLE) {
		if (f->beneath) {
			step = walk_beneath(f, limits, in, want);
		} else if (f->left) {
			if (is_entries(f))
				step = walk_entries(f, limits, in);
			if (step == FORWARD_FRAME_WHOLE)
				step = walk_level(f, limits, in, want);
		} else if (f->depth) {
			f->left = f->outer[--f->depth];
			if (is_entries(f))
				judge_entry(f, limits, in);
		} else {
			break;
		}
	}
	return step;
}
