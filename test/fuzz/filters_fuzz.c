/*
 * filters_fuzz.c: any good entries through filters of each kind; the first byte says which. What goes on is good entries again, as many as the filter says, and with what it
 * reports as failed no more than came.
 */
#include "base/mem.h"
#include "conf/conf_tree.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/event.h"
#include "record/msgpack_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern const struct plugin filter_dedot, filter_elasticsearch_genid, filter_flatten_hash, filter_grep, filter_parser,
	filter_record_modifier, filter_record_transformer;

static const struct {
	const struct plugin *plugin;
	const char *section;
} cases[] = {
	{&filter_dedot, "de_dot_nested true"},
	{&filter_dedot, "de_dot_separator __"},
	{&filter_elasticsearch_genid, ""},
	{&filter_elasticsearch_genid, "use_record_as_seed true\nuse_entire_record true\ninclude_time_in_seed true"},
	{&filter_elasticsearch_genid, "use_record_as_seed true\nrecord_keys a,b\nhash_type md5\nhash_id_key a"},
	{&filter_flatten_hash, ""},
	{&filter_flatten_hash, "flatten_array false"},
	{&filter_grep,
		"<regexp>\nkey $.a.b[0]\npattern /^\\w*$/\n</regexp>\n<exclude>\nkey a\npattern /(x+)+y/\n</exclude>"},
	{&filter_parser, "key_name $.a\nreserve_data true\nremove_key_name_field true\nreplace_invalid_sequence true\n"
			 "<parse>\n@type json\n</parse>"},
	{&filter_parser, "key_name a\nhash_value_field a\ninject_key_prefix b\n<parse>\n@type ltsv\n</parse>"},
	{&filter_record_modifier,
		"whitelist_keys a,b\n<record>\nb ${record['a'].to_s.upcase}\n</record>\n<replace>\nkey a\nexpression "
		"/b/\nreplace cc\n</replace>"},
	{&filter_record_modifier, "char_encoding euc-jp:utf-8\nremove_keys _\n<record>\n_ ${record['a'].each { |k, v| "
				  "record[k] = v }}\n</record>"},
	{&filter_record_transformer,
		"remove_keys $.a.b[-1],c\n<record>\nd x-${record[\"a\"]}\n${tag_parts[0]} 1\n</record>"},
	{&filter_record_transformer, "renew_record true\nkeep_keys a,b\nrenew_time_key a\nenable_ruby true\n<record>\n"
				     "c {\"k\":[\"${record}\",\"${record.to_json}\"]}\n</record>"},
	{&filter_record_transformer, "enable_ruby true\n<record>\nc ${record['a'].map! { |x| [x] }}\n</record>"},
};

#define COUNT (sizeof cases / sizeof *cases)

static struct filter filters[COUNT];
static struct conf_report report;
static uint32_t failed;

/* ---- what filters call ---- */

const struct conf_rules *builder_rules(struct builder *b)
{
	static const struct conf_rules rules;
	(void)b;
	return &rules;
}

struct conf_report *builder_report(struct builder *b)
{
	(void)b;
	return &report;
}

int64_t ingest_now(const struct ingest *in)
{
	(void)in;
	return INT64_C(1795400000000000005);
}

void ingest_error(struct ingest *in, const char *plugin_id, const struct batch *b, struct span entry,
	const char *reason, const char *text)
{
	(void)in;
	(void)plugin_id;
	if (!*reason || !text || entry.p < b->entries.p || entry.n > (size_t)(b->entries.p + b->entries.n - entry.p))
		abort();
	failed++;
}

void ingest_no_memory(struct ingest *in, size_t bytes, uint32_t count)
{
	(void)in;
	(void)bytes;
	failed += count;
}

/* ---- running them ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make(size_t i)
{
	static const struct conf_rules rules;
	static struct conf_tree *trees[COUNT]; /* they live as long as the filters: to the end */
	char path[] = "/tmp/weir-fuzz-XXXXXX";
	struct conf_source source = {.path = path};
	char *text = mem_printf("<filter>\n@type %s\n%s\n</filter>\n", cases[i].plugin->name, cases[i].section);
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
	trees[i] = conf_tree_read(&source, &report);
	filters[i] = (struct filter){.plugin = cases[i].plugin, .id = mem_strdup("fuzz")};
	filters[i].conf = conf_make(cases[i].plugin->schema, conf_tree_root(trees[i])->sections, &rules, &report);
	filters[i].self = cases[i].plugin->filter->create(&filters[i], NULL);
	if (!filters[i].self || report.errors)
		abort();
	unlink(path);
	mem_free(text);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	setenv("TZ", "UTC", 1);
	conf_report_init(&report);
	for (size_t i = 0; i < COUNT; i++)
		make(i);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buf out;
	uint32_t count, kept, seen;
	if (size < 2 || !event_scan(span_of(data + 1, size - 1), MP_DEPTH_LIMIT, &count))
		return 0;
	const struct batch b = {.tag = SPAN_LIT("app.web"),
		.entries = span_of(data + 1, size - 1),
		.count = count,
		.received_ns = 1795400000000000005};
	struct filter *f = &filters[data[0] % COUNT];
	bool several = f->plugin == &filter_parser; /* events of one text */
	if (!out.max)
		buf_init(&out, 1 << 30);
	buf_clear(&out);
	failed = 0;
	kept = f->plugin->filter->apply(f, NULL, &b, &out);
	if (out.n ? !event_scan(buf_span(&out), MP_DEPTH_LIMIT, &seen) || seen != kept : kept != 0)
		abort();
	if (!several && kept + failed > count)
		abort();
	if (f->plugin != &filter_grep && kept + failed < count && !several)
		abort();
	return 0;
}
