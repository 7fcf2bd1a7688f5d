#include "client_list.h"

#include "base/mem.h"
#include "forward/forward_auth.h"

#include <netdb.h>
#include <stddef.h>

struct client_conf {
	struct conf_common common;
	char *host, *network;
};

struct security_conf {
	struct conf_common common;
	struct conf_list clients;
};

struct client_list {
	size_t n;
	struct forward_client v[];
};

static const struct conf_param client_params[] = {
	{.name = "host",
		.type = CONF_STRING,
		.offset = offsetof(struct client_conf, host),
		.help = "The client's name or address; looked up once, at start."},
	{.name = "network",
		.type = CONF_STRING,
		.offset = offsetof(struct client_conf, network),
		.help = "A network of clients: 10.0.0.0/8, fd00::/8."},
	{.name = NULL},
};

static void check_client(void *conf, struct conf_report *r)
{
	const struct client_conf *c = conf;
	if (c->host && c->network)
		conf_report_add(r, CONF_ERROR, c->common.pos, "both of 'host' and 'network' are specified for client");
	if (!c->host && !c->network)
		conf_report_add(
			r, CONF_ERROR, c->common.pos, "Either of 'host' and 'network' must be specified for client");
}

static const struct conf_schema client_schema = {
	.name = "client",
	.title = "client of an input",
	.size = sizeof(struct client_conf),
	.params = client_params,
	.check = check_client,
	.help = "A client or a network that is let in.",
};

static const struct conf_sub subs[] = {
	{.schema = &client_schema, .offset = offsetof(struct security_conf, clients), .required = true, .multi = true},
	{.schema = NULL},
};

const struct conf_schema client_list_schema = {
	.name = "security",
	.title = "security of an input",
	.size = sizeof(struct security_conf),
	.subs = subs,
	.help = "Only peers that a <client> fits are let in.",
};

static bool resolve(const struct client_conf *c, struct forward_client *out, struct conf_report *r)
{
	const char *text = c->network ? c->network : c->host;
	if (!text || forward_client_parse(text, out))
		return text != NULL;
	if (c->network) {
		conf_report_add(
			r, CONF_ERROR, conf_where(c, "network"), "network '%s' address format is invalid", c->network);
		return false;
	}
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int rc = getaddrinfo(c->host, NULL, &hints, &list);
	if (rc) {
		conf_report_add(r, CONF_ERROR, conf_where(c, "host"), "host '%s' cannot be resolved: %s", c->host,
			gai_strerror(rc));
		return false;
	}
	memcpy(&out->net, list->ai_addr, list->ai_addrlen);
	out->prefix = list->ai_family == AF_INET6 ? 128 : 32;
	freeaddrinfo(list);
	return true;
}

struct client_list *client_list_new(const void *security, struct conf_report *report)
{
	const struct security_conf *c = security;
	struct client_list *l = mem_zalloc(sizeof *l + c->clients.n * sizeof l->v[0]);
	bool ok = true;
	for (; l->n < c->clients.n; l->n++)
		ok &= resolve(c->clients.v[l->n], &l->v[l->n], report);
	if (ok)
		return l;
	mem_free(l);
	return NULL;
}

void client_list_free(struct client_list *l)
{
	mem_free(l);
}

static const uint8_t *address(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr
					: (const uint8_t *)&((const struct sockaddr_in *)a)->sin_addr;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	return memcmp(a, b, whole) == 0 && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

bool client_list_has(const struct client_list *l, const struct peer *p)
{
	struct forward_client peer = {0};
	/* Its text, so that an IPv4 address that came mapped into IPv6 is one. */
	if (!forward_client_parse(p->ip, &peer))
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].net.ss_family == peer.net.ss_family &&
			same_prefix(address(&l->v[i].net), address(&peer.net), l->v[i].prefix))
			return true;
	return false;
}
