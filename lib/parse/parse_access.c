#include "parse/parse_access.h"

#include "parse/ruby_number.h"

/* A line as it is read, and its parts. */
struct line {
	const uint8_t *p, *end;
	struct span first, second, third; /* before the time */
	struct span time, method, path;
	bool has_path;
	struct span code, size, referer, agent;
	bool has_agent; /* and a referer */
};

static const uint8_t *find(const uint8_t *p, const uint8_t *end, int c)
{
	return p < end ? memchr(p, c, (size_t)(end - p)) : NULL;
}

/* What stands before the next `c`, and p behind that; false if there is none. */
static bool take_until(struct line *l, int c, struct span *part)
{
	const uint8_t *at = find(l->p, l->end, c);
	if (!at)
		return false;
	*part = span_of(l->p, (size_t)(at - l->p));
	l->p = at + 1;
	return true;
}

static bool take(struct line *l, const char *text, size_t n)
{
	if ((size_t)(l->end - l->p) < n || memcmp(l->p, text, n) != 0)
		return false;
	l->p += n;
	return true;
}

#define TAKE(l, text) take(l, text, sizeof(text) - 1)

/* first second third [time] "; these parts can be read in one way only. */
static bool take_begin(struct line *l)
{
	return take_until(l, ' ', &l->first) && take_until(l, ' ', &l->second) && take_until(l, ' ', &l->third) &&
	       TAKE(l, "[") && take_until(l, ']', &l->time) && TAKE(l, " \"");
}

static bool has_odd_blank(const uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++)
		if (*p >= '\t' && *p <= '\r')
			return true;
	return false;
}

/*
 * METHOD path PROTOCOL" and a blank. The path ends before the last run of blanks; one without a protocol ends at the quote.
 */
static enum access_result take_request(struct line *l, bool protocol_needed)
{
	const uint8_t *quote = find(l->p, l->end, '"'), *space = find(l->p, l->end, ' ');
	if (!quote || quote + 1 == l->end || quote[1] != ' ' || quote == l->p || has_odd_blank(l->p, quote))
		return ACCESS_UNSURE;
	if (space > quote)
		return ACCESS_UNSURE; /* the method may go on behind the quote */
	if (space == l->p)
		return ACCESS_NO;
	l->method = span_of(l->p, (size_t)(space - l->p));
	const uint8_t *path = space, *last = quote;
	while (*path == ' ')
		path++;
	if (path == quote || quote[-1] == ' ')
		return ACCESS_UNSURE;
	while (last > path && last[-1] != ' ')
		last--;
	/* `last` begins the last word; without blanks before it, it is the path itself. */
	const uint8_t *path_end = last == path ? quote : last;
	while (path_end[-1] == ' ')
		path_end--;
	if (protocol_needed && (last == path || find(path, path_end, ' ')))
		return ACCESS_UNSURE;
	l->path = span_of(path, (size_t)(path_end - path));
	l->has_path = true;
	l->p = quote + 2;
	return ACCESS_YES;
}

/* code size, and maybe "referer" "agent"; false: another form. */
static bool take_end(struct line *l)
{
	if (!take_until(l, ' ', &l->code))
		return false;
	const uint8_t *space = find(l->p, l->end, ' ');
	const uint8_t *end = space ? space : l->end;
	l->size = span_of(l->p, (size_t)(end - l->p));
	l->p = end;
	if (!space)
		return true;
	l->has_agent = TAKE(l, " \"") && take_until(l, '"', &l->referer) && TAKE(l, " \"") &&
		       take_until(l, '"', &l->agent);
	return l->has_agent;
}

static enum access_result read_line(struct line *l, struct span text, bool protocol_needed)
{
	*l = (struct line){.p = text.p, .end = text.p + text.n};
	if (find(l->p, l->end, '\n'))
		return ACCESS_UNSURE; /* the expression finds its line among them */
	if (!take_begin(l))
		return ACCESS_NO;
	enum access_result request = take_request(l, protocol_needed);
	if (request != ACCESS_YES)
		return request;
	return take_end(l) ? ACCESS_YES : ACCESS_UNSURE;
}

static void put_common(struct parser_room *room, const struct line *l)
{
	fields_add(room, SPAN_LIT("time"), l->time);
	fields_add(room, SPAN_LIT("method"), l->method);
	if (l->has_path)
		fields_add(room, SPAN_LIT("path"), l->path);
	fields_add(room, SPAN_LIT("code"), l->code);
	fields_add(room, SPAN_LIT("size"), l->size);
	if (l->has_agent) {
		fields_add(room, SPAN_LIT("referer"), l->referer);
		fields_add(room, SPAN_LIT("agent"), l->agent);
	}
}

