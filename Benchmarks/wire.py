"""How long a relay keeps each datagram, seen on the wire of its host: run by `scripts/bench fanout --wire`.

  wire.py INTERFACE SECONDS     watches, then prints {"kept": [milliseconds…], "out": datagrams, "close": part of them}

A datagram is known again by its last 1316 bytes, whatever header stands before them (RTP, SRT, none); one that was packed
anew is not, and of a train that the kernel has yet to cut (GSO) only the last is seen. `close` is how many of 100 left less than 0.2 ms after the one before: a relay that gathers packets sends trains.
"""
import json
import socket
import struct
import sys
import time

PAYLOAD = 1316
SO_TIMESTAMPNS = 35
IPV4_UDP, GROUP_PREFIX = 17, 239


def datagrams(interface, seconds):
    """Every datagram big enough to carry media: its kernel time, whether it goes to a group, its last bytes."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as watcher:
        watcher.bind((interface, 0))
        watcher.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        watcher.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        watcher.settimeout(0.2)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                frame, extra, _, _ = watcher.recvmsg(4096, 128)
            except TimeoutError:
                continue
            if len(frame) < 42 + PAYLOAD or frame[12:14] != b"\x08\x00" or frame[23] != IPV4_UDP:
                continue
            second, rest = struct.unpack("qq", extra[0][2][:16])
            yield second + rest * 1e-9, frame[30] == GROUP_PREFIX, frame[-PAYLOAD:]


def main(interface, seconds):
    came, kept, last, close, out = {}, [], None, 0, 0
    for at, is_input, payload in datagrams(interface, seconds):
        if is_input:
            came[payload] = at
            continue
        out += 1
        close += last is not None and at - last < 2e-4
        last = at
        if payload in came:
            kept.append(1e3 * (at - came[payload]))
    print(json.dumps({"kept": kept, "out": out, "close": 100 * close / max(out, 1)}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
