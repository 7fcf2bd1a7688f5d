#include "http_session.h"

#include "base/clock.h"
#include "base/mem.h"

#define LOG_EVERY_NS (10 * NS_PER_S)
#define HANDSHAKE_NS (10 * NS_PER_S)
#define REQUEST_NS   (300 * NS_PER_S) /* for a request as a whole: nobody holds a connection by sending it byte by byte */

#define CHUNKS_SPARE ((uint64_t)64 << 10) /* bytes around chunks that a small body_size_limit leaves */

enum state { STATE_TLS, STATE_IDLE, STATE_PENDING };

/* How far the request that is coming has come. Offsets count from its first byte. */
struct progress {
	size_t scanned;	   /* see http_head_length */
	size_t head;	   /* bytes of the head; 0 = it is not whole */
	size_t chunks;	   /* offset of the next chunk */
	uint64_t body;	   /* bytes of the body: announced, or of the chunks so far */
	int64_t begun_ns;  /* 0 = no byte has come */
	int64_t waited_ns; /* conn_rate_waited then */
	bool chunked, whole;
};

struct http_session {
	struct http_sessions *shared;
	struct worker *worker;
	struct conn *conn;
	enum state state;
	struct progress at;
	void *own;
	bool head_only;	 /* the request was a HEAD */
	bool keep_alive; /* after the answer that is owed */
	bool in_handle, draining, finished;
	int64_t patience_until_ns, drain_until_ns, answered_ns;
};

static int64_t idle_until(const struct http_session *s)
{
	int64_t read = conn_last_read(s->conn);
	return (read > s->answered_ns ? read : s->answered_ns) + s->shared->idle_ns;
}

/* Only once a byte of it has come. */
static int64_t request_until(const struct http_session *s)
{
	return s->at.begun_ns + REQUEST_NS + conn_rate_waited(s->conn) - s->at.waited_ns;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------- */

static const char *reason_of(unsigned status)
{
	switch (status) {
	case 100:
		return "Continue";
	case 200:
		return "OK";
	case 204:
		return "No Content";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 413:
		return "Request Entity Too Large";
	case 415:
		return "Unsupported Media Type";
	case 417:
		return "Expectation Failed";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Internal Server Error";
	}
}

static void put_answer(struct http_session *s, const struct http_answer *a, bool close)
{
	struct buf *out = conn_out(s->conn);
	unsigned family = a->status / 100;
	bool bare = a->status == 204;
	buf_printf(out, "HTTP/1.1 %u %s\r\n", a->status, reason_of(a->status));
	if (!bare)
		buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", a->type ? a->type : "text/plain",
			a->body.n);
	buf_printf(out, "Connection: %s\r\n%s\r\n", close ? "close" : "Keep-Alive", a->headers ? a->headers : "");
	if (!bare && !s->head_only)
		buf_put_span(out, a->body);
	counter_add(s->shared->answers[family < 6 ? family : 5], 1);
}

static void set_deadline(struct http_session *s)
{
	int64_t at;
	if (s->state == STATE_PENDING) {
		at = s->patience_until_ns;
	} else {
		at = idle_until(s);
		if (s->at.begun_ns && request_until(s) < at)
			at = request_until(s);
	}
	if (s->draining && (!at || s->drain_until_ns < at))
		at = s->drain_until_ns;
	conn_deadline(s->conn, at);
}

/* No request follows. The answer that was put goes out first; what still comes is thrown away. */
static void finish(struct http_session *s)
{
	s->finished = true;
	conn_finish(s->conn, false);
}

static void refuse(struct http_session *s, unsigned status, const char *why)
{
	char text[256];
	uint64_t held;
	int n = snprintf(text, sizeof text, "%u %s\n%s\n", status, reason_of(status), why);
	put_answer(s, &(struct http_answer){.status = status, .body = span_of(text, (size_t)n)}, true);
	if (s->shared->log_bad && log_allowed(&s->shared->log_protocol, LOG_EVERY_NS, &held))
		log_warn(s->shared->id, "a request was refused: its connection is closed; others go on",
			LOG_S("peer", conn_peer(s->conn)->text), LOG_U("status", status), LOG_S("reason", why),
			LOG_U("held_back", held));
	finish(s);
}

void http_session_reply(struct http_session *s, const struct http_answer *a)
{
	struct conn *c = s->conn;
	bool old = conn_age_end(c) && clock_mono_ns() >= conn_age_end(c);
	bool close = a->close || !s->keep_alive || s->draining || old;
	if (s->state != STATE_PENDING)
		return;
	s->state = STATE_IDLE;
	s->patience_until_ns = 0;
	s->answered_ns = clock_mono_ns();
	if (!conn_is_ending(c)) {
		put_answer(s, a, close);
		if (close)
			finish(s);
		else
			conn_flush(c);
	}
	if (!s->in_handle) {
		/* What the peer has sent meanwhile is there already. */
		if (!conn_is_ending(c)) {
			set_deadline(s);
			conn_resume(c);
		}
		conn_release(c);
	}
}

