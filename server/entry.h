/* entry.h: an event as batch.h wants it, made from what a parser gave. */
#ifndef WEIR_ENTRY_H
#define WEIR_ENTRY_H

#include "record/msgpack_put.h"

/* Fields that are added to records: msgpack pairs, one after the other. */
struct added {
	struct buf pairs;
	uint32_t count;
};
void added_init(struct added *a);
void added_free(struct added *a);
void added_clear(struct added *a);
/* NULL as key or value: nothing is added. */
void added_put(struct added *a, const char *key, const char *value);

/*
 * Appends [time, record] with the fields of `a` (may be NULL) at the end of the record: of equal keys the last one counts. The pair `without` (n = 0: none) is
 * left out. False: `out` failed, or the record is no map; out->n is then as before.
 */
bool entry_put(struct buf *out, struct event_time t, struct span record, const struct added *a, struct span without)
	__attribute__((warn_unused_result));

/* The present time as an event's. */
struct event_time entry_time(int64_t wall_ns);

#endif
