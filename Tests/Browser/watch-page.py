#!/usr/bin/env python3
"""Opens a page in a headless Chromium and prints how far its video plays, as JSON.

  Tests/Browser/watch-page.py URL SECONDS

Ends with status 0 as soon as the video's own clock has advanced by SECONDS since it was first seen to move; with 1
when that takes longer than 60 seconds. Speaks the DevTools protocol over the browser's pipe: no third-party module.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

LOOK = """(() => { const v = document.querySelector('video'); return JSON.stringify({
    time: v.currentTime, width: v.videoWidth, frames: v.getVideoPlaybackQuality().totalVideoFrames,
    ready: v.readyState, error: v.error && v.error.message, words: document.getElementById('word').textContent }) })()"""


class Browser:
    def __init__(self, folder):
        ours_in, theirs_out = os.pipe()
        theirs_in, self.output = os.pipe()
        self.input = os.fdopen(ours_in, "rb", buffering=0)

        def connect():
            # The browser reads its third descriptor and writes its fourth; what stands there may be an end of a pipe.
            read, write = os.dup(theirs_in), os.dup(theirs_out)
            high_read, high_write = os.dup2(read, 63), os.dup2(write, 64)
            os.dup2(high_read, 3)
            os.dup2(high_write, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe", f"--user-data-dir={folder}",
             "about:blank"],
            preexec_fn=connect, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.rest = 0, b""

    def ask(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                piece = self.input.read(65536)
                if not piece:
                    sys.exit("the browser ended")
                self.rest += piece
            line, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(line)
            if answer.get("id") == self.number:
                return answer["result"] if "result" in answer else sys.exit(f"{method}: {answer}")


def watch(browser, url, seconds):
    target = browser.ask("Target.createTarget", url=url)["targetId"]
    session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    first, seen, deadline = None, None, time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = browser.ask("Runtime.evaluate", session, expression=LOOK)
        if "value" in answer["result"]:
            seen = json.loads(answer["result"]["value"])
            if seen["time"] > 0 and seen["ready"] >= 2:
                first = seen if first is None or seen["time"] < first["time"] else first
                if seen["time"] - first["time"] >= seconds:
                    print(json.dumps({"first": first, "last": seen}))
                    return 0
        time.sleep(0.1)
    print(json.dumps({"first": first, "last": seen}))
    return 1


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            return watch(browser, sys.argv[1], float(sys.argv[2]))
        finally:
            browser.process.kill()
            browser.process.wait()


if __name__ == "__main__":
    sys.exit(main())
