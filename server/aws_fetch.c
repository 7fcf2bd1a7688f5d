#include "aws_fetch.h"

#include "aws_http.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REPLY_MAX ((size_t)1 << 20)
#define CONTAINER "http://169.254.170.2"
#define INSTANCE  "http://169.254.169.254"
#define FORM	  "application/x-www-form-urlencoded; charset=utf-8"

static const char *given(const char *text)
{
	return text && *text ? text : NULL;
}

static const char *from_env(const char *name)
{
	return given(getenv(name));
}

static bool read_file(const char *path, struct buf *out, struct err *err)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return err_sys(err, errno, "%s cannot be opened", path);
	while (buf_reserve(out, 4096)) {
		const size_t n = fread(out->p + out->n, 1, 4096, f);
		out->n += n;
		if (!n)
			break;
	}
	const bool ok = !ferror(f) && !out->failed;
	fclose(f);
	return ok || err_set(err, "%s cannot be read", path);
}

/* ---- the token service ------------------------------------------------------------------------------------------------ */

static void put_form(struct buf *form, const char *name, struct span value)
{
	buf_printf(form, "%s%s=", form->n ? "&" : "", name);
	sigv4_put_encoded(form, value);
}

static char *sts_url(const struct aws_options *o)
{
	const char *other = from_env("AWS_ENDPOINT_URL_STS");
	if (other)
		return mem_strdup(other);
	return mem_printf(
		"https://sts.%s.amazonaws.com%s/", o->sts_region, strncmp(o->sts_region, "cn-", 3) == 0 ? ".cn" : "");
}

/* `keys`: to sign with; NULL = not signed. */
static bool ask_sts(const struct aws_options *o, const struct sigv4_keys *keys, struct span form, struct aws_found *out,
	struct err *err)
{
	const struct sigv4_signer signer = {.region = o->sts_region, .service = "sts"};
	const char *headers[SIGV4_HEADERS + 2] = {"Content-Type: " FORM};
	struct sigv4_signed sign = {0};
	struct buf reply;
	long status = 0;
	char *url = sts_url(o);
	buf_init(&reply, REPLY_MAX);
	const struct sigv4_request q = {
		.method = "POST", .url = url, .content_type = FORM, .body = form, .time_s = clock_wall_ns() / NS_PER_S};
	bool ok = !keys || sigv4_sign(&signer, keys, &q, &sign, err);
	for (size_t i = 0; i < SIGV4_HEADERS; i++)
		headers[i + 1] = sign.headers[i];
	const struct aws_request r = {
		.method = "POST", .url = url, .headers = headers, .body = form, .proxy = o->proxy};
	ok = ok && aws_http(&r, &reply, &status, err);
	if (ok && !aws_read_xml(buf_span(&reply), out, err))
		ok = err_wrap(err, "%s answered %ld", url, status);
	sigv4_signed_free(&sign);
	buf_free(&reply);
	mem_free(url);
	return ok;
}

static void begin_form(struct buf *form, const char *action, const char *role, const char *session)
{
	buf_init(form, REPLY_MAX);
	put_form(form, "Action", span_str(action));
	put_form(form, "Version", span_str("2011-06-15"));
	put_form(form, "RoleArn", span_str(role));
	put_form(form, "RoleSessionName", span_str(session));
}

static bool by_web_identity(const struct aws_options *o, const char *role, const char *token_file, const char *session,
	struct aws_found *out, struct err *err)
{
	struct buf form, token;
	begin_form(&form, "AssumeRoleWithWebIdentity", role, session);
	buf_init(&token, REPLY_MAX);
	bool ok = read_file(token_file, &token, err);
	while (token.n && strchr(" \r\n", token.p[token.n - 1]))
		token.n--;
	if (ok) {
		put_form(&form, "WebIdentityToken", buf_span(&token));
		ok = ask_sts(o, NULL, buf_span(&form), out, err);
	}
	out->from = "a web identity";
	buf_free(&token);
	buf_free(&form);
	return ok;
}

/* ---- containers and instances ----------------------------------------------------------------------------------------- */

char *aws_container_url(const char *relative_uri)
{
	const char *uri = given(relative_uri) ? relative_uri : from_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	if (uri)
		return mem_printf(CONTAINER "%s%s", *uri == '/' ? "" : "/", uri);
	const char *full = from_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	return full ? mem_strdup(full) : NULL;
}

static bool get(
	const char *url, const char *header, bool json, struct aws_found *out, struct buf *reply, struct err *err)
{
	const char *headers[] = {header, NULL};
	long status = 0;
	bool ok = aws_http(&(struct aws_request){.method = "GET", .url = url, .headers = headers}, reply, &status, err);
	if (ok && status != 200)
		return err_set(err, "%s answered %ld", url, status);
	if (ok && json && !aws_read_json(buf_span(reply), out, err))
		return err_wrap(err, "%s", url);
	return ok;
}

static bool of_container(char *url, struct aws_found *out, struct err *err)
{
	const char *path = from_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
		   *given_token = from_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct buf token, reply;
	buf_init(&token, REPLY_MAX);
	buf_init(&reply, REPLY_MAX);
	bool ok = !path || read_file(path, &token, err);
	char *text = token.n ? buf_take(&token) : NULL;
	const char *value = text ? text : given_token;
	char *header = value ? mem_printf("Authorization: %.*s", (int)strcspn(value, "\r\n"), value) : NULL;
	ok = ok && get(url, header, true, out, &reply, err);
	out->from = "the container";
	mem_free(header);
	mem_free(text);
	buf_free(&token);
	buf_free(&reply);
	mem_free(url);
	return ok;
}

