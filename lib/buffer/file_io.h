/* file_io.h: reading and writing to the end, over short transfers and EINTR. Each returns 0 or an errno value. */
#ifndef WEIR_BUFFER_FILE_IO_H
#define WEIR_BUFFER_FILE_IO_H

#include "base/vfs.h"

#include <stddef.h>

/*
 * A regular file and nothing else, never through a link, never waiting. Its size is put into *size. -1 and errno on
 * failure.
 */
int file_io_open(const struct vfs *vfs, const char *path, int flags, mode_t mode, uint64_t *size);

/*
 * Reads n bytes at `at`; what is behind the end of the file reads as zeros. With `zero_bad`, so does each block that
 * the disk cannot read (EIO); *bad is then set.
 */
int file_io_read(const struct vfs *vfs, int fd, void *p, size_t n, uint64_t at, bool zero_bad, bool *bad);

/* Writes the vectors one behind the other from `at` on. The vectors are used up. */
int file_io_write(const struct vfs *vfs, int fd, struct iovec *v, int count, uint64_t at);

int file_io_sync(const struct vfs *vfs, int fd);

#endif