void http_session_patience(struct http_session *s, int64_t ns)
{
	s->patience_until_ns = ns ? clock_mono_ns() + ns : 0;
	set_deadline(s);
}

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

static void expect_body(struct http_session *s, const struct http_request *r)
{
	if (!r->expect_continue || (!r->chunked && !r->content_length))
		return;
	buf_put_str(conn_out(s->conn), "HTTP/1.1 100 Continue\r\n\r\n");
	conn_flush(s->conn);
}

/* The head, once. False: it is not there yet, or the request is refused. */
static bool take_head(struct http_session *s, const uint8_t *p, size_t n)
{
	struct http_request r;
	const char *why;
	size_t head = http_head_length(p, n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX, &s->at.scanned);
	if (!head) {
		if (n >= HTTP_HEAD_MAX)
			refuse(s, 431, "the head of the request is too large");
		return false;
	}
	unsigned status = http_request_read(span_of(p, head), &r, &why);
	if (!status && r.content_length > s->shared->body_max) {
		status = 413;
		why = "Too large: the body is over body_size_limit";
	}
	if (status) {
		refuse(s, status, why);
		return false;
	}
	s->at.head = s->at.chunks = head;
	s->at.chunked = r.chunked;
	s->at.body = r.content_length;
	expect_body(s, &r);
	return !conn_is_ending(s->conn);
}

/* Lengths, extensions and line ends of the chunks so far: they lie in the buffer with the body, and have its limit. */
static bool has_too_many_chunks(const struct http_session *s)
{
	return s->at.chunks - s->at.head - s->at.body > s->shared->body_max + CHUNKS_SPARE;
}

static void scan_chunks(struct http_session *s, const uint8_t *p, size_t n, size_t *want)
{
	const uint8_t *at = p + s->at.chunks;
	struct span data;
	enum http_chunk chunk;
	while ((chunk = http_chunk_next(&at, p + n, &data, want)) == HTTP_CHUNK_DATA) {
		s->at.chunks = (size_t)(at - p);
		s->at.body += data.n;
		if (s->at.body > s->shared->body_max || has_too_many_chunks(s))
			break;
	}
	if (has_too_many_chunks(s)) {
		refuse(s, 413, "Too large: its chunks are small, and what stands around them is over body_size_limit");
	} else if (s->at.body > s->shared->body_max || (chunk == HTTP_CHUNK_MORE && *want > s->shared->body_max + 2)) {
		refuse(s, 413, "Too large: the body is over body_size_limit");
	} else if (chunk == HTTP_CHUNK_BAD) {
		refuse(s, 400, "a chunk of the body is not as chunks are");
	} else if (chunk == HTTP_CHUNK_END) {
		s->at.chunks = (size_t)(at - p);
		s->at.whole = true;
	}
}

/* Where the request ends; 0: it is not whole, or was refused. */
static size_t frame_request(struct http_session *s, const uint8_t *p, size_t n, size_t *want)
{
	if (!s->at.begun_ns) {
		s->at.begun_ns = clock_mono_ns();
		s->at.waited_ns = conn_rate_waited(s->conn);
	}
	if (!s->at.head && !take_head(s, p, n))
		return 0;
	if (s->at.chunked) {
		scan_chunks(s, p, n, want);
		return s->at.whole ? s->at.chunks : 0;
	}
	size_t length = s->at.head + (size_t)s->at.body;
	if (n >= length)
		return length;
	*want = length - n;
	return 0;
}

/* The chunks' contents in one piece. */
static bool join_chunks(struct http_session *s, const uint8_t *p, size_t n, struct buf *out)
{
	const uint8_t *at = p + s->at.head;
	struct span data;
	size_t want;
	if (!buf_reserve(out, (size_t)s->at.body))
		return false;
	while (http_chunk_next(&at, p + n, &data, &want) == HTTP_CHUNK_DATA)
		buf_put_span(out, data);
	return !out->failed;
}

static void handle(struct http_session *s, const uint8_t *p, size_t n)
{
	struct http_request r;
	struct buf joined;
	const char *why;
	struct span body = span_of(p + s->at.head, n - s->at.head);
	buf_init(&joined, s->shared->body_max + 1);
	if (http_request_read(span_of(p, s->at.head), &r, &why) != 0)
		return; /* it was good before */
	s->head_only = span_is(r.method, "HEAD");
	s->keep_alive = r.keep_alive;
	s->state = STATE_PENDING;
	s->in_handle = true;
	conn_hold(s->conn);
	if (s->at.chunked && !join_chunks(s, p, n, &joined)) {
		http_session_reply(s, &(struct http_answer){.status = 503,
					      .body = SPAN_LIT("no memory for the body: send it again\n"),
					      .close = true});
	} else {
		if (s->at.chunked)
			body = buf_span(&joined);
		s->shared->hooks->handle(s, &r, body);
	}
	s->in_handle = false;
	buf_free(&joined);
	if (s->state == STATE_PENDING)
		conn_pause(s->conn); /* and the hold is reply's */
	else
		conn_release(s->conn);
	s->at = (struct progress){0};
}

