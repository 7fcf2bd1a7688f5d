/*
 * log_file.h: where the log's lines go: standard error, or a file that is rotated by size or by day as Ruby's logger does it, for configurations say so. With the
 * logger's lock, or before there are threads.
 */
#ifndef WEIR_BASE_LOG_FILE_H
#define WEIR_BASE_LOG_FILE_H

#include "base/log.h"

/* NULL is standard error. False (errno): the file before it stays. */
bool log_file_open(const char *path);
bool log_file_reopen(void);
void log_file_set_rotation(const struct log_rotation *r);
void log_file_write(struct span line);

#endif
