#include "expr/expr_module.h"

#include <math.h>

static const struct {
	const char *name;
	enum expr_module parent;
} modules[MODULES] = {
#define EXPR_MODULE_ROW(id, name, parent) [MODULE_##id] = {name, MODULE_##parent},
	EXPR_MODULES(EXPR_MODULE_ROW)
#undef EXPR_MODULE_ROW
};

int expr_module_find(struct span name)
{
	static const struct {
		const char *name;
		enum expr_module module;
	} others[] = {
		{"Date::DateTime", MODULE_DATETIME},
		{"MatchData", MODULE_MATCHDATA},
		{"Digest::SHA2", MODULE_SHA256},
		{"OpenSSL::Digest::SHA256", MODULE_SHA256},
		{"KeyError", MODULE_KEY_ERROR},
		{"Encoding::UndefinedConversionError", MODULE_ENCODING_ERROR},
		{"Encoding::InvalidByteSequenceError", MODULE_ENCODING_ERROR},
		{"Yajl::ParseError", MODULE_PARSER_ERROR},
	};
	for (int i = 0; i < MODULES; i++)
		if (span_is(name, modules[i].name))
			return i;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (span_is(name, others[i].name))
			return (int)others[i].module;
	return -1;
}

const char *expr_module_name(int64_t module)
{
	return modules[module].name;
}

bool expr_module_is_a(int64_t module, int64_t ancestor)
{
	if (ancestor == MODULE_OBJECT || ancestor == MODULE_KERNEL)
		return true;
	if (ancestor == MODULE_COMPARABLE)
		return module == MODULE_STRING || module == MODULE_TIME || module == MODULE_DATETIME ||
		       expr_module_is_a(module, MODULE_NUMERIC);
	if (ancestor == MODULE_ENUMERABLE)
		return module == MODULE_ARRAY || module == MODULE_HASH || module == MODULE_RANGE;
	if (ancestor == MODULE_FIXNUM)
		ancestor = MODULE_INTEGER;
	for (; module != MODULE_OBJECT; module = modules[module].parent)
		if (module == ancestor)
			return true;
	return false;
}

enum expr_module expr_module_of(const struct value *v)
{
	switch (v->type) {
	case VALUE_NIL:
		return MODULE_NIL;
	case VALUE_BOOL:
		return v->b ? MODULE_TRUE : MODULE_FALSE;
	case VALUE_INT:
	case VALUE_UINT:
		return MODULE_INTEGER;
	case VALUE_FLOAT:
		return MODULE_FLOAT;
	case VALUE_STR:
	case VALUE_BOX:
		return MODULE_STRING;
	case VALUE_SYM:
		return MODULE_SYMBOL;
	case VALUE_TIME:
		return v->variant == TIME_DATETIME ? MODULE_DATETIME
		       : v->variant == TIME_EVENT  ? MODULE_EVENTTIME
						   : MODULE_TIME;
	case VALUE_ARRAY:
		return MODULE_ARRAY;
	case VALUE_MAP:
		return MODULE_HASH;
	case VALUE_RANGE:
		return MODULE_RANGE;
	case VALUE_REGEXP:
		return MODULE_REGEXP;
	case VALUE_MATCH:
		return MODULE_MATCHDATA;
	case VALUE_MODULE:
		return MODULE_CLASS;
	case VALUE_ERROR:
		return MODULE_STANDARD_ERROR;
	default:
		return MODULE_EXT;
	}
}

bool expr_module_constant(struct span name, struct value *v)
{
	static const struct {
		const char *name, *text;
	} encodings[] = {
		{"Encoding::UTF_8", "UTF-8"},
		{"Encoding::ASCII_8BIT", "ASCII-8BIT"},
		{"Encoding::BINARY", "ASCII-8BIT"},
		{"Encoding::ASCII", "US-ASCII"},
		{"Encoding::US_ASCII", "US-ASCII"},
		{"Encoding::ISO_8859_1", "ISO-8859-1"},
	};
	for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
		if (span_is(name, encodings[i].name)) {
			*v = value_str(span_str(encodings[i].text));
			return true;
		}
	}
	if (span_is(name, "Float::INFINITY"))
		*v = value_float(INFINITY);
	else if (span_is(name, "Float::NAN"))
		*v = value_float(NAN);
	else
		return false;
	return true;
}

