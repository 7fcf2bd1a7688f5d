/*
 * buffer_bench: what the buffer costs.
 *
 *     buffer_bench [-d FOLDER | -m] [-f FRAME_BYTES] [-t TOTAL_MB] [-p PRODUCERS] [-c CHUNK_MB] [-w WINDOW_MB] [-r]
 *
 * Producers append frames (the window bounds what is pending) until the total is durable; then, with -r, the buffer
 * is closed and opened again (how long does a start take?) and everything is read and committed. One line of figures
 * for each part.
 */
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/vfs_mem.h"
#include "buffer/buffer.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct bench {
	struct buffer *b;
	size_t frame_bytes;
	uint64_t frames_each;
	_Atomic uint64_t durable, latency_ns, failed;
};

static void on_durable(void *arg, struct frame *list)
{
	struct bench *m = arg;
	int64_t now = clock_mono_ns();
	while (list) {
		struct frame *f = list;
		list = f->next;
		m->durable++;
		m->failed += f->error != 0;
		m->latency_ns += (uint64_t)(now - f->received_ns);
		frame_free(f);
	}
}

static void on_space(void *arg)
{
	(void)arg;
}

static void *produce(void *arg)
{
	struct bench *m = arg;
	for (uint64_t i = 0; i < m->frames_each; i++) {
		while (buffer_admit(m->b, m->frame_bytes) != BUFFER_OK)
			usleep(100);
		struct frame *f = frame_new(FRAME_DATA, SPAN_LIT("kube.app"), (struct span){NULL, 0}, m->frame_bytes);
		if (!f)
			abort();
		memset(frame_entries(f), (int)i, m->frame_bytes); /* what a socket would have been read into */
		f->entries_len = m->frame_bytes;
		f->count = 1 + (uint32_t)(m->frame_bytes / 200);
		f->received_ns = clock_mono_ns();
		buffer_append(m->b, f, (struct span){NULL, 0}, 0);
	}
	return NULL;
}

static double seconds(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

static double cpu_now(double *sys)
{
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	*sys = seconds(&ru.ru_stime);
	return seconds(&ru.ru_utime) + *sys;
}

static double wall_now(void)
{
	return (double)clock_mono_ns() / 1e9;
}

static void write_all(struct bench *m, unsigned producers)
{
	pthread_t t[64];
	struct buffer_stats s;
	double sys, sys0, cpu0 = cpu_now(&sys0), start = wall_now();
	for (unsigned i = 0; i < producers; i++)
		pthread_create(&t[i], NULL, produce, m);
	for (unsigned i = 0; i < producers; i++)
		pthread_join(t[i], NULL);
	buffer_end_input(m->b);
	double wall = wall_now() - start, cpu = cpu_now(&sys) - cpu0;
	buffer_stats(m->b, &s);
	double mb = (double)(m->durable * m->frame_bytes) / 1e6;
	printf("write  %.0f MB in %.2f s = %.0f MB/s, %.0f frames/s; CPU %.2f ms/MB (%.2f in the kernel); %llu groups "
	       "of %.0f KB; "
	       "sync %.2f ms; durable after %.2f ms; %llu failed\n",
		mb, wall, mb / wall, (double)m->durable / wall, cpu / mb * 1e3, (sys - sys0) / mb * 1e3,
		(unsigned long long)s.syncs, mb * 1e3 / (double)s.syncs, (double)s.sync_ns_sum / (double)s.syncs / 1e6,
		(double)m->latency_ns / (double)m->durable / 1e6, (unsigned long long)m->failed);
}

static void read_all(struct bench *m)
{
	struct chunk *c;
	struct err err;
	struct frame_view v;
	uint64_t bytes = 0, chunks = 0;
	double sys, sys0, cpu0 = cpu_now(&sys0), start = wall_now();
	while ((c = buffer_take(m->b, 0))) {
		struct chunk_reader *r = chunk_reader_open(m->b, c, &err);
		while (r && chunk_reader_next(r, &v, &err) == CHUNK_FRAME)
			bytes += v.entries.n;
		chunk_reader_close(r);
		if (!buffer_commit(m->b, c, &err))
			break;
		chunks++;
	}
	double wall = wall_now() - start, cpu = cpu_now(&sys) - cpu0, mb = (double)bytes / 1e6;
	printf("read   %.0f MB of %llu chunks in %.2f s = %.0f MB/s; CPU %.2f ms/MB (%.2f in the kernel)\n", mb,
		(unsigned long long)chunks, wall, mb / wall, cpu / mb * 1e3, (sys - sys0) / mb * 1e3);
}

int main(int argc, char **argv)
{
	struct bench m = {.frame_bytes = 100 * 1000};
	struct buffer_hooks hooks = {.on_durable = on_durable, .on_space = on_space, .arg = &m};
	struct buffer_options o = {
		.name = "bench",
		.path = "buffer-bench",
		.chunk_limit_size = 8u << 20,
		.total_limit_size = UINT64_MAX / 4,
		.pending_limit = 32u << 20,
		.flush_mode = BUFFER_FLUSH_LAZY,
	};
	unsigned producers = 1, total_mb = 1000;
	bool again = false;
	const struct vfs *vfs = &vfs_posix;
	struct err err;
	for (int c; (c = getopt(argc, argv, "d:mf:t:p:c:w:r")) != -1;) {
		switch (c) {
		case 'd':
			o.path = optarg;
			break;
		case 'm':
			vfs = vfs_mem_new();
			break;
		case 'f':
			m.frame_bytes = strtoul(optarg, NULL, 10);
			break;
		case 't':
			total_mb = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			producers = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			o.chunk_limit_size = strtoul(optarg, NULL, 10) << 20;
			break;
		case 'w':
			o.pending_limit = strtoul(optarg, NULL, 10) << 20;
			break;
		case 'r':
			again = true;
			break;
		default:
			return 2;
		}
	}
	if (!producers || producers > 64 || !m.frame_bytes)
		return 2;
	m.frames_each = (uint64_t)total_mb * 1000000 / m.frame_bytes / producers;
	m.b = buffer_open(&o, &hooks, vfs, &err);
	if (!m.b) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("crc32c %s\n", crc32c_kind());
	write_all(&m, producers);
	if (again) {
		buffer_close(m.b);
		double start = wall_now();
		m.b = buffer_open(&o, &hooks, vfs, &err);
		if (!m.b)
			return 1;
		struct buffer_stats s;
		buffer_stats(m.b, &s);
		printf("start  with %llu chunks, %.0f MB: %.0f ms\n", (unsigned long long)s.queue_chunks,
			(double)s.queue_bytes / 1e6, (wall_now() - start) * 1e3);
		read_all(&m);
	}
	buffer_close(m.b);
	return 0;
}
