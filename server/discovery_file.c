#include "discovery_file.h"

#include "base/buf.h"
#include "text_encoding.h"
#include "yaml_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX ((size_t)4 << 20)

/* ---- values ----------------------------------------------------------------------------------------------------------- */

static bool get_text(const json_t *service, const char *key, const char **text, struct err *err)
{
	const json_t *v = json_object_get(service, key);
	if (!v || json_is_null(v))
		return true;
	if (!json_is_string(v))
		return err_set(err, "'%s' is no text", key);
	*text = json_string_value(v);
	return true;
}

/* An integer, or the text of one. */
static bool get_number(
	const json_t *service, const char *key, unsigned min, unsigned max, unsigned *number, struct err *err)
{
	const json_t *v = json_object_get(service, key);
	const char *text = v ? json_string_value(v) : NULL;
	char *end = NULL;
	if (!v || json_is_null(v))
		return true;
	const long long n = text ? strtoll(text, &end, 10) : json_integer_value(v);
	if ((!json_is_integer(v) && (!text || end == text || *end)) || n < min || n > max)
		return err_set(err, "'%s' is no number from %u to %u", key, min, max);
	*number = (unsigned)n;
	return true;
}

static bool get_flag(const json_t *service, const char *key, bool *flag, struct err *err)
{
	const json_t *v = json_object_get(service, key);
	if (v && !json_is_boolean(v) && !json_is_null(v))
		return err_set(err, "'%s' is neither true nor false", key);
	*flag = json_is_true(v);
	return true;
}

static bool add_service(const json_t *service, struct forward_list *out, struct err *err)
{
	struct forward_node node = {.weight = 60, .username = "", .password = ""};
	if (!json_is_object(service))
		return err_set(err, "a server with `host` and `port` is expected");
	if (!get_text(service, "host", &node.host, err) || !get_text(service, "name", &node.name, err) ||
		!get_text(service, "username", &node.username, err) ||
		!get_text(service, "password", &node.password, err) ||
		!get_text(service, "shared_key", &node.shared_key, err) ||
		!get_number(service, "port", 1, 65535, &node.port, err) ||
		!get_number(service, "weight", 0, 1000000, &node.weight, err) ||
		!get_flag(service, "standby", &node.standby, err))
		return false;
	if (!node.host || !*node.host || !node.port)
		return err_set(err, "a server must have `host` and `port`");
	if (!node.name)
		node.name = node.host;
	return forward_list_add(out, &node) || err_set(err, "there are too many servers");
}

/* ---- texts ------------------------------------------------------------------------------------------------------------ */

static json_t *read_json(struct span text, struct err *err)
{
	json_error_t e;
	json_t *list = json_loadb(text.n ? (const char *)text.p : "", text.n, 0, &e);
	if (!list)
		err_set(err, "line %d: JSON: %s", e.line, e.text);
	return list;
}

bool discovery_text_read(struct span text, bool json, struct forward_list *out, struct err *err)
{
	json_t *list = json ? read_json(text, err) : yaml_json_read(text, err);
	bool ok = list != NULL;
	if (ok && !json_is_array(list))
		ok = err_set(err, "a list of servers is expected");
	for (size_t i = 0; ok && i < json_array_size(list); i++)
		if (!add_service(json_array_get(list, i), out, err))
			ok = err_wrap(err, "server %zu of the list", i + 1);
	json_decref(list);
	return ok;
}

static bool read_whole(const char *path, struct buf *out, struct err *err)
{
	FILE *f = fopen(path, "re");
	size_t n = 1;
	if (!f)
		return err_sys(err, errno, "it cannot be opened");
	while (n && buf_reserve(out, 16384)) {
		n = fread(out->p + out->n, 1, 16384, f);
		out->n += n;
	}
	bool failed = ferror(f);
	fclose(f);
	if (failed)
		return err_set(err, "it cannot be read");
	return !out->failed || err_set(err, "it is longer than %zu bytes", FILE_MAX);
}

static bool convert(const char *encoding, struct buf *text, struct err *err)
{
	struct buf converted;
	struct text_encoding *e = text_encoding_new(encoding, err);
	if (!e)
		return err_wrap(err, "conf_encoding");
	buf_init(&converted, 4 * FILE_MAX);
	bool ok = text_encoding_convert(e, buf_span(text), &converted) || err_set(err, "no memory");
	text_encoding_free(e);
	buf_free(text);
	*text = converted;
	return ok;
}

bool discovery_file_read(const char *path, const char *encoding, struct forward_list *out, struct err *err)
{
	const size_t n = strlen(path);
	struct buf text;
	buf_init(&text, FILE_MAX);
	bool ok = read_whole(path, &text, err) && (text_encoding_is_plain(encoding) || convert(encoding, &text, err)) &&
		  discovery_text_read(buf_span(&text), n > 5 && strcmp(path + n - 5, ".json") == 0, out, err);
	buf_free(&text);
	return ok || err_wrap(err, "%s", path);
}
