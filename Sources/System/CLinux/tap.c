#define _GNU_SOURCE
#include "clinux_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_device(const char *name, int queue_frames) {
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0) return -errno;
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    int socket_of_it = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int failure = 0;
    if (socket_of_it < 0 || ioctl(device, TUNSETIFF, &request) < 0) {
        failure = -errno;
    } else {
        request.ifr_qlen = queue_frames;
        if (ioctl(socket_of_it, SIOCSIFTXQLEN, &request) < 0) failure = -errno;
        if (!failure && ioctl(socket_of_it, SIOCGIFFLAGS, &request) < 0) failure = -errno;
        request.ifr_flags |= IFF_UP;
        if (!failure && ioctl(socket_of_it, SIOCSIFFLAGS, &request) < 0) failure = -errno;
    }
    if (socket_of_it >= 0) close(socket_of_it);
    if (!failure) return device;
    close(device);
    return failure;
}

int clinux_tap_open(const char *name, const char *network, int queue_frames) {
    if (!network) return open_device(name, queue_frames);
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0) return -errno;
    int there = open(network, O_RDONLY | O_CLOEXEC);
    if (there < 0 || setns(there, CLONE_NEWNET) < 0) {
        int failure = -errno;
        if (there >= 0) close(there);
        close(home);
        return failure;
    }
    int device = open_device(name, queue_frames);
    if (setns(home, CLONE_NEWNET) < 0 && device >= 0) {
        close(device);
        device = -errno;
    }
    close(there);
    close(home);
    return device;
}

int clinux_frame_read(int descriptor, void *bytes, size_t byte_count) {
    ssize_t count = read(descriptor, bytes, byte_count);
    return count < 0 ? -errno : (int)count;
}

int clinux_frame_write(int descriptor, const void *bytes, size_t byte_count) {
    ssize_t count = write(descriptor, bytes, byte_count);
    return count < 0 ? -errno : (int)count;
}

int clinux_run_first(void) {
    struct sched_param parameters = {.sched_priority = 10};
    return sched_setscheduler(0, SCHED_FIFO, &parameters) < 0 ? -errno : 0;
}