static const struct expr_module_function functions[] = {
	{MODULE_KERNEL, "rand", FUNCTION_RAND, 0, 1, 0},
	{MODULE_KERNEL, "raise", FUNCTION_RAISE, 0, 2, 0},
	{MODULE_KERNEL, "fail", FUNCTION_RAISE, 0, 2, 0},
	{MODULE_KERNEL, "format", FUNCTION_FORMAT, 1, EXPR_ARGS_MAX, 0},
	{MODULE_KERNEL, "sprintf", FUNCTION_FORMAT, 1, EXPR_ARGS_MAX, 0},
	{MODULE_KERNEL, "Integer", FUNCTION_INTEGER, 1, 2, 0},
	{MODULE_KERNEL, "Float", FUNCTION_FLOAT, 1, 1, 0},
	{MODULE_KERNEL, "String", FUNCTION_STRING, 1, 1, 0},
	{MODULE_KERNEL, "Array", FUNCTION_ARRAY, 1, 1, 0},
	{MODULE_KERNEL, "Hash", FUNCTION_NEW_HASH, 1, 1, 0},
	{MODULE_RANDOM, "rand", FUNCTION_RAND, 0, 1, 0},
	{MODULE_HASH, "[]", FUNCTION_HASH, 0, EXPR_ARGS_MAX, 0},
	{MODULE_HASH, "new", FUNCTION_NEW_HASH, 0, 0, 0},
	{MODULE_ARRAY, "new", FUNCTION_NEW_ARRAY, 0, 0, 0},
	{MODULE_STRING, "new", FUNCTION_NEW_STRING, 0, 1, 0},
	{MODULE_TIME, "now", FUNCTION_TIME_NOW, 0, 0, 0},
	{MODULE_TIME, "at", FUNCTION_TIME_AT, 1, 3, 0},
	{MODULE_TIME, "parse", FUNCTION_TIME_PARSE, 1, 1, 0},
	{MODULE_TIME, "iso8601", FUNCTION_TIME_ISO8601, 1, 1, 0},
	{MODULE_TIME, "xmlschema", FUNCTION_TIME_ISO8601, 1, 1, 0},
	{MODULE_TIME, "strptime", FUNCTION_TIME_STRPTIME, 2, 2, 0},
	{MODULE_TIME, "utc", FUNCTION_TIME_UTC, 1, 7, 0},
	{MODULE_TIME, "gm", FUNCTION_TIME_UTC, 1, 7, 0},
	{MODULE_TIME, "local", FUNCTION_TIME_LOCAL, 1, 7, 0},
	{MODULE_TIME, "mktime", FUNCTION_TIME_LOCAL, 1, 7, 0},
	{MODULE_TIME, "new", FUNCTION_TIME_LOCAL, 0, 7, 0},
	{MODULE_DATETIME, "now", FUNCTION_DATETIME_NOW, 0, 0, 0},
	{MODULE_DATETIME, "parse", FUNCTION_DATETIME_PARSE, 1, 1, 0},
	{MODULE_DATETIME, "iso8601", FUNCTION_DATETIME_PARSE, 1, 1, 0},
	{MODULE_DATETIME, "strptime", FUNCTION_DATETIME_STRPTIME, 2, 2, 0},
	{MODULE_JSON, "parse", FUNCTION_JSON_PARSE, 1, 1, 0},
	{MODULE_JSON, "load", FUNCTION_JSON_PARSE, 1, 1, 0},
	{MODULE_JSON, "generate", FUNCTION_JSON_GENERATE, 1, 1, 0},
	{MODULE_JSON, "dump", FUNCTION_JSON_GENERATE, 1, 1, 0},
	{MODULE_ENV, "[]", FUNCTION_ENV, 1, 1, 0},
	{MODULE_ENV, "fetch", FUNCTION_ENV_FETCH, 1, 2, 0},
	{MODULE_ENV, "key?", FUNCTION_ENV_KEY, 1, 1, 0},
	{MODULE_ENV, "has_key?", FUNCTION_ENV_KEY, 1, 1, 0},
	{MODULE_ENV, "include?", FUNCTION_ENV_KEY, 1, 1, 0},
	{MODULE_SECURERANDOM, "uuid", FUNCTION_UUID, 0, 0, 0},
	{MODULE_SECURERANDOM, "hex", FUNCTION_RANDOM_HEX, 0, 1, 0},
	{MODULE_SECURERANDOM, "random_number", FUNCTION_RAND, 0, 1, 0},
	{MODULE_CGI, "escape", FUNCTION_CGI_ESCAPE, 1, 1, 0},
	{MODULE_CGI, "unescape", FUNCTION_CGI_UNESCAPE, 1, 1, 0},
	{MODULE_URI, "encode_www_form_component", FUNCTION_URI_COMPONENT, 1, 1, 0},
	{MODULE_URI, "decode_www_form_component", FUNCTION_URI_DECODE, 1, 1, 0},
	{MODULE_BASE64, "encode64", FUNCTION_BASE64, 1, 1, 0},
	{MODULE_BASE64, "strict_encode64", FUNCTION_BASE64_STRICT, 1, 1, 0},
	{MODULE_BASE64, "urlsafe_encode64", FUNCTION_BASE64_URL, 1, 1, 0},
	{MODULE_BASE64, "decode64", FUNCTION_BASE64_DECODE, 1, 1, 0},
	{MODULE_BASE64, "strict_decode64", FUNCTION_BASE64_DECODE, 1, 1, 1},
	{MODULE_BASE64, "urlsafe_decode64", FUNCTION_BASE64_URL_DECODE, 1, 1, 0},
	{MODULE_MD5, "hexdigest", FUNCTION_DIGEST_HEX, 1, 1, DIGEST_MD5},
	{MODULE_SHA1, "hexdigest", FUNCTION_DIGEST_HEX, 1, 1, DIGEST_SHA1},
	{MODULE_SHA256, "hexdigest", FUNCTION_DIGEST_HEX, 1, 1, DIGEST_SHA256},
	{MODULE_SHA384, "hexdigest", FUNCTION_DIGEST_HEX, 1, 1, DIGEST_SHA384},
	{MODULE_SHA512, "hexdigest", FUNCTION_DIGEST_HEX, 1, 1, DIGEST_SHA512},
	{MODULE_MD5, "base64digest", FUNCTION_DIGEST_BASE64, 1, 1, DIGEST_MD5},
	{MODULE_SHA1, "base64digest", FUNCTION_DIGEST_BASE64, 1, 1, DIGEST_SHA1},
	{MODULE_SHA256, "base64digest", FUNCTION_DIGEST_BASE64, 1, 1, DIGEST_SHA256},
	{MODULE_SHA384, "base64digest", FUNCTION_DIGEST_BASE64, 1, 1, DIGEST_SHA384},
	{MODULE_SHA512, "base64digest", FUNCTION_DIGEST_BASE64, 1, 1, DIGEST_SHA512},
	{MODULE_FILE, "basename", FUNCTION_FILE_BASENAME, 1, 2, 0},
	{MODULE_FILE, "dirname", FUNCTION_FILE_DIRNAME, 1, 1, 0},
	{MODULE_FILE, "extname", FUNCTION_FILE_EXTNAME, 1, 1, 0},
	{MODULE_FILE, "join", FUNCTION_FILE_JOIN, 0, EXPR_ARGS_MAX, 0},
	{MODULE_REGEXP, "escape", FUNCTION_REGEXP_ESCAPE, 1, 1, 0},
	{MODULE_REGEXP, "quote", FUNCTION_REGEXP_ESCAPE, 1, 1, 0},
};

const struct expr_module_function *expr_module_function_find(int64_t module, struct span name)
{
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (functions[i].module == module && span_is(name, functions[i].name))
			return &functions[i];
	return NULL;
}

const struct expr_module_function *expr_function_find(struct span name)
{
	return expr_module_function_find(MODULE_KERNEL, name);
}