/* A token first (version 2 of the service), then the role's name, then its credentials. */
static bool of_instance(struct aws_found *out, struct err *err)
{
	static const char place[] = "/latest/meta-data/iam/security-credentials/";
	static const char *const ttl[] = {"X-aws-ec2-metadata-token-ttl-seconds: 21600", NULL};
	const char *other = from_env("AWS_EC2_METADATA_SERVICE_ENDPOINT"), *base = other ? other : INSTANCE;
	const int n = (int)strlen(base) - (base[strlen(base) - 1] == '/');
	struct buf reply;
	long status = 0;
	char *url = mem_printf("%.*s/latest/api/token", n, base), *header = NULL;
	buf_init(&reply, REPLY_MAX);
	bool ok = aws_http(&(struct aws_request){.method = "PUT", .url = url, .headers = ttl}, &reply, &status, err);
	if (ok && status == 200)
		header = mem_printf("X-aws-ec2-metadata-token: %s", buf_cstr(&reply));
	mem_free(url);
	url = mem_printf("%.*s%s", n, base, place);
	ok = ok && get(url, header, false, out, &reply, err);
	mem_free(url);
	url = ok ? mem_printf("%.*s%s%.*s", n, base, place, (int)strcspn(buf_cstr(&reply), "\r\n"), buf_cstr(&reply))
		 : NULL;
	ok = ok && get(url, header, true, out, &reply, err);
	out->from = "the instance";
	mem_free(url);
	mem_free(header);
	buf_free(&reply);
	return ok;
}

/* ---- environment and files -------------------------------------------------------------------------------------------- */

static bool give(
	struct aws_found *out, const char *access_key, const char *secret_key, const char *token, const char *from)
{
	*out = (struct aws_found){
		.keys = {mem_strdup(access_key), mem_strdup(secret_key), NULL}, .end_ns = INT64_MAX, .from = from};
	if (token)
		out->keys.session_token = mem_strdup(token);
	return true;
}

/* False with an empty err: there is no such file. */
static bool of_file(struct aws_found *out, struct err *err)
{
	const char *path = from_env("AWS_SHARED_CREDENTIALS_FILE"), *home = from_env("HOME"),
		   *profile = from_env("AWS_PROFILE");
	char *usual = mem_printf("%s/.aws/credentials", home ? home : "");
	struct buf text;
	buf_init(&text, REPLY_MAX);
	bool ok = read_file(path ? path : usual, &text, err) &&
		  aws_read_profile(buf_span(&text), profile ? profile : "default", out, err);
	out->from = "a file";
	mem_free(usual);
	buf_free(&text);
	return ok;
}

static bool fetch_usual(const struct aws_options *o, struct aws_found *out, struct err *err)
{
	const char *access_key = from_env("AWS_ACCESS_KEY_ID"), *secret_key = from_env("AWS_SECRET_ACCESS_KEY");
	const char *token_file = from_env("AWS_WEB_IDENTITY_TOKEN_FILE"), *role = from_env("AWS_ROLE_ARN");
	const char *session = from_env("AWS_ROLE_SESSION_NAME"), *off = from_env("AWS_EC2_METADATA_DISABLED");
	struct err of_instance_err;
	char *container = aws_container_url(o->container_uri);
	if (given(o->container_uri))
		return of_container(container, out, err);
	bool ok = access_key && secret_key &&
		  give(out, access_key, secret_key, from_env("AWS_SESSION_TOKEN"), "the environment");
	if (ok || (token_file && role)) {
		mem_free(container);
		return ok || by_web_identity(o, role, token_file, session ? session : "weir", out, err);
	}
	if (container)
		return of_container(container, out, err);
	if (of_file(out, err))
		return true;
	if (off && strcmp(off, "true") == 0)
		return false;
	return of_instance(out, &of_instance_err) ||
	       err_wrap(err, "neither environment nor container; %.150s", of_instance_err.text);
}

/* ---- all ---------------------------------------------------------------------------------------------------------------- */

static bool by_role(const struct aws_options *o, struct aws_found *out, struct err *err)
{
	struct aws_found own = {0};
	struct buf form;
	if (!fetch_usual(o, &own, err))
		return false;
	begin_form(&form, "AssumeRole", o->role_arn, o->session_name);
	bool ok = ask_sts(o, &own.keys, buf_span(&form), out, err);
	out->from = "a role";
	sigv4_keys_free(&own.keys);
	buf_free(&form);
	return ok;
}

bool aws_fetch(const struct aws_options *o, struct aws_found *out, struct err *err)
{
	*out = (struct aws_found){0};
	if (given(o->access_key) && given(o->secret_key))
		return give(out, o->access_key, o->secret_key, NULL, "the configuration");
	if (given(o->role_arn) && given(o->token_file))
		return by_web_identity(o, o->role_arn, o->token_file, o->session_name, out, err);
	return given(o->role_arn) ? by_role(o, out, err) : fetch_usual(o, out, err);
}
