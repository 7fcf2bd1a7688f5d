#include "buffer/ledger.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "buffer/backup.h"
#include "buffer/crash_point.h"
#include "buffer/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
	SLOT = 128,
	VERSION = 1,
	NAME_AT = 56,
	STEP = 512 * SLOT,
	SLOTS_MAX = 8192, /* then a new file is made */
	FILE_MODE = 0600,
};

enum slot_type { SLOT_NONE, SLOT_BASE, SLOT_COMMIT, SLOT_END };

struct slot {
	enum slot_type type;
	struct buffer_ledger sum;
	char name[CHUNK_FILE_NAME_LEN + 1];
};

static void put_slot(uint8_t p[SLOT], const struct slot *s)
{
	const struct buffer_ledger *l = &s->sum;
	const uint64_t numbers[] = {l->stored, l->delivered, l->already_there, l->dead, l->dropped, l->lost};
	memset(p, 0, SLOT);
	le16_put(p + 4, (uint16_t)s->type);
	le16_put(p + 6, VERSION);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		le64_put(p + 8 + 8 * i, numbers[i]);
	memcpy(p + NAME_AT, s->name, CHUNK_FILE_NAME_LEN);
	le32_put(p, crc32c(0, p + 4, SLOT - 4));
}

static void get_slot(const uint8_t p[SLOT], struct slot *s)
{
	*s = (struct slot){.type = SLOT_NONE};
	if (le32_get(p) != crc32c(0, p + 4, SLOT - 4) || le16_get(p + 6) != VERSION || le16_get(p + 4) > SLOT_END)
		return;
	s->type = (enum slot_type)le16_get(p + 4);
	s->sum = (struct buffer_ledger){
		.stored = le64_get(p + 8),
		.delivered = le64_get(p + 16),
		.already_there = le64_get(p + 24),
		.dead = le64_get(p + 32),
		.dropped = le64_get(p + 40),
		.lost = le64_get(p + 48),
	};
	memcpy(s->name, p + NAME_AT, CHUNK_FILE_NAME_LEN);
}

static void add(struct buffer_ledger *to, const struct buffer_ledger *more)
{
	to->stored += more->stored;
	to->delivered += more->delivered;
	to->already_there += more->already_there;
	to->dead += more->dead;
	to->dropped += more->dropped;
	to->lost += more->lost;
}

static uint64_t gone(const struct buffer_ledger *l)
{
	return l->delivered + l->already_there + l->dead + l->dropped + l->lost;
}

static void tell(struct buffer *b, const char *what, int code)
{
	uint64_t held;
	if (log_allowed(&b->ledger.log, 60 * NS_PER_S, &held))
		log_warn(b->name, what, LOG_S("path", b->path), LOG_S("error", strerror(code)),
			LOG_U("held_back", held));
}

/* ---- start-up -------------------------------------------------------------------------------------------------------- */

struct reading {
	struct buffer_ledger sum, end;
	bool has_base, has_end;
	const struct chunk **chunk; /* all of the folder, sorted by name */
	size_t chunks;
};

static int compare_chunks(const void *name, const void *chunk)
{
	return memcmp(name, (*(const struct chunk *const *)chunk)->name, CHUNK_FILE_NAME_LEN);
}

static void read_slot(struct reading *r, const uint8_t *p, bool first)
{
	struct slot s;
	get_slot(p, &s);
	if (first && s.type == SLOT_BASE) {
		r->has_base = true;
		r->sum = s.sum;
	} else if (r->has_base && s.type == SLOT_COMMIT) {
		bool is_back = r->chunks &&
			       bsearch(s.name, r->chunk, r->chunks, sizeof(struct chunk *), compare_chunks) != NULL;
		if (!is_back)
			add(&r->sum, &s.sum);
	}
	r->has_end = !first && s.type == SLOT_END;
	r->end = s.sum;
}

/* 0 or an errno value. */
static int read_slots(struct buffer *b, int fd, uint64_t size, struct reading *r)
{
	uint8_t *p = mem_alloc(STEP);
	int code = 0;
	for (uint64_t at = 0; at + SLOT <= size && !code;) {
		size_t n = size - at < STEP ? (size_t)(size - at) / SLOT * SLOT : STEP;
		code = file_io_read(b->vfs, fd, p, n, at, false, NULL);
		for (size_t i = 0; i < n && !code; i += SLOT)
			read_slot(r, p + i, at + i == 0);
		at += n;
	}
	mem_free(p);
	return code;
}

