#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(CLINUX_READABLE == EPOLLIN && CLINUX_WRITABLE == EPOLLOUT, "epoll bits");
_Static_assert(CLINUX_ERROR == EPOLLERR && CLINUX_HANGUP == EPOLLHUP, "epoll bits");

static int or_errno(int result) { return result < 0 ? -errno : result; }

static int64_t clock_nanoseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t clinux_monotonic_nanoseconds(void) { return clock_nanoseconds(CLOCK_MONOTONIC); }
int64_t clinux_realtime_nanoseconds(void) { return clock_nanoseconds(CLOCK_REALTIME); }
int64_t clinux_thread_cpu_nanoseconds(void) { return clock_nanoseconds(CLOCK_THREAD_CPUTIME_ID); }
int64_t clinux_process_cpu_nanoseconds(void) { return clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID); }

int clinux_set_timer_slack(uint64_t nanoseconds) {
    return or_errno(prctl(PR_SET_TIMERSLACK, (unsigned long)nanoseconds, 0, 0, 0));
}

int clinux_epoll_create(void) { return or_errno(epoll_create1(EPOLL_CLOEXEC)); }

static int epoll_change(int epoll, int operation, int descriptor, uint32_t events, uint64_t tag) {
    struct epoll_event event = {.events = events, .data.u64 = tag};
    return or_errno(epoll_ctl(epoll, operation, descriptor, &event));
}
int clinux_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t tag) {
    return epoll_change(epoll, EPOLL_CTL_ADD, descriptor, events, tag);
}
int clinux_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t tag) {
    return epoll_change(epoll, EPOLL_CTL_MOD, descriptor, events, tag);
}
int clinux_epoll_remove(int epoll, int descriptor) {
    return epoll_change(epoll, EPOLL_CTL_DEL, descriptor, 0, 0);
}

// Kernels before 5.11 have no epoll_pwait2, so their timeouts are whole milliseconds, rounded up.
static int wait_in_milliseconds(int epoll, struct epoll_event *events, int capacity, int64_t nanoseconds) {
    int64_t milliseconds = nanoseconds < 0 ? -1 : nanoseconds / 1000000 + (nanoseconds % 1000000 != 0);
    if (milliseconds > 60000) milliseconds = 60000;
    return epoll_wait(epoll, events, capacity, (int)milliseconds);
}

int clinux_epoll_wait(int epoll, struct clinux_ready *ready, int capacity, int64_t timeout_nanoseconds) {
    enum { most = 64 };
    static _Atomic int has_pwait2 = 1;
    struct epoll_event events[most];
    int wanted = capacity < most ? capacity : most, count;
    if (has_pwait2) {
        struct timespec timeout = {timeout_nanoseconds / 1000000000, timeout_nanoseconds % 1000000000};
        count = (int)syscall(
            SYS_epoll_pwait2, epoll, events, wanted, timeout_nanoseconds < 0 ? NULL : &timeout, NULL, 8);
        if (count < 0 && errno == ENOSYS) {
            has_pwait2 = 0;
            count = wait_in_milliseconds(epoll, events, wanted, timeout_nanoseconds);
        }
    } else {
        count = wait_in_milliseconds(epoll, events, wanted, timeout_nanoseconds);
    }
    for (int i = 0; i < count; i++) {
        ready[i] = (struct clinux_ready){.tag = events[i].data.u64, .events = events[i].events};
    }
    return or_errno(count);
}

int clinux_eventfd(void) { return or_errno(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
int clinux_eventfd_signal(int descriptor) {
    uint64_t one = 1;
    return write(descriptor, &one, sizeof one) < 0 && errno != EAGAIN ? -errno : 0;
}
int clinux_eventfd_drain(int descriptor) {
    uint64_t count;
    return read(descriptor, &count, sizeof count) < 0 && errno != EAGAIN ? -errno : 0;
}

int clinux_signalfd(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    return or_errno(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}
int clinux_signalfd_read(int descriptor) {
    struct signalfd_siginfo info;
    ssize_t count = read(descriptor, &info, sizeof info);
    if (count < 0) return -errno;
    return count == sizeof info ? (int)info.ssi_signo : -EIO;
}

extern const void *const __start_freshet_stages[] __attribute__((weak));
extern const void *const __stop_freshet_stages[] __attribute__((weak));
struct clinux_section clinux_stage_section(void) {
    return (struct clinux_section){__start_freshet_stages, __stop_freshet_stages};
}

const char *clinux_error_text(int error) {
    const char *text = strerrordesc_np(error);
    return text ? text : "unknown error";
}

int clinux_close(int descriptor) { return or_errno(close(descriptor)); }
