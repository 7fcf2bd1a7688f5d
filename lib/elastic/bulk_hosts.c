#include "elastic/bulk_hosts.h"

#include "base/clock.h"
#include "base/mem.h"

#include <curl/curl.h>

#define FIRST_REST NS_PER_S

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *copy(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

static void free_secret(const char *s)
{
	if (s)
		mem_free_secret((void *)(uintptr_t)s, strlen(s));
}

static void free_string(const char *s)
{
	mem_free((void *)(uintptr_t)s);
}

static const char *const *copy_headers(const char *const *headers)
{
	size_t n = 0;
	while (headers && headers[n])
		n++;
	char **copies = mem_array(n + 1, sizeof *copies);
	for (size_t i = 0; i < n; i++)
		copies[i] = mem_strdup(headers[i]);
	return (const char *const *)copies;
}

static void init_target(struct bulk_target *t, const struct bulk_host *host, const struct bulk_client_options *o)
{
	const char *open = strchr(host->host, ':') ? "[" : "", *close = *open ? "]" : "";
	*t = (struct bulk_target){0};
	t->origin = mem_printf("%s://%s%s%s:%u", host->scheme, open, host->host, close, host->port);
	t->url = mem_printf("%s%s", t->origin, host->path ? host->path : "");
	t->user = copy(host->user ? host->user : o->user);
	t->password = copy(host->user ? host->password : o->password);
}

struct bulk_hosts *bulk_hosts_new(const struct bulk_client_options *o)
{
	struct bulk_hosts *h = mem_zalloc(sizeof *h);
	pthread_once(&curl_once, init_curl);
	h->o = *o;
	h->n = o->host_count;
	h->target = mem_array(h->n, sizeof *h->target);
	for (size_t i = 0; i < h->n; i++)
		init_target(&h->target[i], &o->hosts[i], o);
	h->o.hosts = NULL;
	h->o.user = h->o.password = NULL;
	h->o.authorization = copy(o->authorization);
	h->o.headers = copy_headers(o->headers);
	h->o.content_type = copy(o->content_type);
	h->o.ca_file = copy(o->ca_file);
	h->o.client_cert = copy(o->client_cert);
	h->o.client_key = copy(o->client_key);
	h->o.client_key_pass = copy(o->client_key_pass);
	h->o.ciphers = copy(o->ciphers);
	h->o.proxy = copy(o->proxy);
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

void bulk_hosts_free(struct bulk_hosts *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++) {
		mem_free(h->target[i].origin);
		mem_free(h->target[i].url);
		mem_free(h->target[i].user);
		free_secret(h->target[i].password);
	}
	mem_free(h->target);
	for (size_t i = 0; h->o.headers[i]; i++)
		free_secret(h->o.headers[i]);
	mem_free((void *)(uintptr_t)h->o.headers);
	free_secret(h->o.authorization);
	free_string(h->o.content_type);
	free_string(h->o.ca_file);
	free_string(h->o.client_cert);
	free_string(h->o.client_key);
	free_secret(h->o.client_key_pass);
	free_string(h->o.ciphers);
	free_secret(h->o.proxy); /* may hold a password */
	pthread_mutex_destroy(&h->lock);
	mem_free(h);
}

size_t bulk_hosts_alive(struct bulk_hosts *h)
{
	size_t alive = 0;
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->n; i++)
		alive += !h->target[i].dead;
	pthread_mutex_unlock(&h->lock);
	return alive;
}

/* Whether a comes before b among hosts of one kind. */
static bool sooner(const struct bulk_target *a, const struct bulk_target *b)
{
	if (!a->dead)
		return a->turn < b->turn;
	return a->dead_since < b->dead_since || (a->dead_since == b->dead_since && a->turn < b->turn);
}

static enum bulk_pick kind_of(const struct bulk_target *t, int64_t now)
{
	if (!t->dead)
		return BULK_PICK_LIVE;
	return !t->probing && t->retry_at <= now ? BULK_PICK_PROBE : BULK_PICK_LAST;
}

enum bulk_pick bulk_hosts_pick(struct bulk_hosts *h, const bool *tried, size_t *index)
{
	size_t best[BULK_PICK_NONE];
	bool any[BULK_PICK_NONE] = {false};
	enum bulk_pick pick;
	const int64_t now = clock_mono_ns();
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->n; i++) {
		if (tried[i])
			continue;
		const enum bulk_pick kind = kind_of(&h->target[i], now);
		if (!any[kind] || sooner(&h->target[i], &h->target[best[kind]]))
			best[kind] = i;
		any[kind] = true;
	}
	/* A host whose rest is over comes first: there is no other way for it to come back. */
	pick = any[BULK_PICK_PROBE]  ? BULK_PICK_PROBE
	       : any[BULK_PICK_LIVE] ? BULK_PICK_LIVE
	       : any[BULK_PICK_LAST] ? BULK_PICK_LAST
				     : BULK_PICK_NONE;
	if (pick != BULK_PICK_NONE) {
		struct bulk_target *t = &h->target[best[pick]];
		*index = best[pick];
		t->turn = ++h->turns;
		t->probing |= pick == BULK_PICK_PROBE;
	}
	pthread_mutex_unlock(&h->lock);
	return pick;
}

void bulk_hosts_answered(struct bulk_hosts *h, size_t index)
{
	pthread_mutex_lock(&h->lock);
	h->target[index].dead = h->target[index].probing = false;
	h->target[index].rest = 0;
	pthread_mutex_unlock(&h->lock);
}

void bulk_hosts_failed(struct bulk_hosts *h, size_t index)
{
	struct bulk_target *t = &h->target[index];
	const int64_t now = clock_mono_ns();
	pthread_mutex_lock(&h->lock);
	if (!t->dead)
		t->dead_since = now;
	/* Several requests that were under way fail together: that is one failure. */
	if (!t->dead || t->retry_at <= now) {
		t->rest = t->rest ? 2 * t->rest : FIRST_REST;
		if (t->rest > h->o.resurrect_after_ns)
			t->rest = h->o.resurrect_after_ns;
		t->retry_at = now + t->rest;
	}
	t->dead = true;
	t->probing = false;
	pthread_mutex_unlock(&h->lock);
}

void bulk_hosts_undecided(struct bulk_hosts *h, size_t index)
{
	pthread_mutex_lock(&h->lock);
	h->target[index].probing = false;
	pthread_mutex_unlock(&h->lock);
}
