#include "peer.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 1024

void peer_name(struct peer *p)
{
	switch (p->sa.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &p->in.sin_addr, p->ip, sizeof p->ip);
		snprintf(p->text, sizeof p->text, "%s:%u", p->ip, ntohs(p->in.sin_port));
		return;
	case AF_INET6:
		if (IN6_IS_ADDR_V4MAPPED(&p->in6.sin6_addr)) {
			inet_ntop(AF_INET, p->in6.sin6_addr.s6_addr + 12, p->ip, sizeof p->ip);
			snprintf(p->text, sizeof p->text, "%s:%u", p->ip, ntohs(p->in6.sin6_port));
		} else {
			inet_ntop(AF_INET6, &p->in6.sin6_addr, p->ip, sizeof p->ip);
			snprintf(p->text, sizeof p->text, "[%s]:%u", p->ip, ntohs(p->in6.sin6_port));
		}
		return;
	default:
		snprintf(p->ip, sizeof p->ip, "unix");
		snprintf(p->text, sizeof p->text, "unix");
	}
}

/* ---- sockets that outlive their listener -------------------------------------------------------------------------------- */

/* Addresses that were asked for, and while a reload is under way a second descriptor of each one's socket. */
struct place {
	char *bind_to;
	uint16_t port;
	int type;
	int fd;	  /* as it was given out; may have been closed since */
	int held; /* -1 = none */
};

static struct place *places;
static size_t place_count;

static struct place *find_place(const char *bind_to, uint16_t port, int type)
{
	for (size_t i = 0; i < place_count; i++)
		if (places[i].port == port && places[i].type == type && strcmp(places[i].bind_to, bind_to) == 0)
			return &places[i];
	return NULL;
}

static void remember_place(const char *bind_to, uint16_t port, int type, int fd)
{
	if (!port)
		port = bound_port(fd);
	struct place *p = find_place(bind_to, port, type);
	if (!p) {
		places = mem_realloc(places, (place_count + 1) * sizeof *places);
		p = &places[place_count++];
		*p = (struct place){mem_strdup(bind_to), port, type, fd, -1};
	}
	p->fd = fd;
}

/* Whether the descriptor is still a socket of that kind at that port. */
static bool is_open(const struct place *p)
{
	int type = 0;
	socklen_t len = sizeof type;
	return getsockopt(p->fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == p->type &&
	       bound_port(p->fd) == p->port;
}

void hold_sockets(bool hold)
{
	for (size_t i = 0; i < place_count; i++) {
		struct place *p = &places[i];
		if (p->held >= 0)
			close(p->held);
		p->held = hold && is_open(p) ? fcntl(p->fd, F_DUPFD_CLOEXEC, 0) : -1;
	}
}

void drop_connection_requests(void)
{
	/* A filter of a TCP socket begins at the TCP header (RFC 9293, 3.1): byte 13 has the flags, 0x02 is SYN, 0x10 is ACK. */
	static struct sock_filter no_syn[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog filter = {.len = sizeof no_syn / sizeof *no_syn, .filter = no_syn};
	for (size_t i = 0; i < place_count; i++)
		if (places[i].type == SOCK_STREAM && is_open(&places[i]))
			/* Best effort: without it, a sender that connects in this moment may see a reset. */
			(void)setsockopt(places[i].fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

/* Whether the one who was given the socket still has it: then its address is taken. */
static bool is_in_use(const struct place *p)
{
	struct stat given, held;
	return fstat(p->fd, &given) == 0 && fstat(p->held, &held) == 0 && given.st_ino == held.st_ino &&
	       given.st_dev == held.st_dev;
}

static int take_held(const char *bind_to, uint16_t port, int type)
{
	struct place *p = find_place(bind_to, port, type);
	if (!p || p->held < 0 || is_in_use(p))
		return -1;
	p->fd = p->held;
	p->held = -1;
	return p->fd;
}

static int open_bound(const char *bind_to, uint16_t port, int type, struct err *err)
{
	char service[8];
	int taken = take_held(bind_to ? bind_to : "", port, type);
	if (taken >= 0)
		return taken;
	struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list, *a;
	snprintf(service, sizeof service, "%u", port);
	int rc = getaddrinfo(bind_to && *bind_to ? bind_to : NULL, service, &hints, &list);
	if (rc) {
		err_set(err, "cannot listen on %s port %u: %s", bind_to, port, gai_strerror(rc));
		return -1;
	}
	int fd = -1, error = EADDRNOTAVAIL, on = 1;
	for (a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0) {
			error = errno;
			continue;
		}
		if (type == SOCK_STREAM) /* of UDP it would let others in beside */
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (bind(fd, a->ai_addr, a->ai_addrlen) < 0) {
			error = errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		err_sys(err, error, "cannot listen on %s port %u", bind_to, port);
	else
		remember_place(bind_to ? bind_to : "", port, type, fd);
	return fd;
}

static int begin_listening(int fd, int backlog, const char *what, struct err *err)
{
	if (listen(fd, backlog > 0 ? backlog : BACKLOG) == 0)
		return fd;
	err_sys(err, errno, "cannot listen on %s", what);
	close(fd);
	return -1;
}

int listen_tcp(const char *bind_to, uint16_t port, int backlog, struct err *err)
{
	int fd = open_bound(bind_to, port, SOCK_STREAM, err);
	return fd < 0 ? fd : begin_listening(fd, backlog, bind_to, err);
}

bool is_everywhere(const char *bind_to)
{
	struct in_addr four;
	struct in6_addr six;
	if (inet_pton(AF_INET, bind_to, &four) == 1)
		return four.s_addr == htonl(INADDR_ANY);
	return inet_pton(AF_INET6, bind_to, &six) == 1 && IN6_IS_ADDR_UNSPECIFIED(&six);
}

int bind_udp(const char *bind_to, uint16_t port, struct err *err)
{
	return open_bound(bind_to, port, SOCK_DGRAM, err);
}

int listen_unix(const char *path, int backlog, unsigned mode, struct err *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof a.sun_path) {
		err_set(err, "cannot listen on %s: the path of a unix socket has at most %zu bytes", path,
			sizeof a.sun_path - 1);
		return -1;
	}
	memcpy(a.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err_sys(err, errno, "cannot listen on %s", path);
		return -1;
	}
	/* A socket file outlives its process. It is in use only if somebody answers. */
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 && errno == ECONNREFUSED)
			unlink(path);
	}
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || chmod(path, mode ? mode : 0660) < 0) {
		err_sys(err, errno, "cannot listen on %s", path);
		close(fd);
		return -1;
	}
	return begin_listening(fd, backlog, path, err);
}

uint16_t bound_port(int fd)
{
	struct peer p = {.len = sizeof p.in6};
	if (getsockname(fd, &p.sa, &p.len) < 0)
		return 0;
	return ntohs(p.sa.sa_family == AF_INET6 ? p.in6.sin6_port : p.in.sin_port);
}
