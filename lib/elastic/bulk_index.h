/*
 * bulk_index.h: the index that a record goes to, worked out again only when something that it depends on has changed.
 * For bulk_body.c.
 */
#ifndef WEIR_ELASTIC_BULK_INDEX_H
#define WEIR_ELASTIC_BULK_INDEX_H

#include "elastic/bulk_body.h"

/* Seconds for which a name holds. */
struct index_window {
	int64_t from;
	uint64_t width;
};

struct bulk_index {
	const struct bulk_options *o;
	bool uses_tag, uses_record;
	bool hidden;		   /* name_template_is_hidden */
	bool set;		   /* `name` holds for the present tag and for both windows */
	struct index_window event; /* by the event's own time: index_name, logstash_prefix */
	struct index_window date;  /* by the time that @timestamp tells: logstash_dateformat */
	bool date_varies;	   /* logstash_dateformat depends on the tag or the record */
	bool date_is_known;	   /* date_text is that of the window `date` */
	struct buf date_text;
	struct buf raw;	    /* being made */
	struct buf unclean; /* what `name` was made of, if name_is_known */
	bool name_is_known;
	struct buf name;  /* a legal one; may be empty */
	unsigned version; /* changes whenever `name` does */
};

void bulk_index_init(struct bulk_index *x, const struct bulk_options *o);
void bulk_index_free(struct bulk_index *x);

/* The tag has changed. */
static inline void bulk_index_new_tag(struct bulk_index *x)
{
	x->set &= !x->uses_tag;
}

static inline bool index_window_holds(const struct index_window *w, int64_t sec)
{
	return (uint64_t)sec - (uint64_t)w->from < w->width;
}

static inline bool bulk_index_holds(const struct bulk_index *x, int64_t event_sec, int64_t date_sec)
{
	return x->set && index_window_holds(&x->event, event_sec) && index_window_holds(&x->date, date_sec);
}

/* Works the name out. False without memory. `record` is looked at only if x->uses_record. */
bool bulk_index_resolve(
	struct bulk_index *x, struct span tag, struct event_time event, struct event_time date, struct span record);

/* The name is this one, for one record (target_index_key). */
bool bulk_index_force(struct bulk_index *x, struct span name);

#endif
