/* out_label_router.c: <match> @type label_router: the logging operator's routes by Kubernetes namespace, labels, container and host. */
#include "base/mem.h"
#include "batch_split.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/msgpack_scan.h"

#include <stddef.h>

struct match_conf {
	struct conf_common common;
	struct conf_hash labels;
	struct conf_array namespaces, hosts, containers;
	bool negate;
};

struct route_conf {
	struct conf_common common;
	char *tag;
	struct conf_hash metrics_labels;
	struct conf_list matches;
};

struct label_router_conf {
	struct conf_common common;
	char *default_route, *default_tag;
	struct conf_list routes;
};

#define LIST(n, field, what)                                                                 \
	{                                                                                    \
		.name = n, .type = CONF_ARRAY, .offset = offsetof(struct match_conf, field), \
		.help = "The " what " that fit; any, if there is none."                      \
	}

static const struct conf_param match_params[] = {
	{.name = "labels",
		.type = CONF_HASH,
		.offset = offsetof(struct match_conf, labels),
		.help = "Labels that must all be there with these values: `app:nginx,env:dev`."},
	LIST("namespaces", namespaces, "namespaces"),
	LIST("hosts", hosts, "hosts"),
	LIST("container_names", containers, "containers"),
	{.name = "negate",
		.type = CONF_BOOL,
		.offset = offsetof(struct match_conf, negate),
		.value = "false",
		.help = "An event that fits is not for this route; the matches behind are not asked."},
	{.name = NULL},
};

static const struct conf_schema match_schema = {
	.name = "match",
	.title = "match of a route of the label_router output",
	.size = sizeof(struct match_conf),
	.params = match_params,
	.help = "Tried in their order; the first that fits decides.",
};

static const struct conf_param route_params[] = {
	{.name = "tag",
		.type = CONF_STRING,
		.offset = offsetof(struct route_conf, tag),
		.value = "",
		.help = "A new tag."},
	{.name = "metrics_labels",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "routed events are counted by @label in weir_output_routed_events_total"},
	{.name = NULL},
};

static const struct conf_sub route_subs[] = {
	{.schema = &match_schema, .offset = offsetof(struct route_conf, matches), .multi = true},
	{.schema = NULL},
};

static const struct conf_schema route_schema = {
	.name = "route",
	.title = "route of the label_router output",
	.size = sizeof(struct route_conf),
	.params = route_params,
	.subs = route_subs,
	.help = "Where (`@label`) events go that one of its `<match>` sections selects.",
};

static const struct conf_param params[] = {
	{.name = "default_route",
		.type = CONF_STRING,
		.offset = offsetof(struct label_router_conf, default_route),
		.value = "",
		.help = "The label of events that no route wants."},
	{.name = "default_tag",
		.type = CONF_STRING,
		.offset = offsetof(struct label_router_conf, default_tag),
		.value = "",
		.help = "Their new tag."},
	{.name = "emit_mode",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "events go on in batches; nothing differs"},
	{.name = "sticky_tags",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "each event is judged by its own labels, whatever others of its tag were"},
	{.name = "metrics",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "routed events are always counted, in weir_output_routed_events_total"},
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &route_schema, .offset = offsetof(struct label_router_conf, routes), .multi = true},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "match",
	.title = "label_router output",
	.size = sizeof(struct label_router_conf),
	.params = params,
	.subs = subs,
	.help = "Sends events to every `<route>` that selects them by $.kubernetes: namespace_name, labels, "
		"container_name, host.",
};

struct route {
	const struct route_conf *conf; /* NULL: the default */
	const struct router *router;
	const char *tag; /* "" = as it is */
	char *what;
	struct counter *events;
};

struct label_router {
	struct route *v;
	size_t n;
	struct route *otherwise; /* NULL = dropped */
	struct counter *no_route;
};

/* ---- set-up ------------------------------------------------------------------------------------------------------- */

static struct route make_route(struct output *o, struct builder *b, const char *label, const char *tag, size_t i)
{
	char *labels = metrics_labels("plugin_id", o->id, "label", label ? label : "@ROOT", NULL);
	struct route r = {
		.tag = tag,
		.what = mem_printf("%s|%zu", o->id, i),
		.events = metrics_counter(builder_metrics(b), "weir_output_routed_events_total", labels,
			"Events that label_router sent to a label."),
	};
	mem_free(labels);
	return r;
}

static void destroy(void *self)
{
	struct label_router *r = self;
	if (!r)
		return;
	for (size_t i = 0; i < r->n + (r->otherwise != NULL); i++)
		mem_free(r->v[i].what);
	mem_free(r->v);
	mem_free(r);
}

