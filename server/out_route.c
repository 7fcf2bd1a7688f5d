/* out_route.c: <match> @type route: events go on to labels by their tags, maybe with another tag. */
#include "base/buf.h"
#include "base/mem.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/tag_match.h"

#include <stddef.h>

#define TAG_MAX 65535u

struct route_conf {
	struct conf_common common;
	char *remove_tag_prefix, *add_tag_prefix;
	bool copy;
};

struct routes_conf {
	struct conf_common common;
	char *remove_tag_prefix, *add_tag_prefix;
	struct conf_list routes;
};

#define PREFIXES(STRUCT)                                                                                          \
	{.name = "remove_tag_prefix",                                                                             \
		.type = CONF_STRING,                                                                              \
		.offset = offsetof(struct STRUCT, remove_tag_prefix),                                             \
		.help = "Taken, with the dot behind it, from the beginning of the tag."},                         \
	{                                                                                                         \
		.name = "add_tag_prefix", .type = CONF_STRING, .offset = offsetof(struct STRUCT, add_tag_prefix), \
		.help = "Put, with a dot, before the tag."                                                        \
	}

static const struct conf_param route_params[] = {
	PREFIXES(route_conf),
	{.name = "copy",
		.type = CONF_BOOL,
		.offset = offsetof(struct route_conf, copy),
		.value = "false",
		.help = "The routes behind this one are tried as well."},
	{.name = NULL},
};

static const struct conf_schema route_schema = {
	.name = "route",
	.title = "route of the route output",
	.size = sizeof(struct route_conf),
	.params = route_params,
	.help = "Its argument is the pattern of tags (`**` if there is none), `@label` where they go; without one that "
		"is "
		"the top level.",
};

static const struct conf_param params[] = {
	PREFIXES(routes_conf),
	{.name = "match_cache_size", .type = CONF_IGNORED, .support = CONF_NOT_USED, .instead = "nothing is cached"},
	{.name = "tag_cache_size", .type = CONF_IGNORED, .support = CONF_NOT_USED, .instead = "nothing is cached"},
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &route_schema, .offset = offsetof(struct routes_conf, routes), .required = true, .multi = true},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "match",
	.title = "route output",
	.size = sizeof(struct routes_conf),
	.params = params,
	.subs = subs,
	.help = "Sends events to the first `<route>` whose pattern fits the tag (after the output's own changes of "
		"it). What "
		"no route takes is dropped and counted.",
};

struct retag {
	char *from, *to; /* with the dot; NULL = none */
};

struct route {
	struct tag_match *pattern;
	const struct router *router;
	struct retag retag;
	bool copy;
	char *what; /* for the identity of what goes there */
};

struct routes {
	struct route *v;
	size_t n;
	struct retag retag;
	struct counter *no_route;
};

static struct retag retag_new(const char *from, const char *to)
{
	return (struct retag){
		.from = from && *from ? mem_printf("%s.", from) : NULL,
		.to = to && *to ? mem_printf("%s.", to) : NULL,
	};
}

/* fluentd's: the prefix is added whether or not there was one to take off. */
static struct span apply(const struct retag *r, struct span tag, struct buf *out)
{
	size_t n = r->from ? strlen(r->from) : 0;
	if (!r->from && !r->to)
		return tag;
	if (n && (tag.n < n || memcmp(tag.p, r->from, n) != 0))
		n = 0;
	if (r->to)
		buf_put_str(out, r->to);
	buf_put(out, tag.p + n, tag.n - n);
	return buf_span(out);
}

static void destroy(void *self)
{
	struct routes *r = self;
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		tag_match_free(r->v[i].pattern);
		mem_free(r->v[i].retag.from);
		mem_free(r->v[i].retag.to);
		mem_free(r->v[i].what);
	}
	mem_free(r->v);
	mem_free(r->retag.from);
	mem_free(r->retag.to);
	mem_free(r);
}

static void *create(struct output *o, struct builder *b)
{
	const struct routes_conf *c = o->conf;
	struct routes *r = mem_zalloc(sizeof *r);
	struct err err;
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, "reason", "no_route", NULL);
	r->no_route = metrics_counter(builder_metrics(b), "weir_output_dropped_events_total", labels,
		"Events that an output did not pass on, by reason.");
	mem_free(labels);
	r->retag = retag_new(c->remove_tag_prefix, c->add_tag_prefix);
	r->v = mem_array(c->routes.n, sizeof *r->v);
	for (size_t i = 0; i < c->routes.n; i++) {
		const struct route_conf *rc = c->routes.v[i];
		struct route *route = &r->v[r->n++];
		*route = (struct route){
			.pattern = tag_match_compile(rc->common.arg, &err),
			.router = builder_label(
				b, rc->common.label ? rc->common.label : "@ROOT", conf_where(rc, "@label")),
			.retag = retag_new(rc->remove_tag_prefix, rc->add_tag_prefix),
			.copy = rc->copy,
			.what = mem_printf("%s|%zu", o->id, i),
		};
		if (!route->pattern)
			conf_report_add(builder_report(b), CONF_ERROR, rc->common.pos, "the pattern cannot be used: %s",
				err.text);
	}
	return r;
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	const struct routes *r = o->self;
	struct buf whole, own;
	bool taken = false;
	buf_init(&whole, TAG_MAX);
	buf_init(&own, TAG_MAX);
	struct span tag = apply(&r->retag, b->tag, &whole);
	for (size_t i = 0; i < r->n; i++) {
		const struct route *route = &r->v[i];
		if (!tag_match(route->pattern, tag))
			continue;
		struct batch to = *b;
		buf_clear(&own);
		to.tag = apply(&route->retag, tag, &own);
		batch_part_key(b, span_str(route->what), to.key);
		ingest_route(in, route->router, &to);
		taken = true;
		if (!route->copy)
			break;
	}
	if (!taken)
		counter_add(r->no_route, b->count);
	buf_free(&whole);
	buf_free(&own);
}

static const struct output_ops ops = {.create = create, .destroy = destroy, .emit = emit};

const struct plugin out_route = {
	.kind = PLUGIN_OUTPUT,
	.name = "route",
	.help = "Sends events to labels by their tags.",
	.schema = &schema,
	.output = &ops,
};
