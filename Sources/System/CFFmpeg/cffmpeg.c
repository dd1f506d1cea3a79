#define _GNU_SOURCE
#include "cffmpeg.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define SONAME(name, major) "lib" name ".so." TEXT(major)

static pthread_mutex_t load_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct cffmpeg_functions functions;
static int is_loaded;

static _Thread_local char log_line[512];

static void remember_log(void *source, int level, const char *format, va_list arguments) {
    (void)source;
    if (level > AV_LOG_ERROR) return;
    char line[sizeof log_line];
    int length = vsnprintf(line, sizeof line, format, arguments);
    if (length <= 0) return;
    length = (int)strcspn(line, "\r\n");
    // A lone line end, or the bare continuation of a line, says nothing.
    if (length < 3) return;
    memcpy(log_line, line, (size_t)length);
    log_line[length] = 0;
}

void cffmpeg_take_log(char *text, size_t capacity) {
    if (capacity == 0) return;
    snprintf(text, capacity, "%s", log_line);
    log_line[0] = 0;
}

static void *open_library(const char *soname, char *message, size_t capacity) {
    void *library = dlopen(soname, RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        snprintf(message, capacity, "FFmpeg's %s cannot be loaded (%s); install Debian's ffmpeg package",
                 soname, dlerror());
    }
    return library;
}

#define LOOK_UP(name) \
    *(void **)&functions.name = dlsym(library, #name); \
    if (functions.name == NULL) { \
        snprintf(message, capacity, \
                 "FFmpeg's libraries lack %s; install the ffmpeg package that this program was built with", \
                 #name); \
        return -1; \
    }

static int load(char *message, size_t capacity) {
    void *library = open_library(SONAME("avutil", LIBAVUTIL_VERSION_MAJOR), message, capacity);
    if (library == NULL) return -1;
    CFFMPEG_AVUTIL(LOOK_UP)
    library = open_library(SONAME("avcodec", LIBAVCODEC_VERSION_MAJOR), message, capacity);
    if (library == NULL) return -1;
    CFFMPEG_AVCODEC(LOOK_UP)
    library = open_library(SONAME("avformat", LIBAVFORMAT_VERSION_MAJOR), message, capacity);
    if (library == NULL) return -1;
    CFFMPEG_AVFORMAT(LOOK_UP)
    functions.av_log_set_callback(remember_log);
    functions.avformat_network_init();
    return 0;
}

const struct cffmpeg_functions *cffmpeg_load(char *message, size_t capacity) {
    pthread_mutex_lock(&load_mutex);
    if (!is_loaded && load(message, capacity) == 0) is_loaded = 1;
    const struct cffmpeg_functions *table = is_loaded ? &functions : NULL;
    pthread_mutex_unlock(&load_mutex);
    return table;
}

int cffmpeg_load_devices(void) {
    void *library = dlopen(SONAME("avdevice", LIBAVDEVICE_VERSION_MAJOR), RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) return -1;
    void (*register_all)(void);
    *(void **)&register_all = dlsym(library, "avdevice_register_all");
    if (register_all == NULL) return -1;
    register_all();
    return 0;
}

void cffmpeg_release_packet(void *packet) {
    AVPacket *owned = packet;
    functions.av_packet_free(&owned);
}

// The event descriptor lets a plain poll() end at once; FFmpeg itself asks the callback every 100 ms.
static atomic_int is_interrupt_requested;
static atomic_int interrupt_descriptor = -1;

int cffmpeg_make_event(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

static int shared_interrupt_descriptor(void) {
    int descriptor = atomic_load(&interrupt_descriptor);
    if (descriptor >= 0) return descriptor;
    int made = cffmpeg_make_event();
    int expected = -1;
    if (atomic_compare_exchange_strong(&interrupt_descriptor, &expected, made)) return made;
    close(made);
    return expected;
}

void cffmpeg_request_interrupt(void) {
    atomic_store(&is_interrupt_requested, 1);
    int descriptor = atomic_load(&interrupt_descriptor);
    if (descriptor >= 0) {
        int saved = errno;
        uint64_t one = 1;
        ssize_t ignored = write(descriptor, &one, sizeof one);
        (void)ignored;
        errno = saved;
    }
}

void cffmpeg_clear_interrupt(void) {
    uint64_t count;
    ssize_t ignored = read(shared_interrupt_descriptor(), &count, sizeof count);
    (void)ignored;
    atomic_store(&is_interrupt_requested, 0);
}

int cffmpeg_is_interrupted(void) { return atomic_load(&is_interrupt_requested); }

int cffmpeg_interrupt_callback(void *patience) {
    if (atomic_load(&is_interrupt_requested)) return 1;
    const struct cffmpeg_patience *limit = patience;
    if (limit == NULL || limit->deadline == 0) return 0;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec > limit->deadline;
}

int cffmpeg_wait_writable(int descriptor, int milliseconds) {
    struct pollfd waiting[2] = {
        {.fd = descriptor, .events = POLLOUT},
        {.fd = shared_interrupt_descriptor(), .events = POLLIN},
    };
    for (;;) {
        int is_interrupted = atomic_load(&is_interrupt_requested);
        int count = poll(waiting, is_interrupted ? 1 : 2, is_interrupted ? milliseconds : -1);
        if (count < 0 && errno == EINTR) continue;
        if (count > 0 && waiting[0].revents == 0) continue;
        return count > 0;
    }
}

int cffmpeg_wait_readable(int descriptor, int milliseconds) {
    struct pollfd waiting[2] = {
        {.fd = descriptor, .events = POLLIN},
        {.fd = shared_interrupt_descriptor(), .events = POLLIN},
    };
    for (;;) {
        if (atomic_load(&is_interrupt_requested)) return -1;
        int count = poll(waiting, 2, milliseconds);
        if (count < 0 && errno == EINTR) continue;
        if (count == 0) return 0;
        if (waiting[1].revents != 0) continue;
        return 1;
    }
}
