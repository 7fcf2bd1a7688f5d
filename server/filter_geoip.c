/* filter_geoip.c: <filter> @type geoip: where IP addresses are, from a MaxMind database. */
#include "base/mem.h"
#include "filter_walk.h"
#include "format/inject_values.h"
#include "geo_template.h"
#include "pipeline.h"
#include "record/msgpack_scan.h"
#include "record/record_path.h"
#include "record_fields.h"

#include <stddef.h>
#include <string.h>

enum { BACKEND_GEOIP, BACKEND_COMPAT, BACKEND_C };

struct geoip_conf {
	struct conf_common common;
	struct conf_array keys;
	char *database;
	bool skip_null;
	int backend;
	struct conf_list records, inject;
};

#define AT(field) .offset = offsetof(struct geoip_conf, field)
#define OBSOLETE(n)                                                                     \
	{                                                                               \
		.name = "enable_key_" n, .type = CONF_IGNORED, .support = CONF_REMOVED, \
		.instead = "use a <record> section"                                     \
	}

static const struct conf_choice backends[] = {
	{"geoip", BACKEND_GEOIP}, {"geoip2_compat", BACKEND_COMPAT}, {"geoip2_c", BACKEND_C}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "geoip_lookup_keys",
		.type = CONF_ARRAY,
		AT(keys),
		.value = "host",
		.old = "geoip_lookup_key",
		.help = "Fields (record accessors) that hold addresses."},
	{.name = "geoip2_database",
		.type = CONF_STRING,
		AT(database),
		.required = true,
		.help = "The database (GeoLite2-City.mmdb or any other .mmdb); weir brings none. When another file has "
			"taken its place, the configuration is read again. It is mapped into memory: put a new one "
			"there "
			"by renaming it, as geoipupdate does, never by writing over it."},
	{.name = "skip_adding_null_record",
		.type = CONF_BOOL,
		AT(skip_null),
		.value = "false",
		.help = "Add nothing where the first of the values is not known."},
	{.name = "backend_library",
		.type = CONF_ENUM,
		AT(backend),
		.value = "geoip2_c",
		.choices = backends,
		.help = "What values are called: as in the database (geoip2_c), or by geoip2_compat's eight names. "
			"geoip, "
			"of databases that are gone, is refused."},
	{.name = "geoip_database",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "it is of databases that are gone; geoip2_database counts"},
	OBSOLETE("city"),
	OBSOLETE("latitude"),
	OBSOLETE("longitude"),
	OBSOLETE("country_code3"),
	OBSOLETE("country_code"),
	OBSOLETE("country_name"),
	OBSOLETE("dma_code"),
	OBSOLETE("area_code"),
	OBSOLETE("region"),
	INJECT_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &record_section_schema, AT(records), .multi = true},
	{.schema = &inject_values_schema, AT(inject)},
	{.schema = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct geoip_conf *c = conf;
	if (c->backend == BACKEND_GEOIP)
		conf_report_add(r, CONF_ERROR, conf_where(c, "backend_library"),
			"geoip's databases are gone (the last one is of 2018): use geoip2_c with a .mmdb file");
}

