#include "plugin_info.h"

#include "base/clock.h"
#include "flow.h"
#include "json_out.h"
#include "router.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- configurations ----------------------------------------------------------------------------------------------- */

static bool is_secret(const struct conf_schema *schema, const char *name)
{
	for (const struct conf_param *p = schema->params; p && p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p->secret;
	/* A name that the table does not have: old names of secrets, and what is no parameter at all. */
	return strstr(name, "pass") || strstr(name, "key") || strstr(name, "secret") || strstr(name, "token");
}

static json_t *config_json(const struct conf_schema *schema, const struct conf_common *c)
{
	json_t *j = json_object();
	for (const struct conf_pair *p = c->section ? c->section->pairs : NULL; p; p = p->next) {
		json_t *value = json_string(is_secret(schema, p->name) ? "xxxxxx" : p->value);
		if (value) /* else it is no UTF-8 */
			json_object_set_new(j, p->name, value);
	}
	return j;
}

/* ---- plugins ------------------------------------------------------------------------------------------------------ */

static void set_number(json_t *j, const char *name, uint64_t n)
{
	json_object_set_new(j, name, json_integer((json_int_t)n));
}

static json_t *begin(const char *id, enum plugin_kind kind, const struct plugin *plugin, const void *conf,
	const struct plugin_info_options *o)
{
	json_t *j = json_object();
	json_t *name = json_string(id);
	json_object_set_new(j, "plugin_id", name ? name : json_null());
	json_object_set_new(j, "plugin_category", json_string(plugin_kind_name(kind)));
	json_object_set_new(j, "type", json_string(plugin->name));
	if (o->config)
		json_object_set_new(j, "config", config_json(plugin->schema, conf));
	json_object_set_new(j, "output_plugin", json_boolean(kind == PLUGIN_OUTPUT));
	return j;
}

static json_t *source_info(const struct source *s, const struct plugin_info_options *o)
{
	json_t *j = begin(s->id, PLUGIN_INPUT, s->plugin, s->conf, o);
	json_object_set_new(j, "retry_count", json_null());
	set_number(j, "emit_records", counter_get(s->n.events));
	set_number(j, "emit_size", counter_get(s->n.bytes));
	return j;
}

static json_t *filter_info(const struct filter *f, const struct plugin_info_options *o)
{
	json_t *j = begin(f->id, PLUGIN_FILTER, f->plugin, f->conf, o);
	json_object_set_new(j, "retry_count", json_null());
	set_number(j, "emit_records", counter_get(f->n.in));
	set_number(j, "emit_size", 0);
	return j;
}

static void set_time(json_t *j, const char *name, int64_t wall_ns)
{
	char text[40];
	struct tm tm;
	time_t t = (time_t)(wall_ns / NS_PER_S);
	size_t n = localtime_r(&t, &tm) ? strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &tm) : 0;
	json_object_set_new(j, name, n ? json_string(text) : json_null());
}

static json_t *retry_json(const struct flow_status *f)
{
	json_t *j = json_object();
	if (!f->down)
		return j;
	set_time(j, "start", f->since_ns);
	set_number(j, "steps", f->failures);
	set_time(j, "next_time", f->next_try_ns);
	return j;
}

static void set_flow(json_t *j, const struct flow_status *f)
{
	set_number(j, "write_count", f->writes);
	set_number(j, "write_secondary_count", f->to_secondary);
	set_number(j, "rollback_count", f->chunk_retries + f->outages);
	set_number(j, "slow_flush_count", f->slow_writes);
	set_number(j, "flush_time_count", f->write_ms);
	set_number(j, "drop_oldest_chunk_count", f->buffer.dropped_chunks);
}

static void set_buffer(json_t *j, const struct flow_status *f)
{
	const struct buffer_stats *b = &f->buffer;
	uint64_t used = b->stage_bytes + b->queue_bytes, limit = f->total_limit_size;
	double free_percent = limit && used < limit ? 100 * (1 - (double)used / (double)limit) : 0;
	set_number(j, "buffer_stage_length", b->stage_chunks);
	set_number(j, "buffer_stage_byte_size", b->stage_bytes);
	set_number(j, "buffer_queue_byte_size", b->queue_bytes);
	json_object_set_new(
		j, "buffer_available_buffer_space_ratios", json_real((double)(int64_t)(free_percent * 10 + 0.5) / 10));
}

