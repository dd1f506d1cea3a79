"""What repair costs a receiver that misses nothing: processor time and memory, with it and without.

  scripts/bench cost                   40 Mbit/s for 4 s to `freshet watch`, nine repeats of each pair, by turns
  --ways rtp,rist,group   --rate MBIT   --seconds S   --repeats N   --latency MS,... (default 200,2000)   --json FILE

One host (network namespace), its loopback: a sender that answers requests and its stream on the second core, the receiver,
which plays to /dev/null, on the first. Ways: RTP to one receiver, RIST, and RTP to a group. CPU is user and system seconds
of the receiver while the stream flows, by the gigabits that came; memory is its peak resident set, beside what the latency
holds at that rate. Of a pair the runs with and without repair take turns; what counts is the median of the ratios of two
such runs. Exit status 1 where repair costs more than 10 % more CPU at the first latency, or where a packet was lost (the
kernel's buffer or a busy machine: the run says nothing then).
"""
import json
import os
import shutil
import signal
import statistics
import tempfile

from lanes import last_figures

GROUP, PORT, IN_PORT = "239.77.9.5", 5004, 6100
WAYS = {"rtp": f"rtp://127.0.0.1:{PORT}", "rist": f"rist://127.0.0.1:{PORT}", "group": f"rtp://{GROUP}:{PORT}?interface=lo"}
MOST = 1.10


def run(tools, host, work, url, repair, latency, chosen):
    """CPU seconds a gigabit, peak megabytes, packets lost, and requests made, of one run."""
    stats = os.path.join(work, "stats")
    receiver = tools.Process(host, [tools.on_core(0) + [
        tools.FRESHET, "watch", url, "--repair", repair, "--latency", str(latency), "--out", "/dev/null", "--quiet",
        "--stats", stats]])
    tools.heard(host, PORT)
    sender = tools.Process(host, [tools.on_core(1) + [
        tools.FRESHET, "relay", f"udp://127.0.0.1:{IN_PORT}?control=off", "--to", url, "--quiet"]])
    tools.heard(host, IN_PORT)
    count = int(chosen["rate"] * chosen["seconds"] * 125000 / 1316)
    source = tools.Process(host, [tools.on_core(1) + [
        tools.program("stamp"), "-d", "127.0.0.1", "-p", IN_PORT, "-b", chosen["rate"], "-n", count, "-w", 2, "-c", 1]])
    source.wait(chosen["seconds"] + 20)
    # Its last second is cooling down, its first two are the start.
    start, end = source.began + 2.5, source.ended - 1.2
    for process in (sender, receiver):
        process.stop(signal.SIGINT)
    figures = last_figures(stats)
    return {"cpu": receiver.cpu(start, end) / ((end - start) * chosen["rate"] / 1000), "rss": receiver.megabytes(),
            "lost": figures["lost"], "asked": figures["requestsOut"], "received": figures["received"]}


def report(title, latency, pair, chosen):
    """Prints one pair; the median of the repeats' ratios of CPU: a machine that changes its pace does so between repeats."""
    middle = {repair: {key: statistics.median(row[key] for row in rows) for key in ("cpu", "rss")} for repair, rows in pair.items()}
    ratio = statistics.median(auto["cpu"] / off["cpu"] for auto, off in zip(pair["auto"], pair["off"]))
    for repair, rows in pair.items():
        cpu = [row["cpu"] for row in rows]
        print(f"| {title}, {latency} ms | {repair} | {middle[repair]['cpu']:.3f} ({min(cpu):.3f}–{max(cpu):.3f}) | "
              f"{middle[repair]['rss']:.1f} | {latency * chosen['rate'] / 8000:.1f} | {sum(row['lost'] for row in rows)} |")
    print(f"| | with / without | {ratio:.3f} | {middle['auto']['rss'] - middle['off']['rss']:+.1f} | | |", flush=True)
    return ratio


def main(tools, words):
    chosen = tools.options_of("cost", {"ways": ",".join(WAYS), "rate": 40.0, "seconds": 4.0, "repeats": 9, "latency": "200,2000",
                                       "json": ""}, words, __doc__.strip())
    if chosen is None:
        return 0
    tools.enter_namespace(["cost"] + words)
    about = tools.conditions(chosen["repeats"])
    latencies = [int(text) for text in chosen["latency"].split(",")]
    work = tempfile.mkdtemp(prefix="freshet-cost-")
    host = tools.Host()
    host.run("ip", "route", "add", "239.0.0.0/8", "dev", "lo")
    results = {(title, latency): {"auto": [], "off": []} for title in chosen["ways"].split(",") for latency in latencies}
    try:
        for repeat in range(chosen["repeats"]):
            for (title, latency), pair in results.items():
                # Whoever is first in one repeat is second in the next.
                for repair in ("auto", "off") if repeat % 2 else ("off", "auto"):
                    row = run(tools, host, work, WAYS[title], repair, latency, chosen)
                    pair[repair].append(row)
                    tools.say(f"{repeat + 1}/{chosen['repeats']} {title} {latency} ms {repair} {row}")
    finally:
        host.close()
        shutil.rmtree(work, ignore_errors=True)
    about["load at end"] = os.getloadavg()[0]
    tools.show_conditions(about)
    print(f"- {chosen['rate']:g} Mbit/s, {chosen['seconds']:g} s\n")
    print("| way, latency | repair | CPU-s/Gbit | peak MB | latency x rate, MB | lost |\n|---|---|---|---|---|---|")
    missed = 0
    for (title, latency), pair in results.items():
        ratio = report(title, latency, pair, chosen)
        lost = sum(row["lost"] for rows in pair.values() for row in rows)
        nothing = any(not row['received'] for rows in pair.values() for row in rows)
        missed += lost > 0 or nothing or (latency == latencies[0] and ratio > MOST)
    if chosen["json"]:
        with open(chosen["json"], "w") as file:
            json.dump({"conditions": about, "results": [[*key, pair] for key, pair in results.items()]}, file, indent=1)
    return 1 if missed else 0
