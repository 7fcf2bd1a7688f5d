/* out_file.c: <match> @type file: chunks as text in files, named by their slice of time, tag and fields. */
#include "base/log.h"
#include "base/mem.h"
#include "chunk_keys.h"
#include "chunk_rest.h"
#include "chunk_text.h"
#include "file_sink.h"
#include "flow.h"
#include "pipeline.h"
#include "plugin.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#define DEFAULT_TIMEKEY_NS (INT64_C(86400) * 1000000000)
#define WRITE_BYTES	   (1u << 20)

struct file_conf {
	struct conf_common common;
	char *path, *path_suffix, *symlink_path;
	bool append, add_path_suffix, symlink_relative;
	int compress;
	struct conf_list buffer, secondary, format, inject;
};

#define AT(field) offsetof(struct file_conf, field)

static const struct conf_choice compressions[] = {
	{"text", FILE_TEXT}, {"gz", FILE_GZIP}, {"gzip", FILE_GZIP}, {"zstd", FILE_ZSTD}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "path",
		.type = CONF_STRING,
		.offset = AT(path),
		.required = true,
		.writes = CONF_WRITES_FILE,
		.help = "The file. `*` stands for the slice of time; else that is put behind it. May hold ${tag}, "
			"${tag[N]}, "
			"${key}, ${$.a.b} and strftime directives, if the <buffer> has these chunk keys. What comes "
			"from events "
			"never leaves its place in the path: `/` and the like become %2F."},
	{.name = "append",
		.type = CONF_BOOL,
		.offset = AT(append),
		.value = "false",
		.help = "Append to the file; else each chunk becomes a file of its own with a number, _0, _1 ..., "
			"which "
			"appears when it is whole."},
	{.name = "compress",
		.type = CONF_ENUM,
		.offset = AT(compress),
		.value = "text",
		.choices = compressions,
		.help = "text, gzip or zstd. With append, each chunk is a member of its own."},
	{.name = "recompress", .type = CONF_IGNORED, .support = CONF_NOT_USED, .instead = "chunks are not compressed"},
	{.name = "add_path_suffix",
		.type = CONF_BOOL,
		.offset = AT(add_path_suffix),
		.value = "true",
		.help = "Put path_suffix behind a path without `*`."},
	{.name = "path_suffix",
		.type = CONF_STRING,
		.offset = AT(path_suffix),
		.value = ".log",
		.help = "The end of a path without `*`."},
	{.name = "symlink_path",
		.type = CONF_STRING,
		.offset = AT(symlink_path),
		.writes = CONF_WRITES_FILE,
		.help = "A symbolic link to the file that was written last. (fluentd's points into the buffer, whose "
			"files are "
			"no text here.)"},
	{.name = "symlink_path_use_relative",
		.type = CONF_BOOL,
		.offset = AT(symlink_relative),
		.value = "false",
		.help = "The link is relative to its folder."},
	BUFFER_FLAT_PARAMS,
	TIME_AS_INTEGER_PARAM,
	FORMATTER_FLAT_PARAMS,
	INJECT_FLAT_PARAMS,
	{.name = NULL},
};

static const struct conf_sub subs[] = {
	{.schema = &buffer_conf_schema, .offset = AT(buffer)},
	{.schema = &secondary_schema, .offset = AT(secondary)},
	{.schema = &formatter_section_schema, .offset = AT(format), .type = "out_file"},
	{.schema = &inject_values_schema, .offset = AT(inject)},
	{.schema = NULL},
};

static const struct conf_schema schema = {
	.name = "match",
	.title = "file output",
	.size = sizeof(struct file_conf),
	.params = params,
	.subs = subs,
	.help = "Writes events as text to files, one for each slice of time (`<buffer time>`, timekey 1d) or whatever "
		"the chunk "
		"keys are. A chunk counts as delivered when its file is synced.",
};

struct file {
	struct output *output;
	struct text_maker maker;
	struct chunk_template *path, *symlink;
	struct file_sink_options options;
	struct counter *events, *failed;
};

struct flusher {
	struct file *file;
	struct chunk_text text;
	struct buf path;
};

/* ---- the path ------------------------------------------------------------------------------------------------------- */

static const char *format_of(int64_t timekey_s)
{
	return timekey_s < 60	   ? "%Y%m%d%H%M%S"
	       : timekey_s < 3600  ? "%Y%m%d%H%M"
	       : timekey_s < 86400 ? "%Y%m%d%H"
				   : "%Y%m%d";
}

/* How many of the format's directives stand in the path. */
static size_t directives_in(const char *path, const char *format)
{
	size_t n = 0;
	for (const char *p = format; *p; p += 2) {
		char directive[3] = {p[0], p[1], 0};
		n += strstr(path, directive) != NULL;
	}
	return n;
}

