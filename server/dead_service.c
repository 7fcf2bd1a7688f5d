#include "dead_service.h"

#include "base/log.h"
#include "base/mem.h"
#include "dead_request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	REQUEST_MAX = 65536,
	ARGS_MAX = 64,
	SECONDS = 5, /* for a request to arrive, or a reply to be taken */
};

struct dead_service {
	struct dead_letters *dead;
	struct pipeline *pipeline;
	char *socket_path;
	int listen_fd, stop_fd;
	pthread_t thread;
};

/* A folder's path may be longer than a socket's may be; through a descriptor it never is. */
static int socket_in(int dir, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/control", dir);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static bool put_all(int fd, const void *p, size_t n)
{
	for (const uint8_t *q = p; n;) {
		ssize_t k = send(fd, q, n, MSG_NOSIGNAL);
		if (k <= 0)
			return false;
		q += k;
		n -= (size_t)k;
	}
	return true;
}

static void get_all(int fd, struct buf *in)
{
	char part[4096];
	ssize_t k;
	while ((k = recv(fd, part, sizeof part, 0)) > 0 && buf_put(in, part, (size_t)k))
		;
}

/* ---- the serving side ------------------------------------------------------------------------------------------------ */

static int split(struct buf *in, char **argv)
{
	int argc = 0;
	if (in->failed || !in->n || in->p[in->n - 1])
		return 0;
	for (char *p = (char *)in->p, *end = p + in->n; p < end && argc < ARGS_MAX; p += strlen(p) + 1)
		argv[argc++] = p;
	return argc;
}

static bool run(struct dead_service *s, struct buf *in, struct buf *out)
{
	char *argv[ARGS_MAX];
	struct dead_request rq;
	struct dead_outputs outputs = {.pipeline = s->pipeline};
	struct err err;
	int argc = split(in, argv);
	bool ok = dead_request_parse(&rq, argc, argv, &err);
	if (!ok)
		buf_printf(out, "%s\n", err.text);
	else if (strcmp(rq.verb, "replay") != 0 && strcmp(rq.verb, "drop") != 0)
		ok = buf_printf(out, "only replay and drop are served\n") && false;
	else
		ok = dead_request_run(&rq, dead_letters_buffer(s->dead), &outputs, out);
	if (ok)
		log_info(NULL, "weir deadletter", LOG_S("verb", rq.verb),
			LOG_B("result", span_of(out->p, strcspn(buf_cstr(out), "\n"))));
	dead_request_free(&rq);
	return ok;
}

static void serve(struct dead_service *s, int fd)
{
	const struct timeval limit = {.tv_sec = SECONDS};
	struct buf in, out;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	buf_init(&in, REQUEST_MAX);
	buf_init(&out, REQUEST_MAX);
	get_all(fd, &in);
	const char *status = run(s, &in, &out) ? "0\n" : "1\n";
	if (!put_all(fd, status, strlen(status)) || !put_all(fd, out.p, out.n))
		log_debug(NULL, "weir deadletter has not waited for its answer");
	buf_free(&in);
	buf_free(&out);
}

static void *service_main(void *arg)
{
	struct dead_service *s = arg;
	struct pollfd wait[] = {{.fd = s->listen_fd, .events = POLLIN}, {.fd = s->stop_fd, .events = POLLIN}};
	while (poll(wait, 2, -1) >= 0 || errno == EINTR) {
		if (wait[1].revents)
			break;
		int fd = wait[0].revents ? accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (fd < 0)
			continue;
		serve(s, fd);
		close(fd);
	}
	return NULL;
}

static bool listen_in(struct dead_service *s, const char *path, struct err *err)
{
	struct sockaddr_un a;
	int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, errno, "cannot open %s", path);
	s->listen_fd = socket_in(dir, &a);
	(void)unlink(s->socket_path); /* of a weir that was killed: the folder's lock is ours */
	bool ok = s->listen_fd >= 0 && bind(s->listen_fd, (struct sockaddr *)&a, sizeof a) == 0 &&
		  listen(s->listen_fd, 4) == 0;
	if (!ok)
		err_sys(err, errno, "cannot listen on %s", s->socket_path);
	close(dir);
	return ok;
}

static void service_free(struct dead_service *s)
{
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	(void)unlink(s->socket_path);
	mem_free(s->socket_path);
	mem_free(s);
}

struct dead_service *dead_service_start(
	const char *path, struct dead_letters *dead, struct pipeline *pipeline, struct err *err)
{
	struct dead_service *s = mem_zalloc(sizeof *s);
	s->dead = dead;
	s->pipeline = pipeline;
	s->listen_fd = -1;
	s->socket_path = mem_printf("%s/control", path);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	bool ok = s->stop_fd >= 0 ? listen_in(s, path, err) : err_sys(err, errno, "no descriptor");
	int code = ok ? pthread_create(&s->thread, NULL, service_main, s) : 0;
	if (code)
		ok = err_sys(err, code, "cannot start a thread");
	if (ok) {
		pthread_setname_np(s->thread, "deadletter");
		return s;
	}
	service_free(s);
	return NULL;
}

void dead_service_stop(struct dead_service *s)
{
	const uint64_t one = 1;
	if (!s)
		return;
	if (write(s->stop_fd, &one, sizeof one) == sizeof one)
		pthread_join(s->thread, NULL);
	service_free(s);
}

/* ---- the asking side ------------------------------------------------------------------------------------------------- */

bool dead_service_ask(const char *path, int argc, char **argv, int *status, struct buf *out)
{
	struct sockaddr_un a;
	int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return false;
	int fd = socket_in(dir, &a);
	bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
	for (int i = 0; i < argc && ok; i++)
		ok = put_all(fd, argv[i], strlen(argv[i]) + 1);
	if (ok && shutdown(fd, SHUT_WR) == 0)
		get_all(fd, out);
	if (fd >= 0)
		close(fd);
	close(dir);
	if (!ok)
		return false;
	*status = out->n > 2 && out->p[0] == '0' ? 0 : 1;
	if (out->n < 2)
		buf_put_str(out, "1\nweir has ended before it answered\n");
	memmove(out->p, out->p + 2, out->n - 2);
	out->n -= 2;
	return true;
}
