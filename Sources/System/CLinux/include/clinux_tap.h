// TAP devices: network interfaces whose frames a program reads and writes. Each call gives a negative errno when it fails.
#ifndef CLINUX_TAP_H
#define CLINUX_TAP_H

#include <stddef.h>
#include <stdint.h>

// Makes the TAP device `name` in the network namespace whose file is `network` (NULL: the caller's own), sets it up with
// a queue of `queue_frames`, and gives its descriptor, which does not block and is closed on exec. The device goes with
// the descriptor. The calling thread is for a moment in that namespace.
int clinux_tap_open(const char *name, const char *network, int queue_frames);

// One Ethernet frame: how many bytes it has.
int clinux_frame_read(int descriptor, void *bytes, size_t byte_count);
int clinux_frame_write(int descriptor, const void *bytes, size_t byte_count);

// Lets the calling thread run before all ordinary ones when it has something to do (SCHED_FIFO).
int clinux_run_first(void);

#endif
