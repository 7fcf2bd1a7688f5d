#include "tail_conf.h"

#include "base/mem.h"
#include "parse/parser.h"
#include "record/zone.h"
#include "text_encoding.h"
#include "tail_glob.h"

#include <ctype.h>
#include <stddef.h>

#define AT(field) .offset = offsetof(struct tail_conf, field)

static const struct conf_choice policies[] = {{"backward_compatible", GLOB_BACKWARD_COMPATIBLE},
	{"extended", GLOB_EXTENDED}, {"always", GLOB_ALWAYS}, {NULL, 0}};

static const struct conf_param params[] = {
	{.name = "tag",
		.type = CONF_STRING,
		AT(tag),
		.required = true,
		.help = "The events' tag. A * in it stands for the path of the file, with dots for slashes."},
	{.name = "path",
		.type = CONF_STRING,
		AT(path),
		.required = true,
		.help = "The files, several with commas between them. May hold *, ** and strftime's directives."},
	{.name = "path_delimiter",
		.type = CONF_STRING,
		AT(path_delimiter),
		.value = ",",
		.help = "Stands between paths."},
	{.name = "path_timezone",
		.type = CONF_STRING,
		AT(path_timezone),
		.help = "The zone of the directives in `path`: +09:00, Asia/Tokyo. Default: the machine's."},
	{.name = "glob_policy",
		.type = CONF_ENUM,
		AT(glob_policy),
		.value = "backward_compatible",
		.choices = policies,
		.help = "What makes a path a pattern: *; with extended also ? and []; with always also {}."},
	{.name = "exclude_path",
		.type = CONF_ARRAY,
		AT(exclude_path),
		.help = "Files that are not read, of those that `path` means; patterns as there."},
	{.name = "pos_file",
		.type = CONF_STRING,
		AT(pos_file),
		.writes = CONF_WRITES_FILE,
		.help = "The file that remembers how far each file was read: fluentd's own, which can be taken over. "
			"Without "
			"it what is written while weir is down is not read."},
	{.name = "pos_file_compaction_interval",
		.type = CONF_TIME,
		AT(pos_file_compaction_ns),
		.positive = true,
		.help = "How often the pos_file is written anew without files that are gone; it is at each start."},
	{.name = "read_from_head",
		.type = CONF_BOOL,
		AT(read_from_head),
		.value = "false",
		.help = "Files that are there at the start and not in the pos_file are read from their head, not from "
			"their "
			"end. Later ones always are."},
	{.name = "refresh_interval",
		.type = CONF_TIME,
		AT(refresh_ns),
		.value = "60s",
		.positive = true,
		.help = "How often `path` is looked up. With enable_stat_watcher new files are mostly found at once."},
	{.name = "skip_refresh_on_startup",
		.type = CONF_BOOL,
		AT(skip_refresh_on_startup),
		.value = "false",
		.help = "`path` is looked up the first time after refresh_interval."},
	{.name = "rotate_wait",
		.type = CONF_TIME,
		AT(rotate_wait_ns),
		.value = "5s",
		.min = 0,
		.max = INT64_MAX,
		.help = "How long a file is read on after it was rotated; always to its end."},
	{.name = "follow_inodes",
		.type = CONF_BOOL,
		AT(follow_inodes),
		.value = "false",
		.help = "Files of a pos_file are known by their inode, also under other names. Files that weir itself "
			"has "
			"read always are, where the file system knows times of birth."},
	{.name = "limit_recently_modified",
		.type = CONF_TIME,
		AT(recently_ns),
		.positive = true,
		.help = "Of the files that a pattern means only those modified within this time are read."},
	{.name = "read_lines_limit",
		.type = CONF_INT,
		AT(read_lines_limit),
		.value = "1000",
		.min = 1,
		.max = 1000000,
		.help = "Lines (or texts of several) of one file that are given on at a time."},
	{.name = "read_bytes_limit_per_second",
		.type = CONF_SIZE,
		AT(read_bytes_limit),
		.value = "-1",
		.help = "Bytes of each file that are read in a second; at least 64k. -1: no limit."},
	{.name = "max_line_size",
		.type = CONF_SIZE,
		AT(max_line_size),
		.positive = true,
		.help = "A longer line is skipped, counted and told. Default: 16m. (fluentd has no limit by default)"},
	{.name = "multiline_flush_interval",
		.type = CONF_TIME,
		AT(multiline_flush_ns),
		.positive = true,
		.help = "With a multiline parser: when nothing more has come for so long, the text is taken as whole."},
	{.name = "emit_unmatched_lines",
		.type = CONF_BOOL,
		AT(emit_unmatched_lines),
		.value = "false",
		.help = "A text that the parser does not know becomes an event {\"unmatched_line\": text}; else a dead "
			"letter."},
	{.name = "path_key", .type = CONF_STRING, AT(path_key), .help = "The field that gets the file's path."},
	{.name = "encoding",
		.type = CONF_STRING,
		AT(encoding),
		.help = "Texts are in it, or with from_encoding are converted to it: UTF-8 or ASCII-8BIT (bytes as "
			"they are)."},
	{.name = "from_encoding",
		.type = CONF_STRING,
		AT(from_encoding),
		.help = "The files' encoding (EUC-JP, Windows-1252): texts are converted from it to UTF-8. Goes with "
			"`encoding utf-8`."},
	{.name = "enable_watch_timer",
		.type = CONF_BOOL,
		AT(enable_watch_timer),
		.value = "true",
		.help = "Files are looked at once a second."},
	{.name = "enable_stat_watcher",
		.type = CONF_BOOL,
		AT(enable_stat_watcher),
		.value = "true",
		.help = "The system tells of changes (inotify)."},
	{.name = "ignore_repeated_permission_error",
		.type = CONF_BOOL,
		AT(ignore_repeated_permission_error),
		.value = "false",
		.help = "A file that may not be read is told of once."},
	{.name = "open_on_every_update",
		.type = CONF_IGNORED,
		.support = CONF_NOT_USED,
		.instead = "a file stays open, so that after a rotation the rest of it is still read"},
	PARSER_FLAT_PARAMS,
#define FORMAT(N) PARSER_FLAT("format" #N)
	FORMAT(1),
	FORMAT(2),
	FORMAT(3),
	FORMAT(4),
	FORMAT(5),
	FORMAT(6),
	FORMAT(7),
	FORMAT(8),
	FORMAT(9),
	FORMAT(10),
	FORMAT(11),
	FORMAT(12),
	FORMAT(13),
	FORMAT(14),
	FORMAT(15),
	FORMAT(16),
	FORMAT(17),
	FORMAT(18),
	FORMAT(19),
	FORMAT(20),
	{.name = NULL},
};

