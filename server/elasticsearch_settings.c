/* elasticsearch_settings.c: the parameters of the Elasticsearch output to the options of the bulk library. */
#include "elasticsearch_conf.h"

#include "base/base64.h"
#include "base/mem.h"
#include "elasticsearch_endpoint.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_LIMIT (64u << 20)

/* Keeps a string until the settings are freed. */
static char *keep(struct elasticsearch_settings *s, char *text)
{
	s->texts = mem_realloc(s->texts, (s->text_count + 1) * sizeof *s->texts);
	s->texts[s->text_count++] = text;
	return text;
}

/* ---- hosts ---------------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* In place: "%{...}" is taken off (fluentd's mark for a value with odd characters), %XX is decoded (RFC 3986, 2.1). */
static char *unescape(char *text)
{
	size_t n = strlen(text);
	if (n >= 3 && text[0] == '%' && text[1] == '{' && text[n - 1] == '}') {
		text[n - 1] = 0;
		memmove(text, text + 2, n - 2);
		return text;
	}
	char *out = text;
	for (char *p = text; *p; p++) {
		if (*p == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
			*out++ = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
			p += 2;
		} else {
			*out++ = *p;
		}
	}
	*out = 0;
	return text;
}

/* "[fd00::1]:9200", "name:9200", "name" -> host and port. */
static bool split_port(char *text, struct bulk_host *h)
{
	char *port = NULL, *end;
	if (*text == '[') {
		char *close = strchr(text, ']');
		if (!close)
			return false;
		*close = 0;
		h->host = text + 1;
		if (close[1] == ':')
			port = close + 2;
		else if (close[1])
			return false;
	} else {
		h->host = text;
		char *colon = strchr(text, ':');
		if (colon && colon == strrchr(text, ':')) {
			*colon = 0;
			port = colon + 1;
		}
	}
	if (port) {
		unsigned long n = strtoul(port, &end, 10);
		if (!*port || *end || n == 0 || n > 65535)
			return false;
		h->port = (unsigned)n;
	}
	return *h->host != 0;
}

static char *without_last_slash(char *path)
{
	size_t n = strlen(path);
	while (n && path[n - 1] == '/')
		path[--n] = 0;
	return path;
}

static bool parse_host(struct elasticsearch_settings *s, const struct elasticsearch_conf *c, const char *entry,
	size_t n, struct bulk_host *h)
{
	char *text = keep(s, mem_strndup(entry, n));
	char *path = keep(
		s, c->path && *c->path ? mem_printf("%s%s", *c->path == '/' ? "" : "/", c->path) : mem_strdup(""));
	*h = (struct bulk_host){
		.scheme = c->scheme ? "https" : "http", .port = (unsigned)c->port, .path = without_last_slash(path)};
	char *rest = strstr(text, "://");
	if (rest) {
		*rest = 0;
		rest += 3;
		if (strcmp(text, "http") != 0 && strcmp(text, "https") != 0)
			return false;
		h->scheme = text;
		char *at = strrchr(rest, '@');
		if (at) {
			*at = 0;
			char *colon = strchr(rest, ':');
			if (!colon)
				return false;
			*colon = 0;
			h->user = unescape(rest);
			h->password = unescape(colon + 1);
			rest = at + 1;
		}
		char *slash = strchr(rest, '/');
		if (slash) {
			h->path = without_last_slash(keep(s, mem_strdup(slash)));
			*slash = 0;
		}
	} else {
		rest = text;
	}
	return split_port(rest, h);
}

