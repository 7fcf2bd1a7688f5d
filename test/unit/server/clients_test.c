/* Who has how many connections open, and how long those wait that were too fast. */
#include "clients.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#define MS NS_PER_MS

static void test_connections(void **state)
{
	struct clients *s = clients_new();
	struct client *a = clients_enter(s, "10.0.0.1", 2), *other;
	(void)state;
	assert_non_null(a);
	assert_ptr_equal(clients_find(s, "10.0.0.1"), a);
	assert_ptr_equal(clients_enter(s, "10.0.0.1", 2), a);
	assert_null(clients_enter(s, "10.0.0.1", 2));
	assert_ptr_equal(clients_enter(s, "10.0.0.1", 0), a); /* any number */
	other = clients_enter(s, "10.0.0.2", 1);
	assert_ptr_not_equal(other, a);
	client_leave(other);
	assert_null(clients_find(s, "10.0.0.2"));
	for (int i = 0; i < 3; i++)
		client_leave(a);
	client_leave(NULL);
	assert_null(clients_find(s, "10.0.0.1"));
	clients_free(s);
	clients_free(NULL);
}

static void test_rates(void **state)
{
	static const struct {
		int64_t at_ms;
		unsigned bytes, events; /* sent; at most 1000 and 10 a second */
		int64_t wait_ms;
	} steps[] = {
		{0, 0, 0, 0}, {0, 1000, 0, 0}, /* a second's worth at once */
		{0, 500, 0, 500}, {400, 0, 0, 100}, {500, 0, 0, 0}, {500, 1000, 0, 1000}, {1500, 0, 5, 0},
		{1500, 0, 5, 0},
		{1500, 0, 20, 2000}, /* one message may be larger than the limit: it is waited for afterwards */
		{2500, 2000, 0, 1000}, {9000, 1000, 10, 0},	    /* what was not used long ago is not kept */
		{9000, 10, 0, 10}, {10000, 4000000000, 0, 3599010}, /* never longer than an hour */
	};
	struct clients *s = clients_new();
	struct client *c = clients_enter(s, "fd00::1", 0);
	int64_t start = clock_mono_ns();
	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		int64_t now = start + steps[i].at_ms * MS;
		client_sent_bytes(c, steps[i].bytes, 1000, now);
		client_sent_events(c, steps[i].events, 10, now);
		client_sent_events(c, 1000000, 0, now); /* no limit */
		if (client_wait(c, now) / MS != steps[i].wait_ms)
			fail_msg("step %zu: waits for %lld ms", i, (long long)(client_wait(c, now) / MS));
	}
	client_leave(c);
	/* To come anew gains nothing. */
	assert_ptr_equal(clients_enter(s, "fd00::1", 1), c);
	assert_true(client_wait(c, start) > 0);
	client_leave(c);
	clients_free(s);
}

/* Accounts that are in debt without a connection go once they are out of it; those with one stay. */
static void test_many(void **state)
{
	struct clients *s = clients_new();
	struct client *stays = clients_enter(s, "stays", 0);
	int64_t long_ago = clock_mono_ns() - 10 * NS_PER_S;
	char address[32];
	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(address, sizeof address, "10.0.%d.%d", i / 256, i % 256);
		struct client *c = clients_enter(s, address, 1);
		assert_non_null(c);
		client_sent_bytes(c, i % 2 ? 20000 : 5000, 1000, long_ago);
		assert_int_equal(client_wait(c, clock_mono_ns()) > 0, i % 2);
		client_leave(c);
	}
	assert_ptr_equal(clients_find(s, "stays"), stays);
	assert_null(clients_find(s, "10.0.0.0"));
	assert_non_null(clients_find(s, "10.0.0.1"));
	client_leave(stays);
	clients_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
