/*
 * bulk_reply.h: what Elasticsearch or OpenSearch said about each item of a _bulk request.
 *
 * The reply is asked for with BULK_FILTER_PATH. A reply that is cut, no JSON or not of n items says nothing:
 * everything must be sent again, which the ids make harmless.
 */
#ifndef WEIR_ELASTIC_BULK_REPLY_H
#define WEIR_ELASTIC_BULK_REPLY_H

#include "base/buf.h"
#include "base/err.h"

/* items.*.status keeps one element for each item, so positions hold. */
#define BULK_FILTER_PATH "took,errors,items.*.status,items.*.error,items.*.failure_store"

enum bulk_verdict {
	BULK_DONE,	/* 200, 201 */
	BULK_DUPLICATE, /* 409 on create: it is there already; done */
	BULK_RETRY,	/* 429, 5xx, 409 on an update: the same item again, later */
	/* blocked index, no right, closed index, missing target: somebody must mend it; slow retry and an alarm */
	BULK_HOLD,
	BULK_REJECT, /* this document will never fit: dead letter */
};

struct bulk_outcome {
	enum bulk_verdict verdict;
	uint16_t status;    /* the item's HTTP status */
	bool failure_store; /* stored in the failure store */
	const char *type;   /* error.type; NULL without an error. Lives as long as the reply */
	const char *reason; /* error.reason with caused_by's appended, at most 1 KiB, UTF-8 */
};

struct bulk_reply;

struct bulk_reply *bulk_reply_new(void);
void bulk_reply_free(struct bulk_reply *r);

/*
 * Judges the body of an HTTP 200 for a request of `count` items. `create`: 409 means done (else: again).
 * False: the reply says nothing (err tells why). A wholly successful one is not taken apart.
 */
bool bulk_reply_judge(struct bulk_reply *r, struct span body, size_t count, bool create, struct err *err);

/*
 * After true: whether every item is BULK_DONE with nothing more to say of it (an item in the failure store is done,
 * too, but should be counted), and each item's outcome; of items that all went well the status is the first one's.
 * Good until the next judge.
 */
bool bulk_reply_all_done(const struct bulk_reply *r);
const struct bulk_outcome *bulk_reply_item(const struct bulk_reply *r, size_t i);

/*
 * Verdict for one item's status and error type (may be NULL). bulk_reply_judge also looks at the reason: some of a
 * status 400 are about the configuration, not the document, and are held.
 */
enum bulk_verdict bulk_verdict_of(unsigned status, const char *type, bool create);

/* The error.type and error.reason of a non-200 body, if it has them, for the log: "" otherwise. */
void bulk_error_text(struct span body, char *out, size_t size);

#endif