/* "name:" and Base64 of "host$elasticsearch_uuid$kibana_uuid": https://www.elastic.co/guide/en/cloud/current/ec-cloud-id.html */
static bool parse_cloud_id(struct elasticsearch_settings *s, const char *cloud_id, struct bulk_host *h)
{
	struct buf plain;
	const char *colon = strchr(cloud_id, ':');
	buf_init(&plain, 4096);
	bool ok = base64_get(&plain, BASE64_STD, span_str(colon ? colon + 1 : cloud_id));
	char *text = ok ? keep(s, buf_take(&plain)) : NULL;
	buf_free(&plain);
	char *first = text ? strchr(text, '$') : NULL;
	if (!first)
		return false;
	*first++ = 0;
	first[strcspn(first, "$")] = 0;
	*h = (struct bulk_host){.scheme = "https", .port = 443, .path = ""};
	char *port = strchr(text, ':');
	if (port) {
		*port++ = 0;
		h->port = (unsigned)strtoul(port, NULL, 10);
	}
	h->host = keep(s, mem_printf("%s.%s", first, text));
	return *first && h->port;
}

/* <endpoint>: one host, at its scheme's own port if its URL says no other. */
static void make_endpoint(struct elasticsearch_settings *s, const struct elasticsearch_conf *c, struct conf_report *r)
{
	const struct endpoint_conf *e = c->endpoint.v[0];
	const char *url = e->url ? e->url : "http://-";
	struct elasticsearch_conf own = {.port = strncmp(url, "https:", 6) == 0 ? 443 : 80};
	s->hosts = mem_array(1, sizeof *s->hosts);
	s->client.host_count = 1;
	if (!parse_host(s, &own, url, strlen(url), &s->hosts[0]))
		conf_report_add(r, CONF_ERROR, conf_where(e, "url"), "'%s' is no URL of a server", url);
	s->hosts[0].user = s->hosts[0].password = NULL;
}

static bool make_hosts(struct elasticsearch_settings *s, const struct elasticsearch_conf *c, struct conf_report *r)
{
	const char *list = c->hosts ? c->hosts : c->host;
	size_t count = 1;
	for (const char *p = list; *p; p++)
		count += *p == ',';
	s->hosts = mem_array(count, sizeof *s->hosts);
	if (c->cloud_id) {
		if (!parse_cloud_id(s, c->cloud_id, &s->hosts[0]))
			conf_report_add(r, CONF_ERROR, conf_where(c, "cloud_id"),
				"cloud_id cannot be read: it is copied from Elastic Cloud's console");
		s->client.host_count = 1;
		return true;
	}
	/* ["a","b"], as YAML's lists come */
	bool json = list[0] == '[' && strchr(list, '"');
	for (const char *p = list; *p;) {
		p += strspn(p, json ? ", \t[\"" : ", \t");
		size_t n = strcspn(p, ",");
		size_t len = n;
		while (len && (isspace((unsigned char)p[len - 1]) || (json && strchr("\"]", p[len - 1]))))
			len--;
		if (len && !parse_host(s, c, p, len, &s->hosts[s->client.host_count++])) {
			conf_report_add(r, CONF_ERROR, conf_where(c, c->hosts ? "hosts" : "host"),
				"'%.*s' is no server: name, name:port or http(s)://user:password@name:port/path",
				(int)len, p);
			return false;
		}
		p += n;
	}
	if (!s->client.host_count)
		conf_report_add(r, CONF_ERROR, conf_where(c, c->hosts ? "hosts" : "host"), "no server is named");
	return true;
}

/* ---- the client --------------------------------------------------------------------------------------------------------- */

static bool curl_version_of(const char *name, long *min, long *max)
{
	static const struct {
		const char *name;
		long min, max;
	} list[] = {
		{"TLSv1_1", CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_MAX_TLSv1_1},
		{"TLSv1_2", CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_2},
		{"TLSv1_3", CURL_SSLVERSION_TLSv1_3, CURL_SSLVERSION_MAX_TLSv1_3},
	};
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		if (strcmp(name[0] == ':' ? name + 1 : name, list[i].name) == 0) {
			*min = list[i].min;
			*max = list[i].max;
			return true;
		}
	}
	return false;
}

/* The value of a variable that is not set is no file. */
static const char *given(const char *path)
{
	return path && *path ? path : NULL;
}

