// What routers say of datagrams that did not arrive. No privileges needed (IP_RECVERR, see ip(7)).
#ifndef CLINUX_ROUTE_H
#define CLINUX_ROUTE_H

#include "clinux.h"

// Has the kernel keep what routers and hosts say for clinux_route_read. Zero or a negative errno.
int clinux_route_report(int descriptor, int family);

enum { CLINUX_ROUTE_PASSED = 1, CLINUX_ROUTE_REACHED = 2, CLINUX_ROUTE_OTHER = 3 };
// The next thing said: a router let a datagram to port `*port` go no further (passed), its destination was there but
// nobody listened (reached), or something else. Who said it is in `from`. Zero when there is nothing, or a negative errno.
int clinux_route_read(int descriptor, uint16_t *port, struct clinux_address *from);

#endif
