"""Checks `freshet emulate` on this machine: delay, loss, bursts, order, rate, throughput, a star of hosts, and the proxy.

  scripts/bench emulator [--quick]

Numbered packets pass links of known badness; what arrives is held against it. Timing counts in the emulator's own figures
(how much later than decided a packet leaves) and end to end. Exit status 1 when a check is missed.
"""
import shutil
import sys
import tempfile
import time

from lanes import FAR, FAR_PORT, OUT_PORT, Lane

# Name, link to the receiver, Mbit/s, datagrams, what must hold: (figure, least, most).
CASES = [
    ("delay", "delay=25", 8, 4000, [("lost", 0, 0), ("p50", 25, 25.5), ("late", 0, 1000)]),
    ("100 Mbit/s", "delay=25", 100, 50000, [("lost", 0, 0), ("p50", 25, 25.5), ("late", 0, 1000)]),
    ("100 Mbit/s, 5 % lost", "delay=25 loss=5%", 100, 50000, [("lost", 4.6, 5.4), ("late", 0, 1000)]),
    ("5 % in bursts of 20", "loss=5% burst=20", 50, 50000, [("lost", 3.8, 6.2), ("run", 16, 24)]),
    ("5 % in bursts of 5 ms", "loss=5% burst-time=5", 50, 50000, [("lost", 3.5, 6.5)]),
    ("jitter 10 to 20 ms", "delay=10 jitter=10", 8, 4000, [("lost", 0, 0), ("p50", 14, 16), ("p99", 19, 21)]),
    ("in order", "delay=10 jitter=10 ordered=true", 8, 4000, [("lost", 0, 0), ("disordered", 0, 0)]),
    ("doubled 3 %", "duplicate=3%", 8, 8000, [("doubled", 2.2, 3.8)]),
    ("20 into 10 Mbit/s", "rate=10M queue=50", 20, 8000, [("lost", 48, 53)]),
    ("cut for 1 s of 5", "cuts=2s+1s", 8, 3000, [("cut", 700, 820)]),
]


def figures(got, sent, link):
    counted = sent["counted"]
    return {"lost": 100 * (counted - got["unique"]) / counted, "p50": got["p50"], "p99": got["p99"], "most": got["most"],
            "disordered": got["disordered"], "doubled": 100 * got["doubled"] / counted,
            "late": link["lateMicroseconds"]["p99"], "cut": link["lost"]["cut"],
            "run": link["lost"]["random"] / max(1, link["lossRuns"])}


def judge(case, found, wanted):
    missed = [f"{key} {found[key]:.2f} is not {least} to {most}" for key, least, most in wanted
              if not least <= found[key] <= most]
    shown = "  ".join(f"{key} {found[key]:.2f}" for key in ("lost", "run", "p50", "p99", "most", "late"))
    print(f"{'MISSED ' if missed else 'holds  '}{case:28} {shown}  {'; '.join(missed)}", flush=True)
    return bool(missed)


def through_switch(lane, case):
    name, link, rate, count, wanted = case
    lane.up([("", ""), ("", link)], 7)
    counter = lane.account()
    time.sleep(0.3)
    source = lane.stamp(FAR, OUT_PORT, rate, count, 0.5, 0.5)
    source.wait(60)
    time.sleep(0.5)
    counter.stop()
    lane.down()
    return judge(name, figures(counter.result(), source.result(), lane.figures()["ports"][1]["down"]), wanted)


def through_proxy(tools, lane, case):
    name, link, rate, count, wanted = case
    lane.emulator = None
    proxy = lane.start(0, [[tools.FRESHET, "emulate", "--listen", f"127.0.0.1:{FAR_PORT}", "--to",
                            f"127.0.0.1:{OUT_PORT}", "--forward", link, "--seed", 7, "--stats", lane.file("figures")]])
    counter = lane.account(0)
    time.sleep(0.5)
    source = lane.stamp("127.0.0.1", FAR_PORT, rate, count, 0.5, 0.5)
    source.wait(60)
    time.sleep(0.5)
    counter.stop()
    proxy.stop()
    lane.down()
    return judge("proxy: " + name, figures(counter.result(), source.result(), lane.figures()["proxies"][0]["forward"]),
                 wanted)


def star(tools, work):
    losses = [0, 1, 5, 20]
    lane = Lane(tools, work, "star", 5)
    try:
        lane.up([("", "")] + [("", f"loss={loss}%") for loss in losses], 3)
        counters = [lane.account(number + 1, f"star{number}.json", "239.1.1.1") for number in range(4)]
        time.sleep(0.3)
        source = lane.stamp("239.1.1.1", OUT_PORT, 20, 10000, 0.5, 0.5)
        source.wait(60)
        time.sleep(0.3)
        for counter in counters:
            counter.stop()
        lane.down()
        missed = 0
        for number, loss in enumerate(losses):
            found = figures(counters[number].result(), source.result(), lane.figures()["ports"][number + 1]["down"])
            missed += judge(f"star: {loss} % lost", found, [("lost", loss * 0.85, loss * 1.15), ("late", 0, 1000)])
        return missed
    finally:
        lane.close()


def main(tools, words):
    if words in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    if words not in ([], ["--quick"]):
        print(f"bench: unknown option '{words[0]}'; see scripts/bench emulator --help", file=sys.stderr)
        return 2
    tools.enter_namespace(["emulator"] + words)
    work = tempfile.mkdtemp(prefix="freshet-emulator-")
    lane = Lane(tools, work, "pair")
    missed = 0
    try:
        for case in CASES[:3] if words else CASES:
            missed += through_switch(lane, case)
        for case in CASES[:3]:
            missed += through_proxy(tools, lane, case)
        missed += star(tools, work)
    finally:
        lane.close()
        shutil.rmtree(work, ignore_errors=True)
    print(f"{missed} missed" if missed else "all hold")
    return 1 if missed else 0
