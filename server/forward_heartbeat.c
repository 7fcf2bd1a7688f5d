#include "forward_heartbeat.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward_probe.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct forward_heartbeat {
	const struct forward_out_conf *conf;
	struct forward_discovery *discovery;
	const char *id;
	struct counter *failed;
	int64_t limit_ns; /* how long a server may be silent */
	int stop_fd;	  /* readable: end */
	pthread_t thread;
};

/*
 * fluentd's detector (out_forward/failure_detector.rb) suspects a server when phi = t / ln 10 is above the threshold: t is the seconds of silence beyond the
 * interval, and one more. In any case after hard_timeout. It weighs the gaps before, too; where heartbeats come evenly, as here, that is a time.
 */
static int64_t silence_limit(const struct forward_out_conf *c)
{
	const double ln10 = 2.302585092994046;
	double phi = ((double)c->phi_threshold * ln10 - 1) * (double)NS_PER_S + (double)c->heartbeat_interval_ns;
	return c->phi_detector && phi < (double)c->hard_timeout_ns ? (int64_t)phi : c->hard_timeout_ns;
}

static void send_heartbeats(
	const struct forward_heartbeat *h, struct forward_nodes *nodes, struct pollfd *fds, size_t n)
{
	const bool udp = h->conf->heartbeat == FORWARD_BEAT_UDP;
	for (size_t i = 0; i < n; i++) {
		const struct forward_node *node = forward_nodes_at(nodes, i);
		fds[i] = (struct pollfd){
			.fd = forward_probe_start(node->host, node->port, udp),
			.events = forward_probe_events(udp),
		};
	}
}

static void look_at_answers(struct forward_nodes *nodes, struct pollfd *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const enum probe_state is = fds[i].fd >= 0 ? forward_probe_look(fds[i].fd) : PROBE_WAITS;
		if (is == PROBE_WAITS)
			continue;
		if (is == PROBE_GOOD)
			forward_nodes_seen(nodes, i, clock_mono_ns());
		close(fds[i].fd);
		fds[i].fd = -1; /* poll passes it by */
	}
}

/* Heartbeats to n servers, whose answers are awaited for as long as it is until the next ones. False: it is to end. */
static bool beat(const struct forward_heartbeat *h, struct forward_nodes *nodes, struct pollfd *fds, size_t n)
{
	const int64_t until = clock_mono_ns() + h->conf->heartbeat_interval_ns;
	struct pollfd *stop = &fds[n];
	send_heartbeats(h, nodes, fds, n);
	*stop = (struct pollfd){.fd = h->stop_fd, .events = POLLIN};
	for (;;) {
		const int64_t left = until - clock_mono_ns();
		int ready = poll(fds, n + 1, left > 0 ? (int)(left / NS_PER_MS) + 1 : 0);
		if (stop->revents || (ready < 0 && errno != EINTR) || (ready <= 0 && left <= 0))
			break;
		look_at_answers(nodes, fds, n);
	}
	for (size_t i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			close(fds[i].fd);
	return !stop->revents;
}

static void find_silent(const struct forward_heartbeat *h, struct forward_nodes *nodes, size_t n)
{
	const int64_t now = clock_mono_ns();
	for (size_t i = 0; i < n; i++) {
		if (!forward_nodes_silent(nodes, i, now, now - h->limit_ns))
			continue;
		counter_add(h->failed, 1);
		log_warn(h->id,
			"a server answers no heartbeats: it is left alone for recover_wait, the others get its share",
			LOG_S("server", forward_nodes_at(nodes, i)->name),
			LOG_U("silent_for_s", (uint64_t)(h->limit_ns / NS_PER_S)));
	}
}

static void *heartbeat_main(void *arg)
{
	struct forward_heartbeat *h = arg;
	bool goes_on = true;
	pthread_setname_np(pthread_self(), "heartbeat");
	while (goes_on) {
		struct forward_nodes *nodes = forward_discovery_latest(h->discovery);
		const size_t n = forward_nodes_list(nodes)->n;
		struct pollfd *fds = mem_array(n + 1, sizeof *fds);
		goes_on = beat(h, nodes, fds, n);
		if (goes_on)
			find_silent(h, nodes, n);
		mem_free(fds);
		forward_nodes_free(nodes);
	}
	return NULL;
}

static struct forward_heartbeat *no_thread(struct forward_heartbeat *h, int code)
{
	log_warn(h->id, "no thread for heartbeats: a server is found to be gone when something is sent to it",
		LOG_S("error", strerror(code)));
	if (h->stop_fd >= 0)
		close(h->stop_fd);
	mem_free(h);
	return NULL;
}

struct forward_heartbeat *forward_heartbeat_start(
	const struct forward_out_conf *c, struct forward_discovery *d, const char *id, struct counter *failed)
{
	if (c->heartbeat == FORWARD_BEAT_NONE)
		return NULL;
	struct forward_heartbeat *h = mem_zalloc(sizeof *h);
	h->conf = c;
	h->discovery = d;
	h->id = id;
	h->failed = failed;
	h->limit_ns = silence_limit(c);
	h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->stop_fd < 0)
		return no_thread(h, errno);
	int code = pthread_create(&h->thread, NULL, heartbeat_main, h);
	return code ? no_thread(h, code) : h;
}

void forward_heartbeat_stop(struct forward_heartbeat *h)
{
	if (!h)
		return;
	while (eventfd_write(h->stop_fd, 1) < 0 && errno == EINTR)
		continue;
	pthread_join(h->thread, NULL);
	close(h->stop_fd);
	mem_free(h);
}
