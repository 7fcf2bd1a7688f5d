#include "tail.h"

#include "base/clock.h"
#include "die_at.h"
#include "record/msgpack_scan.h"
#include "tail_split.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#define WINDOW		((size_t)256 << 10)
#define PORTION_MAX	((uint64_t)1 << 30) /* an `end` beyond it in a pos_file was not written by us */
#define FILES_A_TURN	64u
#define BYTES_A_TURN	(8u << 20)
#define KEPT_MAX	(1u << 20) /* bytes that a buffer keeps for the next portion */
#define RETRY_NS	NS_PER_S
#define RETRY_DOUBLINGS 5u
#define LOG_EVERY_NS	(10 * NS_PER_S)

/* ---- the queue ---------------------------------------------------------------------------------------------------------- */

static void schedule(struct tail *t)
{
	struct timeval now = {0};
	if (!t->stopping && !feed_is_blocked(&t->feed))
		event_add(t->run, &now);
}

void tail_ready(struct tail_file *f)
{
	struct tail *t = f->tail;
	if (f->ready || t->stopping)
		return;
	f->ready = true;
	f->ready_next = NULL;
	*t->ready_last = f;
	t->ready_last = &f->ready_next;
	schedule(t);
}

static struct tail_file *take_ready(struct tail *t)
{
	struct tail_file *f = t->ready_first;
	if (!f)
		return NULL;
	t->ready_first = f->ready_next;
	if (!t->ready_first)
		t->ready_last = &t->ready_first;
	f->ready = false;
	return f;
}

/* ---- planning: which bytes are the next portion ---------------------------------------------------------------------------- */

uint64_t tail_new_generation(void)
{
	uint64_t g = 0;
	while (!g)
		if (getrandom(&g, sizeof g, 0) != sizeof g) {
			/* Without random numbers no two ids can be promised to differ. */
			log_error(NULL, "the system gives no random numbers: leaving");
			_exit(EX_OSERR);
		}
	return g;
}

void tail_restart(struct tail_file *f)
{
	f->entry->at.pos = f->entry->at.end = 0;
	f->entry->at.generation = tail_new_generation();
	f->looked_at = f->skipped = 0;
	tail_pos_put(f->tail->pos, f->entry);
}

static void read_failed(struct tail_file *f, int error)
{
	uint64_t held;
	f->retry_ns = clock_mono_ns() + RETRY_NS;
	if (log_allowed(&f->tail->log_read, LOG_EVERY_NS, &held))
		log_error(f->tail->source->id, "a file cannot be read: it is tried again each second",
			LOG_S("path", f->path), LOG_S("error", strerror(error)), LOG_U("held_back", held));
}

/* Up to n bytes from there into t->bytes. False: told. */
static bool read_bytes(struct tail_file *f, uint64_t at, size_t n)
{
	struct buf *b = &f->tail->bytes;
	buf_clear(b);
	if (!buf_reserve(b, n)) {
		read_failed(f, ENOMEM);
		return false;
	}
	while (b->n < n) {
		ssize_t got = pread(f->fd, b->p + b->n, n - b->n, (off_t)(at + b->n));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			read_failed(f, errno);
			return false;
		}
		if (!got)
			break;
		b->n += (size_t)got;
	}
	return true;
}

static bool file_size(struct tail_file *f, uint64_t *size)
{
	struct stat st;
	if (fstat(f->fd, &st) < 0) {
		read_failed(f, errno);
		return false;
	}
	*size = (uint64_t)st.st_size;
	if (*size >= f->entry->at.pos && *size >= f->entry->at.end)
		return true;
	counter_add(f->tail->truncated, 1);
	log_info(f->tail->source->id, "the file was truncated: it is read from its head", LOG_S("path", f->path),
		LOG_U("position", f->entry->at.pos), LOG_U("size", *size));
	tail_restart(f);
	return true;
}

