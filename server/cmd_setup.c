/*
 * cmd_setup.c: weir setup-es: index templates and lifecycle policies onto the servers that the configuration's outputs write to, over the outputs' own
 * connections. Each file of a folder is one PUT: the file's path below the folder, without its .json, is the request's.
 */
#include "base/log.h"
#include "base/mem.h"
#include "elasticsearch_flush.h"
#include "flow.h"
#include "loaded.h"
#include "tool_args.h"
#include "tools.h"

#include <errno.h>
#include <fts.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Below the folder that the program's own is in: /usr/share for /usr/bin/weir. */
#define TEMPLATES "share/weir/templates"

static const char usage[] =
	"usage: weir setup-es [-c FILE] [--to ID] [--overwrite] [FOLDER]\n"
	"Puts index templates and lifecycle policies on the servers of all Elasticsearch and OpenSearch outputs of "
	"the\n"
	"configuration (of the output ID with --to), and what the outputs' template_* and data_stream_* parameters ask "
	"for.\n"
	"Each file FOLDER/PATH.json is put at /PATH. Default: ../" TEMPLATES "/elasticsearch or\n"
	"/opensearch beside the program, as the server says it is. What is there already stays, without --overwrite.\n";

struct setup {
	struct bulk_client *client;
	const char *id;
	bool overwrite;
	unsigned put, kept, failed;
};

static void tell_failure(struct setup *s, const char *path, const struct bulk_response *r)
{
	char text[300];
	bulk_error_text(r->body, text, sizeof text);
	fprintf(stderr, "weir: %s: %s was refused by %s: %ld %s\n", s->id, path, r->host, r->status, text);
	s->failed++;
}

static bool ask(struct setup *s, const char *method, const char *path, const char *body, struct bulk_response *r)
{
	struct err err;
	if (bulk_client_request(s->client, method, path, "application/json", span_str(body), r, &err))
		return true;
	fprintf(stderr, "weir: %s: %s\n", s->id, err.text);
	s->failed++;
	return false;
}

/* OpenSearch changes a policy only for who says which version of it is meant. */
static char *with_version(const char *path, struct span there)
{
	long long seq_no, term;
	json_t *reply = json_loadb((const char *)there.p, there.n, 0, NULL);
	char *target = reply && json_unpack(reply, "{s:I,s:I}", "_seq_no", &seq_no, "_primary_term", &term) == 0
			       ? mem_printf("%s?if_seq_no=%lld&if_primary_term=%lld", path, seq_no, term)
			       : mem_strdup(path);
	json_decref(reply);
	return target;
}

/* False: the server does not answer. */
static bool put(struct setup *s, const char *path, const char *body)
{
	struct bulk_response r;
	if (!ask(s, "GET", path, "", &r))
		return false;
	bool there = r.status >= 200 && r.status < 300;
	if (!there && r.status != 404) {
		tell_failure(s, path, &r);
		return true;
	}
	if (there && !s->overwrite) {
		printf("%s: %s is there already\n", s->id, path);
		s->kept++;
		return true;
	}
	char *target = there ? with_version(path, r.body) : mem_strdup(path);
	bool answered = ask(s, "PUT", target, body, &r);
	mem_free(target);
	if (answered && (r.status < 200 || r.status >= 300)) {
		tell_failure(s, path, &r);
	} else if (answered) {
		printf("%s: %s is set up\n", s->id, path);
		s->put++;
	}
	return answered;
}

/* The file as one line of JSON, for the caller to mem_free; NULL: what is wrong has been told. */
static char *read_json(const char *path)
{
	json_error_t error;
	json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!json) {
		fprintf(stderr, "weir: %s:%d: %s\n", path, error.line, error.text);
		return NULL;
	}
	size_t n = json_dumpb(json, NULL, 0, JSON_COMPACT);
	char *text = mem_zalloc(n + 1);
	json_dumpb(json, text, n, JSON_COMPACT);
	json_decref(json);
	return text;
}

