// Processes, threads and pipes: calls that need _GNU_SOURCE. Each gives 0, or minus errno.
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H

#include <stddef.h>
#include <stdint.h>

// Two ends of a pipe that are closed on exec: ends[0] to read, ends[1] to write.
int clinux_pipe(int ends[2]);

// Sets or clears O_NONBLOCK.
int clinux_set_nonblocking(int descriptor, int on);

// Sixty-four bits of the system's randomness.
int clinux_random(uint64_t *value);

// Names the calling thread; the system shows 15 bytes.
int clinux_name_this_thread(const char *name);

#endif
