#include "elastic/bulk_index.h"

#include <time.h>

/* Longer names are cut to 255 bytes anyway; this only bounds what a record may put into one. */
#define RAW_MAX 65536

/* Offsets from UTC change at full quarters of an hour: a name made of local time is trusted no longer than that. */
#define LOCAL_PERIOD 900

static const struct index_window always = {INT64_MIN, UINT64_MAX};

void bulk_index_init(struct bulk_index *x, const struct bulk_options *o)
{
	const struct name_template *name = o->logstash_format ? o->prefix : o->index;
	*x = (struct bulk_index){.o = o, .uses_tag = name_template_uses_tag(name)};
	x->uses_record = name_template_uses_record(name);
	x->hidden = name_template_is_hidden(name);
	x->event = x->date = always;
	if (o->logstash_format) {
		x->uses_tag |= name_template_uses_tag(o->date);
		x->uses_record |= name_template_uses_record(o->date);
		x->date_varies = name_template_uses_tag(o->date) || name_template_uses_record(o->date);
	}
	buf_init(&x->date_text, RAW_MAX);
	buf_init(&x->unclean, RAW_MAX);
	buf_init(&x->raw, RAW_MAX);
	buf_init(&x->name, RAW_MAX);
}

void bulk_index_free(struct bulk_index *x)
{
	buf_free(&x->date_text);
	buf_free(&x->unclean);
	buf_free(&x->raw);
	buf_free(&x->name);
}

static struct index_window window_of(int64_t period, int64_t sec, int64_t offset)
{
	if (period == 0)
		return always;
	int64_t into;
	if (__builtin_add_overflow(sec, offset, &into))
		into = sec;
	into %= period;
	into += into < 0 ? period : 0;
	const bool room = sec >= INT64_MIN + into;
	return (struct index_window){room ? sec - into : INT64_MIN, (uint64_t)(room ? period : into)};
}

static int64_t local_offset(int64_t sec)
{
	const time_t t = (time_t)sec;
	struct tm tm;
	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

/* logstash_dateformat: made anew only when the period is another one. */
static bool put_date(struct bulk_index *x, struct span tag, struct event_time date, struct span record)
{
	const struct bulk_options *o = x->o;
	if (!x->date_is_known || !index_window_holds(&x->date, date.sec)) {
		const int64_t offset = o->utc_index ? 0 : local_offset(date.sec);
		int64_t period = name_template_period(o->date);
		if (!o->utc_index && period > LOCAL_PERIOD)
			period = LOCAL_PERIOD;
		buf_clear(&x->date_text);
		x->date_is_known = name_template_put(o->date, tag, date, offset, record, &x->date_text) &&
				   !x->date_varies;
		x->date = window_of(period, date.sec, offset);
	}
	return buf_put_span(&x->raw, buf_span(&x->date_text)) && !x->date_text.failed;
}

static bool put_raw(
	struct bulk_index *x, struct span tag, struct event_time event, struct event_time date, struct span record)
{
	const struct bulk_options *o = x->o;
	const struct name_template *name = o->logstash_format ? o->prefix : o->index;
	x->event = window_of(name_template_period(name), event.sec, 0);
	if (!name_template_put(name, tag, event, 0, record, &x->raw))
		return false;
	return !o->logstash_format || (buf_put_str(&x->raw, o->separator) && put_date(x, tag, date, record));
}

/* Takes the clean form of x->raw over. Many records in a row give the same. */
static bool set_name(struct bulk_index *x)
{
	if (span_eq(buf_span(&x->raw), buf_span(&x->unclean)) && x->name_is_known)
		return true;
	buf_clear(&x->unclean);
	x->name_is_known = buf_put_span(&x->unclean, buf_span(&x->raw));
	x->raw.n = index_name_clean(x->raw.p, x->raw.n, x->hidden);
	if (span_eq(buf_span(&x->raw), buf_span(&x->name)))
		return true;
	x->version++;
	buf_clear(&x->name);
	x->name_is_known &= buf_put_span(&x->name, buf_span(&x->raw));
	return !x->name.failed;
}

bool bulk_index_resolve(
	struct bulk_index *x, struct span tag, struct event_time event, struct event_time date, struct span record)
{
	buf_clear(&x->raw);
	const bool good = put_raw(x, tag, event, date, record) && set_name(x);
	x->set = good && !x->uses_record;
	return good;
}

bool bulk_index_force(struct bulk_index *x, struct span name)
{
	buf_clear(&x->raw);
	x->set = false;
	return buf_put(&x->raw, name.p, name.n < RAW_MAX ? name.n : RAW_MAX) && set_name(x);
}
