#define _GNU_SOURCE
#include "clinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

_Static_assert(CLINUX_IPV4 == AF_INET && CLINUX_IPV6 == AF_INET6, "families");
_Static_assert(sizeof(struct sockaddr_in6) <= sizeof((struct clinux_address){0}.bytes), "address size");

static int or_errno(int result) { return result < 0 ? -errno : result; }

struct clinux_address clinux_address_make(int family, const uint8_t *ip, uint16_t port, uint32_t scope) {
    struct clinux_address address = {0};
    if (family == AF_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, ip, 4);
        memcpy(address.bytes, &in, sizeof in);
        address.length = sizeof in;
    } else {
        struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = scope};
        memcpy(&in.sin6_addr, ip, 16);
        memcpy(address.bytes, &in, sizeof in);
        address.length = sizeof in;
    }
    return address;
}
int clinux_address_family(const struct clinux_address *address) {
    sa_family_t family;
    memcpy(&family, address->bytes, sizeof family);
    return address->length ? family : 0;
}
uint16_t clinux_address_port(const struct clinux_address *address) {
    return (uint16_t)(address->bytes[2] << 8 | address->bytes[3]);
}
uint32_t clinux_address_scope(const struct clinux_address *address) {
    uint32_t scope = 0;
    if (clinux_address_family(address) == AF_INET6) {
        memcpy(&scope, address->bytes + offsetof(struct sockaddr_in6, sin6_scope_id), sizeof scope);
    }
    return scope;
}
const uint8_t *clinux_address_ip(const struct clinux_address *address) {
    int is_v6 = clinux_address_family(address) == AF_INET6;
    return address->bytes
        + (is_v6 ? offsetof(struct sockaddr_in6, sin6_addr) : offsetof(struct sockaddr_in, sin_addr));
}
int clinux_ip_parse(int family, const char *text, uint8_t *ip) {
    return inet_pton(family, text, ip) == 1 ? 0 : -EINVAL;
}
int clinux_ip_print(int family, const uint8_t *ip, char *text) {
    return inet_ntop(family, ip, text, 46) ? 0 : -errno;
}

int clinux_resolve(const char *name, struct clinux_address *address) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *list;
    if (getaddrinfo(name, NULL, &hints, &list) != 0) return -ENOENT;
    int is_found = list->ai_addrlen <= sizeof address->bytes;
    if (is_found) {
        memset(address, 0, sizeof *address);
        memcpy(address->bytes, list->ai_addr, list->ai_addrlen);
        address->length = list->ai_addrlen;
    }
    freeaddrinfo(list);
    return is_found ? 0 : -ENOENT;
}

int clinux_udp_socket(int family) {
    return or_errno(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
}
int clinux_bind(int descriptor, const struct clinux_address *address) {
    return or_errno(bind(descriptor, (const struct sockaddr *)address->bytes, address->length));
}
int clinux_connect(int descriptor, const struct clinux_address *address) {
    return or_errno(connect(descriptor, (const struct sockaddr *)address->bytes, address->length));
}
int clinux_local_address(int descriptor, struct clinux_address *address) {
    socklen_t length = sizeof address->bytes;
    int result = or_errno(getsockname(descriptor, (struct sockaddr *)address->bytes, &length));
    address->length = length;
    return result;
}
int clinux_send_one(int descriptor, const struct clinux_address *to, const void *bytes, size_t byte_count) {
    ssize_t count = sendto(
        descriptor, bytes, byte_count, MSG_DONTWAIT | MSG_NOSIGNAL,
        to ? (const struct sockaddr *)to->bytes : NULL, to ? to->length : 0);
    return count < 0 ? -errno : 0;
}

static int set(int descriptor, int level, int option, int value) {
    return or_errno(setsockopt(descriptor, level, option, &value, sizeof value));
}
static int get(int descriptor, int level, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, level, option, &value, &length) < 0 ? -errno : value;
}

