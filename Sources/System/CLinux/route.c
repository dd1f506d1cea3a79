#define _GNU_SOURCE
#include "clinux_route.h"

#include <errno.h>
#include <time.h>

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

int clinux_route_report(int descriptor, int family) {
    int on = 1;
    int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    int option = family == AF_INET6 ? IPV6_RECVERR : IP_RECVERR;
    return setsockopt(descriptor, level, option, &on, sizeof on) < 0 ? -errno : 0;
}

static int kind_of(const struct sock_extended_err *error) {
    if (error->ee_origin == SO_EE_ORIGIN_ICMP) {
        if (error->ee_type == ICMP_TIME_EXCEEDED) return CLINUX_ROUTE_PASSED;
        return error->ee_type == ICMP_DEST_UNREACH && error->ee_code == ICMP_PORT_UNREACH ? CLINUX_ROUTE_REACHED
                                                                                           : CLINUX_ROUTE_OTHER;
    }
    if (error->ee_origin == SO_EE_ORIGIN_ICMP6) {
        if (error->ee_type == ICMP6_TIME_EXCEEDED) return CLINUX_ROUTE_PASSED;
        return error->ee_type == ICMP6_DST_UNREACH && error->ee_code == ICMP6_DST_UNREACH_NOPORT
            ? CLINUX_ROUTE_REACHED
            : CLINUX_ROUTE_OTHER;
    }
    return CLINUX_ROUTE_OTHER;
}

static void copy_offender(const struct sock_extended_err *error, struct clinux_address *from) {
    const struct sockaddr *offender = SO_EE_OFFENDER(error);
    size_t length = offender->sa_family == AF_INET ? sizeof(struct sockaddr_in)
        : offender->sa_family == AF_INET6          ? sizeof(struct sockaddr_in6)
                                                   : 0;
    memset(from, 0, sizeof *from);
    memcpy(from->bytes, offender, length);
    from->length = (uint32_t)length;
}

int clinux_route_read(int descriptor, uint16_t *port, struct clinux_address *from) {
    union {
        struct cmsghdr align;
        char bytes[512];
    } control;
    char payload[64];
    struct sockaddr_in6 destination = {0};
    struct iovec part = {payload, sizeof payload};
    struct msghdr message = {.msg_name = &destination,
                             .msg_namelen = sizeof destination,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    if (recvmsg(descriptor, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return errno == EAGAIN ? 0 : -errno;
    // The port stands at the same place in both families.
    *port = ntohs(destination.sin6_port);
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        int is_error = (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR)
            || (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
        if (!is_error) continue;
        const struct sock_extended_err *error = (const struct sock_extended_err *)CMSG_DATA(header);
        copy_offender(error, from);
        return kind_of(error);
    }
    return CLINUX_ROUTE_OTHER;
}
