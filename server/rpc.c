#include "rpc.h"

#include "admin.h"
#include "base/log.h"
#include "base/mem.h"
#include "peer.h"
#include "record/json_put.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rpc {
	struct admin *admin;
	const struct loaded *conf;
};

static const char json[] = "application/json";

static void reply_ok(struct admin_request *r)
{
	admin_reply(r, 200, json, SPAN_LIT("{\"ok\":true}"));
}

/* The commands are what signals do. */
static void on_flush(struct admin_request *r, void *arg)
{
	(void)arg;
	kill(getpid(), SIGUSR1);
	reply_ok(r);
}

static void on_end(struct admin_request *r, void *arg)
{
	(void)arg;
	kill(getpid(), SIGTERM);
	reply_ok(r);
}

static void on_flush_and_end(struct admin_request *r, void *arg)
{
	(void)arg;
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGTERM);
	reply_ok(r);
}

static void on_reload(struct admin_request *r, void *arg)
{
	(void)arg;
	kill(getpid(), SIGHUP);
	reply_ok(r);
}

static void on_not_here(struct admin_request *r, void *arg)
{
	(void)arg;
	admin_reply(r, 501, json, SPAN_LIT("{\"ok\":false,\"message\":\"weir does not do this: restart it\"}"));
}

static void dump(const struct rpc *rpc, struct buf *out)
{
	buf_init(out, 64 << 20);
	conf_show(&system_conf_schema, rpc->conf->system, out, 0);
	buf_put_byte(out, '\n');
	pipeline_show(rpc->conf->pipeline, out);
}

static void on_dump(struct admin_request *r, void *arg)
{
	struct buf out;
	dump(arg, &out);
	for (const char *p = buf_cstr(&out); *p;) {
		size_t n = strcspn(p, "\n");
		char *line = mem_strndup(p, n);
		log_info(NULL, line);
		mem_free(line);
		p += n + (p[n] == '\n');
	}
	buf_free(&out);
	reply_ok(r);
}

static void on_get_dump(struct admin_request *r, void *arg)
{
	struct buf out, body;
	dump(arg, &out);
	buf_init(&body, SIZE_MAX);
	buf_put_str(&body, "{\"conf\":");
	json_put_string(&body, buf_span(&out));
	buf_put_str(&body, ",\"ok\":true}");
	admin_reply(r, 200, json, buf_span(&body));
	buf_free(&body);
	buf_free(&out);
}

static void add_routes(struct rpc *r)
{
	static const struct {
		const char *path;
		admin_handler *fn;
	} routes[] = {
		{"* /api/plugins.flushBuffers", on_flush},
		{"* /api/processes.interruptWorkers", on_end},
		{"* /api/processes.killWorkers", on_end},
		{"* /api/processes.flushBuffersAndKillWorkers", on_flush_and_end},
		{"* /api/processes.zeroDowntimeRestart", on_not_here},
		{"* /api/config.reload", on_reload},
		{"* /api/config.gracefulReload", on_reload},
		{"* /api/config.dump", on_dump},
	};
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		admin_route(r->admin, routes[i].path, routes[i].fn, r);
	if (r->conf->system->enable_get_dump)
		admin_route(r->admin, "* /api/config.getDump", on_get_dump, r);
}

struct rpc *rpc_start(struct event_base *base, const char *endpoint, const struct loaded *conf, struct err *err)
{
	const char *colon = strrchr(endpoint, ':');
	char *host = colon ? mem_strndup(endpoint, (size_t)(colon - endpoint)) : mem_strdup("127.0.0.1");
	struct rpc *r = mem_alloc(sizeof *r);
	*r = (struct rpc){admin_new(base), conf};
	unsigned long port = strtoul(colon ? colon + 1 : endpoint, NULL, 10); /* system_conf has checked it */
	bool ok = r->admin ? admin_listen(r->admin, host, (uint16_t)port, err)
			   : err_set(err, "no memory for the RPC endpoint");
	bool everywhere = is_everywhere(host);
	mem_free(host);
	if (!ok) {
		rpc_stop(r);
		return NULL;
	}
	add_routes(r);
	log_info(NULL, "RPC endpoint", LOG_S("endpoint", endpoint));
	if (everywhere)
		log_warn(NULL, "whoever reaches rpc_endpoint can stop weir: give it 127.0.0.1");
	return r;
}

void rpc_stop(struct rpc *r)
{
	if (!r)
		return;
	admin_free(r->admin);
	mem_free(r);
}
