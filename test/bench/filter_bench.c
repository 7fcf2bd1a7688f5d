/* filter_bench.c: nanoseconds for an event in each filter: `build/release/test/bench/filter_bench [seconds for each]`. */
#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf_tree.h"
#include "ingest.h"
#include "pipeline.h"
#include "plugin.h"
#include "record/json_get.h"
#include "record/msgpack_put.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUND 1000

#define RECORD(lines) "@type record_transformer\nenable_ruby true\n<record>\n" lines "\n</record>"
#define PLAIN(lines)  "@type record_transformer\n<record>\n" lines "\n</record>"

extern const struct plugin filter_dedot, filter_elasticsearch_genid, filter_flatten_hash, filter_grep,
	filter_record_modifier, filter_record_transformer;

static const struct plugin *const plugins[] = {&filter_dedot, &filter_elasticsearch_genid, &filter_flatten_hash,
	&filter_grep, &filter_record_modifier, &filter_record_transformer};

/* Each begins with its type. */
static const char *const sections[] = {
	"@type grep\n<regexp>\nkey path\npattern /^\\/[a-z]/\n</regexp>",
	"@type grep\n<regexp>\nkey message\npattern /login/\n</regexp>\n<exclude>\nkey method\npattern "
	"/^(OPTIONS|TRACE)$/\n</exclude>",
	"@type grep\n<exclude>\nkey $.kubernetes.namespace_name\npattern /^kube-/\n</exclude>",
	PLAIN("env production"),
	PLAIN("service ${tag}\nwhere ${record[\"host\"]}:${record[\"path\"]}"),
	"@type record_transformer\nremove_keys took,$.kubernetes.labels",
	"@type record_transformer\nrenew_record true\nkeep_keys host,path,status",
	RECORD("severity ${record[\"status\"] >= 500 ? \"error\" : \"info\"}"),
	RECORD("ns ${record.dig(\"kubernetes\", \"namespace_name\") || \"none\"}"),
	RECORD("ts ${time.strftime('%Y-%m-%dT%H:%M:%S.%L%z')}"),
	RECORD("masked ${record[\"message\"].gsub(/\\d{4}/, '****')}"),
	RECORD("labels ${record[\"kubernetes\"][\"labels\"].map { |k, v| [k.tr('.', '_'), v] }.to_h}"),
	RECORD("json ${record.to_json}"),
	"@type record_modifier\n<record>\nservice ${tag_parts[0]}\nlevel ${record['level'].upcase}\n</record>",
	"@type record_modifier\n<replace>\nkey message\nexpression /\\d{4}/\nreplace ****\n</replace>",
	"@type dedot\nde_dot_nested true",
	"@type flatten_hash",
	"@type elasticsearch_genid",
	"@type elasticsearch_genid\nuse_record_as_seed true\nrecord_keys host,path",
};

static const char record[] = "{\"host\":\"web-017\",\"level\":\"info\",\"path\":\"/api/v1/items/"
			     "123456\",\"status\":200,\"took\":0.012345,\"message\":\"login of 1234-5678\","
			     "\"kubernetes\":{\"namespace_name\":\"shop\",\"labels\":{\"app.kubernetes.io/"
			     "name\":\"web\",\"tier\":\"front\"}}}";

/* ---- what filters call ---- */

static struct conf_report report;

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

void ingest_error(struct ingest *in, const char *plugin_id, const struct batch *b, struct span entry,
	const char *reason, const char *text)
{
	(void)in;
	(void)b;
	(void)entry;
	fprintf(stderr, "%s: %s: %s\n", plugin_id, reason, text);
	exit(1);
}

void ingest_no_memory(struct ingest *in, size_t bytes, uint32_t count)
{
	(void)in;
	(void)bytes;
	(void)count;
	exit(1);
}

/* ---- running them ---- */

static const struct plugin *find(const char *type)
{
	for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++)
		if (strcmp(plugins[i]->name, type) == 0)
			return plugins[i];
	exit(1);
}

static void make(struct filter *f, const char *section)
{
	static const struct conf_rules rules;
	char path[] = "/tmp/weir-bench-XXXXXX";
	struct conf_source source = {.path = path};
	char *text = mem_printf("<filter>\n%s\n</filter>\n", section);
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		exit(1);
	close(fd);
	/* The tree is the filter's as long as the program runs. */
	const struct conf_section *s = conf_tree_root(conf_tree_read(&source, &report))->sections;
	*f = (struct filter){.plugin = find(conf_section_get(s, "@type")->value)};
	f->id = mem_strdup("bench");
	f->conf = conf_make(f->plugin->schema, s, &rules, &report);
	f->self = f->plugin->filter->create(f, NULL);
	if (!f->self || report.errors) {
		fprintf(stderr, "%s\n%s\n", section, report.v[0].text);
		exit(1);
	}
	unlink(path);
	mem_free(text);
}

static void put_entries(struct buf *b)
{
	for (int i = 0; i < ROUND; i++) {
		const uint8_t *p = (const uint8_t *)record;
		buf_put_byte(b, 0x92);
		mp_put_event_time(b, (struct event_time){1795400000, (uint32_t)i});
		if (json_get(&p, p + sizeof record - 1, 100, b, NULL) != JSON_OK)
			exit(1);
	}
}

static double measure(struct filter *f, const struct batch *b, double seconds)
{
	struct buf out;
	int64_t start = clock_mono_ns(), now = start, best = INT64_MAX;
	buf_init(&out, 1 << 30);
	/* The best of many short rounds: other programs disturb the rest. */
	while ((double)(now - start) < seconds * 1e9) {
		int64_t before = now;
		buf_clear(&out);
		f->plugin->filter->apply(f, NULL, b, &out);
		now = clock_mono_ns();
		best = now - before < best ? now - before : best;
	}
	buf_free(&out);
	return (double)best / ROUND;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.3;
	struct buf entries;
	buf_init(&entries, 1 << 24);
	conf_report_init(&report);
	put_entries(&entries);
	const struct batch b = {.tag = SPAN_LIT("app.web.log"), .entries = buf_span(&entries), .count = ROUND};
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		struct filter f;
		make(&f, sections[i]);
		printf("%6.0f ns  ", measure(&f, &b, seconds));
		for (const char *c = sections[i] + strlen("@type "); *c; c++)
			putchar(*c == '\n' ? ' ' : *c);
		putchar('\n');
		f.plugin->filter->destroy(f.self);
	}
	buf_free(&entries);
	return 0;
}
