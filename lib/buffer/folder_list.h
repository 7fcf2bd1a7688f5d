/* folder_list.h: the names in a buffer's folder, sorted by what they are. */
#ifndef WEIR_BUFFER_FOLDER_LIST_H
#define WEIR_BUFFER_FOLDER_LIST_H

#include "base/vfs.h"
#include "buffer/chunk_file.h"

struct folder_names {
	char (*v)[CHUNK_FILE_NAME_LEN + 1]; /* without suffix */
	size_t n, cap;
};

struct folder_list {
	struct folder_names chunk, created, progress, progress_new, blame; /* all but the .new are sorted */
	bool ours; /* something is there that only a buffer makes */
	uint64_t strangers, fluentd;
	char stranger[64]; /* the first of them */
};

/* 0 or an errno value. folder_list_free in either case. */
int folder_list_read(struct folder_list *f, const struct vfs *vfs, const char *path);
void folder_list_free(struct folder_list *f);

/* In a sorted list. */
bool folder_list_has(const struct folder_names *ns, const char *name);

void folder_list_add_stranger(struct folder_list *f, const char *file);

#endif
