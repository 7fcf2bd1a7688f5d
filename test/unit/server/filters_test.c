/* The small filters alone: dedot, flatten_hash, elasticsearch_genid, stdout. Expected results are those of fluentd's plugins, but for genid's random ids. */
#include "filter_util.h"

#include <unistd.h>

extern const struct plugin filter_dedot, filter_elasticsearch_genid, filter_flatten_hash, filter_stdout;

#define AT "1000.500000000 "

static void dedot(void **state)
{
	static const struct filter_case cases[] = {
		{"", "{\"a.b\":1,\"c\":\"x.y\"}", AT "{\"a_b\":1,\"c\":\"x.y\"}\n"},
		{"", "{\"a.b.c..\":1}", AT "{\"a_b_c__\":1}\n"},
		{"", "{\"a\":1}", AT "{\"a\":1}\n"},
		{"", "{\"a.b\":{\"c.d\":1}}", AT "{\"a_b\":{\"c.d\":1}}\n"},
		{"", "{\"a.b\":1,\"a_b\":2}", AT "{\"a_b\":2}\n"},
		{"de_dot_nested true", "{\"a.b\":{\"c.d\":{\"e.f\":[{\"g.h\":1},\"i.j\"]}},\"k.l\":2}",
			AT "{\"a_b\":{\"c_d\":{\"e_f\":[{\"g_h\":1},\"i.j\"]}},\"k_l\":2}\n"},
		{"de_dot_nested true", "{\"a\":{},\"b\":[],\"c.d\":{}}", AT "{\"a\":{},\"b\":[],\"c_d\":{}}\n"},
		{"de_dot_separator -", "{\"a.b\":1}", AT "{\"a-b\":1}\n"},
		{"de_dot_separator __dot__", "{\"a.b.c\":1}", AT "{\"a__dot__b__dot__c\":1}\n"},
		{"de_dot_separator ''", "{\"a.b\":1}", AT "{\"ab\":1}\n"},
		{"de_dot false", "{\"a.b\":1}", AT "{\"a.b\":1}\n"},
	};
	static const struct filter_wrong wrong[] = {
		{"de_dot_separator .", "3:18 error: Invalid de_dot_separator: cannot be or contain '.'"},
		{"de_dot_separator a.b", "3:18 error: "},
		{"de_dot maybe", "3:8 "},
		{"de_dot_nested maybe", "3:15 "},
		{"nested true", "3:1 warning: "},
	};
	(void)state;
	check_filter_cases(&filter_dedot, SPAN_LIT("t"), cases, sizeof cases / sizeof *cases);
	check_filter_wrong(&filter_dedot, wrong, sizeof wrong / sizeof *wrong);
}

static void flatten_hash(void **state)
{
	static const struct filter_case cases[] = {
		{"", "{\"a\":{\"b\":{\"c\":1}},\"d\":2}", AT "{\"a.b.c\":1,\"d\":2}\n"},
		{"", "{\"a\":[1,{\"b\":2},[3]]}", AT "{\"a.0\":1,\"a.1.b\":2,\"a.2.0\":3}\n"},
		{"", "{\"a\":{},\"b\":[],\"c\":{\"d\":[[],{}]},\"e\":null}", AT "{\"e\":null}\n"},
		{"", "{\"a\":{\"b\":1},\"a.b\":2}", AT "{\"a.b\":2}\n"},
		{"separator _", "{\"a\":{\"b\":[true]}}", AT "{\"a_b_0\":true}\n"},
		{"flatten_array false", "{\"a\":{\"b\":[{\"c\":1}]}}", AT "{\"a.b\":[{\"c\":1}]}\n"},
	};
	static const struct filter_wrong wrong[] = {
		{"flatten_array maybe", "3:15 "},
		{"separater _", "3:1 warning: "},
	};
	(void)state;
	check_filter_cases(&filter_flatten_hash, SPAN_LIT("t"), cases, sizeof cases / sizeof *cases);
	check_filter_wrong(&filter_flatten_hash, wrong, sizeof wrong / sizeof *wrong);
}

/* A small record whose names would become very long together is an error, and takes little memory. */
static void flatten_bomb(void **state)
{
	enum { LEVELS = 200, NAME = 2000, LEAVES = 2000 };
	static char name[NAME];
	struct made_filter m;
	struct buf entry;
	(void)state;
	memset(name, 'n', sizeof name);
	buf_init(&entry, 1 << 20);
	buf_put(&entry, "\x92\x05", 2);
	for (int i = 0; i < LEVELS; i++) {
		mp_put_map_head(&entry, 1);
		mp_put_str(&entry, span_of(name, NAME));
	}
	mp_put_array_head(&entry, LEAVES);
	for (int i = 0; i < LEAVES; i++)
		buf_put_byte(&entry, 1);
	make_filter(&m, &filter_flatten_hash, "");
	char *got = filter_apply(&m, buf_span(&entry), 1);
	assert_string_equal(got, "!filter_limit");
	mem_free(got);
	free_filter(&m);
	buf_free(&entry);
}

#define SEED "use_record_as_seed true\n"

