/*
 * expr_method.h: the methods that expressions may call, by name, and what a class's table of them looks like. What is not in the list is refused when a configuration is
 * read; what is in it but not in the table of a value's class is a NoMethodError for the event.
 */
#ifndef WEIR_EXPR_EXPR_METHOD_H
#define WEIR_EXPR_EXPR_METHOD_H

#include "record/value.h"

/* clang-format off */
#define EXPR_METHODS(X) \
	/* operators */ \
	X(INDEX, "[]") X(INDEX_SET, "[]=") X(PLUS, "+") X(MINUS, "-") X(MUL, "*") X(DIV, "/") X(MOD, "%") X(POW, "**") \
	X(NEG, "-@") X(POS, "+@") X(EQ, "==") X(NE, "!=") X(LT, "<") X(LE, "<=") X(GT, ">") X(GE, ">=") X(CMP, "<=>") \
	X(MATCH_OP, "=~") X(CASE_EQ, "===") X(SHL, "<<") X(SHR, ">>") X(AND, "&") X(OR, "|") X(XOR, "^") \
	/* all objects */ \
	X(NIL_P, "nil?") X(IS_A, "is_a?") X(KIND_OF, "kind_of?") X(INSTANCE_OF, "instance_of?") X(CLASS, "class") \
	X(TO_S, "to_s") X(TO_STR, "to_str") X(INSPECT, "inspect") X(TO_JSON, "to_json") X(TAP, "tap") X(THEN, "then") \
	X(YIELD_SELF, "yield_self") X(DUP, "dup") X(CLONE, "clone") X(FREEZE, "freeze") X(FROZEN, "frozen?") X(ITSELF, "itself") \
	X(EQL, "eql?") X(EQUAL, "equal?") X(NAME, "name") X(MESSAGE, "message") \
	X(TO_I, "to_i") X(TO_INT, "to_int") X(TO_F, "to_f") X(TO_SYM, "to_sym") X(INTERN, "intern") X(TO_A, "to_a") X(TO_H, "to_h") \
	/* numbers */ \
	X(ABS, "abs") X(MAGNITUDE, "magnitude") X(ROUND, "round") X(FLOOR, "floor") X(CEIL, "ceil") X(TRUNCATE, "truncate") \
	X(TIMES, "times") X(UPTO, "upto") X(DOWNTO, "downto") X(STEP, "step") X(BETWEEN, "between?") X(CLAMP, "clamp") \
	X(ZERO, "zero?") X(NONZERO, "nonzero?") X(POSITIVE, "positive?") X(NEGATIVE, "negative?") X(EVEN, "even?") X(ODD, "odd?") \
	X(INTEGER_P, "integer?") X(FINITE, "finite?") X(INFINITE, "infinite?") X(NAN_P, "nan?") X(DIVMOD, "divmod") X(FDIV, "fdiv") \
	X(DIV_INT, "div") X(MODULO, "modulo") X(REMAINDER, "remainder") X(POW_M, "pow") X(SUCC, "succ") X(NEXT, "next") X(PRED, "pred") \
	X(CHR, "chr") X(ORD, "ord") X(DIGITS, "digits") \
	/* strings */ \
	X(DOWNCASE, "downcase") X(UPCASE, "upcase") X(CAPITALIZE, "capitalize") X(SWAPCASE, "swapcase") X(STRIP, "strip") \
	X(LSTRIP, "lstrip") X(RSTRIP, "rstrip") X(CHOMP, "chomp") X(CHOP, "chop") X(LENGTH, "length") X(SIZE, "size") \
	X(BYTESIZE, "bytesize") X(BYTES, "bytes") X(BYTESLICE, "byteslice") X(REVERSE, "reverse") X(START_WITH, "start_with?") \
	X(END_WITH, "end_with?") X(INCLUDE, "include?") X(INDEX_M, "index") X(RINDEX, "rindex") X(GSUB, "gsub") X(SUB, "sub") \
	X(MATCH, "match") X(MATCH_P, "match?") X(SCAN, "scan") X(SPLIT, "split") X(TR, "tr") X(TR_S, "tr_s") X(DELETE, "delete") X(SQUEEZE, "squeeze") \
	X(EACH_CHAR, "each_char") X(CHARS, "chars") X(EACH_LINE, "each_line") X(LINES, "lines") X(SLICE, "slice") X(LJUST, "ljust") \
	X(RJUST, "rjust") X(CENTER, "center") X(EMPTY, "empty?") X(ENCODE, "encode") X(FORCE_ENCODING, "force_encoding") \
	X(ENCODING, "encoding") X(VALID_ENCODING, "valid_encoding?") X(ASCII_ONLY, "ascii_only?") X(SCRUB, "scrub") \
	X(B, "b") X(HEX, "hex") X(OCT, "oct") X(COUNT, "count") X(INSERT, "insert") X(PREPEND, "prepend") X(CONCAT, "concat") \
	X(REPLACE, "replace") X(CASECMP, "casecmp") X(CASECMP_P, "casecmp?") X(PARTITION, "partition") X(RPARTITION, "rpartition") \
	X(DELETE_PREFIX, "delete_prefix") X(DELETE_SUFFIX, "delete_suffix") \
	X(DOWNCASE_X, "downcase!") X(UPCASE_X, "upcase!") X(CAPITALIZE_X, "capitalize!") X(SWAPCASE_X, "swapcase!") X(STRIP_X, "strip!") \
	X(LSTRIP_X, "lstrip!") X(RSTRIP_X, "rstrip!") X(CHOMP_X, "chomp!") X(CHOP_X, "chop!") X(REVERSE_X, "reverse!") X(GSUB_X, "gsub!") \
	X(SUB_X, "sub!") X(TR_X, "tr!") X(TR_S_X, "tr_s!") X(DELETE_X, "delete!") X(SQUEEZE_X, "squeeze!") X(SLICE_X, "slice!") X(ENCODE_X, "encode!") \
	X(SCRUB_X, "scrub!") X(DELETE_PREFIX_X, "delete_prefix!") X(DELETE_SUFFIX_X, "delete_suffix!") X(CLEAR, "clear") \
	/* arrays, hashes, ranges */ \
	X(FIRST, "first") X(LAST, "last") X(JOIN, "join") X(MAP, "map") X(COLLECT, "collect") X(FLAT_MAP, "flat_map") X(COLLECT_CONCAT, "collect_concat") \
	X(SELECT, "select") X(FILTER, "filter") X(FILTER_MAP, "filter_map") X(REJECT, "reject") X(ANY, "any?") X(ALL, "all?") X(NONE, "none?") X(ONE, "one?") \
	X(FIND, "find") X(DETECT, "detect") X(FIND_INDEX, "find_index") X(FIND_ALL, "find_all") X(COMPACT, "compact") X(UNIQ, "uniq") X(FLATTEN, "flatten") \
	X(SORT, "sort") X(SORT_BY, "sort_by") X(MIN, "min") X(MAX, "max") X(MIN_BY, "min_by") X(MAX_BY, "max_by") \
	X(EACH, "each") X(EACH_WITH_INDEX, "each_with_index") X(EACH_WITH_OBJECT, "each_with_object") X(EACH_INDEX, "each_index") \
	X(EACH_SLICE, "each_slice") X(EACH_CONS, "each_cons") X(REVERSE_EACH, "reverse_each") X(WITH_INDEX, "with_index") \
	X(MAP_WITH_INDEX, "map.with_index") X(INJECT, "inject") X(REDUCE, "reduce") X(SUM, "sum") X(GROUP_BY, "group_by") X(TALLY, "tally") \
	X(ZIP, "zip") X(TAKE, "take") X(DROP, "drop") X(TAKE_WHILE, "take_while") X(DROP_WHILE, "drop_while") X(VALUES_AT, "values_at") X(FETCH, "fetch") \
	X(DIG, "dig") X(AT, "at") X(PUSH, "push") X(APPEND, "append") X(POP, "pop") X(SHIFT, "shift") X(UNSHIFT, "unshift") X(DELETE_AT, "delete_at") \
	X(DELETE_IF, "delete_if") X(KEEP_IF, "keep_if") X(MEMBER, "member?") X(ENTRIES, "entries") \
	X(UNION, "union") X(DIFFERENCE, "difference") X(INTERSECTION, "intersection") \
	X(MAP_X, "map!") X(COLLECT_X, "collect!") X(SELECT_X, "select!") X(FILTER_X, "filter!") X(REJECT_X, "reject!") X(COMPACT_X, "compact!") X(UNIQ_X, "uniq!") \
	X(FLATTEN_X, "flatten!") X(SORT_X, "sort!") X(SORT_BY_X, "sort_by!") \
	X(KEYS, "keys") X(VALUES, "values") X(MERGE, "merge") X(MERGE_X, "merge!") X(UPDATE, "update") X(STORE, "store") X(KEY_P, "key?") X(HAS_KEY, "has_key?") \
	X(VALUE_P, "value?") X(HAS_VALUE, "has_value?") X(KEY, "key") X(EACH_PAIR, "each_pair") X(EACH_KEY, "each_key") X(EACH_VALUE, "each_value") \
	X(TRANSFORM_KEYS, "transform_keys") X(TRANSFORM_VALUES, "transform_values") X(TRANSFORM_KEYS_X, "transform_keys!") \
	X(TRANSFORM_VALUES_X, "transform_values!") X(INVERT, "invert") X(EXCEPT, "except") \
	X(BEGIN, "begin") X(END, "end") X(COVER, "cover?") X(EXCLUDE_END, "exclude_end?") \
	/* matches and regular expressions */ \
	X(CAPTURES, "captures") X(NAMED_CAPTURES, "named_captures") X(NAMES, "names") X(PRE_MATCH, "pre_match") X(POST_MATCH, "post_match") X(SOURCE, "source") \
	/* times */ \
	X(STRFTIME, "strftime") X(ISO8601, "iso8601") X(XMLSCHEMA, "xmlschema") X(RFC3339, "rfc3339") X(RFC2822, "rfc2822") X(HTTPDATE, "httpdate") \
	X(UTC, "utc") X(GMTIME, "gmtime") X(GETUTC, "getutc") X(GETGM, "getgm") X(LOCALTIME, "localtime") X(GETLOCAL, "getlocal") X(UTC_P, "utc?") X(GMT_P, "gmt?") \
	X(YEAR, "year") X(MONTH, "month") X(MON, "mon") X(DAY, "day") X(MDAY, "mday") X(HOUR, "hour") X(MINUTE, "minute") X(SEC, "sec") X(SECOND, "second") \
	X(USEC, "usec") X(TV_USEC, "tv_usec") X(NSEC, "nsec") X(TV_NSEC, "tv_nsec") X(TV_SEC, "tv_sec") X(WDAY, "wday") X(YDAY, "yday") X(ZONE, "zone") \
	X(UTC_OFFSET, "utc_offset") X(GMT_OFFSET, "gmt_offset") X(GMTOFF, "gmtoff") X(TO_TIME, "to_time") X(TO_DATETIME, "to_datetime") \
	X(NEW_OFFSET, "new_offset") X(MONDAY, "monday?") X(TUESDAY, "tuesday?") X(WEDNESDAY, "wednesday?") X(THURSDAY, "thursday?") X(FRIDAY, "friday?") \
	X(SATURDAY, "saturday?") X(SUNDAY, "sunday?")
/* clang-format on */

enum expr_method_id {
#define EXPR_METHOD_ID(id, name) M_##id,
	EXPR_METHODS(EXPR_METHOD_ID)
#undef EXPR_METHOD_ID
		M_COUNT_OF_METHODS
};

/* The method with that name, -1 if there is none. */
int expr_method_find(struct span name);
const char *expr_method_name(unsigned id);
/* Whether it changes its receiver, so that values need an identity. */
bool expr_method_mutates(unsigned id);

struct expr_vm;
struct expr_block;

/* A method: false if it raised. args[-1] does not exist; `b` is NULL without a block; `out` may be `self` or an argument. */
typedef bool expr_method_fn(struct expr_vm *x, const struct value *self, const struct value *args, unsigned n,
	const struct expr_block *b, struct value *out);

struct expr_method {
	expr_method_fn *fn;
	uint8_t min, max; /* arguments */
};

#define EXPR_ANY_ARGS 255

#endif
