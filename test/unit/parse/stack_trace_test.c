/* Which lines are one stack trace. A case is a log; each of its lines is marked with what it is: s(tart), i(nside), e(nd), or . */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/buf.h"
#include "parse/stack_trace.h"

#include <stdio.h>

static const struct {
	const char *name;
	unsigned languages;
	const char *log; /* each line: mark, space, text */
} cases[] = {
	{"java", TRACE_JAVA,
		". before\n"
		"s Jul 09, 2015 3:23:29 PM com.x.Y: RuntimeException: test exception\n"
		"i \tat com.example.Server.service(Server.java:31)\n"
		"i \tat java.base/java.lang.Thread.run(Thread.java:833)\n"
		". after\n"},
	{"java, nothing after the name", TRACE_ALL,
		"s java.lang.NullPointerException\n"
		"i \tat a.B.c(B.java:1)\n"
		". x\n"},
	{"java, causes", TRACE_ALL,
		"s javax.servlet.ServletException: Something bad happened\n"
		"i     at com.x.OpenSession.doFilter(Open.java:30)\n"
		"i     at com.y.Other.handle(Other.java:3)\n"
		"i Caused by: com.x.MyProjectServletException\n"
		"i     at com.x.MyServlet.doPost(MyServlet.java:169)\n"
		"i     ... 27 more\n"
		"i Caused by: org.hib.ConstraintViolationException: could not insert: [com.x.MyEntity]\n"
		"i     at org.hib.Convert.convert(Convert.java:96)\n"
		"i     ... 32 common frames omitted\n"
		"i \tSuppressed: java.io.IOException: close\n"
		"i \t\tat a.B.c(B.java:1)\n"
		". GET / 200\n"},
	{"java, nested", TRACE_JAVA,
		"s java.lang.RuntimeException: javax.mail.SendFailedException: Invalid Addresses;\n"
		"i   nested exception is:\n"
		"i com.sun.mail.smtp.SMTPAddressFailedException: 550 5.7.1 <x>... Relaying denied\n"
		"i \n"
		"i \tat com.n.SendMail.sendMail(SendMail.java:236)\n"
		". x\n"},
	{"java, one after the other", TRACE_ALL,
		"s Exception: a\n"
		"i \tat a.B.c(B.java:1)\n"
		"s Exception: b\n"
		"i \tat a.B.c(B.java:1)\n"
		"s Exception: c\n"
		". x\n"},
	{"java, a name alone is no trace", TRACE_ALL, ". an ExceptionHandler was made\n. at home\n. \tat home\n"},
	{"javascript", TRACE_ALL,
		"s TypeError: Cannot read properties of undefined (reading 'x')\n"
		"i     at Object.<anonymous> (/app/index.js:3:11)\n"
		"i     at eval at foo (/app/x.js:1:1)\n"
		"i     eval at <anonymous>\n"
		"i     at process.processTicksAndRejections (node:internal/process/task_queues:95:5)\n"
		". }\n"},
	{"javascript, V8", TRACE_JAVA,
		"s V8 errors stack trace:\n"
		"i   eval at Foo.a (eval at Bar.z (myscript.js:10:3))\n"
		"i   at new Contructor.Name (native)\n"
		". x\n"},
	{"csharp", TRACE_ALL,
		"s System.Exception: This is an exception ---> System.Exception: Inner exception\n"
		"i   at MyApp.Foo() in C:\\\\x.cs:line 24\n"
		"i   --- End of inner exception stack trace ---\n"
		"i   at MyApp.Main() in C:\\\\x.cs:line 13\n"
		"i --- End of stack trace from previous location where exception was thrown ---\n"
		"i   at System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw()\n"
		". x\n"},
	{"python", TRACE_ALL,
		"s Traceback (most recent call last):\n"
		"i   File \"/base/webapp2.py\", line 1535, in __call__\n"
		"i     rv = self.handle_exception(request, response, e)\n"
		"i   File \"/base/app.py\", line 17, in start\n"
		"i     return get()\n"
		"e Exception: ('spam', 'eggs')\n"
		". x\n"},
	{"python 3.11, places in lines, recursion, no message", TRACE_PYTHON,
		"s Traceback (most recent call last):\n"
		"i   File \"a.py\", line 1, in f\n"
		"i     return 1 / x.y()\n"
		"i            ~~^~~~~~~\n"
		"i   File \"a.py\", line 3, in g\n"
		"i     g()\n"
		"i   [Previous line repeated 996 more times]\n"
		"e KeyboardInterrupt\n"
		". x\n"},
	{"python, cut off", TRACE_ALL, "s Traceback (most recent call last):\n. 2024-01-01 12:00 GET\n"},
	{"php", TRACE_ALL,
		"s PHP Fatal error:  Uncaught exception 'Exception' with message 'x' in /home/x.php:9\n"
		"i Stack trace:\n"
		"i #0 /home/y.php(25): x->foo()\n"
		"i #1 {main}\n"
		"e   thrown in /home/x.php on line 9\n"
		". x\n"},
	{"php, app engine", TRACE_PHP,
		"s exception 'Exception' with message 'Custom exception' in /home/x.php:5\n"
		"i Stack trace:\n"
		"i #0 /home/y.php(25): require()\n"
		". x\n"},
	{"go", TRACE_ALL,
		"s panic: my panic\n"
		"i \n"
		"i goroutine 4 [running]:\n"
		"i panic(0x45cb40, 0x47ad70)\n"
		"i \t/usr/local/go/src/runtime/panic.go:542 +0x46c fp=0xc42003f7b8\n"
		"i main.main.func1(0xc420024120)\n"
		"i \tfoo.go:6 +0x39 fp=0xc42003f7d8\n"
		"i created by main.main\n"
		"i \tfoo.go:5 +0x58\n"
		"i \n"
		"i goroutine 1 [chan receive]:\n"
		"i net/http.(*conn).serve(0xc4203b2000)\n"
		"i \t/usr/local/go/src/net/http/server.go:1721 +0x268\n"
		". exit status 2\n"},
	{"go, signal and panic again", TRACE_GO,
		"s panic: runtime error: invalid memory address or nil pointer dereference\n"
		"i \tpanic: again\n"
		"i [signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x7fd34f]\n"
		"i \n"
		"i goroutine 5 [running]:\n"
		"i main.f()\n"
		"i \t/x.go:1 +0x1\n"
		". x\n"},
	{"go, http", TRACE_ALL,
		"s 2019/01/15 07:48:05 http: panic serving [::1]:54143: test panic\n"
		"i goroutine 24 [running]:\n"
		"i main.f()\n"
		"i \t/x.go:1 +0x1\n"
		". x\n"},
	{"go, fatal error", TRACE_ALL,
		"s fatal error: all goroutines are asleep - deadlock!\n"
		"i \n"
		"i goroutine 1 [chan receive]:\n"
		"i main.main()\n"
		"i \t/x.go:1 +0x1\n"
		". x\n"},
	{"ruby on rails", TRACE_ALL,
		"s  ActionController::RoutingError (No route matches [GET] \"/settings\"):\n"
		"i   \n"
		"i   actionpack (5.1.4) lib/action_dispatch/middleware/debug_exceptions.rb:63:in `call'\n"
		"i   puma (3.10.0) lib/puma/server.rb:359:in `process_client'\n"
		". x\n"},
	{"ruby", TRACE_RUBY,
		"s /app/x.rb:3:in 'Foo#bar': wrong (ArgumentError)\n"
		"i \tfrom /app/x.rb:7:in 'Foo#baz'\n"
		"i \tfrom /app/x.rb:9:in '<main>'\n"
		". x\n"},
	{"dart", TRACE_ALL,
		"s Unhandled exception:\n"
		"i Instance of 'MyError'\n"
		"i #0      printError (file:///x.dart:42:13)\n"
		"i <asynchronous suspension>\n"
		"i #1      main (file:///x.dart:20:1)\n"
		". x\n"},
	{"dart, messages of several lines", TRACE_DART,
		"s Unhandled exception:\n"
		"i FormatException: Invalid radix-10 number (at character 1)\n"
		"i blah\n"
		"i ^\n"
		"i \n"
		"i #0      int.parse (dart:core)\n"
		". x\n"
		"s Unhandled exception:\n"
		"i NoSuchMethodError: No top-level method 'x' declared.\n"
		"i Receiver: top-level\n"
		"i Tried calling: x()\n"
		"i #0      NoSuchMethodError._throwNew (dart:core)\n"
		". x\n"},
	{"another language's trace", TRACE_GO, ". Exception: a\n. \tat a.B.c(B.java:1)\n"},
	{"bytes that are no UTF-8, and nothing at all", TRACE_ALL, ". Exception: \xff\n. \n. \n"},
};

/* With and without the line feed that Docker leaves at the end. */
static void traces(void **state)
{
	int bad = 0;
	(void)state;
	for (size_t i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
		const char *log = cases[i / 2].log;
		struct stack_trace *t = stack_trace_new(cases[i / 2].languages);
		unsigned at = 0;
		for (const char *line = log, *end; *line; line = end + 1) {
			end = strchr(line, '\n');
			struct span text = span_of(line + 2, (size_t)(end - line) - 2 + i % 2);
			char got = ".sie"[stack_trace_step(t, &at, text)];
			if (got == *line)
				continue;
			print_error("%s: %c, not %.*s\n", cases[i / 2].name, got, (int)(end - line), line);
			bad++;
		}
		stack_trace_free(t);
	}
	assert_int_equal(bad, 0);
}

static void languages(void **state)
{
	(void)state;
	assert_int_equal(trace_language("all"), TRACE_ALL);
	assert_int_equal(trace_language("CSharp"), TRACE_JAVA);
	assert_int_equal(trace_language("js"), TRACE_JAVA);
	assert_int_equal(trace_language("rb"), TRACE_RUBY);
	assert_int_equal(trace_language("cobol"), 0);
	assert_int_equal(trace_language(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(traces), cmocka_unit_test(languages)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
