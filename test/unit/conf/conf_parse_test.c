/*
 * The v1 syntax. The first table holds what fluentd 1.19.3 was seen to do with the same text; results that differ on purpose say so.
 */
#include "conf/conf_reader.h"

#include "tree_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct parse_case {
	const char *name;
	const char *input;
	const char *tree;   /* NULL = not looked at */
	const char *report; /* "" = nothing was found */
};

/* 1 (and the difference told) if the result is another one. */
static int run(const struct parse_case *c)
{
	static const struct conf_expr_env env = {.worker_id = 0, .no_files = true};
	struct conf_report report;
	struct buf tree, findings;
	buf_init(&tree, SIZE_MAX);
	buf_init(&findings, SIZE_MAX);
	conf_report_init(&report);
	struct conf_tree *t = conf_tree_read_text("t", span_str(c->input), &env, &report);
	tree_text(&tree, conf_tree_root(t));
	report_text(&findings, &report, "t");
	const char *want_tree = c->tree ? c->tree : buf_cstr(&tree), *want_report = c->report ? c->report : "";
	int differs = strcmp(buf_cstr(&tree), want_tree) != 0 || strcmp(buf_cstr(&findings), want_report) != 0;
	if (differs)
		print_error("%s\n--- tree\n%s\n--- instead of\n%s\n--- report\n%s\n--- instead of\n%s\n", c->name,
			buf_cstr(&tree), want_tree, buf_cstr(&findings), want_report);
	conf_tree_free(t);
	conf_report_free(&report);
	buf_free(&tree);
	buf_free(&findings);
	return differs;
}

static void run_all(const struct parse_case *cases, size_t n)
{
	int differ = 0;
	for (size_t i = 0; i < n; i++)
		differ += run(&cases[i]);
	assert_int_equal(differ, 0);
}

#define RUN(cases) run_all(cases, sizeof(cases) / sizeof *(cases))

/* ---- values ---- */

static const struct parse_case value_cases[] = {
	{"plain value, trailing spaces", "k value with  two spaces   ", "{k=\"value with  two spaces\"}", ""},
	{"comment after unquoted value", "k value # comment", "{k=\"value\"}", ""},
	{"comment behind a tab", "k value\t# comment", "{k=\"value\"}", ""},
	{"hash without space before it", "k value#notcomment", "{k=\"value#notcomment\"}", ""},
	{"hash at the beginning of a value", "k #value", "{k=\"#value\"}", ""},
	{"full-line comment, indented", "  # c\nk v", "{k=\"v\"}", ""},
	{"double quoted with hash", "k \"a # b\" # comment", "{k=\"a # b\"}", ""},
	{"comment directly behind a quote", "k \"a\"#c", "{k=\"a\"}", ""},
	{"single quoted: no escapes", "k 'a\\n#{1+1} \\' x'", "{k=\"a\\\\n#{1+1} ' x\"}", ""},
	{"single quoted back-slashes", "k 'a\\\\b'", "{k=\"a\\\\b\"}", ""},
	{"escapes in double quotes", "k \"t\\tn\\n r\\r q\\\" b\\\\ s\\/ bs\\b ff\\f\"",
		"{k=\"t\\x09n\\n r\\x0d q\\\" b\\\\ s/ bs\\x08 ff\\x0c\"}", ""},
	{"symbols escaped", "k \"\\.\\$\\[\\'\"", "{k=\".$['\"}", ""},
	{"NUL escape", "k \"a\\0b\"", "{k=\"a\\x00b\"}", ""},
	{"{} unquoted is literal", "k a${x}b", "{k=\"a${x}b\"}", ""},
	{"escaped \\#{", "k \"\\#{1+1}\"", "{k=\"#{1+1}\"}", ""},
	{"no value", "k", "{k=\"\"}", ""},
	{"no value, line end", "k\nj 1", "{k=\"\", j=\"1\"}", ""},
	{"no value, trailing space", "k   ", "{k=\"\"}", ""},
	{"no value, trailing space and line end", "k   \nj 1", "{k=\"\", j=\"1\"}", ""},
	{"empty quoted", "k \"\"\nj ''", "{k=\"\", j=\"\"}", ""},
	{"tab separator", "k\tv\tw", "{k=\"v\\x09w\"}", ""},
	{"duplicate parameter", "k 1\nk 2", "{k=\"2\"}", ""},
	{"multi-line double quoted string", "k \"line1\n  line2\"\nj 1", "{k=\"line1\\n  line2\", j=\"1\"}", ""},
	{"three lines", "k \"a\nb\nc\"", "{k=\"a\\nb\\nc\"}", ""},
	{"back-slash at the line's end", "k \"line1\\\n  line2\"", "{k=\"line1  line2\"}", ""},
	{"line end at once (fluentd: error)", "k \"\nx\"", "{k=\"\\nx\"}", ""},
	{"multi-line with CRLF (fluentd: error)", "k \"a\r\nb\"\r\nj 1\r\n", "{k=\"a\\nb\", j=\"1\"}", ""},
	{"back-slash before CRLF", "k \"a\\\r\nb\"", "{k=\"ab\"}", ""},
	{"back-slash-newline in unquoted", "k line1\\\nline2 x", "{k=\"line1\\\\\", line2=\"x\"}", ""},
	{"quotes within a bare value", "k it's \"x\"", "{k=\"it's \\\"x\\\"\"}", ""},
	{"two params one line", "k v; j w", "{k=\"v; j w\"}", ""},
	{"odd keys", "a.b 1\na-b 2\n$y 4\n\"q\" 5\n'r s' 6", "{a.b=\"1\", a-b=\"2\", $y=\"4\", q=\"5\", r s=\"6\"}",
		""},
	{"key=value", "k=v", "{k=v=\"\"}", ""},
	{"CRLF", "k v\r\n<a>\r\n j w\r\n</a>\r\n", "{k=\"v\"} <a \"\">{j=\"w\"}", ""},
	{"CR alone", "k v\rj w\r", "{k=\"v\", j=\"w\"}", ""},
	{"BOM (fluentd: part of the first key)", "\xef\xbb\xbfk v", "{k=\"v\"}", ""},
	{"no newline at EOF", "k v", "{k=\"v\"}", ""},
	{"nothing", "", "{}", ""},
	{"only comments", "# a\n#b", "{}", ""},
	{"symbols", "k _.%$!,/=~-~@`:?()*{}.[]", "{k=\"_.%$!,/=~-~@`:?()*{}.[]\"}", ""},
	{"UTF-8", "k \xc3\xa9t\xc3\xa9 # \xe2\x82\xac\nj \"\xe2\x82\xac\\\xc3\xa9\"",
		"{k=\"\xc3\xa9t\xc3\xa9\", j=\"\xe2\x82\xac\xc3\xa9\"}", ""},
	{"Latin-1 in a comment", "# \xe9\nk v # \xe8", "{k=\"v\"}", ""},
	{"@ names within nested sections", "<match>\n<record>\n@timestamp x\n</record>\n</match>",
		"{} <match \"\">{} <record \"\">{@timestamp=\"x\"} </match>", ""},
	{"reserved names", "<match>\n@type t\n@id i\n@label l\n@log_level w\n</match>",
		"{} <match \"\">{@type=\"t\", @id=\"i\", @label=\"l\", @log_level=\"w\"}", ""},
	{"include in a section is a parameter", "<a>\ninclude x\n</a>", "{} <a \"\">{include=\"x\"}", ""},
};

