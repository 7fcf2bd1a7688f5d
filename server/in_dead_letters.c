#include "in_dead_letters.h"

#include "base/mem.h"
#include "dead_event.h"
#include "dead_letter.h"
#include "posted_source.h"
#include "server.h"

struct dead_source {
	struct posted_source *posted;
	struct dead_letters *dead;
};

/* Any thread: those that give events up. */
static void on_dead(void *arg, struct buf *take_entries, uint32_t events)
{
	const struct dead_source *s = arg;
	posted_source_post(s->posted, SPAN_LIT(DEAD_EVENT_TAG), take_entries, events);
}

static void *create(struct source *source, struct builder *b)
{
	struct dead_source *s = mem_zalloc(sizeof *s);
	(void)b;
	s->posted = posted_source_new(source);
	return s;
}

static void destroy(void *self)
{
	struct dead_source *s = self;
	if (!s)
		return;
	posted_source_free(s->posted);
	mem_free(s);
}

static bool start(struct source *source, struct server *server, struct err *err)
{
	struct dead_source *s = source->self;
	(void)err;
	s->dead = server_dead_letters(server);
	posted_source_start(s->posted, server_workers(server)[0]);
	dead_letters_tap(s->dead, on_dead, s);
	return true;
}

static void stop(struct source *source)
{
	struct dead_source *s = source->self;
	if (posted_source_is_started(s->posted))
		dead_letters_tap(s->dead, NULL, NULL);
}

static unsigned busy(const struct source *source)
{
	const struct dead_source *s = source->self;
	return posted_source_is_busy(s->posted);
}

static void end(struct source *source)
{
	const struct dead_source *s = source->self;
	posted_source_end(s->posted);
}

static void describe(const struct source *source, struct buf *out)
{
	(void)source;
	buf_put_str(out, "dead letters as events: " DEAD_EVENT_TAG);
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
	.title = "dead letters as events",
	.size = sizeof(struct conf_common),
};

const struct plugin in_dead_letters = {
	.kind = PLUGIN_INPUT,
	.name = "dead_letters",
	.help = "Dead letters as events, for <label @DEAD_LETTER>.",
	.schema = &schema,
	.input = &ops,
};
