/*
 * chunk_format.h: a chunk file, byte for byte. This is the specification; chunk_format.c is its only reader and writer.
 *
 * All integers are little-endian. All offsets are from the start of the file.
 *
 *     0            H                                                    S        S + 4,096 = size
 *     +------------+-------------------------+-----------------+--------+-----------+
 *     | head block | group                   | group           |  ...   | seal      |
 *     | A  ...  B  | frame frame frame 00000 | frame 000000000 |        | (1 frame) |
 *     +------------+-------------------------+-----------------+--------+-----------+
 *                  ^ multiple of 4,096       ^                 ^        ^
 *
 * A *group* is what one fdatasync covers. Each begins on a block of 4,096 bytes, so that a block that holds
 * acknowledged frames is never written again: a power cut may leave a sector that was being rewritten in any state.
 *
 *
 * Head block: H bytes, zeros where nothing is said. It holds two equal copies, A at 0 and B at H / 2, because without
 * the id that is in it not one frame of the file can be read. A third copy is in the seal.
 *
 *      offset  bytes
 *           0      8   magic: 89 57 43 48 4b 0d 0a 1a (as PNG's: a transfer as text breaks it visibly)
 *           8      4   CRC-32C of the copy's bytes from 12 to its end
 *          12      2   version of the format
 *          14      2   N: bytes of the buffer's name, at most 200
 *          16      4   T: bytes of the stage key, at most 65,535
 *          20      4   H: a multiple of 4,096, so great that a copy fits in half of it
 *          24      8   created, wall clock, ns
 *          32     16   id: random bytes, secret: no sender ever sees them
 *          48     16   zeros
 *          64      N   the buffer's name
 *      64 + N      T   the stage key
 *
 * The fields up to T stay where they are in every version, so that an old weir can tell "newer than me" from "damaged".
 *
 *
 * Frame: a head of 64 bytes, the payload, zeros up to a multiple of 8.
 *
 *      offset  bytes
 *           0      4   CRC-32C of (id, bytes 4-63)
 *           4      4   L: bytes of payload, at most 2^31
 *           8      4   CRC-32C of the payload, xor the id's last four bytes
 *          12      4   number of the frame in the file, from 0
 *          16      8   synced: the file was known to be durable up to here when the frame was made; <= its own offset
 *          24      8   received, wall clock, ns
 *          32      4   events
 *          36      4   bytes of info
 *          40      2   bytes of tag
 *          42      1   type: 1 data, 2 dead letter, 3 mark, 4 seal
 *          43      1   1 = last of its group: the next frame is at the next multiple of 4,096
 *          44     12   key (frame.h)
 *          56      8   place: the frame's own offset, xor the id's first eight bytes
 *          64      L   tag, info, entries
 *
 * A frame is *valid* at an offset if its place says that offset, its head's CRC is right, its fields make sense, its
 * number is higher than that of the last valid frame before it, its payload ends inside the file, and the payload's
 * CRC is right.
 *
 *   - A CRC of its own for the head makes L trustworthy: a damaged payload costs one frame, not the rest of the file.
 *   - The id goes into all three checks, so neither remains of an old file nor frames that a sender has put into its
 *     payload (96 secret bits) are ever valid.
 *   - The place makes looking for the next frame after damage quick (one comparison for each 8 bytes, no CRC) and a
 *     frame that the disk has put elsewhere invalid.
 *   - The number tells how many frames a hole has swallowed.
 *   - The key is the producer's, not made of the frame's place: a frame whose sync failed is written again into another
 *     file and is still the same frame.
 *
 *
 * Holes. A reader that finds no valid frame where one should be looks for the next one in steps of 8 bytes: what lies
 * between is a hole. A hole that begins below the highest `synced` of any valid frame is *damage*: the place had been
 * durable. So is one that begins at H, because a file gets its name after its first group was synced. Any other is the
 * *torn* end of a group that never was acknowledged: what a power cut leaves. Nothing is cut at the first hole: what
 * is valid behind it is kept.
 *
 * Mark: a frame without payload in a group of its own, written (and not synced) when a file has been quiet for a
 * second. Its `synced` proves the last group, which no later frame does.
 *
 * Seal: the last frame of a finished file: 64 + 4,032 bytes, at size - 4,096, so that it is found without reading the
 * rest. A file that ends in a valid seal is complete and is not looked through at start-up: its frames are checked
 * when they are read. A file without one (a crash) is looked through once, its torn end is cut, and it is sealed;
 * nothing is ever appended to it, because its last frames may have been read. The seal is not synced: without it the
 * file is looked through again, no more. Nor need a mark before it be there: the seal's own `synced` says which holes
 * are damage. Its payload:
 *
 *      offset  bytes
 *           0      8   events in the data and dead-letter frames
 *           8      4   number of those frames
 *          12      4   K: holes listed, at most 64
 *          16      8   first and
 *          24      8   last received of those frames; 0 if there are none
 *          32      4   1 = there are more holes than are listed
 *          36      4   C: bytes of the head's third copy, 0 = it does not fit (a very long stage key)
 *          40     24   zeros
 *          64  64*16   K times: from, to (8 bytes each): holes that were told when the file was sealed
 *        1088      C   the head's copy
 *
 * Names: CCCCCCCCCCCCCCCC-RRRRRRRR.chunk: the time of creation in ns and a random part, in hex, so that the sorted
 * names are in order of creation. Nothing in a name comes from the net. `.new` instead of `.chunk` until the first
 * group is durable: nothing in it was acknowledged, it is removed at start-up. `.progress` and `.blame`
 * beside it: progress.h, blame.h.
 *
 * Versions:
 *   1  weir 0.1
 * A file of a newer version makes buffer_open fail and is not touched.
 */