static const struct conf_schema group_schema = {
	.name = "group",
	.title = "group of the tail input",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.free_sections = true,
	.help = "Not possible: limits for groups of files, which leave lines out.",
};

static const struct conf_sub subs[] = {
	{.schema = &parser_section_schema, AT(parse), .multi = true},
	{.schema = &group_schema, AT(group)},
	{.schema = NULL},
};

/* ---- checks ------------------------------------------------------------------------------------------------------------ */

char **tail_conf_paths(const struct tail_conf *c)
{
	size_t n = 0, step = strlen(c->path_delimiter);
	char **paths = mem_zalloc((strlen(c->path) + 2) * sizeof *paths);
	for (const char *p = c->path, *end;; p = end + step) {
		end = strstr(p, c->path_delimiter);
		const char *stop = end ? end : p + strlen(p);
		while (p < stop && isspace((unsigned char)*p))
			p++;
		while (stop > p && isspace((unsigned char)stop[-1]))
			stop--;
		if (stop > p)
			paths[n++] = mem_strndup(p, (size_t)(stop - p));
		if (!end)
			return paths;
	}
}

/* Another <source> before this one that has the same pos_file. */
static const struct conf_section *same_pos_file(const struct conf_section *self, const char *pos_file)
{
	for (const struct conf_section *s = self->parent ? self->parent->sections : NULL; s && s != self; s = s->next) {
		const struct conf_pair *type = conf_section_get(s, "@type"), *pos = conf_section_get(s, "pos_file");
		if (!type)
			type = conf_section_get(s, "type");
		if (type && pos && strcmp(s->name, "source") == 0 && strcmp(type->value, "tail") == 0 &&
			strcmp(pos->value, pos_file) == 0)
			return s;
	}
	return NULL;
}

static void check_pos_file(const struct tail_conf *c, struct conf_report *r)
{
	const struct conf_section *other;
	if (!c->pos_file && c->follow_inodes && conf_is_missing(c, "pos_file")) {
		conf_report_add(r, CONF_ERROR, conf_where(c, "follow_inodes"),
			"Can't follow inodes without pos_file configuration parameter");
	} else if (!c->pos_file && conf_is_missing(c, "pos_file")) {
		conf_report_add(r, CONF_WARNING, c->common.pos,
			"'pos_file PATH' parameter is not set to a 'tail' source: it is highly recommended, for "
			"without it "
			"lines that are written while weir is down are lost");
	} else if (c->pos_file && c->common.section &&
		   (other = same_pos_file(c->common.section, c->pos_file)) != NULL) {
		const struct conf_pair *id = conf_section_get(other, "@id");
		conf_report_add(r, CONF_ERROR, conf_where(c, "pos_file"),
			"Other 'in_tail' plugin already use same pos_file path: plugin_id = %s, pos_file path = %s",
			id ? id->value : "(the source before)", c->pos_file);
	}
}

