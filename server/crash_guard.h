/*
 * crash_guard.h: a crash is noted at the message that a flush thread was at work on, before the process ends as it would have: the third time
 * that message is set aside (buffer/blame.h), and weir does not crash at it for ever.
 */
#ifndef WEIR_CRASH_GUARD_H
#define WEIR_CRASH_GUARD_H

/* Before there are threads. */
void crash_guard_start(void);

#endif
