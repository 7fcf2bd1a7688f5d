/*
 * file_sink.h: a chunk's text to a file, for the file outputs: a folder that data cannot leave, names that are free, compression, everything synced before
 * it counts.
 */
#ifndef WEIR_FILE_SINK_H
#define WEIR_FILE_SINK_H

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

enum file_compress { FILE_TEXT, FILE_GZIP, FILE_ZSTD };

struct file_sink_options {
	const char *path; /* of the file; may hold `mark` */
	size_t fixed; /* bytes of it that stand in the configuration: below the last / among them no link is followed */
	bool append; /* to what is there; else a new file, the first whose name is free: it has its name when it is whole */
	const char *mark;     /* "_**" or ".**": the stars become the number of the file; NULL with append */
	const char *chunk_id; /* of whatever is written: a try that was cut short by a crash is written over */
	char *written; /* gets the path that the file was given, at most written_size bytes; NULL = nobody asks */
	size_t written_size;
	enum file_compress compress;
	mode_t file_mode, dir_mode;
};

struct file_sink;

/* Makes the folders, opens the file. NULL: err. */
struct file_sink *file_sink_open(const struct file_sink_options *o, struct err *err);

/* Writes text. False: err; then only file_sink_abandon is left to do. */
bool file_sink_put(struct file_sink *s, struct span text, struct err *err);

/* Ends the compression, syncs the file and its name, closes. Frees it in any case. */
bool file_sink_finish(struct file_sink *s, struct err *err);

/* Takes back what was written: the file is as it was, or gone. NULL is allowed. */
void file_sink_abandon(struct file_sink *s);

#endif
