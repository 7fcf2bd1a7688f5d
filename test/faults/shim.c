/*
 * shim.c: system calls that misbehave under a real weir, for campaigns: LD_PRELOAD=shim.so WEIR_SHIM=FILE weir ...
 * FILE is mapped, so that the campaign turns the knobs while weir runs.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct knobs {
	int64_t wall_offset_s; /* added to the wall clock */
	int64_t sync_delay_us; /* of each fdatasync */
	int64_t sync_fail_in;  /* the n-th fdatasync from now fails with EIO; 0 = none */
	int64_t alloc_fail_in; /* the n-th allocation from now fails; 0 = none */
	int64_t address;       /* the host "moves.test" has the address 127.0.0.address; 0 = ask the system */
	int64_t connection_life_s; /* after which curl gives up a connection that is in use, instead of what weir asks for; 0 = that */
	int64_t syncs; /* counted here */
	int64_t allocs;
};

static volatile struct knobs *knobs;

__attribute__((constructor)) static void map_knobs(void)
{
	const char *path = getenv("WEIR_SHIM");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *p = mmap(NULL, sizeof *knobs, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		knobs = p;
}

/* True once, when the count has come down to nothing. */
static int is_the_one(volatile int64_t *left)
{
	return *left > 0 && __atomic_sub_fetch(left, 1, __ATOMIC_SEQ_CST) == 0;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(id, ts);
	if (knobs && id == CLOCK_REALTIME)
		ts->tv_sec += knobs->wall_offset_s;
	return rc;
}

#undef curl_easy_setopt
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
	static CURLcode (*real)(CURL *, CURLoption, ...);
	va_list ap;
	if (!real)
		real = (CURLcode(*)(CURL *, CURLoption, ...))dlsym(RTLD_NEXT, "curl_easy_setopt");
	va_start(ap, option);
	void *value = va_arg(ap, void *); /* a long or a curl_off_t is as wide */
	va_end(ap);
	if (knobs && knobs->connection_life_s && option == CURLOPT_MAXLIFETIME_CONN && value)
		return real(easy, option, (long)knobs->connection_life_s);
	return real(easy, option, value);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	char address[32];
	if (!real)
		real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(
			RTLD_NEXT, "getaddrinfo");
	if (knobs && knobs->address && node && strcmp(node, "moves.test") == 0) {
		snprintf(address, sizeof address, "127.0.0.%d", (int)knobs->address);
		node = address;
	}
	return real(node, service, hints, list);
}

int fdatasync(int fd)
{
	static int (*real)(int);
	if (!real)
		real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	if (!knobs)
		return real(fd);
	__atomic_add_fetch(&knobs->syncs, 1, __ATOMIC_SEQ_CST);
	if (knobs->sync_delay_us > 0)
		usleep((useconds_t)knobs->sync_delay_us);
	if (is_the_one(&knobs->sync_fail_in)) {
		errno = EIO;
		return -1;
	}
	return real(fd);
}

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static int no_memory(void)
{
	if (!knobs)
		return 0;
	__atomic_add_fetch(&knobs->allocs, 1, __ATOMIC_RELAXED);
	if (!is_the_one(&knobs->alloc_fail_in))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return no_memory() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return no_memory() ? NULL : __libc_realloc(p, n);
}
