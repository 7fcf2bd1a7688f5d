/* aws_http.h: a small HTTP request that waits for its answer. For aws_fetch.c. Any thread. */
#ifndef WEIR_AWS_HTTP_H
#define WEIR_AWS_HTTP_H

#include "base/buf.h"
#include "base/err.h"

struct aws_request {
	const char *method, *url;
	const char *const *headers; /* "name: value", ends with NULL */
	struct span body;	    /* of a POST */
	const char *proxy;	    /* NULL = none */
};

/* True: there is an answer, whatever its status. `reply` is cleared first. */
bool aws_http(const struct aws_request *q, struct buf *reply, long *status, struct err *err);

#endif
