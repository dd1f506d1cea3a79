"""Measures one relay of a tree, which forwards to many children, beside plain C loops and other relays.

  scripts/bench fanout                         1, 4, 16 and 64 children at 8 Mbit/s, then 1000 children
  scripts/bench fanout --children 1,16 --rate 8    only: these numbers of children, Mbit/s for each
  scripts/bench fanout --most 1000             only: how fast may the stream be with so many children?
  scripts/bench fanout --half 16,64            only: how long a packet takes at half of what plain C sends at most
  scripts/bench fanout --wire 6                only: how long each relay keeps a packet, on the wire with one child, in 6 s
  --systems freshet,c-gso   --seconds S (default 4)   --repeats N (default 3)   --json FILE

The relay has the first core and a host (network namespace) of its own. On the other core one program, tree-load, is the source,
the coordinator and the children: they shake hands, report and ask as members do. Other relays are sent the same stream as
plain RTP by the same program, and their children are the same sockets. CPU is the relay's user and system seconds while the
stream flows, by the gigabits of media that its children got. Delays are from the source's sending to the kernel's stamp at
the child: to the first child that has a packet, and to all of them. The most is the highest rate at which 99.5 % of what all
children should have comes, sought by halving. srt-live-transmit needs a process for every child.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import time

ARGUMENTS = {"children": "1,4,16,64", "rate": 8.0, "seconds": 4, "repeats": 3, "systems": "", "most": "", "half": "", "json": "", "wire": 0.0}
SYSTEMS = ["c-sendmmsg", "c-gso", "c-gso-5ms", "freshet", "freshet-5ms", "gstreamer", "ffmpeg", "srt"]
# The system that decides, and the one it is held against.
OWN, PLAIN = "freshet", "c-sendmmsg"
LOAD = None


def build(tools):
    """Path of tree-load, built."""
    if os.environ.get("TREE_LOAD"):
        return os.environ["TREE_LOAD"]
    words = ["swift", "build", "-c", "release", "--product", "tree-load", "--package-path", tools.ROOT]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    where = subprocess.run(words + ["--show-bin-path"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return os.path.join(where.strip(), "tree-load")


class Fanout:
    def __init__(self, tools, options):
        self.tools, self.options = tools, options
        self.relay, self.load = tools.Host(), tools.Host()
        self.relay.link(self.load, "v2", "v3", 1)
        self.relay.route("v2")
        self.load.route("v3")
        self.bench = None
        self.folder = "/dev/shm" if os.path.isdir("/dev/shm") else "/tmp"
        self.out = os.path.join(self.folder, f"freshet-fanout-{os.getpid()}")
        # As many sockets with a deep buffer as there are children.
        for host in (self.relay, self.load):
            subprocess.run(host.enter + ["sysctl", "-qw", "net.core.rmem_max=33554432"], stderr=subprocess.DEVNULL, check=False)

    def close(self):
        for host in (self.relay, self.load):
            host.close()
        if os.path.exists(self.out):
            os.unlink(self.out)

    def commands(self, system, children, url):
        tools = self.tools
        group = f"{tools.GROUP}:{tools.PORT}"
        if system.startswith("freshet"):
            words = [tools.FRESHET, "relay", url, "--children", str(max(children, 1)), "--quiet"]
            return [words + (["--batch", "5ms"] if system == "freshet-5ms" else [])]
        if system.startswith("c-"):
            mode, _, rest = system[2:].partition("-")
            return [[tools.program("relay"), "-m", mode, "-a", rest.removesuffix("ms") or 0, "-g", tools.GROUP, "-i", "10.77.1.1", "-p", tools.PORT, "-d",
                     "10.77.1.2", "-P", 6000, "-n", children, "-s", 1]]
        ports = [6000 + number for number in range(children)]
        if system == "gstreamer":
            clients = ",".join(f"10.77.1.2:{port}" for port in ports)
            return [tools.GST + ["udpsrc", f"address={tools.GROUP}", f"port={tools.PORT}", "multicast-iface=v2",
                                 "buffer-size=4194304", "!", "multiudpsink", f"clients={clients}", "sync=false", "async=false"]]
        if system == "ffmpeg":
            outputs = "|".join(f"[f=rtp_mpegts]rtp://10.77.1.2:{port}" for port in ports)
            return [tools.FFMPEG + ["-i", f"rtp://{group}?localaddr=10.77.1.1&buffer_size=4194304", "-map", "0", "-c", "copy",
                                    "-f", "tee", outputs]]
        return [["srt-live-transmit", "-q", "-chunk:1456", f"udp://{group}?adapter=10.77.1.1",
                 f"srt://10.77.1.2:{port + 2000}?latency=200"] for port in ports]

    def receivers(self, system, children):
        """What must run at the children for `system`, before their ports."""
        if system != "srt":
            return []
        return [["srt-live-transmit", "-q", "-chunk:1456", f"srt://:{8000 + number}?mode=listener&latency=200",
                 f"udp://10.77.1.2:{6000 + number}"] for number in range(children)]

    def line(self, pattern, seconds):
        """The first line of tree-load's that fits `pattern`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with open(self.out) as file:
                found = re.search(pattern, file.read(), re.MULTILINE)
            if found:
                return found.group(0)
            time.sleep(0.02)
        return None

    def run(self, system, children, rate):
        tools = self.tools
        seconds = self.options["seconds"]
        own = system.startswith("freshet")
        words = [LOAD, "--address", "10.77.1.2", "--children", children, "--rate", rate, "--seconds", seconds]
        if not own:
            # tree-load sends to the group, and its children are ports.
            words += ["--to", f"{tools.GROUP}:{tools.PORT}", "--interface", "10.77.1.2", "--first-port", 6000]
            if system in ("ffmpeg", "gstreamer", "srt"):
                words += ["--media", self.media()]
        parts = []
        try:
            receivers = self.receivers(system, children)
            if receivers:
                parts.append(tools.Process(self.load, [tools.on_core(1) + one for one in receivers]))
                time.sleep(0.5)
            relay = None
            if not own:
                relay = tools.Process(self.relay, [tools.on_core(0) + one for one in self.commands(system, children, None)])
                parts.append(relay)
                tools.heard(self.relay, tools.PORT)
            load = tools.Process(self.load, [tools.on_core(1) + words], self.out)
            parts.append(load)
            if own:
                url = self.line(r"^freshet://\S+$", 20)
                if not url:
                    return {"out": "no coordinator"}
                relay = tools.Process(self.relay, [tools.on_core(0) + one for one in self.commands(system, children, url)])
                parts.append(relay)
            figures = self.line(r"^\{.*\}$", 120 + seconds)
            if not figures:
                with open(self.out) as file:
                    return {"out": "nothing: " + file.read()[-300:].replace("\n", " ")}
            figures = json.loads(figures)
        finally:
            for part in reversed(parts):
                part.stop()
        bits = figures["bytes"] * 8e-9
        if not bits:
            return {"out": "nothing"}
        span = figures["to"] - figures["from"]
        cpu = relay.cpu(figures["from"], figures["to"])
        row = {"cpu": cpu / bits, "core": 100 * cpu / span, "rss": relay.megabytes(),
               "share": figures["bytes"] / (figures["wanted"] * 1316)}
        row["out"] = f"{100 * row['share']:.1f} % delivered"
        if system[:2] in ("c-", "fr"):
            row["share"] = figures["delivered"] / figures["wanted"]
            row["out"] = f"{100 * row['share']:.2f} % delivered"
            for key in ("first50", "first99", "p50", "p99"):
                row[key] = figures[key] / 1000
            if figures["repaired"] or figures["duplicates"]:
                row["out"] += f", {figures['repaired']} repaired, {figures['duplicates']} twice"
        return row

    def media(self):
        if not self.bench:
            self.bench = self.tools.Bench()
            self.bench_path = self.bench.stream("bench-8.ts")
        return self.bench_path

    def most(self, system, children, guess):
        """The highest rate, Mbit/s, that arrives whole, and its row."""
        low, high, best = 0.0, None, None
        rate = guess
        for _ in range(7):
            row = self.run(system, children, round(rate, 3))
            share = row.get("share", 0)
            self.tools.say(f"{system} {children} children at {rate:.2f} Mbit/s: {row}")
            if share >= 0.995:
                low, best = rate, row
            else:
                high = rate
            if high and low and high / low < 1.04:
                break
            rate = (low + high) / 2 if high else rate * 1.4
            if not low and high:
                rate = high / 1.5
        return low, best


