/*
 * msgpack_scan.h: a bounds-checked walk over raw msgpack. No tree, no recursion, no allocation.
 *
 * msgpack-c builds objects (24 bytes each, allocated by what a header announces, at most 32 deep); this only reads
 * headers, so hostile sizes cost nothing. https://github.com/msgpack/msgpack/blob/master/spec.md
 * Nothing here keeps state between calls; any thread.
 */
#ifndef WEIR_RECORD_MSGPACK_SCAN_H
#define WEIR_RECORD_MSGPACK_SCAN_H

#include "base/span.h"

enum mp_type { MP_NIL, MP_BOOL, MP_UINT, MP_INT, MP_FLOAT32, MP_FLOAT64, MP_STR, MP_BIN, MP_EXT, MP_ARRAY, MP_MAP };

/* One object's header, and its body where it has one. */
struct mp_token {
	enum mp_type type;
	int8_t ext_type;  /* MP_EXT */
	struct span body; /* MP_STR, MP_BIN, MP_EXT (without the type byte): the bytes, in the input */
	union {
		bool b;
		uint64_t u; /* MP_UINT: 0 ... 2^64-1; every non-negative integer, whichever of the formats it came in */
		int64_t i;  /* MP_INT: negative integers only */
		double d;   /* MP_FLOAT32 (widened), MP_FLOAT64 */
		uint32_t count; /* MP_ARRAY: elements; MP_MAP: pairs */
	};
};

enum mp_result {
	MP_OK,
	MP_SHORT, /* the bytes end inside the object */
	MP_BAD,	  /* the byte 0xc1, which is no msgpack */
};

/*
 * Reads the token at *p (header, and body of str, bin, ext) and moves *p behind it; the elements of arrays and maps
 * are the next tokens. *p is unchanged unless MP_OK. `end` is the first byte that must not be read.
 */
enum mp_result mp_read(const uint8_t **p, const uint8_t *end, struct mp_token *t);

/*
 * Length in bytes of the whole object at p (with all that is nested in it), or 0 if it is cut, bad, or nested
 * deeper than max_depth containers (<= MP_DEPTH_LIMIT).
 */
size_t mp_skip(const uint8_t *p, const uint8_t *end, unsigned max_depth);
#define MP_DEPTH_LIMIT 256

/* The same however deep it is nested: 0 only if it is cut or bad. */
size_t mp_length(const uint8_t *p, const uint8_t *end);

/*
 * The value of `key` (compared byte for byte with str and bin keys; of repeated keys the last wins) in the map at
 * `map`, as the bytes of its msgpack object; n = 0 if it is not there or `map` is no map.
 */
struct span mp_map_get(struct span map, struct span key);

#endif
