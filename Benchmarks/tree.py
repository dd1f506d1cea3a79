"""Measures a relay tree of real processes, each in a network namespace of its own, joined by veth and a bridge.

  scripts/bench tree                           100 viewers, 5 Mbit/s, the source and every relay feed 4
  scripts/bench tree --nodes 20 --seconds 20   smaller and shorter
  scripts/bench tree --failures 20             kills, stops and cuts off inner relays, one at a time, while it runs
  --children N (default 4)   --rate MBIT (default 5)   --latency MS (default 800)   --stripes N   --seed N
  --late N   of the viewers join one by one, 20 a second, once the stream flows: how long until they have something
  --rtt MS   round trip between any two hosts, made by freshet emulate in the bridge's place; use a low rate with many nodes
  --kinds kill,stop,oneway,cut   which failures      --every S   seconds between two failures (default 4)
  --json FILE   all figures   --keep DIR   leave recordings and logs there

Every viewer records; a recording must be the end of what was sent, byte for byte, from its first packet on. Egress is what
the source's device sent during the stream, against one stream's IP packets. Depth, parents and moves are the coordinator's
own figures; the tree is looked at every 5 s, and its depth in the figures is the last one. A failure's children say in
their logs how long nothing came when they noticed, and when another parent was there, both from the last sign of life of
the old one. CPU is user and system seconds of a process by the stream's length; memory its peak resident set.
"""
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ARGUMENTS = {"nodes": 100, "children": 4, "rate": 5.0, "seconds": 30, "latency": 800, "stripes": 1, "seed": 1, "failures": 0, "late": 0,
             "rtt": 0.0,
             "every": 4.0, "kinds": "kill,stop,oneway,cut", "json": "", "keep": ""}


