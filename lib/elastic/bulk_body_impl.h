/*
 * bulk_body_impl.h: what bulk_body.c (frames), bulk_record.c (what is read from a record before it is written) and
 * bulk_item.c (a record to its two lines) share. For these three only.
 */
#ifndef WEIR_ELASTIC_BULK_BODY_IMPL_H
#define WEIR_ELASTIC_BULK_BODY_IMPL_H

#include "elastic/bulk_action.h"
#include "elastic/bulk_index.h"
#include "elastic/doc_id.h"
#include "record/json_writer.h"
#include "record/record_path.h"
#include "record/time_format.h"

#define BULK_TIMESTAMP "@timestamp"
#define BULK_NO_MEMORY "no memory for the record"

/* Where the last add ended, so that the next one need not look for its first event from the start of the frame. */
struct bulk_position {
	uint64_t frame_offset;
	size_t entries_len;
	uint8_t key[FRAME_KEY_LEN];
	uint32_t index;
	size_t at;
};

struct bulk_body {
	struct bulk_options o;
	struct buf body;
	size_t limit;	 /* bytes of the present body */
	size_t rejected; /* what its rejected events cost whoever was told of them */
	struct bulk_item *items;
	size_t count, cap;
	struct bulk_index index;
	struct buf url_index; /* of the first item */
	struct bulk_action action;
	unsigned head_version; /* of the index that the action's head was made for */
	bool head_stale, head_first;
	struct json_writer writer;
	struct json_special *timestamp; /* in writer.special */
	struct json_special *target;	/* the same; NULL if target_index_key is not set or names something deeper */
	struct buf special_text;
	const struct record_path **prune; /* fields below the top that are removed; NULL-terminated */
	bool needs_record;		  /* something must be read from the record before it is written */
	bool add_tag;			  /* remove_keys may name what would be added */
	bool add_timestamp;
	bool drop_timestamp;  /* remove_keys names it */
	bool from_record;     /* the record before had a @timestamp of its own */
	bool pipeline_stale;  /* the tag has changed */
	bool pipeline_varies; /* from record to record */
	struct time_text clock;
	struct time_format *time_key_format;
	bool has_tag;	     /* there was a frame before */
	struct buf tag;	     /* of the frame before */
	struct buf tag_text; /* "tag":"app.web", */
	struct buf edit[2];
	struct bulk_position position;
	void (*reject)(void *arg, const struct frame_view *f, uint32_t index, struct span entry, const char *reason);
	void *reject_arg;
	void (*on_index)(void *arg, struct span name);
	void *index_arg;
	unsigned told_version; /* of the index that on_index was told of last */
};

/* A record on its way to be a document. */
struct bulk_source {
	const struct frame_view *frame;
	const struct doc_id_frame *id_frame;
	uint32_t index;
	struct event_time time;
	struct event_time stamp; /* what @timestamp tells if the record has none: `time`, or what time_key tells */
	bool no_stamp;		 /* @timestamp is not added (time_key_exclude_timestamp) */
	bool forced_index;	 /* target_index_key */
	struct span record;	 /* set if needs_record; else n = 0 */
	const uint8_t *p, *end;	 /* the record's msgpack begins at p; `end` is beyond it */
};

/*
 * Reads what the options ask for from s->record (index, id, routing, time) and changes it where the writer cannot.
 * Only if b->needs_record. NULL, or why it cannot become a document.
 */
const char *bulk_record_read(struct bulk_body *b, struct bulk_source *s);

/*
 * Both lines of the record at the end of the body. NULL, or why not: the body is then as before. *after: where the
 * record ends.
 */
const char *bulk_item_put(struct bulk_body *b, struct bulk_source *s, const uint8_t **after);

#endif
