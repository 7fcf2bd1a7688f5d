/* aws_read.c: the answers and files that AWS credentials come in. */
#include "aws_fetch.h"

#include "base/clock.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

/* "2026-08-07T12:00:00Z", perhaps with a fraction. */
static int64_t end_of(const char *text)
{
	struct tm tm = {0};
	return text && strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) * NS_PER_S : INT64_MAX;
}

/* Takes the texts over. */
static bool fill(struct aws_found *out, char *access_key, char *secret_key, char *token, struct err *err)
{
	out->keys = (struct sigv4_keys){access_key, secret_key, token};
	if (access_key && *access_key && secret_key && *secret_key)
		return true;
	sigv4_keys_free(&out->keys);
	return err_set(err, "the answer has no credentials");
}

static char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? mem_strdup(text) : NULL;
}

bool aws_read_json(struct span text, struct aws_found *out, struct err *err)
{
	json_error_t e;
	json_t *o = json_loadb((const char *)text.p, text.n, 0, &e);
	if (!o)
		return err_set(err, "the answer is no JSON: %s", e.text);
	out->end_ns = end_of(json_string_value(json_object_get(o, "Expiration")));
	const bool ok = fill(out, text_of(o, "AccessKeyId"), text_of(o, "SecretAccessKey"), text_of(o, "Token"), err);
	json_decref(o);
	return ok;
}

/* What stands between <name> and </name>; there are no attributes, and nothing in these values is escaped. */
static char *element(struct span text, const char *name)
{
	char tag[64];
	int n = snprintf(tag, sizeof tag, "<%s>", name);
	const char *from = memmem(text.p, text.n, tag, (size_t)n);
	if (!from)
		return NULL;
	from += n;
	const size_t left = (size_t)((const char *)text.p + text.n - from);
	n = snprintf(tag, sizeof tag, "</%s>", name);
	const char *to = memmem(from, left, tag, (size_t)n);
	return to ? mem_strndup(from, (size_t)(to - from)) : NULL;
}

bool aws_read_xml(struct span text, struct aws_found *out, struct err *err)
{
	char *end = element(text, "Expiration"), *why = element(text, "Message");
	out->end_ns = end_of(end);
	bool ok = fill(out, element(text, "AccessKeyId"), element(text, "SecretAccessKey"),
		element(text, "SessionToken"), err);
	if (!ok && why)
		err_set(err, "%.200s", why);
	mem_free(end);
	mem_free(why);
	return ok;
}

/* "name = value" with that name: the value. */
static char *assigned(struct span line, const char *name)
{
	const size_t n = strlen(name);
	size_t at = n, end = line.n;
	if (line.n < n || memcmp(line.p, name, n) != 0)
		return NULL;
	while (at < end && (line.p[at] == ' ' || line.p[at] == '\t'))
		at++;
	if (at == end || line.p[at++] != '=')
		return NULL;
	while (at < end && (line.p[at] == ' ' || line.p[at] == '\t'))
		at++;
	while (end > at && strchr(" \t\r", line.p[end - 1]))
		end--;
	return mem_strndup(line.p + at, end - at);
}

bool aws_read_profile(struct span text, const char *profile, struct aws_found *out, struct err *err)
{
	static const char *const names[] = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"};
	char *values[3] = {0};
	const uint8_t *p = text.p, *end = p + text.n;
	const size_t n = strlen(profile);
	bool here = false;
	while (p < end) {
		const uint8_t *to = memchr(p, '\n', (size_t)(end - p));
		const struct span line = span_of(p, (size_t)((to ? to : end) - p));
		p = to ? to + 1 : end;
		if (line.n && *line.p == '[')
			here = line.n >= n + 2 && memcmp(line.p + 1, profile, n) == 0 && line.p[n + 1] == ']';
		for (size_t i = 0; here && i < 3; i++)
			if (!values[i])
				values[i] = assigned(line, names[i]);
	}
	out->end_ns = INT64_MAX;
	return fill(out, values[0], values[1], values[2], err) ||
	       err_set(err, "the profile %s has no credentials", profile);
}
