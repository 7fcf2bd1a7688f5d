#include "admin.h"

#include "base/clock.h"
#include "base/mem.h"
#include "peer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADERS_MAX	  (16 << 10)
#define BODY_MAX	  (1 << 20)
#define CONNECTIONS_MAX	  64			/* one more, and the one whose time would be over first gives way */
#define PLACES		  (2 * CONNECTIONS_MAX) /* those that give way need theirs for another moment */
#define IDLE_SECONDS	  10			/* without a byte in either direction */
#define REQUEST_SECONDS	  30			/* from the connection or the last request to the end of the next one */
#define SWEEP_MS	  250
#define STREAM_UNSENT_MAX (1u << 20)
#define BACKLOG		  128

struct route {
	char *method; /* "*" = any */
	char *path;   /* "*" = any that has no route */
	admin_handler *handler;
	void *arg;
};

struct listener {
	struct evhttp_bound_socket *socket;
	uint16_t port;
};

/*
 * evhttp has no limit of connections and none of the time that a request takes as a whole, and does not tell when it drops a
 * connection. So a reference to each bufferevent is kept here, and looked at by a timer: evhttp is done with one when
 * its callbacks are gone.
 */
struct connection {
	struct bufferevent *bev; /* NULL: free place */
	int64_t deadline_ns;	 /* monotonic */
	bool leaving;
};

struct admin {
	struct event_base *base;
	struct evhttp *http;
	struct event *sweep;
	struct listener *listeners;
	size_t listener_count;
	struct route *routes;
	size_t route_count;
	struct connection connections[PLACES];
	size_t connection_count;
	bool paused;  /* the listeners, because all places are taken */
	SSL_CTX *tls; /* NULL = plain */
};

struct admin_stream {
	struct evhttp_request *ev;
	void (*on_gone)(void *arg);
	void *arg;
};

struct admin_request {
	struct admin *admin;
	struct evhttp_request *ev;
	const char *method, *path;
	struct evkeyvalq query;
	bool query_read, answered;
};

/* ---- connections ---- */

static void pause_listeners(struct admin *a, bool pause)
{
	a->paused = pause;
	for (size_t i = 0; i < a->listener_count; i++) {
		struct evconnlistener *l = evhttp_bound_socket_get_listener(a->listeners[i].socket);
		(void)(pause ? evconnlistener_disable(l) : evconnlistener_enable(l));
	}
}

static bool evhttp_is_done(struct bufferevent *bev)
{
	bufferevent_data_cb on_read, on_write;
	bufferevent_event_cb on_event;
	void *arg;
	bufferevent_getcb(bev, &on_read, &on_write, &on_event, &arg);
	return !on_event;
}

static void forget_done(struct admin *a)
{
	for (size_t i = 0; i < PLACES; i++) {
		struct connection *c = &a->connections[i];
		if (!c->bev || !evhttp_is_done(c->bev))
			continue;
		bufferevent_decref(c->bev);
		c->bev = NULL;
		a->connection_count--;
	}
}

/* Only of one that evhttp is not done with: the descriptor of such a one may be another connection's by now. */
static void see_off(struct connection *c)
{
	c->leaving = true;
	shutdown(bufferevent_getfd(c->bev), SHUT_RDWR); /* evhttp sees the end and drops it */
}

/* Whoever holds connections and asks nothing must not keep a health check out. */
static void make_way_for(struct admin *a, const struct connection *newest)
{
	struct connection *first = NULL;
	size_t staying = 0;
	for (size_t i = 0; i < PLACES; i++) {
		struct connection *c = &a->connections[i];
		if (!c->bev || c->leaving)
			continue;
		staying++;
		if (c != newest && (!first || c->deadline_ns < first->deadline_ns))
			first = c;
	}
	if (first && staying > CONNECTIONS_MAX)
		see_off(first);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct admin *a = arg;
	int64_t now = clock_mono_ns();
	(void)fd;
	(void)what;
	forget_done(a);
	for (size_t i = 0; i < PLACES; i++) {
		struct connection *c = &a->connections[i];
		if (c->bev && now >= c->deadline_ns)
			see_off(c);
	}
	if (a->paused && a->connection_count < PLACES)
		pause_listeners(a, false);
	if (a->connection_count == 0)
		evtimer_del(a->sweep);
}

