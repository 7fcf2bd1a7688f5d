/* vm_function.c: functions: those of no object (rand, Integer) and those of modules (JSON, CGI, Digest). */
#include "expr/vm.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "parse/ruby_number.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

typedef bool function_fn(
	struct expr_vm *x, const struct expr_node *n, const struct value *args, unsigned count, struct value *out);

#define FUNCTION(name)                                                                     \
	static bool name(struct expr_vm *x VM_UNUSED, const struct expr_node *n VM_UNUSED, \
		const struct value *args VM_UNUSED, unsigned count VM_UNUSED, struct value *out)

/* ---- chance ------------------------------------------------------------------------------------------------------- */

/* xorshift128+ (Vigna 2014): for samples, not for secrets. */
static uint64_t next_random(struct expr_vm *x)
{
	uint64_t a = x->random[0], c = x->random[1];
	x->random[0] = c;
	a ^= a << 23;
	x->random[1] = a ^ c ^ (a >> 18) ^ (c >> 5);
	return x->random[1] + c;
}

FUNCTION(random_number)
{
	int64_t many;
	if (count && args[0].type == VALUE_RANGE) {
		const struct expr_range *r = args[0].other;
		if (r->first.type != VALUE_INT || r->last.type != VALUE_INT ||
			__builtin_sub_overflow(r->last.i, r->first.i, &many) || many < r->exclusive ||
			many == INT64_MAX)
			return vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid argument");
		return vm_set_int(out, r->first.i + (int64_t)(next_random(x) % (uint64_t)(many + !r->exclusive)));
	}
	if (!count || args[0].type == VALUE_NIL || (args[0].type == VALUE_INT && args[0].i == 0) ||
		args[0].type == VALUE_FLOAT) {
		double d = (double)(next_random(x) >> 11) * 0x1p-53;
		*out = value_float(count && args[0].type == VALUE_FLOAT ? d * args[0].d : d);
		return true;
	}
	if (!vm_want_int(x, &args[0], &many))
		return false;
	if (many == INT64_MIN)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid argument");
	return vm_set_int(out, (int64_t)(next_random(x) % (uint64_t)llabs(many)));
}

static bool random_bytes(struct expr_vm *x, uint8_t *p, size_t n)
{
	return getrandom(p, n, 0) == (ssize_t)n ||
	       vm_raise(x, MODULE_RUNTIME_ERROR, "the system gives no random numbers");
}

static void put_hex(char *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[p[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
}

FUNCTION(random_hex)
{
	uint8_t bytes[256];
	char text[512];
	int64_t size = 16;
	if (count && args[0].type != VALUE_NIL && !vm_want_int(x, &args[0], &size))
		return false;
	if (size < 0 || size > (int64_t)sizeof bytes)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "0 to 256 bytes are possible");
	if (!random_bytes(x, bytes, (size_t)size))
		return false;
	put_hex(text, bytes, (size_t)size);
	return vm_copy_str(x, span_of(text, 2 * (size_t)size), out);
}

FUNCTION(uuid)
{
	uint8_t b[16];
	char hex[32], text[36];
	if (!random_bytes(x, b, sizeof b))
		return false;
	b[6] = (uint8_t)((b[6] & 15) | 0x40);
	b[8] = (uint8_t)((b[8] & 63) | 0x80);
	put_hex(hex, b, sizeof b);
	for (size_t i = 0, at = 0; i < sizeof hex; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			text[at++] = '-';
		text[at++] = hex[i];
	}
	return vm_copy_str(x, span_of(text, sizeof text), out);
}

/* ---- errors and conversions --------------------------------------------------------------------------------------- */

FUNCTION(raise_error)
{
	enum expr_module class = MODULE_RUNTIME_ERROR;
	struct span s = SPAN_LIT("unhandled exception");
	if (count && args[0].type == VALUE_MODULE) {
		if (!expr_module_is_a(args[0].i, MODULE_EXCEPTION))
			return vm_raise(x, MODULE_TYPE_ERROR, "exception class/object expected");
		class = (enum expr_module)args[0].i;
		s = span_str(expr_module_name(class));
		args++;
		count--;
	}
	if (count && args[0].type == VALUE_ERROR) {
		x->raised = *(const struct expr_raised *)args[0].other;
		x->jump = JUMP_RAISE;
		return false;
	}
	(void)out;
	if (count && !vm_want_str(x, &args[0], &s))
		return false;
	return vm_raise(x, class, "%.*s", (int)(s.n < 400 ? s.n : 400), (const char *)s.p);
}

static bool invalid_value(struct expr_vm *x, const char *of, struct span s)
{
	return vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid value for %s(): \"%.*s\"", of, (int)(s.n < 100 ? s.n : 100),
		(const char *)s.p);
}

