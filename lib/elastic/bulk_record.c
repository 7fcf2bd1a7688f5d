#include "elastic/bulk_body_impl.h"

#include "elastic/doc_time.h"
#include "elastic/record_edit.h"
#include "record/msgpack_scan.h"

static bool has_timestamp(struct span record)
{
	const struct span value = mp_map_get(record, SPAN_LIT(BULK_TIMESTAMP));
	return value.n && *value.p != 0xc0;
}

/* Sets the stamp: @timestamp of a record that has none. */
static void read_stamp(struct bulk_body *b, struct bulk_source *s)
{
	if (!b->o.time_key || has_timestamp(s->record))
		return;
	const struct span value = record_path_get(b->o.time_key, s->record);
	if (value.n == 0)
		return;
	if (!doc_time_read(value, b->time_key_format, s->time, &s->stamp))
		s->stamp = s->time;
	s->no_stamp = b->o.time_key_exclude_timestamp;
}

/* target_index_key: nil, false and a missing field leave the index as it is configured. NULL, or what is wrong. */
static const char *read_target(struct bulk_body *b, struct bulk_source *s)
{
	struct mp_token t;
	if (b->target)
		b->target->drop = false;
	if (!b->o.target_index)
		return NULL;
	const struct span value = record_path_get(b->o.target_index, s->record);
	const uint8_t *p = value.p;
	if (value.n == 0 || mp_read(&p, p + value.n, &t) != MP_OK || t.type == MP_NIL || (t.type == MP_BOOL && !t.b))
		return NULL;
	if (t.type != MP_STR && t.type != MP_BIN)
		return "the field that target_index_key names is no string";
	s->forced_index = true;
	if (b->target)
		b->target->drop = true;
	return bulk_index_force(&b->index, t.body) ? NULL : BULK_NO_MEMORY;
}

static bool remove_path(struct bulk_body *b, struct bulk_source *s, const struct record_path *path)
{
	struct buf *out = &b->edit[s->record.p == b->edit[0].p];
	buf_clear(out);
	if (!record_edit_remove(s->record, path, out))
		return false;
	s->record = buf_span(out);
	return true;
}

const char *bulk_record_read(struct bulk_body *b, struct bulk_source *s)
{
	static const char too_long[] = "the record is too long or nested too deep to be changed";
	const uint8_t *const original = s->record.p;
	if (b->o.flatten_hashes) {
		buf_clear(&b->edit[0]);
		if (!record_edit_flatten(s->record, span_str(b->o.flatten_separator), false, &b->edit[0]))
			return too_long;
		s->record = buf_span(&b->edit[0]);
	}
	read_stamp(b, s);
	const char *why = read_target(b, s);
	if (!why)
		why = bulk_action_read(&b->action, s->record);
	if (why)
		return why;
	if (s->forced_index && !b->target && !remove_path(b, s, b->o.target_index))
		return too_long;
	for (size_t i = 0; b->prune[i]; i++)
		if (!remove_path(b, s, b->prune[i]))
			return too_long;
	if (s->record.p != original) {
		s->p = s->record.p;
		s->end = s->p + s->record.n;
	}
	return NULL;
}
