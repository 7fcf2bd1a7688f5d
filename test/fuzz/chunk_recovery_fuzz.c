/*
 * Any bytes as the files of a buffer's folder: it opens (or refuses), looks through them, delivers what there is,
 * takes new frames, and in the end is empty. A second life finds nothing left to tell of. The tools look at the folder before, and
 * mend it in every other case; its books balance whatever stood in them.
 *
 * The input is a row of files, each: kind (1 byte), repairs (1 byte), length (2 bytes), bytes. Since almost no
 * mutation of a checksummed file gets past its checksum, `repairs` says which of them are put right again: so
 * lengths, types and numbers are reached too.
 */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vfs_mem.h"
#include "buffer/buffer.h"
#include "buffer/buffer_folder.h"
#include "buffer/chunk_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	REPAIR_HEAD = 1,
	REPAIR_FRAMES = 2,  /* those whose flags byte has not its highest bit set */
	REPAIR_LENGTHS = 4, /* clip them to what is there */
	REPAIR_PLACES = 8,
	PAD_TO_BLOCK = 16,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair_head(uint8_t *p, size_t n)
{
	if (n < CHUNK_BLOCK)
		return;
	memcpy(p, "\x89WCHK\r\n\x1a", 8);
	size_t name = le16_get(p + 14) % 300, stage = le32_get(p + 16) % 2000;
	le16_put(p + 12, (uint16_t)(1 + (p[13] == 0xff)));
	le16_put(p + 14, (uint16_t)name);
	le32_put(p + 16, (uint32_t)stage);
	le32_put(p + 20, chunk_format_head_length(span_of(p, name), span_of(p, stage)));
	le32_put(p + 8, crc32c(0, p + 12, CHUNK_HEAD_FIXED - 12 + name + stage));
}

static void repair_frame(uint8_t *p, size_t n, size_t at, const struct chunk_salt *salt, unsigned repairs)
{
	uint8_t *q = p + at;
	size_t left = n - at - FRAME_HEAD_LEN;
	if (q[43] & 0x80)
		return;
	q[43] &= 1;
	q[42] = (uint8_t)(q[42] % 6);
	if (repairs & REPAIR_LENGTHS) {
		if (q[42] == CHUNK_SEAL)
			le32_put(q + 4, CHUNK_SEAL_PAYLOAD);
		if (le32_get(q + 4) > left)
			le32_put(q + 4, (uint32_t)(le32_get(q + 4) % (left + 1)));
		if (le64_get(q + 16) > at)
			le64_put(q + 16, le64_get(q + 16) % (at + 1));
	}
	if (repairs & REPAIR_PLACES)
		le64_put(q + 56, at ^ salt->place);
	if (le32_get(q + 4) <= left)
		le32_put(q + 8, crc32c(0, q + FRAME_HEAD_LEN, le32_get(q + 4)) ^ salt->payload_crc);
	le32_put(q, crc32c(salt->head_crc, q + 4, FRAME_HEAD_LEN - 4));
}

static void repair_frames(uint8_t *p, size_t n, unsigned repairs)
{
	struct chunk_head head;
	struct frame_head h;
	if (chunk_format_get_head(p, n, &head) != CHUNK_HEAD_GOOD)
		return;
	struct chunk_salt salt = chunk_format_salt(head.id);
	for (size_t at = head.length; at + FRAME_HEAD_LEN <= n;) {
		repair_frame(p, n, at, &salt, repairs);
		at = chunk_format_get_frame(p + at, &h, &salt, at) ? (size_t)chunk_format_next(at, &h) : at + 8;
	}
}

/* ledger.h: slots of 128 bytes. One whose version is 0xff stays as it is. */
static void repair_books(uint8_t *p, size_t n)
{
	for (; n >= 128; p += 128, n -= 128) {
		if (p[6] == 0xff)
			continue;
		le16_put(p + 4, p[4] % 5);
		le16_put(p + 6, 1);
		le32_put(p, crc32c(0, p + 4, 124));
	}
}