static void make_tls(struct elasticsearch_settings *s, const struct elasticsearch_conf *c, struct conf_report *r)
{
	long unused;
	const struct {
		const char *param, *value;
		long *min, *max;
	} list[] = {
		/* TLSv1_2 alone is what old configurations give to get anything safe at all: it is taken as the oldest, not the only one. */
		{"ssl_version", c->ssl_version, &s->client.ssl_min_version, &unused},
		{"ssl_min_version", c->ssl_min_version, &s->client.ssl_min_version, &unused},
		{"ssl_max_version", c->ssl_max_version, &unused, &s->client.ssl_max_version},
	};
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		if (list[i].value && strcmp(list[i].value, "SSLv23") != 0 && strcmp(list[i].value, "TLSv1") != 0 &&
			!curl_version_of(list[i].value, list[i].min, list[i].max))
			conf_report_add(r, CONF_ERROR, conf_where(c, list[i].param),
				"'%s' is no TLS version: TLSv1_1, TLSv1_2 or TLSv1_3", list[i].value);
	s->client.ssl_verify = c->ssl_verify;
	s->client.ca_file = given(c->ca_file);
	s->client.client_cert = given(c->client_cert);
	s->client.client_key = given(c->client_key);
	s->client.client_key_pass = c->client_key_pass;
	s->client.ciphers = c->ssl_ciphers;
}

static void make_auth(struct elasticsearch_settings *s, const struct elasticsearch_conf *c)
{
	if (c->user && *c->user) {
		s->client.user = unescape(keep(s, mem_strdup(c->user)));
		s->client.password = unescape(keep(s, mem_strdup(c->password ? c->password : "")));
	}
	if (c->cloud_auth) {
		char *user = keep(s, mem_strdup(c->cloud_auth));
		char *colon = strchr(user, ':');
		if (colon) {
			*colon = 0;
			s->client.user = user;
			s->client.password = colon + 1;
		}
	}
	if (c->api_key && strchr(c->api_key, ':')) {
		struct buf b;
		buf_init(&b, 64 << 10);
		buf_put_str(&b, "ApiKey ");
		base64_put(&b, BASE64_STD, span_str(c->api_key));
		s->client.authorization = keep(s, buf_take(&b));
	} else if (c->api_key) {
		s->client.authorization = keep(s, mem_printf("ApiKey %s", c->api_key));
	}
}

static void make_headers(struct elasticsearch_settings *s, const struct elasticsearch_conf *c, struct conf_report *r)
{
	if (!c->custom_headers.n)
		return;
	s->headers = mem_array(c->custom_headers.n + 1, sizeof *s->headers);
	for (size_t i = 0; i < c->custom_headers.n; i++) {
		const struct conf_hash_item *item = &c->custom_headers.v[i];
		if (!*item->key || strpbrk(item->key, "\r\n: ") || (item->value && strpbrk(item->value, "\r\n")))
			conf_report_add(r, CONF_ERROR, conf_where(c, "custom_headers"),
				"custom_headers: a name or value cannot stand in a header");
		s->headers[i] = keep(s, mem_printf("%s: %s", item->key, item->value ? item->value : ""));
	}
	s->client.headers = s->headers;
}

static void make_client(struct elasticsearch_settings *s, const struct elasticsearch_conf *c, struct conf_report *r)
{
	if (c->endpoint.n) {
		make_endpoint(s, c, r);
	} else {
		make_hosts(s, c, r);
		make_auth(s, c);
	}
	make_tls(s, c, r);
	make_headers(s, c, r);
	s->client.hosts = s->hosts;
	s->client.content_type = "application/x-ndjson";
	s->client.request_timeout_ns = c->request_timeout_ns;
	s->client.connect_timeout_ns = c->connect_timeout_ns;
	s->client.resurrect_after_ns = c->resurrect_after_ns;
	s->client.proxy = c->proxy;
	s->client.compression_level = (unsigned)c->compression_level;
	s->client.reply_limit = REPLY_LIMIT;
}