static void list_chunks(const struct buffer *b, struct reading *r)
{
	size_t n = 0;
	for (const struct chunk *c = b->queue.oldest; c; c = c->next)
		n++;
	r->chunk = mem_array(n, sizeof(struct chunk *));
	for (const struct chunk *c = b->queue.oldest; c; c = c->next)
		r->chunk[r->chunks++] = c;
}

/* What the last life has left. */
static int read_file(struct buffer *b, struct reading *r)
{
	uint64_t size;
	char *path = buffer_path(b, "LEDGER", "");
	int fd = file_io_open(b->vfs, path, O_RDONLY, 0, &size);
	int code = fd < 0 ? errno : 0;
	mem_free(path);
	if (code)
		return code == ENOENT ? 0 : code;
	list_chunks(b, r);
	code = read_slots(b, fd, size, r);
	mem_free(r->chunk);
	(void)b->vfs->close(b->vfs->ctx, fd);
	if (code || r->has_base || !size)
		return code;
	log_warn(b->name,
		"the buffer's books cannot be read: they begin anew, events are not touched; the file is kept in "
		"backup/",
		LOG_S("path", b->path));
	return backup_move(b, "LEDGER", "");
}

static uint64_t pending(const struct buffer *b)
{
	uint64_t records = 0;
	for (int i = 0; i < CHUNK_STATES; i++)
		records += b->queue.sum[i].records;
	return records;
}

/* A new file: the base, and those commits whose chunks are still there. 0 or an errno value. */
static int write_new(struct buffer *b, const char *path, const uint8_t *p, size_t n, int *fd)
{
	uint64_t size;
	*fd = file_io_open(
		b->vfs, path, O_RDWR | O_CREAT | O_TRUNC, b->o.file_mode ? b->o.file_mode : FILE_MODE, &size);
	if (*fd < 0)
		return errno;
	struct iovec v = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	int code = file_io_write(b->vfs, *fd, &v, 1, 0);
	return code ? code : file_io_sync(b->vfs, *fd);
}

static int make_file(struct buffer *b, const uint8_t *p, size_t n)
{
	const struct vfs *v = b->vfs;
	struct ledger *l = &b->ledger;
	char *tmp = buffer_path(b, "LEDGER", ".new"), *path = buffer_path(b, "LEDGER", "");
	int fd, code = write_new(b, tmp, p, n, &fd);
	if (!code) {
		crash_point(CRASH_LEDGER_SYNCED);
		code = v->rename(v->ctx, tmp, path) ? errno : 0;
	}
	if (code) {
		if (fd >= 0)
			(void)v->close(v->ctx, fd);
		(void)v->unlink(v->ctx, tmp);
	} else {
		if (l->fd >= 0)
			(void)v->close(v->ctx, l->fd);
		l->fd = fd;
		l->slots = n / SLOT;
		crash_point(CRASH_LEDGER_RENAMED);
	}
	mem_free(tmp);
	mem_free(path);
	return code;
}

/* Closed in order, and everything is counted: whatever has changed has been changed by somebody else. */
static void compare(struct buffer *b, const struct reading *r)
{
	struct buffer_ledger *t = &b->ledger.total;
	if (!r->has_end || b->queue.sum[CHUNK_LOST_TAIL].chunks || r->end.stored <= t->stored)
		return;
	uint64_t missing = r->end.stored - t->stored;
	t->lost += missing;
	t->stored += missing;
	log_error(b->name,
		"events that were in the buffer when it was closed are not there any more: chunk files were removed or "
		"damaged meanwhile",
		LOG_S("path", b->path), LOG_U("records", missing));
}

/* The books of the last life, and what has changed since. */
static int carry_on(struct buffer *b)
{
	struct reading *r = mem_zalloc(sizeof *r);
	int code = read_file(b, r);
	if (!code) {
		b->ledger.total = r->sum;
		b->ledger.total.stored = gone(&r->sum) + pending(b);
		compare(b, r);
	}
	mem_free(r);
	return code;
}

void ledger_open(struct buffer *b)
{
	uint8_t base[SLOT];
	int code = carry_on(b);
	if (code) {
		tell(b, "the buffer's books cannot be read: they are not kept until the next start", code);
		return;
	}
	put_slot(base, &(struct slot){.type = SLOT_BASE, .sum = b->ledger.total, .name = "base"});
	code = make_file(b, base, SLOT);
	if (code)
		tell(b, "the buffer's books cannot be written: after a restart numbers will be missing in them", code);
}

/* ---- commits --------------------------------------------------------------------------------------------------------- */

