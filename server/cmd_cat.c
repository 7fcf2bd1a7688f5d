/* cmd_cat.c: weir cat TAG: standard input to events, over the forward protocol, acknowledged: fluent-cat's work. */
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "forward_link.h"
#include "record/json_get.h"
#include "record/msgpack_put.h"
#include "record/msgpack_scan.h"
#include "record/time_guess.h"
#include "tools.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define INPUT_MAX     (64u << 20) /* bytes of a line or object */
#define BATCH_BYTES   (1u << 20)
#define BATCH_EVENTS  1000u
#define LINGER_MS     100 /* how long a batch waits for more */
#define RETRY_WAIT_US 500000
#define ACK_NS	      (60 * NS_PER_S)

static const char usage[] =
	"usage: weir cat [options] TAG\n"
	"Sends each line of standard input as an event of that tag to a forward input, and waits until it is\n"
	"acknowledged.\n"
	"  -h, --host HOST         127.0.0.1\n"
	"  -p, --port PORT         24224\n"
	"  -u, --unix              over a unix socket\n"
	"  -s, --socket PATH       that socket (/var/run/fluent/fluent.sock)\n"
	"  -f, --format FORMAT     json (a line is an object; default), none (a line is a text), msgpack (objects)\n"
	"      --json, --msgpack, --none\n"
	"      --message-key KEY   the field for the text of format none (message)\n"
	"      --event-time TIME   the events' time; default: now\n"
	"      --time-as-integer   whole seconds, for old servers\n"
	"      --retry-limit N     tries again after a failure (5)\n"
	"      --tls               TLS; --ca-file FILE: trust that CA, --insecure: trust anybody\n"
	"      --no-ack            do not wait for acks\n"
	"$WEIR_SHARED_KEY, $WEIR_USERNAME and $WEIR_PASSWORD are for a server with <security>.\n";

enum format { FORMAT_JSON, FORMAT_NONE, FORMAT_MSGPACK };

struct cat {
	struct forward_link_options link_options;
	struct forward_credentials credentials;
	const char *tag, *message_key;
	enum format format;
	bool seconds_only, no_ack, has_time;
	struct event_time time;
	long retries;
	struct forward_link *link; /* NULL = not connected */
	struct buf input, entries, record;
	uint32_t count;
	uint64_t sent, skipped;
};

/* ---- sending ------------------------------------------------------------------------------------------------------ */

static bool send_once(struct cat *c, struct span message, struct span id, struct err *err)
{
	bool stopped;
	struct span answer;
	if (!c->link && !(c->link = forward_link_open(&c->link_options, &stopped, err)))
		return false;
	if (forward_link_write(c->link, message, ACK_NS, err) != LINK_OK)
		return false;
	if (!id.n)
		return true;
	if (forward_link_read(c->link, &answer, ACK_NS, err) != LINK_OK)
		return false;
	return span_eq(forward_read_ack(answer), id) ||
	       err_set(err, "the server answered with something else than the ack");
}

/* The same bytes with the same id each time: a server that has them already takes them for a repetition. */
static bool send_message(struct cat *c, struct span message, struct span id)
{
	struct err err;
	for (long i = 0;; i++) {
		if (send_once(c, message, id, &err))
			return true;
		forward_link_close(c->link);
		c->link = NULL;
		fprintf(stderr, "weir: %s%s\n", err.text, i < c->retries ? "; trying again" : "");
		if (i >= c->retries)
			return false;
		usleep(RETRY_WAIT_US);
	}
}

static bool send_batch(struct cat *c)
{
	uint8_t random[16];
	struct buf message, id;
	if (!c->count)
		return true;
	buf_init(&message, 4 * INPUT_MAX);
	buf_init(&id, 64);
	if (!c->no_ack && getrandom(random, sizeof random, 0) == sizeof random)
		base64_put(&id, BASE64_STD, span_of(random, sizeof random));
	struct forward_packed packed = {
		.tag = span_str(c->tag), .entries = buf_span(&c->entries), .count = c->count, .chunk = buf_span(&id)};
	bool ok = forward_put_packed(&message, &packed) && send_message(c, buf_span(&message), buf_span(&id));
	if (ok)
		c->sent += c->count;
	c->count = 0;
	buf_clear(&c->entries);
	buf_free(&message);
	buf_free(&id);
	return ok;
}

/* ---- from the input to events ------------------------------------------------------------------------------------- */

static void add_event(struct cat *c, struct span record)
{
	int64_t now = clock_wall_ns();
	struct event_time t = c->has_time
				      ? c->time
				      : (struct event_time){.sec = now / NS_PER_S, .nsec = (uint32_t)(now % NS_PER_S)};
	mp_put_array_head(&c->entries, 2);
	if (c->seconds_only)
		mp_put_int(&c->entries, t.sec);
	else
		mp_put_event_time(&c->entries, t);
	buf_put_span(&c->entries, record);
	c->count++;
}

static void skip(struct cat *c, const char *why)
{
	c->skipped++;
	fprintf(stderr, "weir: a line is left out: %s\n", why);
}

