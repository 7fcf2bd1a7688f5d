/*
 * record_edit.h: records changed before they become documents, msgpack to msgpack: for what the transcoder cannot do
 * on the way.
 */
#ifndef WEIR_ELASTIC_RECORD_EDIT_H
#define WEIR_ELASTIC_RECORD_EDIT_H

#include "base/buf.h"
#include "record/record_path.h"

/* Appends `record` (whole, checked msgpack) without what is at `path`. False if `out` failed. */
bool record_edit_remove(struct span record, const struct record_path *path, struct buf *out);

/*
 * Appends `record` with the maps in it flattened: {"a":{"b":1}} becomes {"a.b":1} with separator ".". Arrays stay as
 * they are, or (`arrays`) become {"a.0":...}; what is empty vanishes, as with fluent-plugin-elasticsearch and -flatten-hash. False if `out` failed.
 */
bool record_edit_flatten(struct span record, struct span separator, bool arrays, struct buf *out);

#endif
