/*
 * in_http.c: <source> @type http: a request to events, and the answer once they are on disk.
 *
 * A client that gets no 200 sends again: so a full buffer is waited for a little, as it may only be busy, and then answered with 503; what is not stored is not
 * acknowledged. Probes (GET and HEAD) are answered at once whatever the buffers do, for nothing is gained when somebody restarts weir because Elasticsearch is away.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "client_list.h"
#include "feed.h"
#include "entry.h"
#include "http_events.h"
#include "http_session.h"
#include "peer.h"
#include "pipeline.h"
#include "plugin.h"

#include <errno.h>
#include <stdio.h>

#define LINGER_NS    (2 * NS_PER_S)
#define PATIENCE_NS  (5 * NS_PER_S) /* for room in a full buffer */
#define LOG_EVERY_NS (10 * NS_PER_S)
#define RECORD_MAX   (64u << 20)
#define TAG_MAX	     65535u
#define HEADERS_MAX  1024u /* bytes of an answer's own headers */

struct in_http {
	struct source *source;
	const struct http_conf *conf;
	struct http_reader reader;
	struct http_sessions sessions;
	struct parser_room *rooms[INGEST_MAX_WORKERS];
	struct log_limit log_bad, log_full, log_skip;
};

/* What a session has of its own: the request whose events are on their way to the disk. */
struct exchange {
	struct txn txn; /* first: on_txn is handed it */
	struct mail reply;
	struct feed feed;
	struct http_session *session;
	struct in_http *http;
	char headers[HEADERS_MAX]; /* of the answer */
};

