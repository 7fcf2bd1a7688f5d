#include "aws_credentials.h"

#include "aws_fetch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>

#define EARLY_NS     (5 * 60 * NS_PER_S) /* before they end */
#define TRY_AGAIN_NS (30 * NS_PER_S)	 /* after a failure, while the old ones are good */

struct aws_credentials {
	struct aws_options o;
	pthread_mutex_t lock; /* of what follows */
	struct aws_found found;
	int64_t renew_ns; /* by the wall clock, as AWS tells the end; 0 = there are none */
};

struct aws_credentials *aws_credentials_new(const struct aws_options *o)
{
	struct aws_credentials *c = mem_zalloc(sizeof *c);
	c->o = *o;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void aws_credentials_free(struct aws_credentials *c)
{
	if (!c)
		return;
	sigv4_keys_free(&c->found.keys);
	pthread_mutex_destroy(&c->lock);
	mem_free(c);
}

static int64_t time_to_renew(const struct aws_credentials *c, int64_t now)
{
	const int64_t left = c->found.end_ns - now;
	const int64_t early = left < 2 * EARLY_NS ? left / 2 : left - EARLY_NS;
	return now + (early < c->o.refresh_ns ? early : c->o.refresh_ns);
}

static bool renew(struct aws_credentials *c, int64_t now, struct err *err)
{
	struct aws_found fresh;
	if (aws_fetch(&c->o, &fresh, err)) {
		sigv4_keys_free(&c->found.keys);
		c->found = fresh;
		c->renew_ns = time_to_renew(c, now);
		log_debug(c->o.plugin, "new AWS credentials", LOG_S("from", fresh.from));
		return true;
	}
	err_wrap(err, "no AWS credentials");
	if (!c->renew_ns || now >= c->found.end_ns)
		return false;
	log_error(c->o.plugin, "AWS credentials could not be renewed: the old ones are used as long as they are good",
		LOG_S("error", err->text));
	c->renew_ns = c->found.end_ns - now < TRY_AGAIN_NS ? c->found.end_ns : now + TRY_AGAIN_NS;
	return true;
}

bool aws_credentials_get(void *credentials, struct sigv4_keys *out, struct err *err)
{
	struct aws_credentials *c = credentials;
	pthread_mutex_lock(&c->lock);
	const int64_t now = clock_wall_ns();
	const bool ok = now < c->renew_ns || renew(c, now, err);
	if (ok)
		sigv4_keys_copy(out, &c->found.keys);
	pthread_mutex_unlock(&c->lock);
	return ok;
}
