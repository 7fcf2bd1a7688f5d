/*
 * http_request.h: the head of an HTTP/1.x request and the frames of its body, as RFC 9112 has them, for a server. No I/O, no allocation; everything is a view of the
 * bytes that came. Any thread.
 *
 * It is strict where two readers could differ about where a request ends (section 11.2): Content-Length with Transfer-Encoding, two lengths, folded lines, blanks
 * before a colon, control characters, chunks whose lines do not end with CR LF. libevent's evhttp would keep whole bodies in memory that no limit of ours knows of; other parsers in C are not maintained.
 */
#ifndef WEIR_HTTP_HTTP_REQUEST_H
#define WEIR_HTTP_HTTP_REQUEST_H

#include "base/span.h"

#define HTTP_HEAD_MAX	 (32u << 10) /* bytes of a head */
#define HTTP_HEADERS_MAX 100u

struct http_header {
	struct span name, value; /* the value without blanks around it */
};

struct http_request {
	struct span method;
	struct span path;  /* as it was sent, "/" at the least; of an absolute target the part behind the authority */
	struct span query; /* behind the "?"; n = 0: none */
	unsigned minor;	   /* HTTP/1.minor */
	bool keep_alive;
	bool expect_continue;
	bool chunked;
	uint64_t content_length; /* 0 if there is none, or with `chunked` */
	unsigned header_count;
	struct http_header headers[HTTP_HEADERS_MAX];
};

/*
 * Bytes of the head at p, with the empty line at its end; 0 if it is not whole. Empty lines before it count as part of it (section 2.2). *scanned (0 at first) is where the
 * next call for the same head, with more bytes, begins to look.
 */
size_t http_head_length(const uint8_t *p, size_t n, size_t *scanned);

/* Reads a whole head. 0, or the status of the answer: 400, 417, 431, 501, 505; *why then is a sentence. */
unsigned http_request_read(struct span head, struct http_request *r, const char **why);

/* The value of the first header of that name (in lower case); p NULL if there is none. */
struct span http_request_header(const struct http_request *r, const char *name);

/* Whether two texts are the same but for the case of their letters. */
bool http_same_word(struct span a, struct span b);

enum http_chunk {
	HTTP_CHUNK_DATA, /* *data holds it */
	HTTP_CHUNK_END,	 /* the last chunk and the trailer */
	HTTP_CHUNK_MORE, /* not whole: at least *want more bytes are needed */
	HTTP_CHUNK_BAD,
};

/* Reads the next chunk (section 7.1) at *p and moves *p behind it. On MORE and BAD *p stays. */
enum http_chunk http_chunk_next(const uint8_t **p, const uint8_t *end, struct span *data, size_t *want);

#endif
