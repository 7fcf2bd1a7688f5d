/*
 * vfs_sim.h: a disk in memory that forgets what was not synced.
 *
 * It keeps, beside what the process sees (the cache), what the platter has, and the operations between the two. A
 * power cut keeps, drops or tears any subset of the unsynced writes by sectors of 512 bytes, leaves any size between,
 * and any subset (or any prefix) of the unsynced operations on names. Everything random comes from the seed.
 *
 * Included as a whole ("vfs_sim.c") by the tests that use it. Thread-safe but for the functions that end a life
 * (power_cut, kill), for which no buffer may be open.
 */
#ifndef WEIR_VFS_SIM_H
#define WEIR_VFS_SIM_H

#include "base/vfs.h"

#include <stddef.h>

enum sim_op {
	SIM_OPEN = 1 << 0,
	SIM_CLOSE = 1 << 1,
	SIM_PREAD = 1 << 2,
	SIM_PWRITEV = 1 << 3,
	SIM_FDATASYNC = 1 << 4,
	SIM_FSYNC = 1 << 5,
	SIM_SYNC_DIR = 1 << 6,
	SIM_FTRUNCATE = 1 << 7,
	SIM_RENAME = 1 << 8,
	SIM_UNLINK = 1 << 9,
	SIM_MKDIR = 1 << 10,
	SIM_SIZE = 1 << 11,
	SIM_LIST = 1 << 12,
	SIM_LOCK = 1 << 13,
	SIM_RESERVE = 1 << 14,
	SIM_ANY = (1 << 15) - 1,
	SIM_SYNCS = SIM_FDATASYNC | SIM_FSYNC | SIM_SYNC_DIR,
};

struct sim;

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *s);
const struct vfs *sim_vfs(struct sim *s);
uint64_t sim_random(struct sim *s, uint64_t below);

/* The power goes and comes back. */
void sim_power_cut(struct sim *s);
/* The process dies, the machine lives: descriptors are closed, the cache stays, except clean pages if `evict`. */
void sim_kill(struct sim *s, bool evict);

/*
 * The n-th call from now (1 = the next) and all after it do nothing and fail with EIO, until power_cut or kill. 0 =
 * never.
 */
void sim_die_at(struct sim *s, uint64_t n);
/* The same, now. */
void sim_die(struct sim *s);
bool sim_is_dead(struct sim *s);

/*
 * Each of the next `count` calls of the set `ops` after `skip` of them fails with `code`. A sync that fails so (but
 * with EINTR) has thrown its dirty pages away: some are on the platter, the cache shows all, and the next sync says
 * that all is well.
 */
void sim_fail(struct sim *s, unsigned ops, uint64_t skip, uint64_t count, int code);
bool sim_has_failed(struct sim *s); /* has the first of them come? */

void sim_chances(struct sim *s, unsigned short_writes_percent, unsigned eintr_percent);
void sim_capacity(struct sim *s, int64_t bytes); /* < 0: no limit */
int64_t sim_used(struct sim *s);
void sim_slow_sync(struct sim *s, unsigned ms);
uint64_t sim_calls(struct sim *s, unsigned ops);

/* Is a name that lasts there, whose file has these bytes at `at` on the platter? */
bool sim_is_durable(struct sim *s, const char *path, uint64_t at, const void *p, size_t n);

/*
 * Files planted or looked at behind the buffer's back; durable at once. sim_get: malloc'd, NULL if there is no such
 * file.
 */
void sim_put(struct sim *s, const char *path, const void *p, size_t n);
uint8_t *sim_get(struct sim *s, const char *path, size_t *n);
/* Names in a folder; each is called with the mutex held. */
size_t sim_names(struct sim *s, const char *dir, void (*each)(void *arg, const char *path), void *arg);

#endif
