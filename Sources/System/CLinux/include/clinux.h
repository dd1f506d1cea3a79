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

#endif