static const struct conf_schema schema = {
	.name = "filter",
	.title = "geoip filter",
	.size = sizeof(struct geoip_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Sets the fields of its `<record>` section from what a MaxMind database knows of addresses: "
		"`${city.names.en[\"host\"]}` is the value at city.names.en of the address in the field host. A "
		"placeholder alone keeps its type; text that is JSON becomes what it says: "
		"`[${location.longitude[\"host\"]},${location.latitude[\"host\"]}]`.",
};

struct field {
	const char *name;
	struct geo_template *value;
};

struct geoip {
	const struct geoip_conf *conf;
	struct geo_database *database;
	struct record_path **keys; /* of each key; NULL = a mistake was found */
	struct geo_places places;
	struct field *fields;
	size_t field_count;
	struct inject_values *inject; /* NULL = none */
	struct filter_pool pool;
};

/* ---- making ----------------------------------------------------------------------------------------------------------- */

static void destroy(void *self);

static void add_keys(struct geoip *g, struct conf_report *r)
{
	const struct conf_array *keys = &g->conf->keys;
	struct err err;
	g->keys = mem_zalloc((keys->n + 1) * sizeof(struct record_path *));
	for (size_t i = 0; i < keys->n; i++) {
		g->keys[i] = record_path_compile(keys->v[i], &err);
		if (!g->keys[i])
			conf_report_add(r, CONF_ERROR, conf_where(g->conf, "geoip_lookup_keys"), "%s", err.text);
	}
}

/* A field that comes again has its last value, in its first place. */
static void add_field(struct geoip *g, const struct conf_pair *p, struct conf_report *r)
{
	size_t i = 0;
	struct geo_template *t = geo_template_new(p, &g->conf->keys, g->conf->backend == BACKEND_COMPAT, &g->places, r);
	if (!t)
		return;
	while (i < g->field_count && strcmp(g->fields[i].name, p->name) != 0)
		i++;
	if (i == g->field_count) {
		g->fields = mem_realloc(g->fields, (i + 1) * sizeof *g->fields);
		g->fields[g->field_count++] = (struct field){.name = p->name};
	}
	geo_template_free(g->fields[i].value);
	g->fields[i].value = t;
}

static void *create(struct filter *f, struct builder *b)
{
	const struct geoip_conf *c = f->conf;
	struct conf_report *r = builder_report(b);
	struct geoip *g = mem_zalloc(sizeof *g);
	const size_t errors = r->errors;
	struct err err;
	g->conf = c;
	filter_pool_init(&g->pool);
	add_keys(g, r);
	for (size_t i = 0; i < c->records.n; i++) {
		const struct conf_section *s = ((const struct conf_common *)c->records.v[i])->section;
		for (const struct conf_pair *p = s->pairs; p; p = p->next)
			if (!p->broken && p->kind != CONF_VALUE_DEFAULT)
				add_field(g, p, r);
	}
	g->inject = inject_values_make(c->common.section, 0, builder_rules(b), r);
	if (c->database && !(g->database = geo_database_open(c->database, &err)))
		conf_report_add(r, CONF_ERROR, conf_where(c, "geoip2_database"), "%s", err.text);
	if (r->errors == errors && g->database)
		return g;
	destroy(g);
	return NULL;
}

/* ---- one record --------------------------------------------------------------------------------------------------------- */

struct room {
	struct filter_room room;
	struct arena arena;
	struct geo_entry *entries;
	struct buf text, value, record;
};

static struct room *take_room(struct geoip *g)
{
	struct room *r = (struct room *)filter_pool_take(&g->pool);
	if (r)
		return r;
	r = mem_zalloc(sizeof *r);
	arena_init(&r->arena, FILTER_RECORD_MAX);
	buf_init(&r->text, FILTER_RECORD_MAX);
	buf_init(&r->value, FILTER_RECORD_MAX);
	buf_init(&r->record, FILTER_RECORD_MAX);
	r->entries = mem_zalloc((g->conf->keys.n + 1) * sizeof *r->entries);
	return r;
}

static void free_room(struct filter_room *room)
{
	struct room *r = (struct room *)room;
	arena_free(&r->arena);
	buf_free(&r->text);
	buf_free(&r->value);
	buf_free(&r->record);
	mem_free(r->entries);
	mem_free(r);
}

static void destroy(void *self)
{
	struct geoip *g = self;
	if (!g)
		return;
	for (size_t i = 0; g->keys && i < g->conf->keys.n; i++)
		record_path_free(g->keys[i]);
	for (size_t i = 0; i < g->field_count; i++)
		geo_template_free(g->fields[i].value);
	mem_free(g->keys);
	mem_free(g->fields);
	geo_places_free(&g->places);
	geo_database_free(g->database);
	inject_values_free(g->inject);
	filter_pool_destroy(&g->pool, free_room);
	mem_free(g);
}

static void look_up(const struct geoip *g, struct span record, struct room *r)
{
	for (size_t i = 0; i < g->conf->keys.n; i++) {
		const struct span raw = record_path_get(g->keys[i], record);
		struct value v = raw.n ? value_raw(raw) : value_nil();
		value_load(&v);
		r->entries[i] = value_is_str(&v) ? geo_look_up(g->database, value_text(&v)) : (struct geo_entry){0};
	}
}

/* As fluentd has it: the first place whose address is known decides. */
static bool first_is_null(const struct geoip *g, struct room *r)
{
	for (size_t i = 0; i < g->places.n; i++) {
		buf_clear(&r->value);
		if (geo_place_put(&g->places.v[i], r->entries, &r->value))
			return r->value.n == 1 && *r->value.p == 0xc0;
	}
	return true;
}

static bool set_fields(const struct geoip *g, struct room *r, struct record *record)
{
	for (size_t i = 0; i < g->field_count; i++) {
		buf_clear(&r->value);
		if (!geo_template_put(g->fields[i].value, &g->places, r->entries, &r->text, &r->value))
			return false;
		const uint8_t *bytes = arena_copy(&r->arena, r->value.p, r->value.n);
		const struct value v = value_raw(span_of(bytes, r->value.n));
		if (!bytes || !record_set(record, span_str(g->fields[i].name), &v))
			return false;
	}
	return true;
}

static void put(const struct geoip *g, struct filter_walk *w, struct room *r, const struct record *record)
{
	buf_clear(&r->record);
	buf_clear(&r->value);
	if (!g->inject)
		filter_walk_put(w, record);
	else if (record_put(record, &r->record) &&
		 inject_values_put(g->inject, w->batch->tag, w->time, buf_span(&r->record), &r->value))
		filter_walk_put_raw(w, buf_span(&r->value));
	else
		filter_walk_fail(w, "filter_limit", "the record would be larger than 64 MiB");
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	struct geoip *g = f->self;
	struct room *r = take_room(g);
	struct record record;
	struct filter_walk w;
	filter_walk_begin(&w, f, in, b, out);
	while (filter_walk_open(&w, &r->arena, &record)) {
		look_up(g, w.record, r);
		const bool skip = g->conf->skip_null && first_is_null(g, r);
		if (skip && !g->inject)
			filter_walk_keep(&w);
		else if (skip || set_fields(g, r, &record))
			put(g, &w, r, &record);
		else
			filter_walk_fail(&w, "filter_limit", "the record would be larger than 64 MiB");
	}
	filter_pool_give(&g->pool, &r->room);
	return w.count;
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_geoip = {
	.kind = PLUGIN_FILTER,
	.name = "geoip",
	.help = "Adds where addresses are, from a MaxMind database.",
	.schema = &schema,
	.filter = &ops,
};
