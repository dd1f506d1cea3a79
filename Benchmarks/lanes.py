"""What the benches over bad links share: pairs of hosts joined by `freshet emulate`, numbered streams through them."""
import json
import os
import signal
import time

IN_PORT, OUT_PORT, FAR_PORT = 5000, 6000, 7000
NEAR, FAR = "10.7.0.1", "10.7.0.2"


def last_figures(path):
    """The last line of a file of statistics: how it all ended."""
    with open(path) as file:
        return json.loads(file.read().strip().splitlines()[-1])


class Home:
    """This process's own network."""
    enter = []


class Lane:
    """Two hosts, or more, on one emulated switch; `tools` is scripts/bench."""

    def __init__(self, tools, work, name, hosts=2):
        self.tools, self.name = tools, name
        self.folder = os.path.join(work, name)
        os.makedirs(self.folder)
        self.hosts = [tools.Host() for _ in range(hosts)]
        self.emulator, self.running = None, []

    def file(self, name):
        return os.path.join(self.folder, name)

    def up(self, links, seed, segments=1):
        """Starts the emulator: for each host and segment a pair of links (what it sends, what it gets) as text."""
        ports = [{"tap": f"t{number % segments}", "segment": str(number % segments), "up": pair[0], "down": pair[1],
                  "in": str(self.hosts[number // segments].keeper.pid)} for number, pair in enumerate(links)]
        with open(self.file("link.json5"), "w") as file:
            json.dump({"seed": seed, "packets": 65536, "ports": ports}, file)
        for name in ("said", "figures"):
            if os.path.exists(self.file(name)):
                os.unlink(self.file(name))
        said = self.file("said")
        command = [self.tools.FRESHET, "emulate", self.file("link.json5"), "--stats", self.file("figures")]
        self.emulator = self.tools.Process(Home, [["sh", "-c", 'exec "$@" 2>' + said, "emulate", *command]])
        for _ in range(500):
            if os.path.exists(said) and "emulating" in open(said).read():
                break
            time.sleep(0.02)
        else:
            raise SystemExit(f"the emulator does not start: {open(said).read()}")
        for number, host in enumerate(self.hosts):
            for segment in range(segments):
                host.run("ip", "addr", "add", f"10.7.{segment}.{number + 1}/24", "dev", f"t{segment}")
            host.run("ip", "route", "add", "239.0.0.0/8", "dev", "t0")

    def start(self, host, commands, output=None):
        """Programs on a host; they are first in the queue for the processors where that is allowed."""
        first = ["nice", "-n", "-15"] if os.geteuid() == 0 and os.environ.get("FRESHET_BENCH_NICE", "1") == "1" else []
        process = self.tools.Process(self.hosts[host], [first + [str(word) for word in words] for words in commands],
                                     self.file(output) if output else None)
        self.running.append(process)
        return process

    def account(self, host=1, output="account.json", group=None):
        joined = ["-g", group, "-i", f"10.7.0.{host + 1}"] if group else []
        return self.start(host, [[self.tools.program("account"), "-p", OUT_PORT, *joined]], output)

    def stamp(self, to, port, rate, count, warm=2, cool=1.5, rtp=False):
        words = [self.tools.program("stamp"), "-d", to, "-p", port, "-b", rate, "-n", count, "-w", warm, "-c", cool]
        return self.start(0, [words + (["-r"] if rtp else [])], "stamp.json")

    def figures(self):
        return last_figures(self.file("figures"))

    def down(self):
        """Ends all; the emulator first says its figures."""
        for process in self.running:
            process.stop(signal.SIGINT, 5)
        self.running = []
        if self.emulator:
            self.emulator.stop(signal.SIGINT, 5)
        self.emulator = None

    def close(self):
        self.down()
        for host in self.hosts:
            host.close()