/* Blanks and an address list, maybe in quotes, up to the end. */
static enum access_result take_forwarded(struct line *l, struct span *forwarded)
{
	const uint8_t *p = l->p;
	while (p < l->end && (*p == ' ' || (*p >= '\t' && *p <= '\r')))
		p++;
	if (p == l->p)
		return ACCESS_UNSURE;
	bool quoted = p < l->end && *p == '"';
	p += quoted;
	const uint8_t *quote = find(p, l->end, '"'), *end = quote ? quote : l->end;
	if (quote && quote + 1 != l->end)
		return ACCESS_UNSURE;
	*forwarded = span_of(p, (size_t)(end - p));
	return ACCESS_YES;
}

enum access_result access_nginx(struct parser_room *room, struct span text)
{
	struct line l;
	struct span forwarded = {0};
	enum access_result result = read_line(&l, text, false);
	if (result == ACCESS_YES && l.has_agent && l.p < l.end)
		result = take_forwarded(&l, &forwarded);
	if (result != ACCESS_YES)
		return result;
	fields_start(room);
	fields_add(room, SPAN_LIT("remote"), l.first);
	fields_add(room, SPAN_LIT("host"), l.second);
	fields_add(room, SPAN_LIT("user"), l.third);
	put_common(room, &l);
	if (forwarded.p)
		fields_add(room, SPAN_LIT("http_x_forwarded_for"), forwarded);
	return ACCESS_YES;
}

enum access_result access_apache(struct parser_room *room, struct span text)
{
	struct line l;
	enum access_result result = read_line(&l, text, true);
	if (result != ACCESS_YES)
		return result;
	if (l.p < l.end)
		return ACCESS_UNSURE;
	fields_start(room);
	fields_add(room, SPAN_LIT("host"), l.first);
	fields_add(room, SPAN_LIT("user"), l.third);
	put_common(room, &l);
	return ACCESS_YES;
}

/* ---- apache2 ---- */

static const char *const apache2_names[APACHE2_GROUPS] = {
	"host", "user", "time", "method", "path", "code", "size", "referer", "agent"};

static void put_group(struct parser_room *room, int group, struct span value)
{
	fields_add(room, span_str(apache2_names[group]), value);
}

enum access_result access_apache2(struct parser_room *room, struct span text)
{
	struct line l;
	if (find(text.p, text.p + text.n, '\\'))
		return ACCESS_UNSURE; /* quotes may be escaped */
	enum access_result result = read_line(&l, text, false);
	if (result != ACCESS_YES)
		return result;
	if (l.p < l.end)
		return ACCESS_UNSURE;
	fields_start(room);
	put_group(room, APACHE2_HOST, l.first);
	put_group(room, APACHE2_USER, l.third);
	put_group(room, APACHE2_TIME, l.time);
	put_group(room, APACHE2_METHOD, l.method);
	put_group(room, APACHE2_PATH, l.path);
	put_group(room, APACHE2_CODE, l.code);
	put_group(room, APACHE2_SIZE, l.size);
	put_group(room, APACHE2_REFERER, l.referer);
	put_group(room, APACHE2_AGENT, l.agent);
	return ACCESS_YES;
}

void access_apache2_groups(struct parser_room *room, const struct capture *c, struct span text)
{
	fields_start(room);
	for (size_t i = 0; i < APACHE2_GROUPS && i < capture_count(c); i++)
		put_group(room, (int)i, capture_get(c, &room->captures, text, i));
}

static void null_if_dash(struct field *f)
{
	if (f->text.n == 1 && *f->text.p == '-')
		f->text.p = NULL;
}

static void number(struct field *f)
{
	struct ruby_int v = ruby_to_i(f->text);
	f->number = v.negative || v.too_large ? 0 : v.magnitude;
	f->is_number = !v.negative && !v.too_large; /* else the text stays: no web server writes that */
}

struct span access_apache2_fields(struct parser_room *room)
{
	struct field *f = room->fields;
	if (room->fields_n != APACHE2_GROUPS)
		return (struct span){0}; /* no memory; fields_full says so */
	struct span time = f[APACHE2_TIME].text;
	null_if_dash(&f[APACHE2_HOST]);
	null_if_dash(&f[APACHE2_USER]);
	null_if_dash(&f[APACHE2_REFERER]);
	null_if_dash(&f[APACHE2_AGENT]);
	number(&f[APACHE2_CODE]);
	if (f[APACHE2_CODE].is_number && f[APACHE2_CODE].number == 0)
		f[APACHE2_CODE] = (struct field){.key = f[APACHE2_CODE].key};
	null_if_dash(&f[APACHE2_SIZE]);
	if (f[APACHE2_SIZE].text.p)
		number(&f[APACHE2_SIZE]);
	memmove(&f[APACHE2_TIME], &f[APACHE2_TIME + 1], (APACHE2_GROUPS - APACHE2_TIME - 1) * sizeof *f);
	room->fields_n--;
	return time;
}
