"""Measures repair of a lossy link: Freshet beside SRT and RIST, the same links, seeds and latency.

  scripts/bench repair                         the whole grid (hours; --count makes it shorter)
  scripts/bench repair --quick                 a few points that decide
  scripts/bench repair --points 50/2.5/5,50/4/20,50/3/5/20   round trip in ms / latency in round trips / loss in % [/ burst]
  scripts/bench repair --startup               30 % loss from the first moment: how long until the stream is there
  scripts/bench repair --paths                 two paths, one of them cut at any time: is every packet there, once, in time?
  scripts/bench repair --paths --cuts 1000     the same with so many short cuts, eight a second
  --systems freshet,srt,srt-fec,rist-simple,rist-main,plain   which; --list shows them
  --count N   datagrams that count (default 10000)    --rate MBIT (default 8)     --seed N
  --long N    after each point Freshet once more, alone, with N datagrams at --long-rate (default 80) Mbit/s: a million
              show a residual loss of 1e-6; 50/2.5/0 shows whether the machine carries that rate without losses of its own
  --lanes N   systems side by side (default 4)        --json FILE                 --one-way: only the media is lost
  --again N   take a measurement during which the machine stood still (who sleeps was called 20 ms late) N times more at
              most (default 3), all its systems together; the one with the fewest standstills counts

Latency is what SRT and RIST mean by it: time added to the one-way delay. Loss strikes both directions alike, each with its
own dice; burst is the mean number of datagrams lost in a row, by time, so that the sparse way back fares like the media.
Residual loss is of numbered packets after repair; bytes are those of IP packets offered to the link, before loss, per byte
of media; delay is above the link's own. Apart from standstills are the packets, seven a datagram, that were sent more than
a latency and a round trip away from any moment at which who slept was called 5 ms late. Two seconds of the stream before
the counted ones let the repair settle.
"""
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from lanes import FAR, FAR_PORT, IN_PORT, OUT_PORT, Lane
from standstills import Standstills

SRT = ["srt-live-transmit", "-q", "-ll", "fatal", "-chunk", "1456"]
FEC = "fec,cols:10,rows:5,layout:staircase,arq:always"


def rist(profile, latency):
    def sender():
        return ["ristsender", "-p", profile, "-v", "3", "-S", "0", "-i", f"udp://@127.0.0.1:{IN_PORT}",
                "-o", f"rist://{FAR}:{FAR_PORT}?buffer={latency}"]

    def receiver():
        return ["ristreceiver", "-p", profile, "-v", "3", "-S", "0", "-i", f"rist://@0.0.0.0:{FAR_PORT}?buffer={latency}",
                "-o", f"udp://127.0.0.1:{OUT_PORT}"]
    return sender(), receiver()


def srt(latency, sent="", received=""):
    return (SRT + [f"udp://:{IN_PORT}", f"srt://{FAR}:{FAR_PORT}?mode=caller&latency={latency}{sent}"],
            SRT + [f"srt://:{FAR_PORT}?mode=listener&latency={latency}{received}", f"udp://127.0.0.1:{OUT_PORT}"])


def freshet(tools, latency):
    return ([tools.FRESHET, "relay", f"udp://127.0.0.1:{IN_PORT}", "--to", f"rist://{FAR}:{FAR_PORT}?latency={latency}"],
            [tools.FRESHET, "watch", f"rist://@0.0.0.0:{FAR_PORT}?latency={latency}", "--latency", str(latency), "--out",
             f"udp://127.0.0.1:{OUT_PORT}"])


def commands(system, latency, tools):
    """Sender and receiver of a system; None for a stream without repair."""
    return {"freshet": lambda: freshet(tools, latency), LONG: lambda: freshet(tools, latency),
            "srt": lambda: srt(latency),
            "srt-fec": lambda: srt(latency, "&packetfilter=" + FEC, "&packetfilter=fec"),
            "rist-simple": lambda: rist("0", latency),
            "rist-main": lambda: rist("1", latency),
            "plain": lambda: None}[system]()


