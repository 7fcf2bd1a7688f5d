/* cmd_status.c: weir status: how a weir that runs is doing, once; for people and for scripts. */
#include "admin_client.h"
#include "status_text.h"
#include "tools.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] = "usage: weir status [--admin HOST:PORT] [--json]\n"
			    "Tells how the weir at that admin endpoint ($WEIR_ADMIN, else 127.0.0.1:24280) is doing.\n"
			    "Ends with 0 when all is well, 2 when it does not take events, 3 when it stores them but a "
			    "destination does not\n"
			    "take them, 1 when there is no answer.\n";

enum { STATUS_OK = 0, STATUS_NO_ANSWER = 1, STATUS_NOT_READY = 2, STATUS_NOT_DELIVERING = 3 };

static int judge(const json_t *j)
{
	const json_t *outputs = json_object_get(j, "outputs");
	if (!json_is_true(json_object_get(json_object_get(j, "weir"), "ready")))
		return STATUS_NOT_READY;
	for (size_t i = 0; i < json_array_size(outputs); i++) {
		const char *state = json_string_value(json_object_get(json_array_get(outputs, i), "state"));
		if (state && strcmp(state, "ok") != 0)
			return STATUS_NOT_DELIVERING;
	}
	return STATUS_OK;
}

static int tell(struct buf *answer, bool as_json)
{
	struct status_text_options plain = {0};
	struct buf text;
	json_error_t why;
	json_t *j = json_loadb(answer->n ? (const char *)answer->p : "", answer->n, 0, &why);
	if (!j) {
		fprintf(stderr, "weir: the answer is no JSON: %s\n", why.text);
		return STATUS_NO_ANSWER;
	}
	int status = judge(j);
	buf_init(&text, 16 << 20);
	if (as_json)
		buf_put_span(&text, buf_span(answer));
	else
		status_text(j, &plain, &text);
	fwrite(text.p, 1, text.n, stdout);
	if (as_json)
		putchar('\n');
	buf_free(&text);
	json_decref(j);
	return status;
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {{"admin", required_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *address = NULL;
	bool as_json = false;
	struct err err;
	struct buf answer;
	for (int opt; (opt = getopt_long(argc, argv, "a:jh", options, NULL)) != -1;) {
		if (opt == 'a')
			address = optarg;
		else if (opt == 'j')
			as_json = true;
		else
			return fputs(usage, opt == 'h' ? stdout : stderr), opt == 'h' ? 0 : 1;
	}
	if (optind < argc) {
		fprintf(stderr, "weir: status takes no argument such as '%s'\n%s", argv[optind], usage);
		return 1;
	}
	struct admin_client *c = admin_client_new(address, &err);
	buf_init(&answer, 64 << 20);
	bool ok = c && admin_client_get(c, "/api/status.json", &answer, &err);
	int status = ok ? tell(&answer, as_json) : STATUS_NO_ANSWER;
	if (!ok)
		fprintf(stderr, "weir: %s\n", err.text);
	buf_free(&answer);
	admin_client_free(c);
	return status;
}
