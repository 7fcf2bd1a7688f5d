#include "elastic/bulk_reply.h"

#include "base/mem.h"
#include "elastic/json_scan.h"

#include <stdio.h>

#define REASON_MAX 1024
#define TYPE_MAX   128
/* Of all kept types and reasons; beyond it items share one that says so. */
#define TEXT_LIMIT ((size_t)16 << 20)
#define CAUSES_MAX 4

struct bulk_reply {
	struct bulk_outcome *items;
	size_t count, cap;
	size_t kept;		   /* items in `items`: 0 as long as all are as `done` says */
	struct bulk_outcome done;  /* the outcome of an item that was stored as usual */
	struct reply_text *texts;  /* what types and reasons point to */
	struct reply_text *newest; /* of the item before: many fail for the same reason */
	size_t text_bytes;
};

struct reply_text {
	struct reply_text *next;
	size_t type_at; /* in `text`; the reason is at 0 */
	char text[];
};

struct bulk_reply *bulk_reply_new(void)
{
	return mem_zalloc(sizeof(struct bulk_reply));
}

static void forget(struct bulk_reply *r)
{
	for (struct reply_text *t = r->texts, *next; t; t = next) {
		next = t->next;
		mem_free(t);
	}
	r->texts = r->newest = NULL;
	r->text_bytes = 0;
	r->count = r->kept = 0;
	r->done = (struct bulk_outcome){.verdict = BULK_DONE, .status = 200};
}

void bulk_reply_free(struct bulk_reply *r)
{
	if (!r)
		return;
	forget(r);
	mem_free(r->items);
	mem_free(r);
}

/* ---- verdicts ---------------------------------------------------------------------------------------- */

static bool is_type(const char *type, const char *name)
{
	return type && strcmp(type, name) == 0;
}

/*
 * By status first, by type only where a status has several meanings. What an operator can mend is held, not thrown
 * away: rights, blocks, closed and missing indices.
 */
enum bulk_verdict bulk_verdict_of(unsigned status, const char *type, bool create)
{
	if (status >= 200 && status < 300)
		return BULK_DONE;
	if (status == 409) /* an update met another one of the same document: it finds what that one has made of it */
		return create ? BULK_DUPLICATE : BULK_RETRY;
	if (status == 408 || status == 429 || status >= 500 || status < 400)
		return BULK_RETRY;
	if (status == 401 || status == 403 || is_type(type, "index_closed_exception") ||
		is_type(type, "index_not_found_exception") || is_type(type, "cluster_block_exception"))
		return BULK_HOLD;
	return BULK_REJECT;
}

/*
 * A status 400 that tells of the configuration, not of the document: were it taken for the document's fault,
 * everything would end as dead letters until somebody looks.
 */
static bool is_configuration(const char *reason)
{
	static const char *const parts[] = {
		"Document ID is not supported",	       /* Amazon OpenSearch Serverless, time series: `id auto` */
		"maximum shards open",		       /* cluster.max_shards_per_node */
		"maximum normal shards open",	       /* the same, from 8.x on */
		"no write index is defined for alias", /* a rollover alias that is not set up */
		"op_type of create are allowed in data streams", /* a data stream of that name, and another operation */
		"pipeline with id [",				 /* ... does not exist */
	};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strstr(reason, parts[i]))
			return true;
	return false;
}

/* ---- an error ---------------------------------------------------------------------------------------- */

/* Raw JSON strings; n = 0 where there is none. */
struct error_part {
	struct span type, reason;
};

struct error {
	struct error_part part[CAUSES_MAX]; /* the error, its cause, the cause's cause ... */
	size_t n;
};

/* A member that should be a string; anything else counts as none. */
static bool scan_optional_string(struct json_scan *s, struct span *raw)
{
	return json_scan_peek(s) == '"' ? json_scan_string(s, raw) : json_scan_value(s, NULL);
}