static bool is_throttled(struct tail_file *f)
{
	int64_t limit = f->tail->conf->read_bytes_limit, now = clock_mono_ns();
	if (limit <= 0)
		return false;
	if (now - f->second_ns >= NS_PER_S) {
		f->second_ns = now;
		f->second_bytes = 0;
	}
	return f->second_bytes >= (uint64_t)(limit < 65536 ? 65536 : limit);
}

static void oversized(struct tail_file *f, uint64_t size)
{
	struct tail *t = f->tail;
	uint64_t held;
	counter_add(t->oversized, 1);
	if (log_allowed(&t->log_oversized, LOG_EVERY_NS, &held))
		log_warn(t->source->id, "received line length is longer than max_line_size: it is skipped",
			LOG_S("path", f->path), LOG_U("limit", t->text_max), LOG_U("size", size),
			LOG_U("held_back", held));
}

static size_t window_of(const struct tail_file *f)
{
	return f->window ? f->window : WINDOW;
}

/* Looks for the end of a line that is too long; the position moves when it is found. */
static void skip_line(struct tail_file *f, bool at_end)
{
	struct buf *b = &f->tail->bytes;
	const uint8_t *feed = b->n ? memchr(b->p, '\n', b->n) : NULL;
	f->skipped += feed ? (size_t)(feed - b->p) + 1 : b->n;
	if (feed || (at_end && f->last)) {
		oversized(f, f->skipped);
		f->entry->at.pos += f->skipped;
		f->skipped = 0;
		tail_pos_put(f->tail->pos, f->entry);
	}
	f->looked_at = f->entry->at.pos + f->skipped;
	if (!at_end || feed)
		tail_ready(f);
}

static size_t up_to_last_line(const struct buf *b)
{
	const uint8_t *feed = b->n ? memrchr(b->p, '\n', b->n) : NULL;
	return feed ? (size_t)(feed - b->p) + 1 : 0;
}

/* Bytes of whole texts at the beginning of t->bytes. */
static size_t whole_texts(struct tail_file *f, bool at_end)
{
	struct tail *t = f->tail;
	uint64_t lines = (uint64_t)t->conf->read_lines_limit;
	struct tail_split split = {.parser = t->multiline ? t->parser : NULL,
		.room = &t->room,
		.now = entry_time(clock_wall_ns()),
		.text_max = t->text_max};
	size_t whole = tail_split_many(&split, t->bytes.p, t->bytes.n, f->last && at_end, lines);
	if (!whole && ((f->flush && at_end) || t->bytes.n > t->text_max))
		whole = up_to_last_line(&t->bytes);
	if (at_end)
		f->flush = false;
	return whole;
}

/* Nothing whole is there: waits for more, looks further, or begins to skip. */
static void look_further(struct tail_file *f, bool at_end)
{
	uint64_t looked_at = f->entry->at.pos + f->tail->bytes.n;
	if (looked_at != f->looked_at)
		f->came_ns = clock_mono_ns();
	f->looked_at = looked_at;
	if (f->tail->bytes.n > f->tail->text_max)
		f->skipped = f->tail->bytes.n;
	else
		f->window = 2 * window_of(f);
	if (!at_end)
		tail_ready(f);
}

/* Finds the next portion and writes it down. False: there is none yet. */
static bool plan(struct tail_file *f)
{
	struct tail_place *at = &f->entry->at;
	uint64_t size;
	if (f->in_flight || clock_mono_ns() < f->retry_ns || !file_size(f, &size))
		return false;
	if (at->end)
		return true;
	if (size == at->pos || is_throttled(f) || (size == f->looked_at && !f->flush && !f->last))
		return false;
	if (!read_bytes(f, at->pos + f->skipped, window_of(f)))
		return false;
	bool at_end = at->pos + f->skipped + f->tail->bytes.n >= size;
	if (f->skipped) {
		skip_line(f, at_end);
		return false;
	}
	size_t whole = whole_texts(f, at_end);
	if (!whole) {
		look_further(f, at_end);
		return false;
	}
	at->end = at->pos + whole;
	at->time_ns = clock_wall_ns();
	tail_pos_put(f->tail->pos, f->entry);
	return true;
}

