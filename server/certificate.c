#include "certificate.h"

#include "base/clock.h"
#include "base/mem.h"

#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <time.h>

struct certificate {
	struct metrics *metrics;
	struct real *days_left;
	time_t until;
};

static void collect(void *arg)
{
	struct certificate *c = arg;
	double seconds = (double)c->until - (double)clock_wall_ns() / 1e9;
	real_set(c->days_left, seconds / 86400);
}

static bool read_end(SSL_CTX *tls, time_t *until)
{
	struct tm tm;
	const X509 *x = tls ? SSL_CTX_get0_certificate(tls) : NULL;
	if (!x || ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
		return false;
	*until = timegm(&tm);
	return true;
}

struct certificate *certificate_watch(struct metrics *m, const char *plugin_id, SSL_CTX *tls)
{
	time_t until;
	if (!read_end(tls, &until))
		return NULL;
	struct certificate *c = mem_zalloc(sizeof *c);
	char *labels = metrics_labels("plugin_id", plugin_id, NULL);
	c->metrics = m;
	c->until = until;
	c->days_left = metrics_real(m, METRIC_GAUGE, "weir_certificate_days_left", labels,
		"Days until the certificate has run out; below 0 it has.");
	mem_free(labels);
	metrics_on_collect(m, collect, c);
	return c;
}

void certificate_unwatch(struct certificate *c)
{
	if (!c)
		return;
	metrics_off_collect(c->metrics, collect, c);
	mem_free(c);
}