static struct bufferevent *new_bufferevent(const struct admin *a, struct event_base *base)
{
	if (!a->tls)
		return bufferevent_socket_new(base, -1, 0);
	SSL *ssl = SSL_new(a->tls);
	struct bufferevent *bev = ssl ? bufferevent_openssl_socket_new(
						base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
				      : NULL;
	if (bev)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	else
		SSL_free(ssl);
	return bev;
}

static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	struct admin *a = arg;
	struct timeval interval = {.tv_usec = SWEEP_MS * 1000};
	struct bufferevent *bev = new_bufferevent(a, base);
	if (!bev)
		return NULL;
	forget_done(a);
	for (size_t i = 0; i < PLACES; i++) {
		struct connection *c = &a->connections[i];
		if (c->bev)
			continue;
		bufferevent_incref(bev);
		*c = (struct connection){.bev = bev, .deadline_ns = clock_mono_ns() + REQUEST_SECONDS * NS_PER_S};
		a->connection_count++;
		make_way_for(a, c);
		break;
	}
	if (a->connection_count == PLACES)
		pause_listeners(a, true);
	if (!evtimer_pending(a->sweep, NULL))
		evtimer_add(a->sweep, &interval);
	return bev;
}

static void set_deadline(struct admin *a, struct evhttp_connection *evcon, int64_t at_ns)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(evcon);
	for (size_t i = 0; i < PLACES; i++)
		if (a->connections[i].bev == bev)
			a->connections[i].deadline_ns = at_ns;
}

static int64_t request_deadline(void)
{
	return clock_mono_ns() + REQUEST_SECONDS * NS_PER_S;
}

/* ---- requests ---- */

static const char *method_name(enum evhttp_cmd_type type)
{
	switch (type) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_HEAD:
		return "HEAD";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_DELETE:
		return "DELETE";
	case EVHTTP_REQ_OPTIONS:
		return "OPTIONS";
	case EVHTTP_REQ_TRACE:
		return "TRACE";
	case EVHTTP_REQ_CONNECT:
		return "CONNECT";
	case EVHTTP_REQ_PATCH:
		return "PATCH";
	}
	return "";
}

static bool takes(const struct route *route, const char *method)
{
	return strcmp(route->method, "*") == 0 || strcmp(route->method, method) == 0 ||
	       (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* The methods of the path's routes, for a 405's Allow header; empty if the path has none. */
static void list_methods(const struct admin *a, const char *path, char *out, size_t size)
{
	size_t n = 0;
	*out = 0;
	for (size_t i = 0; i < a->route_count; i++) {
		const struct route *route = &a->routes[i];
		if (strcmp(route->path, path) != 0 || n >= size)
			continue;
		const char *also = strcmp(route->method, "GET") == 0 ? ", HEAD" : "";
		n += (size_t)snprintf(out + n, size - n, "%s%s%s", n ? ", " : "", route->method, also);
	}
}

static const struct route *find_route(const struct admin *a, const char *method, const char *path)
{
	const struct route *other = NULL;
	for (size_t i = 0; i < a->route_count; i++) {
		const struct route *route = &a->routes[i];
		if (strcmp(route->path, path) == 0 && takes(route, method))
			return route;
		if (strcmp(route->path, "*") == 0 && takes(route, method))
			other = route;
	}
	return other;
}

static void refuse(struct admin *a, struct admin_request *r)
{
	char methods[100];
	list_methods(a, r->path, methods, sizeof methods);
	if (*methods) {
		evhttp_add_header(evhttp_request_get_output_headers(r->ev), "Allow", methods);
		admin_reply(r, 405, "text/plain", SPAN_LIT("method not allowed\n"));
	} else {
		admin_reply(r, 404, "text/plain", SPAN_LIT("not found\n"));
	}
}

static void on_request(struct evhttp_request *ev, void *arg)
{
	struct admin *a = arg;
	struct admin_request r = {.ev = ev, .method = method_name(evhttp_request_get_command(ev))};
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(ev);
	r.admin = a;
	set_deadline(a, evhttp_request_get_connection(ev), request_deadline());
	r.path = uri ? evhttp_uri_get_path(uri) : NULL;
	if (!r.path)
		r.path = "";
	const struct route *route = find_route(a, r.method, r.path);
	if (route)
		route->handler(&r, route->arg);
	else
		refuse(a, &r);
	if (!r.answered)
		admin_reply(&r, 500, "text/plain", SPAN_LIT("no answer\n"));
	if (r.query_read)
		evhttp_clear_headers(&r.query);
}

const char *admin_method(const struct admin_request *r)
{
	return r->method;
}

const char *admin_query(struct admin_request *r, const char *name)
{
	if (!r->query_read) {
		const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(r->ev));
		r->query_read = true;
		if (text)
			evhttp_parse_query_str(text, &r->query); /* one that is ill-formed in part counts as none */
	}
	/* evhttp_find_header takes names of either case for equal; parameters are not. */
	for (struct evkeyval *kv = r->query.tqh_first; kv; kv = kv->next.tqe_next)
		if (strcmp(kv->key, name) == 0)
			return kv->value;
	return NULL;
}

void admin_add_header(struct admin_request *r, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(r->ev), name, value);
}

