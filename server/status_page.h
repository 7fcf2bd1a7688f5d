/* status_page.h: the status page: server/page/status.html, which is part of the program, and what a browser may do with it. */
#ifndef WEIR_STATUS_PAGE_H
#define WEIR_STATUS_PAGE_H

#include "admin.h"

/* The handler; takes no argument. */
void status_page_reply(struct admin_request *r, void *arg);

#endif
