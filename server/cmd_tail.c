/* cmd_tail.c: weir tail: events as they pass through a weir that runs. */
#include "admin_client.h"
#include "base/mem.h"
#include "status_text.h"
#include "tools.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_BYTES (64u << 20)

static const char usage[] =
	"usage: weir tail [PATTERN] [--output ID] [--count N] [--json] [--admin HOST:PORT]\n"
	"Prints events whose tag matches PATTERN (as in <match>; default: all) as they come from their sources, or as\n"
	"the output ID gets them. What would slow weir down is left out, and counted on standard error.\n";

struct tail {
	struct buf line;
	bool json;
	long left; /* events to print; < 0 = no end */
};

/* {"tag":"app","time":"2026-08-01T12:00:00.000000000Z","record":{...}}: a quote within a string is escaped, so this is found where it is meant. */
static const char before_record[] = ",\"record\":";

static void print_event(struct tail *t, struct span line)
{
	struct buf out;
	buf_init(&out, LINE_MAX_BYTES);
	const uint8_t *record = memmem(line.p, line.n, before_record, sizeof before_record - 1);
	char *head = record ? mem_printf("%.*s}", (int)(record - line.p), (const char *)line.p) : NULL;
	json_t *j = head && !t->json ? json_loads(head, 0, NULL) : NULL;
	if (j) {
		const char *time = json_string_value(json_object_get(j, "time"));
		const char *tag = json_string_value(json_object_get(j, "tag"));
		record += sizeof before_record - 1;
		terminal_put(&out, span_str(time ? time : "now"));
		buf_put_byte(&out, ' ');
		terminal_put(&out, span_str(tag ? tag : ""));
		buf_put_str(&out, ": ");
		terminal_put(&out, span_of(record, (size_t)(line.p + line.n - record) - 1));
	} else {
		terminal_put(&out, line);
	}
	buf_put_byte(&out, '\n');
	fwrite(out.p, 1, out.n, stdout);
	json_decref(j);
	mem_free(head);
	buf_free(&out);
}

static void take_line(struct tail *t, struct span line)
{
	static const char dropped[] = "{\"dropped\":";
	if (!line.n)
		return;
	if (line.n > sizeof dropped && memcmp(line.p, dropped, sizeof dropped - 1) == 0) {
		fflush(stdout);
		fprintf(stderr, "weir: %lld events were not shown\n",
			strtoll((const char *)line.p + sizeof dropped - 1, NULL, 10));
		return;
	}
	if (t->left != 0)
		print_event(t, line);
	if (t->left > 0)
		t->left--;
}

static bool on_bytes(void *arg, struct span piece)
{
	struct tail *t = arg;
	if (!buf_put_span(&t->line, piece))
		return false;
	const uint8_t *p = t->line.p, *end = p + t->line.n, *newline;
	while ((newline = memchr(p, '\n', (size_t)(end - p)))) {
		take_line(t, span_of(p, (size_t)(newline - p)));
		p = newline + 1;
	}
	size_t left = (size_t)(end - p);
	memmove(t->line.p, p, left);
	t->line.n = left;
	return fflush(stdout) == 0 && t->left != 0;
}

static int follow(const char *address, const char *pattern, const char *output, struct tail *t)
{
	struct buf path;
	struct err err;
	buf_init(&path, 1 << 16);
	buf_put_str(&path, "/api/tail?tag=");
	admin_client_put_query(&path, pattern);
	if (output) {
		buf_put_str(&path, "&output=");
		admin_client_put_query(&path, output);
	}
	struct admin_client *c = admin_client_new(address, &err);
	bool ok = c && admin_client_stream(c, buf_cstr(&path), on_bytes, t, &err);
	if (!ok)
		fprintf(stderr, "weir: %s\n", err.text);
	admin_client_free(c);
	buf_free(&path);
	return ok ? 0 : 1;
}

int cmd_tail(int argc, char **argv)
{
	static const struct option options[] = {{"admin", required_argument, NULL, 'a'},
		{"output", required_argument, NULL, 'o'}, {"count", required_argument, NULL, 'n'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *address = NULL, *output = NULL;
	struct tail t = {.left = -1};
	for (int opt; (opt = getopt_long(argc, argv, "a:o:n:jh", options, NULL)) != -1;) {
		if (opt == 'a')
			address = optarg;
		else if (opt == 'o')
			output = optarg;
		else if (opt == 'n')
			t.left = strtol(optarg, NULL, 10);
		else if (opt == 'j')
			t.json = true;
		else
			return fputs(usage, opt == 'h' ? stdout : stderr), opt == 'h' ? 0 : 1;
	}
	if (t.left == 0 || argc - optind > 1)
		return fputs(usage, stderr), 1;
	buf_init(&t.line, LINE_MAX_BYTES);
	int status = follow(address, optind < argc ? argv[optind] : "", output, &t);
	buf_free(&t.line);
	return status;
}