static void add_common_headers(struct admin_request *r)
{
	admin_add_header(r, "Cache-Control", "no-store");
	admin_add_header(r, "X-Content-Type-Options", "nosniff");
}

void admin_reply(struct admin_request *r, int status, const char *content_type, struct span body)
{
	char length[24];
	if (r->answered)
		return;
	r->answered = true;
	snprintf(length, sizeof length, "%zu", body.n);
	admin_add_header(r, "Content-Type", content_type);
	admin_add_header(r, "Content-Length", length);
	add_common_headers(r);
	struct evbuffer *out = evhttp_request_get_output_buffer(r->ev);
	if (strcmp(r->method, "HEAD") != 0 && evbuffer_add(out, body.p, body.n) != 0) {
		evhttp_send_error(r->ev, HTTP_INTERNAL, NULL); /* no memory for the body */
		return;
	}
	evhttp_send_reply(r->ev, status, NULL, NULL);
}

/* ---- streams ---- */

static void on_stream_gone(struct evhttp_connection *evcon, void *arg)
{
	struct admin_stream *s = arg;
	(void)evcon;
	s->on_gone(s->arg);
	if (!evhttp_request_get_connection(s->ev))
		evhttp_request_free(s->ev); /* evhttp lets go of what is not answered yet, except at its own end */
	mem_free(s);
}

struct admin_stream *admin_reply_stream(
	struct admin_request *r, const char *content_type, void (*on_gone)(void *arg), void *arg)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(r->ev);
	struct admin_stream *s = mem_zalloc(sizeof *s);
	*s = (struct admin_stream){.ev = r->ev, .on_gone = on_gone, .arg = arg};
	r->answered = true;
	set_deadline(r->admin, evcon, INT64_MAX); /* a client that does not read ends by the time without a byte */
	admin_add_header(r, "Content-Type", content_type);
	add_common_headers(r);
	evhttp_connection_set_closecb(evcon, on_stream_gone, s);
	evhttp_send_reply_start(r->ev, 200, "OK");
	return s;
}

bool admin_stream_send(struct admin_stream *s, struct span piece)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(s->ev);
	struct evbuffer *unsent = bufferevent_get_output(evhttp_connection_get_bufferevent(evcon));
	if (evbuffer_get_length(unsent) > STREAM_UNSENT_MAX)
		return false;
	struct evbuffer *b = evbuffer_new();
	bool ok = b && evbuffer_add(b, piece.p, piece.n) == 0;
	if (ok)
		evhttp_send_reply_chunk(s->ev, b);
	if (b)
		evbuffer_free(b);
	return ok;
}

void admin_stream_end(struct admin_stream *s)
{
	evhttp_connection_set_closecb(evhttp_request_get_connection(s->ev), NULL, NULL);
	evhttp_send_reply_end(s->ev);
	mem_free(s);
}

