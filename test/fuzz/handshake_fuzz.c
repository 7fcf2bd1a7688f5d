/* What a client may send for a PING. Nobody gets in who does not know the key: the fuzzer cannot make SHA-512. */
#include "base/mem.h"
#include "forward/forward_auth.h"
#include "record/msgpack_scan.h"

#include <netinet/in.h>
#include <stdlib.h>

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

enum { PING_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As test/vectors/handshake.json has them, so that its PINGs are admitted as they are. */
static const uint8_t nonce[FORWARD_NONCE_LEN] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t auth[FORWARD_NONCE_LEN] = {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static const struct forward_user users[] = {{"alice", "wonderland"}, {"bob", "builder"}};

static void judge(const uint8_t *p, size_t n, bool user_auth)
{
	const struct forward_security s = {.self_hostname = "aggregator.example",
		.shared_key = "secret_key",
		.user_auth = user_auth,
		.allow_anonymous_source = true,
		.users = users,
		.user_count = 2};
	const struct sockaddr_in peer = {.sin_family = AF_INET};
	struct forward_ping result;
	struct buf out;
	buf_init(&out, 4096);
	forward_judge_ping(&s, nonce, auth, forward_find_client(&s, (const struct sockaddr *)&peer, NULL, NULL),
		(struct span){p, n}, &out, &result);
	REQUIRE(!out.failed && mp_skip(out.p, out.p + out.n, 1) == out.n);
	REQUIRE(memchr(result.client_hostname, 0, sizeof result.client_hostname));
	REQUIRE(memchr(result.username, 0, sizeof result.username));
	REQUIRE(!result.refusal || strlen(result.refusal) <= 31);
	REQUIRE((out.p[6] == 0xc3) == !result.refusal);
	buf_free(&out);
}

static void parse_network(const uint8_t *data, size_t size)
{
	struct forward_client c;
	char *text = mem_strndup(data, size);
	if (forward_client_parse(text, &c))
		REQUIRE(c.prefix <= (c.net.ss_family == AF_INET ? 32u : 128u));
	mem_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t length, whole;
	uint8_t *p = mem_alloc(size);
	if (size)
		memcpy(p, data, size);
	bool ok = forward_ping_length(p, size, PING_MAX, &whole);
	REQUIRE(whole <= size && whole <= PING_MAX && (ok || whole == 0));
	for (size_t n = 0; n < size && n < 300 && whole; n++) /* not whole before it is whole */
		REQUIRE(forward_ping_length(p, n, PING_MAX, &length) && length == (n < whole ? 0 : whole));
	REQUIRE(whole == 0 || mp_length(p, p + size) == whole);
	judge(p, whole, true);
	judge(p, whole, false);
	judge(p, size, true);
	parse_network(data, size);
	mem_free(p);
	return 0;
}
