/*
 * cmd_deadletter.c: weir deadletter ls|show|replay|drop. ls and show only look, also while weir runs. replay and drop are done by the weir that has the store in
 * use, if there is one, and by this process else.
 */
#include "base/mem.h"
#include "buffer/buffer_folder.h"
#include "dead_request.h"
#include "dead_service.h"
#include "frame_text.h"
#include "ingest.h"
#include "loaded.h"
#include "tools.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SAMPLE_BYTES = 160 };

static const char usage[] =
	"usage: weir deadletter ls      [FILTER...]            how many there are, by destination and reason\n"
	"       weir deadletter show    [FILTER...] [--limit N]  each, with its reason, as a line of JSON\n"
	"       weir deadletter replay  [FILTER...] [--to ID]  give them back to their destination, with the same id\n"
	"       weir deadletter drop    FILTER...|--all        throw them away\n"
	"  --since T, --until T   given up then: 30m, 2h, 7d (ago), or 2026-08-01T12:00\n"
	"  --reason R             as `ls` prints it\n"
	"  --destination ID       the @id of the output, source or filter that gave them up\n"
	"  --tag PATTERN          as in <match>\n"
	"  -c FILE                the configuration, which says where they are\n"
	"  --dir DIR              where they are, if a configuration does not say it\n";

static int failed(const struct err *err)
{
	fprintf(stderr, "weir: %s\n", err->text);
	return 1;
}

/* ---- ls -------------------------------------------------------------------------------------------------------------- */

struct group {
	char *destination, *reason, *text;
	uint64_t events;
	int64_t first_ns, last_ns;
};

struct groups {
	struct group *v;
	size_t n;
	uint64_t events;
};

static void add_to_groups(struct groups *g, const struct frame_view *v, const struct dead_letter_view *why)
{
	size_t i = 0;
	while (i < g->n && !(span_is(why->plugin, g->v[i].destination) && span_is(why->reason, g->v[i].reason)))
		i++;
	if (i == g->n) {
		g->v = mem_realloc(g->v, (g->n + 1) * sizeof *g->v);
		g->v[g->n++] = (struct group){
			.destination = mem_strndup(why->plugin.p, why->plugin.n),
			.reason = mem_strndup(why->reason.p, why->reason.n),
			.text = mem_strndup(why->text.n ? (const char *)why->text.p : "", why->text.n),
			.first_ns = why->time_ns,
		};
	}
	g->v[i].events += v->count;
	g->v[i].last_ns = why->time_ns;
	g->events += v->count;
}

static void print_group(const struct group *g)
{
	char first[FRAME_TEXT_TIME], last[FRAME_TEXT_TIME];
	struct buf line;
	buf_init(&line, 1 << 16);
	frame_text_time(first, g->first_ns);
	frame_text_time(last, g->last_ns);
	buf_printf(&line, "%10" PRIu64 "  %s  %s  ", g->events, first, last);
	frame_text_plain(&line, span_str(g->destination), SAMPLE_BYTES);
	buf_put_str(&line, "  ");
	frame_text_plain(&line, span_str(g->reason), SAMPLE_BYTES);
	if (*g->text) {
		buf_put_str(&line, "  ");
		frame_text_plain(&line, span_str(g->text), SAMPLE_BYTES);
	}
	puts(buf_cstr(&line));
	buf_free(&line);
}

static void print_groups(struct groups *g)
{
	if (g->n)
		printf("%10s  %-20s  %-20s  %s\n", "EVENTS", "FIRST", "LAST", "DESTINATION  REASON  SAMPLE");
	for (size_t i = 0; i < g->n; i++) {
		print_group(&g->v[i]);
		mem_free(g->v[i].destination);
		mem_free(g->v[i].reason);
		mem_free(g->v[i].text);
	}
	printf("%" PRIu64 " events\n", g->events);
	mem_free(g->v);
}

/* ---- looking --------------------------------------------------------------------------------------------------------- */

struct looking {
	const struct dead_request *rq;
	bool show;
	long left; /* lines that may still be shown; < 0: all */
	struct groups groups;
	struct buf out;
};