/* fluentd's: the slice and "_**" for the number in the place of `*`, or behind the path. For the caller to mem_free. */
static char *whole_path(const struct file_conf *c, int64_t timekey_s, struct conf_report *r)
{
	static const char *const ends[] = {[FILE_TEXT] = "", [FILE_GZIP] = ".gz", [FILE_ZSTD] = ".zstd"};
	const struct conf_pair *flat = conf_section_get(c->common.section, "time_slice_format");
	const char *end = ends[c->compress], *number = c->append ? "" : "_**";
	const char *suffix = c->add_path_suffix ? c->path_suffix : "";
	bool named = flat && !c->buffer.n && buffer_conf_is_slice(flat->value);
	const char *format = named ? flat->value : format_of(timekey_s);
	const char *path = c->path ? c->path : "", *star = strchr(path, '*');
	if (star && !timekey_s)
		conf_report_add(r, CONF_ERROR, conf_where(c, "path"),
			"path including '*' must be used with buffer chunk key 'time'");
	if (star)
		return mem_printf("%.*s%s%s%s%s", (int)(star - path), path, format, number, star + 1, end);
	if (!timekey_s)
		return mem_printf("%s%s%s%s", path, number, suffix, end);
	size_t used = flat ? 0 : directives_in(path, format);
	if (used && used < strlen(format) / 2)
		conf_report_add(r, CONF_ERROR, conf_where(c, "path"), "insufficient timestamp placeholders in path");
	if (used)
		return mem_printf("%s%s%s%s", path, number, suffix, end);
	return mem_printf("%s.%s%s%s%s", path, format, number, suffix, end);
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
	struct file *f = self;
	if (!f)
		return;
	text_maker_free(&f->maker);
	chunk_template_free(f->path);
	chunk_template_free(f->symlink);
	mem_free(f);
}

static void *create(struct output *o, struct builder *b)
{
	const struct file_conf *c = o->conf;
	struct file *f = mem_zalloc(sizeof *f);
	struct conf_report *r = builder_report(b);
	char *labels = metrics_labels("plugin_id", o->id, "type", o->plugin->name, NULL);
	bool secondary = builder_primary(b) != NULL;
	const struct chunk_keys *keys = builder_split_flow(
		b, o, c->buffer.n ? c->buffer.v[0] : NULL, "time", DEFAULT_TIMEKEY_NS);
	char *path = whole_path(c, chunk_keys_timekey(keys), r);
	f->output = o;
	f->path = chunk_template_new(keys, path, "path", !secondary, conf_where(c, "path"), r);
	if (c->symlink_path)
		f->symlink = chunk_template_new(
			keys, c->symlink_path, "symlink_path", false, conf_where(c, "symlink_path"), r);
	if (c->symlink_path && secondary)
		conf_report_add(r, CONF_ERROR, conf_where(c, "symlink_path"),
			"symlink_path option is unavailable in <secondary>: consider to use secondary_file plugin");
	mem_free(path);
	f->options = (struct file_sink_options){
		.append = c->append,
		.mark = c->append ? NULL : "_**",
		.compress = (enum file_compress)c->compress,
		.file_mode = system_file_mode(builder_system(b)),
		.dir_mode = system_dir_mode(builder_system(b)),
	};
	text_maker_init(&f->maker, c->common.section, "out_file", builder_rules(b), r);
	f->events = metrics_counter(
		builder_metrics(b), "weir_output_written_events_total", labels, "Events that were written.");
	f->failed = metrics_counter(builder_metrics(b), "weir_output_unformatted_events_total", labels,
		"Events that the format has no text for; they are left out.");
	mem_free(labels);
	return f;
}

static void emit(struct output *o, struct ingest *in, const struct batch *b)
{
	chunk_keys_append(flow_keys(o->flow), in, o, b);
}

static void flush_close(void *thread)
{
	struct flusher *t = thread;
	if (!t)
		return;
	chunk_text_free(&t->text);
	buf_free(&t->path);
	mem_free(t);
}

static void *flush_open(struct output *o, int stop_fd, struct err *err)
{
	struct flusher *t = mem_zalloc(sizeof *t);
	(void)stop_fd;
	(void)err;
	t->file = o->self;
	chunk_text_init(&t->text, &t->file->maker);
	buf_init(&t->path, 64 << 10);
	return t;
}

/* ---- a chunk -------------------------------------------------------------------------------------------------------- */

struct sums {
	uint64_t events, failed;
};

