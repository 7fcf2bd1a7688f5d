/* filter_dedot.c: <filter> @type dedot: field names without dots, for Elasticsearch, which takes a dot for a step into an object. */
#include "base/mem.h"
#include "filter_walk.h"
#include "pipeline.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"

#include <stddef.h>

struct dedot_conf {
	struct conf_common common;
	char *separator;
	bool de_dot, nested;
};

#define AT(field) .offset = offsetof(struct dedot_conf, field)

static const struct conf_param params[] = {
	{.name = "de_dot",
		.type = CONF_BOOL,
		AT(de_dot),
		.value = "true",
		.help = "False: events go on as they are (fluentd's plugin drops them)."},
	{.name = "de_dot_separator",
		.type = CONF_STRING,
		AT(separator),
		.value = "_",
		.help = "What comes in the place of each dot. It must not hold one."},
	{.name = "de_dot_nested",
		.type = CONF_BOOL,
		AT(nested),
		.value = "false",
		.help = "Also the names in maps and arrays within the record."},
	{.name = NULL},
};

static const struct conf_schema schema = {
	.name = "filter",
	.title = "dedot filter",
	.size = sizeof(struct dedot_conf),
	.params = params,
	.help = "Replaces the dots in field names. Of two fields that get one name the later counts.",
};

struct dedot {
	const struct dedot_conf *conf;
	struct span separator;
	struct filter_pool pool;
};

static void destroy(void *self)
{
	struct dedot *d = self;
	if (!d)
		return;
	filter_pool_destroy(&d->pool, filter_scratch_free);
	mem_free(d);
}

static void *create(struct filter *f, struct builder *b)
{
	const struct dedot_conf *c = f->conf;
	if (c->de_dot && strchr(c->separator, '.')) {
		conf_report_add(builder_report(b), CONF_ERROR, conf_where(c, "de_dot_separator"),
			"Invalid de_dot_separator: cannot be or contain '.'");
		return NULL;
	}
	struct dedot *d = mem_zalloc(sizeof *d);
	d->conf = c;
	d->separator = span_str(c->separator);
	filter_pool_init(&d->pool);
	return d;
}

/* ---- one record ---- */

struct level {
	uint32_t left; /* pairs or elements to come */
	bool is_map;
};

static size_t count_dots(struct span s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '.';
	return n;
}

/* The key at *p, changed if it has to be. */
static void put_key(const struct dedot *d, const uint8_t **p, const uint8_t *end, struct buf *out)
{
	const uint8_t *start = *p, *q = start;
	struct mp_token t;
	*p += mp_length(start, end);
	size_t dots = mp_read(&q, end, &t) == MP_OK && (t.type == MP_STR || t.type == MP_BIN) ? count_dots(t.body) : 0;
	if (!dots) {
		buf_put(out, start, (size_t)(*p - start));
		return;
	}
	mp_put_str_head(out, t.body.n - dots + dots * d->separator.n);
	for (size_t i = 0; i < t.body.n; i++) {
		if (t.body.p[i] == '.')
			buf_put_span(out, d->separator);
		else
			buf_put_byte(out, t.body.p[i]);
	}
}

/* The value at *p: copied, or if it is to be gone into only its head. */
static bool put_value(
	const struct dedot *d, const uint8_t **p, const uint8_t *end, struct level *inner, struct buf *out)
{
	const uint8_t *start = *p;
	struct mp_token t;
	bool enter = d->conf->nested && mp_read(p, end, &t) == MP_OK && (t.type == MP_MAP || t.type == MP_ARRAY);
	if (enter)
		*inner = (struct level){t.count, t.type == MP_MAP};
	else
		*p = start + mp_length(start, end);
	buf_put(out, start, (size_t)(*p - start));
	return enter;
}

/* False: `out` has failed. */
static bool dedot(const struct dedot *d, struct span record, struct buf *out)
{
	const uint8_t *p = record.p, *end = p + record.n;
	struct level level[MP_DEPTH_LIMIT];
	struct mp_token t;
	unsigned depth = 1;
	if (mp_read(&p, end, &t) != MP_OK)
		return false;
	level[0] = (struct level){t.count, true};
	buf_put(out, record.p, (size_t)(p - record.p));
	while (depth && !out->failed) {
		struct level *l = &level[depth - 1];
		if (!l->left) {
			depth--;
			continue;
		}
		l->left--;
		if (l->is_map)
			put_key(d, &p, end, out);
		/* An entry's record is one level above the limit, so there is room for what it holds. */
		if (put_value(d, &p, end, &level[depth], out))
			depth++;
	}
	return !out->failed;
}

static uint32_t apply(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out)
{
	struct dedot *d = f->self;
	struct filter_scratch *scratch = filter_scratch_take(&d->pool);
	struct filter_walk w;
	filter_walk_begin(&w, f, in, b, out);
	while (filter_walk_next(&w)) {
		buf_clear(&scratch->buf);
		if (!d->conf->de_dot || !memchr(w.record.p, '.', w.record.n))
			filter_walk_keep(&w);
		else if (dedot(d, w.record, &scratch->buf))
			filter_walk_put_raw(&w, buf_span(&scratch->buf));
		else
			filter_walk_fail(&w, "filter_limit", "the record would be larger than 64 MiB");
	}
	filter_pool_give(&d->pool, &scratch->room);
	return w.count;
}

static const struct filter_ops ops = {.create = create, .destroy = destroy, .apply = apply};

const struct plugin filter_dedot = {
	.kind = PLUGIN_FILTER,
	.name = "dedot",
	.help = "Replaces dots in field names.",
	.schema = &schema,
	.filter = &ops,
};
