/*
 * plugin.h: what an input, an output and a filter are. A plugin is one file with one descriptor in the list in plugin.c: its name, its table of
 * parameters, and a few functions. The tables make `weir plugins`, `weir help NAME` and the reference in config/.
 */
#ifndef WEIR_PLUGIN_H
#define WEIR_PLUGIN_H

#include "base/err.h"
#include "conf/conf_schema.h"
#include "metrics/metrics.h"

struct batch;
struct builder;
struct chunk;
struct ingest;
struct pipeline;
struct router;
struct server;
struct flow;

enum plugin_kind { PLUGIN_INPUT, PLUGIN_OUTPUT, PLUGIN_FILTER };

struct plugin {
	enum plugin_kind kind;
	const char *name;  /* @type */
	const char *alias; /* other names, separated by spaces; NULL = none */
	const char *help;  /* a sentence */
	const struct conf_schema *schema;
	const struct input_ops *input; /* of its kind, one of the three */
	const struct output_ops *output;
	const struct filter_ops *filter;
};

/* The plugin of that name, NULL if there is none. */
const struct plugin *plugin_find(enum plugin_kind kind, const char *name);
/* All of them, ends with NULL. */
extern const struct plugin *const plugin_list[];
/* For a plugin of fluentd's world that weir does not have: what to do instead. NULL if the name is not known at all. */
const char *plugin_instead(enum plugin_kind kind, const char *name);
const char *plugin_kind_name(enum plugin_kind kind);

/* ---- inputs ------------------------------------------------------------------------------------------------------- */

/* A source as the pipeline knows it: what it is called, where its events go, what it counts. */
struct source {
	const struct plugin *plugin;
	char *id;
	void *conf;			    /* made from plugin->schema */
	void *self;			    /* the plugin's own */
	const struct conf_section *section; /* that its parser was made from, where it is not the file's; else NULL */
	const struct pipeline *home;	    /* that it was made with: its configuration lasts as long */
	bool started;			    /* and not ended */
	const struct router *router;	    /* of its @label, or the top level */
	const struct router *error_router;  /* <label @ERROR>; NULL = none */
	struct {
		struct counter *messages, *events, *bytes; /* received whole */
		struct counter *stored;	   /* events durable in a buffer, for each buffer they went to */
		struct counter *skipped;   /* bad events, now dead letters */
		struct counter *dropped;   /* messages whose content was no use, now dead letters */
		struct counter *markers;   /* Fluent Bit group markers: no events */
		struct counter *unmatched; /* events that no <match> wanted */
		struct counter *refused;   /* events whose buffer could not take them: not acknowledged */
		struct counter *filtered;  /* events that a filter took out */
		struct counter *repeated_messages, *repeated_events; /* that weir had already: see repeats.h */
		struct counter *errors;				     /* events that failed in a filter */
	} n;
};

struct input_ops {
	/*
	 * Checks what the table cannot, makes the plugin's own; contacts nobody, opens nothing. NULL: findings were added. It runs (for outputs and filters too)
	 * whatever the table has found, so that all findings come in one run: what was wrong has its default, what is required and missing is nil.
	 */
	void *(*create)(struct source *s, struct builder *b);
	void (*destroy)(void *self); /* NULL is allowed */
	/* Opens sockets and begins. False: err, and it may be called again: stop has been, what else was made is taken back. */
	bool (*start)(struct source *s, struct server *server, struct err *err);
	/*
	 * Stops accepting; what has been read is finished and acknowledged while busy() says how much there is. For these
	 * two and end NULL means that there is nothing to do.
	 */
	void (*stop)(struct source *s);
	unsigned (*busy)(const struct source *s);
	/* After stop: gives up what is still there, frees what belongs to workers. */
	void (*end)(struct source *s);
	/* While all workers are parked: files that the configuration names (certificates) are read again. NULL is allowed. False: the old ones stay. */
	bool (*renew)(struct source *s, struct err *err);
	/* Whether whoever reaches its port may send: it listens on all addresses, and asks nobody who they are. NULL: it listens on none. */
	bool (*is_open)(const struct source *s);
	/* A line for the start-up banner: "0.0.0.0:24224 tcp, udp heartbeat". */
	void (*describe)(const struct source *s, struct buf *out);
	bool no_events; /* it only tells of others: the status leaves it out */
};

/* ---- outputs ------------------------------------------------------------------------------------------------------ */

struct output {
	const struct plugin *plugin;
	char *id;
	void *conf;
	void *self;
	struct buffer_conf
		*own_buffer; /* where no <buffer> section says what the buffer is; NULL = there is one, or no flow */
	struct flow *flow;   /* buffer and flush threads; NULL for an output that passes events on at once */
	struct {
		struct counter *emitted_events, *emitted_batches; /* given to the output */
		struct counter *delivered; /* events that their destination has taken (or had already) */
	} n;
};

/* What has become of a chunk that a flush thread worked on. */
enum flush_result {
	FLUSH_DONE,    /* every event is delivered or durably buried: the chunk goes */
	FLUSH_RETRY,   /* this chunk later; the destination itself works */
	FLUSH_DOWN,    /* the destination does not work: back off as a whole */
	FLUSH_HOLD,    /* somebody must mend something there: slow retries, an alarm */
	FLUSH_STOPPED, /* ended by shutdown: as it was */
	FLUSH_BLOCKED, /* where its events go takes none until somebody mends that: this chunk waits, others go on */
	FLUSH_UNRECOVERABLE, /* this chunk will never be taken: to <secondary> or the dead letters at once */
};

struct flush_report {
	int64_t retry_after_ns; /* the destination's own wish; -1 = none */
	bool progressed;	/* with FLUSH_BLOCKED: something of the chunk was delivered */
	char reason[512];	/* for the log and the status page: one sentence */
};

struct output_ops {
	void *(*create)(struct output *o, struct builder *b);
	void (*destroy)(void *self);
	/* An output without a buffer: takes the batch now, in the worker's thread. NULL for one with a buffer. */
	void (*emit)(struct output *o, struct ingest *in, const struct batch *b);
	/* With a buffer. A flush thread's own state; stop_fd becomes readable when it must end soon. NULL: err. */
	void *(*flush_open)(struct output *o, int stop_fd, struct err *err);
	void (*flush_close)(void *thread);
	enum flush_result (*flush)(void *thread, struct chunk *c, struct flush_report *report);
	/* flush() adds to n.delivered as it goes on; else a chunk counts as a whole when it is done. */
	bool counts_delivered;
	/* "http://127.0.0.1:9200, 1 flush thread" */
	void (*describe)(const struct output *o, struct buf *out);
};

/* ---- filters ------------------------------------------------------------------------------------------------------ */

struct filter {
	const struct plugin *plugin;
	char *id;
	void *conf;
	void *self;
	struct {
		struct counter *in, *out; /* events */
	} n;
};

struct filter_ops {
	void *(*create)(struct filter *f, struct builder *b);
	void (*destroy)(void *self);
	/*
	 * Appends what is to go on to `out` (msgpack entries, as in batch.h) and returns how many events that are. Several workers call it at once.
	 */
	uint32_t (*apply)(struct filter *f, struct ingest *in, const struct batch *b, struct buf *out);
};

#endif