/* The object of an error, up to caused_by, whose text is left in *cause. */
static bool scan_error_part(struct json_scan *s, struct error_part *part, struct span *cause)
{
	bool first = true, done;
	struct span key;
	if (!json_scan_take(s, '{'))
		return false;
	for (;;) {
		if (!json_scan_member(s, &first, &key, &done))
			return false;
		if (done)
			return true;
		if (span_is(key, "type")	 ? !scan_optional_string(s, &part->type)
			: span_is(key, "reason") ? !scan_optional_string(s, &part->reason)
						 : !json_scan_value(s, span_is(key, "caused_by") ? cause : NULL))
			return false;
	}
}

/* The value of "error": an object, or (in old and foreign servers) a string. */
static bool scan_error(struct json_scan *s, struct error *e)
{
	struct span cause = {0};
	*e = (struct error){.n = 1};
	if (json_scan_peek(s) != '{')
		return scan_optional_string(s, &e->part[0].reason);
	if (!scan_error_part(s, &e->part[0], &cause))
		return false;
	while (cause.n && *cause.p == '{' && e->n < CAUSES_MAX) {
		struct json_scan inner = json_scan_of(cause);
		cause = (struct span){0};
		if (!scan_error_part(&inner, &e->part[e->n++], &cause))
			return false;
	}
	return true;
}

static size_t put(char *out, size_t n, size_t size, struct span raw)
{
	return n + json_scan_text(raw, out + n, size - n);
}

static size_t put_words(char *out, size_t n, size_t size, const char *words)
{
	return put(out, n, size, span_str(words));
}

/* "reason; caused by type: reason; ...", 0-terminated; the length without the 0. */
static size_t error_reason(const struct error *e, char *out, size_t size)
{
	size_t n = put(out, 0, size - 1, e->part[0].reason);
	for (size_t i = 1; i < e->n; i++) {
		n = put_words(out, n, size - 1, n ? "; caused by " : "caused by ");
		n = put(out, n, size - 1, e->part[i].type);
		if (e->part[i].type.n && e->part[i].reason.n)
			n = put_words(out, n, size - 1, ": ");
		n = put(out, n, size - 1, e->part[i].reason);
	}
	out[n] = 0;
	return n;
}

/* ---- items ------------------------------------------------------------------------------------------- */

/* Keeps both texts; those of the item before if they are the same. False without memory. */
static bool keep_texts(struct bulk_reply *r, const char *type, size_t type_n, const char *reason, size_t reason_n,
	struct bulk_outcome *o)
{
	struct reply_text *t = r->newest;
	const size_t bytes = sizeof *t + type_n + reason_n + 2;
	const bool same = t && strcmp(t->text, reason) == 0 && strcmp(t->text + t->type_at, type) == 0;
	if (!same && r->text_bytes + bytes > TEXT_LIMIT) {
		o->type = "";
		o->reason = "(too many different reasons to keep this one)";
		return true;
	}
	if (!same) {
		t = mem_try(bytes);
		if (!t)
			return false;
		t->type_at = reason_n + 1;
		memcpy(t->text, reason, reason_n + 1);
		memcpy(t->text + t->type_at, type, type_n + 1);
		t->next = r->texts;
		r->texts = r->newest = t;
		r->text_bytes += bytes;
	}
	o->type = t->text + t->type_at;
	o->reason = t->text;
	return true;
}

static bool judge_error(struct bulk_reply *r, const struct error *e, bool create, struct bulk_outcome *o)
{
	char type[TYPE_MAX], reason[REASON_MAX];
	const size_t type_n = json_scan_text(e->part[0].type, type, sizeof type - 1);
	type[type_n] = 0;
	const size_t reason_n = error_reason(e, reason, sizeof reason);
	o->verdict = bulk_verdict_of(o->status, type, create);
	if (o->verdict == BULK_REJECT && is_configuration(reason))
		o->verdict = BULK_HOLD;
	return keep_texts(r, type, type_n, reason, reason_n, o);
}

