// Keeps every processor that it may run on from falling asleep, by a loop that gives way to everything else (SCHED_IDLE).
//   awake
// A virtual processor that halts goes back to its host, which hands it out again late and with cold caches. Ends when who
// started it has ended.
#include "common.h"

#include <sched.h>

static void spin(int processor) {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(processor, &own);
    if (sched_setaffinity(0, sizeof own, &own)) fail("sched_setaffinity");
    struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_IDLE, &none)) fail("sched_setscheduler");
    for (;;) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    }
}

int main(void) {
    cpu_set_t all;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sched_getaffinity(0, sizeof all, &all)) fail("sched_getaffinity");
    for (int processor = 0; processor < CPU_SETSIZE; processor++) {
        if (!CPU_ISSET(processor, &all)) continue;
        pid_t child = fork();
        if (child < 0) fail("fork");
        if (child) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        spin(processor);
    }
    for (;;) pause();
}