static bool look_at_chunk(struct looking *l, struct buffer_folder *f, const struct folder_file *file, struct err *err)
{
	struct dead_reader *r = dead_reader_open(buffer_folder_buffer(f), file->chunk, err);
	struct dead_letter_view why;
	struct frame_view v;
	enum chunk_read read = CHUNK_FAILED;
	while (r && (read = dead_reader_next(r, &v, &why, err)) == CHUNK_FRAME) {
		if (!dead_filter_takes(&l->rq->filter, &v, &why))
			continue;
		if (!l->show) {
			add_to_groups(&l->groups, &v, &why);
			continue;
		}
		buf_clear(&l->out);
		frame_text_put(&l->out, NULL, &v);
		for (const char *p = buf_cstr(&l->out), *end; l->left && (end = strchr(p, '\n'));
			p = end + 1, l->left--)
			fwrite(p, 1, (size_t)(end - p) + 1, stdout);
	}
	dead_reader_close(r);
	return read == CHUNK_END;
}

static int look(const struct dead_request *rq, const char *dir)
{
	struct looking l = {.rq = rq, .show = strcmp(rq->verb, "show") == 0, .left = -1};
	struct err err;
	int status = 0;
	struct buffer_folder *f = buffer_folder_open(dir, &vfs_posix, &err);
	if (!f)
		return failed(&err);
	if (rq->limit)
		l.left = strtol(rq->limit, NULL, 10);
	buf_init(&l.out, (size_t)1 << 30);
	for (size_t i = 0; i < buffer_folder_count(f) && l.left; i++) {
		const struct folder_file *file = buffer_folder_file(f, i);
		if (file->chunk && !look_at_chunk(&l, f, file, &err))
			status = failed(&err);
	}
	if (!l.show)
		print_groups(&l.groups);
	buf_free(&l.out);
	buffer_folder_close(f);
	return status;
}

/* ---- replay and drop -------------------------------------------------------------------------------------------------- */

/* Nobody has the store in use. */
static int act_here(const struct dead_request *rq, const char *dir, struct loaded *conf)
{
	struct ingest_hub *hub = ingest_hub_new(NULL, NULL);
	struct dead_outputs outputs = {.pipeline = conf->pipeline, .hub = hub, .metrics = conf->metrics};
	struct err err;
	struct buf out;
	int status = 1;
	buf_init(&out, 1 << 20);
	struct dead_letters *dead = dead_letters_open(dir, UINT64_MAX / 4, false, hub, conf->metrics, &err);
	if (dead) {
		status = !dead_request_run(rq, dead_letters_buffer(dead), &outputs, &out);
		fputs(buf_cstr(&out), stdout);
	} else {
		failed(&err);
	}
	dead_letters_close(dead);
	ingest_hub_free(hub);
	buf_free(&out);
	return status;
}

static int act(const struct dead_request *rq, const char *dir, struct loaded *conf, int argc, char **argv)
{
	struct buf out;
	int status;
	buf_init(&out, 1 << 20);
	if (dead_service_ask(dir, argc, argv, &status, &out))
		fputs(buf_cstr(&out), status ? stderr : stdout);
	else
		status = act_here(rq, dir, conf);
	buf_free(&out);
	return status;
}

static int run(const struct dead_request *rq, int argc, char **argv)
{
	bool acts = strcmp(rq->verb, "replay") == 0 || strcmp(rq->verb, "drop") == 0;
	struct loaded conf = {.metrics = NULL};
	struct cmdline cmd;
	if (!acts && strcmp(rq->verb, "ls") != 0 && strcmp(rq->verb, "show") != 0) {
		fputs(usage, stderr);
		return 1;
	}
	cmdline_for_tool(&cmd, rq->config);
	atomic_store(&log_threshold, LOG_WARN);
	bool needed = !rq->dir || rq->config || (acts && strcmp(rq->verb, "replay") == 0);
	if (needed && !loaded_for_tool(&conf, &cmd))
		return 1;
	if (!needed)
		conf.metrics = metrics_new();
	char *dir = rq->dir ? mem_strdup(rq->dir) : loaded_dead_path(&conf);
	int status = acts ? act(rq, dir, &conf, argc, argv) : look(rq, dir);
	mem_free(dir);
	loaded_free(&conf);
	return status;
}

int cmd_deadletter(int argc, char **argv)
{
	struct dead_request rq;
	struct err err;
	int status = 1;
	char **copy = mem_array((size_t)argc + 1, sizeof(char *)); /* parsing takes the options out */
	memcpy(copy, argv, (size_t)argc * sizeof(char *));
	if (!dead_request_parse(&rq, argc, copy, &err))
		failed(&err);
	else if (rq.help)
		status = fputs(usage, stdout) < 0;
	else
		status = run(&rq, argc, argv);
	dead_request_free(&rq);
	mem_free(copy);
	return status;
}
