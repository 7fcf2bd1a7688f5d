/*
 * event.h: one event as it travels and lies on disk: a msgpack entry [time, record] or, with Fluent Bit's header,
 * [[time, metadata], record]. The rules for time are the forward protocol's, v1: EventTime, integers, floats, msgpack's timestamp.
 */
#ifndef WEIR_RECORD_EVENT_H
#define WEIR_RECORD_EVENT_H

#include "base/span.h"

struct event_time {
	int64_t sec;   /* since 1970, may be negative */
	uint32_t nsec; /* 0 ... 999,999,999 */
};

enum event_time_kind {
	EVENT_TIME,	/* a time */
	EVENT_TIME_NOW, /* 0 or nil: the time of receipt is meant */
	EVENT_MARKER,	/* Fluent Bit's group start or end: no event */
	EVENT_TIME_BAD,
};

struct event {
	enum event_time_kind kind; /* EVENT_TIME or EVENT_TIME_NOW for a good event */
	struct event_time time;	   /* set for EVENT_TIME; zeros otherwise */
	struct span metadata;	   /* the msgpack map of the header form; n = 0 if there is none */
	struct span record;	   /* the msgpack map */
};

enum event_result {
	EVENT_OK,	  /* a good event */
	EVENT_NIL,	  /* nil between entries: tolerated, means nothing */
	EVENT_SKIP,	  /* a group marker */
	EVENT_BAD_ENTRY,  /* not an array of two or more */
	EVENT_BAD_TIME,	  /* no time, or none that 64 bits hold */
	EVENT_BAD_RECORD, /* the record is no map */
	EVENT_TOO_DEEP,	  /* nested deeper than max_depth; the entry is whole and can be skipped */
	EVENT_TORN,	  /* cut, or not msgpack: what follows cannot be found */
};

/*
 * Reads the entry at p. *used is its length in bytes, also for bad and skipped ones; 0 for EVENT_TORN. For EVENT_OK
 * `e` holds views into the input. max_depth counts containers, the entry's own array being the first.
 */
enum event_result event_read(const uint8_t *p, const uint8_t *end, unsigned max_depth, struct event *e, size_t *used);

/* The time object at p alone (not the header form). *used as above, 0 if it is cut. */
enum event_time_kind event_time_read(const uint8_t *p, const uint8_t *end, struct event_time *t, size_t *used);

/*
 * The fast walk over a whole chunk's entries: true if `entries` is nothing but good events one after the other (no
 * nil, no marker, nothing bad), with their number in *count. False says only that event_read must look at them one
 * by one.
 */
bool event_scan(struct span entries, unsigned max_depth, uint32_t *count);

/*
 * The same walk over the beginning of entries that may be cut anywhere: good entries of the usual shapes, `most` at
 * most. Returns their number, *used being their length in bytes and *objects the msgpack objects in them, but for
 * the entries themselves. What stopped it is not told: the next entry may be cut, bad, or only unusual.
 */
uint32_t event_scan_usual(struct span entries, unsigned max_depth, uint32_t most, size_t *used, uint64_t *objects);

#endif
