#include "chunk_text.h"

#include "base/clock.h"
#include "record/msgpack_scan.h"

#define TEXT_MAX   ((size_t)1 << 30)
#define RECORD_MAX ((size_t)256 << 20)

void text_maker_init(struct text_maker *m, const struct conf_section *section, const char *default_type,
	const struct conf_rules *rules, struct conf_report *report)
{
	m->formatter = formatter_make(section, default_type, rules, report);
	m->inject = inject_values_make(section, 0, rules, report);
}

void text_maker_free(struct text_maker *m)
{
	formatter_free(m->formatter);
	inject_values_free(m->inject);
}

void chunk_text_init(struct chunk_text *t, const struct text_maker *m)
{
	t->maker = m;
	buf_init(&t->out, TEXT_MAX);
	buf_init(&t->record, RECORD_MAX);
}

void chunk_text_free(struct chunk_text *t)
{
	buf_free(&t->out);
	buf_free(&t->record);
}

bool chunk_text_event(struct chunk_text *t, struct span tag, struct event_time time, struct span record)
{
	if (t->maker->inject) {
		buf_clear(&t->record);
		if (!inject_values_put(t->maker->inject, tag, time, record, &t->record))
			return false;
		record = buf_span(&t->record);
	}
	size_t before = t->out.n;
	if (formatter_put(t->maker->formatter, tag, time, record, &t->out))
		return true;
	t->out.n = before;
	return false;
}

bool chunk_text_next(const struct frame_view *v, const uint8_t **p, struct event *e)
{
	const uint8_t *end = v->entries.p + v->entries.n;
	while (*p < end) {
		size_t used;
		enum event_result result = event_read(*p, end, MP_DEPTH_LIMIT, e, &used);
		*p = used ? *p + used : end;
		if (result != EVENT_OK)
			continue;
		if (e->kind == EVENT_TIME_NOW)
			e->time = (struct event_time){
				.sec = v->received_ns / NS_PER_S, .nsec = (uint32_t)(v->received_ns % NS_PER_S)};
		return true;
	}
	return false;
}
