// Sends numbered, time-stamped transport stream packets at a constant rate: some to warm up, the counted ones, some to
// cool down.
//   stamp -d ADDRESS -p PORT [-b MBIT] [-w WARM_S] [-n COUNTED_DATAGRAMS] [-c COOL_S] [-r (RTP)]
// At the end it prints how many packets were counted, the number of the first of them, and all bytes of the stream.
#include "numbered.h"

int main(int count, char **words) {
    const char *host = "127.0.0.1";
    int port = 5000, rtp = 0, option, ttl = 8;
    double megabits = 8, warm = 2, cool = 1.5;
    int64_t counted = 10000;
    while ((option = getopt(count, words, "d:p:b:w:n:c:r")) != -1) switch (option) {
        case 'd': host = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 'b': megabits = atof(optarg); break;
        case 'w': warm = atof(optarg); break;
        case 'n': counted = atoll(optarg); break;
        case 'c': cool = atof(optarg); break;
        case 'r': rtp = 1; break;
        default: return 2;
    }
    stop_on_signals();
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    grow_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, 4 << 20);
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl);
    struct sockaddr_in to = address_of(host, port);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    double gap = PAYLOAD * 8e3 / megabits;
    int64_t first = warm * 1e9 / gap, end = first + counted, total = end + (int64_t)(cool * 1e9 / gap);
    int64_t start = now_ns(), sent = 0, errors = 0, counted_from = 0, counted_to = 0;
    uint8_t datagram[DATAGRAM];
    for (; sent < total && !stopped; sent++) {
        sleep_until(start + (int64_t)(sent * gap));
        enum phase phase = sent < first ? WARM_UP : sent < end ? COUNTED : COOL_DOWN;
        int64_t at = wall_ns();
        if (sent == first) counted_from = now_ns();
        if (sent == end) counted_to = now_ns();
        for (int i = 0; i < PER_DATAGRAM; i++) {
            put_packet(datagram + HEADER + i * TS, sent * PER_DATAGRAM + i, at, phase);
        }
        uint32_t stamp = at / 1000 * 9 / 100;
        const uint8_t header[HEADER] = {0x80, 33, sent >> 8, sent, stamp >> 24, stamp >> 16, stamp >> 8, stamp, 0x46, 0x52,
            0x53, 0x48};
        memcpy(datagram, header, HEADER);
        int skipped = rtp ? 0 : HEADER;
        if (send(fd, datagram + skipped, DATAGRAM - skipped, 0) < 0) errors++;
    }
    printf("{\"first\":%lld,\"counted\":%lld,\"bytes\":%lld,\"errors\":%lld,\"from\":%.6f,\"to\":%.6f}\n",
        (long long)first * PER_DATAGRAM, (long long)counted * PER_DATAGRAM, (long long)sent * PAYLOAD, (long long)errors,
        counted_from / 1e9, counted_to / 1e9);
    return 0;
}
