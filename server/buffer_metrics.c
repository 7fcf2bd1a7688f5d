#include "buffer_metrics.h"

#include "base/mem.h"

static void set_gauge(struct metrics *m, const char *name, const char *labels, const char *help, uint64_t value)
{
	gauge_set(metrics_gauge(m, name, labels, help), (int64_t)value);
}

static void set_counter(struct metrics *m, const char *name, const char *labels, const char *help, uint64_t value)
{
	atomic_store(&metrics_counter(m, name, labels, help)->v, value);
}

static void set_books(
	struct metrics *m, const char *id, const char *type, const char *outcome, const char *help, uint64_t value)
{
	char *labels = metrics_labels("plugin_id", id, "type", type, "outcome", outcome, NULL);
	set_counter(m, "weir_buffer_events_total", labels, help, value);
	mem_free(labels);
}

void buffer_metrics_books(struct metrics *m, const char *id, const char *type, const struct buffer_stats *b)
{
	static const char help[] =
		"Events by what has become of them, kept over restarts: stored = delivered + already_there + dead + "
		"dropped + lost + weir_buffer_events.";
	const struct buffer_ledger *l = &b->ledger;
	char *labels = metrics_labels("plugin_id", id, "type", type, NULL);
	set_books(m, id, type, "stored", help, l->stored);
	set_books(m, id, type, "delivered", help, l->delivered);
	set_books(m, id, type, "already_there", help, l->already_there);
	set_books(m, id, type, "dead", help, l->dead);
	set_books(m, id, type, "dropped", help, l->dropped);
	set_books(m, id, type, "lost", help, l->lost);
	set_gauge(m, "weir_buffer_events", labels, "Events in chunks: being filled, waiting, being sent.",
		b->stage_records + b->queue_records);
	set_counter(m, "weir_buffer_missing_chunks_total", labels,
		"Chunks whose files were taken away behind weir's back.", b->missing_chunks);
	mem_free(labels);
}

void buffer_metrics_dead(struct metrics *m, const struct buffer_stats *b)
{
	buffer_metrics_books(m, "dead_letters", "dead_letters", b);
	set_gauge(m, "weir_dead_letters_bytes", NULL, "Bytes of the store of dead letters.",
		b->stage_bytes + b->queue_bytes);
	set_gauge(m, "weir_dead_letters_full", NULL,
		"1: the store of dead letters takes nothing more: destinations hold what would have to go there.",
		b->full || b->disk_full || b->refusing);
}