class Node:
    """A host on the bridge."""

    def __init__(self, tools, hub, number):
        self.host = tools.Host()
        self.number = number
        self.address = f"10.78.{number // 250}.{number % 250 + 1}"
        self.station = f"02:00:0a:4e:{number // 250:02x}:{number % 250 + 1:02x}"
        self.hub, self.device = hub, f"n{number}"
        self.process = self.log = None

    def plug(self):
        """Joins the host to the bridge."""
        hub, device = self.hub, self.device
        hub.run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", str(self.host.keeper.pid))
        hub.run("ip", "link", "set", device, "master", "br0")
        hub.run("ip", "link", "set", device, "up")

    def number_it(self):
        """Gives the host's device its addresses."""
        self.host.run("ip", "link", "set", "eth0", "address", self.station)
        self.host.run("ip", "addr", "add", f"{self.address}/16", "dev", "eth0")
        self.host.run("ip", "link", "set", "eth0", "up")

    def know(self, others):
        """Tells the host the stations of all others. The kernel has one table of neighbours for all namespaces, with room
        for 1024 that were asked for: beyond, hosts that have not spoken before cannot. Those told for good do not count."""
        lines = [f"neigh replace {other.address} lladdr {other.station} dev eth0 nud permanent"
                 for other in others if other is not self]
        self.batch(lines)

    def batch(self, lines):
        subprocess.run(self.host.enter + ["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)

    def start(self, words, log):
        self.log = log
        with open(log, "w") as errors:
            self.process = subprocess.Popen(self.host.enter + words, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=errors)

    def sent(self):
        """Bytes and packets that the host's device has sent."""
        text = subprocess.run(self.host.enter + ["cat", "/proc/net/dev"], capture_output=True, text=True, check=True).stdout
        words = re.search(r"eth0:(.*)", text).group(1).split()
        return int(words[8]), int(words[9])

    def figures(self):
        try:
            with open(f"/proc/{self.process.pid}/stat") as file:
                words = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{self.process.pid}/status") as file:
                peak = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
        except (OSError, AttributeError):
            return None
        tick = os.sysconf("SC_CLK_TCK")
        return (int(words[11]) + int(words[12])) / tick, peak / 1024

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.host.close()


def media(tools, rate, seconds, folder):
    """A transport stream of constant rate."""
    path = os.path.join(folder, "sent.ts")
    kilobits = int(rate * 1000)
    subprocess.run(tools.FFMPEG + ["-f", "lavfi", "-i", f"testsrc2=s=640x360:r=25:d={seconds}", "-c:v", "mpeg2video",
                                   "-g", "25", "-b:v", f"{int(kilobits * 0.9)}k", "-minrate", f"{int(kilobits * 0.9)}k",
                                   "-maxrate", f"{int(kilobits * 0.9)}k", "-bufsize", f"{kilobits // 2}k",
                                   "-muxrate", f"{kilobits}k", "-f", "mpegts", path], check=True)
    return path


def compare(sent, path):
    """None when the recording is the end of what was sent, else what is wrong."""
    try:
        with open(path, "rb") as file:
            got = file.read()
    except OSError:
        return "nothing recorded"
    if not got:
        return "nothing recorded"
    if sent.endswith(got):
        return None
    # How much of it is missing: datagrams of seven packets that are not there.
    pieces = {got[place:place + 1316] for place in range(0, len(got), 1316)}
    start = sent.find(got[:1316])
    if start < 0:
        return "begins with what was never sent"
    missing = sum(sent[place:place + 1316] not in pieces for place in range(start, len(sent), 1316))
    return f"{missing} packets missing"


class Tree:
    def __init__(self, tools, options, folder):
        self.tools, self.options, self.folder = tools, options, folder
        self.random = random.Random(options["seed"])
        self.hub = tools.Host()
        self.hub.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0", "stp_state", "0")
        self.hub.run("ip", "link", "set", "br0", "up")
        self.nodes = [Node(tools, self.hub, number) for number in range(options["nodes"] + 1)]
        self.emulator = None
        if options["rtt"]:
            self.emulate()
        else:
            for node in self.nodes:
                node.plug()
        for node in self.nodes:
            node.number_it()
        for node in self.nodes:
            node.know(self.nodes)
        self.url = None
        self.failures = []

    def emulate(self):
        """Joins the hosts by a switch whose every port delays a quarter of the round trip, each way."""
        ports = [{"tap": "eth0", "in": str(node.host.keeper.pid), "both": f"delay={self.options['rtt'] / 4}"}
                 for node in self.nodes]
        with open(self.path("network.json5"), "w") as file:
            json.dump({"seed": self.options["seed"], "ports": ports}, file)
        errors = self.path("emulator.log")
        with open(errors, "w") as log:
            self.emulator = subprocess.Popen([self.tools.FRESHET, "emulate", self.path("network.json5")], stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, stderr=log)
        end = time.monotonic() + 20
        while True:
            with open(errors) as file:
                if "emulating" in file.read():
                    return
            if time.monotonic() > end or self.emulator.poll() is not None:
                raise SystemExit(f"tree: the emulator does not start; see {errors}")
            time.sleep(0.02)

    def close(self):
        for node in self.nodes:
            node.close()
        if self.emulator:
            self.emulator.kill()
            self.emulator.wait()
        self.hub.close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, sent):
        options = self.options
        source = self.nodes[0]
        source.start([self.tools.FRESHET, "send", sent, "--name", "show", "--listen", f"{source.address}:7400", "--children",
                      str(options["children"]), "--wait-viewers", str(options["nodes"] - options["late"]), "--stripes",
                      str(options["stripes"]), "--stats", self.path("source.stats")], self.path("source.log"))
        end = time.monotonic() + 20
        while not self.url:
            time.sleep(0.02)
            with open(source.log) as file:
                found = re.search(r"(freshet://\S+)\n", file.read())
            self.url = found and found.group(1)
            if time.monotonic() > end:
                raise SystemExit("tree: the source does not say where it is")
        for node in self.nodes[1:len(self.nodes) - options["late"]]:
            self.join(node)

    def join(self, node):
        options = self.options
        node.start([self.tools.FRESHET, "record", self.url, self.path(f"{node.number}.ts"), "--children",
                    str(options["children"]), "--latency", str(options["latency"]), "--stats",
                    self.path(f"{node.number}.stats")], self.path(f"{node.number}.log"))

    def waits(self, nodes, name):
        """What the members say of how long they waited for something, milliseconds."""
        found = []
        for node in nodes:
            with open(self.path(f"{node.number}.stats")) as file:
                values = re.findall(f'"{name}":([0-9.]+)', file.read())
            if values:
                found.append(round(float(values[-1]), 1))
        return found

    def tree(self):
        """What `freshet top --json` knows: member by address."""
        words = [self.tools.FRESHET, "top", self.url, "--json", "--once"]
        try:
            out = subprocess.run(self.nodes[0].host.enter + words, capture_output=True, text=True, timeout=10).stdout
            return json.loads(out)
        except (ValueError, subprocess.TimeoutExpired):
            return None

    def size(self, node):
        try:
            return os.path.getsize(self.path(f"{node.number}.ts"))
        except OSError:
            return 0


def members(tree):
    return {member["address"].rsplit(":", 1)[0]: member for member in (tree or {}).get("tree", [])}


def depths(tree):
    found = []
    for member in (tree or {}).get("tree", []):
        places = [place for place in member.get("places", []) if place.get("depth")]
        if places:
            found.append(max(place["depth"] for place in places))
    return found


def children(known, parent):
    """Addresses of the members that have `parent` as a parent."""
    return {member["address"].rsplit(":", 1)[0] for member in (known or {}).get("tree", [])
            if any(place.get("parent") == parent for place in member.get("places", []))}


def replacements(failure):
    """Of a failure's children: when they noticed and when another parent was there, milliseconds."""
    found = []
    for node, offset in failure["below"]:
        with open(node.log) as file:
            file.seek(offset)
            line = re.search(r"noticed after (\d+) ms, replaced after (\d+) ms", file.read())
        if line:
            found.append((int(line.group(1)), int(line.group(2))))
    return found


def spread(values):
    if not values:
        return "none"
    ordered = sorted(values)
    return "p50 {} p99 {} most {}".format(*(ordered[min(len(ordered) - 1, int(len(ordered) * share))]
                                            for share in (0.5, 0.99, 1)))


def fail(tree, kind):
    """Fails a random inner relay."""
    known = tree.tree()
    alive = [node for node in tree.nodes[1:] if node.process and node.process.poll() is None and node not in [f["node"] for f in tree.failures]]
    inner = []
    by_address = members(known)
    for node in alive:
        member = by_address.get(node.address)
        if member and member.get("children", 0) > 0:
            inner.append(node)
    if not inner:
        return False
    node = tree.random.choice(inner)
    below = children(known, by_address[node.address]["member"])
    watching = [(child, os.path.getsize(child.log)) for child in alive if child.address in below]
    if kind == "kill":
        node.process.send_signal(signal.SIGKILL)
    elif kind == "stop":
        node.process.send_signal(signal.SIGSTOP)
    elif kind == "oneway":
        # What it sends goes to a station that is not there, what others send arrives.
        nobody = "lladdr 02:00:00:00:00:01 dev eth0 nud permanent"
        node.batch([f"neigh replace {other.address} {nobody}" for other in tree.nodes if other is not node])
    else:
        tree.hub.run("ip", "link", "set", node.device, "down")
    tree.failures.append({"node": node, "kind": kind, "at": time.monotonic(),
                          "below": watching})
    return True


def main(tools, words):
    given = list(words)
    options = tools.options_of("tree", ARGUMENTS, words, __doc__)
    if options is None:
        return 0
    tools.enter_namespace(["tree"] + given)
    tools.build()
    folder = options["keep"] or tempfile.mkdtemp(prefix="freshet-tree-")
    os.makedirs(folder, exist_ok=True)
    if options["failures"]:
        options["seconds"] = max(options["seconds"], int(options["failures"] * options["every"]) + 10)
    path = media(tools, options["rate"], options["seconds"], folder)
    with open(path, "rb") as file:
        sent = file.read()
    tree = Tree(tools, options, folder)
    try:
        return measure(tools, tree, options, path, sent)
    finally:
        tree.close()
        if not options["keep"]:
            shutil.rmtree(folder, ignore_errors=True)


def measure(tools, tree, options, path, sent):
    began = time.monotonic()
    tree.start(path)
    source = tree.nodes[0]
    while not any(tree.size(node) for node in tree.nodes[1:] if node.process):
        time.sleep(0.05)
        if source.process.poll() is not None or time.monotonic() - began > 120:
            raise SystemExit(f"bench tree: the stream does not begin; see {source.log}")
    first = time.monotonic()
    tools.say(f"{options['nodes'] - options['late']} joined within {first - began:.1f} s")
    usage, known, next_failure = {}, None, first + 5
    # The tree is looked at every few seconds: it is still settling when the stream begins.
    looks, next_look = [], first + min(5, options["seconds"] / 2)
    late = tree.nodes[len(tree.nodes) - options["late"]:]
    joining, next_join = list(late), first + 3
    before = source.sent()
    kinds = options["kinds"].split(",")
    while source.process.poll() is None:
        time.sleep(0.05 if joining else 0.2)
        now = time.monotonic()
        while joining and now >= next_join:
            tree.join(joining.pop(0))
            next_join += 0.05
        for node in tree.nodes:
            if not node.process:
                continue
            usage[node.number] = node.figures() or usage.get(node.number)
        if len(tree.failures) < options["failures"] and now >= next_failure:
            fail(tree, kinds[len(tree.failures) % len(kinds)])
            next_failure = now + options["every"]
        if now >= next_look:
            found, next_look = tree.tree(), now + 5
            known = known or found
            if levels := depths(found):
                looks.append(max(levels))
        if now - first < options["seconds"] - 1:
            after, seen = source.sent(), now
        if now - first > options["seconds"] + 60:
            break
    end = time.monotonic() + 30
    failed = {failure["node"] for failure in tree.failures}
    viewers = [node for node in tree.nodes[1:] if node not in failed]
    while time.monotonic() < end and any(node.process.poll() is None for node in viewers):
        time.sleep(0.1)
    wrong = {}
    for node in viewers:
        status = node.process.poll()
        verdict = compare(sent, tree.path(f"{node.number}.ts"))
        if verdict or status != 0:
            wrong[node.number] = f"status {status}, {verdict or 'whole'}"
    seconds = max(0.1, seen - first)
    # One stream: 1316 bytes of media to a datagram of 1370 on the wire.
    stream = options["rate"] * 1e6 / 8 * 1370 / 1316
    egress = (after[0] - before[0]) / seconds / stream
    cpu = {number: (value[0] / seconds * 100 if value else 0) for number, value in usage.items()}
    memory = {number: (value[1] if value else 0) for number, value in usage.items()}
    result_tree = known
    per_failure = [{"kind": failure["kind"], "children": len(failure["below"]), "milliseconds": replacements(failure)}
                   for failure in tree.failures]
    moved = [times for failure in per_failure for times in failure["milliseconds"]]
    lost = sum(failure["children"] for failure in per_failure)
    result = {
        "viewers": len(viewers), "exact": len(viewers) - len(wrong), "wrong": wrong,
        "egressStreams": round(egress, 3), "depth": looks[-1] if looks else 0, "depths": looks,
        "cpuSource": round(cpu[0], 2), "cpuMedian": round(statistics.median(cpu.values()), 2),
        "cpuMax": round(max(cpu.values()), 2), "memoryMedian": round(statistics.median(memory.values()), 1),
        "memoryMax": round(max(memory.values()), 1), "memorySource": round(memory[0], 1),
        "tree": result_tree, "failures": len(tree.failures), "replacements": per_failure, "cpuByNode": cpu, "memoryByNode": memory,
    }
    print(f"{result['exact']} of {result['viewers']} recordings exact; source sends {result['egressStreams']} streams; "
          f"depth every 5 s {' '.join(map(str, looks))}; CPU % of a core: source {result['cpuSource']}, median "
          f"{result['cpuMedian']}, most {result['cpuMax']}; memory MB: source {result['memorySource']}, median {result['memoryMedian']}, most "
          f"{result['memoryMax']}; {result['failures']} failures")
    if late:
        print(f"{len(late)} that came late: first packet after ms: {spread(tree.waits(late, 'firstPacketMs'))}; first whole "
              f"frame: {spread(tree.waits(late, 'firstFrameMs'))}")
    if tree.failures:
        print(f"children that lost their parent: {lost}, of these {len(moved)} say by whom it was replaced; noticed after ms: "
              f"{spread([noticed for noticed, _ in moved])}; replaced after ms: {spread([after for _, after in moved])}")
    for number, text in list(wrong.items())[:20]:
        print(f"  viewer {number}: {text}")
    if options["json"]:
        with open(options["json"], "w") as file:
            json.dump(result, file, indent=1)
    return 1 if wrong else 0