/* ---- documents ------------------------------------------------------------------------------------------------------------ */

static const struct name_template *make_template(struct elasticsearch_settings *s, size_t slot,
	const struct elasticsearch_conf *c, const char *param, const char *text, struct conf_report *r)
{
	struct err err;
	if (c->common.schema == &elasticsearch_dynamic_conf_schema)
		text = keep(s, elasticsearch_dynamic_text(text));
	s->templates[slot] = name_template_compile(text, true, &err);
	if (!s->templates[slot])
		conf_report_add(r, CONF_ERROR, conf_where(c, param), "%s: %s", param, err.text);
	return s->templates[slot];
}

/* Where a placeholder of fluentd's dynamic output ends: the brace that closes it, not one in quotes. */
static const char *dynamic_end(const char *p)
{
	char quote = 0;
	for (; *p; p++) {
		if (quote && *p == quote)
			quote = 0;
		else if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (!quote && *p == '}')
			return p;
	}
	return NULL;
}

static bool put_dynamic(struct buf *out, const char *p, const char *end)
{
	static const char record[] = "record[", time[] = "time.strftime(";
	size_t n = (size_t)(end - p);
	if (n > sizeof record && strncmp(p, record, sizeof record - 1) == 0) {
		buf_put_str(out, "${$");
		for (const char *c = p + sizeof record - 2; c < end; c++)
			buf_put_byte(out, *c == '"' ? '\'' : (uint8_t)*c);
		buf_put_byte(out, '}');
		return true;
	}
	if (n > sizeof time + 2 && strncmp(p, time, sizeof time - 1) == 0 && end[-1] == ')') {
		buf_put(out, p + sizeof time, n - sizeof time - 2);
		return true;
	}
	return false;
}

char *elasticsearch_dynamic_text(const char *text)
{
	struct buf out;
	buf_init(&out, 64 << 10);
	for (const char *p = text, *end; *p;) {
		if (strncmp(p, "${", 2) == 0 && (end = dynamic_end(p)) && put_dynamic(&out, p + 2, end))
			p = end + 1;
		else
			buf_put_byte(&out, (uint8_t)*p++);
	}
	char *made = buf_take(&out);
	buf_free(&out);
	return made ? made : mem_strdup("");
}

static const struct record_path *make_path(struct elasticsearch_settings *s, size_t slot,
	const struct elasticsearch_conf *c, const char *param, const char *text, bool dotted, struct conf_report *r)
{
	struct err err;
	if (!text || !*text)
		return NULL;
	s->paths[slot] = dotted ? record_path_compile_dotted(text, &err) : record_path_compile(text, &err);
	if (!s->paths[slot])
		conf_report_add(r, CONF_ERROR, conf_where(c, param), "%s: %s", param, err.text);
	return s->paths[slot];
}

static void make_remove(struct elasticsearch_settings *s, const struct elasticsearch_conf *c, struct conf_report *r)
{
	struct err err;
	if (!c->remove_keys.n)
		return;
	s->remove = mem_array(c->remove_keys.n + 1, sizeof *s->remove);
	for (size_t i = 0, n = 0; i < c->remove_keys.n; i++) {
		s->remove[n] = record_path_compile(c->remove_keys.v[i], &err);
		if (s->remove[n])
			n++;
		else
			conf_report_add(r, CONF_ERROR, conf_where(c, "remove_keys"), "remove_keys: %s", err.text);
	}
	s->bulk.remove_keys = (const struct record_path *const *)s->remove;
}

/*
 * With ids of our own, `index` and `create` are one: a new document each. create is sent, so that a repetition is seen (409) and does no work. A record's own id
 * (id_key) keeps the operation that was asked for: `index` with it means "overwrite".
 */