/* ---- JSON ---- */

static const struct parse_case json_cases[] = {
	{"array on one line", "k [1, \"a\", true, null, 1.5]", "{k=\"[1,\\\"a\\\",true,null,1.5]\"}", ""},
	{"array multi-line with comments", "k [\n  \"a\", # first\n  \"b\"\n]\nj 1",
		"{k=\"[\\\"a\\\",\\\"b\\\"]\", j=\"1\"}", ""},
	{"array with trailing comma (fluentd: error)", "k [\"a\",\"b\",]", "{k=\"[\\\"a\\\",\\\"b\\\"]\"}", ""},
	{"hash with trailing comma (fluentd: error)", "k {\"a\":1,\n}", "{k=\"{\\\"a\\\":1}\"}", ""},
	{"array with comment after", "k [1,2] # c", "{k=\"[1,2]\"}", ""},
	{"empty ones", "k []\nj {}", "{k=\"[]\", j=\"{}\"}", ""},
	{"hash one line", "k {\"a\":1,\"b\":[2]}", "{k=\"{\\\"a\\\":1,\\\"b\\\":[2]}\"}", ""},
	{"hash multi-line with comments (fluentd: error)",
		"k {\n  \"a\": 1, # c1\n  # c2\n  \"b\": {\"c\":\"d # no\"}\n}\nj 1",
		"{k=\"{\\\"a\\\":1,\\\"b\\\":{\\\"c\\\":\\\"d # no\\\"}}\", j=\"1\"}", ""},
	{"hash: comment after an element", "k {\n  \"a\": 1, # c1\n  \"b\": 2\n}\nj 1",
		"{k=\"{\\\"a\\\":1,\\\"b\\\":2}\", j=\"1\"}", ""},
	{"hash: comment on own line", "k {\n  # c2\n  \"b\": 2\n}\nj 1", "{k=\"{\\\"b\\\":2}\", j=\"1\"}", ""},
	{"hash: comment line right after an element comment (fluentd: error)",
		"k {\n  \"a\": 1, # c1\n  # c2\n  \"b\": 2\n}\nj 1", "{k=\"{\\\"a\\\":1,\\\"b\\\":2}\", j=\"1\"}", ""},
	{"hash: nested", "k {\n  \"a\": 1, # c\n  \"b\": {\"c\":1}\n}\nj 1",
		"{k=\"{\\\"a\\\":1,\\\"b\\\":{\\\"c\\\":1}}\", j=\"1\"}", ""},
	{"hash: two own-line comments", "k {\n  # c1\n  # c2\n  \"b\": 2\n}\nj 1", "{k=\"{\\\"b\\\":2}\", j=\"1\"}",
		""},
	{"hash: # inside a string value", "k {\"b\":\"d # no\"}\nj 1", "{k=\"{\\\"b\\\":\\\"d # no\\\"}\", j=\"1\"}",
		""},
	{"array: # inside a string value", "k [\"d # no\"]\nj 1", "{k=\"[\\\"d # no\\\"]\", j=\"1\"}", ""},
	{"hash: comment after the opening brace", "k { # c\n \"b\":1 }\nj 1", "{k=\"{\\\"b\\\":1}\", j=\"1\"}", ""},
	{"hash: comment with apostrophe", "k {\n \"b\":1 # it's\n}\nj 1", "{k=\"{\\\"b\\\":1}\", j=\"1\"}", ""},
	{"hash: comment directly behind a number", "k {\n \"b\":1# c\n}", "{k=\"{\\\"b\\\":1}\"}", ""},
	{"array multi-line then comment line", "k [\n # c\n 1,\n 2\n]\nj 1", "{k=\"[1,2]\", j=\"1\"}", ""},
	{"comments of JavaScript and C", "k [\n 1, // one\n /* two, \n * 3 **/ 2\n]", "{k=\"[1,2]\"}", ""},
	{"hash with #{} inside a string", "k {\"a\":\"#{'x'+'y'}-z\"}", "{k=\"{\\\"a\\\":\\\"xy-z\\\"}\"}", ""},
	{"hash with #{} in a key", "k {\"#{'x'}\":1}", "{k=\"{\\\"x\\\":1}\"}", ""},
	{"hash with #{} non-string", "k {\"a\":#{1+1}}", "{k=\"{\\\"a\\\":2}\"}", ""},
	{"#{} gives a whole array", "k {\"a\":#{'[1, 2]'},\"b\":3}", "{k=\"{\\\"a\\\":[1,2],\\\"b\\\":3}\"}", ""},
	{"#{} text with a quote is escaped (fluentd: error)", "k [\"#{'say \"hi\"'}\"]",
		"{k=\"[\\\"say \\\\\\\"hi\\\\\\\"\\\"]\"}", ""},
	{"#{} text that is escaped already", "k [\"#{'a\\\\\\\\b'}\"]", "{k=\"[\\\"a\\\\\\\\b\\\"]\"}", ""},
	{"#{} text with a lone back-slash", "k [\"#{'a\\\\ b'}\"]", "{k=\"[\\\"a\\\\\\\\ b\\\"]\"}", ""},
	{"numbers", "k [0, -1, 1.50, 1e3, 2E-7]", "{k=\"[0,-1,1.50,1e3,2E-7]\"}", ""},
	{"string escapes are kept", "k [\"\\u00e9\\n\\/\"]", "{k=\"[\\\"\\\\u00e9\\\\n\\\\/\\\"]\"}", ""},
	{"a tab in a string", "k [\"a\tb\"]", "{k=\"[\\\"a\\\\tb\\\"]\"}", ""},
	{"quoted JSON", "k '{\"a\":1}'", "{k=\"{\\\"a\\\":1}\"}", ""},
};