/* ---- carrying out ------------------------------------------------------------------------------------------------------------ */

struct portion {
	struct tail_file *file;
	struct ingest *in;
	struct event_time now;
	struct span text;
	uint32_t count;
};

static void no_memory(struct portion *x)
{
	/* Nothing of the portion is given on: it comes again. */
	x->file->tail->entries.failed = true;
}

static void put_event(struct portion *x, struct event_time time, struct span record)
{
	struct tail *t = x->file->tail;
	const char *key = t->conf->path_key;
	struct span has = key ? mp_map_get(record, span_str(key)) : (struct span){0};
	bool add = key && (!has.n || has.p[0] == 0xc0 || has.p[0] == 0xc2);
	if (entry_put(&t->entries, time, record, add ? &t->added : NULL, (struct span){0}))
		x->count++;
	else
		no_memory(x);
}

static void put_unmatched(struct portion *x)
{
	struct buf record;
	buf_init(&record, x->text.n + 64);
	if (mp_put_map_head(&record, 1) && mp_put_str(&record, SPAN_LIT("unmatched_line")) &&
		mp_put_str(&record, x->text))
		put_event(x, x->now, buf_span(&record));
	else
		no_memory(x);
	buf_free(&record);
}

static void unmatched(struct portion *x, const char *why)
{
	struct tail *t = x->file->tail;
	uint64_t held;
	if (t->conf->emit_unmatched_lines) {
		put_unmatched(x);
	} else {
		counter_add(t->source->n.events, 1);
		counter_add(t->source->n.skipped, 1);
		ingest_dead(x->in, span_str(x->file->tag), x->text, 1, "pattern_not_matched", &x->file->txn);
	}
	if (log_allowed(&t->log_unmatched, LOG_EVERY_NS, &held))
		log_warn(t->source->id,
			t->conf->emit_unmatched_lines
				? "pattern not matched: the text goes on as unmatched_line; compare it with <parse>"
				: "pattern not matched: the text is kept as a dead letter; compare it with <parse>",
			LOG_S("path", x->file->path), LOG_B("text", x->text), LOG_S("error", why),
			LOG_U("held_back", held));
}

static void take_record(void *arg, const struct parsed *p)
{
	struct portion *x = arg;
	if (p->result == PARSE_OK)
		put_event(x, p->has_time ? p->time : x->now, p->record);
	else
		unmatched(x, p->why);
}

static struct span convert(struct portion *x, struct span text)
{
	struct tail *t = x->file->tail;
	if (!t->from)
		return text;
	buf_clear(&t->converted);
	if (!text_encoding_convert(t->from, text, &t->converted))
		no_memory(x);
	return buf_span(&t->converted);
}

static void take_texts(struct portion *x)
{
	struct tail *t = x->file->tail;
	struct tail_split split = {
		.parser = t->multiline ? t->parser : NULL, .room = &t->room, .now = x->now, .text_max = t->text_max};
	for (size_t at = 0, n; at < t->bytes.n; at += n) {
		n = tail_split_next(&split, t->bytes.p + at, t->bytes.n - at, true);
		x->text = convert(x, tail_chomp(span_of(t->bytes.p + at, n)));
		counter_add(t->source->n.messages, 1);
		counter_add(t->source->n.bytes, n);
		if (!t->multiline && n > t->text_max)
			oversized(x->file, n);
		else
			parser_parse_bytes(t->parser, x->text, x->now, &t->room, take_record, x);
	}
}

/* Made from what the file is and where the portion begins. */
static void make_key(const struct tail_place *at, uint8_t key[FRAME_KEY_LEN])
{
	uint64_t in[3] = {at->generation, at->inode, at->pos};
	XXH128_canonical_t out;
	XXH128_canonicalFromHash(&out, XXH3_128bits(in, sizeof in));
	memcpy(key, out.digest, FRAME_KEY_LEN);
}

