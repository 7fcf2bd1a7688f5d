/* server_status.h: what the admin endpoint answers: /metrics, /healthz, /readyz. */
#ifndef WEIR_SERVER_STATUS_H
#define WEIR_SERVER_STATUS_H

#include "admin.h"
#include "pipeline.h"

/* `ready` is false while weir starts or ends. */
void server_status_routes(struct admin *a, struct metrics *m, struct pipeline *p, const bool *ready);

#endif