static const struct parse_case json_error_cases[] = {
	{"array of barewords", "k [a, b]\nj 1", "{k=broken, j=\"1\"}",
		"1:4 error: got incomplete JSON array configuration: 'a' is no JSON value (a string needs double "
		"quotes)"},
	{"text after array", "k [1,2] x\nj 1", "{k=\"[1,2]\", j=\"1\"}", "1:9 error: expected end of line"},
	{"bare keys", "k {a: 1}", "{k=broken}",
		"1:4 error: got incomplete JSON hash configuration: a key in double quotes is expected, not 'a'"},
	{"unterminated hash", "k {\"a\":1\nj 1", "{k=broken, j=\"1\"}",
		"2:1 error: got incomplete JSON hash configuration: ',' or '}' is expected, not 'j'"},
	{"unterminated at the end", "k {\"a\":1\n", "{k=broken}",
		"1:3 error: got incomplete JSON hash configuration: it is not closed"},
	{"array-looking regexp", "k [a-z]+\nj 1", "{k=broken, j=\"1\"}",
		"1:4 error: got incomplete JSON array configuration: 'a-z' is no JSON value (a string needs double "
		"quotes)"},
	{"value starting with { that is not JSON", "k {a,b}", "{k=broken}",
		"1:4 error: got incomplete JSON hash configuration: a key in double quotes is expected, not 'a'"},
	{"the rest of a broken hash is not read as lines", "k {\n \"a\": x,\n \"b\": 2\n}\nj 1", "{k=broken, j=\"1\"}",
		"2:7 error: got incomplete JSON hash configuration: 'x' is no JSON value (a string needs double "
		"quotes)"},
	{"a broken hash ends before a section", "k {\n \"a\": x,\n<b>\n</b>", "{k=broken} <b \"\">{}",
		"2:7 error: got incomplete JSON hash configuration: 'x' is no JSON value (a string needs double "
		"quotes)"},
	{"single quotes", "k ['a']", "{k=broken}",
		"1:4 error: got incomplete JSON array configuration: JSON strings need double quotes"},
	{"string over a line end", "k [\"a\n\"]", NULL,
		"1:6 error: got incomplete JSON array configuration: the string is not closed on its line"},
	{"a regular expression's escape", "k [\"\\d+\"]", "{k=broken}",
		"1:6 error: got incomplete JSON array configuration: '\\d' is no escape of JSON: a backslash is "
		"written '\\\\'"},
	{"bad hex digits", "k [\"\\u12x4\"]", "{k=broken}",
		"1:9 error: got incomplete JSON array configuration: four hexadecimal digits are expected behind "
		"'\\u'"},
	{"missing comma", "k [1 2]", "{k=broken}",
		"1:6 error: got incomplete JSON array configuration: ',' or ']' is expected, not '2'"},
	{"missing colon", "k {\"a\" 1}", "{k=broken}",
		"1:8 error: got incomplete JSON hash configuration: ':' is expected, not '1'"},
	{"missing value", "k {\"a\":}", "{k=broken}",
		"1:8 error: got incomplete JSON hash configuration: a value is expected, not '}'"},
	{"wrong closer", "k [1}", "{k=broken}",
		"1:5 error: got incomplete JSON array configuration: ']' is expected, not '}'"},
	{"leading zero", "k [01]", "{k=broken}",
		"1:4 error: got incomplete JSON array configuration: '01' is no JSON value (a string needs double "
		"quotes)"},
	{"slash", "k [1,/x]", "{k=broken}",
		"1:7 error: got incomplete JSON array configuration: a value is expected, not '/'"},
	{"code that gives no value", "k {\"a\":#{nil}}", "{k=broken}",
		"1:14 error: got incomplete JSON hash configuration: a value is expected, not '}'"},
	{"code that gives a bareword", "k {\"a\":#{'x y'}}", "{k=broken}",
		"1:8 error: got incomplete JSON hash configuration: what this embedded code gives is no JSON here"},
	{"code that would close the hash", "k {\"a\":#{'1}'}}", "{k=broken}",
		"1:8 error: got incomplete JSON hash configuration: what this embedded code gives is no JSON here"},
	{"code that opens only", "k [#{'['}]", "{k=broken}",
		"1:4 error: got incomplete JSON array configuration: what this embedded code gives is no JSON here"},
	{"code with a mistake", "k [\"#{1+}\"]\nj 1", "{k=broken, j=\"1\"}",
		"1:9 error: in \"#{1+}\": a value is expected at the end"},
	{"use_nil in JSON", "k [\"#{use_nil}\"]", "{k=broken}",
		"1:5 error: got incomplete JSON array configuration: use_nil and use_default are not possible within "
		"JSON"},
};