/* A status is three digits. */
static bool scan_status(struct json_scan *s, uint16_t *status)
{
	struct span raw;
	if (!json_scan_value(s, &raw) || raw.n != 3)
		return false;
	*status = 0;
	for (size_t i = 0; i < 3; i++) {
		if (raw.p[i] < '0' || raw.p[i] > '9')
			return false;
		*status = (uint16_t)(*status * 10 + (raw.p[i] - '0'));
	}
	return true;
}

struct item {
	uint16_t status; /* 0: not there */
	bool failure_store;
	bool has_error;
	struct error error;
};

/* {"status":201,"error":{...},"failure_store":"used"}, in any order and among other members. */
static bool scan_result(struct json_scan *s, struct item *item)
{
	bool first = true, done;
	struct span key, word = {0};
	if (!json_scan_take(s, '{'))
		return false;
	for (;;) {
		if (!json_scan_member(s, &first, &key, &done))
			return false;
		if (done)
			return true;
		bool good;
		if (span_is(key, "status")) {
			good = scan_status(s, &item->status);
		} else if (span_is(key, "error")) {
			item->has_error = true;
			good = scan_error(s, &item->error);
		} else if (span_is(key, "failure_store")) {
			good = scan_optional_string(s, &word);
			item->failure_store = span_is(word, "used");
		} else {
			good = json_scan_value(s, NULL);
		}
		if (!good)
			return false;
	}
}

/* {"create":{...}} */
static bool scan_item(struct json_scan *s, struct item *item)
{
	bool first = true, done;
	struct span key;
	*item = (struct item){0};
	if (!json_scan_take(s, '{') || !json_scan_member(s, &first, &key, &done) || done)
		return false;
	return scan_result(s, item) && json_scan_take(s, '}');
}

/* Room for `count` outcomes; the first r->count are as usual. */
static bool keep_items(struct bulk_reply *r, size_t count)
{
	if (count > r->cap) {
		struct bulk_outcome *items = mem_try_realloc(r->items, count * sizeof *items);
		if (!items)
			return false;
		r->items = items;
		r->cap = count;
	}
	for (size_t i = 0; i < r->count; i++)
		r->items[i] = r->done;
	r->kept = r->count;
	return true;
}

static bool add_item(struct bulk_reply *r, const struct item *item, size_t count, bool create)
{
	struct bulk_outcome o = {.status = item->status, .failure_store = item->failure_store};
	if (item->has_error) {
		if (!judge_error(r, &item->error, create, &o))
			return false;
	} else {
		o.verdict = bulk_verdict_of(o.status, NULL, create);
	}
	const bool usual = o.verdict == BULK_DONE && !o.failure_store && !o.type;
	if (usual && r->count == 0)
		r->done.status = o.status;
	if (!usual && r->kept == 0 && !keep_items(r, count))
		return false;
	if (!usual || r->kept)
		r->items[r->kept++] = o;
	r->count++;
	return true;
}

/*
 * The elements of "items". Most are the same text as the good one before: those are compared, not read.
 */
static bool scan_items(struct bulk_reply *r, struct json_scan *s, size_t count, bool create)
{
	bool first = true, done;
	struct span good = {0}; /* the text of an item that was stored as usual */
	struct item item;
	if (!json_scan_take(s, '['))
		return false;
	for (;;) {
		if (!json_scan_element(s, &first, &done))
			return false;
		if (done)
			return true;
		if (r->count == count)
			return false;
		json_scan_peek(s);
		const uint8_t *const begin = s->p;
		if (good.n && (size_t)(s->end - begin) >= good.n && memcmp(begin, good.p, good.n) == 0) {
			s->p += good.n;
			if (r->kept)
				r->items[r->kept++] = r->done;
			r->count++;
			continue;
		}
		if (!scan_item(s, &item) || item.status == 0 || !add_item(r, &item, count, create))
			return false;
		if (!item.has_error && !item.failure_store && item.status == r->done.status &&
			r->done.verdict == BULK_DONE && bulk_verdict_of(item.status, NULL, create) == BULK_DONE)
			good = span_of(begin, (size_t)(s->p - begin));
	}
}

