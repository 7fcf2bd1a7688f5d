/* forward_probe.h: whether a server can be connected to, found out while others get the events. Any thread, one at a time for each. */
#ifndef WEIR_FORWARD_PROBE_H
#define WEIR_FORWARD_PROBE_H

enum probe_state { PROBE_WAITS, PROBE_GOOD, PROBE_BAD };

/* A socket that is being connected, for the caller to close; -1: it cannot be. Waits for nothing but the look-up of the name. */
int forward_probe_start(const char *host, unsigned port);
enum probe_state forward_probe_look(int fd);

#endif