/* ---- sections ---- */

static const struct parse_case section_cases[] = {
	{"section", "<a>\n k v\n</a>", "{} <a \"\">{k=\"v\"}", ""},
	{"section arg", "<a x y>\n</a>", "{} <a \"x y\">{}", ""},
	{"section arg quoted", "<a \"x y\">\n</a>", "{} <a \"x y\">{}", ""},
	{"section arg in single quotes", "<a '#{x}'>\n</a>", "{} <a \"#{x}\">{}", ""},
	{"section arg with #{}", "<a \"#{'e'}.**\">\n</a>", "{} <a \"e.**\">{}", ""},
	{"section arg with comment after", "<a x> # comment\n</a> # comment2", "{} <a \"x\">{}", ""},
	{"tab between name and arg", "<a\tx\t>\n</a>", "{} <a \"x\">{}", ""},
	{"empty arg", "<a >\n</a>", "{} <a \"\">{}", ""},
	{"arg with a hash", "<a x#y>\n</a>", "{} <a \"x#y\">{}", ""},
	{"arg with symbols", "<a **{x,y} /z/ _.%$!()*[]>\n</a>", "{} <a \"**{x,y} /z/ _.%$!()*[]\">{}", ""},
	{"tag over several lines", "<a\n  x.**\n>\nk v\n</a>", "{} <a \"x.**\">{k=\"v\"}", ""},
	{"> on the next line", "<a x\n>\n</a>", "{} <a \"x\">{}", ""},
	{"nested", "<a>\n <b>\n  <c x>\n  k v\n  </c>\n </b>\n j w\n</a>\n<d>\n</d>",
		"{} <a \"\">{j=\"w\"} <b \"\">{} <c \"x\">{k=\"v\"} </b> </a> <d \"\">{}", ""},
	{"no indentation needed", "<a>\n<b>\n</b>\n</a>", "{} <a \"\">{} <b \"\">{} </a>", ""},
};

