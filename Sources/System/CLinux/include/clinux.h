// Linux calls that the Glibc module does not show to Swift, under names of our own.
//
// Calls that can fail give a negative errno. Nothing here allocates, and nothing retries: Swift decides.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>

// Clocks (clock_gettime): nanoseconds of CLOCK_MONOTONIC and CLOCK_REALTIME, of the calling thread's CPU time and of
// the process's.
int64_t clinux_monotonic_nanoseconds(void);
int64_t clinux_realtime_nanoseconds(void);
int64_t clinux_thread_cpu_nanoseconds(void);
int64_t clinux_process_cpu_nanoseconds(void);

// How much later than asked the kernel may wake the calling thread, in nanoseconds (PR_SET_TIMERSLACK).
int clinux_set_timer_slack(uint64_t nanoseconds);

// epoll. `events` and the ready events are CLINUX_… bits.
enum {
    CLINUX_READABLE = 1,
    CLINUX_WRITABLE = 4,
    CLINUX_ERROR = 8,
    CLINUX_HANGUP = 16,
};
#define CLINUX_ON_EDGE 0x80000000u
struct clinux_ready {
    uint64_t tag;
    uint32_t events;
    uint32_t unused;
};
int clinux_epoll_create(void);
int clinux_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t tag);
int clinux_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t tag);
int clinux_epoll_remove(int epoll, int descriptor);
// Waits for at most `timeout_nanoseconds` (negative: for ever); at most 64 events a call. Gives how many.
int clinux_epoll_wait(int epoll, struct clinux_ready *ready, int capacity, int64_t timeout_nanoseconds);

// A descriptor that is readable after clinux_eventfd_signal until clinux_eventfd_drain.
int clinux_eventfd(void);
int clinux_eventfd_signal(int descriptor);
int clinux_eventfd_drain(int descriptor);

// Blocks `signals` for the calling thread (and the threads it makes from now on) and gives a descriptor that is
// readable while one of them waits.
int clinux_signalfd(const int *signals, int count);
// The next waiting signal, or a negative errno (-EAGAIN: none).
int clinux_signalfd_read(int descriptor);

// The entries that stages leave in the linker section "freshet_stages": function pointers from `begin` to `end`.
// Both are NULL when there is none.
struct clinux_section {
    const void *const *begin;
    const void *const *end;
};
struct clinux_section clinux_stage_section(void);

// The system's short text for `error` (a positive errno); never NULL.
const char *clinux_error_text(int error);

int clinux_close(int descriptor);

// Sockets. An address is a sockaddr_in or sockaddr_in6 in its own bytes.
enum { CLINUX_IPV4 = 2, CLINUX_IPV6 = 10 };
struct clinux_address {
    uint32_t length;
    uint8_t bytes[28];
};
// `ip` is 4 or 16 bytes in network order by `family`; `scope` is an interface index (IPv6 link-local) or 0.
struct clinux_address clinux_address_make(int family, const uint8_t *ip, uint16_t port, uint32_t scope);
int clinux_address_family(const struct clinux_address *address);
uint16_t clinux_address_port(const struct clinux_address *address);
uint32_t clinux_address_scope(const struct clinux_address *address);
const uint8_t *clinux_address_ip(const struct clinux_address *address);
// Numbers to addresses and back; text needs 46 bytes. Zero or a negative errno.
int clinux_ip_parse(int family, const char *text, uint8_t *ip);
int clinux_ip_print(int family, const uint8_t *ip, char *text);
// The first address of host `name`, port left 0; may wait for a name server. Zero or -ENOENT.
int clinux_resolve(const char *name, struct clinux_address *address);

// A datagram socket that does not block and is closed on exec.
int clinux_udp_socket(int family);
int clinux_bind(int descriptor, const struct clinux_address *address);
int clinux_connect(int descriptor, const struct clinux_address *address);
int clinux_local_address(int descriptor, struct clinux_address *address);
// Sends one datagram; `to` may be NULL on a connected socket.
int clinux_send_one(int descriptor, const struct clinux_address *to, const void *bytes, size_t byte_count);

// Options, each zero or a negative errno.
int clinux_share_port(int descriptor);
int clinux_only_ipv6(int descriptor);
int clinux_receive_buffer(int descriptor, int byte_count);
int clinux_send_buffer(int descriptor, int byte_count);
// What the buffers hold now, in bytes of data (the kernel doubles what it is told for its own overhead).
int clinux_receive_buffer_size(int descriptor);
int clinux_send_buffer_size(int descriptor);
int clinux_hop_limit(int descriptor, int family, int is_multicast, int limit);
int clinux_multicast_loop(int descriptor, int family, int is_on);
// `source` (IPv4 only, or NULL) becomes the address that datagrams to groups are sent from.
int clinux_multicast_interface(
    int descriptor, int family, uint32_t interface_index, const struct clinux_address *source);
