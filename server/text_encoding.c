#include "text_encoding.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <strings.h>

#define STEP ((size_t)4096) /* bytes of room, at the least */

#define NO_ICONV ((iconv_t)-1)

struct text_encoding {
	iconv_t cd;
};

bool text_encoding_is_plain(const char *name)
{
	static const char *const plain[] = {"UTF-8", "UTF8", "ASCII-8BIT", "BINARY", "US-ASCII", "ASCII"};
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		if (strcasecmp(name, plain[i]) == 0)
			return true;
	return false;
}

/* Names that Ruby has and iconv has not. */
static const char *iconv_name(const char *name)
{
	static const struct {
		const char *ruby, *iconv;
	} names[] = {{"Windows-31J", "CP932"}, {"csWindows31J", "CP932"}, {"eucJP-ms", "EUC-JP-MS"}};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcasecmp(name, names[i].ruby) == 0)
			return names[i].iconv;
	return name;
}

struct text_encoding *text_encoding_new(const char *from, struct err *err)
{
	static const char ascii[] = "a\n{1";
	struct buf out;
	struct text_encoding *e = mem_alloc(sizeof *e);
	e->cd = iconv_open("UTF-8", iconv_name(from));
	if (e->cd == NO_ICONV) {
		err_set(err, "unknown encoding name - %s", from);
		text_encoding_free(e);
		return NULL;
	}
	buf_init(&out, STEP * 2);
	bool same = text_encoding_convert(e, span_of(ascii, sizeof ascii - 1), &out) && span_is(buf_span(&out), ascii);
	buf_free(&out);
	if (same)
		return e;
	err_set(err, "in the encoding %s a line feed is no single byte: have the files written in UTF-8", from);
	text_encoding_free(e);
	return NULL;
}

void text_encoding_free(struct text_encoding *e)
{
	if (!e)
		return;
	if (e->cd != NO_ICONV)
		iconv_close(e->cd);
	mem_free(e);
}

bool text_encoding_convert(struct text_encoding *e, struct span text, struct buf *out)
{
	char *in = (char *)(uintptr_t)text.p;
	size_t left = text.n;
	iconv(e->cd, NULL, NULL, NULL, NULL);
	while (left && buf_reserve(out, STEP)) {
		char *to = (char *)out->p + out->n;
		size_t room = out->cap - out->n;
		size_t rc = iconv(e->cd, &in, &left, &to, &room);
		out->n = out->cap - room;
		if (rc != (size_t)-1 || errno == E2BIG)
			continue;
		/* Bytes that mean nothing, or a cut character at the end. */
		buf_put_str(out, UTF8_REPLACEMENT);
		in++;
		left--;
	}
	return !out->failed;
}
