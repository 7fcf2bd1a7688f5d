/* writer.h: the thread that writes: group commit, stage files, seals. */
#ifndef WEIR_BUFFER_WRITER_H
#define WEIR_BUFFER_WRITER_H

struct buffer;

/* 0 or an errno value. */
int writer_start(struct buffer *b);

/*
 * Everything appended is durable or failed, every stage chunk is queued, the thread has ended. b->input_ended is set.
 */
void writer_join(struct buffer *b);

#endif
