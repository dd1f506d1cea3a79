// Receives what stamp sent, after whatever carried it, and accounts for the counted packets: missing, doubled, out of
// order, damaged, and how long each was under way by the kernel's arrival times.
//   account -p PORT [-g GROUP -i INTERFACE_ADDRESS] [-q QUIET_S (after the first)]
// Datagrams may be RTP or bare. Ends on a signal or when it has been quiet.
#include "numbered.h"

// Holes listed at most: with more, those listed are shorter together than what is missing.
enum { HOLES = 4096 };

static int compare(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static uint8_t *seen;
static int32_t *delays;  // microseconds
static uint64_t room, delay_room, delay_count, unique, doubled, disordered, damaged, foreign, highest, lowest = ~0ull;

static void take(const uint8_t *packet, int64_t at) {
    uint8_t expected[TS];
    uint64_t number = get_number(packet + 12);
    if (memcmp(packet + 4, "FRSH", 4)) { foreign++; return; }
    put_packet(expected, number, get_number(packet + 20), packet[8]);
    expected[3] = packet[3];  // carriers may count continuity anew
    if (memcmp(packet, expected, TS) || number > 1ull << 33) { damaged++; return; }
    if (packet[8] != COUNTED) return;
    if (number >= room) {
        uint64_t more = number * 2 + 65536;
        if (!(seen = realloc(seen, more))) fail("memory");
        memset(seen + room, 0, more - room);
        room = more;
    }
    if (seen[number]) { doubled++; return; }
    seen[number] = 1;
    unique++;
    if (number < highest) disordered++;
    if (number > highest) highest = number;
    if (number < lowest) lowest = number;
    if (delay_count == delay_room) {
        delay_room = delay_room * 2 + 65536;
        if (!(delays = realloc(delays, delay_room * sizeof *delays))) fail("memory");
    }
    delays[delay_count++] = (at - (int64_t)get_number(packet + 20)) / 1000;
}

static double delay(double part) { return delay_count ? delays[(uint64_t)((delay_count - 1) * part)] / 1e3 : -1; }

int main(int count, char **words) {
    const char *group = 0, *interface = "0.0.0.0";
    int port = 6000, option, one = 1;
    double quiet = 0;
    while ((option = getopt(count, words, "p:g:i:q:")) != -1) switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'g': group = optarg; break;
        case 'i': interface = optarg; break;
        case 'q': quiet = atof(optarg); break;
        default: return 2;
    }
    stop_on_signals();
    int fd = listen_on(group, interface, port);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    struct timeval patience = {0, 200000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    static uint8_t bytes[65536];
    int64_t last = 0;
    while (!stopped) {
        if (quiet > 0 && last && now_ns() - last > quiet * 1e9) break;
        char control[128];
        struct iovec part = {bytes, sizeof bytes};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        int length = recvmsg(fd, &message, 0);
        if (length <= 0) continue;
        last = now_ns();
        int64_t at = wall_ns();
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
            struct timespec *t = (struct timespec *)CMSG_DATA(c);
            at = t->tv_sec * 1000000000ll + t->tv_nsec;
        }
        int start = length % TS == HEADER && bytes[0] >> 6 == 2 ? HEADER : 0;
        for (; start + TS <= length; start += TS) take(bytes + start, at);
    }
    static struct hole { uint64_t first, length; } holes[HOLES];
    uint64_t missing = 0, run = 0, longest = 0;
    int hole_count = 0;
    for (uint64_t i = lowest; unique && i <= highest; i++) {
        run = seen[i] ? 0 : run + 1;
        if (run == 1 && hole_count < HOLES) holes[hole_count++].first = i;
        if (run && hole_count < HOLES) holes[hole_count - 1].length = run;
        missing += !seen[i];
        if (run > longest) longest = run;
    }
    if (delay_count) qsort(delays, delay_count, sizeof *delays, compare);
    printf("{\"unique\":%llu,\"first\":%llu,\"last\":%llu,\"missing\":%llu,\"longest\":%llu,\"doubled\":%llu,"
        "\"disordered\":%llu,\"damaged\":%llu,\"foreign\":%llu,", (unsigned long long)unique,
        (unsigned long long)(unique ? lowest : 0), (unsigned long long)highest, (unsigned long long)missing,
        (unsigned long long)longest, (unsigned long long)doubled, (unsigned long long)disordered,
        (unsigned long long)damaged, (unsigned long long)foreign);
    // Where the holes are, and how long, tells losses of the way from a machine that stood still.
    printf("\"holes\":[");
    for (int i = 0; i < hole_count; i++) {
        printf("%s[%llu,%llu]", i ? "," : "", (unsigned long long)holes[i].first, (unsigned long long)holes[i].length);
    }
    printf("],\"least\":%.3f,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"most\":%.3f}\n", delay(0), delay(.5), delay(.99),
        delay(.999), delay(1));
    return 0;
}