static bool is_map(struct span s)
{
	struct mp_token t;
	const uint8_t *p = s.p;
	return s.n && mp_read(&p, s.p + s.n, &t) == MP_OK && t.type == MP_MAP;
}

static void take_line(struct cat *c, struct span line)
{
	const char *why = "it is no JSON";
	const uint8_t *p = line.p, *end = p + line.n;
	buf_clear(&c->record);
	if (c->format == FORMAT_NONE) {
		mp_put_map_head(&c->record, 1);
		mp_put_str(&c->record, span_str(c->message_key));
		mp_put_str(&c->record, line);
		add_event(c, buf_span(&c->record));
		return;
	}
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	if (p == end)
		return;
	if (json_get(&p, end, MP_DEPTH_LIMIT, &c->record, &why) != JSON_OK)
		skip(c, why);
	else if (!is_map(buf_span(&c->record)))
		skip(c, "it is no JSON object");
	else
		add_event(c, buf_span(&c->record));
}

/* Takes what is whole at the beginning of the input; false: it is no msgpack. */
static size_t whole_objects(struct cat *c)
{
	size_t at = 0, n;
	while (at < c->input.n && (n = mp_length(c->input.p + at, c->input.p + c->input.n))) {
		struct span object = span_of(c->input.p + at, n);
		if (is_map(object))
			add_event(c, object);
		else
			skip(c, "an object is no map");
		at += n;
	}
	return at;
}

static size_t whole_lines(struct cat *c)
{
	const uint8_t *p = c->input.p, *end = p + c->input.n, *newline;
	while (p < end && (newline = memchr(p, '\n', (size_t)(end - p)))) {
		take_line(c, span_of(p, (size_t)(newline - p)));
		p = newline + 1;
	}
	return (size_t)(p - c->input.p);
}

static void take_input(struct cat *c)
{
	size_t used = c->format == FORMAT_MSGPACK ? whole_objects(c) : whole_lines(c);
	if (used)
		memmove(c->input.p, c->input.p + used, c->input.n - used);
	c->input.n -= used;
}

/* False at the input's end. */
static bool read_more(struct cat *c)
{
	if (!buf_reserve(&c->input, 64u << 10)) {
		fprintf(stderr, "weir: a line is longer than %u bytes\n", INPUT_MAX);
		return false;
	}
	ssize_t n = read(STDIN_FILENO, c->input.p + c->input.n, c->input.cap - c->input.n);
	if (n < 0 && errno == EINTR)
		return true;
	if (n > 0)
		c->input.n += (size_t)n;
	return n > 0;
}

static bool pump(struct cat *c)
{
	bool more = true;
	while (more) {
		struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
		bool waits = c->count && poll(&fd, 1, LINGER_MS) == 0;
		more = waits || read_more(c);
		if (!waits)
			take_input(c);
		if ((waits || c->count >= BATCH_EVENTS || c->entries.n >= BATCH_BYTES) && !send_batch(c))
			return false;
	}
	if (c->input.n && c->format != FORMAT_MSGPACK)
		take_line(c, buf_span(&c->input)); /* without its newline */
	else if (c->input.n)
		skip(c, "the last object is cut");
	return send_batch(c);
}

/* ---- the command line --------------------------------------------------------------------------------------------- */

enum {
	OPT_MESSAGE_KEY = 256,
	OPT_EVENT_TIME,
	OPT_SECONDS,
	OPT_RETRY,
	OPT_TLS,
	OPT_CA,
	OPT_INSECURE,
	OPT_NO_ACK,
	OPT_JSON,
	OPT_MSGPACK,
	OPT_NONE,
	OPT_HELP
};

