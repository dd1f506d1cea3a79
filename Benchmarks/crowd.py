"""Two hundred real receivers behind one loss, each a process in a network of its own: how many ask?

  scripts/bench crowd                          200 receivers, 90 s at 0.4 Mbit/s, 3 % lost for all (about a hundred losses):
                                               once with nothing else lost, once with 1 % more that each loses for itself
  --receivers N   --seconds S   --rate MBIT   --shared PERCENT   --seed N   --seeds N (simulated, default 10)
  --loss PERCENT,...   what each loses for itself, one run for each (default 0,1)

The source sends to a group on an emulated switch (`freshet emulate`); the receivers are `freshet watch` writing to
/dev/null. One more host, to which nothing is lost, hears the group's media and control: what never came to it at first
is lost for all. Requests are counted packet by packet: those to the own segment and those meant for the source. Beside each
run the same in the simulator, ten seeds from the given one on, with the same delays, losses and rate: once with receivers that
read what comes at once, and once with receivers that read it as late as the real ones, which, ready to run, waited for one
of few processors. Each figure stands with its 95 % interval. Exit status 1 when real receivers and the simulated ones that
read late differ by more than a tenth and by three deviations, in requests or in repairs.
"""
import glob
import json
import math
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from lanes import IN_PORT, Lane, last_figures

GROUP, PORT = "239.77.9.9", 5004
# The subtype of the message that marks a request to the own segment; see the WireProtocol page.
SEGMENT_MARK = 13


