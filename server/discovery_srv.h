/* discovery_srv.h: servers of a forward output that SRV records name (RFC 2782): <service_discovery> @type srv. Any thread. */
#ifndef WEIR_DISCOVERY_SRV_H
#define WEIR_DISCOVERY_SRV_H

#include "base/err.h"
#include "forward_nodes.h"

struct discovery_srv {
	const char *service, *proto, *hostname;	      /* _SERVICE._PROTO.HOSTNAME */
	const char *dns_server;			      /* "host" or "host:port"; NULL = the system's */
	bool dns_lookup;			      /* servers are called by the first address of their names */
	const char *shared_key, *username, *password; /* of each server */
};

/* Waits for name servers, some seconds where none answers. In the order of priorities; false (err) also where there is no server. */
bool discovery_srv_ask(const struct discovery_srv *q, struct forward_list *out, struct err *err);

#endif