LONG = "freshet-long"
SYSTEMS = ["freshet", "srt", "srt-fec", "rist-simple", "rist-main", "plain"]
GRID = [(rtt, times, loss, 1) for rtt in (20, 50, 100) for times in (2, 2.5, 3, 4) for loss in (1, 5, 10, 20)]
GRID += [(rtt, times, 5, burst) for rtt in (20, 50, 100) for times in (2, 2.5, 3, 4) for burst in (5, 20)]
QUICK = [(50, 2, 10, 1), (50, 2, 20, 1), (50, 2.5, 5, 1), (50, 4, 20, 1), (50, 4, 5, 20)]


def name(point):
    rtt, times, loss, burst = point
    return f"rtt {rtt} ms, {times:g} x, {loss:g} %" + (f", bursts of {burst:g}" if burst > 1 else "")


class Point:
    """One system on one lane at one point of the grid."""

    def __init__(self, lane, system, point, chosen, standstills):
        if system == LONG:
            chosen = dict(chosen, count=chosen["long"], rate=chosen["long-rate"])
        self.lane, self.system, self.chosen, self.standstills = lane, system, chosen, standstills
        self.rtt, times, self.loss, burst = point
        self.latency = round(self.rtt * times)
        lossy = f"loss={self.loss}%"
        if burst > 1:
            lossy += f" burst-time={round(burst * 1316 * 8 / chosen['rate'])}us"
        way = f"delay={self.rtt / 2:g}"
        lane.up([(f"{way} {lossy}", ""), (way if chosen["one-way"] else f"{way} {lossy}", "")], chosen["seed"])
        self.pair = commands(system, self.latency, lane.tools)
        self.counter = lane.account()
        self.parts = [lane.start(1, [self.pair[1]])] if self.pair else []

    def connect(self):
        if self.pair:
            self.parts.append(self.lane.start(0, [self.pair[0]]))

    def stream(self, warm=2):
        to = ("127.0.0.1", IN_PORT) if self.pair else (FAR, OUT_PORT)
        self.began = time.monotonic()
        self.source = self.lane.stamp(*to, self.chosen["rate"], self.chosen["count"], warm)

    def finish(self):
        self.source.wait(self.chosen["count"] * 1316 * 8 / self.chosen["rate"] / 1e6 + 60)
        self.ended = time.monotonic()
        time.sleep(self.latency / 1000 + 1)
        self.counter.stop()
        self.lane.down()
        got, sent = self.counter.result(), self.source.result()
        if not got or not sent:
            return {"failed": 1}
        near, far = (port["up"] for port in self.lane.figures()["ports"])
        head = max(0, got["first"] - sent["first"]) if got["unique"] else sent["counted"]
        counted = max(1, sent["counted"] - head)
        span = self.ended - self.began
        return {"lost": 100 * (counted - got["unique"]) / counted if got["unique"] else 100.0,
                "missing": counted - got["unique"], "of": counted, "head": self.seconds(head),
                "forward": near["bytesIn"] / sent["bytes"], "back": far["bytesIn"] / sent["bytes"],
                "p50": got["p50"] - self.rtt / 2, "p99": got["p99"] - self.rtt / 2, "longest": got["longest"],
                "at": [round(self.seconds(hole - sent["first"]), 3) for hole, _ in got["holes"][:64]],
                **self.apart(got, sent, head),
                "doubled": got["doubled"], "disordered": got["disordered"],
                "cpu": sum(part.cpu(self.began, self.ended) for part in self.parts) / (span * self.chosen["rate"] / 1000),
                "rss": sum(part.megabytes() for part in self.parts),
                "link": 100 * near["lost"]["random"] / max(1, near["in"]),
                "late": self.lane.figures()["ports"][1]["down"]["lateMicroseconds"]["p99"]}

    def seconds(self, packets):
        """How long the stream takes for `packets`."""
        return packets * 188 * 8 / self.chosen["rate"] / 1e6

    def apart(self, got, sent, head):
        """What stayed lost of the packets that were sent a latency and a round trip away from any standstill."""
        spans = self.standstills.spans(since=sent["from"], margin=(self.latency + self.rtt) / 1000)
        if spans is None or sum(length for _, length in got["holes"]) < got["missing"]:
            return {}
        tail = [got["last"] + 1, sent["first"] + sent["counted"] - got["last"] - 1]
        began, ended = sent["from"] + self.seconds(head), sent["from"] + self.seconds(sent["counted"])
        beside = sum(max(0, min(end, ended) - max(start, began)) for start, end in spans)
        lost = 0
        for hole, length in got["holes"] + [tail]:
            at = sent["from"] + self.seconds(hole - sent["first"])
            if at >= began and not any(start <= at <= end for start, end in spans):
                lost += length
        return {"apart": lost, "apart of": round((ended - began - beside) / self.seconds(1))}


