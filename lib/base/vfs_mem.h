/*
 * vfs_mem.h: files in memory: what `@type memory` buffers lie on, and what tests and fuzz targets plant files in. The
 * same code runs on it as on a disk; a sync does nothing, and all is gone with the process.
 *
 * Paths are plain strings: no links, no ".", ".."; a folder exists when mkdir made it. Any thread.
 */
#ifndef WEIR_BASE_VFS_MEM_H
#define WEIR_BASE_VFS_MEM_H

#include "base/vfs.h"

/* An empty one. Never NULL. */
const struct vfs *vfs_mem_new(void);

/* Frees it with all its files. Nothing may be open. NULL is allowed. */
void vfs_mem_free(const struct vfs *v);

#endif
