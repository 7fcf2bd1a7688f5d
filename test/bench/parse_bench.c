/* parse_bench.c: nanoseconds for a record of each type of parser: `build/release/test/bench/parse_bench [seconds for each]`. */
#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf_tree.h"
#include "parse/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUND 1000

#define ACCESS                                                                                           \
	"10.1.2.3 - frank [28/Feb/2013:12:00:00 +0900] \"GET /images/a.png?size=12 HTTP/1.1\" 200 7770 " \
	"\"http://example.com/\" "                                                                       \
	"\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\""

static const struct {
	const char *name, *section, *text;
} cases[] = {
	{"none", "@type none", "a line of a log as it is"},
	{"json, 10 fields, time as a number", "@type json",
		"{\"time\":1500000000.123,\"level\":\"info\",\"message\":\"user logged "
		"in\",\"user\":{\"id\":12345,\"name\":\"frank\"},"
		"\"path\":\"/"
		"login\",\"status\":200,\"took\":0.0123,\"ok\":true,\"ip\":\"10.1.2.3\",\"trace\":"
		"\"4bf92f3577b34da6\"}"},
	{"json, 9 fields, no time", "@type json",
		"{\"level\":\"info\",\"message\":\"user logged in\",\"user\":{\"id\":12345,\"name\":\"frank\"},"
		"\"path\":\"/"
		"login\",\"status\":200,\"took\":0.0123,\"ok\":true,\"ip\":\"10.1.2.3\",\"trace\":"
		"\"4bf92f3577b34da6\"}"},
	{"nginx", "@type nginx", ACCESS},
	{"nginx by the expression", "@type nginx",
		"10.1.2.3 - frank [28/Feb/2013:12:00:00 +0900] \"GET /images/a.png?size=12 HTTP/1.1 \" 200 7770 "
		"\"http://e.com/\" "
		"\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\""},
	{"nginx with types", "@type nginx\ntypes code:integer,size:integer", ACCESS},
	{"apache", "@type apache", ACCESS},
	{"apache2", "@type apache2", ACCESS},
	{"apache_error", "@type apache_error",
		"[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by server configuration"},
	{"syslog rfc3164", "@type syslog\nwith_priority true",
		"<6>Feb 28 12:00:00 192.168.0.1 fluentd[11111]: [error] Syslog test message"},
	{"syslog rfc5424", "@type syslog\nmessage_format rfc5424\nwith_priority true",
		"<16>1 2017-02-06T13:14:15.003Z 192.168.0.1 fluentd 11111 ID24224 [a@2 b=\"3\"] Hi, from Fluentd!"},
	{"cri", "@type cri", "2020-10-10T00:10:00.333333333Z stdout F a line of a log in a container"},
	{"cri with json", "@type cri\n<parse>\n@type json\n</parse>",
		"2020-10-10T00:10:00.333333333Z stdout F {\"level\":\"info\",\"message\":\"user logged "
		"in\",\"status\":200}"},
	{"ltsv, 6 fields and time", "@type ltsv\ntime_format %d/%b/%Y:%H:%M:%S %z",
		"time:28/Feb/2013:12:00:00 +0900\thost:192.168.0.1\treq:GET /list "
		"HTTP/1.1\tstatus:200\tsize:12\tua:curl\tk:v"},
	{"csv, 6 fields", "@type csv\nkeys a,b,c,d,e,f", "2013-02-28,192.168.0.1,\"GET /a,b\",200,12,\"x \"\"y\"\"\""},
	{"tsv, 6 fields", "@type tsv\nkeys a,b,c,d,e,f", "2013-02-28\t192.168.0.1\tGET /a,b\t200\t12\tx"},
	{"kv, 6 pairs", "@type kv", "level=info msg=login user=frank status=200 took=12ms trace=4bf92f3577b34da6"},
	{"regexp, 4 groups, time_format",
		"@type regexp\nexpression /^(?<time>\\S+ \\S+) \\[(?<thread>[^\\]]*)\\] (?<level>\\w+) "
		"(?<message>.*)$/\n"
		"time_format %Y-%m-%d %H:%M:%S",
		"2026-08-07 12:34:56 [main] INFO some message of an application that logs"},
	{"regexp, 4 groups, time found out",
		"@type regexp\nexpression /^(?<time>\\S+ \\S+) \\[(?<thread>[^\\]]*)\\] (?<level>\\w+) "
		"(?<message>.*)$/",
		"2026-08-07 12:34:56 [main] INFO some message of an application that logs"},
	{"multiline, 3 lines",
		"@type multiline\nformat_firstline /^\\d/\nformat1 /^(?<time>\\S+ \\S+) (?<level>\\w+) "
		"(?<message>.*)/\n"
		"time_format %Y-%m-%d %H:%M:%S",
		"2026-08-07 12:34:56 ERROR java.lang.Exception: x\n\tat com.example.A.b(A.java:12)\n\tat "
		"com.example.C.d(C.java:3)"},
	{"multi_format, the second of two",
		"@type multi_format\n<pattern>\nformat json\n</pattern>\n<pattern>\nformat nginx\n</pattern>", ACCESS},
	{"msgpack, 3 fields", "@type msgpack", "\x83\xa5level\xa4info\xa6status\xcc\xc8\xa7message\xa5hello"},
};

static void take(void *arg, const struct parsed *p)
{
	*(uint64_t *)arg += p->result == PARSE_OK;
}

static struct parser *make(const char *section)
{
	static const struct conf_rules rules;
	char path[] = "/tmp/weir-bench-XXXXXX";
	struct conf_source source = {.path = path};
	struct conf_report report;
	char *text = mem_printf("<parse>\n%s\n</parse>\n", section);
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		exit(1);
	close(fd);
	conf_report_init(&report);
	/* The tree is the parser's as long as the program runs. */
	struct parser *p = parser_make(
		conf_tree_root(conf_tree_read(&source, &report))->sections, NULL, &rules, &report);
	unlink(path);
	mem_free(text);
	return p;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.3;
	struct parser_room room;
	parser_room_init(&room, 1 << 20);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct parser *p = make(cases[i].section);
		uint64_t rounds = 0, good = 0;
		int64_t start = clock_mono_ns(), now = start, best = INT64_MAX;
		if (!p)
			return 1;
		/* The best of many short rounds: other programs disturb the rest. */
		while ((double)(now - start) < seconds * 1e9) {
			int64_t before = now;
			for (int k = 0; k < ROUND; k++, rounds++)
				parser_parse(p, span_str(cases[i].text), (struct event_time){1795400000, 5}, &room,
					take, &good);
			now = clock_mono_ns();
			best = now - before < best ? now - before : best;
		}
		printf("%-36s %6.0f ns  %4zu bytes%s\n", cases[i].name, (double)best / ROUND, strlen(cases[i].text),
			good == rounds ? "" : "  (did not match)");
		parser_free(p);
	}
	parser_room_free(&room);
	return 0;
}