static bool put_file(struct setup *s, const char *file, const char *below)
{
	char *body = read_json(file);
	char *path = mem_strndup(below, strlen(below) - strlen(".json"));
	bool answered = true;
	if (body)
		answered = put(s, path, body);
	else
		s->failed++;
	mem_free(path);
	mem_free(body);
	return answered;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* In the order of their names, so that policies (_ilm) come before the templates that use them (_index_template). */
static void put_folder(struct setup *s, char *folder)
{
	char *const roots[] = {folder, NULL};
	FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	FTSENT *e;
	size_t files = 0, top = strlen(folder);
	bool answered = true;
	while (answered && tree && (e = fts_read(tree))) {
		const char *dot = strrchr(e->fts_name, '.');
		if (e->fts_info != FTS_F || !dot || strcmp(dot, ".json") != 0)
			continue;
		files++;
		answered = put_file(s, e->fts_path, e->fts_path + top);
	}
	if (tree)
		fts_close(tree);
	if (files == 0) {
		fprintf(stderr, "weir: there is no .json file below %s; name the folder with the templates\n", folder);
		s->failed++;
	}
}

static char *beside_program(const char *name)
{
	char program[4096];
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
	program[n > 0 ? n : 0] = 0;
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(program, '/');
		if (slash)
			*slash = 0;
	}
	return mem_printf("%s/" TEMPLATES "/%s", program, name);
}

/* The default folder for the server at hand, for the caller to mem_free; NULL if the server does not answer. */
static char *default_folder(struct setup *s)
{
	struct bulk_response r;
	const char *name = "";
	if (!ask(s, "GET", "/", "", &r))
		return NULL;
	json_t *reply = json_loadb((const char *)r.body.p, r.body.n, 0, NULL);
	if (reply)
		(void)json_unpack(reply, "{s:{s:s}}", "version", "distribution", &name);
	char *folder = beside_program(strcmp(name, "opensearch") == 0 ? "opensearch" : "elasticsearch");
	json_decref(reply);
	return folder;
}

/* What the output's own parameters ask for. */
static void run_own(struct setup *s, struct elasticsearch *es)
{
	struct err why;
	if (elastic_setup_run(es->setup, s->client, s->id, &why) != SETUP_DONE) {
		fprintf(stderr, "weir: %s: %s\n", s->id, why.text);
		s->failed++;
	}
}

static void set_up(struct setup *s, struct elasticsearch *es, const char *folder)
{
	struct err err;
	s->client = bulk_client_new(es->hosts, -1, &err);
	if (!s->client) {
		fprintf(stderr, "weir: %s: %s\n", s->id, err.text);
		s->failed++;
		return;
	}
	char *path = folder ? mem_strndup(folder, strlen(folder) - (folder[strlen(folder) - 1] == '/'))
			    : default_folder(s);
	if (path) {
		run_own(s, es);
		put_folder(s, path);
	}
	mem_free(path);
	bulk_client_free(s->client);
}

static int run(const struct loaded *conf, const char *to, bool overwrite, const char *folder)
{
	struct output *const *v;
	size_t n = pipeline_outputs(conf->pipeline, &v), found = 0;
	struct setup s = {.overwrite = overwrite};
	for (size_t i = 0; i < n; i++) {
		const struct output_ops *ops = v[i]->plugin->output;
		if (ops->flush != elasticsearch_flush || (to && strcmp(v[i]->id, to) != 0))
			continue;
		found++;
		s.id = v[i]->id;
		set_up(&s, v[i]->self, folder);
	}
	if (!found) {
		fprintf(stderr, "weir: the configuration has no Elasticsearch or OpenSearch output%s%s\n",
			to ? " called " : "", to ? to : "");
		return 1;
	}
	printf("%u set up, %u there already, %u failed\n", s.put, s.kept, s.failed);
	return s.failed ? 1 : 0;
}

int cmd_setup(int argc, char **argv)
{
	const char *config = NULL, *to = NULL;
	bool overwrite = false, help = false;
	const struct tool_option options[] = {
		{"-c", &config, NULL},
		{"--config", &config, NULL},
		{"--to", &to, NULL},
		{"--overwrite", NULL, &overwrite},
		{"--help", NULL, &help},
		{NULL, NULL, NULL},
	};
	struct loaded conf;
	struct cmdline cmd;
	struct err err;
	argc = tool_args_take(argc, argv, options, &err);
	if (argc < 0) {
		fprintf(stderr, "weir: %s\n", err.text);
		return 1;
	}
	if (help || argc > 2 || (argc == 2 && !*argv[1])) {
		fputs(usage, help ? stdout : stderr);
		return !help;
	}
	signal(SIGPIPE, SIG_IGN);
	atomic_store(&log_threshold, LOG_WARN);
	cmdline_for_tool(&cmd, config);
	if (!loaded_for_tool(&conf, &cmd))
		return 1;
	int status = run(&conf, to, overwrite, argc == 2 ? argv[1] : NULL);
	loaded_free(&conf);
	return status;
}
