/* elasticsearch_setup.c: from the parameters of the Elasticsearch outputs to what has to be on the server before the first event. */
#include "elasticsearch_conf.h"

#include "base/mem.h"
#include "elasticsearch_rollover.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX_BYTES (16u << 20)

static const char default_policy[] =
	"{\"policy\":{\"phases\":{\"hot\":{\"actions\":{\"rollover\":{\"max_size\":\"50gb\",\"max_age\":\"30d\"}}}}}}";

struct maker {
	struct elastic_setup *setup;
	const struct elasticsearch_conf *c;
	struct conf_report *r;
	bool varies;	/* only the events tell the names of aliases that roll over */
	json_t *common; /* the template that is made one for each of them */
};

/* ---- policies --------------------------------------------------------------------------------------------------------- */

static void add_policy(struct maker *m, const char *param, const char *name, const char *body, bool overwrite)
{
	json_error_t error;
	json_t *json = json_loads(body, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(json))
		conf_report_add(m->r, CONF_ERROR, conf_where(m->c, param), "the policy %s is no JSON object: %s", name,
			error.text);
	else
		elastic_setup_add_named(m->setup, "lifecycle policy", "/_ilm/policy/", name, body, overwrite);
	json_decref(json);
}

static void add_policies(struct maker *m)
{
	const struct elasticsearch_conf *c = m->c;
	for (size_t i = 0; i < c->ilm_policies.n; i++)
		if (c->ilm_policies.v[i].value)
			add_policy(m, "ilm_policies", c->ilm_policies.v[i].key, c->ilm_policies.v[i].value,
				c->ilm_policy_overwrite);
	if (!c->ilm_policies.n)
		add_policy(m, "ilm_policy", c->ilm_policy_id, c->ilm_policy ? c->ilm_policy : default_policy,
			c->ilm_policy_overwrite);
}

/* ---- templates ------------------------------------------------------------------------------------------------------ */

static char *read_file(const char *path, const char *param, struct maker *m)
{
	struct buf out;
	buf_init(&out, FILE_MAX_BYTES);
	FILE *f = fopen(path, "re");
	bool ok = f != NULL;
	while (ok && buf_reserve(&out, 65536)) {
		size_t n = fread(out.p + out.n, 1, 65536, f);
		out.n += n;
		if (n < 65536)
			break;
	}
	if (!f || ferror(f) || out.failed) {
		conf_report_add(m->r, CONF_ERROR, conf_where(m->c, param),
			"If you specify a template_name you must specify a valid template file (checked '%s'): %s",
			path, strerror(errno));
		ok = false;
	}
	if (f)
		(void)fclose(f);
	char *text = ok ? buf_take(&out) : NULL;
	buf_free(&out);
	return text ? text : ok ? mem_strdup("") : NULL;
}

/* Each `key` in the text becomes `value` in small letters, as fluentd has it. */
static char *customize(char *text, const struct conf_hash *by)
{
	for (size_t i = 0; i < by->n; i++) {
		const char *key = by->v[i].key, *value = by->v[i].value ? by->v[i].value : "";
		struct buf out;
		const char *from = text, *at;
		buf_init(&out, FILE_MAX_BYTES);
		while (*key && (at = strstr(from, key))) {
			buf_put(&out, from, (size_t)(at - from));
			for (const char *p = value; *p; p++)
				buf_put_byte(&out, (uint8_t)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
			from = at + strlen(key);
		}
		buf_put_str(&out, from);
		char *now = buf_take(&out);
		buf_free(&out);
		if (now) {
			mem_free(text);
			text = now;
		}
	}
	return text;
}

static void put_template(struct maker *m, const char *name, json_t *json)
{
	if (m->c->enable_ilm && m->varies) {
		json_decref(m->common);
		m->common = json_incref(json);
		return;
	}
	if (m->c->enable_ilm)
		rollover_attach(m->c, m->c->index_name, json);
	char *text = elastic_setup_text(json_incref(json));
	elastic_setup_add_named(m->setup, "index template",
		m->c->use_legacy_template ? "/_template/" : "/_index_template/", name, text, m->c->template_overwrite);
	mem_free(text);
}

/* For who has no template of their own, but a policy that one has to name. */
static void add_default_template(struct maker *m)
{
	char *name = mem_printf("%s_template", m->c->index_name);
	json_t *json = json_object();
	put_template(m, name, json);
	json_decref(json);
	mem_free(name);
}

static void add_template(struct maker *m, const char *name, const char *file, const char *param, bool custom)
{
	json_error_t error;
	char *text = read_file(file, param, m);
	if (!text)
		return;
	if (custom)
		text = customize(text, &m->c->customize_template);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(json))
		conf_report_add(m->r, CONF_ERROR, conf_where(m->c, param), "%s is no JSON object: line %d: %s", file,
			error.line, error.text);
	else
		put_template(m, name, json);
	json_decref(json);
	mem_free(text);
}

static void add_templates(struct maker *m)
{
	const struct elasticsearch_conf *c = m->c;
	if (c->template_name && c->template_file)
		add_template(m, c->template_name, c->template_file, "template_file", true);
	else if (c->template_name || c->template_file)
		conf_report_add(m->r, CONF_ERROR, conf_where(c, c->template_name ? "template_name" : "template_file"),
			"template_name and template_file belong together");
	for (size_t i = 0; i < c->templates.n && !c->template_name; i++)
		if (c->templates.v[i].value)
			add_template(m, c->templates.v[i].key, c->templates.v[i].value, "templates", false);
	if (c->enable_ilm && !c->template_name && !c->templates.n)
		add_default_template(m);
}