static void on_stored(struct txn *txn)
{
	struct tail_file *f = (struct tail_file *)txn;
	struct tail *t = f->tail;
	int error = txn_error(txn);
	uint64_t held;
	f->in_flight = false;
	if (!error) {
		die_point(DIE_TAIL_STORED);
		f->failures = 0;
		f->entry->at.pos = f->entry->at.end;
		f->entry->at.end = 0;
		tail_pos_put(t->pos, f->entry);
		die_point(DIE_TAIL_TOLD);
		tail_tell(f);
	} else {
		f->retry_ns = clock_mono_ns() +
			      (RETRY_NS << (f->failures < RETRY_DOUBLINGS ? f->failures++ : RETRY_DOUBLINGS));
		if (error != ECANCELED && log_allowed(&t->log_stored, LOG_EVERY_NS, &held))
			log_warn(t->source->id,
				"lines of a file could not be stored: they are read again, in 1, 2, 4 ... 32 seconds",
				LOG_S("path", f->path), LOG_S("error", strerror(error)), LOG_U("held_back", held));
	}
	atomic_fetch_sub(&t->in_flight, 1);
	tail_ready(f);
}

static void give(struct portion *x)
{
	struct tail_file *f = x->file;
	struct tail *t = f->tail;
	struct batch b = {.tag = span_str(f->tag),
		.entries = buf_span(&t->entries),
		.count = x->count,
		.received_ns = f->entry->at.time_ns};
	if (t->entries.failed) {
		txn_fail(&f->txn, ENOMEM);
	} else if (x->count) {
		counter_add(t->source->n.events, x->count);
		make_key(&f->entry->at, b.key);
		if (!ingest_is_repeated(x->in, b.key, x->count, &f->txn))
			ingest_message(x->in, &b, &f->txn);
	}
}

static void carry_out(struct tail_file *f)
{
	struct tail *t = f->tail;
	struct tail_place *at = &f->entry->at;
	struct portion x = {.file = f, .now = entry_time(at->time_ns)};
	uint64_t n = at->end - at->pos;
	if (n > PORTION_MAX || !read_bytes(f, at->pos, (size_t)n) || t->bytes.n < n) {
		at->end = n > PORTION_MAX ? 0 : at->end;
		tail_ready(f);
		return;
	}
	f->window = 0;
	f->second_bytes += n;
	f->in_flight = true;
	atomic_fetch_add(&t->in_flight, 1);
	txn_begin(&f->txn, t->worker, on_stored);
	buf_clear(&t->entries);
	added_clear(&t->added);
	added_put(&t->added, t->conf->path_key, f->name);
	x.in = feed_open(&t->feed);
	take_texts(&x);
	give(&x);
	bool room = feed_close(&t->feed);
	txn_release(&f->txn);
	if (!room)
		log_debug(t->source->id, "a buffer is full: no file is read until there is room");
}

void tail_run(struct tail *t)
{
	struct tail_file *planned[FILES_A_TURN], *f;
	unsigned n = 0;
	uint64_t bytes = 0;
	for (unsigned i = 0; i < FILES_A_TURN && bytes < BYTES_A_TURN && (f = take_ready(t)) != NULL; i++) {
		if (!plan(f))
			continue;
		bytes += f->entry->at.end - f->entry->at.pos;
		planned[n++] = f;
	}
	/* What was planned is on the disk before anything of it can be in a buffer. */
	if (n) {
		tail_pos_sync(t->pos);
		die_point(DIE_TAIL_PLANNED);
	}
	for (unsigned i = 0; i < n; i++) {
		if (feed_is_blocked(&t->feed))
			tail_ready(planned[i]);
		else
			carry_out(planned[i]);
	}
	if (t->bytes.cap > KEPT_MAX)
		buf_free(&t->bytes);
	if (t->converted.cap > KEPT_MAX)
		buf_free(&t->converted);
	if (t->entries.cap > KEPT_MAX)
		buf_free(&t->entries);
	if (t->ready_first)
		schedule(t);
}
