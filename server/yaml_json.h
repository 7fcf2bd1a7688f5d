/* yaml_json.h: a YAML document as JSON, for small files that programs write. Any thread. */
#ifndef WEIR_YAML_JSON_H
#define WEIR_YAML_JSON_H

#include "base/err.h"
#include "base/span.h"

#include <jansson.h>

/* The first document; null for an empty one. Scalars have the types that YAML 1.1 gives them. NULL: err. */
json_t *yaml_json_read(struct span text, struct err *err);

#endif
