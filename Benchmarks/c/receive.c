// The cheapest way to take RTP from the network to disk, and the sink and the clock of every other measurement.
//   receive -m recv|recvmmsg|gro -p PORT [-g GROUP -i INTERFACE_ADDRESS] [-n PORTS -s STEP] [-o FILE] [-x TIMES] [-q QUIET_S]
// FILE gets the payload of the first port; TIMES its arrival times (kernel, nanoseconds) and lengths, 16 bytes each.
// Ends on a signal, or after QUIET_S seconds without a packet once there was one. RTP headers are taken off.
#include "common.h"
#include <sys/epoll.h>

enum { BATCH = 64 };

typedef struct {
    uint64_t datagrams, bytes, lost;
    uint16_t last;
} Port;

static FILE *media, *times;
static Port *ports;

static void take(int port, const uint8_t *bytes, int length, int64_t at) {
    Port *p = &ports[port];
    int header = 0;
    if (length % 188 == HEADER && bytes[0] >> 6 == 2) {
        header = HEADER;
        uint16_t sequence = bytes[2] << 8 | bytes[3], gap = sequence - p->last - 1;
        if (p->datagrams && gap < 30000) p->lost += gap;
        p->last = sequence;
    }
    p->datagrams++;
    p->bytes += length - header;
    if (port) return;
    if (media) fwrite(bytes + header, 1, length - header, media);
    if (times) {
        struct { int64_t at; uint32_t length, unused; } row = {at, length - header, 0};
        fwrite(&row, sizeof row, 1, times);
    }
}

int main(int count, char **words) {
    const char *mode = "recvmmsg", *group = 0, *interface = "0.0.0.0", *output = 0, *index = 0;
    int first = 5004, number = 1, step = 1, option;
    double quiet = 0;
    while ((option = getopt(count, words, "m:p:g:i:n:s:o:x:q:")) != -1) switch (option) {
        case 'm': mode = optarg; break;
        case 'p': first = atoi(optarg); break;
        case 'g': group = optarg; break;
        case 'i': interface = optarg; break;
        case 'n': number = atoi(optarg); break;
        case 's': step = atoi(optarg); break;
        case 'o': output = optarg; break;
        case 'x': index = optarg; break;
        case 'q': quiet = atof(optarg); break;
        default: return 2;
    }
    stop_on_signals();
    if (output && !(media = fopen(output, "w"))) fail(output);
    if (index && !(times = fopen(index, "w"))) fail(index);
    if (media) setvbuf(media, 0, _IOFBF, 1 << 20);
    int gro = !strcmp(mode, "gro"), plain = !strcmp(mode, "recv") && !times, one = 1;
    int loop = epoll_create1(0), *fds = calloc(number, sizeof *fds);
    ports = calloc(number, sizeof *ports);
    for (int i = 0; i < number; i++) {
        fds[i] = listen_on(group, interface, first + step * i);
        if (times && !i) setsockopt(fds[i], SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
        if (gro && setsockopt(fds[i], SOL_UDP, UDP_GRO, &one, sizeof one)) fail("UDP_GRO");
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(loop, EPOLL_CTL_ADD, fds[i], &e);
    }
    size_t room = gro ? 65536 : 2048;
    uint8_t *buffer = malloc(room * BATCH);
    static struct mmsghdr messages[BATCH];
    static struct iovec parts[BATCH];
    static char control[BATCH][128];
    int64_t last = 0;
    while (!stopped) {
        struct epoll_event events[64];
        int ready = epoll_wait(loop, events, 64, 200);
        int64_t now = now_ns();
        if (quiet > 0 && last && now - last > quiet * 1e9) break;
        for (int e = 0; e < ready; e++) {
            int port = events[e].data.u32;
            last = now;
            if (plain) {
                int n = recv(fds[port], buffer, room, MSG_DONTWAIT);
                if (n > 0) take(port, buffer, n, 0);
                continue;
            }
            for (int i = 0; i < BATCH; i++) {
                parts[i] = (struct iovec){buffer + i * room, room};
                messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
                if (gro || times) { messages[i].msg_hdr.msg_control = control[i]; messages[i].msg_hdr.msg_controllen = sizeof control[i]; }
            }
            int n = recvmmsg(fds[port], messages, BATCH, MSG_DONTWAIT, 0);
            for (int i = 0; i < n; i++) {
                int length = messages[i].msg_len, segment = length;
                int64_t at = 0;
                struct msghdr *m = &messages[i].msg_hdr;
                for (struct cmsghdr *c = gro || times ? CMSG_FIRSTHDR(m) : 0; c; c = CMSG_NXTHDR(m, c)) {
                    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) memcpy(&segment, CMSG_DATA(c), sizeof segment);
                    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
                        struct timespec *t = (struct timespec *)CMSG_DATA(c);
                        at = t->tv_sec * 1000000000ll + t->tv_nsec;
                    }
                }
                const uint8_t *p = buffer + i * room;
                for (; length > 0; p += segment, length -= segment) take(port, p, length < segment ? length : segment, at);
            }
        }
    }
    if (media) fclose(media);
    if (times) fclose(times);
    uint64_t bytes = 0, datagrams = 0, lost = 0, least = ~0ull;
    for (int i = 0; i < number; i++) {
        bytes += ports[i].bytes;
        datagrams += ports[i].datagrams;
        lost += ports[i].lost;
        if (ports[i].bytes < least) least = ports[i].bytes;
    }
    printf("{\"bytes\":%llu,\"datagrams\":%llu,\"lost\":%llu,\"least\":%llu}\n", (unsigned long long)bytes,
        (unsigned long long)datagrams, (unsigned long long)lost, (unsigned long long)least);
    return 0;
}