def error(values):
    """The standard error of their mean."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf


def waits(pid):
    """How long a program, ready to run, waited for a processor, seconds, and how often it ran (/proc/PID/schedstat)."""
    waited, times = 0, 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path) as file:
            words = file.read().split()
        waited, times = waited + int(words[1]) / 1e9, times + int(words[2])
    return waited, times


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
            return {"mean": sum(values) / len(values), "error": error(values), "p99": values[int(len(values) * 0.99)],
                    "most": values[-1]}
        every = {number: near.get(number, 0) + far.get(number, 0) for number in numbers}
        return {"packets": len(numbers), "asks": of(every), "segment": of(near), "source": of(far), "repairs": of(repairs)}
    print(json.dumps({"sent": last - start + 1, "shared": told(shared), "own": told(own)}), flush=True)


def real(tools, lane, chosen, own):
    count = chosen["receivers"]
    lossy = f"delay=2 loss={own:g}%"
    links = [(f"delay=2 loss={chosen['shared']:g}%", "delay=2"), ("delay=2", "delay=2")]
    lane.up(links + [("delay=2", lossy)] * count, chosen["seed"])
    url = f"rtp://{GROUP}:{PORT}?interface=t0"
    receivers = []
    for host in range(2, count + 2):
        receivers.append(lane.start(host, [[tools.FRESHET, "watch", url, "--latency", "500", "--out", "/dev/null", "--quiet",
                                            "--stats", lane.file(f"stats{host}")]]))
    time.sleep(3 + count / 50)
    listener = lane.start(1, [[sys.executable, os.path.realpath(__file__), "listen", str(chosen["seconds"] + 6)]], "heard.json")
    time.sleep(1)
    lane.start(0, [[tools.FRESHET, "relay", f"udp://127.0.0.1:{IN_PORT}?control=off", "--to", url + "&ttl=4", "--stats",
                    lane.file("near")]])
    time.sleep(1)
    packets = int(chosen["seconds"] * chosen["rate"] * 1e6 / 8 / 1316)
    source = lane.stamp("127.0.0.1", IN_PORT, chosen["rate"], packets, warm=0.5, cool=1)
    before = [waits(receiver.parts[0].pid) for receiver in receivers]
    source.wait(chosen["seconds"] + 30)
    after = [waits(receiver.parts[0].pid) for receiver in receivers]
    listener.wait(60)
    for receiver in receivers:
        receiver.tell(signal.SIGINT)
    for receiver in receivers:
        receiver.wait(5)
    lane.down()
    heard = last_figures(lane.file("heard.json"))
    totals = {"lost": 0, "recovered": 0, "recoveredByNeighbour": 0, "received": 0}
    for host in range(2, count + 2):
        figures = last_figures(lane.file(f"stats{host}"))
        for key in totals:
            totals[key] += figures[key]
    waited, times = (sum(end[part] - start[part] for start, end in zip(before, after)) for part in (0, 1))
    totals["wait"] = waited / max(1, times)
    return heard, totals


def simulated(tools, work, chosen, own, wait):
    """One result for each seed. Receivers read what comes `wait` seconds late in the mean, and in order."""
    late = f"jitter={round(wait * 2e6)}us ordered=true " if wait else ""
    path = os.path.join(work, "crowd.json5")
    with open(path, "w") as file:
        json.dump({"duration": f"{chosen['seconds']}s", "latency": "500ms",
                   "stream": {"rate": f"{round(chosen['rate'] * 1000)}k", "packet": 1328}, "repair": {"mode": "group"},
                   "segments": [{"name": "switch"}],
                   "hosts": [{"name": "source", "role": "source", "on": "switch", "up": f"delay=2ms loss={chosen['shared']:g}%",
                              "down": "delay=2ms"},
                             {"name": "viewer", "on": "switch", "count": chosen["receivers"], "up": "delay=2ms",
                              "down": f"delay=2ms {late}loss={own:g}%"}],
                   "limits": {"residual": "100%", "repair": "1000%", "asks-per-packet": 4000, "asks-per-loss": 4000,
                              "hopeless": "100%"}}, file)
    runs = []
    for seed in range(chosen["seed"], chosen["seed"] + chosen["seeds"]):
        done = subprocess.run([tools.FRESHET, "simulate", path, "--seed", str(seed), "--json"], capture_output=True)
        if done.returncode:
            raise SystemExit(f"the simulation fails: {done.stderr.decode()}")
        runs.append(json.loads(done.stdout))
    return runs


def columns(runs, each):
    """The mean of what `each` finds in the simulated runs, its standard error, and how far one run is from the others."""
    found = [each(run) for run in runs]
    return statistics.fmean(found), error(found), error(found) * math.sqrt(len(found))


def judge(own, heard, totals, prompt, late):
    """Prints the real run and the simulated ones side by side; true when it differs from those that read late."""
    shared, alone = heard["shared"], heard["own"]
    losses, packets = (sum(run[key] for run in late) for key in ("commonLosses", "packets"))
    rows = [("requests for each shared loss", shared["asks"]["mean"], shared["asks"]["error"],
             lambda run: run["asksPerCommonLoss"])]
    if own:
        parts = [(part["repairs"]["error"] * part["packets"]) ** 2 for part in (shared, alone)]
        repairs = sum(part["packets"] * part["repairs"]["mean"] for part in (shared, alone)) / heard["sent"]
        rows += [("requests for each other packet", alone["asks"]["mean"], alone["asks"]["error"],
                  lambda run: (run["asks"] - run["asksPerCommonLoss"] * run["commonLosses"])
                  / (run["packets"] - run["commonLosses"])),
                 ("repairs for each packet sent", repairs, math.sqrt(sum(parts)) / heard["sent"],
                  lambda run: run["repairs"] / run["packets"])]
    else:
        rows += [("repairs for each shared loss", shared["repairs"]["mean"], shared["repairs"]["error"],
                  lambda run: run["repairs"] / run["commonLosses"])]
    print(f"each loses {own:g} % for itself: {heard['sent']} packets, {shared['packets']} lost for all; simulated {packets} and "
          f"{losses}")
    print(f"  most requests for one shared loss: real {shared['asks']['most']}, simulated "
          f"{max(run['asksPerCommonLossMax'] for run in late)}; given up by real receivers: {totals['lost']} of "
          f"{totals['received'] + totals['lost']}; ready to run they waited {1000 * totals['wait']:.2f} ms in the mean")
    missed = False
    for title, one, deviation, each in rows:
        at_once, other = columns(prompt, each), columns(late, each)
        # Runs differ by more than their packets say, by who calls in them: real ones as much as simulated ones.
        deviation = max(deviation, other[2])
        apart = abs(one - other[0]) > 0.1 * max(one, other[0])
        apart = apart and abs(one - other[0]) > 3 * math.hypot(deviation, other[1])
        missed = missed or apart
        print(f"  {'MISSED' if apart else 'holds '} {title}: real {one:.3f} ± {1.96 * deviation:.3f}, simulated "
              f"{other[0]:.3f} ± {1.96 * other[1]:.3f}; read at once {at_once[0]:.3f} ± {1.96 * at_once[1]:.3f}", flush=True)
    return missed


def main(tools, words):
    chosen = tools.options_of("crowd", {"receivers": 200, "seconds": 90, "rate": 0.4, "loss": "0,1", "shared": 3.0, "seed": 1,
                                        "seeds": 10}, words, __doc__.strip())
    if chosen is None:
        return 0
    tools.enter_namespace(["crowd"] + words)
    tools.Process.pause = 1
    work = tempfile.mkdtemp(prefix="freshet-crowd-")
    missed = []
    try:
        for own in [float(text) for text in chosen["loss"].split(",")]:
            lane = Lane(tools, work, f"lane{own:g}", hosts=chosen["receivers"] + 2)
            try:
                heard, totals = real(tools, lane, chosen, own)
            finally:
                lane.close()
            prompt, late = (simulated(tools, work, chosen, own, wait) for wait in (0, totals["wait"]))
            missed.append(judge(own, heard, totals, prompt, late))
            print(f"  heard: {json.dumps(heard)}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 1 if any(missed) else 0


if __name__ == "__main__" and sys.argv[1:2] == ["listen"]:
    listen(float(sys.argv[2]))
