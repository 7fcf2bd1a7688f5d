#include "forward/forward_text.h"

#include "base/utf8.h"

bool forward_text_repair(struct buf *out, struct span s)
{
	for (size_t at = 0; at < s.n;) {
		size_t left = s.n - at, len = utf8_len(s.p + at, left);
		if (len) {
			buf_put(out, s.p + at, len);
		} else {
			buf_put_str(out, UTF8_REPLACEMENT);
			len = utf8_bad_len(s.p + at, left);
		}
		at += len;
	}
	return !out->failed;
}