static const struct parse_case section_error_cases[] = {
	{"text after the closing quote", "k \"a\" b\nj 1", "{k=\"a\", j=\"1\"}", "1:7 error: expected end of line"},
	{"section arg with #{} unquoted", "<a #{ENV['X']}.**>\n</a>", "{} <a \"#{ENV['X']}.**\">{}",
		"1:4 error: embedded code in a section's argument needs double quotes: \"#{...}\""},
	{"comment within a tag", "<a #x>\n</a>", "{} <a \"#x\">{}",
		"1:4 error: a comment is not possible within a tag: expected '>'"},
	{"section arg containing > ", "<a x>y>\n</a>", "{} <a \"x\">{}", "1:6 error: expected end of line after tag"},
	{"section on one line", "<a> k v </a>\nj 1", "{j=\"1\"}", "1:5 error: expected end of line after tag"},
	{"section close with arg", "<a x>\n</a x>\nj 1", "{j=\"1\"} <a \"x\">{}",
		"2:5 error: expected character in tag name: an end tag is '</a>', without an argument"},
	{"section wrong close", "<a>\n</b>\nj 1", "{j=\"1\"} <a \"\">{}",
		"2:1 error: unmatched end tag '</b>': <a> of line 1 is open"},
	{"section not closed", "<a>\n k v", "{} <a \"\">{k=\"v\"}",
		"1:1 error: expected end tag '</a>' but got end of file"},
	{"extra close", "</a>\nj 1", "{j=\"1\"}", "1:1 error: unmatched end tag '</a>': no section is open"},
	{"space inside <", "< a >\nk v\n</a>", "{} <a \"\">{k=\"v\"}",
		"1:1 error: the section's name must follow '<' at once"},
	{"text behind an end tag", "<a>\n</a> x\nj 1", "{j=\"1\"} <a \"\">{}",
		"2:6 error: expected end of line after end tag"},
	{"two tags on a line", "<a>\n</a><b>\n</b>", NULL,
		"2:5 error: expected end of line after end tag\n3:1 error: unmatched end tag '</b>': no section is "
		"open"},
	{"no name", "<>\nj 1", "{j=\"1\"}", "1:2 error: expected the name of a section"},
	{"strange name", "<a-b>\n</a-b>", "{} <a \"-b\">{}",
		"1:3 error: unexpected character in the name of a section\n"
		"2:4 error: expected character in tag name: an end tag is '</a>', without an argument"},
	{"> is missing", "<match a.**\n  @type null\n</match>\nj 1", "{j=\"1\"} <match \"a.**\">{@type=\"null\"}",
		"1:12 error: expected '>'"},
	{"> is missing, no arg", "<source\n  @type null\n</source>", "{} <source \"\">{@type=\"null\"}",
		"1:8 error: expected '>'"},
	{"> is missing before a section", "<match\n<b>\n</b>\n</match>", "{} <match \"\">{} <b \"\">{} </match>",
		"1:7 error: expected '>'"},
	{"inner end tag missing", "<a>\n <b>\n k v\n</a>\nj 1", "{j=\"1\"} <a \"\">{} <b \"\">{k=\"v\"} </a>",
		"4:1 error: unmatched end tag '</a>': <b> of line 2 is open"},
	{"end tags swapped", "<a>\n<b>\n</a>\n</b>\nj 1", "{j=\"1\"} <a \"\">{} <b \"\">{} </a>",
		"3:1 error: unmatched end tag '</a>': <b> of line 2 is open"},
	{"misspelt end tag, then the right one", "<a>\n</aa>\n</a>\nj 1", "{j=\"1\"} <a \"\">{}",
		"2:1 error: unmatched end tag '</aa>': <a> of line 1 is open"},
	{"end tag missing before a directive",
		"<source>\n @type forward\n<match **>\n @type null\n</match>\n<filter>\n</filter>",
		"{} <source \"\">{@type=\"forward\"} </source> <match \"**\">{@type=\"null\"} </match> <filter \"\">{}",
		"1:1 error: expected end tag '</source>' but got end of file: is it missing before <match> in line 3?"},
	{"end tags missing two levels deep", "<match a>\n<buffer>\n k v\n<match b>\n</match>",
		"{} <match \"a\">{} <buffer \"\">{k=\"v\"} </match> <match \"b\">{}",
		"2:1 error: expected end tag '</buffer>' but got end of file: is it missing before <match> in line 4?"},
	{"unterminated quote", "k \"abc\nj 1", "{k=broken, j=\"1\"}",
		"1:3 error: unexpected end of file in a double quoted string, which begins here"},
	{"a closing quote is missing", "k \"abc\n<a>\nj \"x\"\n</a>", "{k=broken} <a \"\">{j=\"x\"}",
		"3:4 error: expected end of line behind the double quoted string that begins in line 1"},
	{"unterminated single quote", "k 'abc\nj 1", "{k=broken, j=\"1\"}",
		"1:3 error: this single quoted string is not closed on its line (one in double quotes may have "
		"several)"},
	{"three quotes", "k \"\"\"\nj 1", "{k=\"\", j=\"1\"}", "1:5 error: expected end of line"},
	{"unicode escape", "k \"\\u3042\"", "{k=broken}",
		"1:4 error: unexpected back-slash escape character 'u' (write the character itself)"},
	{"octal escape", "k \"\\101\"", "{k=broken}",
		"1:4 error: unexpected back-slash escape character '1' (write the character itself)"},
	{"hex escape", "k \"a\\x41\"", "{k=broken}",
		"1:5 error: unexpected back-slash escape character 'x' (write the character itself)"},
	{"unknown escapes, all told", "k \"\\q\\d\"\nj 1", "{k=broken, j=\"1\"}",
		"1:4 error: unexpected back-slash escape character 'q' (a back-slash is written \\\\ in double "
		"quotes)\n"
		"1:6 error: unexpected back-slash escape character 'd' (a back-slash is written \\\\ in double "
		"quotes)"},
	{"column in characters", "\xc3\xa9\xe2\x82\xac \"a\" b", NULL, "1:8 error: expected end of line"},
	{"column behind a tab", "\tk \"a\" b", NULL, "1:8 error: expected end of line"},
	{"@ name", "a-b 2\n@x 3", "{a-b=\"2\"}",
		"2:1 error: '@' is the system reserved prefix. Don't use '@' prefix parameter in the configuration: "
		"@x"},
	{"misspelt @type", "<source>\n @typ forward\n</source>", "{} <source \"\">{}",
		"2:2 error: '@' is the system reserved prefix. Don't use '@' prefix parameter in the configuration: "
		"@typ (did you mean '@type'?)"},
	{"#{} syntax error", "k \"#{1+}\"\nj 1", "{k=broken, j=\"1\"}",
		"1:8 error: in \"#{1+}\": a value is expected at the end"},
	{"#{} unterminated", "k \"#{1+1\"\nj 1", "{k=broken, j=\"1\"}",
		"1:4 error: this embedded code is not closed: '}' or a quote is missing"},
	{"#{} in the middle of the file's text", "a 1\nk \"x\n#{1 / 0}\"\nj 1", "{a=\"1\", k=broken, j=\"1\"}",
		"3:5 error: in \"#{1 / 0}\": divided by 0"},
	{"ENV.fetch missing raises", "k \"#{ENV.fetch('WEIR_TEST_NOPE')}\"", "{k=broken}",
		"1:6 error: in \"#{ENV.fetch('WEIR_TEST_NOPE')}\": key not found: \"WEIR_TEST_NOPE\" (the environment "
		"variable is not set)"},
	{"use_nil in an argument", "<a \"#{use_nil}\">\n</a>", "{} <a \"\">{}",
		"1:4 error: use_nil and use_default are not possible in a section's argument"},
	{"broken argument", "<a \"x>\n</a>\n", NULL,
		"1:4 error: unexpected end of file in a double quoted string, which begins here"},
	{"@include without a path", "@include\nk v", "{k=\"v\"}", "1:1 error: @include needs the path of a file"},
	{"@include with text behind it", "@include \"x\" y\nk v", "{k=\"v\"}", "1:14 error: expected end of line"},
	{"include is old", "include x\nk v", "{k=\"v\"}",
		"1:1 warning: 'include' is deprecated. Use '@include' instead"},
	{"YAML under the wrong name", "# c\nconfig:\n  - source:\n      $type: forward\n", "{}",
		"2:1 error: this looks like YAML: a YAML configuration needs a name that ends in .yaml or .yml"},
	{"not UTF-8", "k a\xe9\nj 1", "{k=broken, j=\"1\"}", "1:3 error: this is not UTF-8: please convert the file"},
	{"code that gives what is not UTF-8", "k \"#{'\xe9'}\"", "{k=broken}",
		"1:3 error: this is not UTF-8: please convert the file"},
	{"key not UTF-8", "\xe9 a\nj 1", "{j=\"1\"}", "1:1 error: this is not UTF-8: please convert the file"},
	{"UTF-16", "\xff\xfek v", "{}", "1:1 error: this file is UTF-16: please convert it to UTF-8"},
	{"several mistakes", "<a x>y\n k \"v\" w\n j [x]\n</b>\n</a>\n</c>", NULL,
		"1:6 error: expected end of line after tag\n2:8 error: expected end of line\n"
		"3:5 error: got incomplete JSON array configuration: 'x' is no JSON value (a string needs double "
		"quotes)\n"
		"4:1 error: unmatched end tag '</b>': <a> of line 1 is open\n"
		"6:1 error: unmatched end tag '</c>': no section is open"},
};

