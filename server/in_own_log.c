/*
 * in_own_log.c: lines of the log become events. A line that is written because of such an event must not become one for ever: what the worker logs while it hands
 * them on is left out, and there are never more than so many a second. Lines that find no room are counted as refused; the log itself has them all.
 */
#include "in_own_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "entry.h"
#include "posted_source.h"
#include "server.h"

#define SECOND_MAX 200u	 /* lines a second */
#define TEXT_MAX   4096u /* bytes of one value */

struct own_log {
	struct source *source;
	struct posted_source *posted;
	unsigned this_second; /* this and the next: with the logger's lock held */
	int64_t second;
};

/* ---- a line ---------------------------------------------------------------------------------------------------------- */

static bool put_text(struct buf *b, struct span s)
{
	if (s.n > TEXT_MAX)
		for (s.n = TEXT_MAX; s.n && (s.p[s.n] & 0xc0) == 0x80;)
			s.n--;
	return mp_put_str(b, s);
}

static bool put_fact(struct buf *b, const struct log_kv *kv)
{
	mp_put_str(b, span_str(kv->key));
	switch (kv->type) {
	case LOG_KV_STR:
		return kv->s ? put_text(b, span_str(kv->s)) : mp_put_nil(b);
	case LOG_KV_SPAN:
		return put_text(b, kv->span);
	case LOG_KV_INT:
		return mp_put_int(b, kv->i);
	case LOG_KV_UINT:
		return mp_put_uint(b, kv->u);
	case LOG_KV_REAL:
		return mp_put_double(b, kv->d);
	}
	return false;
}

static bool put_entry(struct buf *b, const char *plugin, const char *message, const struct log_kv *facts)
{
	uint32_t n = plugin ? 2 : 1;
	for (const struct log_kv *kv = facts; kv->key; kv++)
		n++;
	mp_put_array_head(b, 2);
	mp_put_event_time(b, entry_time(clock_wall_ns()));
	mp_put_map_head(b, n);
	for (const struct log_kv *kv = facts; kv->key; kv++)
		put_fact(b, kv);
	if (plugin) {
		mp_put_str(b, SPAN_LIT("plugin_id"));
		put_text(b, span_str(plugin));
	}
	mp_put_str(b, SPAN_LIT("message"));
	return put_text(b, span_str(message));
}

/* ---- the logging thread ------------------------------------------------------------------------------------------------ */

static const char *const tags[] = {
	[LOG_TRACE] = "fluent.trace",
	[LOG_DEBUG] = "fluent.debug",
	[LOG_INFO] = "fluent.info",
	[LOG_WARN] = "fluent.warn",
	[LOG_ERROR] = "fluent.error",
	[LOG_FATAL] = "fluent.fatal",
};

/* Whether this second may have one more. */
static bool is_wanted(struct own_log *s)
{
	int64_t second = clock_mono_ns() / NS_PER_S;
	if (second != s->second) {
		s->second = second;
		s->this_second = 0;
	}
	return s->this_second++ < SECOND_MAX;
}

static void on_line(
	void *arg, enum log_level level, const char *plugin, const char *message, const struct log_kv *facts)
{
	struct own_log *s = arg;
	const struct own_log_conf *c = s->source->conf;
	struct buf entry;
	if (posted_source_is_here(s->posted) || !(c->levels & 1U << level))
		return;
	if (!is_wanted(s)) {
		counter_add(s->source->n.events, 1);
		counter_add(s->source->n.refused, 1);
		return;
	}
	buf_init(&entry, 1 << 20);
	put_entry(&entry, plugin, message, facts);
	posted_source_post(s->posted, span_str(tags[level]), &entry, 1);
}

/* ---- life -------------------------------------------------------------------------------------------------------------- */

static void *create(struct source *source, struct builder *b)
{
	struct own_log *s = mem_zalloc(sizeof *s);
	(void)b;
	s->source = source;
	s->posted = posted_source_new(source);
	return s;
}

static void destroy(void *self)
{
	struct own_log *s = self;
	if (!s)
		return;
	posted_source_free(s->posted);
	mem_free(s);
}

static bool start(struct source *source, struct server *server, struct err *err)
{
	struct own_log *s = source->self;
	(void)err;
	posted_source_start(s->posted, server_workers(server)[0]);
	log_tap(on_line, s);
	return true;
}

static void stop(struct source *source)
{
	const struct own_log *s = source->self;
	if (posted_source_is_started(s->posted))
		log_tap(NULL, NULL);
}

static unsigned busy(const struct source *source)
{
	const struct own_log *s = source->self;
	return posted_source_is_busy(s->posted);
}

static void end(struct source *source)
{
	const struct own_log *s = source->self;
	posted_source_end(s->posted);
}

static void describe(const struct source *source, struct buf *out)
{
	const struct own_log_conf *c = source->conf;
	buf_put_str(out, "weir's own log:");
	for (int level = LOG_TRACE; level <= LOG_FATAL; level++)
		if (c->levels & 1U << level)
			buf_printf(out, " fluent.%s", log_level_name((enum log_level)level));
}

static const struct input_ops ops = {
	.create = create,
	.destroy = destroy,
	.start = start,
	.stop = stop,
	.busy = busy,
	.end = end,
	.describe = describe,
};

static const struct conf_schema schema = {
	.name = "source",
	.title = "weir's own log",
	.size = sizeof(struct own_log_conf),
};

const struct plugin in_own_log = {
	.kind = PLUGIN_INPUT,
	.name = "fluent_log",
	.help = "weir's own log, for <label @FLUENT_LOG>.",
	.schema = &schema,
	.input = &ops,
};