static void check_paths(const struct tail_conf *c, struct conf_report *r)
{
	struct err err;
	struct tail_glob g = {.policy = GLOB_EXTENDED};
	if (!*c->path_delimiter || strcspn(c->path_delimiter, "/*%") == 0)
		conf_report_add(r, CONF_ERROR, conf_where(c, "path_delimiter"), "/, *, %% are reserved words: %s",
			c->path_delimiter);
	if (!*c->path)
		conf_report_add(
			r, CONF_ERROR, conf_where(c, "path"), "tail: 'path' parameter is required on tail input");
	if (c->glob_policy == GLOB_ALWAYS && strcmp(c->path_delimiter, ",") == 0)
		conf_report_add(r, CONF_ERROR, conf_where(c, "glob_policy"),
			"cannot use glob_policy as always with the default path_delimiter: `,\"");
	if (c->glob_policy == GLOB_EXTENDED && strchr(c->path, '{') && strchr(c->path, '}') &&
		tail_glob_is(&g, c->path))
		conf_report_add(r, CONF_ERROR, conf_where(c, "path"),
			"cannot include curly braces with glob patterns in `%s\". Use glob_policy always instead.",
			c->path);
	if (c->path_timezone && !zone_find(c->path_timezone, &err))
		conf_report_add(r, CONF_ERROR, conf_where(c, "path_timezone"), "%s", err.text);
}

static void check_encodings(const struct tail_conf *c, struct conf_report *r)
{
	struct err err;
	struct text_encoding *from = NULL;
	if (c->from_encoding && !c->encoding)
		conf_report_add(r, CONF_ERROR, conf_where(c, "from_encoding"),
			"tail: 'from_encoding' parameter must be specified with 'encoding' parameter.");
	if (c->encoding && !text_encoding_is_plain(c->encoding))
		conf_report_add(r, CONF_ERROR, conf_where(c, "encoding"),
			"the encoding %s is not possible: Elasticsearch takes UTF-8 only; give the files' encoding as "
			"from_encoding, with `encoding utf-8`",
			c->encoding);
	if (c->from_encoding && !text_encoding_is_plain(c->from_encoding) &&
		!(from = text_encoding_new(c->from_encoding, &err)))
		conf_report_add(r, CONF_ERROR, conf_where(c, "from_encoding"), "%s", err.text);
	text_encoding_free(from);
}

static void check(void *conf, struct conf_report *r)
{
	const struct tail_conf *c = conf;
	if (c->tag && !*c->tag)
		conf_report_add(r, CONF_ERROR, conf_where(c, "tag"), "'tag' parameter must not be empty");
	if (!c->enable_watch_timer && !c->enable_stat_watcher)
		conf_report_add(r, CONF_ERROR, conf_where(c, "enable_stat_watcher"),
			"either of enable_watch_timer or enable_stat_watcher must be true");
	if (c->read_bytes_limit > 0 && !c->enable_watch_timer)
		conf_report_add(r, CONF_ERROR, conf_where(c, "read_bytes_limit_per_second"),
			"Need to enable watch timer when using log throttling feature");
	if (c->read_bytes_limit > 0 && c->read_bytes_limit < 65536)
		conf_report_add(r, CONF_WARNING, conf_where(c, "read_bytes_limit_per_second"),
			"Should specify greater equal than 65536. Use 65536 for read_bytes_limit_per_second");
	if (c->group.n)
		conf_report_add(r, CONF_ERROR, ((struct conf_common *)c->group.v[0])->pos,
			"<group> is not possible: its limits leave lines out; read_bytes_limit_per_second limits each "
			"file, and "
			"`exclude_path` leaves files out");
	if (c->path)
		check_paths(c, r);
	check_pos_file(c, r);
	check_encodings(c, r);
}

const struct conf_schema tail_conf_schema = {
	.name = "source",
	.title = "tail input",
	.size = sizeof(struct tail_conf),
	.params = params,
	.subs = subs,
	.check = check,
	.help = "Reads files as they grow. What is in the pos_file is what was stored, so a crash loses nothing; lines "
		"that are "
		"read again after it get the ids that they had, so nothing is doubled either. Files that are rotated "
		"away "
		"are read to their end, also when that happened while weir was down, if they are still in the same "
		"folder.",
};
