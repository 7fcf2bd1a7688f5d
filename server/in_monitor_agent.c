/* in_monitor_agent.c: <source> @type monitor_agent: what plugins do, over HTTP and as events. https://docs.fluentd.org/input/monitor_agent */
#include "admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "entry.h"
#include "feed_timer.h"
#include "json_out.h"
#include "plugin_info.h"
#include "record/json_get.h"
#include "server.h"
#include "server_tls.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct agent_conf {
	struct conf_common common;
	char *bind, *tag;
	int64_t port, emit_interval_ns;
	bool include_config, include_retry;
	struct conf_list transport;
};

#define AT(field) .offset = offsetof(struct agent_conf, field)

static const struct conf_param params[] = {
	{.name = "bind", .type = CONF_STRING, AT(bind), .value = "0.0.0.0", .help = "The address."},
	{.name = "port", .type = CONF_INT, AT(port), .value = "24220", .max = 65535, .help = "The port."},
	{.name = "tag",
		.type = CONF_STRING,
		AT(tag),
		.help = "With it, each plugin's numbers are also an event of this tag, each emit_interval."},
	{.name = "emit_interval",
		.type = CONF_TIME,
		AT(emit_interval_ns),
		.value = "60",
		.min = NS_PER_MS * 100,
		.max = 86400 * NS_PER_S,
		.help = "Time between such events."},
	{.name = "include_config",
		.type = CONF_BOOL,
		AT(include_config),
		.value = "false",
		.help = "Tell each plugin's parameters as well, secrets masked."},
	{.name = "include_retry",
		.type = CONF_BOOL,
		AT(include_retry),
		.value = "false",
		.help = "Tell since when an output fails, and when it tries again."},
	{.name = "include_debug_info",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "it is about variables of Ruby objects"},
	{.name = NULL},
};

static const struct conf_sub subs[] = {{.schema = &transport_conf_schema, AT(transport)}, {.schema = NULL}};

static void check(void *conf, struct conf_report *r)
{
	const struct agent_conf *c = conf;
	transport_check_stream(&c->transport, r);
}

