/* certificate.h: how long a certificate is still good, in /metrics: weir_certificate_days_left. */
#ifndef WEIR_CERTIFICATE_H
#define WEIR_CERTIFICATE_H

#include "metrics/metrics.h"

#include <openssl/ssl.h>

struct certificate;

/* Of the context's own certificate, under that @id. `m` must live longer. NULL: `tls` is NULL, or has none. */
struct certificate *certificate_watch(struct metrics *m, const char *plugin_id, SSL_CTX *tls);
void certificate_unwatch(struct certificate *c); /* NULL is allowed */

#endif
