#include "elastic_setup.h"

#include "base/log.h"
#include "base/mem.h"
#include "elastic/bulk_reply.h"

#include <pthread.h>
#include <stdatomic.h>

struct step {
	char *what, *look, *put, *body;
	bool overwrite, optional;
};

struct elastic_setup {
	pthread_mutex_t lock; /* of the requests; also of `done` */
	_Atomic bool ready;
	struct step *steps;
	size_t n, done;
};

struct elastic_setup *elastic_setup_new(void)
{
	struct elastic_setup *s = mem_zalloc(sizeof *s);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void elastic_setup_free(struct elastic_setup *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		mem_free(s->steps[i].what);
		mem_free(s->steps[i].look);
		mem_free(s->steps[i].put);
		mem_free(s->steps[i].body);
	}
	mem_free(s->steps);
	pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

void elastic_setup_add(
	struct elastic_setup *s, const char *what, const char *look, const char *put, const char *body, bool overwrite)
{
	s->steps = mem_realloc(s->steps, (s->n + 1) * sizeof *s->steps);
	s->steps[s->n++] = (struct step){
		.what = mem_strdup(what),
		.look = mem_strdup(look ? look : put),
		.put = mem_strdup(put),
		.body = body ? mem_strdup(body) : NULL,
		.overwrite = overwrite,
	};
}

void elastic_setup_add_named(struct elastic_setup *s, const char *kind, const char *place, const char *name,
	const char *body, bool overwrite)
{
	struct buf path;
	buf_init(&path, 8192);
	buf_put_str(&path, place);
	bulk_put_path_segment(&path, span_str(name));
	char *what = mem_printf("%s %s", kind, name);
	elastic_setup_add(s, what, NULL, buf_cstr(&path), body, overwrite);
	mem_free(what);
	buf_free(&path);
}

char *elastic_setup_text(json_t *take_json)
{
	size_t n = json_dumpb(take_json, NULL, 0, JSON_COMPACT);
	char *text = mem_zalloc(n + 1);
	json_dumpb(take_json, text, n, JSON_COMPACT);
	json_decref(take_json);
	return text;
}

void elastic_setup_optional(struct elastic_setup *s)
{
	s->steps[s->n - 1].optional = true;
}

static const char *hint_for(long status, const char *text)
{
	if (status == 401 || status == 403)
		return ": the user lacks the right to manage it; grant it, or put it there by hand";
	if (strstr(text, "no handler found"))
		return ": the server has no such thing; OpenSearch has no _ilm: use @type opensearch_data_stream";
	return "";
}

static enum setup_result judge(const struct step *step, const struct bulk_response *r, struct err *why)
{
	char text[300];
	bulk_error_text(r->body, text, sizeof text);
	err_set(why, "%s cannot be set up: %s answered %ld %s%s", step->what, r->host, r->status, text,
		hint_for(r->status, text));
	return r->status == 408 || r->status == 429 || r->status >= 500 ? SETUP_DOWN : SETUP_REFUSED;
}

static enum setup_result request(struct bulk_client *c, const char *method, const char *path, const char *body,
	struct bulk_response *r, struct err *why)
{
	if (bulk_client_request(c, method, path, "application/json", span_str(body ? body : ""), r, why))
		return SETUP_DONE;
	return r->stopped ? SETUP_STOPPED : SETUP_DOWN;
}

static enum setup_result do_step(const struct step *step, struct bulk_client *c, const char *plugin_id, struct err *why)
{
	struct bulk_response r;
	enum setup_result result;
	if (!step->overwrite) {
		result = request(c, "GET", step->look, NULL, &r, why);
		if (result != SETUP_DONE || (r.status >= 200 && r.status < 300))
			return result;
		if (r.status != 404)
			return judge(step, &r, why);
	}
	result = request(c, "PUT", step->put, step->body, &r, why);
	if (result != SETUP_DONE)
		return result;
	char text[300];
	bulk_error_text(r.body, text, sizeof text);
	bool there = r.status == 400 && strstr(text, "resource_already_exists_exception");
	if (r.status == 400 && step->optional && !there) {
		log_warn(plugin_id, "not set up on the server; its events go on without it", LOG_S("what", step->what),
			LOG_S("error", text));
		return SETUP_DONE;
	}
	if (r.status >= 300 && !there)
		return judge(step, &r, why);
	log_info(plugin_id, "set up on the server", LOG_S("what", step->what), LOG_S("host", r.host));
	return SETUP_DONE;
}

enum setup_result elastic_setup_run(
	struct elastic_setup *s, struct bulk_client *c, const char *plugin_id, struct err *why)
{
	enum setup_result result = SETUP_DONE;
	if (!s || atomic_load_explicit(&s->ready, memory_order_acquire))
		return SETUP_DONE;
	pthread_mutex_lock(&s->lock);
	while (s->done < s->n && result == SETUP_DONE) {
		result = do_step(&s->steps[s->done], c, plugin_id, why);
		s->done += result == SETUP_DONE;
	}
	atomic_store_explicit(&s->ready, s->done == s->n, memory_order_release);
	pthread_mutex_unlock(&s->lock);
	return result;
}
