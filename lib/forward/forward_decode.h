/*
 * forward_decode.h: bytes from a sender to forward-protocol messages. No I/O; views into the input, no copies where
 * none are needed. Protocol: https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
 *
 * Framing is msgpack itself: a decoder remembers how far into a partial message it has looked, so that bytes are
 * walked once however they are cut. The first byte of a connection decides between msgpack and JSON mode.
 */
#ifndef WEIR_FORWARD_FORWARD_DECODE_H
#define WEIR_FORWARD_FORWARD_DECODE_H

#include "base/span.h"

/* What bounds a message. All are decided before anything is allocated. */
struct forward_limits {
	/* Bytes of one message as it comes (64 MiB). */
	size_t max_message;
	/* Bytes of its entries after gzip or zstd (256 MiB). */
	size_t max_decompressed;
	/*
	 * Decompressed : compressed above which it is taken for a bomb, looked at above 1 MiB of output; 0 = off
	 * (0).
	 */
	uint32_t max_ratio;
	/* Msgpack objects in one message, outside PackedForward's bytes (4,000,000). */
	uint32_t max_objects;
	/* Containers in one another, MP_DEPTH_LIMIT at most (64). */
	uint32_t max_depth;
	/* Bytes of a tag (4,096). */
	uint32_t max_tag;
	/* Bytes of the raw chunk option that is still answered (1,024). */
	uint32_t max_chunk_id;
	/* skip_invalid_event false: a bad event fails its whole message (FORWARD_DROPPED). */
	bool keep_invalid;
	/* With <security>: JSON mode is refused. */
	bool msgpack_only;
};
extern const struct forward_limits forward_default_limits;

enum forward_step {
	/* The message is not whole yet: *want more bytes at least. */
	FORWARD_MORE,
	/* `msg` holds a message of 0 or more events. */
	FORWARD_EVENTS,
	/* nil: nothing to do. */
	FORWARD_HEARTBEAT,
	/* A whole message whose content is no use: msg->reason, raw, chunk; ack it once it is dead-lettered. */
	FORWARD_DROPPED,
	/* Framing is lost, the peer abuses us, or there is no memory: msg->reason; close without an ack. */
	FORWARD_CLOSE,
};

enum forward_form { FORWARD_FORM_MESSAGE, FORWARD_FORM_FORWARD, FORWARD_FORM_PACKED, FORWARD_FORM_COMPRESSED };

struct forward_msg {
	enum forward_form form;
	/* Came in JSON mode: the ack is JSON as well. */
	bool json;
	/* Valid UTF-8, repaired where it was not. */
	struct span tag;
	/* Good entries only, one after the other: see event.h. `count` of them. */
	struct span entries;
	uint32_t count;
	/* Calls of on_bad: events left out because they were bad; a torn tail counts as one. */
	uint32_t skipped;
	/* Fluent Bit's group markers, left out. */
	uint32_t markers;
	/* The msgpack object to echo in the ack, as it came (in JSON mode: as msgpack); n = 0: no ack is asked for. */
	struct span chunk;
	/* The bytes of the id: those behind the header of a str or bin, else the whole object. */
	struct span chunk_text;
	/* The whole message as it came. */
	struct span raw;
	/* FORWARD_DROPPED, FORWARD_CLOSE: one of a few fixed words such as "bad_tag", "too_large", "signal_1". */
	const char *reason;
};

struct forward_decoder;

/*
 * `limits` must outlive the decoder. `on_bad` (may be NULL) hears of each event that is left out of a message that
 * is otherwise kept: the bytes of the entry (or of a torn tail) and a fixed word for the reason; called inside
 * forward_decode, views die with the call.
 */
struct forward_decoder *forward_decoder_new(const struct forward_limits *limits,
	void (*on_bad)(void *arg, struct span entry, const char *reason), void *arg);
void forward_decoder_free(struct forward_decoder *d); /* NULL is allowed */

/*
 * Looks at the n unconsumed bytes at p. If a message is whole: sets *used to its length, fills *msg (views into p
 * and into the decoder, good until the next call) and forgets it. FORWARD_MORE: *used = 0, call again with at least
 * as many bytes of the same message (they may have moved). After FORWARD_CLOSE (*used = 0) the decoder must not be
 * used again.
 */
enum forward_step forward_decode(
	struct forward_decoder *d, const uint8_t *p, size_t n, size_t *used, size_t *want, struct forward_msg *msg);

/* Whether bytes of a message that is not whole have been seen. */
bool forward_decoder_is_inside(const struct forward_decoder *d);

/*
 * Gives the memory of the last message back; its views die. FORWARD_MORE does so by itself: this is for a
 * connection that stops reading (back-pressure) before it has asked for the next message.
 */
void forward_decoder_release(struct forward_decoder *d);

#endif
