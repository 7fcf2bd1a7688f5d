/*
 * rewrite_rule.h: the rules of rewrite_tag_filter: a pattern over a field, and the tag that is made from what it took. No I/O; compiled once,
 * read-only, any thread.
 */
#ifndef WEIR_REWRITE_RULE_H
#define WEIR_REWRITE_RULE_H

#include "base/buf.h"
#include "base/regexp.h"
#include "record/record_path.h"

struct rewrite_rule;

struct rewrite_rule_options {
	const char *key; /* accessor */
	struct span pattern;
	unsigned pattern_flags; /* regexp.h */
	const char *tag;	/* $1 ... ${tag} ${tag_parts[N]} ${hostname} __TAG__ __TAG_PARTS[N]__ __HOSTNAME__ */
	bool invert;		/* the rule hits where the pattern does not */
	bool capitalize;	/* what $N stands for: first letter upper, the others lower case */
	const char *hostname;
};

/*
 * NULL and why, *part is then "key", "pattern" or "tag". *unknown is set to a placeholder that means nothing (the text belongs to the rule), else
 * NULL.
 */
struct rewrite_rule *rewrite_rule_compile(
	const struct rewrite_rule_options *o, const char **unknown, const char **part, struct err *err);
void rewrite_rule_free(struct rewrite_rule *r); /* NULL is allowed */

/* What the evaluation of rules needs; zero-initialised with rewrite_room_init. One thread's. */
struct rewrite_room {
	struct regexp_room regexp;
	struct buf value, scrubbed;
};
void rewrite_room_init(struct rewrite_room *room);
void rewrite_room_free(struct rewrite_room *room);

/*
 * Whether the rule hits the record (a msgpack map); then the new tag is appended to `out`. `tag` is what ${tag} stands for: the event's tag
 * without remove_tag_prefix.
 */
bool rewrite_rule_apply(
	const struct rewrite_rule *r, struct span record, struct span tag, struct rewrite_room *room, struct buf *out);

#endif
