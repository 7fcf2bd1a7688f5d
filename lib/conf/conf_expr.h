/*
 * conf_expr.h: the embedded code of a configuration, `"#{ENV['ES_HOST'] || 'localhost'}"`.
 *
 * fluentd runs it as Ruby. weir runs no code: this is an evaluator of the idioms that configurations use, with Ruby's results:
 * literals, ENV['X'], ENV.fetch('X', default), ENV.fetch('X') { default }, || && ! == != < > <= >= ?: + - * / %, parentheses, arrays and
 * indexes, hostname, worker_id, Socket.gethostname, File.read, File.exist?, use_nil, use_default, raise, require (which does nothing),
 * and methods of strings, numbers and arrays such as .strip, .to_i, .split, .gsub. Everything else is an error that says so.
 *
 * Start-up and reload only; one thread.
 */
#ifndef WEIR_CONF_CONF_EXPR_H
#define WEIR_CONF_CONF_EXPR_H

#include "base/buf.h"

struct stat;

struct conf_expr_env {
	int worker_id;
	bool no_files; /* File.read and the like are refused (fuzzing) */
	/* Told of each file that the code reads or asks for, as it is then; st NULL: it is not there. NULL = nobody wants to know. */
	void (*on_file)(void *arg, const char *path, const struct stat *st);
	void *arg;
};

enum conf_expr_status {
	CONF_EXPR_TEXT,
	CONF_EXPR_NIL,	   /* use_nil: the whole value is nil */
	CONF_EXPR_DEFAULT, /* use_default: as if the parameter were not there */
	CONF_EXPR_ERROR,
};

struct conf_expr_result {
	enum conf_expr_status status;
	bool outside;	 /* a variable of the environment or a file had a part in the text */
	size_t error_at; /* CONF_EXPR_ERROR: offset in the code */
	char error[400]; /* CONF_EXPR_ERROR: one sentence, without secrets */
};

/*
 * For text that begins right behind "#{": how many bytes of code there are before the closing brace; SIZE_MAX if it is not there.
 * Braces in strings do not close.
 */
size_t conf_expr_extent(struct span text);

/* Evaluates `code` (without the braces) and puts what Ruby would interpolate to `out` (nothing unless CONF_EXPR_TEXT). */
void conf_expr_eval(
	const struct conf_expr_env *env, struct span code, struct buf *out, struct conf_expr_result *result);

#endif
