#define _GNU_SOURCE
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

// The library's name has a number of its own, which its headers do not tell.
#if LWS_LIBRARY_VERSION_MAJOR == 4 && LWS_LIBRARY_VERSION_MINOR == 0
#define SONAME "libwebsockets.so.16"
#elif LWS_LIBRARY_VERSION_MAJOR == 4 && LWS_LIBRARY_VERSION_MINOR == 1
#define SONAME "libwebsockets.so.17"
#elif LWS_LIBRARY_VERSION_MAJOR == 4 && LWS_LIBRARY_VERSION_MINOR == 2
#define SONAME "libwebsockets.so.18"
#elif LWS_LIBRARY_VERSION_MAJOR == 4 && LWS_LIBRARY_VERSION_MINOR == 3
#define SONAME "libwebsockets.so.19"
#else
#error "the soname of this version of libwebsockets is not known: add it here"
#endif

static pthread_mutex_t load_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct cws_functions functions;
static int is_loaded;

#define LOOK_UP(name) \
    *(void **)&functions.name = dlsym(library, #name); \
    if (functions.name == NULL) { \
        snprintf(message, capacity, "%s lacks %s; install the libwebsockets that this program was built with", \
                 SONAME, #name); \
        return -1; \
    }

static int load(char *message, size_t capacity) {
    void *library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(message, capacity, "HTTP and the control channel need %s, which cannot be loaded (%s); install Debian's " \
                 "libwebsockets-dev package", SONAME, dlerror());
        return -1;
    }
    CWS_FUNCTIONS(LOOK_UP)
    functions.lws_set_log_level(0, NULL);
    return 0;
}

const struct cws_functions *cws_load(char *message, size_t capacity) {
    pthread_mutex_lock(&load_mutex);
    if (!is_loaded && load(message, capacity) == 0) is_loaded = 1;
    const struct cws_functions *table = is_loaded ? &functions : NULL;
    pthread_mutex_unlock(&load_mutex);
    return table;
}
