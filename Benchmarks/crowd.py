"""Two hundred real receivers behind one loss, each a process in a network of its own: how many ask?

  scripts/bench crowd                          200 receivers, 60 s at 0.5 Mbit/s, 1 % lost for all and 1 % for each
  --receivers N   --seconds S   --rate MBIT   --loss PERCENT (of each one's own)   --shared PERCENT   --seed N

The source sends to a group on an emulated switch (`freshet emulate`); the receivers are `freshet watch` writing to
/dev/null. One more host, to which nothing is lost, hears the group's media and control: what never came to it at first
is lost for all. Beside it the same in the simulator, with both losses and with the shared one alone. Requests are counted
packet by packet: those to the own segment and those meant for the source.
"""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from lanes import IN_PORT, Lane

GROUP, PORT = "239.77.9.9", 5004
# The subtype of the message that marks a request to the own segment; see the WireProtocol page.
SEGMENT_MARK = 13


def names(datagram):
    """The numbers that a control datagram asks for, and whether it asks its own segment only."""
    asked, local, at = [], False, 0
    while at + 4 <= len(datagram):
        head, kind, length = datagram[at], datagram[at + 1], struct.unpack_from(">H", datagram, at + 2)[0] * 4 + 4
        packet = datagram[at:at + length]
        if kind == 205 and head & 31 == 1:
            for start in range(12, len(packet) - 3, 4):
                first, mask = struct.unpack_from(">HH", packet, start)
                asked += [first] + [first + bit + 1 & 0xFFFF for bit in range(16) if mask >> bit & 1]
        elif kind == 204 and packet[8:12] == b"FRSH" and head & 31 == SEGMENT_MARK:
            local = True
        at += length
    return asked, local


def listen(seconds):
    """Hears the group; prints what was lost for all, what was asked for and what was sent again."""
    ears = []
    for port in (PORT, PORT + 1):
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        ear.bind((GROUP, port))
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + struct.pack("I", socket.INADDR_ANY))
        ear.setblocking(False)
        ears.append(ear)
    print("listening", flush=True)
    first, near, far, repairs = {}, {}, {}, {}
    newest = 0

    def note(table, number):
        nonlocal newest
        if not newest:
            newest = number + 65536
        full = newest + ((number - newest + 32768) % 65536 - 32768)
        newest = max(newest, full) if table is first else newest
        table[full] = table.get(full, 0) + 1

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        idle = True
        for ear, isMedia in ((ears[0], True), (ears[1], False)):
            try:
                datagram = ear.recv(2048)
            except BlockingIOError:
                continue
            idle = False
            if isMedia and len(datagram) > 12:
                number, ssrc = struct.unpack_from(">H", datagram, 2)[0], struct.unpack_from(">I", datagram, 8)[0]
                note(repairs if ssrc & 1 else first, number)
            elif not isMedia:
                asked, local = names(datagram)
                for number in asked:
                    note(near if local else far, number)
        if idle:
            time.sleep(0.001)
    start, last = min(first), max(first)
    shared = [number for number in range(start, last) if number not in first]
    own = [number for number in range(start, last) if number in first]

    def told(numbers):
        def of(table):
            values = sorted(table.get(number, 0) for number in numbers) or [0]
            return {"mean": sum(values) / len(values), "p99": values[int(len(values) * 0.99)], "most": values[-1]}
        return {"packets": len(numbers), "segment": of(near), "source": of(far), "repairs": of(repairs)}
    print(json.dumps({"sent": last - start + 1, "shared": told(shared), "own": told(own)}), flush=True)


