#include "elasticsearch_rollover.h"

#include "base/mem.h"

#include <string.h>

struct rollover {
	const struct elasticsearch_conf *c;
	json_t *template; /* NULL = none */
};

bool rollover_varies(const struct elasticsearch_conf *c)
{
	return c->logstash_format || c->target_index_key || strpbrk(c->index_name, "$%");
}

/* What an event tells is no part of the names behind an alias, but for the alias itself. */
static const char *application(const struct elasticsearch_conf *c)
{
	return strpbrk(c->application_name, "$%") ? "default" : c->application_name;
}

static void check_varying(const struct elasticsearch_conf *c, struct conf_report *r)
{
	const char *param = c->enable_ilm ? "enable_ilm" : "rollover_index";
	if (c->deflector_alias)
		conf_report_add(r, CONF_ERROR, conf_where(c, "deflector_alias"),
			"deflector_alias names one alias, and there is one for each index name: leave it out");
	if (strchr(c->ilm_policy_id, '$'))
		conf_report_add(r, CONF_ERROR, conf_where(c, "ilm_policy_id"),
			"ilm_policy_id cannot hold placeholders: give what needs another policy a <match> of its own");
	for (size_t i = 0; i < c->customize_template.n; i++)
		if (c->customize_template.v[i].value && strstr(c->customize_template.v[i].value, "${"))
			conf_report_add(r, CONF_WARNING, conf_where(c, "customize_template"),
				"placeholders in customize_template are not resolved: '%s' becomes '%s' as it stands "
				"here, but for the template's index_patterns and rollover_alias, which weir writes for "
				"each index name",
				c->customize_template.v[i].key, c->customize_template.v[i].value);
	if (c->templates.n && c->enable_ilm)
		conf_report_add(r, CONF_ERROR, conf_where(c, "templates"),
			"with %s and an alias for each index name there is one template for all: give it by "
			"template_name and template_file",
			param);
	if (application(c) != c->application_name)
		conf_report_add(r, CONF_WARNING, conf_where(c, "application_name"),
			"application_name cannot hold placeholders: indices behind aliases are called "
			"INDEX%sdefault%s... instead; events and searches name the aliases",
			c->index_separator, c->index_separator);
}

void rollover_check(const struct elasticsearch_conf *c, struct conf_report *r)
{
	const char *param = c->enable_ilm ? "enable_ilm" : "rollover_index";
	if (!c->enable_ilm && !c->rollover_index)
		return;
	if (c->data_stream_name)
		conf_report_add(
			r, CONF_ERROR, conf_where(c, param), "a data stream rolls over by itself: leave %s out", param);
	else if (rollover_varies(c))
		check_varying(c, r);
}

/* ---- one name ------------------------------------------------------------------------------------------------------- */

static const char *alias_of(const struct elasticsearch_conf *c, const char *name)
{
	return c->rollover_index && c->deflector_alias ? c->deflector_alias : name;
}

/* INDEX-APPLICATION, which the names of the indices behind the alias begin with. */
static char *prefix_of(const struct elasticsearch_conf *c, const char *name)
{
	return mem_printf("%s%s%s", name, c->index_separator, application(c));
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;
	for (; *part && (text = strstr(text, part)) != NULL; text += strlen(part))
		n++;
	return n;
}

/* Of two patterns that fit, the one with more parts counts, as in fluentd. */
static void set_rank(const struct elasticsearch_conf *c, const char *name, json_t *template)
{
	const char *key = c->use_legacy_template ? "order" : "priority";
	const json_t *given = json_object_get(template, key);
	json_int_t rank = json_is_integer(given) ? json_integer_value(given) : c->use_legacy_template ? 50 : 100;
	json_object_set_new(template, key, json_integer(rank + 1 + (json_int_t)count_of(name, c->index_separator)));
}

