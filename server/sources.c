#include "sources.h"

#include "base/log.h"
#include "plugin.h"

/* The first one from *i on that runs; NULL: there is none. */
static struct source *next(const struct pipeline *p, size_t *i)
{
	struct source *const *v;
	size_t n = pipeline_sources(p, &v);
	while (*i < n) {
		struct source *s = v[(*i)++];
		if (s->started)
			return s;
	}
	return NULL;
}

void sources_warn_of_open(const struct pipeline *p)
{
	struct buf open;
	size_t i = 0;
	buf_init(&open, 64 << 10);
	for (struct source *s; (s = next(p, &i));) {
		if (!s->plugin->input->is_open || !s->plugin->input->is_open(s))
			continue;
		buf_printf(&open, "%s%s ", open.n ? "; " : "", s->id);
		s->plugin->input->describe(s, &open);
	}
	if (open.n)
		log_warn(NULL,
			"whoever reaches these sources may send: they listen on all addresses and ask nobody who "
			"they are; "
			"`bind` one address, or name the senders (<security>, client_cert_auth), or see to it that "
			"the network does",
			LOG_B("open", buf_span(&open)));
	buf_free(&open);
}

void source_stop(struct source *s)
{
	if (s->plugin->input->stop)
		s->plugin->input->stop(s);
}

void sources_stop(const struct pipeline *p)
{
	size_t i = 0;
	for (struct source *s; (s = next(p, &i));)
		source_stop(s);
}

static bool is_busy(const struct source *s)
{
	return s->plugin->input->busy && s->plugin->input->busy(s);
}

bool sources_are_busy(const struct pipeline *p)
{
	size_t i = 0;
	for (const struct source *s; (s = next(p, &i));)
		if (is_busy(s))
			return true;
	return false;
}

bool sources_end(const struct pipeline *p, bool now)
{
	size_t i = 0;
	bool all = true;
	for (struct source *s; (s = next(p, &i));) {
		if (!now && is_busy(s)) {
			all = false;
			continue;
		}
		if (s->plugin->input->end)
			s->plugin->input->end(s);
		s->started = false;
	}
	return all;
}

bool sources_have_ended(const struct pipeline *p)
{
	size_t i = 0;
	return !next(p, &i);
}

void sources_renew(const struct pipeline *p)
{
	size_t i = 0;
	struct err err;
	for (struct source *s; (s = next(p, &i));)
		if (s->plugin->input->renew && !s->plugin->input->renew(s, &err))
			log_error(s->id, "its files cannot be read again: it goes on with what it has",
				LOG_S("error", err.text));
}
