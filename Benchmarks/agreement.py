"""Holds the simulator against real processes: the same line, loss and latency in both.

  scripts/bench agreement                      seven points, 20000 datagrams each (about five minutes)
  scripts/bench agreement --points 50/2.5/5    round trip in ms / latency in round trips / loss in %
  --count N   datagrams that count (default 20000)    --rate MBIT (default 8)     --seed N

Real: numbered packets through `freshet relay` and `freshet watch`, with `freshet emulate` between them. Simulated: `freshet
simulate`, one receiver. Held against each other: what is lost for good, how often a lost packet is sent again, the bytes of
control (requests, reports, echoes), and the delay. The simulated source answers with copies alone, without parity: points at
which parity decides do not belong here. Exit status 1 when one differs by more than a tenth and more than chance explains.
"""
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time

from lanes import FAR, FAR_PORT, IN_PORT, OUT_PORT, Lane, last_figures

POINTS = [(50, 2.5, 1), (50, 2.5, 5), (50, 3, 10), (50, 4, 20), (20, 3, 10), (100, 3, 10), (50, 1.5, 10)]
PACKET, HEADERS = 1328, 28


def real(tools, lane, point, chosen):
    rtt, times, loss = point
    latency = round(rtt * times)
    way = f"delay={rtt / 2:g} loss={loss:g}%"
    lane.up([(way, ""), (way, "")], chosen["seed"])
    counter = lane.account()
    lane.start(1, [[tools.FRESHET, "watch", f"rist://@0.0.0.0:{FAR_PORT}?latency={latency}", "--latency", latency, "--out",
                    f"udp://127.0.0.1:{OUT_PORT}", "--stats", lane.file("far")]])
    time.sleep(1)
    lane.start(0, [[tools.FRESHET, "relay", f"udp://127.0.0.1:{IN_PORT}", "--to",
                    f"rist://{FAR}:{FAR_PORT}?latency={latency}", "--stats", lane.file("near")]])
    time.sleep(1)
    source = lane.stamp("127.0.0.1", IN_PORT, chosen["rate"], chosen["count"])
    source.wait(chosen["count"] * 1316 * 8 / chosen["rate"] / 1e6 + 60)
    time.sleep(latency / 1000 + 1)
    counter.stop()
    lane.down()
    # Of the bytes on the link, without those of UDP and IP, what is neither media nor repair is control.
    links = [port["up"] for port in lane.figures()["ports"]]
    got, near, far = counter.result(), last_figures(lane.file("near")), last_figures(lane.file("far"))
    struck = far["recovered"] + far["lost"]
    media, repairs = near["received"] * PACKET, near["repairsOut"] + near["parityOut"]
    control = sum(link["bytesIn"] - link["in"] * HEADERS for link in links) - media - near["repairBytesOut"]
    return {"packets": far["received"], "lost": far["lost"], "struck": struck, "control": control / media,
            "repairs": repairs, "delay": got["p50"]}


def simulated(tools, work, point, chosen):
    rtt, times, loss = point
    latency = round(rtt * times)
    boundless = {"residual": "100%", "repair": "1000%", "asks-per-packet": 1000, "asks-per-loss": 1000, "hopeless": "100%"}
    path = os.path.join(work, "line.json5")
    with open(path, "w") as file:
        json.dump({"duration": f"{chosen['count'] * PACKET * 8 / chosen['rate'] / 1e6:.0f}s", "latency": f"{latency}ms",
                   "stream": {"rate": f"{chosen['rate']:g}M", "packet": PACKET}, "repair": {"mode": "unicast"},
                   "segments": [{"name": "near"}, {"name": "far", "both": f"delay={rtt * 500:.0f}us loss={loss:g}%"}],
                   "hosts": [{"name": "source", "role": "source", "on": "near"}, {"name": "receiver", "on": "far"}],
                   "limits": boundless}, file)
    done = subprocess.run([tools.FRESHET, "simulate", path, "--seed", str(chosen["seed"]), "--json"], capture_output=True)
    if done.returncode:
        raise SystemExit(f"the simulation fails: {done.stderr.decode()}")
    found = json.loads(done.stdout)
    return {"packets": found["packets"], "lost": found["residual"], "struck": found["lostPackets"],
            "control": found["controlShare"], "repairs": found["repairs"], "delay": rtt / 2 + found["longestWait"]}


def differs(one, other, counts):
    """True when two figures differ by more than a tenth, and by more than three deviations of the counts behind them."""
    if abs(one - other) <= 0.1 * max(one, other):
        return False
    chance = 3 * math.sqrt(1 / max(1, counts[0]) + 1 / max(1, counts[1]))
    if one and other:
        return abs(one - other) > chance * min(one, other)
    return max(counts) > 9


def judge(point, seen, told):
    rows = [("lost for good, ppm", [1e6 * run["lost"] / run["packets"] for run in (seen, told)],
             [run["lost"] for run in (seen, told)]),
            ("control per media byte, %", [100 * run["control"] for run in (seen, told)],
             [run["struck"] for run in (seen, told)]),
            ("sent again per lost packet", [run["repairs"] / run["struck"] for run in (seen, told)],
             [run["struck"] for run in (seen, told)]),
            ("delay, ms", [run["delay"] for run in (seen, told)], [1e9, 1e9])]
    missed = False
    for title, (one, other), counts in rows:
        apart = differs(one, other, counts)
        missed = missed or apart
        print(f"{'MISSED ' if apart else 'holds  '}rtt {point[0]:g} ms, {point[1]:g} x, {point[2]:g} %: {title}: "
              f"real {one:.3f}, simulated {other:.3f}", flush=True)
    return missed


def options(words):
    chosen = {"count": 20000, "rate": 8.0, "seed": 1, "points": POINTS}
    words = list(words)
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(__doc__.strip())
            sys.exit(0)
        elif word in ("--count", "--seed") and words:
            chosen[word[2:]] = int(words.pop(0))
        elif word == "--rate" and words:
            chosen["rate"] = float(words.pop(0))
        elif word == "--points" and words:
            chosen["points"] = [tuple(float(part) for part in text.split("/")) for text in words.pop(0).split(",")]
        else:
            print(f"bench: unknown option '{word}'; see scripts/bench agreement --help", file=sys.stderr)
            sys.exit(2)
    return chosen


def main(tools, words):
    chosen = options(words)
    tools.enter_namespace(["agreement"] + words)
    work = tempfile.mkdtemp(prefix="freshet-agreement-")
    lane = Lane(tools, work, "lane")
    try:
        missed = [point for point in chosen["points"]
                  if judge(point, real(tools, lane, point, chosen), simulated(tools, work, point, chosen))]
    finally:
        lane.close()
        shutil.rmtree(work, ignore_errors=True)
    return 1 if missed else 0
