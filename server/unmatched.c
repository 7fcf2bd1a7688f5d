#include "unmatched.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <pthread.h>
#include <stdint.h>

#define SEEN_SLOTS 4096u
#define SEEN_MAX   1024u /* tags come from the net: beyond so many, one warning a minute for all of them */

struct unmatched {
	pthread_mutex_t lock;
	unsigned used;
	struct log_limit limit;
	uint64_t seen[SEEN_SLOTS]; /* hashes of tags, 0 = free: two tags with one hash cost a warning, no more */
};

struct unmatched *unmatched_new(void)
{
	struct unmatched *u = mem_zalloc(sizeof *u);
	pthread_mutex_init(&u->lock, NULL);
	return u;
}

void unmatched_free(struct unmatched *u)
{
	if (!u)
		return;
	pthread_mutex_destroy(&u->lock);
	mem_free(u);
}

enum novelty { KNOWN, NEW, TOO_MANY };

static enum novelty remember(struct unmatched *u, struct span tag)
{
	uint64_t hash = XXH3_64bits(tag.p, tag.n) | 1;
	enum novelty result = KNOWN;
	pthread_mutex_lock(&u->lock);
	unsigned at = (unsigned)hash & (SEEN_SLOTS - 1);
	while (u->seen[at] && u->seen[at] != hash)
		at = (at + 1) & (SEEN_SLOTS - 1);
	if (!u->seen[at]) {
		result = u->used < SEEN_MAX ? NEW : TOO_MANY;
		if (result == NEW) {
			u->seen[at] = hash;
			u->used++;
		}
	}
	pthread_mutex_unlock(&u->lock);
	return result;
}

void unmatched_warn(struct unmatched *u, struct span tag, uint32_t events)
{
	uint64_t held;
	enum novelty novelty = remember(u, tag);
	if (novelty == NEW)
		log_warn(NULL,
			"no patterns matched tag: its events are dropped and counted in "
			"weir_source_unmatched_events_total; add a <match> for it (once for each tag)",
			LOG_B("tag", tag), LOG_U("events", events));
	else if (novelty == TOO_MANY && log_allowed(&u->limit, 60 * NS_PER_S, &held))
		log_warn(NULL,
			"no patterns matched tag, and over 1,024 such tags were seen: not each is named any more",
			LOG_B("tag", tag), LOG_U("held_back", held));
}
