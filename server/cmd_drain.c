/*
 * cmd_drain.c: weir drain DIR: what a buffer's folder from elsewhere (another host's, an output's that is gone) holds is delivered by an output of this
 * configuration, as if it were that output's own buffer. No source is started, and the weir that runs here with the same configuration is not disturbed.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "buffer/buffer_folder.h"
#include "dead_letter.h"
#include "flow.h"
#include "ingest.h"
#include "loaded.h"
#include "tool_args.h"
#include "tools.h"

#include <errno.h>
#include <event2/thread.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define DEAD_LIMIT (UINT64_C(1) << 40)
#define TELL_NS	   (10 * NS_PER_S)

static const char usage[] =
	"usage: weir drain DIR [-c FILE] [--to ID] [--timeout SECONDS]\n"
	"Delivers the events in the buffer folder DIR through the output ID of the configuration; without --to through "
	"the\n"
	"one of the name that stands in the chunks, or the only one that has a buffer. What that output gives up is "
	"kept in\n"
	"DIR/dead. Ends with 0 when DIR is empty; what is left after the timeout or a signal stays there.\n";

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static int failed(const struct err *err)
{
	fprintf(stderr, "weir: %s\n", err->text);
	return 1;
}

/* The output's name that the chunks have; "" if there are none. For the caller to mem_free. NULL: err. */
static char *owner_of(const char *dir, struct err *err)
{
	struct buffer_folder *f = buffer_folder_open(dir, &vfs_posix, err);
	const char *owner = "";
	if (!f)
		return NULL;
	for (size_t i = 0; i < buffer_folder_count(f) && !*owner; i++)
		owner = buffer_folder_file(f, i)->owner;
	char *copy = mem_strdup(owner);
	buffer_folder_close(f);
	return copy;
}

static struct output *choose(const struct pipeline *p, const char *to, const char *owner, struct err *err)
{
	struct output *const *v, *only = NULL;
	size_t n = pipeline_outputs(p, &v), buffered = 0;
	for (size_t i = 0; i < n; i++) {
		if (!v[i]->flow)
			continue;
		if (strcmp(v[i]->id, to ? to : owner) == 0)
			return v[i];
		only = v[i];
		buffered++;
	}
	if (!to && buffered == 1)
		return only;
	if (to || *owner)
		err_set(err, "there is no output %s with a buffer in the configuration; name one with --to",
			to ? to : owner);
	else
		err_set(err, "nothing in the folder tells whose it was: name an output that has a buffer with --to");
	return NULL;
}

/* True when the folder is empty. */
static bool deliver(struct flow *f, const char *timeout)
{
	int64_t start = clock_mono_ns(), tell = start + TELL_NS;
	int64_t limit = timeout ? strtoll(timeout, NULL, 10) * NS_PER_S : INT64_MAX;
	struct flow_status s;
	flow_flush(f);
	while (!flow_is_empty(f) && !interrupted && clock_mono_ns() - start < limit) {
		usleep(20000);
		if (clock_mono_ns() < tell)
			continue;
		tell += TELL_NS;
		flow_status(f, &s);
		fprintf(stderr, "weir: %" PRIu64 " chunks, %" PRIu64 " bytes are left%s%s\n", s.buffer.queue_chunks,
			s.buffer.queue_bytes, *s.reason ? "; " : "", s.reason);
	}
	return flow_is_empty(f);
}

/* The store of dead letters, if nothing came into it. What else lies there keeps the folder. */
static void remove_empty(const char *path)
{
	static const char *const files[] = {"LOCK", "LEDGER"};
	struct err err;
	struct buffer_folder *f = buffer_folder_open(path, &vfs_posix, &err);
	size_t n = f ? buffer_folder_count(f) : 1;
	buffer_folder_close(f);
	for (size_t i = 0; i < sizeof files / sizeof *files && !n; i++) {
		char *file = mem_printf("%s/%s", path, files[i]);
		(void)unlink(file);
		mem_free(file);
	}
	if (!n)
		(void)rmdir(path);
}

static int drain(struct output *o, const char *dir, const char *timeout, struct metrics *m)
{
	char *dead_path = mem_printf("%s/dead", dir);
	struct ingest_hub *hub = ingest_hub_new(NULL, NULL);
	struct err err;
	struct buffer_stats buried = {.durable_records = 0};
	bool empty = false;
	flow_use_folder(o->flow, dir);
	struct dead_letters *dead = dead_letters_open(dead_path, DEAD_LIMIT, false, hub, m, &err);
	if (dead)
		ingest_hub_set_dead(hub, dead);
	bool opened = dead && flow_open(o->flow, hub, m, &err);
	bool started = opened && flow_start(o->flow, &err);
	if (started)
		empty = deliver(o->flow, timeout);
	else
		failed(&err);
	if (opened) {
		flow_stop(o->flow);
		flow_join(o->flow);
	}
	if (dead)
		buffer_stats(dead_letters_buffer(dead), &buried);
	dead_letters_close(dead);
	if (dead && !buried.durable_records)
		remove_empty(dead_path);
	ingest_hub_free(hub);
	if (buried.durable_records)
		printf("%" PRIu64 " events became dead letters: `weir deadletter ls --dir %s` lists them\n",
			buried.durable_records, dead_path);
	if (started)
		puts(empty ? "all is delivered" : "not all is delivered: the rest stays where it is");
	mem_free(dead_path);
	return empty ? 0 : 1;
}

static int run(const char *dir, const char *config, const char *to, const char *timeout)
{
	struct loaded conf;
	struct cmdline cmd;
	struct err err;
	char *owner = owner_of(dir, &err);
	if (!owner)
		return failed(&err);
	cmdline_for_tool(&cmd, config);
	int status = 1;
	if (loaded_for_tool(&conf, &cmd)) {
		struct output *o = choose(conf.pipeline, to, owner, &err);
		status = o ? drain(o, dir, timeout, conf.metrics) : failed(&err);
		loaded_free(&conf);
	}
	mem_free(owner);
	return status;
}

int cmd_drain(int argc, char **argv)
{
	const char *config = NULL, *to = NULL, *timeout = NULL;
	bool help = false;
	const struct tool_option options[] = {
		{"-c", &config, NULL},
		{"--config", &config, NULL},
		{"--to", &to, NULL},
		{"--timeout", &timeout, NULL},
		{"--help", NULL, &help},
		{NULL, NULL, NULL},
	};
	const struct sigaction act = {.sa_handler = on_signal};
	struct err err;
	argc = tool_args_take(argc, argv, options, &err);
	if (argc < 0)
		return failed(&err);
	if (help || argc != 2) {
		fputs(usage, help ? stdout : stderr);
		return !help;
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	evthread_use_pthreads();
	atomic_store(&log_threshold, LOG_WARN);
	return run(argv[1], config, to, timeout);
}
