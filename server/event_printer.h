/* event_printer.h: events as lines on standard output, for the stdout output and filter. Read-only after it was made; any thread. */
#ifndef WEIR_EVENT_PRINTER_H
#define WEIR_EVENT_PRINTER_H

#include "conf/conf_schema.h"

struct batch;
struct event_printer;

/* As the <format> and <inject> sections of a plugin say (or v0.12's flat parameters). NULL: findings were added. */
struct event_printer *event_printer_make(
	const struct conf_section *section, const struct conf_rules *rules, struct conf_report *report);
void event_printer_free(struct event_printer *p); /* NULL is allowed */

/* Prints a line for each event, whatever the formatter ends with. What cannot be formatted is left out. */
void event_printer_print(const struct event_printer *p, const struct batch *b);

#endif
