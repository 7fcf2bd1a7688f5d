#include "dead_request.h"

#include "base/clock.h"
#include "flow.h"
#include "pipeline.h"
#include "record/tag_match.h"
#include "tool_args.h"

#include <inttypes.h>
#include <string.h>

bool dead_request_parse(struct dead_request *rq, int argc, char **argv, struct err *err)
{
	const char *since = NULL, *until = NULL, *tag = NULL;
	*rq = (struct dead_request){.verb = ""};
	const struct tool_option options[] = {
		{"-c", &rq->config, NULL},
		{"--config", &rq->config, NULL},
		{"--dir", &rq->dir, NULL},
		{"--since", &since, NULL},
		{"--until", &until, NULL},
		{"--reason", &rq->filter.reason, NULL},
		{"--destination", &rq->filter.destination, NULL},
		{"--tag", &tag, NULL},
		{"--to", &rq->to, NULL},
		{"--limit", &rq->limit, NULL},
		{"-n", &rq->limit, NULL},
		{"--all", NULL, &rq->all},
		{"--help", NULL, &rq->help},
		{NULL, NULL, NULL},
	};
	argc = tool_args_take(argc, argv, options, err);
	if (argc < 0)
		return false;
	if (argc > 1)
		rq->verb = argv[1];
	if (argc > 2)
		return err_set(err, "unknown argument %s", argv[2]);
	int64_t now = clock_wall_ns();
	if (since && !tool_args_moment(since, now, &rq->filter.since_ns))
		return err_set(err, "--since wants a time such as 2h, 7d or 2026-08-01T12:00, not %s", since);
	if (until && !tool_args_moment(until, now, &rq->filter.until_ns))
		return err_set(err, "--until wants a time such as 2h, 7d or 2026-08-01T12:00, not %s", until);
	if (tag && !(rq->filter.tag = tag_match_compile(tag, err)))
		return false;
	bool any = since || until || tag || rq->filter.reason || rq->filter.destination;
	if (strcmp(rq->verb, "drop") == 0 && !any && !rq->all)
		return err_set(err, "drop wants to know which ones: --reason, --destination, --tag, --since, --until, "
				    "or --all");
	return true;
}

void dead_request_free(struct dead_request *rq)
{
	tag_match_free(rq->filter.tag);
}

/* ---- destinations ---------------------------------------------------------------------------------------------------- */

struct search {
	const struct dead_request *rq;
	const struct dead_outputs *outputs;
	struct buf *out;
	bool failed;
};

static struct flow *find_flow(const struct pipeline *p, struct span id)
{
	struct output *const *v;
	size_t n = p ? pipeline_outputs(p, &v) : 0;
	for (size_t i = 0; i < n; i++)
		if (span_is(id, v[i]->id))
			return v[i]->flow;
	return NULL;
}

static bool find_target(void *arg, struct span destination, struct dead_target *t)
{
	struct search *s = arg;
	struct flow *f = find_flow(s->outputs->pipeline, s->rq->to ? span_str(s->rq->to) : destination);
	struct err err;
	if (!f || s->failed)
		return false;
	if (s->outputs->hub && !flow_buffer(f)) {
		if (flow_in_memory(f))
			return false; /* it would end with this process */
		if (!flow_open(f, s->outputs->hub, s->outputs->metrics, &err)) {
			buf_printf(s->out, "%s\n", err.text);
			s->failed = true;
			return false;
		}
	}
	*t = (struct dead_target){.buffer = flow_buffer(f), .keys = flow_keys(f)};
	return true;
}

static void close_targets(const struct dead_outputs *outputs)
{
	struct output *const *v;
	size_t n = outputs->hub && outputs->pipeline ? pipeline_outputs(outputs->pipeline, &v) : 0;
	for (size_t i = 0; i < n; i++)
		if (v[i]->flow && flow_buffer(v[i]->flow))
			flow_join(v[i]->flow);
}

static bool to_is_there(const struct dead_request *rq, const struct dead_outputs *outputs, struct buf *out)
{
	if (!rq->to || find_flow(outputs->pipeline, span_str(rq->to)))
		return true;
	buf_printf(out, "there is no output %s with a buffer in the configuration\n", rq->to);
	return false;
}

bool dead_request_run(
	const struct dead_request *rq, struct buffer *store, const struct dead_outputs *outputs, struct buf *out)
{
	struct search search = {.rq = rq, .outputs = outputs, .out = out};
	struct dead_work work = {
		.store = store,
		.filter = &rq->filter,
		.drop = strcmp(rq->verb, "drop") == 0,
		.target = find_target,
		.arg = &search,
	};
	struct dead_outcome done;
	struct err err;
	if (!work.drop && !to_is_there(rq, outputs, out))
		return false;
	bool ok = dead_store_work(&work, &done, &err);
	close_targets(outputs);
	buf_printf(out, "%" PRIu64 " events were %s, %" PRIu64 " stay", done.done,
		work.drop ? "thrown away" : "given back to their destination", done.kept + done.strange);
	if (done.strange)
		buf_printf(out,
			"; %" PRIu64 " of those could not be given back: they are no events (then only `show` and "
			"`drop` are of use), or there is no output of that name with a durable buffer (--to names "
			"another)",
			done.strange);
	buf_put_byte(out, '\n');
	if (!ok)
		buf_printf(out, "not all was done: %s\n", err.text);
	return ok && !search.failed;
}
