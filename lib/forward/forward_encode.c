#include "forward/forward_encode.h"

#include "record/json_put.h"
#include "record/msgpack_scan.h"

static bool put_json_ack(struct buf *out, struct span chunk)
{
	const uint8_t *p = chunk.p;
	const size_t before = out->n;
	if (buf_put_str(out, "{\"ack\":") && json_put(out, &p, chunk.p + chunk.n, MP_DEPTH_LIMIT) &&
		buf_put_byte(out, '}'))
		return true;
	out->n = before;
	return false;
}

bool forward_put_ack(struct buf *out, struct span chunk, bool json)
{
	static const uint8_t head[] = {0x81, 0xa3, 'a', 'c', 'k'};
	if (json)
		return put_json_ack(out, chunk);
	/* At once, so that an ack is in the buffer whole or not at all. */
	if (!buf_reserve(out, sizeof head + chunk.n))
		return false;
	return buf_put(out, head, sizeof head) && buf_put_span(out, chunk);
}
