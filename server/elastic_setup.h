/*
 * elastic_setup.h: what an Elasticsearch output puts on the server before its first event: policies, templates, data streams, aliases. Done by the first
 * flush thread that has something to send, never while weir starts; until all of it is there, events wait in the buffer.
 */
#ifndef WEIR_ELASTIC_SETUP_H
#define WEIR_ELASTIC_SETUP_H

#include "elastic/bulk_client.h"

#include <jansson.h>

struct elastic_setup;

struct elastic_setup *elastic_setup_new(void);
void elastic_setup_free(struct elastic_setup *s); /* NULL is allowed */

/*
 * A thing that is to be there, in the order of adding: looked for with GET `look` (NULL: `put` itself), unless `overwrite`, and put with PUT if it is not. `body` NULL: none. `what` is
 * for messages ("index template logs"). Strings are copied.
 */
void elastic_setup_add(
	struct elastic_setup *s, const char *what, const char *look, const char *put, const char *body, bool overwrite);

/* The usual thing: its path is `place` and `name`. */
void elastic_setup_add_named(struct elastic_setup *s, const char *kind, const char *place, const char *name,
	const char *body, bool overwrite);
/* The JSON as text, for the caller to mem_free; the JSON is released. */
char *elastic_setup_text(json_t *take_json);
/* The step that was added last may be refused (400): a warning, and on with the next one. */
void elastic_setup_optional(struct elastic_setup *s);

enum setup_result {
	SETUP_DONE,
	SETUP_DOWN,    /* the server cannot be reached or is busy */
	SETUP_REFUSED, /* somebody has to mend something */
	SETUP_STOPPED,
};

/* Does what is left to be done. Cheap when nothing is. Any thread, each with its own client; the others wait. `why`: of what is not SETUP_DONE. */
enum setup_result elastic_setup_run(
	struct elastic_setup *s, struct bulk_client *c, const char *plugin_id, struct err *why);

#endif
