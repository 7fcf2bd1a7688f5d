/*
 * forward_discovery.h: which servers a forward output has at present: those of <server>, and of <service_discovery> what its files and name servers say.
 * Whoever asks looks them up where it is time for that, so nothing is asked while there is nothing to send. Any thread.
 */
#ifndef WEIR_FORWARD_DISCOVERY_H
#define WEIR_FORWARD_DISCOVERY_H

#include "out_forward.h"

struct forward_discovery;

/* Reads files, asks no name server; findings are added. `id`: for the log. Both live as long. */
struct forward_discovery *forward_discovery_new(
	const struct forward_out_conf *c, const char *id, struct conf_report *r);
void forward_discovery_free(struct forward_discovery *d); /* NULL is allowed */

/* The servers as of now, held for the caller. `failed`: none of the latest ones worked, so it may be time already. */
struct forward_nodes *forward_discovery_get(struct forward_discovery *d, bool failed);

/* The latest ones, held for the caller; nothing is looked up. */
struct forward_nodes *forward_discovery_latest(struct forward_discovery *d);

#endif
