/*
 * bulk_body.h: events to a _bulk request body, in one pass from msgpack to NDJSON.
 * https://www.elastic.co/guide/en/elasticsearch/reference/8.19/docs-bulk.html
 *
 *     {"create":{"_id":"..."}}\n{"@timestamp":"2026-08-01T12:00:00.123456789Z","message":"..."}\n
 *
 * The index that most records go to stands in the URL; an action line names its index only where it differs. Nothing
 * that came from the net reaches an action line unescaped.
 */
#ifndef WEIR_ELASTIC_BULK_BODY_H
#define WEIR_ELASTIC_BULK_BODY_H

#include "base/buf.h"
#include "buffer/buffer.h"
#include "elastic/index_name.h"

enum bulk_operation { BULK_CREATE, BULK_INDEX, BULK_UPDATE, BULK_UPSERT };

/* How records become documents. Filled by the output from its configuration; read-only afterwards; any thread. */
struct bulk_options {
	/* which index */
	bool logstash_format;		    /* prefix, separator and date of the event */
	const struct name_template *prefix; /* logstash_prefix */
	const char *separator;		    /* logstash_prefix_separator */
	const struct name_template *date;   /* logstash_dateformat */
	const struct name_template *index;  /* index_name; used without logstash_format */
	const struct record_path
		*target_index; /* target_index_key: its value is the index, and it goes from the record; NULL = none */
	bool data_stream;      /* always create, @timestamp always there */
	bool utc_index;
	/* the action line */
	enum bulk_operation operation;
	bool auto_id;			  /* `id auto`: no _id of ours; repeats make duplicates */
	const struct record_path *id_key; /* the record's own id; records without it get ours (create, index) */
	bool drop_missing_id;		  /* with id_key: a record without it is rejected */
	const struct record_path *routing_key;
	const struct name_template *pipeline;
	const char *type_name; /* "_type" for servers before 7; NULL = never sent */
	/* the document */
	bool timestamp;			    /* add @timestamp where the record has none */
	unsigned time_precision;	    /* digits of the fraction: 0 ... 9 */
	const struct record_path *time_key; /* field that @timestamp is taken from */
	const char *time_key_format;	    /* strptime; NULL = ISO 8601 and epoch numbers */
	bool time_key_exclude_timestamp;
	const char *tag_key;			      /* NULL = the tag is not added */
	const struct record_path *const *remove_keys; /* NULL-terminated; NULL = none */
	bool flatten_hashes;
	const char *flatten_separator;
	/* limits */
	size_t body_limit;   /* bytes of a request body that are not gone over, but for a single record */
	size_t record_limit; /* bytes of one document as JSON; above it the record is rejected */
	uint32_t max_items;  /* of one request; 0 = no limit */
};

/* Where an item of the request came from. */
struct bulk_item {
	uint64_t frame_offset;
	uint32_t index;	 /* of the event in its frame */
	uint32_t start;	 /* of its action line in the body */
	uint32_t length; /* of both lines */
};

struct bulk_body;

struct bulk_body *bulk_body_new(const struct bulk_options *o);
void bulk_body_free(struct bulk_body *b);
void bulk_body_clear(struct bulk_body *b);
/* Until the next clear: no more bytes than this (above body_limit it has no effect), but for a single record. */
void bulk_body_keep_under(struct bulk_body *b, size_t bytes);

enum bulk_add {
	BULK_ADDED, /* all events asked for are in the body */
	BULK_FULL, /* the body is full, or enough was rejected since the last clear; *next is the first event that is not in it */
};

/*
 * Adds the events [first, last) of a frame (last > count means count). An event that cannot become a document is told
 * to on_reject (see bulk_body_on_reject) and is no item. *next = where to go on.
 */
enum bulk_add bulk_body_add(
	struct bulk_body *b, const struct frame_view *f, uint32_t first, uint32_t last, uint32_t *next);

/* `reason` is a sentence; `entry` the event's bytes. Set before the first add. */
void bulk_body_on_reject(struct bulk_body *b,
	void (*fn)(void *arg, const struct frame_view *f, uint32_t index, struct span entry, const char *reason),
	void *arg);

/* fn is told of each item's index, unless it is that of the item before. Set before the first add. */
void bulk_body_on_index(struct bulk_body *b, void (*fn)(void *arg, struct span name), void *arg);

/* The index for the URL (no 0 byte in it; percent-encoding is the client's); good until clear. */
struct span bulk_body_index(const struct bulk_body *b);
struct span bulk_body_bytes(const struct bulk_body *b);
size_t bulk_body_count(const struct bulk_body *b);
const struct bulk_item *bulk_body_items(const struct bulk_body *b);

/* Appends the lines of the items [first, last) to `out`: a part of the body, to be sent again or alone. */
bool bulk_body_slice(const struct bulk_body *b, size_t first, size_t last, struct buf *out);

#endif
