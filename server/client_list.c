#include "client_list.h"

#include "base/mem.h"

#include <netdb.h>
#include <stddef.h>

struct client_conf {
	struct conf_common common;
	char *host, *network;
	struct listen_limits_conf limits;
};

struct security_conf {
	struct conf_common common;
	struct conf_list clients;
	struct listen_limits_conf limits;
};

struct client_list {
	struct forward_security security; /* only its clients count here */
	struct forward_client *clients;
	struct client_limits *limits; /* of each */
	struct client_limits everybody;
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
	LISTEN_LIMITS(struct client_conf, "Default: as <security> says."),
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
	{.schema = &client_schema, .offset = offsetof(struct security_conf, clients), .multi = true},
	{.schema = NULL},
};

static const struct conf_param params[] = {
	LISTEN_LIMITS(struct security_conf, "Default: any number."),
	{.name = NULL},
};

/* fluentd wants a <client>; where there are limits, it may be missing. */
static void check(void *conf, struct conf_report *r)
{
	const struct security_conf *c = conf;
	if (!c->clients.n && c->limits.connections == CONF_NIL_INT && c->limits.events_per_s == CONF_NIL_INT &&
		c->limits.bytes_per_s == CONF_NIL_INT)
		conf_report_add(r, CONF_ERROR, c->common.pos, "'<client>' sections are required in <security>");
}

const struct conf_schema client_list_schema = {
	.name = "security",
	.title = "security of an input",
	.size = sizeof(struct security_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Who is let in, and how much of each is taken. With <client> sections, only peers that one of them "
		"fits; the first one "
		"counts.",
};

bool client_look_up(
	const char *host, const char *network, const void *section, struct forward_client *out, struct conf_report *r)
{
	const char *text = network ? network : host;
	if (!text || forward_client_parse(text, out))
		return text != NULL;
	if (network) {
		conf_report_add(r, CONF_ERROR, conf_where(section, "network"),
			"network '%s' address format is invalid: write it as 10.0.0.0/8 or fd00::/8", network);
		return false;
	}
	if (r->contacts_nobody)
		return true;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int rc = getaddrinfo(host, NULL, &hints, &list);
	if (rc) {
		conf_report_add(r, CONF_ERROR, conf_where(section, "host"), "host '%s' cannot be resolved: %s", host,
			gai_strerror(rc));
		return false;
	}
	memcpy(&out->net, list->ai_addr, list->ai_addrlen);
	out->prefix = list->ai_family == AF_INET6 ? 128 : 32;
	freeaddrinfo(list);
	return true;
}

struct client_limits client_limits_of(const struct listen_limits_conf *c, const struct client_limits *otherwise)
{
	struct client_limits l = *otherwise;
	if (c->connections != CONF_NIL_INT)
		l.connections = (unsigned)c->connections;
	if (c->events_per_s != CONF_NIL_INT)
		l.events_per_s = (uint64_t)c->events_per_s;
	if (c->bytes_per_s != CONF_NIL_INT)
		l.bytes_per_s = (uint64_t)c->bytes_per_s;
	return l;
}

struct client_list *client_list_new(const void *security, struct conf_report *report)
{
	static const struct client_limits none;
	const struct security_conf *c = security;
	struct client_list *l = mem_zalloc(sizeof *l);
	bool ok = true;
	l->everybody = client_limits_of(&c->limits, &none);
	l->clients = mem_array(c->clients.n, sizeof *l->clients);
	l->limits = mem_array(c->clients.n, sizeof *l->limits);
	for (size_t i = 0; i < c->clients.n; i++) {
		const struct client_conf *client = c->clients.v[i];
		l->clients[i] = (struct forward_client){0};
		l->limits[i] = client_limits_of(&client->limits, &l->everybody);
		ok &= client_look_up(client->host, client->network, client, &l->clients[i], report);
	}
	l->security.clients = l->clients;
	l->security.client_count = c->clients.n;
	if (ok)
		return l;
	client_list_free(l);
	return NULL;
}

void client_list_free(struct client_list *l)
{
	if (!l)
		return;
	mem_free(l->clients);
	mem_free(l->limits);
	mem_free(l);
}

bool client_list_lets_all(const struct conf_list *security)
{
	return !security->n || !((const struct security_conf *)security->v[0])->clients.n;
}

const struct client_limits *client_list_find(const struct client_list *l, const struct peer *p)
{
	if (!l->security.client_count)
		return &l->everybody;
	const struct forward_client *c = forward_find_client(&l->security, &p->sa, NULL, NULL);
	return c ? &l->limits[c - l->clients] : NULL;
}
