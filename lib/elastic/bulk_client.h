/*
 * bulk_client.h: HTTP requests to a cluster of hosts, over libcurl with keep-alive.
 *
 * bulk_hosts is shared by all clients of an output: which hosts there are, which are dead and when one is tried
 * again. A bulk_client is a thread's own: one easy handle with its connections.
 */
#ifndef WEIR_ELASTIC_BULK_CLIENT_H
#define WEIR_ELASTIC_BULK_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "http/sigv4.h"

struct bulk_host {
	const char *scheme; /* "http" or "https" */
	const char *host;   /* name or address; an IPv6 address without brackets */
	unsigned port;
	const char *path; /* "" or "/es": no slash at the end */
	const char *user; /* NULL = the cluster's */
	const char *password;
};

struct bulk_client_options {
	const struct bulk_host *hosts;
	size_t host_count;
	const char *user, *password;	   /* basic authentication; NULL = none */
	const char *authorization;	   /* a whole Authorization value (API key, bearer); NULL = none */
	const struct sigv4_signer *signer; /* signs each request instead; must live as long as the hosts; NULL = none */
	const char *const *headers;	   /* "Name: value", NULL-terminated; NULL = none */
	const char *content_type;	   /* of bulk bodies: application/x-ndjson */
	int64_t request_timeout_ns;
	int64_t connect_timeout_ns;
	bool ssl_verify;
	const char *ca_file, *client_cert, *client_key, *client_key_pass; /* PEM files; NULL = none */
	long ssl_min_version, ssl_max_version;				  /* CURL_SSLVERSION_...; 0 = TLS 1.2 and up */
	const char *ciphers;
	const char *proxy;	    /* NULL = none, whatever the environment says */
	unsigned compression_level; /* gzip 1 ... 9; 0 = off */
	size_t reply_limit;	    /* bytes of a reply that are read; a longer one counts as cut */
	int64_t resurrect_after_ns; /* the longest that a dead host rests */
};

struct bulk_hosts;
struct bulk_hosts *bulk_hosts_new(const struct bulk_client_options *o); /* copies what it needs */
void bulk_hosts_free(struct bulk_hosts *h);
/* How many hosts are thought alive. */
size_t bulk_hosts_alive(struct bulk_hosts *h);

struct bulk_client;
/* `stop_fd`: an eventfd or the end of a pipe (-1: none); a request under way is ended when it becomes readable. */
struct bulk_client *bulk_client_new(struct bulk_hosts *h, int stop_fd, struct err *err);
void bulk_client_free(struct bulk_client *c);

struct bulk_response {
	long status;		/* HTTP status; 0: no reply (err says why) */
	struct span body;	/* good until the client's next request */
	bool cut;		/* the reply was over reply_limit */
	int64_t retry_after_ns; /* Retry-After in seconds or as a date, at most 5 minutes; -1 = none */
	const char *host;	/* "https://es:9200" that answered or failed */
	int64_t took_ns;
	bool stopped;	/* ended because stop_fd became readable */
	bool timed_out; /* a host took the request and did not answer in time */
};

/*
 * Sends `method` `path` (with query, beginning with '/') and `body` to one host that is alive, the next one in turn;
 * a host that cannot be connected to, or that breaks the connection, is dead for a while and the next one is tried,
 * until one answers or all have failed. True: there is an HTTP reply, whatever its status. False: none; err tells the
 * last reason. Never follows redirects. content_type NULL is the options' own.
 */
bool bulk_client_request(struct bulk_client *c, const char *method, const char *path, const char *content_type,
	struct span body, struct bulk_response *r, struct err *err);

/* Percent-encodes an index name as one path segment. */
bool bulk_put_path_segment(struct buf *out, struct span name);

#endif
