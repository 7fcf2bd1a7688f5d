#include "forward_rules.h"

#include "base/mem.h"
#include "client_list.h"
#include "record/tag_match.h"

/* What goes beyond fluentd's <security>. */
struct rule {
	struct client_limits limits;
	struct tag_match *tags; /* NULL = all */
	bool own_tags;		/* a client's: its own, not <security>'s */
};

struct forward_rules {
	const struct forward_security_conf *conf;
	struct forward_security security;
	struct forward_user *users;
	struct forward_client *clients;
	struct rule everybody;
	struct rule *of_clients;
	struct tag_match **of_users;
};

static struct tag_match *compile(const void *section, const char *tags, struct conf_report *r)
{
	struct err err;
	if (!tags)
		return NULL;
	if (!*tags) {
		conf_report_add(r, CONF_ERROR, conf_where(section, "allowed_tags"), "'allowed_tags' must not be empty");
		return NULL;
	}
	struct tag_match *m = tag_match_compile(tags, &err);
	if (!m)
		conf_report_add(r, CONF_ERROR, conf_where(section, "allowed_tags"), "%s", err.text);
	return m;
}

static void add_user(struct forward_rules *r, const struct forward_user_conf *c, struct conf_report *report)
{
	size_t i = r->security.user_count++;
	r->users[i] = (struct forward_user){.username = c->username, .password = c->password};
	r->of_users[i] = compile(c, c->allowed_tags, report);
}

static void add_client(struct forward_rules *r, const struct forward_client_conf *c, struct conf_report *report)
{
	size_t i = r->security.client_count++;
	struct forward_client *client = &r->clients[i];
	*client = (struct forward_client){.certificate_name = c->certificate_name};
	if (!c->certificate_name)
		client_look_up(c->host, c->network, c, client, report);
	client->shared_key = c->shared_key;
	client->users = (const char *const *)c->users.v;
	r->of_clients[i] = (struct rule){
		.limits = client_limits_of(&c->limits, &r->everybody.limits),
		.tags = compile(c, c->allowed_tags, report),
		.own_tags = c->allowed_tags != NULL,
	};
}

struct forward_rules *forward_rules_new(const struct forward_security_conf *c, struct conf_report *report)
{
	static const struct client_limits none;
	struct forward_rules *r = mem_zalloc(sizeof *r);
	r->conf = c;
	r->users = mem_array(c->users.n, sizeof *r->users);
	r->of_users = mem_array(c->users.n, sizeof(struct tag_match *));
	r->clients = mem_array(c->clients.n, sizeof *r->clients);
	r->of_clients = mem_array(c->clients.n, sizeof *r->of_clients);
	r->everybody.limits = client_limits_of(&c->limits, &none);
	r->everybody.tags = compile(c, c->allowed_tags, report);
	r->security = (struct forward_security){
		.self_hostname = c->self_hostname,
		.shared_key = c->shared_key,
		.user_auth = c->user_auth,
		.allow_anonymous_source = c->allow_anonymous_source,
		.users = r->users,
		.clients = r->clients,
	};
	for (size_t i = 0; i < c->users.n; i++)
		add_user(r, c->users.v[i], report);
	for (size_t i = 0; i < c->clients.n; i++)
		add_client(r, c->clients.v[i], report);
	return r;
}

void forward_rules_free(struct forward_rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->security.user_count; i++)
		tag_match_free(r->of_users[i]);
	for (size_t i = 0; i < r->security.client_count; i++)
		tag_match_free(r->of_clients[i].tags);
	tag_match_free(r->everybody.tags);
	mem_free(r->users);
	mem_free(r->of_users);
	mem_free(r->clients);
	mem_free(r->of_clients);
	mem_free(r);
}

const struct forward_security *forward_rules_security(const struct forward_rules *r)
{
	return &r->security;
}

bool forward_rules_want_key(const struct forward_rules *r)
{
	return r->security.shared_key != NULL;
}

static const struct rule *rule_of(const struct forward_rules *r, const struct forward_client *client)
{
	return client ? &r->of_clients[client - r->clients] : &r->everybody;
}

bool forward_rules_serve_all(const struct forward_rules *r)
{
	return !r || (!forward_rules_want_key(r) && (!r->conf->clients.n || r->conf->allow_anonymous_source));
}

const struct client_limits *forward_rules_limits(const struct forward_rules *r, const struct forward_client *client)
{
	return &rule_of(r, client)->limits;
}

static bool fits(const struct tag_match *tags, struct span tag)
{
	return !tags || tag_match(tags, tag);
}

bool forward_rules_allow(const struct forward_rules *r, const struct forward_client *client,
	const struct forward_user *user, struct span tag)
{
	const struct rule *rule = rule_of(r, client);
	return fits(rule->own_tags ? rule->tags : r->everybody.tags, tag) &&
	       (!user || fits(r->of_users[user - r->users], tag));
}
