#include "record/zone.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "record/zone_rule.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX    (1u << 20) /* the largest of the database has 4 kB */
#define NAME_LIMIT  255
#define HEADER_SIZE 44

struct type {
	int32_t offset;
	const char *name; /* in zone.names */
};

struct zone {
	char *key; /* what it was asked for */
	struct zone *next;
	int64_t *at;	  /* times of changes, rising */
	uint8_t *type_of; /* what is in force from each on */
	size_t changes;
	struct type *types; /* the first one is in force before the first change */
	size_t type_count;
	char *names;
	struct zone_rule rule; /* after the last one */
	bool has_rule;
};

/* ---- RFC 8536 ---- */

struct header {
	uint8_t version;
	uint32_t isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt;
};

static bool read_header(struct span *in, struct header *h)
{
	if (in->n < HEADER_SIZE || memcmp(in->p, "TZif", 4) != 0)
		return false;
	const uint8_t *p = in->p;
	*h = (struct header){p[4], be32_get(p + 20), be32_get(p + 24), be32_get(p + 28), be32_get(p + 32),
		be32_get(p + 36), be32_get(p + 40)};
	*in = span_of(p + HEADER_SIZE, in->n - HEADER_SIZE);
	return true;
}

static uint64_t data_size(const struct header *h, unsigned time_size)
{
	return (uint64_t)h->timecnt * time_size + h->timecnt + (uint64_t)h->typecnt * 6 + h->charcnt +
	       (uint64_t)h->leapcnt * (time_size + 4) + h->isstdcnt + h->isutcnt;
}

static bool read_types(struct zone *z, const uint8_t *p, const struct header *h)
{
	const uint8_t *names = p + (size_t)h->typecnt * 6;
	z->names = mem_alloc((size_t)h->charcnt + 1);
	memcpy(z->names, names, h->charcnt);
	z->names[h->charcnt] = 0;
	z->types = mem_array(h->typecnt, sizeof *z->types);
	z->type_count = h->typecnt;
	for (size_t i = 0; i < h->typecnt; i++, p += 6) {
		int32_t offset = (int32_t)be32_get(p);
		if (p[5] >= h->charcnt || offset <= -86400 * 7 || offset >= 86400 * 7)
			return false;
		z->types[i] = (struct type){offset, z->names + p[5]};
	}
	return true;
}

static bool read_body(struct zone *z, struct span in, const struct header *h, unsigned time_size)
{
	if (h->typecnt == 0 || h->typecnt > 256 || h->charcnt == 0 || data_size(h, time_size) > in.n)
		return false;
	z->changes = h->timecnt;
	z->at = mem_array(h->timecnt + 1u, sizeof *z->at);
	z->type_of = mem_alloc(h->timecnt + 1u);
	const uint8_t *p = in.p;
	for (size_t i = 0; i < h->timecnt; i++, p += time_size) {
		z->at[i] = time_size == 8 ? (int64_t)be64_get(p) : (int32_t)be32_get(p);
		if (i && z->at[i] <= z->at[i - 1])
			return false;
	}
	for (size_t i = 0; i < h->timecnt; i++, p++) {
		z->type_of[i] = *p;
		if (*p >= h->typecnt)
			return false;
	}
	return read_types(z, p, h);
}

/* The rule between line feeds behind the data of version 2; an empty one says nothing. */
static bool read_footer(struct zone *z, struct span in)
{
	const uint8_t *end = in.n >= 2 && in.p[0] == '\n' ? memchr(in.p + 1, '\n', in.n - 1) : NULL;
	if (!end)
		return false;
	struct span rule = span_of(in.p + 1, (size_t)(end - in.p - 1));
	z->has_rule = rule.n > 0;
	return !z->has_rule || zone_rule_parse(&z->rule, rule);
}

static bool read_tzif(struct zone *z, struct span in)
{
	struct header h;
	if (!read_header(&in, &h))
		return false;
	if (h.version == 0)
		return read_body(z, in, &h, 4);
	uint64_t skip = data_size(&h, 4);
	if (skip > in.n)
		return false;
	in = span_of(in.p + skip, in.n - (size_t)skip);
	if (!read_header(&in, &h) || !read_body(z, in, &h, 8))
		return false;
	size_t body = (size_t)data_size(&h, 8);
	return read_footer(z, span_of(in.p + body, in.n - body));
}

struct zone *zone_from_tzif(struct span file)
{
	struct zone *z = mem_zalloc(sizeof *z);
	if (read_tzif(z, file))
		return z;
	zone_free(z);
	return NULL;
}

struct zone *zone_from_rule(struct span rule)
{
	struct zone *z = mem_zalloc(sizeof *z);
	z->has_rule = zone_rule_parse(&z->rule, rule);
	if (z->has_rule)
		return z;
	zone_free(z);
	return NULL;
}

static struct zone *from_offset(int32_t offset, const char *name)
{
	struct zone *z = mem_zalloc(sizeof *z);
	z->types = mem_alloc(sizeof *z->types);
	*z->types = (struct type){offset, name};
	z->type_count = 1;
	return z;
}

void zone_free(struct zone *z)
{
	if (!z)
		return;
	mem_free(z->key);
	mem_free(z->at);
	mem_free(z->type_of);
	mem_free(z->types);
	mem_free(z->names);
	mem_free(z);
}

