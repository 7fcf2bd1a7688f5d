/*
 * json_writer.h: the machine that turns msgpack into JSON text; json_put.c and lib/elastic/bulk_body.c drive it.
 *
 * json_writer_run is compiled twice (json_put_simd.c) and does the common things without a call or a bounds check per
 * byte: it may write JSON_SLACK bytes behind `lim` and asks for room once per pair. What is rare is in json_writer.c.
 *
 * Equal keys are found by the text that was written, so it does not matter how they came to be equal. A map keeps the
 * hash and place of each key; of two equal ones the older pair is noted as a cut, and all cuts of a document are
 * closed up in one pass at its end. Small maps look in a filter of 512 bits first, maps of more than JSON_SMALL_MAP
 * pairs are sorted when they close: no choice of keys makes either slow.
 *
 * A writer is one thread's.
 */
#ifndef WEIR_RECORD_JSON_WRITER_H
#define WEIR_RECORD_JSON_WRITER_H

#include "base/buf.h"
#include "record/msgpack_scan.h"
#include "record/time_text.h"

enum json_writer_status {
	JSON_WRITER_DONE,
	JSON_WRITER_MALFORMED, /* cut, or no msgpack */
	JSON_WRITER_TOO_DEEP,
	JSON_WRITER_TOO_LONG, /* above the writer's limit */
	JSON_WRITER_NO_ROOM,  /* the buffer's ceiling, or no memory */
};

/*
 * What may be written without asking again: a key and a value of 31 bytes each, every byte escaped as six, and the
 * brackets that close all levels. A vector store may reach 64 bytes further.
 */
#define JSON_SLACK	 1024
#define JSON_SMALL_MAP	 64
#define JSON_KEYS_INLINE 128
/* Longer strings are written in pieces of this size, so that the room asked for (six times as much) stays small. */
#define JSON_PIECE 4096

struct json_level {
	uint32_t left;	    /* elements or pairs that are still to come */
	uint32_t first_key; /* index of the map's first key */
	bool is_map;
	bool is_key;	    /* the container stands where a key must be: its text will be the key */
	bool is_large;	    /* a map that is sorted when it closes */
	uint32_t key_start; /* is_key: where its text begins */
	uint64_t seen[8];   /* filter over the keys' hashes */
};

/* A key of the outermost map that somebody wants to know about. */
struct json_special {
	struct span text; /* as JSON text, with its quotes */
	uint64_t hash;
	bool drop;	      /* the pair is not written */
	const uint8_t *value; /* set to the value's msgpack, of repeated keys the last; NULL if there was none */
};

struct json_cut {
	uint32_t from, to; /* offsets from the document's start */
};

struct json_writer {
	/* The caller's. */
	struct buf *out;
	size_t limit;	    /* bytes of text that one run may write; at most JSON_LIMIT_MAX */
	unsigned max_depth; /* <= MP_DEPTH_LIMIT */
	bool open;	    /* the value is a map; it ends with its last pair's comma, or {, and the caller goes on */
	bool rename;	    /* field names that Elasticsearch refuses are changed */
	struct json_special *special; /* only if `open` */
	size_t special_count;
	uint64_t special_seen[8]; /* filter with the special keys in it; json_writer_add_special fills it */

	/* The machine's. */
	uint8_t *doc; /* the document's first byte in `out` */
	uint8_t *lim;
	unsigned depth;
	/*
	 * Inside an array or map that is a key. Another one in there is refused: escapes would double with each
	 * level.
	 */
	bool in_key;
	struct time_text clock;
	size_t key_count, key_cap;
	uint32_t *key_hash, *key_start; /* key_start: offset of the opening quote from doc */
	size_t cut_count, cut_cap;
	struct json_cut *cut;
	enum json_writer_status status; /* why a function returned NULL */
	uint32_t hash_inline[JSON_KEYS_INLINE], start_inline[JSON_KEYS_INLINE];
	struct json_level level[MP_DEPTH_LIMIT];
};

#define JSON_LIMIT_MAX ((size_t)1 << 31)

/* max_depth is cut to what the writer can do. Special keys, `open` and `rename` are off. */
void json_writer_init(struct json_writer *w, struct buf *out, size_t limit, unsigned max_depth);
void json_writer_free(struct json_writer *w);

/*
 * Fills *s (in an array that the caller gives to w->special afterwards) for the key `key`; its text is written to
 * `text`, which must live as long.
 */
void json_writer_add_special(
	struct json_writer *w, struct json_special *s, struct span key, bool drop, struct buf *text);

/*
 * Appends the object at *p as JSON and moves *p behind it. On anything but JSON_WRITER_DONE, out->n and *p are as
 * before; `out` is never made to fail.
 */
enum json_writer_status json_writer_run(struct json_writer *w, const uint8_t **p, const uint8_t *end);

/* Why a run did not end with JSON_WRITER_DONE, as a sentence. */
const char *json_writer_reason(enum json_writer_status status);

/* ---- between the machine's own files --------------------------------------------------------------- */

typedef enum json_writer_status json_run_fn(struct json_writer *w, const uint8_t **p, const uint8_t *end);
json_run_fn json_put_simd_run;
json_run_fn json_put_simd_run_avx2;

/*
 * Blocks full of one byte. In memory and in another file on purpose: as constants, the compiler makes each anew for
 * every string, since no vector register survives a call.
 */
enum json_bytes { JSON_QUOTES, JSON_SLASHES, JSON_CONTROLS, JSON_DOTS, JSON_BLANKS };
extern const uint8_t json_writer_bytes[5][32];

/*
 * The slow paths of a run. Those that return a pointer return the new place to write at, or NULL (w->status says
 * why); the buffer may have moved, and w->doc and w->lim with it.
 */

/* Sets the machine up for a document at the end of `out`. */
uint8_t *json_writer_begin(struct json_writer *w);
/* Closes it: the trailing comma, repeated keys, the limit. */
uint8_t *json_writer_end(struct json_writer *w, uint8_t *d);
/* Makes sure that `need` + JSON_SLACK bytes can be written at d. */
uint8_t *json_writer_room(struct json_writer *w, uint8_t *d, size_t need);
/* A float, uint64, ext, or a bin that is no text, and *p behind it; also whatever is no msgpack. */
uint8_t *json_writer_rare(struct json_writer *w, uint8_t *d, const uint8_t **p, const uint8_t *end);
/* The scalar in *t, as a value. */
uint8_t *json_writer_scalar(struct json_writer *w, uint8_t *d, const struct mp_token *t);
/* Steps over a value. */
bool json_writer_skip(struct json_writer *w, const uint8_t **p, const uint8_t *end);

/*
 * Writes the characters that begin in the n bytes at s as the inside of a JSON string, with U+FFFD for what is no
 * UTF-8; bytes up to `stop` may belong to them. Returns how many were read, >= n. Room for 6 (n + 3) bytes must be
 * there.
 */
size_t json_writer_repair(uint8_t **d, const uint8_t *s, size_t n, const uint8_t *stop);

#endif
