/* parse_util.h: parsers from configuration text, and what they give as JSON text. For the tests of lib/parse. */
#ifndef WEIR_TEST_PARSE_PARSE_UTIL_H
#define WEIR_TEST_PARSE_PARSE_UTIL_H

#include "base/mem.h"
#include "conf/conf_tree.h"
#include "parse/parser.h"
#include "record/json_put.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PARSE_NOW ((struct event_time){1795400000, 5}) /* 2026-11-23 02:13:20 UTC */

struct made_parser {
	struct conf_tree *tree;
	struct conf_report report;
	struct parser *parser; /* NULL: see the report */
};

/* `section` is a whole section as a file has it. */
static inline void make_parser(struct made_parser *m, const char *section, const char *default_type)
{
	static const struct conf_rules rules;
	char path[] = "/tmp/weir-parse-XXXXXX";
	struct conf_source source = {.path = path};
	int fd = mkstemp(path);
	size_t n = strlen(section);
	if (fd < 0 || write(fd, section, n) != (ssize_t)n)
		abort();
	close(fd);
	conf_report_init(&m->report);
	m->tree = conf_tree_read(&source, &m->report);
	unlink(path);
	const struct conf_section *s = conf_tree_root(m->tree)->sections;
	m->parser = s && !m->report.errors ? parser_make(s, default_type, &rules, &m->report) : NULL;
}

static inline void free_parser(struct made_parser *m)
{
	parser_free(m->parser);
	conf_tree_free(m->tree);
	conf_report_free(&m->report);
}

static inline void put_parsed(void *arg, const struct parsed *p)
{
	static const char *const names[] = {"OK", "NOMATCH", "UTF8", "ERR"};
	struct buf *out = arg;
	if (out->n)
		buf_put_byte(out, ',');
	if (p->result != PARSE_OK) {
		buf_printf(out, "[\"%s\"]", names[p->result]);
		return;
	}
	if (p->has_time)
		buf_printf(out, "[\"%lld.%09u\",", (long long)p->time.sec, p->time.nsec);
	else
		buf_put_str(out, "[null,");
	const uint8_t *q = p->record.p;
	if (!json_put(out, &q, q + p->record.n, 250) || q != p->record.p + p->record.n)
		buf_put_str(out, "\"no msgpack\"");
	buf_put_byte(out, ']');
}

/* All that a text gives: [time,record],... The caller frees it with mem_free. */
static inline char *parse_all(const struct parser *p, struct span text)
{
	struct parser_room room;
	struct buf out;
	parser_room_init(&room, 64u << 20);
	buf_init(&out, 64u << 20);
	parser_parse(p, text, PARSE_NOW, &room, put_parsed, &out);
	parser_room_free(&room);
	return buf_take(&out);
}

#endif