def watch_wire(fan, systems, results):
    """What each relay of plain RTP adds, whoever the child is: with one child, on the wire of the relay's host."""
    for system in systems:
        if system.startswith("freshet"):
            continue
        seen = subprocess.Popen(
            fan.relay.enter + [sys.executable, os.path.join(os.path.dirname(__file__), "wire.py"), "v2",
                               str(fan.options["wire"] or 6)], stdout=subprocess.PIPE, text=True)
        fan.run(system, 1, fan.options["rate"])
        seen = json.loads(seen.communicate()[0])
        kept = sorted(seen["kept"])
        row = {"out": f"{len(kept)} of {seen['out']} known again, {seen['close']:.0f} % in trains"}
        if kept:
            row |= {"p50": kept[len(kept) // 2], "p99": kept[len(kept) * 99 // 100]}
        results.setdefault("wire-1", {})[system] = [row]
        fan.tools.say(f"wire {system} {rounded(row)}")


def rounded(row):
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}


def compare(fan, tools, options, counts, systems, results):
    for repeat in range(options["repeats"]):
        for count in counts:
            for system in systems:
                # A process and a handshake a child: more of them than the other core can feed.
                if system == "srt" and count > 16:
                    continue
                row = fan.run(system, count, options["rate"])
                results.setdefault(f"fanout-{count}", {}).setdefault(system, []).append(row)
                tools.say(f"{repeat + 1}/{options['repeats']} {count} children {system} {rounded(row)}")


def main(tools, words):
    global LOAD
    given = list(words)
    options = tools.options_of("fanout", ARGUMENTS, words, __doc__)
    if options is None:
        return 0
    tools.enter_namespace(["fanout"] + given)
    LOAD = build(tools)
    fan = Fanout(tools, options)
    systems = options["systems"].split(",") if options["systems"] else SYSTEMS
    results, most = {}, {}
    if os.cpu_count() > 1:
        # The first core is the relay's alone: who looks at its figures now and then would be in its way.
        os.sched_setaffinity(0, {1})
    is_whole = not {"--most", "--half", "--children", "--wire"} & set(given)
    try:
        if is_whole or "--children" in given:
            compare(fan, tools, options, [int(word) for word in options["children"].split(",")], systems, results)
        if is_whole or options["wire"]:
            watch_wire(fan, systems, results)
        for word in (options["most"] or ("1000" if is_whole else "")).split(","):
            if word:
                search(fan, tools, int(word), [system for system in systems if system in (OWN, PLAIN)], most, results)
        for word in (options["half"] or ("16,64" if is_whole else "")).split(","):
            if word:
                halve(fan, tools, int(word), most, results)
    except KeyboardInterrupt:
        tools.say("bench: ended early")
    finally:
        fan.close()
        if fan.bench:
            fan.bench.close()
    tools.COLUMNS = [("cpu", "CPU-s/Gbit", 3), ("core", "% of the core", 1), ("rss", "MB", 1), ("most", "most Mbit/s", 2),
                     ("first50", "first child p50 ms", 3), ("first99", "p99 ms", 3), ("p50", "all p50 ms", 3),
                     ("p99", "p99 ms", 3)]
    for name, rows in results.items():
        tools.table(name, rows)
    missed = tools.judge(results)
    if options["json"]:
        with open(options["json"], "w") as file:
            json.dump({"conditions": tools.conditions(options["repeats"]), "results": results, "most": most}, file, indent=1)
    return 1 if missed else 0


def search(fan, tools, children, systems, most, results):
    """The highest rate with so many children, system by system."""
    guess = 2400 / children
    for system in systems:
        rate, row = fan.most(system, children, guess)
        if not row:
            continue
        guess = rate
        row = dict(row, most=rate, cost=1 / max(rate, 1e-9))
        most[f"{system}-{children}"] = rate
        results.setdefault(f"most-{children}", {})[system] = [row]


def halve(fan, tools, children, most, results):
    """Delays at half of the plain loop's highest rate."""
    if f"{PLAIN}-{children}" not in most:
        search(fan, tools, children, [PLAIN], most, results)
    rate = most.get(f"{PLAIN}-{children}", 0) / 2
    for system in (PLAIN, OWN) if rate else ():
        row = fan.run(system, children, round(rate, 3))
        results.setdefault(f"half-{children}", {})[system] = [row]
        tools.say(f"half load, {children} children at {rate:.1f} Mbit/s, {system}: {rounded(row)}")
