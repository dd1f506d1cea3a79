// The cheapest way to pass one RTP stream on to many children: whatever is there goes out at once.
//   relay -m sendto|sendmmsg|gso -p PORT [-g GROUP -i INTERFACE_ADDRESS] -d CHILD -P FIRST_CHILD_PORT -n CHILDREN -s PORT_STEP
//        [-a MS (with gso: how long it leaves what comes)]
#include "common.h"

enum { BATCH = 44 };

// Sends the first `count` parts, each of `segment` bytes, to every child.
static int address(struct mmsghdr *messages, struct sockaddr_in *children, int number, struct iovec *parts, int count,
                   int segment, char (*control)[CMSG_SPACE(sizeof(uint16_t))], int is_many) {
    for (int j = 0; j < number; j++) {
        struct msghdr *h = &messages[j].msg_hdr;
        *h = (struct msghdr){.msg_name = &children[j], .msg_namelen = sizeof *children, .msg_iov = parts, .msg_iovlen = count};
        if (!is_many) continue;
        h->msg_control = control[j];
        h->msg_controllen = sizeof control[j];
        struct cmsghdr *c = CMSG_FIRSTHDR(h);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        uint16_t size = segment;
        memcpy(CMSG_DATA(c), &size, sizeof size);
    }
    return number;
}

int main(int count, char **words) {
    const char *mode = "sendto", *group = 0, *interface = "0.0.0.0", *child = "127.0.0.1";
    int port = 5004, first = 6000, number = 1, step = 1, rest = 0, option;
    while ((option = getopt(count, words, "m:p:g:i:d:P:n:s:a:")) != -1) switch (option) {
        case 'm': mode = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 'g': group = optarg; break;
        case 'i': interface = optarg; break;
        case 'd': child = optarg; break;
        case 'P': first = atoi(optarg); break;
        case 'n': number = atoi(optarg); break;
        case 's': step = atoi(optarg); break;
        case 'a': rest = atof(optarg) * 1e3; break;
        default: return 2;
    }
    stop_on_signals();
    int in = listen_on(group, interface, port), out = socket(AF_INET, SOCK_DGRAM, 0);
    grow_buffer(out, SO_SNDBUF, SO_SNDBUFFORCE, 16 << 20);
    int gso = !strcmp(mode, "gso"), one_by_one = !strcmp(mode, "sendto"), one = 1;
    if (gso && !rest && setsockopt(in, SOL_UDP, UDP_GRO, &one, sizeof one)) fail("UDP_GRO");
    struct sockaddr_in *children = calloc(number, sizeof *children);
    for (int i = 0; i < number; i++) children[i] = address_of(child, first + step * i);
    struct mmsghdr *messages = calloc((size_t)number * BATCH, sizeof *messages);
    char (*control)[CMSG_SPACE(sizeof(uint16_t))] = calloc(number, sizeof *control);
    static uint8_t buffer[65536 + BATCH * 2048];
    struct iovec in_parts[BATCH], out_parts[BATCH];
    struct mmsghdr arrivals[BATCH];
    struct pollfd waiting = {in, POLLIN, 0};
    uint64_t errors = 0;
    while (!stopped) {
        if (rest) usleep(rest);
        else if (poll(&waiting, 1, 200) <= 0) continue;
        int made = 0;
        if (one_by_one) {
            int n = recv(in, buffer, 2048, MSG_DONTWAIT);
            for (int j = 0; n > 0 && j < number; j++)
                if (sendto(out, buffer, n, 0, (struct sockaddr *)&children[j], sizeof *children) < 0) errors++;
            continue;
        }
        if (gso && !rest) {
            char space[64];
            struct iovec part = {buffer, 65536};
            struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
            int n = recvmsg(in, &m, MSG_DONTWAIT), segment = n;
            if (n <= 0) continue;
            for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) memcpy(&segment, CMSG_DATA(c), sizeof segment);
            out_parts[0] = (struct iovec){buffer, n};
            made = address(messages, children, number, out_parts, 1, segment, control, n > segment);
        } else {
            for (int i = 0; i < BATCH; i++) {
                in_parts[i] = (struct iovec){buffer + i * 2048, 2048};
                arrivals[i].msg_hdr = (struct msghdr){.msg_iov = &in_parts[i], .msg_iovlen = 1};
            }
            int n = recvmmsg(in, arrivals, BATCH, MSG_DONTWAIT, 0);
            for (int i = 0; i < n; i++) out_parts[i] = (struct iovec){buffer + i * 2048, arrivals[i].msg_len};
            if (gso && n > 0) made = address(messages, children, number, out_parts, n, arrivals[0].msg_len, control, n > 1);
            for (int j = 0; !gso && j < number; j++)
                for (int i = 0; i < n; i++)
                    messages[made++].msg_hdr = (struct msghdr){.msg_name = &children[j], .msg_namelen = sizeof *children, .msg_iov = &out_parts[i], .msg_iovlen = 1};
        }
        for (int done = 0; done < made;) {
            int n = sendmmsg(out, messages + done, made - done, 0);
            if (n <= 0) { errors++; n = 1; }
            done += n;
        }
    }
    printf("{\"errors\":%llu}\n", (unsigned long long)errors);
    return 0;
}
