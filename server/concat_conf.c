#include "concat_conf.h"

#include <stddef.h>

static const struct conf_choice formats[] = {
	{"docker-fluentd", DOCKER_FLUENTD},
	{"docker-journald", DOCKER_JOURNALD},
	{"docker-journald-lowercase", DOCKER_JOURNALD_LOWERCASE},
	{NULL, 0},
};

static const struct conf_choice overflows[] = {
	{"ignore", OVERFLOW_IGNORE},
	{"truncate", OVERFLOW_TRUNCATE},
	{"drop", OVERFLOW_DROP},
	{"new", OVERFLOW_NEW},
	{NULL, 0},
};

#define AT(field) .offset = offsetof(struct concat_conf, field)

static const struct conf_param params[] = {
	{.name = "key",
		.type = CONF_STRING,
		AT(key),
		.required = true,
		.help = "The field with the text that is joined. Events without it go on as they are."},
	{.name = "separator",
		.type = CONF_STRING,
		AT(separator),
		.value = "\n",
		.help = "Stands between the texts: a line feed if nothing else is said."},
	{.name = "n_lines",
		.type = CONF_INT,
		AT(n_lines),
		.positive = true,
		.help = "So many events of a stream become one."},
	{.name = "multiline_start_regexp",
		.type = CONF_REGEXP,
		AT(start),
		.help = "A text that matches begins a new event."},
	{.name = "multiline_end_regexp",
		.type = CONF_REGEXP,
		AT(end),
		.help = "A text that matches is an event's last."},
	{.name = "continuous_line_regexp",
		.type = CONF_REGEXP,
		AT(continuous),
		.help = "A text that neither begins nor ends an event and does not match this one belongs to none."},
	{.name = "stream_identity_key",
		.type = CONF_STRING,
		AT(stream_identity_key),
		.help = "The field that tells the streams of a tag apart (`container_id`). Without one a tag is one "
			"stream."},
	{.name = "flush_interval",
		.type = CONF_TIME,
		AT(flush_interval_ns),
		.value = "60s",
		.help = "What a stream holds is joined when nothing more has come for so long (0: never). It goes to "
			"`timeout_label`, else to `<label @ERROR>`, and if there is neither, on its way."},
	{.name = "timeout_label",
		.type = CONF_STRING,
		AT(timeout_label),
		.help = "Where events go that nothing but time has completed."},
	{.name = "use_first_timestamp",
		.type = CONF_BOOL,
		AT(use_first_timestamp),
		.value = "false",
		.help = "The joined event has the time of its first part, not of its last."},
	{.name = "partial_key",
		.type = CONF_STRING,
		AT(partial_key),
		.help = "Events are joined by this field. Those without it go on as they are."},
	{.name = "partial_value",
		.type = CONF_STRING,
		AT(partial_value),
		.help = "What `partial_key` holds in all parts but the last."},
	{.name = "keep_partial_key",
		.type = CONF_BOOL,
		AT(keep_partial_key),
		.value = "false",
		.help = "The joined event keeps the field of `partial_key` (or `partial_cri_logtag_key`)."},
	{.name = "use_partial_metadata",
		.type = CONF_BOOL,
		AT(use_partial_metadata),
		.value = "false",
		.help = "Events are joined by the fields that Docker's log drivers add to parts of long lines."},
	{.name = "partial_metadata_format",
		.type = CONF_ENUM,
		AT(partial_metadata_format),
		.choices = formats,
		.value = "docker-fluentd",
		.help = "How these fields are called."},
	{.name = "keep_partial_metadata",
		.type = CONF_BOOL,
		AT(keep_partial_metadata),
		.value = "false",
		.help = "The joined event keeps them."},
	{.name = "use_partial_cri_logtag",
		.type = CONF_BOOL,
		AT(use_partial_cri_logtag),
		.value = "false",
		.help = "Events are joined by the tag of CRI's log format: `P` for a part, `F` for the last one."},
	{.name = "partial_cri_logtag_key",
		.type = CONF_STRING,
		AT(partial_cri_logtag_key),
		.help = "The field with that tag."},
	{.name = "partial_cri_stream_key",
		.type = CONF_STRING,
		AT(partial_cri_stream_key),
		.value = "stream",
		.help = "A field that the joined event does not have. It is no part of a stream's identity."},
	{.name = "buffer_limit_size",
		.type = CONF_SIZE,
		AT(buffer_limit_size),
		.value = "500k",
		.positive = true,
		.help = "With `partial_key`: bytes of a stream's parts. In all modes a stream of 16 MiB or 16,384 "
			"events, and "
			"beyond 64 MiB or 10,000 streams the one that was quiet for longest, are joined early."},
	{.name = "buffer_overflow_method",
		.type = CONF_ENUM,
		AT(buffer_overflow_method),
		.choices = overflows,
		.value = "ignore",
		.help = "What happens at `buffer_limit_size`: `ignore` goes on, `truncate` joins what is there and "
			"drops the part "
			"that is too much, `drop` drops both, `new` joins what is there and begins anew. Drops are "
			"counted in "
			"weir_held_dropped_events_total."},
	{.name = NULL},
};

static void say(const struct concat_conf *c, struct conf_report *report, const char *text)
{
	conf_report_add(report, CONF_ERROR, c->common.pos, "%s", text);
}

static void check(void *conf, struct conf_report *report)
{
	const struct concat_conf *c = conf;
	bool lines = c->n_lines != CONF_NIL_INT, regexp = c->start.source || c->end.source;
	int ways = lines + regexp + (c->partial_key != NULL) + c->use_partial_metadata + c->use_partial_cri_logtag;
	bool missing = conf_is_missing(c, "n_lines") && conf_is_missing(c, "multiline_start_regexp") &&
		       conf_is_missing(c, "multiline_end_regexp") && conf_is_missing(c, "partial_key");
	if (!ways && missing)
		say(c, report,
			"Either n_lines, multiline_start_regexp, multiline_end_regexp, partial_key, "
			"use_partial_metadata "
			"or use_partial_cri_logtag is required");
	if (ways > 1)
		say(c, report,
			"n_lines, multiline_start_regexp/multiline_end_regexp, partial_key, use_partial_metadata and "
			"use_partial_cri_logtag are exclusive");
	if (c->partial_key && !c->partial_value && conf_is_missing(c, "partial_value"))
		say(c, report, "partial_value is required when partial_key is specified");
	if (c->use_partial_cri_logtag && !c->partial_cri_logtag_key && conf_is_missing(c, "partial_cri_logtag_key"))
		say(c, report, "partial_cri_logtag_key is required when use_partial_cri_logtag is true");
}

const struct conf_schema concat_schema = {
	.name = "filter",
	.title = "concat filter",
	.size = sizeof(struct concat_conf),
	.params = params,
	.check = check,
	.help = "Joins lines that came as events of their own: by their number, by how they begin and end, or by marks "
		"of who "
		"cut them. Events that wait for others are on disk (`held` in weir's folder) before they are "
		"acknowledged, "
		"and survive a crash; at an orderly end they are joined as they are.",
};