/* ---- what the connection tells ------------------------------------------------------------------------------------------------ */

static size_t on_bytes(struct conn *c, const uint8_t *p, size_t n, size_t *want)
{
	struct http_session *s = conn_session(c);
	size_t at = 0;
	conn_hold(c);
	while (at < n && s->state == STATE_IDLE && !s->finished && !conn_is_ending(c)) {
		size_t length = frame_request(s, p + at, n - at, want);
		if (!length)
			break;
		handle(s, p + at, length);
		at += length;
	}
	if (s->finished || conn_is_ending(c))
		at = n;
	else
		set_deadline(s);
	conn_release(c);
	return at;
}

static void on_eof(struct conn *c, size_t left)
{
	struct http_session *s = conn_session(c);
	if (left)
		log_debug(s->shared->id, "a client went away in the middle of a request: nothing of it was taken",
			LOG_S("peer", conn_peer(c)->text), LOG_U("bytes", left));
	finish(s);
}

static void on_deadline(struct conn *c)
{
	struct http_session *s = conn_session(c);
	int64_t now = clock_mono_ns();
	bool over = s->draining && now >= s->drain_until_ns;
	if (s->state == STATE_TLS) {
		conn_abort(c);
	} else if (s->state == STATE_PENDING) {
		s->patience_until_ns = 0;
		conn_hold(c);
		s->shared->hooks->hurry(s);
		conn_release(c);
	} else if (!over && now < idle_until(s) && (!s->at.begun_ns || now < request_until(s))) {
		set_deadline(s);
	} else if (s->at.begun_ns && !over) {
		refuse(s, 408,
			"the request did not come to its end in time: no byte for keepalive_timeout, or 300 s in all");
	} else {
		finish(s);
	}
}

static void on_ready(struct conn *c)
{
	struct http_session *s = conn_session(c);
	s->state = STATE_IDLE;
	set_deadline(s);
}

static void on_free(struct conn *c)
{
	struct http_session *s = conn_session(c);
	s->shared->hooks->gone(s);
	stream_server_left(s->shared->server);
	mem_free(s);
}

static const struct conn_ops ops = {
	.on_ready = on_ready,
	.on_bytes = on_bytes,
	.on_eof = on_eof,
	.on_deadline = on_deadline,
	.on_free = on_free,
};

static void *session_new(void *arg, struct worker *w)
{
	struct http_session *s = mem_zalloc(sizeof *s);
	s->shared = arg;
	s->worker = w;
	return s;
}

static void session_begin(void *session, struct conn *c)
{
	struct http_session *s = session;
	s->conn = c;
	conn_deadline(c, clock_mono_ns() + HANDSHAKE_NS);
	conn_begin(c);
}

/* A request that is coming is still answered, with Connection: close. */
static void session_drain(void *session, int64_t deadline_ns)
{
	struct http_session *s = session;
	s->draining = true;
	s->drain_until_ns = deadline_ns;
	if (s->state == STATE_TLS)
		conn_abort(s->conn);
	else if (s->state == STATE_IDLE && !s->at.begun_ns)
		finish(s);
	else
		set_deadline(s);
}

static void session_abort(void *session)
{
	struct http_session *s = session;
	struct conn *c = s->conn;
	conn_hold(c);
	if (s->state == STATE_PENDING)
		s->shared->hooks->hurry(s);
	conn_abort(c);
	conn_release(c);
}

const struct stream_hooks http_session_hooks = {
	.ops = &ops,
	.session_new = session_new,
	.session_begin = session_begin,
	.session_drain = session_drain,
	.session_abort = session_abort,
};

/* ---- for handlers ---------------------------------------------------------------------------------------------------------------- */

void http_sessions_init(struct http_sessions *s, const char *id, struct metrics *m)
{
	static const char *const codes[] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};
	s->id = id;
	for (unsigned i = 1; i < 6; i++) {
		char *labels = metrics_labels("plugin_id", id, "code", codes[i], NULL);
		s->answers[i] = metrics_counter(m, "weir_http_answers_total", labels, "Answers to HTTP requests.");
		mem_free(labels);
	}
}

struct http_sessions *http_session_shared(const struct http_session *s)
{
	return s->shared;
}

struct worker *http_session_worker(const struct http_session *s)
{
	return s->worker;
}

const struct peer *http_session_peer(const struct http_session *s)
{
	return conn_peer(s->conn);
}

void http_session_sent_events(struct http_session *s, uint64_t events)
{
	conn_sent_events(s->conn, 1, events);
}

void **http_session_own(struct http_session *s)
{
	return &s->own;
}
