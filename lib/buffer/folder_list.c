#include "buffer/folder_list.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void names_add(struct folder_names *ns, const char *name)
{
	if (ns->n == ns->cap) {
		ns->cap = ns->cap ? 2 * ns->cap : 64;
		ns->v = mem_realloc(ns->v, ns->cap * sizeof *ns->v);
	}
	memcpy(ns->v[ns->n++], name, sizeof *ns->v);
}

static int compare_names(const void *a, const void *b)
{
	return memcmp(a, b, CHUNK_FILE_NAME_LEN);
}

static void names_sort(struct folder_names *ns)
{
	if (ns->n)
		qsort(ns->v, ns->n, sizeof *ns->v, compare_names);
}

bool folder_list_has(const struct folder_names *ns, const char *name)
{
	return ns->n && bsearch(name, ns->v, ns->n, sizeof *ns->v, compare_names);
}

/*
 * buffer.b5f0....log, buffer.q5f0....log, .meta beside it; fsb.KEY.b5f0....buf: fluentd's file and file_single
 * buffers.
 */
static bool is_of_fluentd(const char *file)
{
	for (const char *p = strchr(file, '.'); p; p = strchr(p + 1, '.')) {
		size_t hex = p[1] == 'b' || p[1] == 'q' ? strspn(p + 2, "0123456789abcdef") : 0;
		if (hex >= 16 && (!strncmp(p + 2 + hex, ".log", 4) || !strncmp(p + 2 + hex, ".buf", 4)))
			return true;
	}
	return false;
}

void folder_list_add_stranger(struct folder_list *f, const char *file)
{
	if (!f->strangers++) {
		size_t n = strlen(file) < sizeof f->stranger ? strlen(file) : sizeof f->stranger - 1;
		memcpy(f->stranger, file, n);
		f->stranger[n] = 0;
	}
}

static bool is_one_of(const char *file, const char *const *names)
{
	while (*names && strcmp(file, *names) != 0)
		names++;
	return *names;
}

static void on_name(void *arg, const char *file)
{
	static const char *const own[] = {"LOCK", "LEDGER", "LEDGER.new", NULL};
	/* control: a socket that the buffer's owner may have put there. dead: dead letters of a folder that is drained. */
	static const char *const known[] = {"backup", "control", "dead", NULL};
	struct folder_list *f = arg;
	char name[CHUNK_FILE_NAME_LEN + 1];
	uint64_t not_ours = f->strangers + f->fluentd;
	if (chunk_file_name_is(file, ".chunk", name))
		names_add(&f->chunk, name);
	else if (chunk_file_name_is(file, ".new", name))
		names_add(&f->created, name);
	else if (chunk_file_name_is(file, ".progress", name))
		names_add(&f->progress, name);
	else if (chunk_file_name_is(file, ".progress.new", name))
		names_add(&f->progress_new, name);
	else if (chunk_file_name_is(file, ".blame", name))
		names_add(&f->blame, name);
	else if (is_of_fluentd(file))
		f->fluentd++;
	else if (is_one_of(file, known))
		return;
	else if (!is_one_of(file, own))
		folder_list_add_stranger(f, file);
	f->ours |= f->strangers + f->fluentd == not_ours;
}

void folder_list_free(struct folder_list *f)
{
	mem_free(f->chunk.v);
	mem_free(f->created.v);
	mem_free(f->progress.v);
	mem_free(f->progress_new.v);
	mem_free(f->blame.v);
}

int folder_list_read(struct folder_list *f, const struct vfs *vfs, const char *path)
{
	*f = (struct folder_list){.strangers = 0};
	if (vfs->list(vfs->ctx, path, on_name, f))
		return errno;
	names_sort(&f->chunk);
	names_sort(&f->progress);
	names_sort(&f->blame);
	return 0;
}
