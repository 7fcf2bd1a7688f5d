/* cmd_top.c: weir top: what a weir that runs does, on one screen, over and over. */
#include "admin_client.h"
#include "status_text.h"
#include "tools.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const char usage[] =
	"usage: weir top [--admin HOST:PORT] [--interval SECONDS] [--count N]\n"
	"Shows what the weir at that admin endpoint ($WEIR_ADMIN, else 127.0.0.1:24280) does. q ends it; "
	"--count after N\n"
	"pictures.\n";

static volatile sig_atomic_t ended;

static void on_end(int number)
{
	(void)number;
	ended = 1;
}

static void on_resize(int number) /* interrupts the wait */
{
	(void)number;
}

static void catch (int number, void (*fn)(int))
{
	struct sigaction a = {.sa_handler = fn};
	sigemptyset(&a.sa_mask);
	sigaction(number, &a, NULL);
}

/* Draws over what is there, so that nothing flickers. */
static void draw(struct admin_client *c)
{
	struct winsize size = {0};
	struct buf answer, picture;
	struct err err;
	buf_init(&answer, 64 << 20);
	buf_init(&picture, 16 << 20);
	bool screen = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
	struct status_text_options o = {.width = size.ws_col, .height = size.ws_row, .colour = screen};
	buf_put_str(&picture, screen ? "\033[H" : "");
	json_t *j = NULL;
	if (admin_client_get(c, "/api/status.json", &answer, &err))
		j = json_loadb(answer.n ? (const char *)answer.p : "", answer.n, 0, NULL);
	else
		terminal_put(&picture, span_str(err.text));
	if (j)
		status_text(j, &o, &picture);
	else
		buf_put_str(&picture, screen ? "\033[K\n" : "\n");
	buf_put_str(&picture, screen ? "\033[J" : "");
	fwrite(picture.p, 1, picture.n, stdout);
	fflush(stdout);
	json_decref(j);
	buf_free(&answer);
	buf_free(&picture);
}

/* False: q was pressed. */
static bool wait_for_key(double seconds)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	char key;
	int n = poll(&fd, isatty(STDIN_FILENO) ? 1 : 0, (int)(seconds * 1000));
	if (n <= 0 || read(STDIN_FILENO, &key, 1) != 1)
		return true;
	return key != 'q' && key != 'Q';
}

static void run(struct admin_client *c, double interval, long count)
{
	struct termios before, now;
	bool keys = tcgetattr(STDIN_FILENO, &before) == 0, screen = isatty(STDOUT_FILENO);
	if (keys) {
		now = before;
		now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &now);
	}
	fputs(screen ? "\033[?1049h\033[?25l" : "", stdout);
	for (long i = 0; !ended; i++) {
		draw(c);
		if ((count && i + 1 >= count) || !wait_for_key(interval))
			break;
	}
	fputs(screen ? "\033[?25h\033[?1049l" : "", stdout);
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

int cmd_top(int argc, char **argv)
{
	static const struct option options[] = {{"admin", required_argument, NULL, 'a'},
		{"interval", required_argument, NULL, 'i'}, {"count", required_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *address = NULL;
	double interval = 1;
	long count = 0;
	struct err err;
	for (int opt; (opt = getopt_long(argc, argv, "a:i:n:h", options, NULL)) != -1;) {
		if (opt == 'a')
			address = optarg;
		else if (opt == 'i')
			interval = strtod(optarg, NULL);
		else if (opt == 'n')
			count = strtol(optarg, NULL, 10);
		else
			return fputs(usage, opt == 'h' ? stdout : stderr), opt == 'h' ? 0 : 1;
	}
	if (optind < argc) {
		fprintf(stderr, "weir: top takes no argument such as '%s'\n%s", argv[optind], usage);
		return 1;
	}
	if (!(interval >= 0.1 && interval <= 3600) || count < 0) {
		fputs("weir: --interval is 0.1 to 3600 seconds, --count a number\n", stderr);
		return 1;
	}
	struct admin_client *c = admin_client_new(address, &err);
	if (!c) {
		fprintf(stderr, "weir: %s\n", err.text);
		return 1;
	}
	catch (SIGINT, on_end);
	catch (SIGTERM, on_end);
	catch (SIGWINCH, on_resize);
	run(c, interval, count);
	admin_client_free(c);
	return 0;
}
