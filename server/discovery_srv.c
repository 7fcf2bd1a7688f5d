#include "discovery_srv.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX  65535u
#define RECORDS_MAX 1000
#define WAIT_S	    2 /* for each name server, */
#define TRIES	    2 /* and how often */

struct record {
	unsigned priority, weight, port;
	int place; /* in the answer */
	char target[NS_MAXDNAME];
};

struct lookup {
	const struct discovery_srv *q;
	struct __res_state state;
	uint8_t *answer;
	struct err *err;
};

/* ---- questions -------------------------------------------------------------------------------------------------------- */

/* "host" or "host:port": asked instead of those of resolv.conf. */
static bool use_server(struct __res_state *state, const char *server, struct err *err)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
	const char *colon = strrchr(server, ':');
	struct addrinfo *found = NULL;
	char *host = mem_strndup(server, colon ? (size_t)(colon - server) : strlen(server));
	int rc = getaddrinfo(host, colon ? colon + 1 : "53", &hints, &found);
	mem_free(host);
	if (rc)
		return err_set(err, "dns_server_host %s cannot be resolved: %s", server, gai_strerror(rc));
	memcpy(&state->nsaddr_list[0], found->ai_addr, sizeof state->nsaddr_list[0]);
	state->nscount = 1;
	freeaddrinfo(found);
	return true;
}

/* Bytes of the answer; -1: err. */
static int ask(struct lookup *l, const char *name, int type)
{
	int (*fn)(res_state, const char *, int, int, unsigned char *, int) = l->q->dns_server ? res_nquery
											      : res_nsearch;
	int n = fn(&l->state, name, ns_c_in, type, l->answer, (int)ANSWER_MAX);
	if (n >= 0)
		return n < (int)ANSWER_MAX ? n : (int)ANSWER_MAX;
	const int why = l->state.res_h_errno;
	err_set(l->err, "%s: %s", name,
		why == HOST_NOT_FOUND ? "there is no such name"
		: why == NO_DATA      ? "the name has no such record"
		: why == TRY_AGAIN    ? "no name server answers"
				      : "the name server cannot tell");
	return -1;
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static bool read_srv(const ns_msg *m, const ns_rr *rr, struct record *r)
{
	const uint8_t *p = ns_rr_rdata(*rr);
	if (ns_rr_type(*rr) != ns_t_srv || ns_rr_rdlen(*rr) < 7)
		return false;
	r->priority = ns_get16(p);
	r->weight = ns_get16(p + 2);
	r->port = ns_get16(p + 4);
	/* A target "." says that there is no such service. */
	return dn_expand(ns_msg_base(*m), ns_msg_end(*m), p + 6, r->target, sizeof r->target) > 0 && *r->target &&
	       strcmp(r->target, ".") != 0 && r->port;
}

static int in_order(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x->place - y->place;
}

static bool read_records(struct lookup *l, const char *name, struct record **v, size_t *n)
{
	ns_msg m;
	ns_rr rr;
	const int length = ask(l, name, ns_t_srv);
	if (length < 0)
		return false;
	if (ns_initparse(l->answer, length, &m) < 0)
		return err_set(l->err, "%s: the answer makes no sense", name);
	for (int i = 0; i < ns_msg_count(m, ns_s_an) && *n < RECORDS_MAX; i++) {
		struct record r = {.place = i};
		if (ns_parserr(&m, ns_s_an, i, &rr) < 0)
			return err_set(l->err, "%s: the answer makes no sense", name);
		if (!read_srv(&m, &rr, &r))
			continue;
		*v = mem_realloc(*v, (*n + 1) * sizeof **v);
		(*v)[(*n)++] = r;
	}
	if (!*n)
		return err_set(l->err, "%s: the answer has no server", name);
	qsort(*v, *n, sizeof **v, in_order);
	return true;
}

/* The first address of that family. */
static bool first_address(struct lookup *l, const char *name, bool v6, char text[INET6_ADDRSTRLEN])
{
	const ns_type type = v6 ? ns_t_aaaa : ns_t_a;
	const int length = ask(l, name, (int)type);
	ns_msg m;
	ns_rr rr;
	if (length < 0 || ns_initparse(l->answer, length, &m) < 0)
		return false;
	for (int i = 0; i < ns_msg_count(m, ns_s_an) && ns_parserr(&m, ns_s_an, i, &rr) == 0; i++)
		if (ns_rr_type(rr) == type && ns_rr_rdlen(rr) == (v6 ? 16 : 4))
			return inet_ntop(v6 ? AF_INET6 : AF_INET, ns_rr_rdata(rr), text, INET6_ADDRSTRLEN) != NULL;
	return err_set(l->err, "%s: the name has no address", name);
}

static bool add_server(struct lookup *l, const struct record *r, bool weighted, struct forward_list *out)
{
	char address[INET6_ADDRSTRLEN];
	if (l->q->dns_lookup && !first_address(l, r->target, false, address) &&
		!first_address(l, r->target, true, address))
		return false;
	const struct forward_node node = {
		.name = r->target,
		.host = l->q->dns_lookup ? address : r->target,
		.port = r->port,
		.weight = weighted ? r->weight : 1,
		.shared_key = l->q->shared_key,
		.username = l->q->username,
		.password = l->q->password,
	};
	return forward_list_add(out, &node) || err_set(l->err, "there are too many servers");
}

static bool look_up(struct lookup *l, struct forward_list *out)
{
	const struct discovery_srv *q = l->q;
	char *name = mem_printf("_%s._%s.%s", q->service, q->proto, q->hostname);
	struct record *v = NULL;
	size_t n = 0;
	bool ok = read_records(l, name, &v, &n), weighted = false;
	/* All weights 0: nothing to choose by, so each gets the same. */
	for (size_t i = 0; ok && i < n; i++)
		weighted |= v[i].weight > 0;
	for (size_t i = 0; ok && i < n; i++)
		ok = add_server(l, &v[i], weighted, out);
	mem_free(v);
	mem_free(name);
	return ok;
}

bool discovery_srv_ask(const struct discovery_srv *q, struct forward_list *out, struct err *err)
{
	struct lookup l = {.q = q, .err = err};
	if (res_ninit(&l.state) < 0)
		return err_set(err, "the resolver cannot be set up");
	l.state.retrans = WAIT_S;
	l.state.retry = TRIES;
	l.answer = mem_alloc(ANSWER_MAX);
	bool ok = (!q->dns_server || use_server(&l.state, q->dns_server, err)) && look_up(&l, out);
	mem_free(l.answer);
	res_nclose(&l.state);
	return ok;
}
