#include "elastic/bulk_body_impl.h"

#include "elastic/doc_time.h"

#define NIL 0xc0

/* ---- the index ----------------------------------------------------------------------------------------- */

/*
 * The index before the record is written. A @timestamp in the record will decide its date (as with fluentd), but is
 * not known yet: if the record before had one, its index is the best guess; else it is the event's time. settle_index
 * mends what was guessed wrong.
 */
static bool guess_index(struct bulk_body *b, const struct bulk_source *s)
{
	if (s->forced_index || bulk_index_holds(&b->index, s->time.sec, s->stamp.sec) ||
		(b->from_record && b->index.set))
		return true;
	return bulk_index_resolve(&b->index, s->frame->tag, s->time, s->stamp, s->record);
}

enum settled { SETTLED, SETTLED_OTHERWISE, SETTLE_FAILED };

/* The record is written; `own` is its @timestamp's value or NULL. SETTLED_OTHERWISE: it goes elsewhere than guessed. */
static enum settled settle_index(struct bulk_body *b, const struct bulk_source *s, const uint8_t *own)
{
	struct event_time date = s->stamp;
	if (s->forced_index || !b->o.logstash_format)
		return SETTLED;
	if (own && !doc_time_read(span_of(own, (size_t)(s->end - own)), NULL, s->time, &date))
		date = s->time;
	if (bulk_index_holds(&b->index, s->time.sec, date.sec))
		return SETTLED;
	if (!bulk_index_resolve(&b->index, s->frame->tag, s->time, date, s->record))
		return SETTLE_FAILED;
	/* The first item's index is not in its action line. */
	return b->count == 0 || b->index.version == b->head_version ? SETTLED : SETTLED_OTHERWISE;
}

/* ---- an item ------------------------------------------------------------------------------------------- */

static bool update_head(struct bulk_body *b, const struct bulk_source *s)
{
	const bool first = b->count == 0;
	if (b->o.pipeline && (b->pipeline_varies || b->pipeline_stale)) {
		b->pipeline_stale = !bulk_action_pipeline(
			&b->action, s->frame->tag, s->time, s->record, &b->head_stale);
		if (b->pipeline_stale)
			return false;
	}
	if (!b->head_stale && b->head_version == b->index.version && b->head_first == first)
		return true;
	/* The first item's index is the URL's. */
	struct span name = buf_span(&b->index.name);
	if (first || span_eq(name, buf_span(&b->url_index)))
		name = (struct span){0};
	b->head_version = b->index.version;
	b->head_first = first;
	b->head_stale = !bulk_action_build(&b->action, name);
	return !b->head_stale;
}

/* Since 1970, as far as doc_id.h tells times apart. */
static int64_t milliseconds(struct event_time t)
{
	if (t.sec < 0 || t.sec > INT64_MAX / 1000 - 1)
		return t.sec;
	return t.sec * 1000 + t.nsec / 1000000;
}

static bool put_action(struct bulk_body *b, const struct bulk_source *s)
{
	char id[DOC_ID_LEN];
	if (!update_head(b, s))
		return false;
	if (b->o.auto_id)
		return bulk_action_put(&b->action, NULL, &b->body);
	doc_id_put(s->id_frame, milliseconds(s->time), s->index, id);
	return bulk_action_put(&b->action, id, &b->body);
}

static bool is_update(const struct bulk_options *o)
{
	return !o->data_stream && (o->operation == BULK_UPDATE || o->operation == BULK_UPSERT);
}

/* The fields that are ours, and the end of the line. */
static bool put_rest(struct bulk_body *b, const struct bulk_source *s, bool stamp)
{
	static const char name[] = "\"" BULK_TIMESTAMP "\":\"";
	static const char end[] = "\",";
	if (!buf_reserve(&b->body, sizeof name + TIME_TEXT_MAX + b->tag_text.n + 64))
		return false;
	uint8_t *d = b->body.p + b->body.n;
	if (stamp) {
		memcpy(d, name, sizeof name - 1);
		d += sizeof name - 1;
		d += time_text_put(&b->clock, s->stamp, b->o.time_precision, (char *)d);
		memcpy(d, end, 2);
		d += 2;
	}
	if (b->add_tag) {
		memcpy(d, b->tag_text.p, b->tag_text.n);
		d += b->tag_text.n;
	}
	if (d[-1] == ',')
		d--;
	*d++ = '}';
	b->body.n = (size_t)(d - b->body.p);
	if (is_update(&b->o))
		buf_put_str(&b->body, b->o.operation == BULK_UPSERT ? ",\"doc_as_upsert\":true}" : "}");
	return buf_put_byte(&b->body, '\n');
}

/* One attempt at both lines. NULL, or why not. *again: another one is needed. */
static const char *try_item(struct bulk_body *b, const struct bulk_source *s, const uint8_t **after, bool *again)
{
	if (!put_action(b, s) || (is_update(&b->o) && !buf_put_str(&b->body, "{\"doc\":")))
		return BULK_NO_MEMORY;
	const size_t begin = b->body.n;
	*after = s->p;
	const enum json_writer_status status = json_writer_run(&b->writer, after, s->end);
	if (status != JSON_WRITER_DONE)
		return json_writer_reason(status);
	const uint8_t *own = b->timestamp->value;
	if (own && *own == NIL) {
		/* As good as missing, but for that it must not be written. */
		if (b->add_timestamp && !b->timestamp->drop) {
			b->timestamp->drop = *again = true;
			return NULL;
		}
		own = NULL;
	}
	b->from_record = own != NULL;
	switch (settle_index(b, s, own)) {
	case SETTLED:
		break;
	case SETTLED_OTHERWISE:
		*again = true;
		return NULL;
	case SETTLE_FAILED:
		return BULK_NO_MEMORY;
	}
	if (b->index.name.n == 0)
		return "nothing is left of the index name once illegal characters are gone";
	if (!put_rest(b, s, b->add_timestamp && !own && !s->no_stamp))
		return BULK_NO_MEMORY;
	return b->body.n - begin - 1 > b->o.record_limit ? json_writer_reason(JSON_WRITER_TOO_LONG) : NULL;
}

const char *bulk_item_put(struct bulk_body *b, struct bulk_source *s, const uint8_t **after)
{
	const size_t start = b->body.n;
	const char *why;
	bool again;
	if (!guess_index(b, s))
		return BULK_NO_MEMORY;
	b->timestamp->drop = b->drop_timestamp;
	do {
		again = false;
		b->body.n = start;
		why = try_item(b, s, after, &again);
	} while (again);
	if (why) {
		b->body.n = start;
		b->body.failed = false;
	}
	return why;
}