static struct span trim(struct span s)
{
	while (s.n && (*s.p == ' ' || (*s.p >= '\t' && *s.p <= '\r')))
		s = span_of(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || (s.p[s.n - 1] >= '\t' && s.p[s.n - 1] <= '\r')))
		s.n--;
	return s;
}

/* Integer("12"): the whole text must be a number; 0x, 0b, 0o and 0 tell a base. */
FUNCTION(to_integer)
{
	struct span s, t;
	int64_t base = 10;
	size_t i = 0;
	struct value v;
	if (vm_is_number(&args[0]))
		return vm_call(x, M_TO_I, &args[0], NULL, 0, NULL, out);
	if (args[0].type == VALUE_NIL)
		return vm_raise(x, MODULE_TYPE_ERROR, "can't convert nil into Integer");
	if (!vm_want_str(x, &args[0], &s) || (count > 1 && !vm_want_int(x, &args[1], &base)))
		return false;
	t = trim(s);
	size_t sign = t.n && (*t.p == '-' || *t.p == '+');
	if (count < 2 && t.n > sign + 1 && t.p[sign] == '0') {
		uint8_t c = t.p[sign + 1] | 0x20;
		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		i = c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	for (i += sign; i < t.n; i++) {
		int d = t.p[i] >= '0' && t.p[i] <= '9' ? t.p[i] - '0'
			: (t.p[i] | 0x20) >= 'a'       ? (t.p[i] | 0x20) - 'a' + 10
						       : 99;
		if (d >= base && !(t.p[i] == '_' && i > sign && i + 1 < t.n))
			return invalid_value(x, "Integer", s);
	}
	if (t.n == sign)
		return invalid_value(x, "Integer", s);
	struct value text = value_str(t), radix = value_int(base);
	return vm_call(x, M_TO_I, &text, &radix, 1, NULL, &v) && vm_set(out, &v);
}

FUNCTION(to_float)
{
	struct span s;
	if (vm_is_number(&args[0]))
		return vm_call(x, M_TO_F, &args[0], NULL, 0, NULL, out);
	if (args[0].type == VALUE_NIL)
		return vm_raise(x, MODULE_TYPE_ERROR, "can't convert nil into Float");
	if (!vm_want_str(x, &args[0], &s))
		return false;
	if (!ruby_is_number(s))
		return invalid_value(x, "Float", s);
	*out = value_float(ruby_to_f(s));
	return true;
}

FUNCTION(to_string)
{
	struct span s;
	return vm_to_s(x, &args[0], &s) && vm_set_str(out, s);
}

FUNCTION(to_array)
{
	struct value list;
	if (args[0].type == VALUE_ARRAY)
		return vm_set(out, &args[0]);
	if (args[0].type == VALUE_MAP || args[0].type == VALUE_RANGE || args[0].type == VALUE_NIL)
		return vm_call(x, M_TO_A, &args[0], NULL, 0, NULL, out);
	return vm_new_array(x, &list) && vm_push(x, &list, &args[0]) && vm_set(out, &list);
}

/* Hash[pairs], Hash[hash], Hash[key, value, ...] */
FUNCTION(to_hash)
{
	struct value hash;
	if (count == 1 && (args[0].type == VALUE_ARRAY || args[0].type == VALUE_MAP))
		return vm_call(x, M_TO_H, &args[0], NULL, 0, NULL, out);
	if (count % 2)
		return vm_raise(x, MODULE_ARGUMENT_ERROR, "odd number of arguments for Hash");
	if (!vm_new_hash(x, &hash))
		return false;
	for (unsigned i = 0; i < count; i += 2)
		if (!vm_call(x, M_INDEX_SET, &hash, &args[i], 2, NULL, out))
			return false;
	return vm_set(out, &hash);
}

FUNCTION(new_hash)
{
	if (count && args[0].type != VALUE_NIL)
		return vm_call(x, M_TO_H, &args[0], NULL, 0, NULL, out);
	return vm_new_hash(x, out);
}

FUNCTION(new_array)
{
	return vm_new_array(x, out);
}

FUNCTION(new_string)
{
	struct span s = {0};
	return (!count || vm_want_str(x, &args[0], &s)) && vm_set_str(out, s);
}

FUNCTION(format)
{
	return vm_format(x, args, count, out);
}

/* ---- JSON, ENV ---------------------------------------------------------------------------------------------------- */

FUNCTION(json_parse)
{
	struct span s;
	return vm_want_str(x, &args[0], &s) && vm_parse_json(x, s, out);
}

FUNCTION(json_generate)
{
	return vm_to_json(x, &args[0], out);
}

static bool env_value(struct expr_vm *x, const struct value *key, const char **value, struct span *name)
{
	char text[256];
	*value = NULL;
	if (!vm_want_str(x, key, name))
		return false;
	if (name->n >= sizeof text)
		return true;
	if (name->n)
		memcpy(text, name->p, name->n);
	text[name->n] = 0;
	*value = getenv(text);
	return true;
}

FUNCTION(env)
{
	struct span name;
	const char *value;
	if (!env_value(x, &args[0], &value, &name))
		return false;
	return value ? vm_set_str(out, span_str(value)) : vm_set_nil(out);
}

FUNCTION(env_fetch)
{
	struct span name;
	const char *value;
	if (!env_value(x, &args[0], &value, &name))
		return false;
	if (value)
		return vm_set_str(out, span_str(value));
	if (n->block)
		return vm_block_one(x, n->block, &args[0], out);
	if (count > 1)
		return vm_set(out, &args[1]);
	return vm_raise(x, MODULE_KEY_ERROR, "key not found: \"%.*s\"", (int)(name.n < 200 ? name.n : 200),
		(const char *)name.p);
}

FUNCTION(env_key)
{
	struct span name;
	const char *value;
	return env_value(x, &args[0], &value, &name) && vm_set_bool(out, value != NULL);
}

/* ---- CGI, URI, Base64, Digest ------------------------------------------------------------------------------------- */

/* What stays as it is beside letters and digits; a blank is a plus. */
static bool percent_encode(struct expr_vm *x, const struct value *arg, const char *plain, struct value *out)
{
	struct span s;
	struct vm_text t = {0};
	if (!vm_want_str(x, arg, &s))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		char hex[4];
		bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    (c && strchr(plain, c));
		snprintf(hex, sizeof hex, "%%%02X", c);
		if (!vm_text_put(x, &t, keep ? span_of(&c, 1) : c == ' ' ? SPAN_LIT("+") : span_str(hex)))
			return false;
	}
	return vm_text_end(&t, out);
}

