/*
 * The tail input's reading: bytes of a file are cut into texts, piece by piece as they come or at once, and a pos_file is whatever somebody has left there. The first byte says
 * which parser cuts.
 */
#include "base/log.h"
#include "text_encoding.h"
#include "tail_pos.h"
#include "tail_split.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_MAX 64u

static struct parser *make(const char *firstline, const char *format1)
{
	struct conf_rules rules = {0};
	struct conf_report report;
	struct conf_pair first = {.name = "format_firstline", .value = firstline, .value_len = 5},
			 format = {.name = "format1", .value = format1, .next = firstline ? &first : NULL},
			 type = {.name = "@type", .value = "multiline", .next = &format, .value_len = 9};
	struct conf_section parse = {.name = "parse", .arg = "", .pairs = &type};
	format.value_len = strlen(format1);
	conf_report_init(&report);
	struct parser *p = parser_make(&parse, NULL, &rules, &report);
	conf_report_free(&report);
	return p;
}

/* All whole texts, from windows that grow: their lengths must be those that one look at all of it finds. */
static void cut(const struct tail_split *s, const uint8_t *p, size_t n)
{
	size_t at = 0, window = 1;
	while (at < n) {
		size_t seen = n - at < window ? n - at : window;
		size_t piece = tail_split_next(s, p + at, seen, false);
		assert(piece <= seen);
		/* What is whole stays so when more has come. */
		if (piece)
			assert(piece == tail_split_next(s, p + at, n - at, false));
		struct span text = tail_chomp(span_of(p + at, piece));
		assert(text.n <= piece);
		at += piece;
		if (!piece && seen == n - at)
			break;
		window = piece ? 1 : 2 * window;
	}
	assert(at == n || tail_split_next(s, p + at, n - at, true) > 0);
}

static char path[] = "/tmp/tail_fuzz.XXXXXX";

static void remove_file(void)
{
	unlink(path);
}

static void load(const uint8_t *p, size_t n)
{
	static int fd = -1;
	struct err err;
	if (fd < 0) {
		fd = mkstemp(path);
		atexit(remove_file);
	}
	FILE *f = fopen(path, "w");
	assert(f && fwrite(p, 1, n, f) == n && fclose(f) == 0);
	for (size_t count = SIZE_MAX;;) {
		struct tail_entry *const *v;
		struct tail_pos *pos = tail_pos_open(path, "t", &err);
		assert(pos);
		size_t entries = tail_pos_entries(pos, &v);
		/* What weir has written it reads again as it is. */
		assert(count == SIZE_MAX || count == entries);
		tail_pos_close(pos);
		if (count != SIZE_MAX)
			break;
		count = entries;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct parser *parsers[2];
	static struct parser_room room;
	static struct text_encoding *encoding;
	struct err err;
	if (!parsers[0]) {
		log_threshold = LOG_FATAL;
		parsers[0] = make("/^\\d/", "/^(?<a>\\d+)(?<b>.*)$/");
		parsers[1] = make(NULL, "/^a(?<a>.*)b$/");
		parser_room_init(&room, 1u << 20);
		encoding = text_encoding_new("EUC-JP", &err);
	}
	if (!n)
		return 0;
	struct tail_split s = {.room = &room, .text_max = TEXT_MAX};
	switch (p[0] % 4) {
	case 0:
	case 1:
		s.parser = parsers[p[0] % 4];
		cut(&s, p + 1, n - 1);
		break;
	case 2:
		load(p + 1, n - 1);
		break;
	default: {
		struct buf out;
		buf_init(&out, 1u << 20);
		text_encoding_convert(encoding, span_of(p + 1, n - 1), &out);
		buf_free(&out);
	}
	}
	return 0;
}