static json_t *output_info(const struct output *out, const struct plugin_info_options *o)
{
	struct flow_status f = {0};
	json_t *j = begin(out->id, PLUGIN_OUTPUT, out->plugin, out->conf, o);
	if (out->flow) {
		flow_status(out->flow, &f);
		set_number(j, "buffer_queue_length", f.buffer.queue_chunks);
		json_object_set_new(j, "buffer_timekeys", json_array());
		set_number(j, "buffer_total_queued_size", f.buffer.stage_bytes + f.buffer.queue_bytes);
	}
	set_number(j, "retry_count", f.failures);
	set_number(j, "emit_records", counter_get(out->n.emitted_events));
	set_number(j, "emit_size", 0);
	set_number(j, "emit_count", counter_get(out->n.emitted_batches));
	set_flow(j, &f);
	if (out->flow)
		set_buffer(j, &f);
	if (o->retry)
		json_object_set_new(j, "retry", retry_json(&f));
	return j;
}

/* ---- the list ----------------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct plugin_info_options *o, const char *id, const char *type)
{
	return (!o->id || strcmp(o->id, id) == 0) && (!o->type || strcmp(o->type, type) == 0);
}

/* The output that events of that tag get to at the top level; NULL if there is none. */
static const struct output *output_of(const struct pipeline *p, const char *tag)
{
	struct route_cache *cache = route_cache_new();
	const struct output *o = router_find(pipeline_top(p), cache, span_str(tag))->output;
	route_cache_free(cache);
	return o;
}

json_t *plugin_info(const struct pipeline *p, const struct plugin_info_options *o)
{
	struct source *const *sources;
	struct filter *const *filters;
	struct output *const *outputs;
	json_t *list = json_array();
	size_t n = o->tag ? 0 : pipeline_sources(p, &sources);
	for (size_t i = 0; i < n; i++)
		if (is_wanted(o, sources[i]->id, sources[i]->plugin->name))
			json_array_append_new(list, source_info(sources[i], o));
	const struct output *only = o->tag ? output_of(p, o->tag) : NULL;
	n = pipeline_outputs(p, &outputs);
	for (size_t i = 0; i < n; i++)
		if ((!o->tag || outputs[i] == only) && is_wanted(o, outputs[i]->id, outputs[i]->plugin->name))
			json_array_append_new(list, output_info(outputs[i], o));
	n = o->tag ? 0 : pipeline_filters(p, &filters);
	for (size_t i = 0; i < n; i++)
		if (is_wanted(o, filters[i]->id, filters[i]->plugin->name))
			json_array_append_new(list, filter_info(filters[i], o));
	return list;
}

/* ---- LTSV --------------------------------------------------------------------------------------------------------- */

static void put_value(const json_t *v, struct buf *out)
{
	switch (json_typeof(v)) {
	case JSON_NULL:
		return;
	case JSON_STRING:
		for (const char *p = json_string_value(v); *p; p++)
			buf_put_byte(out, *p == '\t' || *p == '\n' || *p == '\r' ? ' ' : (uint8_t)*p);
		return;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(v); i++)
			buf_printf(out, "%s%lld", i ? "," : "", (long long)json_integer_value(json_array_get(v, i)));
		return;
	default:
		json_out(v, out);
	}
}

void plugin_info_ltsv(const json_t *object, struct buf *out)
{
	const char *key;
	json_t *value, *o = json_incref((json_t *)(uintptr_t)object);
	bool first = true;
	json_object_foreach(o, key, value)
	{
		buf_printf(out, "%s%s:", first ? "" : "\t", key);
		put_value(value, out);
		first = false;
	}
	buf_put_byte(out, '\n');
	json_decref(o);
}

/* ---- answers ------------------------------------------------------------------------------------------------------ */

static const char *query(struct admin_request *r, const char *name, const char *other)
{
	const char *value = admin_query(r, name);
	return value ? value : admin_query(r, other);
}

void plugin_info_reply(
	struct admin_request *r, const struct pipeline *p, const struct plugin_info_options *fields, bool ltsv)
{
	struct plugin_info_options o = *fields;
	struct buf out;
	o.id = query(r, "@id", "id");
	o.type = query(r, "@type", "type");
	o.tag = admin_query(r, "tag");
	json_t *list = plugin_info(p, &o);
	buf_init(&out, 64 << 20);
	if (!ltsv)
		buf_put_str(&out, "{\"plugins\":");
	for (size_t i = 0; ltsv && i < json_array_size(list); i++)
		plugin_info_ltsv(json_array_get(list, i), &out);
	if (!ltsv) {
		json_out(list, &out);
		buf_put_byte(&out, '}');
	}
	json_decref(list);
	admin_reply(r, out.failed ? 500 : 200, ltsv ? "text/plain" : "application/json", buf_span(&out));
	buf_free(&out);
}
