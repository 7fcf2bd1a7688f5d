/* peer.h: addresses as text and the other way round. */
#ifndef WEIR_PEER_H
#define WEIR_PEER_H

#include "base/err.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct peer {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t len;
	char ip[48];   /* "10.1.2.3", "fd00::1"; an IPv4-mapped address as IPv4; "unix" for a unix socket */
	char text[72]; /* with the port: "10.1.2.3:4711", "[fd00::1]:4711" */
};

/* Fills ip and text from the address. */
void peer_name(struct peer *p);

/* Whether `bind` means all addresses of the host. */
bool is_everywhere(const char *bind_to);
/* Opens a listening TCP socket (non-blocking, close-on-exec). -1 and err on failure. backlog <= 0: 1024. */
int listen_tcp(const char *bind_to, uint16_t port, int backlog, struct err *err);
/* A UDP socket. */
int bind_udp(const char *bind_to, uint16_t port, struct err *err);
/* A unix stream socket; a socket file that nobody listens on any more is replaced. `mode` of the file: 0 = 0660. */
int listen_unix(const char *path, int backlog, unsigned mode, struct err *err);
/*
 * A reload: with true, what listen_tcp and bind_udp have opened and what is still open is kept open beside, and whoever asks for the same address gets it, once the
 * one who had it has closed his: a listener that is opened anew misses no connection. With false, what nobody has asked for is closed. Main thread.
 */
void hold_sockets(bool hold);
/*
 * The end: no listening TCP socket answers a SYN any more, as if the packet were lost, so that a sender tries again a second later and is refused or served by
 * another. Closing a listener resets who is in its backlog (listen(2)); after this nobody new comes in, and those who have can be accepted. Main thread.
 */
void drop_connection_requests(void);
/* The port that a socket is bound to (for port 0). */
uint16_t bound_port(int fd);

#endif