/* ---- traps: read as fluentd reads them, but not in silence ---- */

static const struct parse_case trap_cases[] = {
	{"#{} unquoted is literal", "k a#{ENV['X']}b", "{k=\"a#{ENV['X']}b\"}",
		"1:3 warning: #{...} is evaluated in double quotes only: this is taken as the text 'a#{ENV['X']}b', as "
		"fluentd does"},
	{"value beginning with #{} unquoted", "k #{ENV['X']}", "{k=\"#{ENV['X']}\"}",
		"1:3 warning: #{...} is evaluated in double quotes only: this is taken as the text '#{ENV['X']}', as "
		"fluentd does"},
	{"#{} within ${} is Ruby's", "k ${\"#{x}\"}", "{k=\"${\\\"#{x}\\\"}\"}", ""},
	{"comment instead of a value", "k # the port", "{k=\"# the port\"}",
		"1:3 warning: this is no comment but the value of 'k', as in fluentd: a comment can follow a value "
		"only"},
	{"key = value", "k = v", "{k=\"= v\"}",
		"1:3 warning: the value of 'k' is taken with the '=', as fluentd does: write 'k v' without it"},
	{"password = value", "password = topsecret\nshared_key a#{b}",
		"{password=\"= topsecret\", shared_key=\"a#{b}\"}",
		"1:10 warning: the value of 'password' is taken with the '=', as fluentd does: write 'password xxxxxx' "
		"without it\n"
		"2:12 warning: #{...} is evaluated in double quotes only: this is taken as the text 'xxxxxx', as "
		"fluentd does"},
	{"=~ is a value", "k =~ v", "{k=\"=~ v\"}", ""},
};

