/*
 * forward_decode.h: bytes from a sender to forward-protocol messages. No I/O; views into the input, no copies where
 * none are needed. Protocol: https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
 *
 * Framing is msgpack itself: a decoder remembers how far into a partial message it has looked, so that bytes are walked once
 * however they are cut. The first byte of a connection decides between msgpack and JSON mode.
 */
#ifndef WEIR_FORWARD_FORWARD_DECODE_H
#define WEIR_FORWARD_FORWARD_DECODE_H

#include "base/span.h"

/* What bounds a message. All are decided before anything is allocated. */
struct forward_limits {
	size_t max_message;      /* bytes of one message as it comes (64 MiB) */
	size_t max_decompressed; /* bytes of its entries after gzip or zstd (256 MiB) */
	uint32_t max_ratio;      /* decompressed : compressed above which it is taken for a bomb, looked at above 1 MiB of output; 0 = off */
	uint32_t max_objects;    /* msgpack objects in one message, outside PackedForward's bytes (4,000,000) */
	uint32_t max_depth;      /* containers in one another (64) */
	uint32_t max_tag;        /* bytes (4,096) */
	uint32_t max_chunk_id;   /* bytes of the raw chunk option that is still answered (1,024) */
	bool keep_invalid;       /* skip_invalid_event false: a bad event fails its whole message (FORWARD_DROP) */
	bool msgpack_only;       /* with <security>: JSON mode is refused */
};
extern const struct forward_limits forward_default_limits;

enum forward_step {
	FORWARD_MORE,      /* the message is not whole yet: *want more bytes at least */
	FORWARD_EVENTS,    /* `msg` holds a message (of 0 or more events) */
	FORWARD_HEARTBEAT, /* nil: nothing to do */
	FORWARD_DROPPED,   /* a whole message whose content is no use: msg->reason, msg->raw, msg->chunk; ack it once it is dead-lettered */
	FORWARD_CLOSE,     /* framing is lost or the peer abuses us: msg->reason; close without an ack */
};

enum forward_form { FORWARD_FORM_MESSAGE, FORWARD_FORM_FORWARD, FORWARD_FORM_PACKED, FORWARD_FORM_COMPRESSED };

struct forward_msg {
	enum forward_form form;
	bool json;             /* came in JSON mode: the ack is JSON as well */
	struct span tag;       /* valid UTF-8 (repaired where it was not) */
	struct span entries;   /* good entries only, one after the other: see event.h */
	uint32_t count;        /* entries in it */
	uint32_t skipped;      /* events left out because they were bad; each is told by on_bad */
	uint32_t markers;      /* Fluent Bit group markers left out */
	struct span chunk;     /* the raw msgpack object to echo in the ack; n = 0: no ack is asked for */
	struct span chunk_text;/* the bytes of the id without its msgpack header (JSON mode: its JSON text) */
	struct span raw;       /* the whole message as it came */
	const char *reason;    /* FORWARD_DROPPED, FORWARD_CLOSE: a fixed word such as "bad_tag", "too_large", "signal_1" */
};

struct forward_decoder;

/*
 * `limits` must outlive the decoder. `on_bad` (may be NULL) hears of each event that is left out of a message that is otherwise kept:
 * the bytes of the entry (or of a torn tail) and a fixed word for the reason; called inside forward_decode, views die with the call.
 */
struct forward_decoder *forward_decoder_new(const struct forward_limits *limits,
	void (*on_bad)(void *arg, struct span entry, const char *reason), void *arg);
void forward_decoder_free(struct forward_decoder *d); /* NULL is allowed */

/*
 * Looks at the n unconsumed bytes at p. If a message is whole: sets *used to its length, fills *msg (views into p and into the decoder,
 * good until the next call) and forgets it. FORWARD_MORE: *used = 0, call again with at least as many bytes of the same message
 * (they may have moved). After FORWARD_CLOSE the decoder must not be used again.
 */
enum forward_step forward_decode(struct forward_decoder *d, const uint8_t *p, size_t n, size_t *used, size_t *want,
	struct forward_msg *msg);

/* Whether bytes of a message that is not whole have been seen. */
bool forward_decoder_is_inside(const struct forward_decoder *d);

#endif
