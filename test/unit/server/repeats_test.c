/* What is a repetition, and what a repetition of a message under way waits for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "repeats.h"

#include <errno.h>
#include <pthread.h>

struct message {
	struct txn txn; /* first */
	_Atomic int done;
	int error;
};

static void on_done(struct txn *t)
{
	struct message *m = (struct message *)t;
	m->error = txn_error(t);
	m->done++;
}

static const uint8_t *key_of(uint64_t n)
{
	static _Thread_local uint8_t key[FRAME_KEY_LEN];
	be64_put(key, n * UINT64_C(0x9e3779b97f4a7c15)); /* spread over the sets as hashes are */
	be32_put(key + 8, (uint32_t)n);
	return key;
}

static enum repeat begin(struct repeats *r, uint64_t key, struct message *m)
{
	*m = (struct message){.done = 0};
	txn_begin(&m->txn, NULL, on_done);
	return repeats_begin(r, key_of(key), &m->txn);
}

static void durable_once(void **state)
{
	struct repeats *r = repeats_new();
	struct message a, b, other;
	(void)state;
	assert_int_equal(begin(r, 1, &a), REPEAT_NOT);
	txn_release(&a.txn);
	assert_int_equal(a.done, 1);
	assert_int_equal(begin(r, 1, &b), REPEAT_DURABLE);
	txn_release(&b.txn);
	assert_int_equal(b.done, 1);
	assert_int_equal(b.error, 0);
	assert_int_equal(begin(r, 2, &other), REPEAT_NOT);
	txn_release(&other.txn);
	repeats_free(r);
}

/* The repetitions of a message under way end when it ends, and as it ends. */
static void under_way(void **state)
{
	static const int errors[] = {0, EIO};
	struct repeats *r = repeats_new();
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct message first, again[2], late;
		assert_int_equal(begin(r, i, &first), REPEAT_NOT);
		txn_hold(&first.txn); /* a frame */
		txn_release(&first.txn);
		for (unsigned j = 0; j < 2; j++) {
			assert_int_equal(begin(r, i, &again[j]), REPEAT_WAITS);
			txn_release(&again[j].txn);
			assert_int_equal(again[j].done, 0);
		}
		if (errors[i])
			txn_fail(&first.txn, errors[i]);
		txn_drop_anywhere(&first.txn);
		assert_int_equal(first.done, 1);
		for (unsigned j = 0; j < 2; j++) {
			assert_int_equal(again[j].done, 1);
			assert_int_equal(again[j].error, errors[i]);
		}
		assert_int_equal(begin(r, i, &late), errors[i] ? REPEAT_NOT : REPEAT_DURABLE);
		txn_release(&late.txn);
	}
	repeats_free(r);
}

/* What was found at start-up is known; the latest quarter of the bound is remembered however many come. */
static void bounded(void **state)
{
	struct repeats *r = repeats_new();
	struct message m;
	uint64_t n = 4 * REPEATS_MAX, lost = 0;
	(void)state;
	for (uint64_t i = 0; i < n; i++)
		repeats_add(r, key_of(i));
	for (uint64_t i = n - REPEATS_MAX / 4; i < n; i++) {
		lost += begin(r, i, &m) != REPEAT_DURABLE;
		txn_release(&m.txn);
	}
	assert_int_equal(lost, 0);
	assert_int_equal(begin(r, 0, &m), REPEAT_NOT);
	txn_release(&m.txn);
	repeats_free(r);
}

/* A part of a message that one buffer has says nothing of another one, nor of the message. */
static void frames(void **state)
{
	struct repeats *r = repeats_new();
	const struct buffer *a = (const struct buffer *)&a, *b = (const struct buffer *)&b;
	struct message m;
	(void)state;
	assert_false(repeats_has_frame(r, a, key_of(1)));
	repeats_add_frame(r, a, key_of(1));
	assert_true(repeats_has_frame(r, a, key_of(1)));
	assert_false(repeats_has_frame(r, b, key_of(1)));
	assert_false(repeats_has_frame(r, a, key_of(2)));
	assert_int_equal(begin(r, 1, &m), REPEAT_NOT);
	txn_release(&m.txn);
	repeats_free(r);
}

struct step {
	struct epilogue epilogue;
	struct message *message;
	char *log;
	char name;
};

static void on_step(struct epilogue *e, struct txn *t, bool first, bool last)
{
	struct step *s = (struct step *)e;
	assert_int_equal(s->message->done, 0);
	assert_int_equal(first, s->name == 'a');
	assert_int_equal(last, s->name == 'b');
	s->log[strlen(s->log)] = s->name;
	txn_hold(t); /* a frame of its own, which is durable some time later */
}

/* Epilogues come after all frames, together; then their own frames are waited for. */
static void epilogues(void **state)
{
	char log[8] = "";
	struct message m = {.done = 0};
	struct step a = {.epilogue.run = on_step, .message = &m, .log = log, .name = 'a'};
	struct step b = {.epilogue.run = on_step, .message = &m, .log = log, .name = 'b'};
	(void)state;
	txn_begin(&m.txn, NULL, on_done);
	txn_hold(&m.txn);
	txn_then(&m.txn, &a.epilogue);
	txn_then(&m.txn, &b.epilogue);
	txn_release(&m.txn);
	assert_string_equal(log, "");
	txn_drop_anywhere(&m.txn);
	assert_string_equal(log, "ab");
	txn_drop_anywhere(&m.txn);
	assert_int_equal(m.done, 0);
	txn_drop_anywhere(&m.txn);
	assert_int_equal(m.done, 1);
}

static struct repeats *shared;
static _Atomic unsigned stored;

static void *send_all(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 2000; i++) {
		struct message m;
		if (begin(shared, i, &m) == REPEAT_NOT)
			stored++;
		txn_release(&m.txn);
		while (!m.done)
			; /* the thread that ends the first copy ends this one */
	}
	return NULL;
}

static void on_done_elsewhere(void **state)
{
	pthread_t threads[4];
	(void)state;
	shared = repeats_new();
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_all, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(stored, 2000);
	repeats_free(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durable_once),
		cmocka_unit_test(under_way),
		cmocka_unit_test(bounded),
		cmocka_unit_test(frames),
		cmocka_unit_test(epilogues),
		cmocka_unit_test(on_done_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
