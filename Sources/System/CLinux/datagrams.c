#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

_Static_assert(sizeof(struct clinux_part) == sizeof(struct iovec), "a part is an iovec");
_Static_assert(offsetof(struct clinux_part, base) == offsetof(struct iovec, iov_base), "a part is an iovec");
_Static_assert(offsetof(struct clinux_part, byte_count) == offsetof(struct iovec, iov_len), "a part is an iovec");

// Room for timestamp, overflow count, segment size and destination of one message.
enum {
    control_byte_count = CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(uint32_t))
        + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo)),
};

struct clinux_receiver {
    int capacity;
    int family;  // of the expected destination; 0: any will do
    uint32_t interface_index;
    uint8_t ip[16];
    uint8_t *spill;
    size_t spill_byte_count;
    struct mmsghdr *messages;
    struct iovec (*places)[2];
    struct clinux_arrival *arrivals;
    uint8_t (*controls)[control_byte_count];
};

static size_t rounded(size_t byte_count) { return (byte_count + 63) / 64 * 64; }
static void *take(uint8_t **memory, size_t byte_count) {
    void *taken = *memory;
    *memory += rounded(byte_count);
    return taken;
}

size_t clinux_receiver_byte_count(int capacity) {
    size_t count = (size_t)capacity;
    return rounded(sizeof(struct clinux_receiver)) + rounded(count * sizeof(struct mmsghdr))
        + rounded(count * 2 * sizeof(struct iovec)) + rounded(count * sizeof(struct clinux_arrival))
        + rounded(count * control_byte_count);
}

struct clinux_receiver *clinux_receiver_make(
    void *memory, int capacity, uint8_t *spill, size_t spill_byte_count) {
    size_t count = (size_t)capacity;
    memset(memory, 0, clinux_receiver_byte_count(capacity));
    uint8_t *next = memory;
    struct clinux_receiver *receiver = take(&next, sizeof *receiver);
    receiver->capacity = capacity;
    receiver->spill = spill;
    receiver->spill_byte_count = spill_byte_count;
    receiver->messages = take(&next, count * sizeof *receiver->messages);
    receiver->places = take(&next, count * sizeof *receiver->places);
    receiver->arrivals = take(&next, count * sizeof *receiver->arrivals);
    receiver->controls = take(&next, count * sizeof *receiver->controls);
    for (int i = 0; i < capacity; i++) {
        struct msghdr *header = &receiver->messages[i].msg_hdr;
        if (spill) receiver->places[i][1] = (struct iovec){spill + (size_t)i * spill_byte_count, spill_byte_count};
        header->msg_iov = receiver->places[i];
        header->msg_iovlen = spill ? 2 : 1;
        header->msg_name = receiver->arrivals[i].from.bytes;
        header->msg_control = receiver->controls[i];
        header->msg_namelen = sizeof receiver->arrivals[i].from.bytes;
        header->msg_controllen = control_byte_count;
    }
    return receiver;
}

void clinux_receiver_expect(
    struct clinux_receiver *receiver, int family, const uint8_t *ip, uint32_t interface_index) {
    receiver->family = ip ? family : 0;
    receiver->interface_index = interface_index;
    if (ip) memcpy(receiver->ip, ip, family == AF_INET ? 4 : 16);
}

void clinux_receiver_place(struct clinux_receiver *receiver, int index, void *bytes, size_t byte_count) {
    receiver->places[index][0] = (struct iovec){bytes, byte_count};
}

static void read_destination(
    const struct clinux_receiver *receiver, struct clinux_arrival *arrival, int family, const void *ip,
    uint32_t interface_index) {
    arrival->interface_index = interface_index;
    if (!receiver->family) return;
    int is_expected = receiver->family == family && !memcmp(ip, receiver->ip, family == AF_INET ? 4 : 16)
        && (!receiver->interface_index || receiver->interface_index == interface_index);
    if (!is_expected) arrival->flags |= CLINUX_OTHER_GROUP;
}

static void read_control(
    const struct clinux_receiver *receiver, struct clinux_arrival *arrival, struct msghdr *header) {
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
        int level = control->cmsg_level, type = control->cmsg_type;
        const void *data = CMSG_DATA(control);
        if (level == SOL_SOCKET && type == SO_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, data, sizeof time);
            arrival->realtime_nanoseconds = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
        } else if (level == SOL_SOCKET && type == SO_RXQ_OVFL) {
            memcpy(&arrival->overflow_count, data, sizeof(uint32_t));
        } else if (level == IPPROTO_UDP && type == UDP_GRO) {
            int size;
            memcpy(&size, data, sizeof size);
            arrival->segment_byte_count = (uint32_t)size;
        } else if (level == IPPROTO_IP && type == IP_PKTINFO) {
            const struct in_pktinfo *info = data;
            read_destination(receiver, arrival, AF_INET, &info->ipi_addr, (uint32_t)info->ipi_ifindex);
        } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
            const struct in6_pktinfo *info = data;
            read_destination(receiver, arrival, AF_INET6, &info->ipi6_addr, info->ipi6_ifindex);
        }
    }
}