static void make_operation(struct elasticsearch_settings *s, const struct elasticsearch_conf *c)
{
	s->bulk.operation = (enum bulk_operation)c->write_operation;
	s->bulk.auto_id = c->document_id == ES_ID_AUTO;
	if (s->bulk.operation == BULK_INDEX && !c->id_key && !s->bulk.auto_id)
		s->bulk.operation = BULK_CREATE;
	s->bulk.drop_missing_id = c->emit_error_for_missing_id || c->write_operation == BULK_UPDATE ||
				  c->write_operation == BULK_UPSERT;
}

static void make_bulk(struct elasticsearch_settings *s, const struct elasticsearch_conf *c, struct conf_report *r)
{
	struct bulk_options *o = &s->bulk;
	o->data_stream = c->data_stream_name != NULL;
	o->logstash_format = c->logstash_format && !o->data_stream;
	if (o->data_stream) {
		o->index = make_template(s, 2, c, "data_stream_name", c->data_stream_name, r);
	} else if (c->logstash_format) {
		o->prefix = make_template(s, 0, c, "logstash_prefix", c->logstash_prefix, r);
		o->separator = c->logstash_prefix_separator ? c->logstash_prefix_separator : "";
		o->date = make_template(s, 1, c, "logstash_dateformat", c->logstash_dateformat, r);
	} else {
		o->index = make_template(s, 2, c, "index_name", c->index_name, r);
	}
	if (c->pipeline && *c->pipeline)
		o->pipeline = make_template(s, 3, c, "pipeline", c->pipeline, r);
	o->utc_index = c->utc_index;
	o->target_index = make_path(s, 0, c, "target_index_key", c->target_index_key,
		c->target_index_key && *c->target_index_key != '$', r);
	o->id_key = make_path(s, 1, c, "id_key", c->id_key, c->id_key && *c->id_key != '$', r);
	o->routing_key = make_path(s, 2, c, "routing_key", c->routing_key, c->routing_key && *c->routing_key != '$', r);
	o->time_key = make_path(s, 3, c, "time_key", c->time_key, false, r);
	o->time_key_format = c->time_key_format;
	o->time_key_exclude_timestamp = c->time_key_exclude_timestamp;
	o->timestamp = c->logstash_format || c->include_timestamp;
	o->time_precision = (unsigned)c->time_precision;
	o->tag_key = c->include_tag_key ? c->tag_key : NULL;
	o->flatten_hashes = c->flatten_hashes;
	o->flatten_separator = c->flatten_hashes_separator;
	o->body_limit = c->request_bytes > 0 ? (size_t)c->request_bytes : 5u << 20;
	o->record_limit = (size_t)c->document_bytes;
	o->max_items = (uint32_t)c->request_events;
	make_remove(s, c, r);
	make_operation(s, c);
	s->type_name = c->suppress_type_name || !c->type_name || !*c->type_name ? NULL : c->type_name;
}

bool elasticsearch_settings_make(
	struct elasticsearch_settings *s, const struct elasticsearch_conf *c, struct conf_report *r)
{
	size_t errors = r->errors;
	*s = (struct elasticsearch_settings){0};
	make_client(s, c, r);
	make_bulk(s, c, r);
	return r->errors == errors;
}

void elasticsearch_settings_free(struct elasticsearch_settings *s)
{
	for (size_t i = 0; i < sizeof s->templates / sizeof *s->templates; i++)
		name_template_free(s->templates[i]);
	for (size_t i = 0; i < sizeof s->paths / sizeof *s->paths; i++)
		record_path_free(s->paths[i]);
	for (size_t i = 0; s->remove && s->remove[i]; i++)
		record_path_free(s->remove[i]);
	for (size_t i = 0; i < s->text_count; i++)
		mem_free_secret(s->texts[i], strlen(s->texts[i]));
	mem_free(s->remove);
	mem_free(s->hosts);
	mem_free(s->texts);
	mem_free(s->headers);
}