static void genid_of_records(void **state)
{
	static const struct filter_case cases[] = {
		{SEED "record_keys a", "{\"a\":\"x\"}",
			AT "{\"a\":\"x\",\"_hash\":\"EfatjsUqKYSrqv18O1FlA3hcIHI=\"}\n"},
		{SEED "record_keys k,l,m,n", "{\"k\":\"a\",\"l\":[\"b\",[1,2]],\"m\":null,\"n\":{\"k\":1}}",
			AT "{\"k\":\"a\",\"l\":[\"b\",[1,2]],\"m\":null,\"n\":{\"k\":1},\"_hash\":"
			   "\"slWMSKYk5KnpoHknpCsyVXsDAUc=\"}\n"},
		{SEED "record_keys a\ninclude_tag_in_seed true\ninclude_time_in_seed true", "{\"a\":\"x\"}",
			AT "{\"a\":\"x\",\"_hash\":\"kxqpWspHwe5ZhXvtRQd7OzUrzDY=\"}\n"},
		{SEED "use_entire_record true", "{\"a\":1,\"b\":[2,null]}",
			AT "{\"a\":1,\"b\":[2,null],\"_hash\":\"4ARtRTtOZZ1XgOPCzONAYUHb67o=\"}\n"},
		{SEED "record_keys a\nhash_type md5\nhash_id_key id", "{\"a\":\"x\"}",
			AT "{\"a\":\"x\",\"id\":\"ndTkYSaMgDT1yFZOFVxnpg==\"}\n"},
		{SEED "record_keys a\nhash_type sha256", "{\"a\":\"x\"}",
			AT "{\"a\":\"x\",\"_hash\":\"LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=\"}\n"},
		{SEED "record_keys a\nhash_type sha512", "{\"a\":\"x\"}",
			AT "{\"a\":\"x\",\"_hash\":\"pKvURIxJVi2CgRXROh/M6pJ/"
			   "UrTVRZKX+LQ+QtqJI4vBNibkPcs43bCCSIkn7JBPtCBXRDmD6IWFF51QVRr+Yg==\"}\n"},
		{SEED "record_keys a,b\nseparator +", "{\"a\":\"x\"}",
			AT "{\"a\":\"x\",\"_hash\":\"n3SSD2sbnv3jrMJYK5RNzrD+Wi4=\"}\n"},
	};
	static const struct filter_wrong wrong[] = {
		{SEED, "3:20 error: When using record as hash seed, users must specify `record_keys`."},
		{"hash_type crc32", "3:11 error: "},
		{"use_record_as_seed maybe", "3:20 "},
		{"include_tag_in_seed maybe", "3:21 "},
		{"include_time_in_seed maybe", "3:22 "},
		{"use_entire_record maybe", "3:19 "},
		{"hash_key x", "3:1 warning: "},
	};
	(void)state;
	check_filter_cases(&filter_elasticsearch_genid, SPAN_LIT("t"), cases, sizeof cases / sizeof *cases);
	check_filter_wrong(&filter_elasticsearch_genid, wrong, sizeof wrong / sizeof *wrong);
}

/* Without a seed ids differ by message and place, and a repetition has them again. */
static void genid_of_events(void **state)
{
	struct made_filter m;
	struct buf entries;
	char *got[3];
	(void)state;
	buf_init(&entries, 1 << 16);
	put_entry(&entries, "{\"a\":1,\"_hash\":\"old\",\"b\":2}");
	make_filter(&m, &filter_elasticsearch_genid, "");
	put_entry(&entries, "{\"a\":1,\"_hash\":\"old\",\"b\":2}");
	for (int i = 0; i < 2; i++)
		got[i] = filter_apply(&m, buf_span(&entries), 2);
	assert_string_equal(got[0], got[1]);
	char *second = strchr(got[0], '\n') + 1;
	assert_int_equal(strncmp(got[0], AT "{\"a\":1,\"b\":2,\"_hash\":\"", 36), 0);
	assert_int_equal(strlen(second), sizeof AT "{\"a\":1,\"b\":2,\"_hash\":\"\"}\n" - 1 + 48);
	assert_string_not_equal(got[0], second);
	assert_int_not_equal(strncmp(got[0], second, strlen(second)), 0);
	mem_free(got[0]);
	mem_free(got[1]);
	free_filter(&m);
	buf_free(&entries);
}

static void prints_and_passes_on(void **state)
{
	static const struct filter_wrong wrong[] = {
		{"<format>\n@type nope\n</format>", "4:7 error: "},
		{"formt json", "3:1 warning: "},
	};
	struct made_filter m;
	struct buf entry;
	char path[] = "/tmp/weir-stdout-XXXXXX", line[200] = "";
	int fd = mkstemp(path), saved = dup(STDOUT_FILENO);
	(void)state;
	buf_init(&entry, 1 << 16);
	put_entry(&entry, "{\"a\":1}");
	make_filter(&m, &filter_stdout, "<format>\n@type json\n</format>\n<inject>\ntag_key tag\n</inject>");
	fflush(stdout);
	assert_true(fd >= 0 && saved >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	char *got = filter_apply(&m, buf_span(&entry), 1);
	fflush(stdout);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	assert_true(pread(fd, line, sizeof line - 1, 0) > 0);
	assert_string_equal(line, "{\"a\":1,\"tag\":\"t\"}\n");
	assert_string_equal(got, AT "{\"a\":1}\n");
	close(fd);
	close(saved);
	unlink(path);
	mem_free(got);
	free_filter(&m);
	buf_free(&entry);
	check_filter_wrong(&filter_stdout, wrong, sizeof wrong / sizeof *wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dedot),
		cmocka_unit_test(flatten_hash),
		cmocka_unit_test(flatten_bomb),
		cmocka_unit_test(genid_of_records),
		cmocka_unit_test(genid_of_events),
		cmocka_unit_test(prints_and_passes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
