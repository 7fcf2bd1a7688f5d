/* format_util.h: sections and records from text. For the tests of lib/format. */
#ifndef WEIR_TEST_FORMAT_FORMAT_UTIL_H
#define WEIR_TEST_FORMAT_FORMAT_UTIL_H

#include "base/mem.h"
#include "conf/conf_tree.h"
#include "record/json_get.h"
#include "record/json_put.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct section_of_text {
	struct conf_tree *tree;
	struct conf_report report;
	const struct conf_section *section;
};

static inline void read_section(struct section_of_text *s, const char *text)
{
	char path[] = "/tmp/weir-format-XXXXXX";
	struct conf_source source = {.path = path};
	int fd = mkstemp(path);
	size_t n = strlen(text);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		abort();
	close(fd);
	conf_report_init(&s->report);
	s->tree = conf_tree_read(&source, &s->report);
	unlink(path);
	s->section = conf_tree_root(s->tree)->sections;
}

static inline void free_section(struct section_of_text *s)
{
	conf_tree_free(s->tree);
	conf_report_free(&s->report);
}

/* JSON text as msgpack, at the end of `out`. */
static inline struct span record_of(const char *json, struct buf *out)
{
	const uint8_t *p = (const uint8_t *)json;
	size_t at = out->n;
	if (json_get(&p, p + strlen(json), 100, out, NULL) != JSON_OK)
		abort();
	return span_of(out->p + at, out->n - at);
}

#endif
