#include "status_page.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"

#include <openssl/sha.h>

/* The page's bytes; the makefile has this file depend on it. */
__asm__(".section .rodata\n"
	".balign 16\n"
	"status_page_begin:\n"
	".incbin \"server/page/status.html\"\n"
	".byte 0\n"
	".previous\n");
extern const char status_page_begin[]; /* ends with a 0 byte */

/* What stands between the first `open` and `close`: the inside of the page's one script, or its one style sheet. */
static struct span inside(const char *open, const char *close)
{
	const char *begin = strstr(status_page_begin, open);
	const char *end = begin ? strstr(begin, close) : NULL;
	if (!end)
		return (struct span){0};
	begin += strlen(open);
	return span_of(begin, (size_t)(end - begin));
}

static void put_hash(struct buf *out, struct span text)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256(text.p, text.n, digest);
	buf_put_str(out, "'sha256-");
	base64_put(out, BASE64_STD, span_of(digest, sizeof digest));
	buf_put_byte(out, '\'');
}

/* Nothing but this very script and style sheet, and questions to ourselves: text from the net that got into the page could do nothing. */
static void put_policy(struct buf *out)
{
	buf_put_str(out, "default-src 'none'; script-src ");
	put_hash(out, inside("<script>", "</script>"));
	buf_put_str(out, "; style-src ");
	put_hash(out, inside("<style>", "</style>"));
	buf_put_str(out, "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
			 "frame-ancestors 'none'");
}

void status_page_reply(struct admin_request *r, void *arg)
{
	struct buf policy;
	(void)arg;
	buf_init(&policy, 4096);
	put_policy(&policy);
	admin_add_header(r, "Content-Security-Policy", buf_cstr(&policy));
	admin_add_header(r, "Referrer-Policy", "no-referrer");
	admin_reply(r, 200, "text/html; charset=utf-8", span_str(status_page_begin));
	buf_free(&policy);
}
