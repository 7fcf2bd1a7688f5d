/*
 * crash_point.h: the durable steps of the buffer, by name, so that tests can end the process (or the disk) at each.
 */
#ifndef WEIR_BUFFER_CRASH_POINT_H
#define WEIR_BUFFER_CRASH_POINT_H

#include <stddef.h>

#define CRASH_POINTS(X)                           \
	X(NEW_CREATED, "new-created")             \
	X(NEW_WRITTEN, "new-written")             \
	X(NEW_SYNCED, "new-synced")               \
	X(NEW_RENAMED, "new-renamed")             \
	X(NEW_NAME_SYNCED, "new-name-synced")     \
	X(GROUP_WRITTEN, "group-written")         \
	X(GROUP_SYNCED, "group-synced")           \
	X(GROUP_REPORTED, "group-reported")       \
	X(MARK_WRITTEN, "mark-written")           \
	X(SEAL_WRITTEN, "seal-written")           \
	X(LEDGER_WRITTEN, "ledger-written")       \
	X(LEDGER_SYNCED, "ledger-synced")         \
	X(LEDGER_RENAMED, "ledger-renamed")       \
	X(CHUNK_UNLINKED, "chunk-unlinked")       \
	X(PROGRESS_UNLINKED, "progress-unlinked") \
	X(PROGRESS_WRITTEN, "progress-written")   \
	X(PROGRESS_SYNCED, "progress-synced")     \
	X(PROGRESS_RENAMED, "progress-renamed")   \
	X(BACKUP_WRITTEN, "backup-written")       \
	X(BACKUP_SYNCED, "backup-synced")         \
	X(RECOVER_SYNCED, "recover-synced")       \
	X(RECOVER_CUT, "recover-cut")             \
	X(RECOVER_SEALED, "recover-sealed")

enum crash_point {
#define X(id, name) CRASH_##id,
	CRASH_POINTS(X)
#undef X
		CRASH_COUNT
};

extern const char *const crash_point_names[CRASH_COUNT];

/*
 * Tests only, set before buffer_open: called at each step with its name, in the thread that did it, no lock held.
 * NULL in production.
 */
extern void (*buffer_crash_point)(const char *name);

static inline void crash_point(enum crash_point p)
{
	if (__builtin_expect(buffer_crash_point != NULL, 0))
		buffer_crash_point(crash_point_names[p]);
}

#endif
