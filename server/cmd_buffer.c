/* cmd_buffer.c: weir buffer ls|show|verify|repair DIR. All but repair only look, also at a buffer that is in use. */
#include "base/clock.h"
#include "base/mem.h"
#include "buffer/buffer_folder.h"
#include "chunk_rest.h"
#include "frame_text.h"
#include "tool_args.h"
#include "tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_GOOD = 0, STATUS_FAILED = 1, STATUS_DAMAGED = 2 };

static const char usage[] =
	"usage: weir buffer ls DIR                      the chunks, the oldest first\n"
	"       weir buffer show DIR [CHUNK] [--limit N]  events that are not delivered yet, as lines of JSON\n"
	"       weir buffer verify DIR                  read and check everything; exit status 2 if something is "
	"damaged\n"
	"       weir buffer repair DIR                  put damaged pieces and torn ends into backup/; not while in "
	"use\n"
	"DIR is the folder of the chunk files: <buffer> path, or ID/buffer below <system> root_dir.\n";

static int failed(const struct err *err)
{
	fprintf(stderr, "weir: %s\n", err->text);
	return STATUS_FAILED;
}

static const char *name_of(enum folder_file_is is)
{
	static const char *const names[] = {
		[FOLDER_SEALED] = "finished",
		[FOLDER_UNFINISHED] = "unfinished",
		[FOLDER_NO_HEAD] = "no head",
		[FOLDER_UNREADABLE] = "unreadable",
		[FOLDER_NEWER] = "newer weir",
		[FOLDER_STRANGER] = "not a file",
	};
	return names[is];
}

static void print_rest(const struct buffer_folder *f)
{
	const struct folder_rest *r = buffer_folder_rest(f);
	if (r->holder[0])
		printf("in use by %s\n", r->holder);
	if (r->leftovers)
		printf("%" PRIu64 " begun files in which nothing was acknowledged: the next start removes them\n",
			r->leftovers);
	if (r->fluentd)
		printf("%" PRIu64 " files of fluentd's buffer, which weir does not read\n", r->fluentd);
	if (r->strangers) {
		struct buf name;
		buf_init(&name, 4096);
		frame_text_plain(&name, span_str(r->stranger), sizeof r->stranger);
		printf("%" PRIu64 " files that are not weir's, the first: %s\n", r->strangers, buf_cstr(&name));
		buf_free(&name);
	}
}

static int list(struct buffer_folder *f)
{
	uint64_t records = 0, bytes = 0;
	size_t n = buffer_folder_count(f);
	if (n)
		printf("%-25s  %-10s  %12s  %10s  %-20s  %7s  %5s  %s\n", "CHUNK", "STATE", "BYTES", "EVENTS",
			"CREATED", "RETRIES", "HOLES", "OUTPUT");
	for (size_t i = 0; i < n; i++) {
		const struct folder_file *file = buffer_folder_file(f, i);
		struct chunk_info info = {.records = 0};
		char created[FRAME_TEXT_TIME] = "-", events[24] = "?";
		if (file->chunk) {
			chunk_info(file->chunk, &info);
			frame_text_time(created, info.created_ns);
		}
		if (file->is == FOLDER_SEALED)
			snprintf(events, sizeof events, "%" PRIu64, info.records);
		printf("%s  %-10s  %12" PRIu64 "  %10s  %-20s  %7" PRIu32 "  %5" PRIu32 "  %s\n", file->name,
			name_of(file->is), file->bytes, events, created, info.attempts, file->holes, file->owner);
		records += info.records;
		bytes += file->bytes;
	}
	printf("%zu chunks, %" PRIu64 " bytes, %" PRIu64 " events in finished ones\n", n, bytes, records);
	print_rest(f);
	return STATUS_GOOD;
}

/* What of a chunk is still to be delivered. False: err. */
static bool show_chunk(
	struct buffer_folder *f, const struct folder_file *file, long *left, struct buf *out, struct err *err)
{
	struct chunk_rest *r = chunk_rest_open(buffer_folder_buffer(f), file->chunk, err);
	struct frame_view v;
	uint32_t first;
	enum chunk_read read = CHUNK_END;
	while (r && *left && (read = chunk_rest_next(r, &v, &first, err)) == CHUNK_FRAME) {
		buf_clear(out);
		frame_text_put(out, file->name, &v);
		for (const char *p = buf_cstr(out), *end; *left && (end = strchr(p, '\n')); p = end + 1, --*left)
			fwrite(p, 1, (size_t)(end - p) + 1, stdout);
	}
	chunk_rest_close(r);
	return r && read != CHUNK_FAILED;
}