FUNCTION(cgi_escape)
{
	return percent_encode(x, &args[0], "-._~", out);
}

FUNCTION(uri_component)
{
	return percent_encode(x, &args[0], "*-._", out);
}

static int hex_value(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

FUNCTION(percent_decode)
{
	struct span s;
	struct vm_text t = {0};
	if (!vm_want_str(x, &args[0], &s))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i] == '+' ? ' ' : s.p[i];
		int high = c == '%' && i + 2 < s.n ? hex_value(s.p[i + 1]) : -1,
		    low = high >= 0 ? hex_value(s.p[i + 2]) : -1;
		if (low >= 0) {
			c = (uint8_t)(high << 4 | low);
			i += 2;
		}
		if (!vm_text_byte(x, &t, c))
			return false;
	}
	return vm_text_end(&t, out);
}

static bool base64(struct expr_vm *x, struct span s, enum base64_alphabet alphabet, struct value *out)
{
	size_t n = base64_encoded_len(alphabet, s.n);
	char *p = (char *)vm_bytes(x, n);
	if (!p)
		return false;
	base64_encode(alphabet, s, p);
	return vm_set_str(out, span_of(p, n));
}

/* encode64: lines of 60 characters, each with its end. */
FUNCTION(base64_lines)
{
	struct span s;
	struct value v;
	struct vm_text t = {0};
	if (!vm_want_str(x, &args[0], &s) || !base64(x, s, BASE64_STD, &v))
		return false;
	for (size_t i = 0; i < v.s.n; i += 60)
		if (!vm_text_put(x, &t, span_of(v.s.p + i, v.s.n - i < 60 ? v.s.n - i : 60)) ||
			!vm_text_byte(x, &t, '\n'))
			return false;
	return vm_text_end(&t, out);
}

