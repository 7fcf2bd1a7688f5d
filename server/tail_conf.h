/* tail_conf.h: the parameters of <source> @type tail. */
#ifndef WEIR_TAIL_CONF_H
#define WEIR_TAIL_CONF_H

#include "conf/conf_schema.h"

struct tail_conf {
	struct conf_common common;
	char *path, *path_delimiter, *tag, *pos_file, *encoding, *from_encoding, *path_key, *path_timezone;
	struct conf_array exclude_path;
	int glob_policy;
	int64_t rotate_wait_ns, pos_file_compaction_ns, refresh_ns, multiline_flush_ns, recently_ns;
	int64_t read_lines_limit, read_bytes_limit, max_line_size;
	bool read_from_head, emit_unmatched_lines, enable_watch_timer, enable_stat_watcher;
	bool skip_refresh_on_startup, ignore_repeated_permission_error, follow_inodes;
	struct conf_list parse, group;
};

extern const struct conf_schema tail_conf_schema;

/* The parts of `path`, without blanks around them, NULL at the end. For the caller to mem_free, each and the array. */
char **tail_conf_paths(const struct tail_conf *c);

#endif
