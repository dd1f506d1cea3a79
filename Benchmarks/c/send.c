// The cheapest way to put a file on the network as RTP: no clocks read from the stream, no checks, one constant rate.
//   send -m sendto|sendmmsg|gso -f FILE -d ADDRESS -p PORT [-b MBIT (0: flat out)] [-n DATAGRAMS (the file is repeated)]
//        [-a MS (how far off its time a packet may go, on either side)]
#include "common.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { BATCH = 32, SEGMENTS = 44 };

int main(int count, char **words) {
    const char *mode = "sendto", *path = 0, *host = "127.0.0.1";
    int port = 5004, option;
    double megabits = 0, ahead = 0;
    uint64_t limit = 0;
    while ((option = getopt(count, words, "m:f:d:p:b:n:a:")) != -1) switch (option) {
        case 'm': mode = optarg; break;
        case 'f': path = optarg; break;
        case 'd': host = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 'b': megabits = atof(optarg); break;
        case 'a': ahead = atof(optarg) * 1e6; break;
        case 'n': limit = strtoull(optarg, 0, 10); break;
        default: return 2;
    }
    stop_on_signals();
    int file = open(path ? path : "", O_RDONLY);
    struct stat info;
    if (file < 0 || fstat(file, &info)) fail("input");
    const uint8_t *media = mmap(0, info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (media == MAP_FAILED) fail("mmap");
    size_t whole = info.st_size / PAYLOAD;
    if (!limit) limit = whole;

    int fd = socket(AF_INET, SOCK_DGRAM, 0), ttl = 4;
    grow_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, 8 << 20);
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl);
    struct sockaddr_in to = address_of(host, port);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    int gso = !strcmp(mode, "gso"), one_by_one = !strcmp(mode, "sendto"), size = DATAGRAM;
    if (gso && setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size)) fail("UDP_SEGMENT");
    int most = gso ? SEGMENTS : one_by_one ? 1 : BATCH;

    static uint8_t headers[SEGMENTS][HEADER], buffer[DATAGRAM];
    static struct iovec parts[SEGMENTS * 2];
    static struct mmsghdr messages[BATCH];
    double gap = megabits > 0 ? PAYLOAD * 8e3 / megabits : 0;
    int64_t start = now_ns();
    uint64_t sent = 0, errors = 0;
    while (!stopped && sent < limit) {
        int batch = most;
        if (gap > 0) {
            int64_t due = start + (int64_t)(sent * gap + ahead), now = now_ns();
            if (due > now) { sleep_until(due); now = now_ns(); }
            int64_t ripe = (int64_t)((now + ahead - start) / gap) + 1 - (int64_t)sent;
            if (ripe < 1) ripe = 1;
            if (ripe < batch) batch = ripe;
        }
        if (batch > (int64_t)(limit - sent)) batch = limit - sent;
        uint32_t stamp = (now_ns() - start) / 1000 * 9 / 100;
        for (int i = 0; i < batch; i++) {
            uint16_t sequence = sent + i;
            uint8_t h[HEADER] = {0x80, 33, sequence >> 8, sequence, stamp >> 24, stamp >> 16, stamp >> 8, stamp, 1, 2, 3, 4};
            const uint8_t *payload = media + (sent + i) % whole * PAYLOAD;
            if (one_by_one) {
                memcpy(buffer, h, HEADER);
                memcpy(buffer + HEADER, payload, PAYLOAD);
            } else {
                memcpy(headers[i], h, HEADER);
                parts[2 * i] = (struct iovec){headers[i], HEADER};
                parts[2 * i + 1] = (struct iovec){(void *)payload, PAYLOAD};
            }
        }
        if (one_by_one) {
            if (sendto(fd, buffer, DATAGRAM, 0, 0, 0) < 0) errors++;
        } else if (gso) {
            struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2 * batch};
            if (sendmsg(fd, &m, 0) < 0) errors += batch;
        } else {
            for (int i = 0; i < batch; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[2 * i], .msg_iovlen = 2};
            for (int done = 0; done < batch;) {
                int n = sendmmsg(fd, messages + done, batch - done, 0);
                if (n <= 0) { errors++; n = 1; }
                done += n;
            }
        }
        sent += batch;
    }
    printf("{\"datagrams\":%llu,\"errors\":%llu}\n", (unsigned long long)sent, (unsigned long long)errors);
    return errors ? 1 : 0;
}