#ifndef WEIR_BUFFER_CHUNK_FORMAT_H
#define WEIR_BUFFER_CHUNK_FORMAT_H

#include "base/span.h"
#include "buffer/frame.h"

enum {
	CHUNK_VERSION = 1,
	CHUNK_BLOCK = 4096,
	CHUNK_ID_LEN = 16,
	CHUNK_HEAD_FIXED = 64,
	CHUNK_NAME_MAX = 200,
	CHUNK_STAGE_MAX = 65535,
	CHUNK_MARK = 3, /* the frame types that never leave lib/buffer, beside enum frame_type */
	CHUNK_SEAL = 4,
	CHUNK_SEAL_PAYLOAD = CHUNK_BLOCK - FRAME_HEAD_LEN,
	CHUNK_SEAL_HOLES = 64,
	CHUNK_SEAL_HEAD_AT = 64 + CHUNK_SEAL_HOLES * 16,
};
#define CHUNK_PAYLOAD_MAX (UINT32_C(1) << 31)

/* The longest head block: both copies of the longest head. */
#define CHUNK_HEAD_BLOCK_MAX                                                                                   \
	(((size_t)2 * (CHUNK_HEAD_FIXED + CHUNK_NAME_MAX + CHUNK_STAGE_MAX) + CHUNK_BLOCK - 1) / CHUNK_BLOCK * \
		CHUNK_BLOCK)

_Static_assert(FRAME_HEAD_LEN == 64 && FRAME_HEAD_LEN % 8 == 0, "the frame's head, as drawn above");
_Static_assert(CHUNK_BLOCK % 8 == 0, "a group's start is a place where a frame is looked for");
_Static_assert(2 * (CHUNK_HEAD_FIXED + CHUNK_NAME_MAX) <= CHUNK_BLOCK, "without a stage key the head is one block");
_Static_assert(
	CHUNK_SEAL_HEAD_AT + CHUNK_HEAD_FIXED + CHUNK_NAME_MAX <= CHUNK_SEAL_PAYLOAD, "the seal has room for a head");

/* What the id is used for. */
struct chunk_salt {
	uint64_t place;
	uint32_t head_crc, payload_crc;
};
struct chunk_salt chunk_format_salt(const uint8_t id[CHUNK_ID_LEN]);

struct chunk_head {
	uint8_t id[CHUNK_ID_LEN];
	int64_t created_ns;
	uint32_t length;  /* H */
	struct span name; /* when decoded: in the bytes that were decoded */
	struct span stage;
};

/* Bytes of one copy of the head, and H. Name and stage are within their limits. */
size_t chunk_format_head_size(struct span name, struct span stage);
uint32_t chunk_format_head_length(struct span name, struct span stage);

/* Writes the block of h->length bytes. */
void chunk_format_put_head(uint8_t *block, const struct chunk_head *h);

enum chunk_head_is { CHUNK_HEAD_GOOD, CHUNK_HEAD_BAD, CHUNK_HEAD_NEWER };

/* Reads the first good copy in the n bytes that a file begins with; copies that n cuts off count as bad. */
enum chunk_head_is chunk_format_get_head(const uint8_t *p, size_t n, struct chunk_head *h);

struct frame_head {
	uint32_t length, payload_crc /* without salt */, number, count, info_len;
	uint64_t synced;
	int64_t received_ns;
	uint16_t tag_len;
	uint8_t type;
	bool last; /* of its group */
	uint8_t key[FRAME_KEY_LEN];
};

void chunk_format_put_frame(
	uint8_t out[FRAME_HEAD_LEN], const struct frame_head *h, const struct chunk_salt *salt, uint64_t at);

/* True if a head is valid there: all of the rule above but number and payload. Cheap where there is none. */
bool chunk_format_get_frame(
	const uint8_t in[FRAME_HEAD_LEN], struct frame_head *h, const struct chunk_salt *salt, uint64_t at);

/* Bytes of head, payload and zeros. */
static inline uint64_t chunk_format_frame_size(uint64_t length)
{
	return (FRAME_HEAD_LEN + length + 7) & ~UINT64_C(7);
}

static inline uint64_t chunk_format_block_up(uint64_t at)
{
	return (at + CHUNK_BLOCK - 1) & ~(uint64_t)(CHUNK_BLOCK - 1);
}

/* Where the frame after the one at `at` is. */
static inline uint64_t chunk_format_next(uint64_t at, const struct frame_head *h)
{
	uint64_t end = at + chunk_format_frame_size(h->length);
	return h->last ? chunk_format_block_up(end) : end;
}

struct chunk_hole {
	uint64_t from, to;
};

struct chunk_seal {
	uint64_t synced; /* of its head: what lies between this and the seal (a mark) need not be on the disk */
	uint64_t records;
	uint32_t frames, hole_count;
	int64_t first_ns, last_ns;
	bool more_holes;
	struct chunk_hole hole[CHUNK_SEAL_HOLES];
};

/* The whole block; `number` as in any frame; `head` is copied in if it fits. */
void chunk_format_put_seal(uint8_t block[CHUNK_BLOCK], const struct chunk_seal *s, const struct chunk_head *head,
	uint32_t number, uint64_t at);

/* True if a valid seal is in the file's last block, which lies at `at`. */
bool chunk_format_get_seal(
	const uint8_t block[CHUNK_BLOCK], struct chunk_seal *s, const struct chunk_salt *salt, uint64_t at);

/* The third copy of the head, where the first two are lost. False if there is none. */
bool chunk_format_get_seal_head(const uint8_t block[CHUNK_BLOCK], struct chunk_head *h);

#endif
