#include "aws_http.h"

#include <curl/curl.h>

#define CONNECT_MS 2000L
#define WHOLE_MS   10000L

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
	return buf_put(arg, p, size * count) ? size * count : 0;
}

static bool set_up(CURL *e, const struct aws_request *q, struct curl_slist *headers, struct buf *reply, char *error)
{
	const bool post = strcmp(q->method, "POST") == 0;
	return curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_URL, q->url) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "weir/" WEIR_VERSION) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, q->proxy ? q->proxy : "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOPROXY, "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, WHOLE_MS) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, reply) == CURLE_OK &&
	       (post ? curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n) == CURLE_OK &&
				       curl_easy_setopt(e, CURLOPT_POSTFIELDS, (const char *)q->body.p) == CURLE_OK
		     : curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method) == CURLE_OK);
}

bool aws_http(const struct aws_request *q, struct buf *reply, long *status, struct err *err)
{
	char error[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = NULL;
	CURLcode result = CURLE_OUT_OF_MEMORY;
	CURL *e = curl_easy_init();
	bool ok = e != NULL;
	buf_clear(reply);
	for (size_t i = 0; q->headers[i] && ok; i++) {
		struct curl_slist *more = curl_slist_append(headers, q->headers[i]);
		ok = more != NULL;
		headers = ok ? more : headers;
	}
	if (ok && set_up(e, q, headers, reply, error))
		result = curl_easy_perform(e);
	if (result == CURLE_OK)
		curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(e);
	return result == CURLE_OK || err_set(err, "%s: %s", q->url, *error ? error : curl_easy_strerror(result));
}
