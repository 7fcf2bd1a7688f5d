/*
 * parse_access.h: lines of web servers' access logs without the regular expression engine. For parse_regexp.c only.
 *
 * Each reads the form that servers write; whatever could be read otherwise by the expression (quotes and backslashes within, several lines) is ACCESS_UNSURE,
 * and then the expression decides. test/unit/parse/access_test.c holds both against one another.
 */
#ifndef WEIR_PARSE_PARSE_ACCESS_H
#define WEIR_PARSE_PARSE_ACCESS_H

#include "parse/parser_impl.h"

enum access_result { ACCESS_NO, ACCESS_YES, ACCESS_UNSURE };

/* With ACCESS_YES the room has the fields that the expression's groups would give. */
enum access_result access_nginx(struct parser_room *room, struct span line);
enum access_result access_apache(struct parser_room *room, struct span line);

/* The groups of apache2's expression, in this order; those that took no part are null. */
enum {
	APACHE2_HOST,
	APACHE2_USER,
	APACHE2_TIME,
	APACHE2_METHOD,
	APACHE2_PATH,
	APACHE2_CODE,
	APACHE2_SIZE,
	APACHE2_REFERER,
	APACHE2_AGENT,
	APACHE2_GROUPS
};
enum access_result access_apache2(struct parser_room *room, struct span line);
void access_apache2_groups(struct parser_room *room, const struct capture *c, struct span line);
/* From these groups to the fields of the record, without the time, whose text is returned. */
struct span access_apache2_fields(struct parser_room *room);

#endif
