/* tail_glob.h: the files that `path` and `exclude_path` of a tail source mean at a moment: strftime, globs as Ruby's Dir.glob has them. It reads folders. */
#ifndef WEIR_TAIL_GLOB_H
#define WEIR_TAIL_GLOB_H

#include "base/buf.h"
#include "record/zone.h"

#include <sys/types.h>

enum { GLOB_BACKWARD_COMPATIBLE, GLOB_EXTENDED, GLOB_ALWAYS };

struct tail_glob {
	char *const *paths; /* NULL at the end */
	char *const *excluded;
	int policy;		 /* what makes a path a glob: only `*`; also ? and []; also {} */
	const struct zone *zone; /* of strftime */
	int64_t recent_ns;	 /* of a glob's files only those modified within this time; 0 = all */
};

/* The paths, each once, in order; NULL at the end. Those that are no globs are there whether there is such a file or not. For tail_glob_free. */
char **tail_glob_expand(const struct tail_glob *g, int64_t now_ns);
void tail_glob_free(char **paths);

/* Whether a path of the configuration is a glob. */
bool tail_glob_is(const struct tail_glob *g, const char *path);

/* The folder in which new files for this path can appear without a new folder: up to the last slash before the first wildcard. Appended to `out`. */
void tail_glob_folder(const char *path, struct buf *out);

#endif
