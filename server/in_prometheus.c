/* in_prometheus.c: <source> @type prometheus: all metrics at an address of their own. */
#include "admin.h"
#include "base/log.h"
#include "base/mem.h"
#include "plugin.h"
#include "pipeline.h"
#include "server.h"
#include "server_tls.h"

#include <libdeflate.h>
#include <stddef.h>

struct prometheus_conf {
	struct conf_common common;
	char *bind, *metrics_path, *aggregated_metrics_path;
	int64_t port;
	int content_encoding;
	struct conf_list transport, ssl;
};

#define AT(field) .offset = offsetof(struct prometheus_conf, field)

enum { ENCODING_IDENTITY, ENCODING_GZIP };
static const struct conf_choice encodings[] = {{"identity", ENCODING_IDENTITY}, {"gzip", ENCODING_GZIP}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "bind",
		.type = CONF_STRING,
		AT(bind),
		.value = "127.0.0.1",
		.help = "The address; `0.0.0.0` lets Prometheus in from other hosts."},
	{.name = "port", .type = CONF_INT, AT(port), .value = "24231", .max = 65535, .help = "The port."},
	{.name = "metrics_path",
		.type = CONF_STRING,
		AT(metrics_path),
		.value = "/metrics",
		.help = "Where the metrics are."},
	{.name = "aggregated_metrics_path",
		.type = CONF_STRING,
		AT(aggregated_metrics_path),
		.value = "/aggregated_metrics",
		.help = "The same again: workers are threads, there is nothing to put together."},
	{.name = "content_encoding",
		.type = CONF_ENUM,
		AT(content_encoding),
		.value = "identity",
		.choices = encodings,
		.help = "How the text is sent: identity or gzip."},
	{.name = "ignore_error_log_interval",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "repeated lines are held back"},
	{.name = NULL},
};

static const struct conf_schema ssl_schema = {
	.name = "ssl",
	.title = "ssl of the prometheus input",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.help = "Obsolete: `<transport tls>` is what there is.",
};

static const struct conf_sub subs[] = {
	{.schema = &transport_conf_schema, AT(transport)},
	{.schema = &ssl_schema, AT(ssl)},
	{.schema = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct prometheus_conf *c = conf;
	if (c->ssl.n)
		conf_report_add(r, CONF_ERROR, ((const struct conf_common *)c->ssl.v[0])->pos,
			"<ssl> of the prometheus input is obsolete: write <transport tls> with cert_path and "
			"private_key_path");
	transport_check_stream(&c->transport, r);
}

static const struct conf_schema schema = {
	.name = "source",
	.title = "prometheus input",
	.size = sizeof(struct prometheus_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "An HTTP endpoint with all metrics for Prometheus: weir's own, fluentd's, and those of `prometheus` "
		"filters "
		"and outputs.",
};

struct prometheus {
	const struct prometheus_conf *conf;
	struct server_tls *tls; /* NULL = plain */
	struct metrics *metrics;
	struct admin *admin;
};

static void destroy(void *self)
{
	struct prometheus *s = self;
	if (!s)
		return;
	server_tls_free(s->tls);
	mem_free(s);
}

static void *create(struct source *source, struct builder *b)
{
	const struct prometheus_conf *c = source->conf;
	struct prometheus *s = mem_zalloc(sizeof *s);
	s->conf = c;
	s->tls = server_tls_new(source->id, transport_of(&c->transport), builder_metrics(b), builder_report(b));
	return s;
}

/* False: no memory; the text goes as it is. */
static bool compress(struct span text, struct buf *out)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
	size_t room = c ? libdeflate_gzip_compress_bound(c, text.n) : 0;
	bool ok = c && buf_reserve(out, room);
	if (ok)
		out->n = libdeflate_gzip_compress(c, text.p, text.n, out->p, room);
	if (c)
		libdeflate_free_compressor(c);
	return ok && out->n;
}

static void on_metrics(struct admin_request *r, void *arg)
{
	const struct prometheus *s = arg;
	struct buf text, packed;
	buf_init(&text, 64 << 20);
	buf_init(&packed, 64 << 20);
	metrics_text(s->metrics, &text);
	bool gzip = s->conf->content_encoding == ENCODING_GZIP && compress(buf_span(&text), &packed);
	if (gzip)
		admin_add_header(r, "Content-Encoding", "gzip");
	admin_reply(r, text.failed ? 500 : 200, METRICS_CONTENT_TYPE, buf_span(gzip ? &packed : &text));
	buf_free(&text);
	buf_free(&packed);
}

static void add_route(struct prometheus *s, const char *path)
{
	char *what = mem_printf("GET %s", path);
	admin_route(s->admin, what, on_metrics, s);
	mem_free(what);
}

static bool start(struct source *source, struct server *server, struct err *err)
{
	struct prometheus *s = source->self;
	s->metrics = server_metrics(server);
	s->admin = admin_new(server_base(server));
	if (!s->admin)
		return err_set(err, "no memory for an HTTP server");
	admin_use_tls(s->admin, server_tls_context(s->tls));
	add_route(s, s->conf->metrics_path);
	add_route(s, s->conf->aggregated_metrics_path);
	if (!admin_listen(s->admin, s->conf->bind, (uint16_t)s->conf->port, err)) {
		admin_free(s->admin);
		s->admin = NULL;
		return false;
	}
	log_info(source->id, "listening port", LOG_U("port", admin_port(s->admin, 0)), LOG_S("bind", s->conf->bind),
		LOG_S("path", s->conf->metrics_path));
	return true;
}

/* It answers until the end: the shutdown can be watched. */
static void end(struct source *source)
{
	struct prometheus *s = source->self;
	admin_free(s->admin);
	s->admin = NULL;
}

static bool renew(struct source *source, struct err *err)
{
	struct prometheus *s = source->self;
	return server_tls_renew_admin(s->tls, s->admin, err);
}

static void describe(const struct source *source, struct buf *out)
{
	const struct prometheus_conf *c = source->conf;
	buf_printf(out, "%s:%lld%s", c->bind, (long long)c->port, c->metrics_path);
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.end = end,
	.renew = renew,
	.describe = describe,
	.no_events = true,
};

const struct plugin in_prometheus = {
	.kind = PLUGIN_INPUT,
	.name = "prometheus",
	.help = "All metrics for Prometheus, over HTTP.",
	.schema = &schema,
	.input = &ops,
};
