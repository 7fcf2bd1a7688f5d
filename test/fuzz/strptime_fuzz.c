/* The input is a format, a line feed, and the text that is read by it; what comes out is written in the same format. */
#include "record/time_format.h"

#include "base/mem.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct event_time now = {1786104000, 0};
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	struct time_parsed got;
	struct buf out;
	if (!end)
		return 0;
	char *format = mem_strndup(data, (size_t)(end - data));
	struct time_format *f = time_format_new(format);
	struct span text = span_of(end + 1, size - (size_t)(end + 1 - data));
	buf_init(&out, 1 << 16);
	if (time_format_parse(f, text, now, -3600, &got)) {
		if (got.time.nsec >= 1000000000 || got.used > text.n || got.offset <= -86400 || got.offset >= 86400)
			abort();
		(void)time_format_put(&out, format, got.time, (struct time_zone){got.offset, "Zone"});
	}
	/* Any time can be written by any format. */
	struct event_time any = {.nsec = 5};
	memcpy(&any.sec, text.p, text.n < 8 ? text.n : 8);
	(void)time_format_put(&out, format, any, TIME_ZONE_UTC);
	buf_free(&out);
	time_format_free(f);
	mem_free(format);
	return 0;
}
