#include "forward_discovery.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "discovery_file.h"
#include "discovery_srv.h"

#include <pthread.h>
#include <sys/stat.h>

#define FILE_LOOK_NS   NS_PER_S	      /* between two looks at a file */
#define FAILED_LOOK_NS (5 * NS_PER_S) /* between two questions while no server works */

struct finder {
	const struct forward_discovery_conf *conf;
	struct forward_list found;
	struct stat file;	  /* as it was read */
	int64_t next_ns, soon_ns; /* monotonic: when it is time, and when if no server works */
};

struct forward_discovery {
	const struct forward_out_conf *conf;
	const char *id;
	pthread_mutex_t looking; /* of `finders` */
	struct finder *finders;
	size_t n;
	bool is_static;
	pthread_mutex_t lock; /* of what follows */
	struct forward_nodes *latest;
};

/* ---- finders ---------------------------------------------------------------------------------------------------------- */

static bool keys_are_possible(const struct forward_out_conf *c, const struct forward_list *l, struct err *err)
{
	for (size_t i = 0; i < l->n && !c->security.n; i++)
		if (l->v[i].shared_key)
			return err_set(err,
				"a shared_key needs a <security> section with self_hostname and shared_key: server %s",
				l->v[i].name);
	return true;
}

static void tell_of_servers(const struct forward_discovery *d, const struct forward_list *now,
	const struct forward_list *other, const char *message)
{
	for (size_t i = 0; i < now->n; i++)
		if (!forward_list_has(other, &now->v[i]))
			log_info(d->id, message, LOG_S("server", now->v[i].name), LOG_S("host", now->v[i].host),
				LOG_U("port", now->v[i].port));
}

/* Takes the list over. True if it is another one. */
static bool take_found(const struct forward_discovery *d, struct finder *f, struct forward_list *now)
{
	bool other = now->n != f->found.n;
	for (size_t i = 0; i < now->n && !other; i++)
		other = !forward_list_has(&f->found, &now->v[i]);
	if (other) {
		tell_of_servers(d, now, &f->found, "service discovery: a server has come");
		tell_of_servers(d, &f->found, now, "service discovery: a server has gone");
	}
	forward_list_free(&f->found);
	f->found = *now;
	return other;
}

static bool file_changed(struct finder *f)
{
	struct stat st;
	if (stat(f->conf->path, &st) < 0)
		st = (struct stat){0};
	bool changed = st.st_ino != f->file.st_ino || st.st_dev != f->file.st_dev || st.st_size != f->file.st_size ||
		       st.st_mtim.tv_sec != f->file.st_mtim.tv_sec || st.st_mtim.tv_nsec != f->file.st_mtim.tv_nsec;
	f->file = st;
	return changed;
}

static bool ask_name_server(const struct finder *f, struct forward_list *out, struct err *err)
{
	const struct forward_discovery_conf *c = f->conf;
	return discovery_srv_ask(&(struct discovery_srv){.service = c->service,
					 .proto = c->proto,
					 .hostname = c->hostname,
					 .dns_server = c->dns_server,
					 .dns_lookup = c->dns_lookup,
					 .shared_key = c->shared_key,
					 .username = c->username,
					 .password = c->password ? c->password : ""},
		out, err);
}

static bool find(const struct finder *f, struct forward_list *out, struct err *err)
{
	return f->conf->kind == DISCOVERY_SRV ? ask_name_server(f, out, err)
					      : discovery_file_read(f->conf->path, f->conf->encoding, out, err);
}

static void set_next(struct finder *f)
{
	const int64_t now = clock_mono_ns();
	f->next_ns = now + (f->conf->kind == DISCOVERY_SRV ? f->conf->interval * NS_PER_S : FILE_LOOK_NS);
	f->soon_ns = now + FAILED_LOOK_NS;
}

static bool look_again(struct forward_discovery *d, struct finder *f)
{
	struct forward_list now;
	struct err err;
	bool same = f->conf->kind == DISCOVERY_FILE && !file_changed(f);
	forward_list_init(&now);
	bool found = !same && find(f, &now, &err) && keys_are_possible(d->conf, &now, &err);
	set_next(f);
	if (found)
		return take_found(d, f, &now);
	if (!same && !found)
		log_at(f->conf->kind == DISCOVERY_SRV ? LOG_WARN : LOG_ERROR, d->id,
			"service discovery: the servers cannot be told, those of before are kept",
			LOG_S("error", err.text));
	forward_list_free(&now);
	return false;
}

/* ---- the list --------------------------------------------------------------------------------------------------------- */

