#include "status_text.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- text that a terminal takes ----------------------------------------------------------------------------------- */

/* The code of a control character (C0, DEL, C1) of that many bytes; 0 if it is none. */
static unsigned control_code(const uint8_t *p, size_t len)
{
	if (len == 1 && (*p < 0x20 || *p == 0x7f))
		return *p ? *p : 0x100;
	return len == 2 && *p == 0xc2 && p[1] < 0xa0 ? p[1] : 0;
}

void terminal_put(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_len(s.p + i, s.n - i);
		unsigned code = len ? control_code(s.p + i, len) : 0;
		if (code)
			buf_printf(out, "\\u%04x", code & 0xff);
		else if (len)
			buf_put(out, s.p + i, len);
		else
			buf_put_str(out, UTF8_REPLACEMENT);
		i += len ? len : utf8_bad_len(s.p + i, s.n - i);
	}
}

/* ---- lines -------------------------------------------------------------------------------------------------------- */

struct screen {
	const struct status_text_options *o;
	struct buf *out;
	size_t lines;
};

enum style { PLAIN, BOLD, SOFT, GOOD, WARN, BAD };

static const char *const escapes[] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m"};

/* Bytes of the longest beginning of `s` that is at most `width` characters. */
static size_t fitting(struct span s, size_t width)
{
	size_t i = 0;
	for (size_t n = 0; i < s.n && n < width; n++)
		i += utf8_len(s.p + i, s.n - i) ? utf8_len(s.p + i, s.n - i) : 1;
	return i < s.n ? i : s.n;
}

