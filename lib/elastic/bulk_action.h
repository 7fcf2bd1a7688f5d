/*
 * bulk_action.h: the action line of a record. For bulk_body.c.
 *
 *     {"create":{"_index":"...","_type":"...","pipeline":"...","_id":"...","routing":"..."}}
 *
 * What records in a row have in common, up to the opening quote of the id, is kept as text (`head`). Everything in it
 * comes from the configuration or has gone through the JSON writer.
 */
#ifndef WEIR_ELASTIC_BULK_ACTION_H
#define WEIR_ELASTIC_BULK_ACTION_H

#include "elastic/bulk_body.h"

/* Elasticsearch refuses the whole request for a longer id. */
#define BULK_ID_MAX 512

struct bulk_action {
	const struct bulk_options *o;
	struct buf head;       /* {"create":{...,"_id":" */
	size_t head_no_id;     /* bytes of it before the comma that leads to the id */
	struct buf pipeline;   /* as JSON text; empty: none */
	struct buf id;	       /* the record's own, as JSON text; empty: none */
	struct buf routing;    /* the same */
	struct buf name, text; /* scratch */
};

void bulk_action_init(struct bulk_action *a, const struct bulk_options *o);
void bulk_action_free(struct bulk_action *a);

/* Makes the head anew. `index` is named in it unless it is empty. False without memory. */
bool bulk_action_build(struct bulk_action *a, struct span index);

/* The pipeline of this record. *changed is set if it is another one than before, and the head must be made anew. */
bool bulk_action_pipeline(
	struct bulk_action *a, struct span tag, struct event_time time, struct span record, bool *changed);

/*
 * Sets id and routing from the record. NULL, or why they cannot be. An id or routing that is missing, nil, false or
 * an empty string is none.
 */
const char *bulk_action_read(struct bulk_action *a, struct span record);

/* Appends the line, with our own id or with the record's; own_id NULL: none. */
bool bulk_action_put(const struct bulk_action *a, const char *own_id, struct buf *out);

#endif