/* ---- embedded code in place ---- */

static const struct parse_case code_cases[] = {
	{"ENV in double quotes", "k \"#{ENV['WEIR_TEST_X']}-x\"", "{k=\"envval-x\"}", ""},
	{"ENV unset", "k \"[#{ENV['WEIR_TEST_NOPE']}]\"", "{k=\"[]\"}", ""},
	{"ENV or default", "k \"#{ENV['WEIR_TEST_NOPE'] || 'dflt'}\"", "{k=\"dflt\"}", ""},
	{"ENV.fetch default", "k \"#{ENV.fetch('WEIR_TEST_NOPE', 'd')}\"", "{k=\"d\"}", ""},
	{"nested quotes", "k \"#{\"a\"+'b'}\"", "{k=\"ab\"}", ""},
	{"worker_id", "k \"w#{worker_id}\"", "{k=\"w0\"}", ""},
	{"use_nil", "k \"#{use_nil}\"", "{k=nil}", ""},
	{"use_default", "k \"#{use_default}\"", "{k=:default}", ""},
	{"nil within text", "k \"a#{use_nil}b\"", "{k=nil}", ""},
	{"nil before default", "k \"#{use_default}#{use_nil}\"", "{k=nil}", ""},
	{"ENV or use_default, unset", "k \"#{ENV['WEIR_TEST_NOPE'] || use_default}\"", "{k=:default}", ""},
	{"ENV or use_default, set", "k \"#{ENV['WEIR_TEST_X'] || use_default}\"", "{k=\"envval\"}", ""},
	{"brace in a string", "k \"#{\"}\"}\"", "{k=\"}\"}", ""},
	{"empty code", "k \"#{}\"", "{k=\"\"}", ""},
	{"two pieces", "k \"#{1+1}foo#{2+2}bar\"", "{k=\"2foo4bar\"}", ""},
	{"code over lines", "k \"#{ENV['WEIR_TEST_NOPE'] ||\n 'b'}\"\nj 1", "{k=\"b\", j=\"1\"}", ""},
	{"argument from ENV", "<a \"#{ENV['WEIR_TEST_X']}.**\">\n</a>", "{} <a \"envval.**\">{}", ""},
};

static void test_values(void **state)
{
	(void)state;
	RUN(value_cases);
}

static void test_json(void **state)
{
	(void)state;
	RUN(json_cases);
	RUN(json_error_cases);
}

static void test_sections(void **state)
{
	(void)state;
	RUN(section_cases);
	RUN(section_error_cases);
}

static void test_traps(void **state)
{
	(void)state;
	RUN(trap_cases);
}

static void test_code(void **state)
{
	(void)state;
	setenv("WEIR_TEST_X", "envval", 1);
	unsetenv("WEIR_TEST_NOPE");
	RUN(code_cases);
}

static struct conf_tree *parse(const char *text, struct conf_report *report)
{
	static const struct conf_expr_env env = {.worker_id = 3, .no_files = true};
	conf_report_init(report);
	return conf_tree_read_text("t", span_str(text), &env, report);
}

