/* forward_probe.h: whether a server is there, found out while others get the events. Any thread, one at a time for each. */
#ifndef WEIR_FORWARD_PROBE_H
#define WEIR_FORWARD_PROBE_H

#include <stdbool.h>

enum probe_state { PROBE_WAITS, PROBE_GOOD, PROBE_BAD };

/*
 * A socket on which an answer is awaited, for the caller to close; -1: there is no way there. Over TCP the answer is the connection, over UDP a datagram: fluentd and weir
 * answer one of a NUL byte. Waits for nothing but the look-up of the name.
 */
int forward_probe_start(const char *host, unsigned port, bool udp);
/* What to poll it for until there is something to look at. */
short forward_probe_events(bool udp);
enum probe_state forward_probe_look(int fd);

#endif