void rollover_attach(const struct elasticsearch_conf *c, const char *name, json_t *template)
{
	json_t *top = template, *settings;
	if (!c->use_legacy_template) {
		if (!json_is_object(json_object_get(template, "template")))
			json_object_set_new(template, "template", json_object());
		top = json_object_get(template, "template");
	}
	if (!json_is_object(json_object_get(top, "settings")))
		json_object_set_new(top, "settings", json_object());
	settings = json_object_get(top, "settings");
	/* The same settings may be there in their nested form. */
	json_t *nested = json_object_get(json_object_get(settings, "index"), "lifecycle");
	json_object_del(nested, "name");
	json_object_del(nested, "rollover_alias");
	json_object_set_new(settings, "index.lifecycle.name", json_string(c->ilm_policy_id));
	json_object_set_new(settings, "index.lifecycle.rollover_alias", json_string(alias_of(c, name)));
	char *prefix = prefix_of(c, name), *pattern = mem_printf("%s%s*", prefix, c->index_separator);
	json_object_set_new(template, "index_patterns", json_pack("[s]", pattern));
	set_rank(c, name, template);
	mem_free(pattern);
	mem_free(prefix);
}

/* With date math of the server, unless the name has a date already, or what would be taken for date math. */
static char *first_index(const struct elasticsearch_conf *c, const char *name)
{
	const char *pattern = c->index_date_pattern, *mark = c->index_separator;
	char *prefix = prefix_of(c, name);
	char *index = *pattern && !c->logstash_format && !strpbrk(name, "{}")
			      ? mem_printf("<%s%s{%s}%s000001>", prefix, mark, pattern, mark)
			      : mem_printf("%s%s000001", prefix, mark);
	mem_free(prefix);
	return index;
}

/* https://www.elastic.co/guide/en/elasticsearch/reference/8.19/getting-started-index-lifecycle-management.html */
void rollover_add_alias(const struct elasticsearch_conf *c, const char *name, struct elastic_setup *s)
{
	struct buf look, put;
	const char *alias = alias_of(c, name);
	char *what = mem_printf("alias %s", alias), *index = first_index(c, name);
	char *body = elastic_setup_text(json_pack("{s:{s:{s:b}}}", "aliases", alias, "is_write_index", 1));
	buf_init(&look, 8192);
	buf_init(&put, 8192);
	buf_put_str(&look, "/_alias/");
	bulk_put_path_segment(&look, span_str(alias));
	buf_put_str(&put, "/");
	bulk_put_path_segment(&put, span_str(index));
	elastic_setup_add(s, what, buf_cstr(&look), buf_cstr(&put), body, false);
	buf_free(&look);
	buf_free(&put);
	mem_free(body);
	mem_free(index);
	mem_free(what);
}

/* ---- each name ------------------------------------------------------------------------------------------------------ */

struct rollover *rollover_new(const struct elasticsearch_conf *c, json_t *take_template)
{
	struct rollover *r = mem_zalloc(sizeof *r);
	*r = (struct rollover){c, take_template};
	return r;
}

void rollover_free(struct rollover *r)
{
	if (!r)
		return;
	json_decref(r->template);
	mem_free(r);
}

struct elastic_setup *rollover_setup(const struct rollover *r, struct span name)
{
	struct elastic_setup *s = elastic_setup_new();
	char *text = mem_strndup(name.n ? (const char *)name.p : "", name.n);
	if (r->template) {
		json_t *template = json_deep_copy(r->template);
		rollover_attach(r->c, text, template);
		char *body = elastic_setup_text(template);
		elastic_setup_add_named(s, "index template",
			r->c->use_legacy_template ? "/_template/" : "/_index_template/", text, body,
			r->c->template_overwrite);
		mem_free(body);
	}
	/* A name that an index has already, or that is too long for one more part, is written to as it is. */
	rollover_add_alias(r->c, text, s);
	elastic_setup_optional(s);
	mem_free(text);
	return s;
}
