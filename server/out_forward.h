/* out_forward.h: the parameters of <match> @type forward, and what is made from them. */
#ifndef WEIR_OUT_FORWARD_H
#define WEIR_OUT_FORWARD_H

#include "conf/conf_schema.h"
#include "forward_link.h"
#include "forward_nodes.h"

enum { FORWARD_TCP, FORWARD_TLS };
enum { FORWARD_TEXT, FORWARD_GZIP, FORWARD_ZSTD };
enum { FORWARD_BEAT_NONE, FORWARD_BEAT_TRANSPORT, FORWARD_BEAT_TCP, FORWARD_BEAT_UDP };

struct forward_server_conf {
	struct conf_common common;
	char *host, *name, *shared_key, *username, *password;
	int64_t port, weight;
	bool standby;
};

struct forward_out_security_conf {
	struct conf_common common;
	char *self_hostname, *shared_key;
};

enum discovery_kind { DISCOVERY_STATIC, DISCOVERY_FILE, DISCOVERY_SRV };

struct forward_discovery_conf {
	struct conf_common common;
	enum discovery_kind kind;
	char *path, *encoding;								  /* file */
	char *service, *proto, *hostname, *dns_server, *shared_key, *username, *password; /* srv */
	int64_t interval;
	bool dns_lookup;
	struct conf_list services; /* static */
};

struct forward_out_conf {
	struct conf_common common;
	bool require_ack, keepalive, dns_round_robin, time_as_integer;
	int64_t ack_timeout_ns, send_timeout_ns, connect_timeout_ns, recover_wait_ns, hard_timeout_ns,
		keepalive_timeout_ns, heartbeat_interval_ns, phi_threshold;
	int transport, compress, heartbeat;
	bool phi_detector;
	char *tls_version, *tls_ciphers, *tls_client_cert, *tls_client_key, *tls_client_key_pass;
	bool tls_insecure, tls_self_signed, tls_verify_hostname;
	struct conf_array tls_cert_path;
	struct conf_list servers, security, discovery, buffer, secondary;
};

extern const struct conf_schema forward_out_schema;

/* NULL without findings: plain TCP. */
SSL_CTX *forward_out_tls(const struct forward_out_conf *c, struct conf_report *r);

#endif
