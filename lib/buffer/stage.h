/* stage.h: stage chunks: which frames go together into a file. All but stage_get and stage_tidy is the writer's. */
#ifndef WEIR_BUFFER_STAGE_H
#define WEIR_BUFFER_STAGE_H

#include "buffer/buffer_impl.h"

/* The stage of that key, made if it is new. Under the lock. NULL without memory. */
struct stage *stage_get(struct buffer *b, struct span key);

/* Forgets a stage that nothing is left of. Under the lock. */
void stage_tidy(struct buffer *b, struct stage *s);

/*
 * A new, empty NAME.new for the stage; the oldest stage file is queued first if too many are open. 0 or an errno
 * value.
 */
int stage_open_file(struct buffer *b, struct stage *s);

/* The stage's file has nothing that was acknowledged: it goes. */
void stage_abandon(struct buffer *b, struct stage *s);

/* What the last sync covered is now known to be durable: to readers from the seal on, to the queue's sums at once. */
void stage_publish(struct buffer *b, struct stage *s);

/* Seals the file and queues the chunk. */
void stage_seal(struct buffer *b, struct stage *s);

/* The file must not be touched again: the chunk is queued as far as it is durable. */
void stage_retire(struct buffer *b, struct stage *s);

#endif
