/* out_secondary_file.c: <secondary> @type secondary_file: chunks that could not be delivered, as msgpack in files, as fluentd writes them. */
#include "base/mem.h"
#include "chunk_keys.h"
#include "chunk_rest.h"
#include "file_sink.h"
#include "flow.h"
#include "pipeline.h"
#include "plugin.h"

#include <stddef.h>
#include <unistd.h>

struct secondary_conf {
	struct conf_common common;
	char *directory, *basename;
	bool append;
	int compress;
	struct conf_list buffer, secondary;
};

#define AT(field) offsetof(struct secondary_conf, field)

static const struct conf_choice compressions[] = {{"text", FILE_TEXT}, {"gzip", FILE_GZIP}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "directory",
		.type = CONF_STRING,
		.offset = AT(directory),
		.required = true,
		.writes = CONF_WRITES_FOLDER,
		.help = "The folder."},
	{.name = "basename",
		.type = CONF_STRING,
		.offset = AT(basename),
		.value = "dump.bin",
		.help = "The file's name; may hold ${chunk_id}, and what the chunk keys of the output give."},
	{.name = "append",
		.type = CONF_BOOL,
		.offset = AT(append),
		.value = "false",
		.help = "Append to the file; else each chunk has its own: NAME.0, NAME.1 ..."},
	{.name = "compress",
		.type = CONF_ENUM,
		.offset = AT(compress),
		.value = "text",
		.choices = compressions,
		.help = "text or gzip."},
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &buffer_conf_schema, .offset = AT(buffer)},
	{.schema = &secondary_schema, .offset = AT(secondary)},
	{.schema = NULL},
};

static void check(void *conf, struct conf_report *r)
{
	const struct secondary_conf *c = conf;
	if (strchr(c->basename, '/'))
		conf_report_add(r, CONF_ERROR, conf_where(c, "basename"), "basename should not include `/`");
}

static const struct conf_schema schema = {
	.name = "match",
	.title = "secondary_file output",
	.size = sizeof(struct secondary_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Writes chunks to files as msgpack ([time, record] one after the other), which fluent-binlog-reader "
		"reads. For "
		"`<secondary>`, and as an output of its own.",
};

struct secondary_file {
	struct output *output;
	struct chunk_template *path;
	struct file_sink_options options;
};

static void destroy(void *self)
{
	struct secondary_file *f = self;
	if (!f)
		return;
	chunk_template_free(f->path);
	mem_free(f);
}

static void *create(struct output *o, struct builder *b)
{
	const struct secondary_conf *c = o->conf;
	struct secondary_file *f = mem_zalloc(sizeof *f);
	const struct chunk_keys *keys = builder_split_flow(b, o, c->buffer.n ? c->buffer.v[0] : NULL, "", CONF_NIL_INT);
	const char *suffix = c->compress == FILE_GZIP ? ".gz" : "";
	char *path = mem_printf(
		"%s/%s%s%s", c->directory ? c->directory : "", c->basename, c->append ? "" : ".**", suffix);
	f->output = o;
	f->options = (struct file_sink_options){
		.append = c->append,
		.mark = c->append ? NULL : ".**",
		.compress = (enum file_compress)c->compress,
		.file_mode = system_file_mode(builder_system(b)),
		.dir_mode = system_dir_mode(builder_system(b)),
	};
	f->path = chunk_template_new(keys, path, "basename", false, c->common.pos, builder_report(b));
	mem_free(path);
	return f;
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	chunk_keys_append(flow_keys(o->flow), in, o, b);
}

static void *flush_open(struct output *o, int stop_fd, struct err *err)
{
	(void)stop_fd;
	(void)err;
	return o->self;
}

static void flush_close(void *thread)
{
	(void)thread;
}

static enum chunk_read write_rest(struct chunk_rest *rest, struct file_sink *sink, struct err *err)
{
	struct frame_view v;
	uint32_t first;
	enum chunk_read read;
	while ((read = chunk_rest_next(rest, &v, &first, err)) == CHUNK_FRAME)
		if (!file_sink_put(sink, v.entries, err))
			return CHUNK_FAILED;
	return read;
}

static enum flush_result flush(void *thread, struct chunk *c, struct flush_report *report)
{
	struct secondary_file *f = thread;
	struct file_sink_options options = f->options;
	struct chunk_info info;
	struct chunk_meta meta;
	struct buf path;
	struct err err;
	chunk_info(c, &info);
	chunk_meta_read(info.stage, &meta);
	buf_init(&path, 64 << 10);
	chunk_template_put(f->path, &meta, info.id, true, &path);
	options.path = buf_cstr(&path);
	options.chunk_id = info.id;
	options.fixed = chunk_template_fixed(f->path);
	struct chunk_rest *rest = chunk_rest_open(flow_buffer(f->output->flow), c, &err);
	struct file_sink *sink = rest ? file_sink_open(&options, &err) : NULL;
	bool ok = sink && write_rest(rest, sink, &err) == CHUNK_END;
	if (ok)
		ok = file_sink_finish(sink, &err);
	else
		file_sink_abandon(sink);
	if (ok)
		chunk_rest_mark(rest);
	chunk_rest_close(rest);
	buf_free(&path);
	if (ok)
		return FLUSH_DONE;
	flush_because(report, "%s", err.text);
	return FLUSH_DOWN;
}

static void describe(const struct output *o, struct buf *out)
{
	const struct secondary_conf *c = o->conf;
	buf_printf(out, "%s/%s", c->directory, c->basename);
}

static const struct output_ops ops = {
	.create = create,
	.destroy = destroy,
	.emit = emit,
	.flush_open = flush_open,
	.flush_close = flush_close,
	.flush = flush,
	.describe = describe,
};

const struct plugin out_secondary_file = {
	.kind = PLUGIN_OUTPUT,
	.name = "secondary_file",
	.help = "Writes chunks that could not be delivered to files.",
	.schema = &schema,
	.output = &ops,
};