/* ---- data streams ----------------------------------------------------------------------------------------------------- */

/* The name with each placeholder as `by`: patterns and names for streams whose names only the events tell. */
static char *without_placeholders(const char *name, const char *by, bool *any)
{
	struct buf out;
	buf_init(&out, 8192);
	*any = false;
	while (*name) {
		size_t n = strncmp(name, "${", 2) == 0 ? strcspn(name, "}") + 1 : *name == '%' && name[1] ? 2 : 0;
		if (n) {
			if (!out.n || !*by || memcmp(out.p + out.n - 1, by, 1) != 0)
				buf_put_str(&out, by);
			*any = true;
			name += n < strlen(name) ? n : strlen(name);
		} else {
			buf_put_byte(&out, (uint8_t)*name++);
		}
	}
	char *text = buf_take(&out);
	buf_free(&out);
	return text ? text : mem_strdup("");
}

/* https://www.elastic.co/guide/en/elasticsearch/reference/8.19/indices-create-data-stream.html: fluentd's words about what is wrong. */
static void check_name(struct maker *m, const char *param, const char *name)
{
	struct conf_pos pos = conf_where(m->c, param);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		conf_report_add(m->r, CONF_ERROR, pos, "'%s' must not be . or ..: <%s>", param, name);
	else if (*name && strchr("-_+.", *name))
		conf_report_add(m->r, CONF_ERROR, pos, "'%s' must not start with -,_,+,.: <%s>", param, name);
	else if (strpbrk(name, "\\/*?\"<>| ,#:"))
		conf_report_add(m->r, CONF_ERROR, pos,
			"'%s' must not contain invalid characters \\,/,*,?,\",<,>,|, ,,,#,:: <%s>", param, name);
	else if (strpbrk(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		conf_report_add(m->r, CONF_ERROR, pos, "'%s' must be lowercase only: <%s>", param, name);
	else if (strlen(name) > 255)
		conf_report_add(m->r, CONF_ERROR, pos, "'%s' must not be longer than 255 bytes: <%s>", param, name);
}

static char *template_body(const struct elasticsearch_conf *c, const char *pattern, const char *policy)
{
	json_t *settings = policy ? json_pack("{s:{s:{s:s}}}", "template", "settings", "index.lifecycle.name", policy)
				  : NULL;
	char *full = mem_printf("%s%s", pattern,
		c->data_stream_wildcard && (!*pattern || pattern[strlen(pattern) - 1] != '*') ? "*" : "");
	json_t *body = json_pack("{s:[s],s:{}}", "index_patterns", full, "data_stream");
	if (settings)
		json_object_update_missing(body, settings);
	json_decref(settings);
	mem_free(full);
	return elastic_setup_text(body);
}

static void add_data_stream(struct maker *m, bool lifecycle)
{
	const struct elasticsearch_conf *c = m->c;
	bool any;
	char *plain = without_placeholders(c->data_stream_name, "any", &any);
	char *pattern = without_placeholders(c->data_stream_name, "*", &any);
	char *policy = c->data_stream_ilm_name ? mem_strdup(c->data_stream_ilm_name) : mem_printf("%s_policy", plain);
	char *template = c->data_stream_template_name ? mem_strdup(c->data_stream_template_name)
						      : mem_printf("%s_template", plain);
	check_name(m, "data_stream_name", plain);
	if (c->data_stream_template_name)
		check_name(m, "data_stream_template_name", template);
	if (lifecycle && c->data_stream_ilm_name)
		check_name(m, "data_stream_ilm_name", policy);
	if (lifecycle)
		add_policy(m, "data_stream_ilm_policy", policy,
			c->data_stream_ilm_policy ? c->data_stream_ilm_policy : default_policy,
			c->data_stream_ilm_policy_overwrite);
	char *body = template_body(c, pattern, lifecycle ? policy : NULL);
	elastic_setup_add_named(m->setup, "index template", "/_index_template/", template, body, false);
	/* Streams whose names the events tell are made by the server, from the template, with their first event. */
	if (!any)
		elastic_setup_add_named(m->setup, "data stream", "/_data_stream/", plain, NULL, false);
	mem_free(plain);
	mem_free(pattern);
	mem_free(policy);
	mem_free(template);
	mem_free(body);
}

struct elastic_setup *elasticsearch_setup_make(
	const struct elasticsearch_conf *c, struct conf_report *r, struct rollover **each)
{
	struct maker m = {.setup = elastic_setup_new(), .c = c, .r = r, .varies = rollover_varies(c)};
	const struct conf_schema *schema = c->common.schema;
	if (c->enable_ilm)
		add_policies(&m);
	add_templates(&m);
	*each = NULL;
	if ((c->enable_ilm || c->rollover_index) && m.varies)
		*each = rollover_new(c, m.common);
	else if (c->enable_ilm || c->rollover_index)
		rollover_add_alias(c, c->index_name, m.setup);
	if (c->data_stream_name)
		add_data_stream(&m, schema == &elasticsearch_data_stream_conf_schema);
	return m.setup;
}
