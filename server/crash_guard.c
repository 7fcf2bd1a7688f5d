#include "crash_guard.h"

#include "buffer/buffer.h"

#include <errno.h>
#include <signal.h>

static const int fatal[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
enum { FATAL = sizeof fatal / sizeof *fatal };
static struct sigaction before[FATAL];

static void on_crash(int number, siginfo_t *info, void *context)
{
	(void)context;
	int code = errno;
	buffer_on_crash();
	for (int i = 0; i < FATAL; i++)
		if (fatal[i] == number)
			sigaction(number, &before[i], NULL); /* a core dump, or a sanitizer's report */
	if (info->si_code <= 0) /* somebody has sent it: nothing that would fault again after the return */
		raise(number);
	errno = code;
}

void crash_guard_start(void)
{
	struct sigaction act = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};
	sigemptyset(&act.sa_mask);
	for (int i = 0; i < FATAL; i++)
		sigaction(fatal[i], &act, &before[i]);
}