static int show(struct buffer_folder *f, const char *chunk, const char *limit)
{
	struct err err;
	struct buf out;
	long left = limit ? strtol(limit, NULL, 10) : -1;
	int status = STATUS_GOOD;
	bool found = !chunk;
	buf_init(&out, (size_t)1 << 30);
	for (size_t i = 0; i < buffer_folder_count(f); i++) {
		const struct folder_file *file = buffer_folder_file(f, i);
		if (!file->chunk || (chunk && strncmp(chunk, file->name, strlen(file->name)) != 0))
			continue;
		found = true;
		if (!show_chunk(f, file, &left, &out, &err))
			status = failed(&err);
	}
	buf_free(&out);
	if (!found) {
		fprintf(stderr, "weir: there is no chunk %s there; `weir buffer ls` lists them\n", chunk);
		return STATUS_FAILED;
	}
	return status;
}

static int check_file(struct buffer_folder *f, size_t i)
{
	const struct folder_file *file = buffer_folder_file(f, i);
	struct folder_check found;
	struct err err;
	if (!file->chunk) {
		printf("%s  %s%s%s\n", file->name, name_of(file->is), file->code ? ": " : "",
			file->code ? strerror(file->code) : "");
		return file->is == FOLDER_NO_HEAD || file->is == FOLDER_UNREADABLE ? STATUS_DAMAGED : STATUS_GOOD;
	}
	if (!buffer_folder_check(f, i, &found, &err)) {
		printf("%s  %s\n", file->name, err.text);
		return STATUS_DAMAGED;
	}
	printf("%s  %s, %" PRIu64 " events in %" PRIu64 " frames", file->name,
		found.damaged_frames ? "DAMAGED" : "good", found.records, found.frames);
	if (found.damaged_frames)
		printf(", %" PRIu64 " frames (%" PRIu64 " bytes) are damaged", found.damaged_frames,
			found.damaged_bytes);
	if (found.torn_bytes)
		printf(", a torn end of %" PRIu64 " bytes that never was acknowledged", found.torn_bytes);
	if (file->holes)
		printf(", %" PRIu32 " damaged or torn pieces are in backup/ already", file->holes);
	putchar('\n');
	return found.damaged_frames ? STATUS_DAMAGED : STATUS_GOOD;
}

static int verify(struct buffer_folder *f)
{
	int status = STATUS_GOOD;
	for (size_t i = 0; i < buffer_folder_count(f); i++) {
		int one = check_file(f, i);
		status = one > status ? one : status;
	}
	print_rest(f);
	puts(status ? "something is damaged; `weir buffer repair` puts it aside, all other events are delivered"
		    : "everything is good");
	return status;
}

static int repair(const char *path)
{
	struct folder_check found;
	struct err err;
	if (!buffer_folder_repair(path, &vfs_posix, &found, &err))
		return failed(&err);
	printf("%" PRIu64 " events are whole; put into backup/: %" PRIu64 " damaged frames (%" PRIu64
	       " bytes), %" PRIu64 " bytes of torn ends\n",
		found.records, found.damaged_frames, found.damaged_bytes, found.torn_bytes);
	return STATUS_GOOD;
}

int cmd_buffer(int argc, char **argv)
{
	const char *limit = NULL;
	bool help = false;
	const struct tool_option options[] = {
		{"--limit", &limit, NULL}, {"-n", &limit, NULL}, {"--help", NULL, &help}, {NULL, NULL, NULL}};
	struct err err;
	argc = tool_args_take(argc, argv, options, &err);
	if (argc < 0)
		return failed(&err);
	const char *verb = argc > 1 ? argv[1] : "", *path = argc > 2 ? argv[2] : NULL;
	if (help || !path || argc > (strcmp(verb, "show") == 0 ? 4 : 3)) {
		fputs(usage, help ? stdout : stderr);
		return help ? STATUS_GOOD : STATUS_FAILED;
	}
	if (strcmp(verb, "repair") == 0)
		return repair(path);
	struct buffer_folder *f = buffer_folder_open(path, &vfs_posix, &err);
	if (!f)
		return failed(&err);
	int status = STATUS_FAILED;
	if (strcmp(verb, "ls") == 0)
		status = list(f);
	else if (strcmp(verb, "show") == 0)
		status = show(f, argc > 3 ? argv[3] : NULL, limit);
	else if (strcmp(verb, "verify") == 0)
		status = verify(f);
	else
		fputs(usage, stderr);
	buffer_folder_close(f);
	return status;
}
