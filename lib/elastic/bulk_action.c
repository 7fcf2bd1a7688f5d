#include "elastic/bulk_action.h"

#include "base/utf8.h"
#include "elastic/doc_id.h"
#include "record/json_put.h"
#include "record/msgpack_scan.h"
#include "record/record_path.h"

/*
 * Names have 255 bytes, ids and routing 512; escapes make six of one. The type's and the pipeline's name come from
 * the configuration.
 */
#define TEXT_MAX 65536

void bulk_action_init(struct bulk_action *a, const struct bulk_options *o)
{
	*a = (struct bulk_action){.o = o};
	buf_init(&a->head, 4 * TEXT_MAX);
	buf_init(&a->pipeline, TEXT_MAX);
	buf_init(&a->id, TEXT_MAX);
	buf_init(&a->routing, TEXT_MAX);
	buf_init(&a->name, TEXT_MAX);
	buf_init(&a->text, TEXT_MAX);
}

void bulk_action_free(struct bulk_action *a)
{
	buf_free(&a->head);
	buf_free(&a->pipeline);
	buf_free(&a->id);
	buf_free(&a->routing);
	buf_free(&a->name);
	buf_free(&a->text);
}

static const char *operation_name(const struct bulk_options *o)
{
	if (o->data_stream)
		return "create";
	switch (o->operation) {
	case BULK_CREATE:
		return "create";
	case BULK_INDEX:
		return "index";
	default:
		return "update";
	}
}

/* `text` is JSON. */
static void put_member(struct buf *head, const char *name, struct span text)
{
	if (head->p[head->n - 1] != '{')
		buf_put_byte(head, ',');
	buf_printf(head, "\"%s\":", name);
	buf_put_span(head, text);
}

static void put_string_member(struct buf *head, const char *name, struct span value)
{
	put_member(head, name, (struct span){0});
	json_put_string(head, value);
}

bool bulk_action_build(struct bulk_action *a, struct span index)
{
	struct buf *head = &a->head;
	buf_clear(head);
	if (!buf_printf(head, "{\"%s\":{", operation_name(a->o)))
		return false;
	if (index.n)
		put_string_member(head, "_index", index);
	if (a->o->type_name)
		put_string_member(head, "_type", span_str(a->o->type_name));
	if (a->pipeline.n)
		put_member(head, "pipeline", buf_span(&a->pipeline));
	a->head_no_id = head->n;
	put_member(head, "_id", SPAN_LIT("\""));
	return !head->failed;
}

bool bulk_action_pipeline(
	struct bulk_action *a, struct span tag, struct event_time time, struct span record, bool *changed)
{
	struct buf *name = &a->name, *text = &a->text;
	buf_clear(name);
	buf_clear(text);
	if (!name_template_put(a->o->pipeline, tag, time, 0, record, name))
		return false;
	/* An empty name would be refused: a pipeline that a record does not name is none. */
	if (name->n && !json_put_string(text, buf_span(name)))
		return false;
	if (span_eq(buf_span(text), buf_span(&a->pipeline)))
		return true;
	*changed = true;
	buf_clear(&a->pipeline);
	return buf_put_span(&a->pipeline, buf_span(text));
}

/* Length of s once what is no UTF-8 in it is replaced. */
static size_t repaired_len(struct span s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n;) {
		const size_t len = utf8_len(s.p + i, s.n - i);
		n += len ? len : strlen(UTF8_REPLACEMENT);
		i += len ? len : utf8_bad_len(s.p + i, s.n - i);
	}
	return n;
}

enum member { MEMBER_NONE, MEMBER_PUT, MEMBER_TOO_LONG, MEMBER_WRONG, MEMBER_FAILED };

static enum member put_bytes(struct span s, struct buf *out)
{
	if (s.n == 0)
		return MEMBER_NONE;
	if (s.n > BULK_ID_MAX || repaired_len(s) > BULK_ID_MAX)
		return MEMBER_TOO_LONG;
	return json_put_string(out, s) ? MEMBER_PUT : MEMBER_FAILED;
}