def measure(tools, lanes, points, chosen, standstills):
    results = {}
    for number, point in enumerate(points):
        systems = chosen["systems"]
        batches = [systems[start:start + len(lanes)] for start in range(0, len(systems), len(lanes))]
        for batch in batches + ([[LONG]] if chosen["long"] else []):
            for system, row in undisturbed(lanes, batch, point, chosen, standstills).items():
                results.setdefault(name(point), {})[system] = row
                shown = {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
                tools.say(f"{number + 1}/{len(points)} {name(point)}: {system} {shown}")
    return results


def undisturbed(lanes, batch, point, chosen, standstills):
    """The rows of the try in which the machine stood still least; the first in which it did not ends the tries."""
    best = None
    for _ in range(1 + chosen["again"]):
        before = standstills.count()
        rows = together(lanes, batch, point, chosen, standstills)
        stood = standstills.count() - before
        if best is None or stood < best[0]:
            best = (stood, rows)
        if best[0] == 0:
            break
    for row in best[1].values():
        row["stood"] = best[0]
    return best[1]


def together(lanes, batch, point, chosen, standstills):
    """Systems side by side at one point; a row of figures for each."""
    with ThreadPoolExecutor(len(batch)) as pool:
        runs = list(pool.map(lambda lane, system: Point(lane, system, point, chosen, standstills), lanes, batch))
    time.sleep(0.7)
    if chosen["startup"]:
        for run in runs:
            run.connect()
            run.stream(0)
    else:
        for run in runs:
            run.connect()
        # A handshake that the link loses is begun anew after three seconds.
        time.sleep(2.5 if point[2] < 15 and point[3] <= 1 else 6)
        for run in runs:
            run.stream()
    with ThreadPoolExecutor(len(runs)) as pool:
        return dict(zip(batch, pool.map(Point.finish, runs)))


def paths(tools, lane, chosen):
    """One stream over two paths of 10 and 30 ms that are cut in turns; every counted packet must be there."""
    cuts = "cut-every=300ms cut-for=100ms cut-apart=150ms cut-among=paths"
    count = chosen["count"]
    if chosen["cuts"]:
        cuts = f"cut-every=80ms cut-for=40ms cut-apart=30ms cut-count={chosen['cuts']} cut-among=paths"
        count = max(1000, int(chosen["cuts"] * 0.125 * chosen["rate"] * 1e6 / 8 / 1316))
    lane.up([(f"delay=10 {cuts}", ""), (f"delay=30 {cuts}", ""), ("", ""), ("", "")], chosen["seed"], 2)
    counter = lane.account()
    urls = ",".join(f"rtp://10.7.{segment}.2:{FAR_PORT}" for segment in range(2))
    lane.start(1, [[tools.FRESHET, "watch", urls, "--latency", "60", "--repair", "off", "--fec", "off", "--out",
                    f"udp://127.0.0.1:{OUT_PORT}?control=off"]])
    time.sleep(1)
    lane.start(0, [[tools.FRESHET, "relay", f"udp://127.0.0.1:{IN_PORT}?control=off", "--to", urls]])
    time.sleep(1)
    source = lane.stamp("127.0.0.1", IN_PORT, chosen["rate"], count)
    source.wait(count * 1316 * 8 / chosen["rate"] / 1e6 + 60)
    time.sleep(1)
    counter.stop()
    lane.down()
    got, sent, ports = counter.result(), source.result(), lane.figures()["ports"]
    rows = [("cuts of either path", ports[0]["up"]["cuts"] + ports[1]["up"]["cuts"]),
            ("packets that the cuts took, first path", ports[0]["up"]["lost"]["cut"]),
            ("packets that the cuts took, second path", ports[1]["up"]["lost"]["cut"]),
            ("packets of the stream counted", sent["counted"]), ("missing", sent["counted"] - got["unique"]),
            ("twice", got["doubled"]), ("out of order", got["disordered"]), ("delay p50 ms", got["p50"]),
            ("delay p99 ms", got["p99"])]
    for title, value in rows:
        print(f"- {title}: {value}")
    return 1 if got["unique"] != sent["counted"] or got["doubled"] or got["disordered"] else 0


COLUMNS = [("lost", "lost %", 4), ("missing", "packets", 0), ("forward", "bytes sent per media byte", 3),
           ("back", "bytes back", 4), ("p50", "delay p50 ms", 1), ("p99", "p99 ms", 1), ("longest", "longest hole", 0),
           ("head", "until there, s", 2), ("cpu", "CPU-s/Gbit", 2), ("rss", "MB", 0), ("late", "emulator late p99 us", 0),
           ("stood", "standstills", 0), ("apart", "packets lost apart from them", 0), ("apart of", "of", 0)]


def show(results):
    for point, rows in results.items():
        print(f"\n### {point}\n\n| system | " + " | ".join(title for _, title, _ in COLUMNS) + " |")
        print("|---" * (len(COLUMNS) + 1) + "|")
        for system, row in rows.items():
            cells = ["failed"] if "failed" in row else [
                f"{row[key]:.{places}f}" if key in row else "–" for key, _, places in COLUMNS]
            print(f"| {system} | " + " | ".join(cells) + " |")


def options(words):
    chosen = {"points": None, "systems": SYSTEMS, "count": 10000, "rate": 8.0, "seed": 1, "lanes": 4, "json": None,
              "long": 0, "long-rate": 80.0, "one-way": False, "startup": False, "quick": False, "paths": False,
              "cuts": 0, "again": 3}
    words = list(words)
    while words:
        word = words.pop(0)
        key = word[2:] if word.startswith("--") else ""
        if word in ("-h", "--help"):
            print(__doc__.strip())
            sys.exit(0)
        elif word == "--list":
            print("\n".join(SYSTEMS))
            sys.exit(0)
        elif key in ("one-way", "startup", "quick", "paths"):
            chosen[key] = True
        elif key in ("points", "systems", "count", "rate", "seed", "lanes", "json", "long", "long-rate", "cuts", "again") and words:
            chosen[key] = words.pop(0)
        else:
            print(f"bench: unknown option '{word}'; see scripts/bench repair --help", file=sys.stderr)
            sys.exit(2)
    for key in ("count", "seed", "lanes", "long", "cuts", "again"):
        chosen[key] = int(chosen[key])
    for key in ("rate", "long-rate"):
        chosen[key] = float(chosen[key])
    if isinstance(chosen["systems"], str):
        chosen["systems"] = chosen["systems"].split(",")
    if chosen["points"]:
        chosen["points"] = [tuple(([float(part) for part in text.split("/")] + [1])[:4])
                            for text in chosen["points"].split(",")]
    elif chosen["startup"]:
        chosen["points"] = [(50, 4, 30, 1)]
    else:
        chosen["points"] = QUICK if chosen["quick"] else GRID
    return chosen


def main(tools, words):
    chosen = options(words)
    tools.enter_namespace(["repair"] + words)
    about = tools.conditions(1)
    for package in ("srt-tools", "rist-tools"):
        about[package] = tools.version(package)
    work = tempfile.mkdtemp(prefix="freshet-repair-")
    lanes, standstills = [], None
    try:
        if chosen["paths"]:
            lanes = [Lane(tools, work, "paths")]
            return paths(tools, lanes[0], chosen)
        lanes = [Lane(tools, work, f"lane{number}") for number in range(min(chosen["lanes"], len(chosen["systems"])))]
        standstills = Standstills()
        results = measure(tools, lanes, chosen["points"], chosen, standstills)
    finally:
        if standstills:
            standstills.close()
        for lane in lanes:
            lane.close()
        shutil.rmtree(work, ignore_errors=True)
    about.update(seed=chosen["seed"], megabits=chosen["rate"], datagrams=chosen["count"])
    if chosen["long"]:
        about["long"] = f"{chosen['long']} datagrams at {chosen['long-rate']:g} Mbit/s, alone"
    tools.show_conditions(about)
    show(results)
    if chosen["json"]:
        with open(chosen["json"], "w") as file:
            json.dump({"conditions": about, "results": results}, file, indent=1)
    return 0
