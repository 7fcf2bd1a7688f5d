#include "forward_probe.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int forward_probe_start(const char *host, unsigned port, bool udp)
{
	const struct addrinfo hints = {
		.ai_socktype = udp ? SOCK_DGRAM : SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char text[12];
	snprintf(text, sizeof text, "%u", port);
	if (getaddrinfo(host, text, &hints, &list) != 0)
		return -1;
	int fd = socket(list->ai_family, list->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, list->ai_protocol);
	if (fd >= 0 && ((connect(fd, list->ai_addr, list->ai_addrlen) < 0 && errno != EINPROGRESS) ||
			       (udp && send(fd, "", 1, MSG_NOSIGNAL) != 1))) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	return fd;
}

short forward_probe_events(bool udp)
{
	return udp ? POLLIN : POLLOUT;
}

enum probe_state forward_probe_look(int fd)
{
	int type = SOCK_STREAM, code = 0;
	socklen_t len = sizeof type;
	(void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	struct pollfd p = {.fd = fd, .events = forward_probe_events(type == SOCK_DGRAM)};
	if (poll(&p, 1, 0) <= 0)
		return PROBE_WAITS;
	len = sizeof code;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 && code == 0 ? PROBE_GOOD : PROBE_BAD;
}