def real(tools, lane, chosen):
    count = chosen["receivers"]
    lossy = f"delay=2 loss={chosen['loss']:g}%"
    links = [(f"delay=2 loss={chosen['shared']:g}%", "delay=2"), ("delay=2", "delay=2")]
    lane.up(links + [("delay=2", lossy)] * count, chosen["seed"])
    url = f"rtp://{GROUP}:{PORT}?interface=t0"
    for host in range(2, count + 2):
        lane.start(host, [[tools.FRESHET, "watch", url, "--latency", "500", "--out", "/dev/null", "--quiet", "--stats",
                           lane.file(f"stats{host}")]])
    time.sleep(3 + count / 50)
    listener = lane.start(1, [[sys.executable, os.path.realpath(__file__), "listen", str(chosen["seconds"] + 6)]], "heard.json")
    time.sleep(1)
    lane.start(0, [[tools.FRESHET, "relay", f"udp://127.0.0.1:{IN_PORT}?control=off", "--to", url + "&ttl=4", "--stats",
                    lane.file("near")]])
    time.sleep(1)
    packets = int(chosen["seconds"] * chosen["rate"] * 1e6 / 8 / 1316)
    source = lane.stamp("127.0.0.1", IN_PORT, chosen["rate"], packets, warm=0.5, cool=1)
    source.wait(chosen["seconds"] + 30)
    listener.wait(60)
    lane.down()
    with open(lane.file("heard.json")) as file:
        heard = json.loads(file.read().strip().splitlines()[-1])
    totals = {"lost": 0, "recovered": 0, "recoveredByNeighbour": 0, "received": 0}
    for host in range(2, count + 2):
        with open(lane.file(f"stats{host}")) as file:
            figures = json.loads(file.read().strip().splitlines()[-1])
        for key in totals:
            totals[key] += figures[key]
    return heard, totals


def simulated(tools, work, chosen, own):
    path = os.path.join(work, "crowd.json5")
    with open(path, "w") as file:
        json.dump({"duration": f"{chosen['seconds']}s", "latency": "500ms",
                   "stream": {"rate": f"{round(chosen['rate'] * 1000)}k", "packet": 1328}, "repair": {"mode": "group"},
                   "segments": [{"name": "switch"}],
                   "hosts": [{"name": "source", "role": "source", "on": "switch", "up": f"delay=2ms loss={chosen['shared']:g}%",
                              "down": "delay=2ms"},
                             {"name": "viewer", "on": "switch", "count": chosen["receivers"], "up": "delay=2ms",
                              "down": f"delay=2ms loss={own:g}%"}],
                   "limits": {"residual": "100%", "repair": "1000%", "asks-per-packet": 4000, "asks-per-loss": 4000,
                              "hopeless": "100%"}}, file)
    done = subprocess.run([tools.FRESHET, "simulate", path, "--seed", str(chosen["seed"]), "--json"], capture_output=True)
    if done.returncode:
        raise SystemExit(f"the simulation fails: {done.stderr.decode()}")
    return json.loads(done.stdout)


def main(tools, words):
    chosen = {"receivers": 200, "seconds": 60, "rate": 0.5, "loss": 1.0, "shared": 1.0, "seed": 1}
    given = list(words)
    while given:
        word = given.pop(0)
        if word in ("-h", "--help"):
            print(__doc__.strip())
            return 0
        if word[2:] not in chosen or not given:
            print(f"bench: unknown option '{word}'; see scripts/bench crowd --help", file=sys.stderr)
            return 2
        chosen[word[2:]] = type(chosen[word[2:]])(given.pop(0))
    tools.enter_namespace(["crowd"] + words)
    work = tempfile.mkdtemp(prefix="freshet-crowd-")
    lane = Lane(tools, work, "lane", hosts=chosen["receivers"] + 2)
    try:
        heard, totals = real(tools, lane, chosen)
    finally:
        lane.close()
    told, shared = simulated(tools, work, chosen, chosen["loss"]), simulated(tools, work, chosen, 0)
    shutil.rmtree(work, ignore_errors=True)
    print(f"real: {json.dumps(heard)}\nreceivers together: {json.dumps(totals)}")
    for title, run in (("both losses", told), ("shared losses alone", shared)):
        print(f"simulated, {title}:", json.dumps({key: run.get(key) for key in (
            "packets", "lostPackets", "residual", "recovered", "asks", "asksPerLoss", "asksPerLossP99", "asksAtSource",
            "repairsPerLoss")}))
    asks = [part["packets"] * (part["segment"]["mean"] + part["source"]["mean"]) for part in (heard["shared"], heard["own"])]
    print(f"requests for each packet sent: real {sum(asks) / heard['sent']:.3f}, simulated {told['asks'] / told['packets']:.3f}")
    return 0


if __name__ == "__main__" and sys.argv[1:2] == ["listen"]:
    listen(float(sys.argv[2]))