static void put_file(const struct vfs *v, unsigned kind, unsigned number, const uint8_t *p, size_t n)
{
	static const char *const suffixes[] = {
		"chunk", "chunk", "chunk", "chunk", "progress", "new", "progress.new", "txt"};
	char path[100];
	if (kind & 0x80)
		snprintf(path, sizeof path, "/b/LEDGER");
	else
		snprintf(path, sizeof path, "/b/%016x-%08x.%s", (kind >> 3) & 7, kind & 0x40 ? 0 : number,
			suffixes[kind & 7]);
	int fd = v->open(v->ctx, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	if (fd < 0)
		return;
	(void)v->pwritev(v->ctx, fd, &iov, 1, 0);
	v->close(v->ctx, fd);
}

static void put_files(const struct vfs *v, const uint8_t *data, size_t size)
{
	for (unsigned number = 0; size >= 4 && number < 16; number++) {
		unsigned kind = data[0], repairs = data[1];
		size_t n = le16_get(data + 2);
		data += 4;
		size -= 4;
		if (n > size)
			n = size;
		size_t len = repairs & PAD_TO_BLOCK ? (size_t)chunk_format_block_up(n) : n;
		uint8_t *p = mem_zalloc(len);
		if (n)
			memcpy(p, data, n);
		if (repairs & REPAIR_HEAD)
			repair_head(p, len);
		if (kind & 0x80)
			repair_books(p, len);
		else if (repairs & REPAIR_FRAMES)
			repair_frames(p, len, repairs);
		put_file(v, kind, number, p, len);
		mem_free(p);
		data += n;
		size -= n;
	}
}

static void on_durable(void *arg, struct frame *list)
{
	(void)arg;
	for (struct frame *f = list; f; f = f->next)
		if (f->error)
			abort();
	frame_free_list(list);
}

static void on_space(void *arg)
{
	(void)arg;
}

static void check_view(const struct frame_view *v)
{
	static volatile uint8_t sink;
	if (v->type != FRAME_DATA && v->type != FRAME_DEAD)
		abort();
	for (size_t i = 0; i < v->tag.n; i++)
		sink = v->tag.p[i];
	for (size_t i = 0; i < v->info.n; i++)
		sink = v->info.p[i];
	for (size_t i = 0; i < v->entries.n; i++)
		sink = v->entries.p[i];
	sink = v->key[FRAME_KEY_LEN - 1];
	(void)sink;
}

/* Reads a chunk; twice, with a seek to where its progress points in between. */
static void read_chunk(struct buffer *b, struct chunk *c)
{
	struct err err;
	struct frame_view v;
	struct chunk_progress p;
	uint64_t first = 0, second = 0;
	struct chunk_reader *r = chunk_reader_open(b, c, &err);
	if (!r)
		abort();
	for (; chunk_reader_next(r, &v, &err) == CHUNK_FRAME; first++)
		check_view(&v);
	chunk_progress_load(b, c, &p);
	chunk_reader_seek(r, p.next_offset);
	while (chunk_reader_next(r, &v, &err) == CHUNK_FRAME)
		check_view(&v);
	chunk_reader_seek(r, 0);
	for (; chunk_reader_next(r, &v, &err) == CHUNK_FRAME; second++)
		check_view(&v);
	if (first != second)
		abort();
	if (!chunk_progress_save(b, c, &p, true, &err))
		abort();
	mem_free(p.pending);
	chunk_reader_close(r);
}

static void wait_recovered(struct buffer *b)
{
	struct buffer_stats s;
	struct timespec ts = {.tv_nsec = 10000};
	for (buffer_stats(b, &s); s.recovering; buffer_stats(b, &s))
		nanosleep(&ts, NULL);
}

static void check_books(struct buffer *b)
{
	struct buffer_stats s;
	buffer_stats(b, &s);
	const struct buffer_ledger *l = &s.ledger;
	if (l->stored !=
		l->delivered + l->already_there + l->dead + l->dropped + l->lost + s.stage_records + s.queue_records)
		abort();
}

static void look(const struct vfs *v, bool mend)
{
	struct folder_check found;
	struct err err;
	struct buffer_folder *f = buffer_folder_open("/b", v, &err);
	if (!f)
		abort();
	for (size_t i = 0; i < buffer_folder_count(f); i++)
		if (buffer_folder_file(f, i)->chunk && !buffer_folder_check(f, i, &found, &err))
			abort();
	buffer_folder_close(f);
	if (mend)
		(void)buffer_folder_repair("/b", v, &found, &err); /* not if a newer weir was there */
}

static void live(const struct vfs *v, bool commit, bool *opened)
{
	struct buffer_hooks hooks = {.on_durable = on_durable, .on_space = on_space};
	struct buffer_options o = {
		.name = "fuzz",
		.path = "/b",
		.chunk_limit_size = 8192,
		.total_limit_size = 1 << 20,
		.pending_limit = 1 << 20,
		.flush_mode = BUFFER_FLUSH_LAZY,
	};
	struct err err;
	struct chunk *c;
	struct buffer *b = buffer_open(&o, &hooks, v, &err);
	*opened = b != NULL;
	if (!b)
		return;
	wait_recovered(b);
	check_books(b);
	struct frame *f = frame_new(FRAME_DATA, SPAN_LIT("t"), SPAN_LIT(""), 10);
	if (f)
		buffer_append(b, f, SPAN_LIT(""), 0);
	buffer_end_input(b);
	while ((c = buffer_take(b, 0))) {
		read_chunk(b, c);
		if (commit && !buffer_commit(b, c, &err))
			abort();
		if (!commit)
			buffer_retry(b, c, INT64_MAX);
	}
	if (commit && !buffer_is_empty(b))
		abort();
	check_books(b);
	buffer_close(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool opened;
	log_threshold = LOG_FATAL + 1;
	const struct vfs *v = vfs_mem_new();
	if (v->mkdir(v->ctx, "/b", 0700))
		abort();
	put_files(v, data, size);
	look(v, size % 2);
	live(v, false, &opened);
	if (opened) {
		live(v, true, &opened);
		if (!opened)
			abort();
	}
	vfs_mem_free(v);
	return 0;
}
