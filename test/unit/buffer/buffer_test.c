/* What a buffer does on a healthy disk. */
#include "harness.h"

static void frames_come_back_as_they_went(void **state)
{
	(void)state;
	struct world w;
	world_init(&w, 1);
	world_must_open(&w);
	for (unsigned i = 0; i < 40; i++)
		world_append(&w, 1 + i % 5, 0, 0);
	buffer_settle(w.b);
	assert_int_equal(w.reported, w.appended);
	assert_int_equal(world_drain(&w), w.appended);
	world_judge(&w);
	world_ok(&w);
	assert_true(buffer_is_empty(w.b));
	world_close(&w);
	assert_int_equal(sim_names(w.sim, FOLDER, NULL, NULL), 1); /* LOCK */
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_back_as_they_went),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