/* ---- the server ---- */

void admin_use_tls(struct admin *a, SSL_CTX *tls)
{
	a->tls = tls;
}

struct admin *admin_new(struct event_base *base)
{
	struct admin *a = mem_zalloc(sizeof *a);
	a->base = base;
	a->http = evhttp_new(base);
	a->sweep = event_new(base, -1, EV_PERSIST, on_sweep, a);
	if (!a->http || !a->sweep) {
		admin_free(a);
		return NULL;
	}
	evhttp_set_max_headers_size(a->http, HEADERS_MAX);
	evhttp_set_max_body_size(a->http, BODY_MAX);
	evhttp_set_timeout(a->http, IDLE_SECONDS);
	/* All of them, so that 404 and 405 are said here and with the right headers. */
	evhttp_set_allowed_methods(a->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
						    EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
						    EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(a->http, on_request, a);
	evhttp_set_bevcb(a->http, on_connection, a);
	return a;
}

void admin_free(struct admin *a)
{
	if (!a)
		return;
	if (a->http)
		evhttp_free(a->http); /* with its listeners */
	for (size_t i = 0; i < PLACES; i++)
		if (a->connections[i].bev)
			bufferevent_decref(a->connections[i].bev);
	if (a->sweep)
		event_free(a->sweep);
	for (size_t i = 0; i < a->route_count; i++) {
		mem_free(a->routes[i].method);
		mem_free(a->routes[i].path);
	}
	mem_free(a->routes);
	mem_free(a->listeners);
	mem_free(a);
}

void admin_route(struct admin *a, const char *what, admin_handler *handler, void *arg)
{
	size_t n = strcspn(what, " ");
	a->routes = mem_realloc(a->routes, (a->route_count + 1) * sizeof *a->routes);
	a->routes[a->route_count++] = (struct route){
		.method = mem_strndup(what, n),
		.path = mem_strdup(what + n + strspn(what + n, " ")),
		.handler = handler,
		.arg = arg,
	};
}

/* ---- listeners ---- */

/* The addresses of `bind`, numeric in brackets too; NULL and why, if there are none. */
static struct addrinfo *resolve(const char *bind, uint16_t port, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
	char host[256], service[8];
	size_t n = strlen(bind);
	bool brackets = n >= 2 && bind[0] == '[' && bind[n - 1] == ']';
	if (n >= sizeof host) {
		err_set(err, "the address is too long");
		return NULL;
	}
	snprintf(host, sizeof host, "%.*s", (int)(brackets ? n - 2 : n), bind + brackets);
	snprintf(service, sizeof service, "%u", (unsigned)port);
	int rc = getaddrinfo(host, service, &hints, &list);
	if (rc != 0) {
		err_set(err, "%s", gai_strerror(rc));
		return NULL;
	}
	return list;
}

static int open_socket(const struct addrinfo *address, struct err *err)
{
	int on = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
		bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err_sys(err, errno, "no listening socket");
	if (fd >= 0)
		close(fd);
	return -1;
}

bool admin_listen(struct admin *a, const char *bind, uint16_t port, struct err *err)
{
	if (!bind || !*bind || strcmp(bind, "*") == 0)
		bind = "0.0.0.0";
	struct addrinfo *list = resolve(bind, port, err);
	int fd = list ? open_socket(list, err) : -1;
	if (list)
		freeaddrinfo(list);
	if (fd < 0)
		return err_wrap(err, "cannot listen on %s port %u", bind, (unsigned)port);
	uint16_t actual = bound_port(fd);
	struct evhttp_bound_socket *s = evhttp_accept_socket_with_handle(a->http, fd);
	if (!s) {
		close(fd);
		return err_set(err, "cannot listen on %s port %u: no memory", bind, (unsigned)port);
	}
	a->listeners = mem_realloc(a->listeners, (a->listener_count + 1) * sizeof *a->listeners);
	a->listeners[a->listener_count++] = (struct listener){.socket = s, .port = actual};
	return true;
}

uint16_t admin_port(const struct admin *a, size_t i)
{
	return i < a->listener_count ? a->listeners[i].port : 0;
}
