#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static uint32_t flags_of(unsigned flags) {
    return (flags & IFF_UP ? CLINUX_INTERFACE_UP : 0) | (flags & IFF_LOOPBACK ? CLINUX_INTERFACE_LOOPBACK : 0)
        | (flags & IFF_MULTICAST ? CLINUX_INTERFACE_MULTICAST : 0);
}

static struct clinux_address address_of(const struct sockaddr *from) {
    struct clinux_address address = {0};
    if (from && (from->sa_family == AF_INET || from->sa_family == AF_INET6)) {
        address.length = from->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        memcpy(address.bytes, from, address.length);
    }
    return address;
}

int clinux_interfaces(struct clinux_interface *interfaces, int capacity) {
    struct ifaddrs *list;
    int count = 0;
    if (getifaddrs(&list) < 0) return -errno;
    for (struct ifaddrs *entry = list; entry; entry = entry->ifa_next, count++) {
        if (count >= capacity) continue;
        struct clinux_interface *interface = &interfaces[count];
        memset(interface, 0, sizeof *interface);
        strncpy(interface->name, entry->ifa_name, sizeof interface->name - 1);
        interface->index = if_nametoindex(entry->ifa_name);
        interface->flags = flags_of(entry->ifa_flags);
        interface->address = address_of(entry->ifa_addr);
        if (entry->ifa_flags & IFF_BROADCAST) interface->broadcast = address_of(entry->ifa_broadaddr);
    }
    freeifaddrs(list);
    return count;
}

int clinux_interface_monitor(void) {
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (descriptor < 0) return -errno;
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
    };
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = -errno;
        clinux_close(descriptor);
        return error;
    }
    return descriptor;
}

int clinux_interface_monitor_read(int descriptor) {
    _Alignas(struct nlmsghdr) uint8_t buffer[8192];
    ssize_t count = recv(descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
    // The kernel had more news than room: something has changed, whatever it was.
    if (count < 0) return errno == ENOBUFS ? 1 : -errno;
    int rest = (int)count;
    for (struct nlmsghdr *message = (struct nlmsghdr *)buffer; NLMSG_OK(message, rest);
         message = NLMSG_NEXT(message, rest)) {
        switch (message->nlmsg_type) {
            case RTM_NEWLINK:
            case RTM_DELLINK:
            case RTM_NEWADDR:
            case RTM_DELADDR: return 1;
        }
    }
    return 0;
}