static const struct conf_schema schema = {
	.name = "source",
	.title = "monitor_agent input",
	.size = sizeof(struct agent_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "What each plugin does: `/api/plugins.json` (`/api/plugins` as LTSV; `?@id=`, `?@type=`, `?tag=`) and "
		"`/api/config.json`.",
};

struct agent {
	struct feed_timer timer; /* first: on_tick is handed it; not started without a tag */
	struct source *source;
	const struct agent_conf *conf;
	struct server *server;
	struct server_tls *tls; /* NULL = plain */
	struct admin *admin;
};

static void on_tick(struct feed_timer *t, struct ingest *in);

static void *create(struct source *source, struct builder *b)
{
	struct agent *s = mem_zalloc(sizeof *s);
	s->source = source;
	s->conf = source->conf;
	s->tls = server_tls_new(source->id, transport_of(&s->conf->transport), builder_metrics(b), builder_report(b));
	s->timer = (struct feed_timer){.source = source, .interval_ns = s->conf->emit_interval_ns, .on_tick = on_tick};
	return s;
}

static void destroy(void *self)
{
	struct agent *s = self;
	if (!s)
		return;
	server_tls_free(s->tls);
	mem_free(s);
}

/* ---- over HTTP ---------------------------------------------------------------------------------------------------- */

static struct plugin_info_options fields(const struct agent *s)
{
	return (struct plugin_info_options){.config = s->conf->include_config, .retry = s->conf->include_retry};
}

static void on_plugins_json(struct admin_request *r, void *arg)
{
	const struct agent *s = arg;
	struct plugin_info_options o = fields(s);
	plugin_info_reply(r, server_pipeline(s->server), &o, false);
}

static void on_plugins(struct admin_request *r, void *arg)
{
	const struct agent *s = arg;
	struct plugin_info_options o = fields(s);
	plugin_info_reply(r, server_pipeline(s->server), &o, true);
}

static json_t *config_json(const struct agent *s)
{
	const char *path = server_config_path(s->server);
	return json_pack("{s:i, s:i, s:s, s:s?, s:n, s:[], s:n, s:n}", "pid", (int)getpid(), "ppid", (int)getppid(),
		"version", WEIR_VERSION, "config_path", path, "pid_file", "plugin_dirs", "log_path", "root_dir");
}

static void on_config_json(struct admin_request *r, void *arg)
{
	json_t *j = config_json(arg);
	struct buf out;
	buf_init(&out, 1 << 20);
	if (!j) /* a path that is no UTF-8 */
		j = json_object();
	json_out(j, &out);
	json_decref(j);
	admin_reply(r, 200, "application/json", buf_span(&out));
	buf_free(&out);
}

static void on_config(struct admin_request *r, void *arg)
{
	json_t *j = config_json(arg);
	struct buf out;
	buf_init(&out, 1 << 20);
	if (j)
		plugin_info_ltsv(j, &out);
	json_decref(j);
	admin_reply(r, 200, "text/plain", buf_span(&out));
	buf_free(&out);
}

static void on_other(struct admin_request *r, void *arg)
{
	(void)arg;
	admin_reply(r, 404, "application/json", SPAN_LIT("{\"message\":\"Not found\"}"));
}

/* ---- as events ---------------------------------------------------------------------------------------------------- */

static void emit(struct agent *s, struct ingest *in, json_t *object, struct buf *text, struct buf *record)
{
	struct buf entry;
	buf_clear(text);
	buf_clear(record);
	buf_init(&entry, 16 << 20);
	json_out(object, text);
	const uint8_t *p = text->p;
	if (!text->failed && json_get(&p, text->p + text->n, 64, record, NULL) == JSON_OK &&
		entry_put(&entry, entry_time(clock_wall_ns()), buf_span(record), NULL, (struct span){0})) {
		counter_add(s->source->n.messages, 1);
		counter_add(s->source->n.events, 1);
		counter_add(s->source->n.bytes, entry.n);
		ingest_events(in, span_str(s->conf->tag), (struct span){0}, buf_span(&entry), 1);
	}
	buf_free(&entry);
}

static void on_tick(struct feed_timer *t, struct ingest *in)
{
	struct agent *s = (struct agent *)t;
	struct plugin_info_options o = fields(s);
	struct buf text, record;
	json_t *list = plugin_info(server_pipeline(s->server), &o);
	buf_init(&text, 16 << 20);
	buf_init(&record, 16 << 20);
	for (size_t i = 0; i < json_array_size(list); i++)
		emit(s, in, json_array_get(list, i), &text, &record);
	buf_free(&text);
	buf_free(&record);
	json_decref(list);
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

static bool start(struct source *source, struct server *server, struct err *err)
{
	struct agent *s = source->self;
	s->server = server;
	s->admin = admin_new(server_base(server));
	if (!s->admin)
		return err_set(err, "no memory for an HTTP server");
	admin_use_tls(s->admin, server_tls_context(s->tls));
	admin_route(s->admin, "GET /api/plugins.json", on_plugins_json, s);
	admin_route(s->admin, "GET /api/plugins", on_plugins, s);
	admin_route(s->admin, "GET /api/config.json", on_config_json, s);
	admin_route(s->admin, "GET /api/config", on_config, s);
	admin_route(s->admin, "* *", on_other, NULL);
	if (!admin_listen(s->admin, s->conf->bind, (uint16_t)s->conf->port, err)) {
		admin_free(s->admin);
		s->admin = NULL;
		return false;
	}
	log_info(source->id, "listening port", LOG_U("port", admin_port(s->admin, 0)), LOG_S("bind", s->conf->bind));
	return !s->conf->tag || feed_timer_start(&s->timer, server_workers(server)[0], err);
}

static void stop(struct source *source)
{
	struct agent *s = source->self;
	feed_timer_stop(&s->timer);
}

static unsigned busy(const struct source *source)
{
	const struct agent *s = source->self;
	return feed_timer_is_busy(&s->timer);
}

static void end(struct source *source)
{
	struct agent *s = source->self;
	feed_timer_end(&s->timer);
	admin_free(s->admin);
	s->admin = NULL;
}

static bool renew(struct source *source, struct err *err)
{
	struct agent *s = source->self;
	return server_tls_renew_admin(s->tls, s->admin, err);
}

static void describe(const struct source *source, struct buf *out)
{
	const struct agent_conf *c = source->conf;
	buf_printf(out, "%s:%lld", c->bind, (long long)c->port);
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.stop = stop,
	.busy = busy,
	.end = end,
	.renew = renew,
	.describe = describe,
};

const struct plugin in_monitor_agent = {
	.kind = PLUGIN_INPUT,
	.name = "monitor_agent",
	.help = "What each plugin does, over HTTP.",
	.schema = &schema,
	.input = &ops,
};