// Traffic class: DSCP in the upper six bits.
int clinux_traffic_class(int descriptor, int family, int traffic_class);
int clinux_allow_broadcast(int descriptor);
// Only datagrams of groups that this very socket joined (IP_MULTICAST_ALL off).
int clinux_only_joined_groups(int descriptor, int family);
int clinux_report_timestamps(int descriptor);
int clinux_report_overflow(int descriptor);
int clinux_report_destination(int descriptor, int family);
int clinux_coalesce_receive(int descriptor);
// Takes nothing of `source` by the membership of `group`, any source's so far, on an interface (RFC 3678).
int clinux_block_source(
    int descriptor, const struct clinux_address *group, const struct clinux_address *source,
    uint32_t interface_index);
// Joins or leaves `group` on an interface by its index; `source` (may be NULL) makes it source-specific (RFC 3678).
int clinux_group_change(
    int descriptor, const struct clinux_address *group, const struct clinux_address *source,
    uint32_t interface_index, int is_join);

// Receiving in batches. A receiver lives in memory that the caller gives and never moves it.
enum {
    CLINUX_TRUNCATED = 1,      // longer than its place
    CLINUX_OTHER_GROUP = 2,    // sent to another address than the expected one
};
struct clinux_arrival {
    uint32_t byte_count;
    uint32_t segment_byte_count;   // not 0: several datagrams of this size in a row, the last may be shorter
    uint32_t flags;
    uint32_t overflow_count;       // datagrams the kernel has dropped on this socket so far
    int64_t realtime_nanoseconds;  // when the kernel got it; 0 when it did not say
    uint32_t interface_index;
    struct clinux_address from;
};
struct clinux_receiver;
size_t clinux_receiver_byte_count(int capacity);
// `spill`, if not NULL, is `capacity` areas of `spill_byte_count` bytes for what does not fit its place.
struct clinux_receiver *clinux_receiver_make(
    void *memory, int capacity, uint8_t *spill, size_t spill_byte_count);
// Expects datagrams sent to `ip` (4 or 16 bytes by `family`) on interface `interface_index` (0: any); others are
// flagged. NULL: all.
void clinux_receiver_expect(
    struct clinux_receiver *receiver, int family, const uint8_t *ip, uint32_t interface_index);
// Where message `index` of the next batches goes.
void clinux_receiver_place(struct clinux_receiver *receiver, int index, void *bytes, size_t byte_count);
// Receives what waits, at most `count` messages: how many (may be 0), or a negative errno. One system call.
int clinux_receive(struct clinux_receiver *receiver, int descriptor, int count);
const struct clinux_arrival *clinux_receiver_arrivals(const struct clinux_receiver *receiver);
const uint8_t *clinux_receiver_spill(const struct clinux_receiver *receiver, int index);

// Sending in batches. A part is a piece of a datagram (an iovec).
struct clinux_part {
    const void *base;
    size_t byte_count;
};
struct clinux_sender;
size_t clinux_sender_byte_count(int capacity);
struct clinux_sender *clinux_sender_make(void *memory, int capacity);
// Message `index`: `parts` in a row to `to` (NULL: where the socket is connected), cut by the kernel into datagrams of
// `segment_byte_count` bytes (0: one datagram). Nothing is copied before clinux_send.
void clinux_sender_set(
    struct clinux_sender *sender, int index, const struct clinux_address *to, const struct clinux_part *parts,
    int part_count, uint16_t segment_byte_count);
// Sends messages `first` to `first + count - 1`: how many went, or a negative errno when the first did not go.
int clinux_send(struct clinux_sender *sender, int descriptor, int first, int count);

// Interfaces. Flags are CLINUX_INTERFACE_… bits.
enum { CLINUX_INTERFACE_UP = 1, CLINUX_INTERFACE_LOOPBACK = 2, CLINUX_INTERFACE_MULTICAST = 4 };
struct clinux_interface {
    uint32_t index;
    uint32_t flags;
    char name[16];
    struct clinux_address address;    // length 0: it has none
    struct clinux_address broadcast;  // length 0: it has none
};
// One entry for each interface and address, at most `capacity`; gives how many there are in all.
int clinux_interfaces(struct clinux_interface *interfaces, int capacity);
// A descriptor that tells of interfaces and addresses that come and go (rtnetlink).
int clinux_interface_monitor(void);
// Reads one message: 1 when something about interfaces or addresses has changed, 0 when not, -EAGAIN: nothing waits.
int clinux_interface_monitor_read(int descriptor);

#endif
