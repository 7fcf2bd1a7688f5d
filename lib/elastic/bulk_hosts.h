/*
 * bulk_hosts.h: the hosts of a cluster, and which of them is asked next. For bulk_client.c; its own header has what
 * others need.
 *
 * A host is dead after a failure of the connection (not after a bad status: then it lives). It rests 1, 2, 4 ...
 * seconds, up to resurrect_after; then one client asks it with a small request, and only if it answers is it trusted
 * with a batch again.
 */
#ifndef WEIR_ELASTIC_BULK_HOSTS_H
#define WEIR_ELASTIC_BULK_HOSTS_H

#include "elastic/bulk_client.h"

#include <pthread.h>

struct bulk_target {
	char *origin; /* "https://es:9200", for people */
	char *url;    /* origin and path prefix */
	char *user;   /* NULL: no basic authentication */
	char *password;
	/* Under the lock. */
	bool dead;
	bool probing;	    /* a client is asking whether it lives again */
	int64_t dead_since; /* monotonic */
	int64_t retry_at;
	int64_t rest;  /* nanoseconds of the present rest */
	uint64_t turn; /* when it was used last: the least is next */
};

struct bulk_hosts {
	struct bulk_client_options o; /* strings copied */
	struct bulk_target *target;
	size_t n;
	pthread_mutex_t lock; /* of the marked fields, and the next one */
	uint64_t turns;
};

enum bulk_pick {
	BULK_PICK_LIVE,
	BULK_PICK_PROBE, /* its rest is over: ask first; one of the three below must follow */
	BULK_PICK_LAST,	 /* none is alive: the one that has been dead longest */
	BULK_PICK_NONE,	 /* all were tried */
};

/* The next host for a request; tried[i] of those that the request went to already are left out. */
enum bulk_pick bulk_hosts_pick(struct bulk_hosts *h, const bool *tried, size_t *index);

void bulk_hosts_answered(struct bulk_hosts *h, size_t index);
void bulk_hosts_failed(struct bulk_hosts *h, size_t index);
/* The request was given up for a reason that is not the host's. */
void bulk_hosts_undecided(struct bulk_hosts *h, size_t index);

#endif
