"""Notices when the machine stands still: the host of a virtual machine takes its processors away for a while."""
import ctypes
import mmap
import os
import struct
import time

SLEEP, LATE, BRIEF = 0.005, 0.020, 0.005
# For each processor: how many, how many brief ones too, and of the last of all those when each began and ended.
ROOM, HEAD, SPAN = 8192, struct.Struct("QQ"), struct.Struct("dd")
SHARE = HEAD.size + ROOM * SPAN.size


class Standstills:
    """A sleeper on each processor, first in the queue where that is allowed, counts how often it was called 20 ms late,
    and notes when it was by 5 ms."""

    def __init__(self):
        processors = sorted(os.sched_getaffinity(0))
        self.notes = mmap.mmap(-1, SHARE * len(processors))
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
            seen = noted = 0
            while os.getppid() == parent:
                began = time.monotonic()
                time.sleep(SLEEP)
                ended = time.monotonic()
                if ended - began <= SLEEP + BRIEF:
                    continue
                seen += ended - began > SLEEP + LATE
                SPAN.pack_into(self.notes, place * SHARE + HEAD.size + noted % ROOM * SPAN.size, began, ended)
                noted += 1
                HEAD.pack_into(self.notes, place * SHARE, seen, noted)
        finally:
            os._exit(0)

    def count(self):
        """How many there have been."""
        return sum(HEAD.unpack_from(self.notes, place * SHARE)[0] for place in range(len(self.sleepers)))

    def spans(self, since, margin):
        """When there were any after `since`, brief ones too, with `margin` seconds before and after; disjoint, in order.
        `None`: there were more than are kept."""
        found = []
        for place in range(len(self.sleepers)):
            _, noted = HEAD.unpack_from(self.notes, place * SHARE)
            start = place * SHARE + HEAD.size
            kept = list(SPAN.iter_unpack(self.notes[start:start + min(noted, ROOM) * SPAN.size]))
            recent = [span for span in kept if span[1] >= since - margin]
            if len(recent) == ROOM:
                return None
            found += recent
        spans = []
        for began, ended in sorted(found):
            if spans and began - margin <= spans[-1][1]:
                spans[-1][1] = max(spans[-1][1], ended + margin)
            else:
                spans.append([began - margin, ended + margin])
        return spans

    def close(self):
        for child in self.sleepers:
            os.kill(child, 9)
            os.waitpid(child, 0)
