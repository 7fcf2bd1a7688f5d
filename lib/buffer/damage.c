#include "buffer/damage.h"

#include "base/clock.h"
#include "buffer/backup.h"

#include <string.h>

static void count_damage(struct buffer *b, uint64_t frames, uint64_t bytes)
{
	pthread_mutex_lock(&b->lock);
	b->count.damaged_frames += frames;
	b->count.damaged_bytes += bytes;
	pthread_mutex_unlock(&b->lock);
}

bool damage_report(struct buffer *b, struct chunk *c, int fd, const struct damage_hole *hole)
{
	if (!chunk_add_hole(c, hole->from, hole->to))
		return true;
	uint64_t bytes = hole->to - hole->from, held;
	if (b->look_only) {
		if (hole->is_damage)
			count_damage(b, hole->lost, bytes);
		else
			b->count.torn_bytes += bytes;
		return true;
	}
	int code = backup_range(b, c->name, fd, hole->from, hole->to);
	if (!hole->is_damage) {
		pthread_mutex_lock(&b->lock);
		b->count.torn_bytes += bytes;
		pthread_mutex_unlock(&b->lock);
		log_info(b->name,
			"the last group of a chunk was torn by a crash, which is normal: it never was acknowledged; "
			"its bytes are kept in backup/",
			LOG_S("chunk", c->name), LOG_U("from", hole->from), LOG_U("to", hole->to),
			LOG_S("error", code ? strerror(code) : NULL));
		return code == 0;
	}
	count_damage(b, hole->lost, bytes);
	c->keep_file = c->keep_file || code;
	if (log_allowed(&b->damage_log, NS_PER_S, &held))
		log_error(b->name,
			hole->is_poison ? "weir has crashed three times at work on a message: it is set aside in "
					  "backup/, all others "
					  "are delivered; please report the crash"
					: "a chunk is damaged: frames in it are lost, all others are delivered, the "
					  "damaged bytes "
					  "are kept in backup/; check the disk",
			LOG_S("path", b->path), LOG_S("chunk", c->name), LOG_U("frames", hole->lost),
			LOG_U("from", hole->from), LOG_U("to", hole->to), LOG_S("error", code ? strerror(code) : NULL),
			LOG_U("held_back", held));
	return code == 0;
}

void damage_report_missing(struct buffer *b, const struct chunk *c)
{
	count_damage(b, 1, 0);
	log_error(b->name,
		"a chunk file ends before its first frame, which had been there: its events are lost; check the disk",
		LOG_S("path", b->path), LOG_S("chunk", c->name));
}