static bool write_frame(
	struct flusher *t, const struct frame_view *v, struct file_sink *sink, struct sums *sums, struct err *err)
{
	struct buf *out = &t->text.out;
	const uint8_t *p = v->entries.p;
	struct event e;
	buf_clear(out);
	while (chunk_text_next(v, &p, &e)) {
		if (chunk_text_event(&t->text, v->tag, e.time, e.record))
			sums->events++;
		else if (out->failed)
			return err_set(err, "no memory for the text of an event");
		else
			sums->failed++;
		if (out->n < WRITE_BYTES)
			continue;
		if (!file_sink_put(sink, buf_span(out), err))
			return false;
		buf_clear(out);
	}
	return !out->n || file_sink_put(sink, buf_span(out), err);
}

static enum flush_result write_chunk(
	struct flusher *t, struct chunk *c, const struct file_sink_options *options, struct sums *sums, struct err *err)
{
	struct chunk_rest *rest = chunk_rest_open(flow_buffer(t->file->output->flow), c, err);
	struct file_sink *sink = rest ? file_sink_open(options, err) : NULL;
	struct frame_view v;
	uint32_t first;
	enum chunk_read read = CHUNK_FAILED;
	bool written = true;
	while (sink && written && (read = chunk_rest_next(rest, &v, &first, err)) == CHUNK_FRAME)
		written = write_frame(t, &v, sink, sums, err);
	bool ok = sink && written && read == CHUNK_END;
	if (ok)
		written = ok = file_sink_finish(sink, err);
	else
		file_sink_abandon(sink);
	if (ok)
		chunk_rest_mark(rest);
	chunk_rest_close(rest);
	/* A place that cannot be opened is this chunk's, as what cannot be read is; what cannot be written is the disk's. */
	return ok ? FLUSH_DONE : !rest ? FLUSH_RETRY : !sink ? FLUSH_BLOCKED : written ? FLUSH_RETRY : FLUSH_DOWN;
}

static char *relative(const char *link, const char *target)
{
	size_t same = 0, ups = 0;
	struct buf out;
	for (size_t i = 0; link[i] && link[i] == target[i]; i++)
		if (link[i] == '/')
			same = i + 1;
	for (const char *p = link + same; (p = strchr(p, '/')); p++)
		ups++;
	buf_init(&out, 64 << 10);
	while (ups--)
		buf_put_str(&out, "../");
	buf_put_str(&out, target + same);
	return buf_take(&out);
}

/* Puts the link in the place of an older one, all at once. */
static void link_to(struct flusher *t, const struct chunk_meta *meta, const char *id, const char *target)
{
	const struct file_conf *c = t->file->output->conf;
	struct buf path;
	buf_init(&path, 64 << 10);
	chunk_template_put(t->file->symlink, meta, id, true, &path);
	char *to = c->symlink_relative ? relative(buf_cstr(&path), target) : mem_strdup(target);
	char *temporary = mem_printf("%s.%s.tmp", buf_cstr(&path), id);
	(void)unlink(temporary);
	if (symlink(to ? to : target, temporary) < 0 || rename(temporary, buf_cstr(&path)) < 0) {
		static struct log_limit limit;
		uint64_t held;
		if (log_allowed(&limit, INT64_C(60000000000), &held))
			log_warn(t->file->output->id, "symlink_path cannot be set", LOG_S("path", buf_cstr(&path)),
				LOG_S("error", strerror(errno)), LOG_U("held_back", held));
	}
	mem_free(to);
	mem_free(temporary);
	buf_free(&path);
}

static enum flush_result flush(void *thread, struct chunk *c, struct flush_report *report)
{
	struct flusher *t = thread;
	struct file_sink_options options = t->file->options;
	struct chunk_info info;
	struct chunk_meta meta;
	struct sums sums = {0};
	char written[4096];
	struct err err;
	chunk_info(c, &info);
	chunk_meta_read(info.stage, &meta);
	buf_clear(&t->path);
	chunk_template_put(t->file->path, &meta, info.id, true, &t->path);
	options.path = buf_cstr(&t->path);
	options.fixed = chunk_template_fixed(t->file->path);
	options.chunk_id = info.id;
	options.written = written;
	options.written_size = sizeof written;
	enum flush_result result = write_chunk(t, c, &options, &sums, &err);
	if (result != FLUSH_DONE) {
		flush_because(report, "%s", err.text);
		return result;
	}
	if (t->file->symlink)
		link_to(t, &meta, info.id, written);
	counter_add(t->file->events, sums.events);
	counter_add(t->file->failed, sums.failed);
	return FLUSH_DONE;
}

static void describe(const struct output *o, struct buf *out)
{
	buf_put_str(out, ((const struct file_conf *)o->conf)->path);
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

const struct plugin out_file = {
	.kind = PLUGIN_OUTPUT,
	.name = "file",
	.help = "Writes events to files.",
	.schema = &schema,
	.output = &ops,
};
