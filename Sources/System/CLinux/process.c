#define _GNU_SOURCE
#include "clinux_process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

int clinux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno; }

int clinux_set_nonblocking(int descriptor, int on) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return -errno;
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(descriptor, F_SETFL, flags) == 0 ? 0 : -errno;
}

int clinux_random(uint64_t *value) {
    return getrandom(value, sizeof *value, 0) == sizeof *value ? 0 : -errno;
}

int clinux_name_this_thread(const char *name) {
    char shown[16] = {0};
    for (size_t i = 0; i < sizeof shown - 1 && name[i]; i++) shown[i] = name[i];
    return -pthread_setname_np(pthread_self(), shown);
}