static struct in_http *http_of(const struct http_session *s)
{
	return http_session_shared(s)->arg;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------- */

static void reply_good(struct http_session *s, const char *headers)
{
	static const uint8_t gif[] = "GIF89a\1\0\1\0\x80\xff\0\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";
	const struct http_conf *c = http_of(s)->conf;
	struct http_answer a = {.status = 200, .headers = headers};
	if (c->respond_with_empty_img) {
		a.type = "image/gif; charset=utf-8";
		a.body = span_of(gif, sizeof gif - 1);
	} else if (c->use_204_response) {
		a.status = 204;
	}
	http_session_reply(s, &a);
}

static void reply_bad(
	struct http_session *s, unsigned status, const char *name, const char *why, uint32_t line, const char *headers)
{
	struct in_http *h = http_of(s);
	char text[400];
	uint64_t held;
	int n = line ? snprintf(text, sizeof text, "%s\n%s (line %u)\n", name, why, line)
		     : snprintf(text, sizeof text, "%s\n%s\n", name, why);
	if (h->conf->dump_error_log && log_allowed(&h->log_bad, LOG_EVERY_NS, &held))
		log_warn(h->source->id, "failed to process request: nothing of it is stored, and its client is told so",
			LOG_S("peer", http_session_peer(s)->text), LOG_U("status", status), LOG_S("error", why),
			LOG_U("line", line), LOG_U("held_back", held));
	http_session_reply(
		s, &(struct http_answer){.status = status, .headers = headers, .body = span_of(text, (size_t)n)});
}

static void reply_not_stored(struct exchange *x, int error)
{
	struct in_http *h = x->http;
	char headers[HEADERS_MAX + 32];
	uint64_t held;
	bool full = error == ECANCELED || error == ENOSPC;
	if (h->conf->dump_error_log && log_allowed(&h->log_full, LOG_EVERY_NS, &held))
		log_warn(h->source->id, "a request could not be stored: its client is told to send it again",
			LOG_S("peer", http_session_peer(x->session)->text),
			LOG_S("error", full ? "a buffer is full" : strerror(error)), LOG_U("held_back", held));
	snprintf(headers, sizeof headers, "%sRetry-After: 1\r\n", x->headers);
	http_session_reply(x->session,
		&(struct http_answer){.status = 503,
			.headers = headers,
			.body = full ? SPAN_LIT("503 Service Unavailable\na buffer is full: send it again later\n")
				     : SPAN_LIT("503 Service Unavailable\nthe events could not be stored: send them "
						"again\n")});
}

/* ---- Cross-Origin Resource Sharing ------------------------------------------------------------------------------------------- */

/* An origin as it is configured may hold one *. */
static bool origin_fits(const char *pattern, struct span origin)
{
	const char *star = strchr(pattern, '*');
	if (!*pattern)
		return false;
	if (!star)
		return span_is(origin, pattern);
	size_t before = (size_t)(star - pattern), after = strlen(star + 1);
	return origin.n >= before + after && memcmp(origin.p, pattern, before) == 0 &&
	       memcmp(origin.p + origin.n - after, star + 1, after) == 0;
}

/* The headers that let a browser see the answer; false: its page may not post. `origin` p NULL: it is no browser. */
static bool allow_origin(const struct http_conf *c, struct span origin, char *headers, size_t size)
{
	*headers = 0;
	for (size_t i = 0; i < c->cors_allow_origins.n; i++) {
		if (strcmp(c->cors_allow_origins.v[i], "*") == 0) {
			snprintf(headers, size, "Access-Control-Allow-Origin: *\r\n");
			return true;
		}
	}
	if (!c->cors_allow_origins.v || !origin.p)
		return true;
	for (size_t i = 0; i < c->cors_allow_origins.n; i++) {
		if (origin.n > 512 || !origin_fits(c->cors_allow_origins.v[i], origin))
			continue;
		snprintf(headers, size, "Access-Control-Allow-Origin: %.*s\r\n%s", (int)origin.n,
			(const char *)origin.p,
			c->cors_allow_credentials ? "Access-Control-Allow-Credentials: true\r\n" : "");
		return true;
	}
	return false;
}

static void reply_preflight(struct http_session *s, const struct http_request *r)
{
	const struct http_conf *c = http_of(s)->conf;
	struct span origin = http_request_header(r, "origin"),
		    wanted = http_request_header(r, "access-control-request-headers");
	char headers[2 * HEADERS_MAX], allow[HEADERS_MAX];
	bool may = c->cors_allow_origins.v &&
		   span_is(http_request_header(r, "access-control-request-method"), "POST") && wanted.n <= 512 &&
		   allow_origin(c, origin, allow, sizeof allow) && *allow;
	struct http_answer a = {.status = 403, .close = true};
	if (may) {
		snprintf(headers, sizeof headers,
			"Access-Control-Allow-Methods: POST\r\nAccess-Control-Allow-Headers: %.*s\r\n%s", (int)wanted.n,
			wanted.n ? (const char *)wanted.p : "", allow);
		a.status = 200;
		a.headers = headers;
	}
	http_session_reply(s, &a);
}

/* ---- events ---------------------------------------------------------------------------------------------------------------------- */

static void deliver_reply(struct mail *m)
{
	struct exchange *x = (struct exchange *)((char *)m - offsetof(struct exchange, reply));
	int error = atomic_load(&x->txn.error);
	if (error)
		reply_not_stored(x, error);
	else
		reply_good(x->session, x->headers);
}

/* May be called within a turn of ingest: the answer, which may lead to the next request, comes after it. */
static void on_txn(struct txn *t)
{
	struct exchange *x = (struct exchange *)t;
	worker_defer(x->feed.worker, &x->reply);
}

/* What was parked has gone on: the answer comes with the last frame's durability. */
static void on_room(struct feed *f)
{
	struct exchange *x = (struct exchange *)((char *)f - offsetof(struct exchange, feed));
	http_session_patience(x->session, 0);
}

static struct exchange *exchange_of(struct http_session *s)
{
	void **own = http_session_own(s);
	if (!*own) {
		struct exchange *x = mem_zalloc(sizeof *x);
		x->session = s;
		x->http = http_of(s);
		x->reply.deliver = deliver_reply;
		feed_init(&x->feed, x->http->source, http_session_worker(s), on_room);
		*own = x;
	}
	return *own;
}

/* /a/b/c is a.b.c */
static bool make_tag(const struct http_conf *c, struct span path, struct buf *tag)
{
	if (c->add_tag_prefix)
		buf_printf(tag, "%s.", c->add_tag_prefix);
	while (path.n && path.p[path.n - 1] == '/')
		path.n--;
	for (size_t i = 1; i < path.n; i++)
		buf_put_byte(tag, path.p[i] == '/' ? '.' : path.p[i]);
	return !tag->failed;
}

static void bury_bad(
	struct in_http *h, struct ingest *in, struct span tag, const struct http_events *e, struct txn *txn)
{
	struct bad_event b;
	struct span bytes;
	uint64_t held;
	for (size_t at = 0; bad_events_next(&e->bad, &at, &b, &bytes);)
		ingest_dead(in, tag, bytes, b.count, b.reason, txn);
	counter_add(h->source->n.skipped, e->bad.count);
	if (log_allowed(&h->log_skip, LOG_EVERY_NS, &held))
		log_warn(h->source->id,
			"events of a request are no use: they are kept as dead letters, the others of the request are "
			"stored",
			LOG_B("tag", tag), LOG_U("events", e->bad.count), LOG_S("error", e->why),
			LOG_U("held_back", held));
}

static void count(struct in_http *h, const struct http_events *e, size_t bytes)
{
	counter_add(h->source->n.messages, 1);
	counter_add(h->source->n.events, e->count + e->bad.count);
	counter_add(h->source->n.bytes, bytes);
}

/* The answer comes when all is durable. */
static void store(struct exchange *x, struct span tag, const struct http_events *e)
{
	struct ingest *in = feed_open(&x->feed);
	struct batch b = {
		.tag = tag, .entries = buf_span(&e->entries), .count = e->count, .received_ns = ingest_now(in)};
	ingest_new_key(in, b.key);
	txn_begin(&x->txn, x->feed.worker, on_txn);
	if (e->bad.count)
		bury_bad(x->http, in, tag, e, &x->txn);
	ingest_message(in, &b, &x->txn);
	if (!feed_close(&x->feed))
		http_session_patience(x->session, PATIENCE_NS);
	txn_release(&x->txn);
}

/* A GET's event: stored if there is room; nobody waits for it. */
static void store_probe(struct exchange *x, struct span tag, const struct http_events *e)
{
	struct ingest *in = feed_open(&x->feed);
	if (e->bad.count)
		bury_bad(x->http, in, tag, e, NULL);
	ingest_events(in, tag, (struct span){0}, buf_span(&e->entries), e->count);
	if (!feed_close(&x->feed))
		feed_drop(&x->feed);
	reply_good(x->session, x->headers);
}

static struct parser_room *room_of(struct in_http *h, struct worker *w)
{
	struct parser_room **r = &h->rooms[worker_index(w)];
	if (!*r) {
		*r = mem_alloc(sizeof **r);
		parser_room_init(*r, RECORD_MAX);
	}
	return *r;
}

static void take_events(struct http_session *s, const struct http_request *r, struct span body, bool probe)
{
	struct exchange *x = exchange_of(s);
	struct in_http *h = x->http;
	struct worker *w = http_session_worker(s);
	struct http_events e;
	struct buf tag;
	if (!allow_origin(h->conf, http_request_header(r, "origin"), x->headers, sizeof x->headers)) {
		http_session_reply(s, &(struct http_answer){.status = 403, .close = true});
		return;
	}
	buf_init(&tag, TAG_MAX);
	http_events_read(&h->reader, r, body, http_session_peer(s)->ip, entry_time(clock_wall_ns()), room_of(h, w), &e);
	if (e.status == 400)
		reply_bad(s, 400, "400 Bad Request", e.why, e.why_line, x->headers);
	else if (e.status)
		reply_bad(s, e.status, "The request cannot be taken", e.why, 0, x->headers);
	else if (!make_tag(h->conf, r->path, &tag))
		reply_bad(s, 400, "400 Bad Request", "the path is too long for a tag", 0, x->headers);
	else {
		count(h, &e, body.n + (probe ? r->query.n : 0));
		http_session_sent_events(s, e.count + e.bad.count);
		if (!e.count)
			reply_good(s, x->headers);
		else if (probe)
			store_probe(x, buf_span(&tag), &e);
		else
			store(x, buf_span(&tag), &e);
	}
	http_events_free(&e);
	buf_free(&tag);
}

static void handle(struct http_session *s, const struct http_request *r, struct span body)
{
	if (span_is(r->method, "POST") || span_is(r->method, "PUT") || span_is(r->method, "PATCH"))
		take_events(s, r, body, false);
	else if (span_is(r->method, "OPTIONS"))
		reply_preflight(s, r);
	else if (!span_is(r->method, "GET") && !span_is(r->method, "HEAD"))
		http_session_reply(s, &(struct http_answer){.status = 405,
					      .headers = "Allow: GET, HEAD, OPTIONS, POST, PUT, PATCH\r\n"});
	else if (http_events_in_query(r))
		take_events(s, r, (struct span){0}, true);
	else
		http_session_reply(s, &(struct http_answer){.status = 200});
}

static void hurry(struct http_session *s)
{
	struct exchange *x = exchange_of(s);
	feed_drop(&x->feed);
}

static void gone(struct http_session *s)
{
	struct exchange *x = *http_session_own(s);
	if (!x)
		return;
	feed_drop(&x->feed);
	mem_free(x);
}

static const struct http_hooks hooks = {.handle = handle, .hurry = hurry, .gone = gone};

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */

static void destroy(void *self)
{
	struct in_http *h = self;
	if (!h)
		return;
	stream_server_free(h->sessions.server);
	for (unsigned i = 0; i < INGEST_MAX_WORKERS; i++) {
		if (h->rooms[i])
			parser_room_free(h->rooms[i]);
		mem_free(h->rooms[i]);
	}
	http_reader_free(&h->reader);
	mem_free(h);
}

static void make_server(struct in_http *h, struct builder *b)
{
	const struct http_conf *c = h->conf;
	struct stream_hooks stream = http_session_hooks;
	struct stream_conf conf = {
		.id = h->source->id,
		.names = &stream_names_source,
		.bind = c->bind,
		.port = (uint16_t)c->port,
		.backlog = c->backlog == CONF_NIL_INT ? 0 : (int)c->backlog,
		.max_connections = (unsigned)c->max_connections,
		.transport = transport_of(&c->transport),
		.security = c->security.n ? c->security.v[0] : NULL,
		.limits =
			{
				.out_max = 16384,
				.linger_ns = LINGER_NS,
				.max_age_ns = c->max_age_ns == CONF_NIL_INT ? 0 : c->max_age_ns,
			},
	};
	http_sessions_init(&h->sessions, h->source->id, builder_metrics(b));
	h->sessions.hooks = &hooks;
	h->sessions.arg = h;
	h->sessions.body_max = (size_t)c->body_size_limit;
	h->sessions.idle_ns = c->keepalive_timeout_ns;
	h->sessions.log_bad = c->dump_error_log;
	stream.arg = &h->sessions;
	h->sessions.server = stream_server_new(&conf, &stream, builder_metrics(b), builder_report(b));
}

static void *create(struct source *s, struct builder *b)
{
	const struct http_conf *c = s->conf;
	struct conf_report *report = builder_report(b);
	struct in_http *h = mem_zalloc(sizeof *h);
	size_t errors = report->errors;
	h->source = s;
	h->conf = c;
	http_reader_init(&h->reader, c, builder_rules(b), report);
	make_server(h, b);
	if (report->errors == errors)
		return h;
	destroy(h);
	return NULL;
}

static bool start(struct source *s, struct server *server, struct err *err)
{
	struct in_http *h = s->self;
	return stream_server_start(h->sessions.server, server, err);
}

static void stop(struct source *s)
{
	struct in_http *h = s->self;
	stream_server_stop(h->sessions.server);
}

static unsigned busy(const struct source *s)
{
	const struct in_http *h = s->self;
	return stream_server_busy(h->sessions.server);
}

static void end(struct source *s)
{
	struct in_http *h = s->self;
	stream_server_end(h->sessions.server);
}

static bool renew(struct source *s, struct err *err)
{
	struct in_http *h = s->self;
	return stream_server_renew(h->sessions.server, err);
}

static void describe(const struct source *s, struct buf *out)
{
	const struct in_http *h = s->self;
	buf_printf(out, "%s:%u %s", h->conf->bind, stream_server_port(h->sessions.server),
		h->conf->transport.n && transport_is_tls(h->conf->transport.v[0]) ? "https" : "http");
}

static bool is_open(const struct source *s)
{
	const struct http_conf *c = s->conf;
	return is_everywhere(c->bind) && client_list_lets_all(&c->security) &&
	       !transport_wants_certificate(&c->transport);
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.stop = stop,
	.busy = busy,
	.end = end,
	.renew = renew,
	.is_open = is_open,
	.describe = describe,
};

const struct plugin in_http = {
	.kind = PLUGIN_INPUT,
	.name = "http",
	.help = "Events from HTTP requests.",
	.schema = &http_conf_schema,
	.input = &ops,
};