static void line(struct screen *s, enum style style, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void line(struct screen *s, enum style style, const char *fmt, ...)
{
	char text[4096];
	struct buf safe;
	va_list ap;
	if (s->o->height && s->lines + 1 >= s->o->height)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_init(&safe, 1 << 16);
	terminal_put(&safe, span_str(text));
	buf_put_str(s->out, s->o->colour ? escapes[style] : "");
	buf_put(s->out, safe.p, s->o->width ? fitting(buf_span(&safe), s->o->width) : safe.n);
	buf_put_str(s->out, s->o->colour ? "\033[0m\033[K\n" : "\n");
	buf_free(&safe);
	s->lines++;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

struct number {
	char text[24];
};

static struct number scaled(double n, double base, const char *const *units)
{
	struct number out;
	size_t i = 0;
	while (n >= base && units[i + 1]) {
		n /= base;
		i++;
	}
	snprintf(out.text, sizeof out.text, i && n < 10 ? "%.2f%s" : i && n < 100 ? "%.1f%s" : "%.0f%s", n, units[i]);
	return out;
}

static struct number count(double n)
{
	static const char *const units[] = {"", "k", "M", "G", "T", NULL};
	return scaled(n, 1000, units);
}

static struct number bytes(double n)
{
	static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", NULL};
	return scaled(n, 1024, units);
}

static struct number duration(const json_t *seconds)
{
	struct number out;
	double s = json_number_value(seconds);
	if (!json_is_number(seconds))
		snprintf(out.text, sizeof out.text, "-");
	else if (s < 90)
		snprintf(out.text, sizeof out.text, "%.0f s", s);
	else if (s < 5400)
		snprintf(out.text, sizeof out.text, "%.0f min", s / 60);
	else if (s < 172800)
		snprintf(out.text, sizeof out.text, "%.1f h", s / 3600);
	else
		snprintf(out.text, sizeof out.text, "%.0f days", s / 86400);
	return out;
}

static double value(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static double sum(const json_t *list, const char *key)
{
	double n = 0;
	for (size_t i = 0; i < json_array_size(list); i++)
		n += value(json_array_get(list, i), key);
	return n;
}

/* ---- parts -------------------------------------------------------------------------------------------------------- */

static void put_head(struct screen *s, const json_t *j)
{
	const json_t *w = json_object_get(j, "weir"), *t = json_object_get(j, "totals");
	bool ready = json_is_true(json_object_get(w, "ready"));
	line(s, BOLD, "weir %s on %s, up %s, %.0f workers, %s of memory", text(w, "version"), text(w, "host"),
		duration(json_object_get(w, "uptime_s")).text, value(w, "workers"),
		bytes(value(w, "memory_bytes")).text);
	if (ready)
		line(s, GOOD, "ready");
	else
		line(s, BAD, "NOT READY: %s", text(w, "not_ready"));
	line(s, PLAIN, "%s", "");
	line(s, PLAIN, "received  %8s/s  %8s in all   delivered  %8s/s  %8s in all",
		count(sum(json_object_get(j, "sources"), "events_per_s")).text, count(value(t, "received_events")).text,
		count(sum(json_object_get(j, "outputs"), "delivered_per_s")).text,
		count(value(t, "delivered_events")).text);
	line(s, PLAIN, "waiting   %8s events, %s, the oldest for %s", count(value(t, "pending_events")).text,
		bytes(value(t, "pending_bytes")).text, duration(json_object_get(t, "oldest_s")).text);
	double dead = value(json_object_get(j, "dead_letters"), "events");
	double lost = value(t, "dropped_events") + value(t, "unmatched_events");
	line(s, dead > 0 || lost > 0 || value(t, "refused_events") > 0 ? WARN : PLAIN,
		"dead      %8s letters   refused %s   unmatched %s   dropped %s", count(dead).text,
		count(value(t, "refused_events")).text, count(value(t, "unmatched_events")).text,
		count(value(t, "dropped_events")).text);
}

static void put_sources(struct screen *s, const json_t *list)
{
	line(s, PLAIN, "%s", "");
	line(s, SOFT, "%-22s %-14s %10s %10s %10s %8s", "SOURCE", "TYPE", "EVENTS/S", "EVENTS", "BYTES", "BAD");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *x = json_array_get(list, i);
		double bad = value(x, "bad_events") + value(x, "bad_messages") + value(x, "errors");
		line(s, bad > 0 ? WARN : PLAIN, "%-22.22s %-14.14s %10s %10s %10s %8s", text(x, "id"), text(x, "type"),
			count(value(x, "events_per_s")).text, count(value(x, "events")).text,
			bytes(value(x, "bytes")).text, count(bad).text);
	}
}

static void put_trouble(struct screen *s, const json_t *output, enum style style)
{
	const json_t *retry = json_object_get(output, "retry");
	double failures = value(retry, "failures");
	line(s, style, "  %.0f failure%s for %s, next try in %s: %s", failures, failures > 1 ? "s" : "",
		duration(json_object_get(retry, "since_s")).text, duration(json_object_get(retry, "next_try_s")).text,
		text(retry, "reason"));
}

static void put_outputs(struct screen *s, const json_t *list)
{
	line(s, PLAIN, "%s", "");
	line(s, SOFT, "%-22s %-14s %10s %10s %10s %10s %8s  %s", "OUTPUT", "TYPE", "EVENTS/S", "DELIVERED", "WAITING",
		"BYTES", "OLDEST", "STATE");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *x = json_array_get(list, i), *b = json_object_get(x, "buffer");
		bool ok = strcmp(text(x, "state"), "ok") == 0, down = strcmp(text(x, "state"), "down") == 0;
		enum style style = ok ? PLAIN : down ? WARN : BAD;
		line(s, style, "%-22.22s %-14.14s %10s %10s %10s %10s %8s  %s", text(x, "id"), text(x, "type"),
			count(value(x, "delivered_per_s")).text, count(value(x, "delivered")).text,
			b ? count(value(b, "stage_events") + value(b, "queue_events")).text : "-",
			b ? bytes(value(b, "stage_bytes") + value(b, "queue_bytes")).text : "-",
			duration(json_object_get(b, "oldest_s")).text, text(x, "state"));
		if (!ok)
			put_trouble(s, x, style);
	}
}

static void put_senders(struct screen *s, const json_t *senders)
{
	const json_t *list = json_object_get(senders, "top");
	if (!json_array_size(list))
		return;
	line(s, PLAIN, "%s", "");
	line(s, SOFT, "%-22s %-17s %10s %10s %10s %10s", "SENDER", "TO", "EVENTS/S", "EVENTS", "VOLUME", "LAST");
	for (size_t i = 0; i < json_array_size(list) && i < 10; i++) {
		const json_t *x = json_array_get(list, i);
		char *who = mem_printf("%-22s %s", text(x, "address"), text(x, "source"));
		line(s, PLAIN, "%-40.40s %10s %10s %10s %10s", who, count(value(x, "events_per_s")).text,
			count(value(x, "events")).text, bytes(value(x, "bytes")).text,
			duration(json_object_get(x, "last_s")).text);
		mem_free(who);
	}
}

static void put_dead(struct screen *s, const json_t *dead)
{
	const json_t *list = json_object_get(dead, "samples");
	if (!json_array_size(list))
		return;
	line(s, PLAIN, "%s", "");
	line(s, SOFT, "%-40s %10s %10s  %s", "DEAD LETTERS", "EVENTS", "LAST", "WHY");
	for (size_t i = 0; i < json_array_size(list) && i < 10; i++) {
		const json_t *x = json_array_get(list, i);
		line(s, WARN, "%-40.40s %10s %10s  %s", text(x, "reason"), count(value(x, "events")).text,
			duration(json_object_get(x, "age_s")).text, text(x, "text"));
	}
}

void status_text(const json_t *status, const struct status_text_options *o, struct buf *out)
{
	struct screen s = {.o = o, .out = out};
	put_head(&s, status);
	put_sources(&s, json_object_get(status, "sources"));
	put_outputs(&s, json_object_get(status, "outputs"));
	put_senders(&s, json_object_get(status, "senders"));
	put_dead(&s, json_object_get(status, "dead_letters"));
}