FUNCTION(base64_strict)
{
	struct span s;
	return vm_want_str(x, &args[0], &s) && base64(x, s, BASE64_STD, out);
}

/* urlsafe_encode64 pads. */
FUNCTION(base64_url)
{
	struct span s;
	struct vm_text t = {0};
	struct value v;
	if (!vm_want_str(x, &args[0], &s) || !base64(x, s, BASE64_URL, &v) || !vm_text_put(x, &t, v.s))
		return false;
	while (t.n % 4)
		if (!vm_text_byte(x, &t, '='))
			return false;
	return vm_text_end(&t, out);
}

/* Lenient, as Ruby: either alphabet; white space and padding do not matter. */
FUNCTION(base64_lenient)
{
	struct span s;
	struct vm_text t = {0};
	if (!vm_want_str(x, &args[0], &s))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == '=' || c == '\n' || c == '\r' || c == ' ')
			continue;
		c = c == '+' ? '-' : c == '/' ? '_' : c;
		if (!vm_text_byte(x, &t, c))
			return false;
	}
	buf_clear(&x->work);
	if (!base64_get(&x->work, BASE64_URL, span_of(t.p, t.n)))
		return x->work.failed ? vm_no_room(x) : vm_raise(x, MODULE_ARGUMENT_ERROR, "invalid base64");
	return vm_copy_str(x, buf_span(&x->work), out);
}

static bool digest(struct expr_vm *x, const struct expr_node *n, const struct value *arg, uint8_t *sum, unsigned *size)
{
	struct span s;
	const EVP_MD *md = n->number == DIGEST_MD5	? EVP_md5()
			   : n->number == DIGEST_SHA1	? EVP_sha1()
			   : n->number == DIGEST_SHA256 ? EVP_sha256()
			   : n->number == DIGEST_SHA384 ? EVP_sha384()
							: EVP_sha512();
	if (!vm_want_str(x, arg, &s))
		return false;
	return EVP_Digest(s.n ? s.p : (const uint8_t *)"", s.n, sum, size, md, NULL) == 1 ||
	       vm_raise(x, MODULE_RUNTIME_ERROR, "this digest is not available here");
}

FUNCTION(digest_hex)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	char text[2 * EVP_MAX_MD_SIZE];
	unsigned size;
	if (!digest(x, n, &args[0], sum, &size))
		return false;
	put_hex(text, sum, size);
	return vm_copy_str(x, span_of(text, 2 * size), out);
}

