/*
 * ruby_text.h: msgpack values as the texts that Ruby makes of them, because that is what fluentd's formatters and converters print.
 *
 * Hashes are {"a"=>1} (Ruby before 3.4, which writes {"a" => 1}).
 */
#ifndef WEIR_RECORD_RUBY_TEXT_H
#define WEIR_RECORD_RUBY_TEXT_H

#include "base/buf.h"

/* Appends Object#to_s of the msgpack object: text as it is, nil as nothing. False: the buffer failed, or it is no msgpack. Any thread. */
bool ruby_to_s(struct buf *out, struct span value);
/* Object#inspect: text in quotes with escapes, nil as "nil". */
bool ruby_inspect(struct buf *out, struct span value);

#endif