static void add_conf(struct forward_list *l, const struct forward_server_conf *s)
{
	forward_list_add(l, &(struct forward_node){.name = s->name ? s->name : s->host,
				    .host = s->host,
				    .port = (unsigned)s->port,
				    .shared_key = s->shared_key,
				    .username = s->username,
				    .password = s->password ? s->password : "",
				    .standby = s->standby,
				    .weight = (unsigned)s->weight});
}

/* In the order of the configuration: <server> sections first. */
static void publish(struct forward_discovery *d)
{
	struct forward_list all;
	forward_list_init(&all);
	for (size_t i = 0; i < d->conf->servers.n; i++)
		add_conf(&all, d->conf->servers.v[i]);
	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; k < d->finders[i].found.n; k++)
			forward_list_add(&all, &d->finders[i].found.v[k]);
	struct forward_nodes *before = d->latest;
	struct forward_nodes *now = forward_nodes_new(all.v, all.n, d->conf->recover_wait_ns, before);
	pthread_mutex_lock(&d->lock);
	d->latest = now;
	pthread_mutex_unlock(&d->lock);
	forward_nodes_free(before);
	forward_list_free(&all);
}

static bool is_due(const struct finder *f, bool failed, int64_t now)
{
	return f->conf->kind != DISCOVERY_STATIC && (now >= f->next_ns || (failed && now >= f->soon_ns));
}

static void look(struct forward_discovery *d, bool failed)
{
	int64_t now = clock_mono_ns();
	bool other = false;
	for (size_t i = 0; i < d->n; i++)
		if (is_due(&d->finders[i], failed, now))
			other |= look_again(d, &d->finders[i]);
	if (other)
		publish(d);
}

struct forward_nodes *forward_discovery_latest(struct forward_discovery *d)
{
	pthread_mutex_lock(&d->lock);
	struct forward_nodes *s = forward_nodes_hold(d->latest);
	pthread_mutex_unlock(&d->lock);
	return s;
}

static bool has_servers(struct forward_discovery *d)
{
	struct forward_nodes *s = forward_discovery_latest(d);
	bool has = forward_nodes_list(s)->n > 0;
	forward_nodes_free(s);
	return has;
}

struct forward_nodes *forward_discovery_get(struct forward_discovery *d, bool failed)
{
	/* While one thread looks, the others go on with what is known. */
	bool mine = !d->is_static && pthread_mutex_trylock(&d->looking) == 0;
	if (!d->is_static && !mine && !has_servers(d))
		mine = pthread_mutex_lock(&d->looking) == 0;
	if (mine) {
		look(d, failed);
		pthread_mutex_unlock(&d->looking);
	}
	return forward_discovery_latest(d);
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

static void begin(struct forward_discovery *d, struct finder *f, struct conf_report *r)
{
	struct err err;
	forward_list_init(&f->found);
	if (f->conf->kind == DISCOVERY_STATIC) {
		for (size_t i = 0; i < f->conf->services.n; i++)
			add_conf(&f->found, f->conf->services.v[i]);
		return;
	}
	d->is_static = false;
	if (f->conf->kind == DISCOVERY_SRV) {
		if (f->conf->shared_key && !d->conf->security.n)
			conf_report_add(r, CONF_ERROR, conf_where(f->conf, "shared_key"),
				"a shared_key needs a <security> section with self_hostname and shared_key");
		return;
	}
	file_changed(f);
	if (!find(f, &f->found, &err))
		conf_report_add(r, CONF_ERROR, conf_where(f->conf, "path"), "service discovery: %s", err.text);
}

struct forward_discovery *forward_discovery_new(const struct forward_out_conf *c, const char *id, struct conf_report *r)
{
	struct forward_discovery *d = mem_zalloc(sizeof *d);
	struct err err;
	d->conf = c;
	d->id = id;
	d->is_static = true;
	d->n = c->discovery.n;
	d->finders = mem_zalloc((d->n ? d->n : 1) * sizeof *d->finders);
	pthread_mutex_init(&d->looking, NULL);
	pthread_mutex_init(&d->lock, NULL);
	for (size_t i = 0; i < d->n; i++) {
		d->finders[i].conf = c->discovery.v[i];
		begin(d, &d->finders[i], r);
	}
	publish(d);
	if (!keys_are_possible(c, forward_nodes_list(d->latest), &err))
		conf_report_add(r, CONF_ERROR, c->common.pos, "%s", err.text);
	return d;
}

void forward_discovery_free(struct forward_discovery *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++)
		forward_list_free(&d->finders[i].found);
	forward_nodes_free(d->latest);
	pthread_mutex_destroy(&d->looking);
	pthread_mutex_destroy(&d->lock);
	mem_free(d->finders);
	mem_free(d);
}
