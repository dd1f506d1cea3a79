// What the three plain loops share: clocks, addresses, big socket buffers.
#pragma once
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { PAYLOAD = 1316, HEADER = 12, DATAGRAM = PAYLOAD + HEADER };

static volatile sig_atomic_t stopped;
static void on_signal(int number) { (void)number; stopped = 1; }

static inline void stop_on_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, 0);
    sigaction(SIGTERM, &action, 0);
    // Sleeps end when asked, not up to 50 microseconds later.
    prctl(PR_SET_TIMERSLACK, 1);
}

static inline void fail(const char *what) { perror(what); exit(1); }

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static inline void sleep_until(int64_t when) {
    struct timespec t = {when / 1000000000, when % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0) == EINTR && !stopped) {}
}

static inline struct sockaddr_in address_of(const char *host, int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) { fprintf(stderr, "bad address %s\n", host); exit(2); }
    return a;
}

static inline void grow_buffer(int fd, int option, int forced, int bytes) {
    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes)) setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
}

// A socket bound to a port, a member of `group` where one is given.
static inline int listen_on(const char *group, const char *interface, int port) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    grow_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, 32 << 20);
    struct sockaddr_in a = address_of(group ? group : "0.0.0.0", port);
    if (bind(fd, (struct sockaddr *)&a, sizeof a)) fail("bind");
    if (group) {
        struct ip_mreq m = {a.sin_addr, address_of(interface, 0).sin_addr};
        if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m)) fail("join");
    }
    return fd;
}
