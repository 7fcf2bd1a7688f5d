/* http_fuzz.c: requests in HTTP/1.1, whole and in pieces: the end of each is found in the same place; forms and compressed bodies in them. */
#include "base/mem.h"
#include "http/http_deflate.h"
#include "http/http_form.h"
#include "http/http_request.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes of the chunked body at p; 0 = it has no end. */
static size_t chunked_length(const uint8_t *p, size_t n)
{
	const uint8_t *at = p;
	struct span chunk;
	size_t want;
	for (;;) {
		const uint8_t *before = at;
		switch (http_chunk_next(&at, p + n, &chunk, &want)) {
		case HTTP_CHUNK_DATA:
			assert(chunk.p > before && chunk.p + chunk.n < at && at <= p + n);
			break;
		case HTTP_CHUNK_END:
			return (size_t)(at - p);
		case HTTP_CHUNK_MORE:
			assert(want && at == before);
			return 0;
		case HTTP_CHUNK_BAD:
			assert(at == before);
			return 0;
		}
	}
}

static void read_forms(const struct http_request *r, struct span body)
{
	struct buf name, value;
	struct span form = r->query, boundary = http_multipart_boundary(http_request_header(r, "content-type"));
	buf_init(&name, 100);
	buf_init(&value, 1000);
	while (http_form_next(&form, &name, &value) == HTTP_FIELD)
		;
	form = body;
	while (http_form_next(&form, &name, &value) == HTTP_FIELD)
		;
	struct span part, content, left = body;
	while (boundary.n && http_multipart_next(&left, boundary, &part, &content) == HTTP_FIELD)
		assert(content.n <= body.n);
	buf_clear(&value);
	(void)!http_inflate(body, &value);
	buf_free(&name);
	buf_free(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request r;
	const char *why;
	size_t scanned = 0, whole = http_head_length(data, size, &scanned), pieces = 0;
	scanned = 0;
	for (size_t n = 0; n <= size && !pieces; n += 1 + size / 64)
		pieces = http_head_length(data, n, &scanned);
	if (!pieces)
		pieces = http_head_length(data, size, &scanned);
	assert(pieces == whole);
	if (!whole)
		return 0;
	/* A copy of its own, so that reading past its end is seen. */
	uint8_t *head = mem_alloc(whole);
	memcpy(head, data, whole);
	if (http_request_read(span_of(head, whole), &r, &why) == 0) {
		assert(r.method.n && r.path.n);
		assert(!r.chunked || !r.content_length);
		if (r.chunked)
			chunked_length(data + whole, size - whole);
		read_forms(&r, span_of(data + whole, size - whole));
	}
	mem_free(head);
	return 0;
}
