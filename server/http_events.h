/*
 * http_events.h: the events in an HTTP request, as fluentd's in_http reads them: from the body by its Content-Type, or from the parameters json, ndjson and msgpack of
 * the query or a form; with `time`, headers, query and address as the configuration says.
 */
#ifndef WEIR_HTTP_EVENTS_H
#define WEIR_HTTP_EVENTS_H

#include "bad_events.h"
#include "http/http_request.h"
#include "http_conf.h"
#include "parse/parser.h"
#include "parse/time_reader.h"

/* How a source reads. Read-only once it runs; any thread. */
struct http_reader {
	const struct http_conf *conf;
	struct parser *parser;	       /* of a <parse> with another type; NULL: in_http's own */
	struct http_parse_conf *parse; /* without `parser` */
	struct time_reader *time, *float_time;
	bool only_numbers; /* a time in a record is no text (fluentd's rule without time parameters) */
};

/* Checks and makes it. False: findings were added. */
bool http_reader_init(
	struct http_reader *r, const struct http_conf *c, const struct conf_rules *rules, struct conf_report *report);
void http_reader_free(struct http_reader *r);

/* What came out of a request. */
struct http_events {
	struct buf entries; /* batch.h */
	uint32_t count;
	struct bad_events bad;
	unsigned status;   /* 0, or that of the answer: nothing of the request can be used */
	const char *why;   /* of the first thing that was bad: a sentence */
	uint32_t why_line; /* of ndjson, from 1; 0 = it has no lines */
};

/* Whether the request's query has a parameter that holds events. */
bool http_events_in_query(const struct http_request *r);

/* `peer` is the client's address. `room` is the thread's. */
void http_events_read(const struct http_reader *reader, const struct http_request *r, struct span body,
	const char *peer, struct event_time now, struct parser_room *room, struct http_events *out);
void http_events_free(struct http_events *e);

#endif