/* ---- the whole --------------------------------------------------------------------------------------- */

enum tristate { UNKNOWN, NO, YES };

static bool scan_bool(struct json_scan *s, enum tristate *v)
{
	struct span raw;
	if (!json_scan_value(s, &raw))
		return false;
	*v = span_is(raw, "true") ? YES : span_is(raw, "false") ? NO : UNKNOWN;
	return true;
}

static bool scan_reply(
	struct bulk_reply *r, struct json_scan *s, size_t count, bool create, enum tristate *errors, bool *has_items)
{
	bool first = true, done;
	struct span key;
	if (!json_scan_take(s, '{'))
		return false;
	for (;;) {
		if (!json_scan_member(s, &first, &key, &done))
			return false;
		if (done)
			return json_scan_at_end(s);
		bool good;
		if (span_is(key, "errors")) {
			good = scan_bool(s, errors);
		} else if (span_is(key, "items") && !*has_items) {
			*has_items = true;
			good = scan_items(r, s, count, create);
		} else {
			good = json_scan_value(s, NULL);
		}
		if (!good)
			return false;
	}
}

/* The first bytes, for the log: a proxy's page says who it is. */
static bool unreadable(struct span body, struct err *err)
{
	char head[96];
	size_t n = 0;
	for (; n < sizeof head - 1 && n < body.n; n++)
		head[n] = body.p[n] >= ' ' && body.p[n] < 0x7f ? (char)body.p[n] : ' ';
	head[n] = 0;
	return err_set(err,
		"the reply to the bulk request is cut, or no JSON of a bulk reply: %zu bytes, beginning with '%s'",
		body.n, head);
}

bool bulk_reply_judge(struct bulk_reply *r, struct span body, size_t count, bool create, struct err *err)
{
	struct json_scan s = json_scan_of(body);
	enum tristate errors = UNKNOWN;
	bool has_items = false;
	forget(r);
	if (!scan_reply(r, &s, count, create, &errors, &has_items)) {
		if (r->count == count && has_items)
			return err_set(err, "the reply to the bulk request cannot be read behind item %zu", r->count);
		return unreadable(body, err);
	}
	if (!has_items && errors == NO) { /* some servers that only resemble Elasticsearch */
		r->count = count;
		return true;
	}
	if (!has_items)
		return err_set(err, "the reply to the bulk request tells of errors but has no items");
	if (r->count != count)
		return err_set(
			err, "the reply to the bulk request has %zu items for the %zu that were sent", r->count, count);
	return true;
}

bool bulk_reply_all_done(const struct bulk_reply *r)
{
	return r->kept == 0;
}

const struct bulk_outcome *bulk_reply_item(const struct bulk_reply *r, size_t i)
{
	return r->kept ? &r->items[i] : &r->done;
}

/* ---- other replies ----------------------------------------------------------------------------------- */

/* {"error":{...}} or {"error":"..."}; Amazon's gateways say {"message":"..."} or {"Message":"..."}. */
static bool scan_error_body(struct json_scan *s, struct error *e)
{
	bool first = true, done;
	struct span key;
	*e = (struct error){.n = 1};
	if (!json_scan_take(s, '{'))
		return false;
	for (;;) {
		if (!json_scan_member(s, &first, &key, &done) || done)
			return false;
		if (span_is(key, "error"))
			return scan_error(s, e);
		if (span_is(key, "message") || span_is(key, "Message"))
			return scan_optional_string(s, &e->part[0].reason);
		if (!json_scan_value(s, NULL))
			return false;
	}
}

void bulk_error_text(struct span body, char *out, size_t size)
{
	struct json_scan s = json_scan_of(body);
	struct error e;
	size_t n = 0;
	*out = 0;
	if (!scan_error_body(&s, &e))
		return;
	n = put(out, 0, size - 1, e.part[0].type);
	if (n && (e.part[0].reason.n || e.n > 1))
		n = put_words(out, n, size - 1, ": ");
	out[n] = 0;
	error_reason(&e, out + n, size - n);
}
