#include "buffer/crash_point.h"

void (*buffer_crash_point)(const char *name);

const char *const crash_point_names[CRASH_COUNT] = {
#define X(id, name) [CRASH_##id] = (name),
	CRASH_POINTS(X)
#undef X
};
