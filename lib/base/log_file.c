#include "base/log_file.h"

#include "base/clock.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400

static int fd = STDERR_FILENO;
static char *path; /* NULL = standard error */
static int64_t size;
static struct log_rotation rotation;
static int64_t period_end_s; /* rotation.period: when the file is full by time */

bool log_file_open(const char *new_path)
{
	struct stat st = {0};
	int new_fd = STDERR_FILENO;
	if (new_path) {
		new_fd = open(new_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
		if (new_fd < 0)
			return false;
		(void)fstat(new_fd, &st);
	}
	if (fd != STDERR_FILENO)
		close(fd);
	fd = new_fd;
	size = st.st_size;
	if (new_path != path) {
		mem_free(path);
		path = new_path ? mem_strdup(new_path) : NULL;
	}
	return true;
}

bool log_file_reopen(void)
{
	return path ? log_file_open(path) : true;
}

/* ---- rotation -------------------------------------------------------------------------------------------------------- */

/* Midnight at the end of the period that the time is in; *last gets a time on its last day. */
static int64_t end_of_period(int64_t now_s, enum log_period period, time_t *last)
{
	time_t now = (time_t)now_s;
	struct tm tm;
	localtime_r(&now, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	if (period == LOG_WEEKLY) {
		tm.tm_mday += 7 - tm.tm_wday;
	} else if (period == LOG_MONTHLY) {
		tm.tm_mday = 1;
		tm.tm_mon++;
	} else {
		tm.tm_mday++;
	}
	time_t end = mktime(&tm);
	*last = end - DAY_S / 2;
	return end;
}

void log_file_set_rotation(const struct log_rotation *r)
{
	time_t last;
	rotation = *r;
	if (r->period)
		period_end_s = end_of_period(clock_wall_ns() / NS_PER_S, r->period, &last);
}

/* The file gets the name PATH.SUFFIX and a new one begins. Without the right to do so lines go on into the old one. */
static void move_to(const char *suffix)
{
	char *to = mem_printf("%s.%s", path, suffix);
	if (rename(path, to) == 0)
		(void)log_file_reopen();
	mem_free(to);
}

/* PATH.0 is the last one, PATH.1 the one before: `files` in all, with PATH itself. */
static void rotate_by_size(void)
{
	for (unsigned i = rotation.files; i-- > 1;) {
		char *from = mem_printf("%s.%u", path, i - 1), *to = mem_printf("%s.%u", path, i);
		(void)!(i == rotation.files - 1 ? unlink(from) : rename(from, to));
		mem_free(from);
		mem_free(to);
	}
	move_to("0");
}

static void rotate_by_time(int64_t now_s)
{
	char day[16];
	time_t last;
	struct tm tm;
	end_of_period(period_end_s - DAY_S / 2, rotation.period, &last);
	localtime_r(&last, &tm);
	strftime(day, sizeof day, "%Y%m%d", &tm);
	period_end_s = end_of_period(now_s, rotation.period, &last);
	move_to(day);
}

void log_file_write(struct span line)
{
	if (path && rotation.period && clock_wall_ns() / NS_PER_S >= period_end_s)
		rotate_by_time(clock_wall_ns() / NS_PER_S);
	/* Nobody is left to tell when the log itself cannot be written. */
	ssize_t n = write(fd, line.p, line.n);
	size += n > 0 ? n : 0;
	if (path && rotation.bytes && rotation.files > 1 && size > rotation.bytes)
		rotate_by_size();
}