/* Kinds, places and where values come from, which the tables do not show. */
static void test_pairs(void **state)
{
	(void)state;
	struct conf_report report;
	setenv("WEIR_TEST_X", "envval", 1);
	struct conf_tree *t = parse(
		"a b\n  c  'd'\ne \"f#{1}\"\ng [1]\nh \"#{ENV['WEIR_TEST_X']}\"\ni [\"#{ENV['WEIR_TEST_X']}\"]\n"
		"<match  x>\n</match>\n",
		&report);
	const struct conf_section *root = conf_tree_root(t);
	static const struct {
		const char *name;
		enum conf_value_kind kind;
		bool from_code;
		unsigned line, name_column, value_column;
	} want[] = {
		{"a", CONF_VALUE_BARE, false, 1, 1, 3},
		{"c", CONF_VALUE_SINGLE, false, 2, 3, 6},
		{"e", CONF_VALUE_DOUBLE, false, 3, 1, 3},
		{"g", CONF_VALUE_JSON, false, 4, 1, 3},
		{"h", CONF_VALUE_DOUBLE, true, 5, 1, 3},
		{"i", CONF_VALUE_JSON, true, 6, 1, 3},
	};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		const struct conf_pair *p = conf_section_get(root, want[i].name);
		assert_non_null(p);
		assert_int_equal(p->kind, want[i].kind);
		assert_int_equal(p->from_code, want[i].from_code);
		assert_int_equal(p->name_pos.line, want[i].line);
		assert_int_equal(p->name_pos.column, want[i].name_column);
		assert_int_equal(p->value_pos.line, want[i].line);
		assert_int_equal(p->value_pos.column, want[i].value_column);
		assert_string_equal(p->value_pos.file, "t");
	}
	const struct conf_section *match = root->sections;
	assert_string_equal(match->arg, "x");
	assert_int_equal(match->pos.line, 7);
	assert_int_equal(match->arg_pos.column, 9);
	assert_ptr_equal(match->parent, root);
	assert_string_equal(root->name, "ROOT");
	conf_tree_free(t);
	conf_report_free(&report);
}

static void test_get(void **state)
{
	(void)state;
	struct conf_report report;
	struct conf_tree *t = parse("a 1\na 2\nb 1\nb \"#{use_default}\"\nc \"#{use_nil}\"\n", &report);
	const struct conf_section *root = conf_tree_root(t);
	assert_string_equal(conf_section_get(root, "a")->value, "2");
	assert_null(conf_section_get(root, "b"));
	assert_int_equal(conf_section_get(root, "c")->kind, CONF_VALUE_NIL);
	assert_null(conf_section_get(root, "d"));
	conf_tree_free(t);
	conf_report_free(&report);
}

static void test_zero_byte(void **state)
{
	(void)state;
	static const struct conf_expr_env env = {.worker_id = 0, .no_files = true};
	struct conf_report report;
	conf_report_init(&report);
	struct conf_tree *t = conf_tree_read_text("t", SPAN_LIT("a 1\nb \0 2\n"), &env, &report);
	assert_null(conf_tree_root(t)->pairs);
	assert_int_equal(report.n, 1);
	assert_int_equal(report.v[0].pos.line, 2);
	assert_int_equal(report.v[0].pos.column, 3);
	assert_string_equal(report.v[0].text, "a 0 byte: this is not a text file");
	conf_tree_free(t);
	conf_report_free(&report);
}

/* What cannot be evaluated spoils its value; whatever else is wrong, what stands around it. */
static void test_whole(void **state)
{
	static const struct {
		const char *text;
		bool whole;
	} rows[] = {
		{"<a>\nk v\n</a>\n", true},
		{"<a>\nk \"#{nobody}\"\nj \"x#{nobody}y#{1 +}\"\n</a>\n", true},
		{"<a>\nk [\"#{nobody}\"]\n</a>\n", true},
		{"<a>\nk [#{nobody}]\n</a>\n", false},
		{"<a>\n@type \"#{nobody}\"\n</a>\n", false},
		{"<a>\nformat \"#{nobody}\"\n</a>\n", false},
		{"<a \"#{nobody}\">\n</a>\n", false},
		{"<a>\nk \"#{nobody\n</a>\n", false},
		{"<a>\nk 'v\n</a>\n", false},
		{"<a>\nk \"#{nobody}\"\n", false},
		{"<a>\n</b>\n", false},
	};
	const struct conf_expr_env env = {.no_files = true};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct conf_report report;
		conf_report_init(&report);
		struct conf_tree *t = conf_tree_read_text("t", span_str(rows[i].text), &env, &report);
		if (conf_tree_is_whole(t) != rows[i].whole)
			fail_msg("%s", rows[i].text);
		conf_tree_free(t);
		conf_report_free(&report);
	}
}

static void test_nesting(void **state)
{
	(void)state;
	struct conf_report report;
	struct buf text;
	buf_init(&text, SIZE_MAX);
	for (int i = 0; i < 100000; i++)
		buf_put_str(&text, "<a>\n");
	struct conf_tree *t = parse(buf_cstr(&text), &report);
	assert_int_equal(report.n, 1);
	assert_int_equal(report.v[0].pos.line, CONF_NESTING_MAX + 1);
	assert_string_equal(report.v[0].text, "sections are nested too deeply here");
	conf_tree_free(t);
	conf_report_free(&report);
	buf_clear(&text);
	buf_put_str(&text, "k ");
	for (int i = 0; i < 100000; i++)
		buf_put_str(&text, "[");
	t = parse(buf_cstr(&text), &report);
	assert_string_equal(report.v[0].text, "got incomplete JSON array configuration: it is nested too deeply");
	conf_tree_free(t);
	conf_report_free(&report);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_traps),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_zero_byte),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_nesting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
