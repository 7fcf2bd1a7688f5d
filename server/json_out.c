#include "json_out.h"

static int put_piece(const char *text, size_t n, void *out)
{
	return buf_put(out, text, n) ? 0 : -1;
}

void json_out(const json_t *j, struct buf *out)
{
	(void)json_dump_callback(j, put_piece, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
}
