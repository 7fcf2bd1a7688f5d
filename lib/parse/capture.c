#include "parse/capture.h"

#include "base/mem.h"
#include "base/regexp_engine.h"

struct capture {
	regex_t *onig;
	struct regexp_name *groups;
	size_t n;
};

struct capture *capture_compile(struct span source, unsigned flags, struct err *err)
{
	regex_t *onig = regexp_engine_compile(source, flags, err);
	if (!onig)
		return NULL;
	struct capture *c = mem_alloc(sizeof *c);
	c->onig = onig;
	c->groups = regexp_engine_names(onig, &c->n);
	return c;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	onig_free(c->onig);
	mem_free(c->groups);
	mem_free(c);
}

size_t capture_count(const struct capture *c)
{
	return c->n;
}

struct span capture_name(const struct capture *c, size_t i)
{
	return c->groups[i].name;
}

void capture_room_free(struct capture_room *room)
{
	if (room->region)
		onig_region_free(room->region, 1);
	room->region = NULL;
}

enum regexp_result capture_search(
	const struct capture *c, struct span text, size_t from, struct capture_room *room, size_t *start, size_t *end)
{
	if (!room->region)
		room->region = onig_region_new();
	const OnigRegion *region = room->region;
	if (!region)
		return REGEXP_LIMIT;
	enum regexp_result found = regexp_engine_search(c->onig, text, from, room->region);
	if (found == REGEXP_YES && start)
		*start = (size_t)region->beg[0];
	if (found == REGEXP_YES && end)
		*end = (size_t)region->end[0];
	return found;
}

struct span capture_get(const struct capture *c, const struct capture_room *room, struct span text, size_t i)
{
	const OnigRegion *region = room->region;
	const struct regexp_name *g = &c->groups[i];
	for (int k = g->count - 1; k >= 0; k--) {
		int at = g->numbers[k];
		if (at < region->num_regs && region->beg[at] >= 0) {
			const uint8_t *p = text.n ? text.p : (const uint8_t *)"";
			return span_of(p + region->beg[at], (size_t)(region->end[at] - region->beg[at]));
		}
	}
	return (struct span){0};
}
