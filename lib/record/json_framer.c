#include "record/json_parser.h"

/* The bytes of a string up to and with its quote, or all of them. */
static const uint8_t *frame_string(struct json_framer *f, const uint8_t *p, const uint8_t *end)
{
	if (f->escaped) {
		f->escaped = false;
		p++;
	}
	while (p < end) {
		p = json_plain_end(p, end);
		if (p == end)
			break;
		uint8_t c = *p++;
		if (c == '"') {
			f->in_string = false;
			break;
		}
		if (c != '\\')
			continue;
		if (p == end)
			f->escaped = true;
		else
			p++;
	}
	return p;
}

size_t json_framer_feed(struct json_framer *f, const uint8_t *p, size_t n, bool *bad)
{
	const uint8_t *const begin = p, *const end = p + n;
	*bad = false;
	while (p < end) {
		if (f->in_string) {
			p = frame_string(f, p, end);
			continue;
		}
		uint8_t c = *p++;
		if (c == '[' || c == '{') {
			f->started = true;
			f->depth++;
		} else if (!f->started) {
			if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
				*bad = true;
				return 0;
			}
		} else if (c == '"') {
			f->in_string = true;
		} else if ((c == ']' || c == '}') && --f->depth == 0) {
			return (size_t)(p - begin);
		}
	}
	return 0;
}
