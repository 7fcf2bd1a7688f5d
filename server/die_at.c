#include "die_at.h"

#include "base/log.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const die_point_names[DIE_COUNT] = {
#define X(id, name) [DIE_##id] = (name),
	DIE_POINTS(X)
#undef X
};

static struct {
	const char *name;
	atomic_long left;
	bool aborts;
} at;

static void on_point(const char *name)
{
	if (strcmp(name, at.name) != 0 || atomic_fetch_sub(&at.left, 1) != 1)
		return;
	if (at.aborts)
		abort();
	kill(getpid(), SIGKILL);
}

static const char *find(const char *const *names, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return names[i];
	return NULL;
}

bool die_at_from_env(void)
{
	const char *wish = getenv("WEIR_DIE_AT");
	if (!wish)
		return true;
	const char *colon = strchr(wish, ':');
	size_t len = colon ? (size_t)(colon - wish) : strlen(wish);
	at.name = find(crash_point_names, CRASH_COUNT, wish, len);
	if (!at.name)
		at.name = find(die_point_names, DIE_COUNT, wish, len);
	char *behind = NULL;
	atomic_init(&at.left, colon ? strtol(colon + 1, &behind, 10) : 1);
	at.aborts = behind && strcmp(behind, ":abort") == 0;
	if (!at.name || atomic_load(&at.left) < 1) {
		log_error(NULL, "WEIR_DIE_AT is for tests: the name of a durable step, ':' and how often it is passed",
			LOG_S("value", wish));
		return false;
	}
	log_warn(
		NULL, "WEIR_DIE_AT is set: weir kills itself at that step; it is for tests only", LOG_S("value", wish));
	buffer_crash_point = on_point;
	return true;
}
