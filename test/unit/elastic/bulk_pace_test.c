/* How many requests may be under way, after good and bad answers. */
#include "elastic/bulk_pace.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static void one_after_the_other(struct bulk_pace *p, unsigned n, enum bulk_word word)
{
	while (n--)
		bulk_pace_leave(p, bulk_pace_enter(p), word);
}

static void halved_and_grown_again(void **state)
{
	(void)state;
	static const struct {
		unsigned times;
		enum bulk_word word;
		unsigned limit;
	} steps[] = {
		{100, BULK_WORD_GOOD, 8}, /* never over the most */
		{1, BULK_WORD_BUSY, 4},
		{29, BULK_WORD_GOOD, 4},
		{1, BULK_WORD_GOOD, 5},
		{29, BULK_WORD_GOOD, 5},
		{1, BULK_WORD_BUSY, 2}, /* and the row begins anew */
		{29, BULK_WORD_GOOD, 2},
		{10, BULK_WORD_NONE, 2},
		{1, BULK_WORD_GOOD, 3},
		{5, BULK_WORD_BUSY, 1}, /* never none */
		{7 * 30, BULK_WORD_GOOD, 8},
	};
	struct bulk_pace *p = bulk_pace_new(8);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		one_after_the_other(p, steps[i].times, steps[i].word);
		assert_int_equal(bulk_pace_limit(p), steps[i].limit);
	}
	bulk_pace_free(p);
	bulk_pace_free(NULL);
}

static void failures_at_once_count_once(void **state)
{
	(void)state;
	uint64_t entered[8];
	struct bulk_pace *p = bulk_pace_new(8);
	for (int i = 0; i < 8; i++)
		entered[i] = bulk_pace_enter(p);
	for (int i = 0; i < 8; i++)
		bulk_pace_leave(p, entered[i], BULK_WORD_BUSY);
	assert_int_equal(bulk_pace_limit(p), 4);
	bulk_pace_free(p);
}

struct crowd {
	struct bulk_pace *pace;
	unsigned under_way, most;
};

static void *member(void *arg)
{
	struct crowd *c = arg;
	for (int i = 0; i < 200; i++) {
		uint64_t entered = bulk_pace_enter(c->pace);
		unsigned now = __atomic_add_fetch(&c->under_way, 1, __ATOMIC_SEQ_CST);
		unsigned most = __atomic_load_n(&c->most, __ATOMIC_SEQ_CST);
		while (now > most &&
			!__atomic_compare_exchange_n(&c->most, &most, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
		__atomic_sub_fetch(&c->under_way, 1, __ATOMIC_SEQ_CST);
		bulk_pace_leave(c->pace, entered, BULK_WORD_NONE);
	}
	return NULL;
}

static void the_limit_is_kept_by_all_threads(void **state)
{
	(void)state;
	pthread_t threads[8];
	struct crowd c = {.pace = bulk_pace_new(8)};
	one_after_the_other(c.pace, 2, BULK_WORD_BUSY);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, member, &c), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_in_range(c.most, 1, 2);
	bulk_pace_free(c.pace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(halved_and_grown_again),
		cmocka_unit_test(failures_at_once_count_once),
		cmocka_unit_test(the_limit_is_kept_by_all_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
