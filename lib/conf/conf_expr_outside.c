/* conf_expr_outside.c: what an expression can see of the world: the environment, files, the name of the host. */
#include "conf/conf_expr_value.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20)

struct expr_value expr_env(struct expr *x, const uint8_t *at, struct expr_value name)
{
	if (!x->live || !expr_going(x))
		return expr_nil();
	if (name.type != EXPR_STRING || name.s.n == 0 || memchr(name.s.p, 0, name.s.n)) {
		expr_fail(x, at, "ENV[] needs the name of a variable, as a string");
		return expr_nil();
	}
	char *key = conf_arena_copy(&x->arena, name.s.p, name.s.n);
	const char *value = getenv(key);
	x->result->outside = true;
	if (value)
		return expr_string(x, value, strlen(value));
	/* fluentd's supervisor sets it for its workers, and configurations ask for it. */
	if (strcmp(key, "SERVERENGINE_WORKER_ID") != 0)
		return expr_nil();
	char id[16];
	return expr_string(x, id, (size_t)snprintf(id, sizeof id, "%d", x->env->worker_id));
}

struct expr_value expr_hostname(struct expr *x)
{
	char name[HOST_NAME_MAX + 1] = "";
	if (gethostname(name, sizeof name - 1) != 0)
		name[0] = 0;
	return expr_string(x, name, strlen(name));
}

static struct expr_value read_all(struct expr *x, const uint8_t *at, const char *path, int fd)
{
	struct buf b;
	buf_init(&b, FILE_MAX);
	ssize_t n = 1;
	while (n > 0 && buf_reserve(&b, 4096)) {
		n = read(fd, b.p + b.n, 4096);
		if (n > 0)
			b.n += (size_t)n;
	}
	if (n < 0)
		expr_fail(x, at, "cannot read '%s': %s", path, strerror(errno));
	else if (b.failed)
		expr_fail(x, at, "'%s' is larger than 1 MiB", path);
	if (!expr_going(x)) {
		buf_free(&b);
		return expr_nil();
	}
	x->result->outside = true;
	return expr_take(x, &b);
}

static const char *file_path(struct expr *x, const uint8_t *at, struct expr_value v)
{
	if (x->env->no_files)
		expr_fail(x, at, "files are not read here");
	else if (v.type != EXPR_STRING || v.s.n == 0 || memchr(v.s.p, 0, v.s.n))
		expr_fail(x, at, "a path is expected, as a string");
	return expr_going(x) ? conf_arena_copy(&x->arena, v.s.p, v.s.n) : NULL;
}

static void tell(const struct expr *x, const char *path, const struct stat *st)
{
	if (x->env->on_file)
		x->env->on_file(x->env->arg, path, st);
}

struct expr_value expr_read_file(struct expr *x, const uint8_t *at, struct expr_value v)
{
	const char *path = x->live && expr_going(x) ? file_path(x, at, v) : NULL;
	struct stat st;
	if (!path)
		return expr_nil();
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	tell(x, path, fd >= 0 && fstat(fd, &st) == 0 ? &st : NULL);
	if (fd < 0) {
		expr_fail(x, at, "cannot read '%s': %s", path, strerror(errno));
		return expr_nil();
	}
	struct expr_value text = read_all(x, at, path, fd);
	close(fd);
	return text;
}

struct expr_value expr_file_exists(struct expr *x, const uint8_t *at, struct expr_value v)
{
	const char *path = x->live && expr_going(x) ? file_path(x, at, v) : NULL;
	struct stat st;
	if (!path)
		return expr_nil();
	bool is_there = stat(path, &st) == 0;
	x->result->outside = true;
	tell(x, path, is_there ? &st : NULL);
	return expr_bool(is_there);
}
