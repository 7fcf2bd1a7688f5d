/* discovery_file.h: servers of a forward output that stand in a file of their own: <service_discovery> @type file. Any thread. */
#ifndef WEIR_DISCOVERY_FILE_H
#define WEIR_DISCOVERY_FILE_H

#include "base/err.h"
#include "forward_nodes.h"

/* JSON if the file's name ends in .json, else YAML: a list of {host, port, name, weight, standby, username, password, shared_key}. */
bool discovery_file_read(const char *path, const char *encoding, struct forward_list *out, struct err *err);

/* The same of a text (UTF-8). */
bool discovery_text_read(struct span text, bool json, struct forward_list *out, struct err *err);

#endif