static void *create(struct output *o, struct builder *b)
{
	const struct label_router_conf *c = o->conf;
	struct label_router *r = mem_zalloc(sizeof *r);
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, "reason", "no_route", NULL);
	r->no_route = metrics_counter(builder_metrics(b), "weir_output_dropped_events_total", labels,
		"Events that an output did not pass on, by reason.");
	mem_free(labels);
	r->v = mem_array(c->routes.n + 1, sizeof *r->v);
	for (size_t i = 0; i < c->routes.n; i++) {
		const struct route_conf *rc = c->routes.v[i];
		const char *label = rc->common.label;
		r->v[r->n] = make_route(o, b, label, rc->tag, i);
		r->v[r->n].conf = rc;
		r->v[r->n++].router = builder_label(b, label ? label : "@ROOT", conf_where(rc, "@label"));
	}
	if (*c->default_route || *c->default_tag) {
		r->otherwise = &r->v[r->n];
		*r->otherwise = make_route(o, b, c->default_route, c->default_tag, r->n);
		r->otherwise->router = builder_label(b, c->default_route, conf_where(c, "default_route"));
	}
	return r;
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

/* What the rules look at; n = 0: not there. */
struct origin {
	struct span labels; /* msgpack */
	struct span namespace, container, host;
};

static struct span text_of(struct span map, struct span key)
{
	struct mp_token t;
	struct span value = mp_map_get(map, key);
	const uint8_t *p = value.p;
	if (!value.n || mp_read(&p, p + value.n, &t) != MP_OK || (t.type != MP_STR && t.type != MP_BIN))
		return (struct span){0};
	return t.body;
}

static struct origin origin_of(struct span record)
{
	struct span k = mp_map_get(record, SPAN_LIT("kubernetes"));
	return (struct origin){
		.labels = mp_map_get(k, SPAN_LIT("labels")),
		.namespace = text_of(k, SPAN_LIT("namespace_name")),
		.container = text_of(k, SPAN_LIT("container_name")),
		.host = text_of(k, SPAN_LIT("host")),
	};
}

static bool in_list(const struct conf_array *list, struct span text)
{
	for (size_t i = 0; i < list->n; i++)
		if (span_is(text, list->v[i]))
			return true;
	return list->n == 0;
}

static bool fits(const struct match_conf *m, const struct origin *o)
{
	if (!in_list(&m->hosts, o->host) || !in_list(&m->containers, o->container) ||
		!in_list(&m->namespaces, o->namespace))
		return false;
	for (size_t i = 0; i < m->labels.n; i++) {
		const struct conf_hash_item *want = &m->labels.v[i];
		if (!mp_map_get(o->labels, span_str(want->key)).n ||
			!span_is(text_of(o->labels, span_str(want->key)), want->value ? want->value : ""))
			return false;
	}
	return true;
}

static bool selects(const struct route_conf *r, const struct origin *o)
{
	for (size_t i = 0; i < r->matches.n; i++) {
		const struct match_conf *m = r->matches.v[i];
		if (fits(m, o))
			return !m->negate;
	}
	return false;
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	const struct label_router *r = o->self;
	struct batch_split split;
	struct batch_iter it;
	uint64_t dropped = 0;
	batch_split_init(&split);
	for (batch_iter_init(&it, b); batch_iter_next(&it);) {
		struct origin origin = origin_of(it.event.record);
		bool taken = false;
		for (size_t i = 0; i <= r->n; i++) {
			const struct route *route = i < r->n ? &r->v[i] : taken ? NULL : r->otherwise;
			if (!route || (route->conf && !selects(route->conf, &origin)))
				continue;
			taken = true;
			struct span tag = *route->tag ? span_str(route->tag) : b->tag;
			if (!batch_split_add(&split, route, tag, it.entry))
				ingest_no_memory(in, it.entry.n, 1);
		}
		dropped += !taken;
	}
	counter_add(r->no_route, dropped);
	for (size_t i = 0; i < split.n; i++) {
		const struct route *route = split.parts[i].target;
		struct batch part = batch_split_part(b, &split.parts[i], route->what, true);
		counter_add(route->events, part.count);
		ingest_route(in, route->router, &part);
	}
	batch_split_free(&split);
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_label_router = {
	.kind = PLUGIN_OUTPUT,
	.name = "label_router",
	.help = "Sends events to labels by their Kubernetes metadata.",
	.schema = &schema,
	.output = &ops,
};
