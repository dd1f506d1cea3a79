"""Notices when the machine stands still: the host of a virtual machine takes its processors away for a while."""
import ctypes
import mmap
import os
import struct
import time

SLEEP, LATE = 0.005, 0.020


class Standstills:
    """A sleeper on each processor, first in the queue where that is allowed, counts how often it was called 20 ms late."""

    def __init__(self):
        processors = sorted(os.sched_getaffinity(0))
        self.counts = mmap.mmap(-1, 8 * len(processors))
        self.sleepers = [self.start(place, processor) for place, processor in enumerate(processors)]

    def start(self, place, processor):
        parent = os.getpid()
        child = os.fork()
        if child:
            return child
        try:
            ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
            os.sched_setaffinity(0, {processor})
            if os.geteuid() == 0:
                try:
                    os.nice(-15)
                except OSError:
                    pass
            seen = 0
            while os.getppid() == parent:
                began = time.monotonic()
                time.sleep(SLEEP)
                if time.monotonic() - began > SLEEP + LATE:
                    seen += 1
                    struct.pack_into("Q", self.counts, 8 * place, seen)
        finally:
            os._exit(0)

    def count(self):
        """How many there have been."""
        return sum(struct.unpack(f"{len(self.sleepers)}Q", self.counts[:]))

    def close(self):
        for child in self.sleepers:
            os.kill(child, 9)
            os.waitpid(child, 0)
