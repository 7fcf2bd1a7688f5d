/* expr_module.h: the classes and modules that expressions may name, and the functions of modules. For lib/expr only. */
#ifndef WEIR_EXPR_EXPR_MODULE_H
#define WEIR_EXPR_EXPR_MODULE_H

#include "expr/expr_tree.h"

/* clang-format off */
#define EXPR_MODULES(X) \
	X(OBJECT, "Object", OBJECT) X(COMPARABLE, "Comparable", OBJECT) X(ENUMERABLE, "Enumerable", OBJECT) X(KERNEL, "Kernel", OBJECT) \
	X(NIL, "NilClass", OBJECT) X(TRUE, "TrueClass", OBJECT) X(FALSE, "FalseClass", OBJECT) X(NUMERIC, "Numeric", OBJECT) \
	X(INTEGER, "Integer", NUMERIC) X(FIXNUM, "Fixnum", INTEGER) X(FLOAT, "Float", NUMERIC) X(STRING, "String", OBJECT) X(SYMBOL, "Symbol", OBJECT) \
	X(ARRAY, "Array", OBJECT) X(HASH, "Hash", OBJECT) X(RANGE, "Range", OBJECT) X(REGEXP, "Regexp", OBJECT) \
	X(MATCHDATA, "MatchData", OBJECT) X(TIME, "Time", OBJECT) X(DATE, "Date", OBJECT) X(DATETIME, "DateTime", DATE) X(EVENTTIME, "Fluent::EventTime", OBJECT) \
	X(EXT, "MessagePack::ExtensionValue", OBJECT) X(CLASS, "Class", OBJECT) X(MODULE, "Module", OBJECT) \
	X(JSON, "JSON", OBJECT) X(ENV, "ENV", OBJECT) X(SOCKET, "Socket", OBJECT) X(SECURERANDOM, "SecureRandom", OBJECT) X(CGI, "CGI", OBJECT) \
	X(URI, "URI", OBJECT) X(BASE64, "Base64", OBJECT) X(FILE, "File", OBJECT) X(MD5, "Digest::MD5", OBJECT) X(SHA1, "Digest::SHA1", OBJECT) \
	X(SHA256, "Digest::SHA256", OBJECT) X(SHA384, "Digest::SHA384", OBJECT) X(SHA512, "Digest::SHA512", OBJECT) X(RANDOM, "Random", OBJECT) \
	X(EXCEPTION, "Exception", OBJECT) X(STANDARD_ERROR, "StandardError", EXCEPTION) X(RUNTIME_ERROR, "RuntimeError", STANDARD_ERROR) \
	X(ARGUMENT_ERROR, "ArgumentError", STANDARD_ERROR) X(TYPE_ERROR, "TypeError", STANDARD_ERROR) X(NAME_ERROR, "NameError", STANDARD_ERROR) \
	X(NO_METHOD_ERROR, "NoMethodError", NAME_ERROR) X(INDEX_ERROR, "IndexError", STANDARD_ERROR) X(KEY_ERROR, "KeyError", INDEX_ERROR) \
	X(RANGE_ERROR, "RangeError", STANDARD_ERROR) X(FLOAT_DOMAIN_ERROR, "FloatDomainError", RANGE_ERROR) \
	X(ZERO_DIVISION_ERROR, "ZeroDivisionError", STANDARD_ERROR) X(REGEXP_ERROR, "RegexpError", STANDARD_ERROR) \
	X(ENCODING_ERROR, "EncodingError", STANDARD_ERROR) X(JSON_ERROR, "JSON::JSONError", STANDARD_ERROR) X(PARSER_ERROR, "JSON::ParserError", JSON_ERROR) \
	X(GENERATOR_ERROR, "JSON::GeneratorError", JSON_ERROR) X(DATE_ERROR, "Date::Error", ARGUMENT_ERROR) X(LIMIT_ERROR, "NoMemoryError", EXCEPTION)
/* clang-format on */

enum expr_module {
#define EXPR_MODULE_ID(id, name, parent) MODULE_##id,
	EXPR_MODULES(EXPR_MODULE_ID)
#undef EXPR_MODULE_ID
		MODULES
};

/* -1: there is none of that name. */
int expr_module_find(struct span name);
const char *expr_module_name(int64_t module);
bool expr_module_is_a(int64_t module, int64_t ancestor);
/* The class of a value. */
enum expr_module expr_module_of(const struct value *v);

/* A constant inside a module (Encoding::UTF_8, Float::INFINITY); false if there is none. */
bool expr_module_constant(struct span name, struct value *v);

struct expr_module_function {
	enum expr_module module;
	const char *name;
	enum expr_function function;
	uint8_t min, max; /* arguments */
	int number;
};
/* Module.name(...); NULL if there is none. */
const struct expr_module_function *expr_module_function_find(int64_t module, struct span name);
/* name(...); NULL if there is none. */
const struct expr_module_function *expr_function_find(struct span name);

#endif
