/* out_http.h: the parameters of <match> @type http. */
#ifndef WEIR_OUT_HTTP_H
#define WEIR_OUT_HTTP_H

#include "conf/conf_schema.h"

enum { HTTP_AUTH_BASIC, HTTP_AUTH_AWS };

struct auth_conf {
	struct conf_common common;
	int method;
	char *username, *password;		       /* basic */
	char *aws_service, *aws_region, *aws_role_arn; /* aws_sigv4 */
};

struct http_conf {
	struct conf_common common;
	char *endpoint, *content_type, *proxy, *tls_ca, *tls_cert, *tls_key, *tls_key_pass, *tls_version, *tls_ciphers;
	int method, compress, verify_mode;
	bool json_array, reuse, error_unrecoverable;
	bool tls13; /* from tls_version: nothing older is spoken */
	struct conf_hash headers, header_placeholders;
	struct conf_array retryable, allowed_hosts;
	int64_t open_timeout_ns, read_timeout_ns;
	struct conf_list auth, buffer, secondary, format, inject;
};

extern const struct conf_schema http_out_schema;

#endif