FUNCTION(digest_base64)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned size;
	return digest(x, n, &args[0], sum, &size) && base64(x, span_of(sum, size), BASE64_STD, out);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

FUNCTION(regexp_escape)
{
	struct span s;
	struct vm_text t = {0};
	static const char from[] = " \n\t\r\f\v", to[] = " ntrfv";
	if (!vm_want_str(x, &args[0], &s))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		const char *blank = c ? strchr(from, c) : NULL;
		bool special = c && strchr("[]{}()|-*.\\?+^$#", c);
		if (((blank || special) && !vm_text_byte(x, &t, '\\')) ||
			!vm_text_byte(x, &t, blank ? (uint8_t)to[blank - from] : c))
			return false;
	}
	return vm_text_end(&t, out);
}

static function_fn *const functions[FUNCTIONS] = {
	[FUNCTION_RAND] = random_number,
	[FUNCTION_RAISE] = raise_error,
	[FUNCTION_FORMAT] = format,
	[FUNCTION_INTEGER] = to_integer,
	[FUNCTION_FLOAT] = to_float,
	[FUNCTION_STRING] = to_string,
	[FUNCTION_ARRAY] = to_array,
	[FUNCTION_HASH] = to_hash,
	[FUNCTION_TIME_NOW] = vm_time_function,
	[FUNCTION_TIME_AT] = vm_time_function,
	[FUNCTION_TIME_PARSE] = vm_time_function,
	[FUNCTION_TIME_ISO8601] = vm_time_function,
	[FUNCTION_TIME_STRPTIME] = vm_time_function,
	[FUNCTION_TIME_UTC] = vm_time_function,
	[FUNCTION_TIME_LOCAL] = vm_time_function,
	[FUNCTION_DATETIME_NOW] = vm_time_function,
	[FUNCTION_DATETIME_PARSE] = vm_time_function,
	[FUNCTION_DATETIME_STRPTIME] = vm_time_function,
	[FUNCTION_JSON_PARSE] = json_parse,
	[FUNCTION_JSON_GENERATE] = json_generate,
	[FUNCTION_ENV] = env,
	[FUNCTION_ENV_FETCH] = env_fetch,
	[FUNCTION_ENV_KEY] = env_key,
	[FUNCTION_UUID] = uuid,
	[FUNCTION_RANDOM_HEX] = random_hex,
	[FUNCTION_CGI_ESCAPE] = cgi_escape,
	[FUNCTION_CGI_UNESCAPE] = percent_decode,
	[FUNCTION_URI_COMPONENT] = uri_component,
	[FUNCTION_URI_DECODE] = percent_decode,
	[FUNCTION_BASE64] = base64_lines,
	[FUNCTION_BASE64_STRICT] = base64_strict,
	[FUNCTION_BASE64_URL] = base64_url,
	[FUNCTION_BASE64_DECODE] = base64_lenient,
	[FUNCTION_BASE64_URL_DECODE] = base64_lenient,
	[FUNCTION_DIGEST_HEX] = digest_hex,
	[FUNCTION_DIGEST_BASE64] = digest_base64,
	[FUNCTION_FILE_BASENAME] = vm_file_function,
	[FUNCTION_FILE_DIRNAME] = vm_file_function,
	[FUNCTION_FILE_EXTNAME] = vm_file_function,
	[FUNCTION_FILE_JOIN] = vm_file_function,
	[FUNCTION_REGEXP_ESCAPE] = regexp_escape,
	[FUNCTION_NEW_STRING] = new_string,
	[FUNCTION_NEW_ARRAY] = new_array,
	[FUNCTION_NEW_HASH] = new_hash,
};

bool vm_function(
	struct expr_vm *x, const struct expr_node *n, const struct value *args, unsigned count, struct value *out)
{
	return functions[n->method](x, n, args, count, out);
}