/* Closes the account of a chunk. */
static void settle(struct chunk *c, enum ledger_rest rest)
{
	struct buffer_ledger *o = &c->outcome;
	uint64_t told = gone(o), left = c->records > told ? c->records - told : 0;
	if (rest == LEDGER_DROPPED)
		o->dropped += left;
	else if (rest == LEDGER_DELIVERED && !c->has_outcome)
		o->delivered += left;
	else
		o->lost += left;
	/* More than was known to be in it: a chunk whose end could not be read at start-up. */
	o->stored = gone(o) > c->records ? gone(o) - c->records : 0;
}

void ledger_commit(struct buffer *b, struct chunk *c, enum ledger_rest rest)
{
	struct ledger *l = &b->ledger;
	struct slot s = {.type = SLOT_COMMIT};
	uint8_t p[SLOT];
	pthread_mutex_lock(&b->lock);
	while (l->renewing)
		pthread_cond_wait(&l->renewed, &b->lock);
	settle(c, rest);
	c->in_ledger = true;
	s.sum = c->outcome;
	uint64_t at = l->slots++ * SLOT;
	int fd = l->fd;
	l->writing++;
	pthread_mutex_unlock(&b->lock);
	memcpy(s.name, c->name, CHUNK_FILE_NAME_LEN);
	put_slot(p, &s);
	struct iovec v = {.iov_base = p, .iov_len = SLOT};
	int code = fd >= 0 ? file_io_write(b->vfs, fd, &v, 1, at) : 0;
	if (code)
		tell(b, "the buffer's books cannot be written: after a restart numbers will be missing in them", code);
	else
		crash_point(CRASH_LEDGER_WRITTEN);
	pthread_mutex_lock(&b->lock);
	if (!--l->writing)
		pthread_cond_broadcast(&l->renewed);
	pthread_mutex_unlock(&b->lock);
}

void ledger_count(struct buffer *b, const struct chunk *c)
{
	add(&b->ledger.total, &c->outcome);
}

/* ---- tidying --------------------------------------------------------------------------------------------------------- */

/* The base, and the commits that are under way. For the caller to mem_free. Under the lock. */
static uint8_t *snapshot(const struct buffer *b, size_t *n)
{
	size_t slots = 1;
	for (const struct chunk *c = b->queue.oldest; c; c = c->next)
		slots += c->in_ledger;
	uint8_t *p = mem_array(slots, SLOT);
	put_slot(p, &(struct slot){.type = SLOT_BASE, .sum = b->ledger.total, .name = "base"});
	*n = SLOT;
	for (const struct chunk *c = b->queue.oldest; c; c = c->next) {
		struct slot s = {.type = SLOT_COMMIT, .sum = c->outcome};
		if (!c->in_ledger)
			continue;
		memcpy(s.name, c->name, CHUNK_FILE_NAME_LEN);
		put_slot(p + *n, &s);
		*n += SLOT;
	}
	return p;
}

static void renew(struct buffer *b)
{
	struct ledger *l = &b->ledger;
	size_t n;
	pthread_mutex_lock(&b->lock);
	l->renewing = true;
	while (l->writing)
		pthread_cond_wait(&l->renewed, &b->lock);
	uint8_t *p = snapshot(b, &n);
	pthread_mutex_unlock(&b->lock);
	/* What the base counts must be gone for good before the base is there. */
	int code = b->vfs->sync_dir(b->vfs->ctx, b->path) ? errno : make_file(b, p, n);
	if (code)
		tell(b, "the buffer's books cannot be begun anew: their file grows until they can", code);
	mem_free(p);
	pthread_mutex_lock(&b->lock);
	l->renewing = false;
	pthread_cond_broadcast(&l->renewed);
	pthread_mutex_unlock(&b->lock);
}

void ledger_tidy(struct buffer *b)
{
	struct ledger *l = &b->ledger;
	if (l->fd < 0)
		return;
	int code = file_io_sync(b->vfs, l->fd);
	if (code)
		tell(b, "the buffer's books cannot be synced: after a power cut numbers may be missing in them", code);
	pthread_mutex_lock(&b->lock);
	bool is_long = l->slots > SLOTS_MAX;
	pthread_mutex_unlock(&b->lock);
	if (is_long)
		renew(b);
}

void ledger_close(struct buffer *b, bool in_order)
{
	struct ledger *l = &b->ledger;
	uint8_t p[SLOT];
	if (l->fd < 0)
		return;
	if (in_order) {
		struct iovec v = {.iov_base = p, .iov_len = SLOT};
		put_slot(p, &(struct slot){.type = SLOT_END, .sum = l->total, .name = "end"});
		if (file_io_write(b->vfs, l->fd, &v, 1, l->slots * SLOT) == 0)
			(void)file_io_sync(b->vfs, l->fd); /* the next start then knows less, no more */
	}
	(void)b->vfs->close(b->vfs->ctx, l->fd);
	l->fd = -1;
}