/* Ids and routings are strings to Elasticsearch, whatever the field is. */
static enum member put_value(struct span value, struct buf *out)
{
	struct mp_token t;
	if (value.n == 0)
		return MEMBER_NONE;
	const uint8_t *p = value.p, *end = value.p + value.n;
	if (mp_read(&p, end, &t) != MP_OK || t.type == MP_NIL)
		return MEMBER_NONE;
	switch (t.type) {
	case MP_STR:
	case MP_BIN:
		return put_bytes(t.body, out);
	case MP_BOOL:
		if (!t.b)
			return MEMBER_NONE;
		return buf_put_str(out, "\"true\"") ? MEMBER_PUT : MEMBER_FAILED;
	case MP_UINT:
		return buf_printf(out, "\"%llu\"", (unsigned long long)t.u) ? MEMBER_PUT : MEMBER_FAILED;
	case MP_INT:
		return buf_printf(out, "\"%lld\"", (long long)t.i) ? MEMBER_PUT : MEMBER_FAILED;
	case MP_FLOAT32:
	case MP_FLOAT64:
		p = value.p;
		buf_put_byte(out, '"');
		json_put(out, &p, end, 0);
		return buf_put_byte(out, '"') ? MEMBER_PUT : MEMBER_FAILED;
	default:
		return MEMBER_WRONG;
	}
}

/* What to say of a member that cannot be; NULL if it can. */
static const char *refusal(enum member m, const char *too_long, const char *wrong)
{
	switch (m) {
	case MEMBER_TOO_LONG:
		return too_long;
	case MEMBER_WRONG:
		return wrong;
	case MEMBER_FAILED:
		return "no memory for the record";
	default:
		return NULL;
	}
}

static const char *read_id(struct bulk_action *a, struct span record)
{
	const struct bulk_options *o = a->o;
	enum member id = MEMBER_NONE;
	if (o->id_key)
		id = put_value(record_path_get(o->id_key, record), &a->id);
	const bool update = !o->data_stream && (o->operation == BULK_UPDATE || o->operation == BULK_UPSERT);
	if (id == MEMBER_NONE && (update || (o->id_key && o->drop_missing_id)))
		return "the record has no document id: the field that id_key names is missing or empty";
	return refusal(id, "the document id is longer than 512 bytes, which Elasticsearch refuses",
		"the field that id_key names is neither a string nor a number");
}

const char *bulk_action_read(struct bulk_action *a, struct span record)
{
	buf_clear(&a->id);
	buf_clear(&a->routing);
	const char *why = read_id(a, record);
	if (why || !a->o->routing_key)
		return why;
	return refusal(put_value(record_path_get(a->o->routing_key, record), &a->routing),
		"the routing is longer than 512 bytes",
		"the field that routing_key names is neither a string nor a number");
}

/* What comes behind the id. */
static bool put_end(const struct bulk_action *a, bool id, struct buf *out)
{
	if (a->routing.n) {
		buf_put_str(out, id || a->head.p[a->head_no_id - 1] != '{' ? ",\"routing\":" : "\"routing\":");
		buf_put_span(out, buf_span(&a->routing));
	}
	return buf_put(out, "}}\n", 3);
}

bool bulk_action_put(const struct bulk_action *a, const char *own_id, struct buf *out)
{
	if (a->id.n) { /* has its own quotes */
		buf_put(out, a->head.p, a->head.n - 1);
		buf_put_span(out, buf_span(&a->id));
		return put_end(a, true, out);
	}
	if (!own_id) {
		buf_put(out, a->head.p, a->head_no_id);
		return put_end(a, false, out);
	}
	if (a->routing.n) {
		buf_put_span(out, buf_span(&a->head));
		buf_put(out, own_id, DOC_ID_LEN);
		buf_put_byte(out, '"');
		return put_end(a, true, out);
	}
	/* The usual line: room is asked for once. */
	static const char end[] = "\"}}\n";
	if (!buf_reserve(out, a->head.n + DOC_ID_LEN + sizeof end))
		return false;
	uint8_t *d = out->p + out->n;
	memcpy(d, a->head.p, a->head.n);
	memcpy(d + a->head.n, own_id, DOC_ID_LEN);
	memcpy(d + a->head.n + DOC_ID_LEN, end, sizeof end - 1);
	out->n += a->head.n + DOC_ID_LEN + sizeof end - 1;
	return true;
}
