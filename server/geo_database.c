#include "geo_database.h"

#include "base/mem.h"
#include "record/msgpack_put.h"

#include <arpa/inet.h>
#include <maxminddb.h>

#define DEPTH_MAX 16 /* of a value */

struct geo_database {
	MMDB_s mmdb;
};

struct geo_database *geo_database_open(const char *path, struct err *err)
{
	struct geo_database *d = mem_zalloc(sizeof *d);
	const int status = MMDB_open(path, MMDB_MODE_MMAP, &d->mmdb);
	if (status == MMDB_SUCCESS)
		return d;
	err_set(err, "%s: %s", path, MMDB_strerror(status));
	mem_free(d);
	return NULL;
}

void geo_database_free(struct geo_database *d)
{
	if (!d)
		return;
	MMDB_close(&d->mmdb);
	mem_free(d);
}

static bool read_address(struct span text, struct sockaddr_storage *out)
{
	char copy[INET6_ADDRSTRLEN];
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	if (!text.n || text.n >= sizeof copy)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	*out = (struct sockaddr_storage){.ss_family = memchr(copy, ':', text.n) ? AF_INET6 : AF_INET};
	return inet_pton(out->ss_family, copy,
		       out->ss_family == AF_INET6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr) == 1;
}

struct geo_entry geo_look_up(const struct geo_database *d, struct span address)
{
	struct sockaddr_storage sa;
	int status;
	if (!read_address(address, &sa))
		return (struct geo_entry){0};
	const MMDB_lookup_result_s r = MMDB_lookup_sockaddr(&d->mmdb, (const struct sockaddr *)&sa, &status);
	if (status != MMDB_SUCCESS || !r.found_entry)
		return (struct geo_entry){0};
	return (struct geo_entry){d, r.entry.offset};
}

/* ---- values ----------------------------------------------------------------------------------------------------------- */

static bool put_value(const MMDB_entry_data_list_s **at, unsigned depth, struct buf *out);

static bool put_container(const MMDB_entry_data_list_s **at, unsigned depth, struct buf *out)
{
	const MMDB_entry_data_s *v = &(*at)->entry_data;
	const bool map = v->type == MMDB_DATA_TYPE_MAP;
	const size_t count = (size_t)v->data_size * (map ? 2 : 1);
	if (depth >= DEPTH_MAX)
		return false;
	if (map)
		mp_put_map_head(out, v->data_size);
	else
		mp_put_array_head(out, v->data_size);
	*at = (*at)->next;
	for (size_t i = 0; i < count; i++)
		if (!*at || !put_value(at, depth + 1, out))
			return false;
	return true;
}

static bool put_value(const MMDB_entry_data_list_s **at, unsigned depth, struct buf *out)
{
	const MMDB_entry_data_s *v = &(*at)->entry_data;
	if (v->type == MMDB_DATA_TYPE_MAP || v->type == MMDB_DATA_TYPE_ARRAY)
		return put_container(at, depth, out);
	*at = (*at)->next;
	switch (v->type) {
	case MMDB_DATA_TYPE_UTF8_STRING:
		return mp_put_str(out, span_of(v->utf8_string, v->data_size));
	case MMDB_DATA_TYPE_BYTES:
		return mp_put_str(out, span_of(v->bytes, v->data_size));
	case MMDB_DATA_TYPE_DOUBLE:
		return mp_put_double(out, v->double_value);
	case MMDB_DATA_TYPE_FLOAT:
		return mp_put_double(out, (double)v->float_value);
	case MMDB_DATA_TYPE_UINT16:
		return mp_put_uint(out, v->uint16);
	case MMDB_DATA_TYPE_UINT32:
		return mp_put_uint(out, v->uint32);
	case MMDB_DATA_TYPE_INT32:
		return mp_put_int(out, v->int32);
	case MMDB_DATA_TYPE_UINT64:
		return mp_put_uint(out, v->uint64);
	case MMDB_DATA_TYPE_BOOLEAN:
		return mp_put_bool(out, v->boolean);
	default:
		return mp_put_nil(out); /* 128 bits: no database of places has them */
	}
}

bool geo_put(const struct geo_entry *e, const char *const *path, struct buf *out)
{
	MMDB_entry_data_s data;
	MMDB_entry_data_list_s *list = NULL;
	if (!e->database)
		return false;
	MMDB_entry_s entry = {&e->database->mmdb, e->offset};
	if (MMDB_aget_value(&entry, &data, path) != MMDB_SUCCESS || !data.has_data)
		return false;
	entry.offset = data.offset;
	if (MMDB_get_entry_data_list(&entry, &list) != MMDB_SUCCESS || !list) {
		MMDB_free_entry_data_list(list);
		return false;
	}
	const size_t before = out->n;
	const MMDB_entry_data_list_s *at = list;
	const bool ok = put_value(&at, 0, out);
	MMDB_free_entry_data_list(list);
	if (!ok)
		out->n = before;
	return ok;
}