int clinux_receive(struct clinux_receiver *receiver, int descriptor, int count) {
    if (count > receiver->capacity) count = receiver->capacity;
    int received = recvmmsg(descriptor, receiver->messages, (unsigned)count, MSG_DONTWAIT, NULL);
    if (received < 0) return errno == EAGAIN ? 0 : -errno;
    for (int i = 0; i < received; i++) {
        struct msghdr *header = &receiver->messages[i].msg_hdr;
        struct clinux_arrival *arrival = &receiver->arrivals[i];
        arrival->byte_count = receiver->messages[i].msg_len;
        arrival->segment_byte_count = 0;
        arrival->flags = header->msg_flags & MSG_TRUNC ? CLINUX_TRUNCATED : 0;
        arrival->overflow_count = 0;
        arrival->realtime_nanoseconds = 0;
        arrival->interface_index = 0;
        arrival->from.length = header->msg_namelen;
        read_control(receiver, arrival, header);
        // The kernel wrote over both; only the messages it used need them again.
        header->msg_namelen = sizeof arrival->from.bytes;
        header->msg_controllen = control_byte_count;
    }
    return received;
}

const struct clinux_arrival *clinux_receiver_arrivals(const struct clinux_receiver *receiver) {
    return receiver->arrivals;
}

const uint8_t *clinux_receiver_spill(const struct clinux_receiver *receiver, int index) {
    return receiver->spill + (size_t)index * receiver->spill_byte_count;
}

struct segment_control {
    _Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
};

struct clinux_sender {
    int capacity;
    struct mmsghdr *messages;
    struct segment_control *controls;
};

size_t clinux_sender_byte_count(int capacity) {
    size_t count = (size_t)capacity;
    return rounded(sizeof(struct clinux_sender)) + rounded(count * sizeof(struct mmsghdr))
        + rounded(count * sizeof(struct segment_control));
}

struct clinux_sender *clinux_sender_make(void *memory, int capacity) {
    memset(memory, 0, clinux_sender_byte_count(capacity));
    uint8_t *next = memory;
    struct clinux_sender *sender = take(&next, sizeof *sender);
    sender->capacity = capacity;
    sender->messages = take(&next, (size_t)capacity * sizeof *sender->messages);
    sender->controls = take(&next, (size_t)capacity * sizeof *sender->controls);
    for (int i = 0; i < capacity; i++) {
        struct cmsghdr *control = (struct cmsghdr *)sender->controls[i].bytes;
        control->cmsg_level = IPPROTO_UDP;
        control->cmsg_type = UDP_SEGMENT;
        control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    }
    return sender;
}

void clinux_sender_set(
    struct clinux_sender *sender, int index, const struct clinux_address *to, const struct clinux_part *parts,
    int part_count, uint16_t segment_byte_count) {
    struct msghdr *header = &sender->messages[index].msg_hdr;
    header->msg_name = to ? (void *)to->bytes : NULL;
    header->msg_namelen = to ? to->length : 0;
    header->msg_iov = (struct iovec *)parts;
    header->msg_iovlen = (size_t)part_count;
    if (segment_byte_count) {
        struct cmsghdr *control = (struct cmsghdr *)sender->controls[index].bytes;
        memcpy(CMSG_DATA(control), &segment_byte_count, sizeof segment_byte_count);
        header->msg_control = control;
        header->msg_controllen = sizeof sender->controls[index].bytes;
    } else {
        header->msg_control = NULL;
        header->msg_controllen = 0;
    }
}

int clinux_send(struct clinux_sender *sender, int descriptor, int first, int count) {
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (count == 1) {
        const struct msghdr *header = &sender->messages[first].msg_hdr;
        // A connected socket's plain datagram may take a shorter way through the kernel.
        int is_plain = !header->msg_name && !header->msg_control && header->msg_iovlen == 1;
        // The bare call: by the wrapper that waits pass too, so that it is at hand, and no point of cancellation.
        ssize_t sent = is_plain
            ? syscall(SYS_sendto, descriptor, header->msg_iov->iov_base, header->msg_iov->iov_len, flags, NULL, 0)
            : sendmsg(descriptor, header, flags);
        return sent < 0 ? -errno : 1;
    }
    int sent = sendmmsg(descriptor, sender->messages + first, (unsigned)count, flags);
    return sent < 0 ? -errno : sent;
}
