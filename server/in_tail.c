/*
 * in_tail.c: <source> @type tail: events from files as they grow. Which files: tail_follow.c; their lines: tail_read.c; how far: tail_pos.c.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "pipeline.h"
#include "server.h"
#include "tail.h"

#define RECORD_MAX (64u << 20)
#define TEXT_MAX   (16u << 20) /* bytes of a line without max_line_size */

static void free_paths(char **paths)
{
	for (size_t i = 0; paths && paths[i]; i++)
		mem_free(paths[i]);
	mem_free(paths);
}

static void destroy(void *self)
{
	struct tail *t = self;
	if (!t)
		return;
	tail_forget_all(t);
	tail_pos_close(t->pos);
	parser_free(t->parser);
	parser_room_free(&t->room);
	text_encoding_free(t->from);
	buf_free(&t->bytes);
	buf_free(&t->converted);
	buf_free(&t->entries);
	added_free(&t->added);
	free_paths(t->paths);
	mem_free(t);
}

static void make_metrics(struct tail *t, struct metrics *m)
{
	char *labels = metrics_labels("plugin_id", t->source->id, NULL);
	t->metrics = m;
	t->oversized = metrics_counter(m, "weir_source_oversized_texts_total", labels,
		"Texts over the limit of the source, which were not taken.");
	t->rotated = metrics_counter(m, "weir_tail_rotations_total", labels, "Followed files that were rotated away.");
	t->truncated = metrics_counter(
		m, "weir_tail_truncations_total", labels, "Followed files that were found shorter than they had been.");
	t->followed = metrics_gauge(m, "weir_tail_files", labels, "Files that are followed.");
	mem_free(labels);
}

static void make_glob(struct tail *t)
{
	const struct tail_conf *c = t->conf;
	struct err err;
	t->paths = c->path ? tail_conf_paths(c) : NULL;
	t->glob = (struct tail_glob){.paths = t->paths,
		.excluded = c->exclude_path.v,
		.policy = c->glob_policy,
		.zone = c->path_timezone ? zone_find(c->path_timezone, &err) : zone_local(),
		.recent_ns = c->recently_ns == CONF_NIL_INT ? 0 : c->recently_ns};
}

/* The table has checked it. */
static void make_encoding(struct tail *t)
{
	struct err err;
	const char *from = t->conf->from_encoding;
	if (from && !text_encoding_is_plain(from))
		t->from = text_encoding_new(from, &err);
}

static void *create(struct source *s, struct builder *b)
{
	struct tail *t = mem_zalloc(sizeof *t);
	t->source = s;
	t->conf = s->conf;
	t->text_max = t->conf->max_line_size == CONF_NIL_INT ? TEXT_MAX : (size_t)t->conf->max_line_size;
	parser_room_init(&t->room, RECORD_MAX);
	buf_init(&t->bytes, SIZE_MAX / 2);
	buf_init(&t->converted, RECORD_MAX);
	buf_init(&t->entries, (size_t)1 << 30);
	added_init(&t->added);
	t->ready_last = &t->ready_first;
	t->parser = parser_make(t->conf->common.section, NULL, builder_rules(b), builder_report(b));
	make_glob(t);
	make_metrics(t, builder_metrics(b));
	make_encoding(t);
	if (t->parser) {
		t->multiline = strcmp(parser_type_name(t->parser), "multiline") == 0;
		return t;
	}
	destroy(t);
	return NULL;
}

/* ---- in the file worker ----------------------------------------------------------------------------------------------------- */

static void on_run(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	tail_run(arg);
}

static void on_refresh(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	tail_refresh(arg);
}

static void on_tick(void *arg)
{
	tail_look_around(arg);
}

static void on_room(struct feed *f)
{
	struct tail *t = (struct tail *)((char *)f - offsetof(struct tail, feed));
	struct timeval now = {0};
	if (!t->stopping)
		event_add(t->run, &now);
}

static void on_changed(void *arg, void *file, bool moved)
{
	tail_ready(file);
	if (moved)
		tail_refresh_soon(arg);
}

static void on_folder(void *arg)
{
	tail_refresh_soon(arg);
}

static void begin(struct worker *w, void *arg)
{
	struct tail *t = arg;
	struct tail_watch_hooks hooks = {.changed = on_changed, .folder = on_folder, .arg = t, .id = t->source->id};
	int64_t now = clock_mono_ns();
	feed_init(&t->feed, t->source, w, on_room);
	t->run = evtimer_new(worker_base(w), on_run, t);
	t->refresh = evtimer_new(worker_base(w), on_refresh, t);
	if (!t->run || !t->refresh)
		return;
	if (t->conf->enable_stat_watcher)
		t->watch = tail_watch_new(w, &hooks);
	t->watched = t->watch != NULL;
	t->tick = worker_tick(w, on_tick, t);
	t->refresh_ns = now + t->conf->refresh_ns;
	if (t->conf->pos_file_compaction_ns != CONF_NIL_INT)
		t->compact_ns = now + t->conf->pos_file_compaction_ns;
	if (!t->conf->skip_refresh_on_startup)
		tail_refresh(t);
}

static bool start(struct source *s, struct server *server, struct err *err)
{
	struct tail *t = s->self;
	t->pos = tail_pos_open(t->conf->pos_file, s->id, err);
	if (!t->pos)
		return false;
	t->worker = server_file_worker(server);
	worker_call(t->worker, begin, t);
	return t->tick || err_set(err, "the timers cannot be added to a worker's event loop");
}

static void halt(struct worker *w, void *arg)
{
	struct tail *t = arg;
	(void)w;
	t->stopping = true;
	/* What a full buffer has not taken need not be waited for: it is in the file. */
	feed_drop(&t->feed);
	if (t->tick)
		worker_untick(t->tick);
	t->tick = NULL;
	if (t->run)
		event_free(t->run);
	if (t->refresh)
		event_free(t->refresh);
	t->run = t->refresh = NULL;
}

static void stop(struct source *s)
{
	struct tail *t = s->self;
	if (t->worker)
		worker_call(t->worker, halt, t);
}

static unsigned busy(const struct source *s)
{
	const struct tail *t = s->self;
	return atomic_load(&t->in_flight);
}

static void give_up(struct worker *w, void *arg)
{
	struct tail *t = arg;
	(void)w;
	tail_watch_free(t->watch);
	t->watch = NULL;
}

static void end(struct source *s)
{
	struct tail *t = s->self;
	if (t->worker)
		worker_call(t->worker, give_up, t);
	t->worker = NULL;
}

static void describe(const struct source *s, struct buf *out)
{
	const struct tail *t = s->self;
	buf_printf(out, "%s, %s%s%s", t->conf->path, parser_type_name(t->parser),
		t->conf->pos_file ? ", positions in " : "", t->conf->pos_file ? t->conf->pos_file : "");
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

const struct plugin in_tail = {
	.kind = PLUGIN_INPUT,
	.name = "tail",
	.help = "Lines of files, as they grow.",
	.schema = &tail_conf_schema,
	.input = &ops,
};
