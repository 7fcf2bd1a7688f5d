#include "server_tls.h"

#include "base/mem.h"
#include "certificate.h"

struct server_tls {
	const char *plugin_id;
	const struct transport_conf *conf;
	struct metrics *metrics;
	SSL_CTX *context;
	struct certificate *certificate;
};

struct server_tls *server_tls_new(
	const char *plugin_id, const struct transport_conf *t, struct metrics *m, struct conf_report *report)
{
	SSL_CTX *context = transport_tls_make(t, report);
	if (!context)
		return NULL;
	struct server_tls *s = mem_zalloc(sizeof *s);
	*s = (struct server_tls){.plugin_id = plugin_id, .conf = t, .metrics = m, .context = context};
	s->certificate = certificate_watch(m, plugin_id, context);
	return s;
}

void server_tls_free(struct server_tls *s)
{
	if (!s)
		return;
	certificate_unwatch(s->certificate);
	SSL_CTX_free(s->context);
	mem_free(s);
}

SSL_CTX *server_tls_context(const struct server_tls *s)
{
	return s ? s->context : NULL;
}

bool server_tls_renew(struct server_tls *s, struct err *err)
{
	SSL_CTX *fresh = s ? transport_tls_context(s->conf, err) : NULL;
	if (!fresh)
		return !s;
	certificate_unwatch(s->certificate);
	SSL_CTX_free(s->context);
	s->context = fresh;
	s->certificate = certificate_watch(s->metrics, s->plugin_id, fresh);
	return true;
}

bool server_tls_renew_admin(struct server_tls *s, struct admin *a, struct err *err)
{
	if (!server_tls_renew(s, err))
		return false;
	if (a)
		admin_use_tls(a, server_tls_context(s));
	return true;
}
