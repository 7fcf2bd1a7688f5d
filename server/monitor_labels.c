#include "monitor_labels.h"

#include "base/mem.h"
#include "metrics/metrics.h"

#include <string.h>
#include <unistd.h>

const struct conf_schema monitor_labels_schema = {
	.name = "labels",
	.title = "labels",
	.size = sizeof(struct conf_common),
	.free_keys = true,
	.help = "Labels for each metric: `name value`. A value may hold `${hostname}` and `${worker_id}`.",
};

/* Appends the value with its two placeholders replaced; false: there is another one. */
static bool put_value(struct buf *out, const char *value)
{
	char host[256] = "";
	gethostname(host, sizeof host - 1);
	for (const char *p = value; *p;) {
		if (strncmp(p, "${hostname}", 11) == 0) {
			buf_put_str(out, host);
			p += 11;
		} else if (strncmp(p, "${worker_id}", 12) == 0) {
			buf_put_byte(out, '0'); /* one process */
			p += 12;
		} else if (strncmp(p, "${", 2) == 0 || strncmp(p, "$.", 2) == 0 || strncmp(p, "$[", 2) == 0) {
			return false;
		} else {
			buf_put_byte(out, (uint8_t)*p++);
		}
	}
	return true;
}

char *monitor_labels(const struct conf_list *sections, struct conf_report *report)
{
	struct buf labels, value;
	buf_init(&labels, 1 << 20);
	buf_init(&value, 1 << 16);
	const struct conf_common *c = sections->n ? sections->v[0] : NULL;
	for (const struct conf_pair *p = c ? c->section->pairs : NULL; p; p = p->next) {
		buf_clear(&value);
		if (!metrics_label_fits(p->name))
			conf_report_add(report, CONF_ERROR, p->name_pos,
				"'%s' cannot be a label's name: letters, digits and _ can", p->name);
		else if (!put_value(&value, p->value))
			conf_report_add(report, CONF_ERROR, p->value_pos,
				"the label '%s' can hold ${hostname} and ${worker_id} here, and nothing of records",
				p->name);
		else
			metrics_put_label(&labels, p->name, buf_span(&value));
	}
	char *text = buf_take(&labels);
	buf_free(&value);
	return text ? text : mem_strdup("");
}
