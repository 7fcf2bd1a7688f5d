/*
 * parsers_fuzz.c: any text through each type of parser; the first byte says which. A record is a whole msgpack map, and nothing takes long.
 */
#include "base/mem.h"
#include "conf/conf_tree.h"
#include "parse/parser.h"
#include "record/msgpack_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Sections; their number in this list is the first byte of the input, modulo their number. */
static const char *const sections[] = {
	"@type json\ntypes a:string,b:integer,c:float,d:bool,e:time,f:array,g:time:%Y-%m-%d\nnull_empty_string true",
	"@type regexp\nexpression /^(?<a>\\S+) (?<b>[^ ]*) (?<time>.*)$/\ntypes a:integer,b:float",
	"@type ltsv\ntypes a:array:;,b:time:unixtime\nnull_value_pattern /^-$/",
	"@type csv\nkeys a,b,time\ntime_key time\ntime_type float",
	"@type csv\nkeys a,b,c\nparser_engine fast",
	"@type tsv\nkeys a,b,c\ntypes c:array",
	"@type none",
	"@type nginx",
	"@type apache",
	"@type apache2\nkeep_time_key true",
	"@type apache_error",
	"@type syslog\nwith_priority true\nmessage_format auto\nkeep_time_key true",
	"@type syslog\nparser_engine string\nwith_priority true\nmessage_format auto",
	"@type syslog\ntime_format %b %d %H:%M:%S.%N\nparser_engine string\nsupport_colonless_ident false",
	"@type multiline\nformat_firstline /^\\d/\nformat1 /(?<a>\\d+)[^\\n]*\\n/\nformat2 "
	"/(?<b>.*?)x/\nunmatched_lines yes",
	"@type cri",
	"@type cri\n<parse>\n@type json\n</parse>",
	"@type msgpack\ntypes a:string,b:integer,c:float,d:bool,e:time,f:array\ntime_key t\ntime_type mixed\n"
	"time_format_fallbacks unixtime,%iso8601",
	"@type multi_format\nformat_key k\n<pattern>\nformat json\n</pattern>\n<pattern>\nformat syslog\n</pattern>\n"
	"<pattern>\nformat none\n</pattern>",
	"@type kv\nkv_delimiter /[ ,]+/",
	"@type regexp\nexpression /\\A(?<time>.*)\\z/m\nkeep_time_key true",
};

#define COUNT (sizeof sections / sizeof *sections)

static struct parser *parsers[COUNT];
static struct parser_room room;

static struct parser *make(const char *section)
{
	static const struct conf_rules rules;
	char path[] = "/tmp/weir-fuzz-XXXXXX";
	struct conf_source source = {.path = path};
	struct conf_report report;
	char *text = mem_printf("<parse>\n%s\n</parse>\n", section);
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
	conf_report_init(&report);
	/* The tree lives as long as the parser: to the end. */
	static struct conf_tree *trees[COUNT];
	static size_t n;
	trees[n] = conf_tree_read(&source, &report);
	struct parser *p = parser_make(conf_tree_root(trees[n++])->sections, NULL, &rules, &report);
	if (!p)
		abort();
	unlink(path);
	conf_report_free(&report);
	mem_free(text);
	return p;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < COUNT; i++)
		parsers[i] = make(sections[i]);
	parser_room_init(&room, 1 << 20);
	return 0;
}

static void take(void *arg, const struct parsed *p)
{
	(void)arg;
	if (p->result != PARSE_OK) {
		if (!p->why)
			abort();
		return;
	}
	const uint8_t *q = p->record.p, *end = q + p->record.n;
	struct mp_token t;
	if (mp_length(q, end) != p->record.n || mp_read(&q, end, &t) != MP_OK || t.type != MP_MAP ||
		p->time.nsec > 999999999)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	/* At its true size, so that a sanitizer sees what is read behind it. */
	size_t n = size - 1;
	uint8_t *text = mem_alloc(size);
	memcpy(text + 1, data + 1, n);
	const struct parser *p = parsers[data[0] % COUNT];
	parser_parse(p, span_of(text + 1, n), (struct event_time){1795400000, 5}, &room, take, NULL);
	parser_is_firstline(p, span_of(text + 1, n), &room);
	mem_free(text);
	return 0;
}