static const struct option options[] = {
	{"host", required_argument, NULL, 'h'},
	{"port", required_argument, NULL, 'p'},
	{"unix", no_argument, NULL, 'u'},
	{"socket", required_argument, NULL, 's'},
	{"format", required_argument, NULL, 'f'},
	{"json", no_argument, NULL, OPT_JSON},
	{"msgpack", no_argument, NULL, OPT_MSGPACK},
	{"none", no_argument, NULL, OPT_NONE},
	{"message-key", required_argument, NULL, OPT_MESSAGE_KEY},
	{"event-time", required_argument, NULL, OPT_EVENT_TIME},
	{"time-as-integer", no_argument, NULL, OPT_SECONDS},
	{"retry-limit", required_argument, NULL, OPT_RETRY},
	{"tls", no_argument, NULL, OPT_TLS},
	{"ca-file", required_argument, NULL, OPT_CA},
	{"insecure", no_argument, NULL, OPT_INSECURE},
	{"no-ack", no_argument, NULL, OPT_NO_ACK},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

struct tls_wish {
	bool wanted, insecure;
	const char *ca_file;
};

static bool take_number(const char *text, long max, long *out)
{
	char *end;
	errno = 0;
	*out = strtol(text, &end, 10);
	return *text && !*end && !errno && *out >= 0 && *out <= max;
}

static bool take_format(struct cat *c, const char *name)
{
	static const char *const names[] = {"json", "none", "msgpack"};
	for (int i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			c->format = (enum format)i;
	return strcmp(name, names[c->format]) == 0;
}

static bool take_time(struct cat *c, const char *text)
{
	char *end;
	c->has_time = true;
	c->time = (struct event_time){.sec = strtoll(text, &end, 10)};
	return (*text && !*end) || time_guess(span_str(text), c->time, zone_local(), &c->time);
}

static bool take_option(struct cat *c, int opt, struct tls_wish *tls, bool *unix_socket)
{
	long n;
	switch (opt) {
	case 'h':
		c->link_options.host = optarg;
		return true;
	case 'p':
		c->link_options.port = take_number(optarg, 65535, &n) ? (unsigned)n : 0;
		return c->link_options.port != 0;
	case 's':
		c->link_options.path = optarg;
		*unix_socket = true;
		return true;
	case 'u':
		return *unix_socket = true;
	case 'f':
		return take_format(c, optarg);
	case OPT_JSON:
	case OPT_NONE:
	case OPT_MSGPACK:
		c->format = opt == OPT_JSON ? FORMAT_JSON : opt == OPT_NONE ? FORMAT_NONE : FORMAT_MSGPACK;
		return true;
	case OPT_MESSAGE_KEY:
		c->message_key = optarg;
		return true;
	case OPT_EVENT_TIME:
		return take_time(c, optarg);
	case OPT_SECONDS:
		return c->seconds_only = true;
	case OPT_RETRY:
		return take_number(optarg, 1000000, &c->retries);
	case OPT_TLS:
		return tls->wanted = true;
	case OPT_CA:
		tls->ca_file = optarg;
		return tls->wanted = true;
	case OPT_INSECURE:
		return tls->wanted = tls->insecure = true;
	case OPT_NO_ACK:
		return c->no_ack = true;
	default:
		return false;
	}
}

static SSL_CTX *make_tls(const struct tls_wish *wish)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	bool ok = tls && SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 &&
		  (wish->ca_file ? SSL_CTX_load_verify_file(tls, wish->ca_file) == 1
				 : SSL_CTX_set_default_verify_paths(tls) == 1);
	if (ok) {
		SSL_CTX_set_verify(tls, wish->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
		return tls;
	}
	fprintf(stderr, "weir: no TLS: %s cannot be read\n", wish->ca_file ? wish->ca_file : "the system's CAs");
	SSL_CTX_free(tls);
	return NULL;
}

static const char *env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);
	return value ? value : otherwise;
}

static void take_credentials(struct cat *c, char *host, size_t size)
{
	gethostname(host, size - 1);
	c->credentials = (struct forward_credentials){
		.self_hostname = host,
		.shared_key = env_or("WEIR_SHARED_KEY", ""),
		.username = env_or("WEIR_USERNAME", ""),
		.password = env_or("WEIR_PASSWORD", ""),
	};
	if (getenv("WEIR_SHARED_KEY") || getenv("WEIR_USERNAME"))
		c->link_options.credentials = &c->credentials;
}

static int run(struct cat *c)
{
	buf_init(&c->input, INPUT_MAX);
	buf_init(&c->entries, 2 * INPUT_MAX);
	buf_init(&c->record, 2 * INPUT_MAX);
	bool ok = pump(c);
	forward_link_close(c->link);
	buf_free(&c->input);
	buf_free(&c->entries);
	buf_free(&c->record);
	if (!ok)
		fprintf(stderr, "weir: given up; %llu events were sent before\n", (unsigned long long)c->sent);
	return ok && !c->skipped ? 0 : 1;
}

int cmd_cat(int argc, char **argv)
{
	char host[256] = "";
	bool unix_socket = false;
	struct tls_wish tls = {0};
	struct cat c = {.message_key = "message", .retries = 5};
	c.link_options = (struct forward_link_options){.host = "127.0.0.1",
		.port = 24224,
		.connect_timeout_ns = 10 * NS_PER_S,
		.hard_timeout_ns = 10 * NS_PER_S,
		.stop_fd = -1};
	for (int opt; (opt = getopt_long(argc, argv, "h:p:us:f:", options, NULL)) != -1;) {
		if (!take_option(&c, opt, &tls, &unix_socket))
			return fputs(usage, opt == OPT_HELP ? stdout : stderr), opt == OPT_HELP ? 0 : 1;
	}
	if (argc - optind != 1 || !*argv[optind])
		return fputs(usage, stderr), 1;
	c.tag = argv[optind];
	if (unix_socket && !c.link_options.path)
		c.link_options.path = "/var/run/fluent/fluent.sock";
	if (tls.wanted && !(c.link_options.tls = make_tls(&tls)))
		return 1;
	c.link_options.verify_hostname = tls.wanted && !tls.insecure;
	take_credentials(&c, host, sizeof host);
	int status = run(&c);
	SSL_CTX_free(c.link_options.tls);
	return status;
}
