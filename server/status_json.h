/* status_json.h: what /api/status.json and /api/history.json say. Main thread. */
#ifndef WEIR_STATUS_JSON_H
#define WEIR_STATUS_JSON_H

#include "server_status.h"
#include "status_samples.h"

/* Appends the text. */
void status_json(const struct status_parts *p, const struct status_samples *samples, struct buf *out);
void status_history_json(const struct status_samples *samples, struct buf *out);

/* Why weir cannot store what comes, as a sentence in `text`; false: it can. Outputs do not matter: that is what the buffers are for. */
bool status_not_ready(const struct status_parts *p, char *text, size_t size);

#endif
