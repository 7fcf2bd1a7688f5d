#include "text_source.h"

#include "base/clock.h"
#include "base/mem.h"
#include "pipeline.h"

#define LOG_EVERY_NS (10 * NS_PER_S)
#define RECORD_MAX   (64u << 20) /* bytes of a record that a text becomes */
#define KEPT_MAX     (1u << 20)	 /* bytes that a buffer keeps for the next text */

bool text_source_init(struct text_source *t, struct source *source, const struct conf_section *section,
	struct builder *b, const char *default_type)
{
	char *labels = metrics_labels("plugin_id", source->id, NULL);
	t->source = source;
	t->parser = parser_make(section, default_type, builder_rules(b), builder_report(b));
	t->oversized = metrics_counter(builder_metrics(b), "weir_source_oversized_texts_total", labels,
		"Texts over the limit of the source, which were not taken.");
	mem_free(labels);
	return t->parser != NULL;
}

void text_source_free(struct text_source *t)
{
	for (unsigned i = 0; i < INGEST_MAX_WORKERS; i++) {
		struct text_room *r = t->rooms[i];
		if (!r)
			continue;
		parser_room_free(&r->parse);
		buf_free(&r->entry);
		buf_free(&r->extract);
		buf_free(&r->tag);
		added_free(&r->added);
		mem_free(r);
	}
	parser_free(t->parser);
	extract_values_free(t->extract);
}

static struct text_room *room_of(struct text_source *t, struct worker *w)
{
	struct text_room **r = &t->rooms[worker_index(w)];
	if (!*r) {
		*r = mem_zalloc(sizeof **r);
		parser_room_init(&(*r)->parse, RECORD_MAX);
		buf_init(&(*r)->entry, RECORD_MAX);
		buf_init(&(*r)->extract, RECORD_MAX);
		buf_init(&(*r)->tag, 65535);
		added_init(&(*r)->added);
	}
	return *r;
}

void text_turn_begin(struct text_turn *turn, struct text_source *t, struct worker *w, struct ingest *in,
	const char *peer, const char *ip, const char *name)
{
	*turn = (struct text_turn){
		.source = t,
		.room = room_of(t, w),
		.in = in,
		.now = entry_time(ingest_now(in)),
		.peer = peer,
		.ip = ip,
		.name = name,
	};
}

void text_take(struct text_turn *turn, struct span text)
{
	struct text_source *t = turn->source;
	counter_add(t->source->n.messages, 1);
	counter_add(t->source->n.bytes, text.n);
	t->take(t, turn, text);
}

void text_emit(struct text_turn *turn, struct span tag, struct event_time time, struct span record,
	const struct added *added, struct span without)
{
	struct buf *entry = &turn->room->entry;
	uint64_t held;
	buf_clear(entry);
	turn->events++;
	counter_add(turn->source->source->n.events, 1);
	if (entry_put(entry, time, record, added, without)) {
		ingest_events(turn->in, tag, (struct span){0}, buf_span(entry), 1);
	} else {
		counter_add(turn->source->source->n.refused, 1);
		if (log_allowed(&turn->source->log_memory, LOG_EVERY_NS, &held))
			log_error(turn->source->source->id,
				"no memory for an event: it is lost, as its sender waits for no answer",
				LOG_S("peer", turn->peer), LOG_U("bytes", record.n), LOG_U("held_back", held));
	}
	if (entry->cap > KEPT_MAX)
		buf_free(entry);
}

void text_unmatched(struct text_turn *turn, struct span tag, struct span text, const char *why)
{
	struct source *s = turn->source->source;
	uint64_t held;
	turn->events++;
	counter_add(s->n.events, 1);
	counter_add(s->n.skipped, 1);
	ingest_dead(turn->in, tag, text, 1, "pattern_not_matched", NULL);
	if (log_allowed(&turn->source->log_unmatched, LOG_EVERY_NS, &held))
		log_warn(s->id,
			"pattern not matched: the text is kept as a dead letter; others go on; compare it with <parse>",
			LOG_S("peer", turn->peer), LOG_B("text", text), LOG_S("error", why), LOG_U("held_back", held));
}

void text_oversized(struct text_turn *turn, size_t size)
{
	uint64_t held;
	counter_add(turn->source->oversized, 1);
	if (log_allowed(&turn->source->log_oversized, LOG_EVERY_NS, &held))
		log_warn(turn->source->source->id,
			"The received data is larger than 'message_length_limit', dropped: raise it if such texts are "
			"meant to be taken",
			LOG_S("peer", turn->peer), LOG_U("limit", turn->source->max_text), LOG_U("size", size),
			LOG_U("held_back", held));
}

/* ---- texts whose tag does not depend on them ---------------------------------------------------------------------------- */

struct plain {
	struct text_turn *turn;
	struct span text;
};

static void take_record(void *arg, const struct parsed *p)
{
	struct plain *x = arg;
	struct text_turn *turn = x->turn;
	struct text_source *t = turn->source;
	struct text_room *room = turn->room;
	struct span tag = span_str(t->tag), record = p->record;
	struct event_time time = p->has_time ? p->time : turn->now;
	if (p->result != PARSE_OK) {
		text_unmatched(turn, tag, x->text, p->why);
		return;
	}
	if (t->extract) {
		struct extracted e;
		const char *why;
		if (!extract_values_get(t->extract, record, turn->now, &room->extract, &e, &why)) {
			text_unmatched(turn, tag, x->text, why);
			return;
		}
		if (e.has_tag)
			tag = e.tag;
		if (e.has_time && !p->has_time)
			time = e.time;
		record = e.record;
	}
	added_clear(&room->added);
	added_put(&room->added, t->address_key, turn->ip);
	added_put(&room->added, t->hostname_key, turn->name);
	text_emit(turn, tag, time, record, &room->added, (struct span){0});
}

void text_take_plain(struct text_source *t, struct text_turn *turn, struct span text)
{
	struct plain x = {.turn = turn, .text = text};
	parser_parse_bytes(t->parser, text, turn->now, &turn->room->parse, take_record, &x);
}
