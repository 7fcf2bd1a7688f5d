#include "buffer/frame.h"

#include "base/mem.h"
#include "buffer/chunk_format.h"

enum {
	TAG_MAX = UINT16_MAX,
	INFO_MAX = 1024 * 1024,
	PAD = 8, /* so that the zeros behind the payload on disk are part of the block of memory */
};

struct frame *frame_new(enum frame_type type, struct span tag, struct span info, size_t entries_cap)
{
	if (tag.n > TAG_MAX || info.n > INFO_MAX || entries_cap > CHUNK_PAYLOAD_MAX - tag.n - info.n)
		return NULL;
	struct frame *f = mem_try(sizeof *f + tag.n + info.n + entries_cap + PAD);
	if (!f)
		return NULL;
	*f = (struct frame){
		.type = type,
		.tag_len = (uint32_t)tag.n,
		.info_len = (uint32_t)info.n,
		.entries_cap = entries_cap,
	};
	if (tag.n)
		memcpy(f->payload, tag.p, tag.n);
	if (info.n)
		memcpy(f->payload + tag.n, info.p, info.n);
	return f;
}

void frame_free(struct frame *f)
{
	mem_free(f);
}

void frame_free_list(struct frame *f)
{
	while (f) {
		struct frame *next = f->next;
		frame_free(f);
		f = next;
	}
}

size_t frame_disk_size(const struct frame *f)
{
	return (size_t)chunk_format_frame_size(frame_payload_len(f));
}