int clinux_share_port(int descriptor) { return set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1); }
int clinux_only_ipv6(int descriptor) { return set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1); }
// Forced past the system's cap where the process may, else as much as the cap allows.
int clinux_receive_buffer(int descriptor, int byte_count) {
    if (set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, byte_count) == 0) return 0;
    return set(descriptor, SOL_SOCKET, SO_RCVBUF, byte_count);
}
int clinux_send_buffer(int descriptor, int byte_count) {
    if (set(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, byte_count) == 0) return 0;
    return set(descriptor, SOL_SOCKET, SO_SNDBUF, byte_count);
}
int clinux_receive_buffer_size(int descriptor) {
    int size = get(descriptor, SOL_SOCKET, SO_RCVBUF);
    return size < 0 ? size : size / 2;
}
int clinux_send_buffer_size(int descriptor) {
    int size = get(descriptor, SOL_SOCKET, SO_SNDBUF);
    return size < 0 ? size : size / 2;
}
int clinux_hop_limit(int descriptor, int family, int is_multicast, int limit) {
    if (family == AF_INET) {
        return set(descriptor, IPPROTO_IP, is_multicast ? IP_MULTICAST_TTL : IP_TTL, limit);
    }
    return set(descriptor, IPPROTO_IPV6, is_multicast ? IPV6_MULTICAST_HOPS : IPV6_UNICAST_HOPS, limit);
}
int clinux_multicast_loop(int descriptor, int family, int is_on) {
    if (family == AF_INET) return set(descriptor, IPPROTO_IP, IP_MULTICAST_LOOP, is_on);
    return set(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, is_on);
}
int clinux_multicast_interface(
    int descriptor, int family, uint32_t interface_index, const struct clinux_address *source) {
    if (family == AF_INET) {
        struct ip_mreqn request = {.imr_ifindex = (int)interface_index};
        if (source) {
            struct sockaddr_in address;
            memcpy(&address, source->bytes, sizeof address);
            request.imr_address = address.sin_addr;
        }
        return or_errno(setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request));
    }
    return set(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)interface_index);
}
int clinux_traffic_class(int descriptor, int family, int traffic_class) {
    if (family == AF_INET) return set(descriptor, IPPROTO_IP, IP_TOS, traffic_class);
    return set(descriptor, IPPROTO_IPV6, IPV6_TCLASS, traffic_class);
}
int clinux_allow_broadcast(int descriptor) { return set(descriptor, SOL_SOCKET, SO_BROADCAST, 1); }
int clinux_only_joined_groups(int descriptor, int family) {
    if (family == AF_INET) return set(descriptor, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    return set(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
}
int clinux_report_timestamps(int descriptor) { return set(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, 1); }
int clinux_report_overflow(int descriptor) { return set(descriptor, SOL_SOCKET, SO_RXQ_OVFL, 1); }
int clinux_report_destination(int descriptor, int family) {
    if (family == AF_INET) return set(descriptor, IPPROTO_IP, IP_PKTINFO, 1);
    return set(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}
int clinux_coalesce_receive(int descriptor) { return set(descriptor, IPPROTO_UDP, UDP_GRO, 1); }

static int change_source(
    int descriptor, int option, const struct clinux_address *group, const struct clinux_address *source,
    uint32_t interface_index) {
    int level = clinux_address_family(group) == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    struct group_source_req request = {.gsr_interface = interface_index};
    memcpy(&request.gsr_group, group->bytes, group->length);
    memcpy(&request.gsr_source, source->bytes, source->length);
    return or_errno(setsockopt(descriptor, level, option, &request, sizeof request));
}

int clinux_block_source(
    int descriptor, const struct clinux_address *group, const struct clinux_address *source,
    uint32_t interface_index) {
    return change_source(descriptor, MCAST_BLOCK_SOURCE, group, source, interface_index);
}

int clinux_group_change(
    int descriptor, const struct clinux_address *group, const struct clinux_address *source,
    uint32_t interface_index, int is_join) {
    if (source) {
        int option = is_join ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP;
        return change_source(descriptor, option, group, source, interface_index);
    }
    int level = clinux_address_family(group) == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    struct group_req request = {.gr_interface = interface_index};
    memcpy(&request.gr_group, group->bytes, group->length);
    int option = is_join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP;
    return or_errno(setsockopt(descriptor, level, option, &request, sizeof request));
}