/* ---- finding ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct zone *known;

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* [+-]HH, [+-]HHMM, [+-]HH:MM, as Time.zone_offset takes them. */
static bool read_offset(const char *s, int32_t *offset)
{
	size_t n = strlen(s);
	if ((s[0] != '+' && s[0] != '-') || (n != 3 && n != 5 && n != 6) || (n == 6 && s[3] != ':'))
		return false;
	const char *minutes = n == 3 ? "00" : s + n - 2;
	if (!is_digit(s[1]) || !is_digit(s[2]) || !is_digit(minutes[0]) || !is_digit(minutes[1]))
		return false;
	int32_t v = ((s[1] - '0') * 10 + s[2] - '0') * 3600 + ((minutes[0] - '0') * 10 + minutes[1] - '0') * 60;
	*offset = s[0] == '-' ? -v : v;
	return v < 86400;
}

/* Parts of letters, digits, +, - and _ between slashes: no way out of the folder. */
static bool is_safe(const char *name)
{
	bool start = true;
	if (strlen(name) > NAME_LIMIT)
		return false;
	for (const char *p = name; *p; p++) {
		bool word = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || is_digit(*p) || *p == '+' ||
			    *p == '-' || *p == '_';
		if (*p == '/' ? start : !word)
			return false;
		start = *p == '/';
	}
	return !start;
}

static bool read_file(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = 1;
	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	while (n > 0 && buf_reserve(out, 4096)) {
		n = read(fd, out->p + out->n, 4096);
		if (n > 0)
			out->n += (size_t)n;
	}
	int error = errno;
	close(fd);
	if (n < 0)
		return err_sys(err, error, "%s", path);
	return n == 0 || err_set(err, "%s is too large", path);
}

static struct zone *from_file(const char *path, struct err *err)
{
	struct buf file;
	struct zone *z = NULL;
	buf_init(&file, FILE_MAX);
	if (read_file(path, &file, err)) {
		z = zone_from_tzif(buf_span(&file));
		if (!z)
			err_set(err, "%s is no time zone file (RFC 8536)", path);
	}
	buf_free(&file);
	return z;
}

static struct zone *from_name(const char *name, struct err *err)
{
	const char *dir = getenv("TZDIR");
	char *path = mem_printf("%s/%s", dir && *dir ? dir : "/usr/share/zoneinfo", name);
	struct zone *z = from_file(path, err);
	mem_free(path);
	return z;
}

/* With the lock held. */
static struct zone *find_known(const char *key)
{
	struct zone *z = known;
	while (z && strcmp(z->key, key) != 0)
		z = z->next;
	return z;
}

static struct zone *keep(struct zone *z, const char *key)
{
	z->key = mem_strdup(key);
	z->next = known;
	known = z;
	return z;
}

const struct zone *zone_find(const char *name, struct err *err)
{
	int32_t offset;
	struct zone *z;
	if (name[0] != '+' && name[0] != '-' && (!strchr(name, '/') || !is_safe(name))) {
		err_set(err, "Unsupported timezone '%.100s': it is +HH:MM or a name like Asia/Tokyo", name);
		return NULL;
	}
	pthread_mutex_lock(&lock);
	z = find_known(name);
	if (!z && read_offset(name, &offset))
		z = keep(from_offset(offset, NULL), name);
	else if (!z && (name[0] == '+' || name[0] == '-'))
		err_set(err, "Unsupported timezone '%.100s': an offset is +HH:MM", name);
	else if (!z) {
		z = from_name(name, err);
		if (z)
			keep(z, name);
		else
			err_wrap(err, "Unsupported timezone '%.100s'", name);
	}
	pthread_mutex_unlock(&lock);
	return z;
}

/* TZ as POSIX has it: ":name", a name, or a rule; an empty or unusable one is UTC. */
static struct zone *from_tz(const char *tz)
{
	struct err err;
	struct zone *z = NULL;
	if (*tz == ':')
		tz++;
	if (*tz == '/')
		z = from_file(tz, &err);
	else if (is_safe(tz))
		z = from_name(tz, &err);
	return z ? z : zone_from_rule(span_str(tz));
}

const struct zone *zone_local(void)
{
	struct err err;
	pthread_mutex_lock(&lock);
	struct zone *z = find_known("local");
	if (!z) {
		const char *tz = getenv("TZ");
		z = tz ? from_tz(tz) : from_file("/etc/localtime", &err);
		z = keep(z ? z : from_offset(0, "UTC"), "local");
	}
	pthread_mutex_unlock(&lock);
	return z;
}

const struct zone *zone_utc(void)
{
	static struct type type = {0, "UTC"};
	static const struct zone utc = {.types = &type, .type_count = 1};
	return &utc;
}

/* ---- asking ---- */

int32_t zone_offset(const struct zone *z, int64_t sec, const char **name)
{
	const struct type *t;
	size_t low = 0, high = z->changes; /* the first change after sec */
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (z->at[mid] <= sec)
			low = mid + 1;
		else
			high = mid;
	}
	if (z->has_rule && low == z->changes)
		return zone_rule_offset(&z->rule, sec, name);
	t = &z->types[low ? z->type_of[low - 1] : 0];
	if (name)
		*name = t->name;
	return t->offset;
}

int64_t zone_to_utc(const struct zone *z, int64_t local)
{
	/* The offsets in force around it: before any change that is near, and after it. */
	int32_t before = zone_offset(z, local - 86400, NULL), after = zone_offset(z, local + 86400, NULL);
	/* `after` first: of a time that comes twice the second one, whose clock is the standard one in autumn. */
	if (before != after && zone_offset(z, local - after, NULL) == after)
		return local - after;
	return local - before;
}
