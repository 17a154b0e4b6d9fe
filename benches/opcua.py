#!/usr/bin/env python3
"""OPC UA at full load: many items at 10 Hz on one connection, and the back-fill after an outage.

    python benches/opcua.py --tacitus target/release/tacitus [--items 5000] [--seconds 60] [--missed 3000000]

One Tacitus serves its tags over OPC UA, another collects them. First every item changes ten times a second: whatever
the first one holds, the second one holds too, or this fails. Then the second one is killed, the first one is given
what it is to miss, and the second one is started again: it reads that from the history of the first. The baseline of
the same run is the way of the same samples into the first one, as line protocol over HTTP. Needs nothing but Python.
"""

import argparse
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

HZ = 10
LINE_FIELDS = 100


class Server:
    """A server on a folder of its own, which can be killed and started again."""

    def __init__(self, binary, folder, settings=""):
        self.binary, self.folder = binary, folder
        folder.mkdir()
        self.config = folder / "tacitus.toml"
        wires = "".join(f'[{wire}]\naddr = "127.0.0.1:0"\n' for wire in ("http", "mqtt", "pg", "grpc"))
        self.config.write_text(f'[data]\ndir = "{folder / "data"}"\n{wires}{settings}')
        self.start()

    def start(self):
        log = open(self.folder / "log", "ab")
        self.child = subprocess.Popen([self.binary, "serve", "--config", self.config],
                                      stdout=subprocess.PIPE, stderr=log, text=True)
        words = self.child.stdout.readline().split()
        self.address = next(word[5:] for word in words if word.startswith("http="))

    def send(self, method, path, body):
        connection = http.client.HTTPConnection(self.address, timeout=600)
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {text[:300]}")
        return text

    def ask(self, statement):
        return json.loads(self.send("POST", "/api/v1/sql", statement.encode()))["rows"]

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def processor(self):
        """Seconds of processor time."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def lines(items, number, moment):
    """One value of every item."""
    row = " ".join
    return "\n".join(
        row((f"load,part={part}",
             ",".join(f"t{at}={number}.{at % 10}" for at in range(min(LINE_FIELDS, items - part * LINE_FIELDS))),
             str(moment)))
        for part in range((items + LINE_FIELDS - 1) // LINE_FIELDS))


def until(what, check, seconds=300):
    """Waits until the check holds; what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := check():
            return found
        time.sleep(0.1)
    sys.exit(f"FAIL {what}: not within {seconds} s")


WHOLE = "SELECT count(*), count(DISTINCT tag), sum(value) FROM samples WHERE good AND value IS NOT NULL"


def live(options, source, collector):
    """Every item changes ten times a second."""
    began, used = time.time(), collector.processor()
    late = 0
    for number in range(options.seconds * HZ):
        wait = began + number / HZ - time.time()
        late += wait < -1
        time.sleep(max(wait, 0))
        source.send("POST", "/write?precision=ns", lines(options.items, number + 1, time.time_ns() // 10**6 * 10**6).encode())
    took = time.time() - began
    want = source.ask(WHOLE)
    until("the collector has all values", lambda: collector.ask(WHOLE)[0][0] >= want[0][0], 60)
    found = collector.ask(WHOLE)
    print(f"live: {options.items} items, {want[0][0]} values in {took:.1f} s ({want[0][0] / took:,.0f} a second), "
          f"{(collector.processor() - used) / want[0][0] * 1e6:.1f} µs of processor time a value at the collector, "
          f"{collector.resident_mib():.0f} MiB; stored {found[0][0]}; writer late by a second: {late} times")
    if [found[0][:2], round(found[0][2], 3)] != [want[0][:2], round(want[0][2], 3)]:
        sys.exit(f"FAIL {found} is not {want}")
    gaps = collector.ask("SELECT count(*) FROM gaps")
    if gaps != [[0]]:
        sys.exit(f"FAIL the ledger has {gaps[0][0]} entries")


def back_fill(options, source, collector):
    """What the collector missed while it was not there."""
    collector.kill()
    since = time.time_ns() // 10**6 * 10**6
    each = options.missed // options.items
    began = time.perf_counter()
    for number in range(each):
        # In time order, between the kill and the next start.
        source.send("POST", "/write?precision=ns", lines(options.items, number, since + number * 10**6).encode())
    wrote = time.perf_counter() - began
    time.sleep(max(0, each / 1000 - wrote))
    want = source.ask(WHOLE)
    collector.start()
    began = until("back-fill begins", lambda: collector.ask("SELECT count(*) FROM gaps")[0][0] and time.perf_counter())
    until("the gap is back-filled",
          lambda: collector.ask("SELECT count(*) FROM gaps WHERE state <> 'back_filled'") == [[0]], 900)
    took = time.perf_counter() - began
    found = collector.ask(WHOLE)
    missed = each * options.items
    print(f"back-fill: {missed} values in {took:.1f} s ({missed / took:,.0f} a second); the same samples as line protocol "
          f"{missed / wrote:,.0f} a second ({wrote / took:.2f} times as fast)")
    if [found[0][:2], round(found[0][2], 3)] != [want[0][:2], round(want[0][2], 3)]:
        sys.exit(f"FAIL {found} is not {want}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tacitus", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--missed", type=int, default=3_000_000, help="samples to be back-filled")
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        source = Server(options.tacitus, folder / "source", f'[opcua_server]\naddr = "127.0.0.1:{port}"\n')
        source.send("POST", "/write?precision=ns", lines(options.items, 0, time.time_ns()).encode())
        collector = Server(options.tacitus, folder / "collector", f"""
[[collect.opcua]]
name = "load"
endpoint = "opc.tcp://127.0.0.1:{port}"
publishing_interval = "100 ms"
sampling_interval = "0 ms"
queue_size = 20
backfill_rate = 10000000
[collect.opcua.browse]
root = "i=85"
include = ["Tags/**"]
""")
        try:
            until("all items are collected",
                  lambda: collector.ask(WHOLE)[0][1] == options.items, 120)
            live(options, source, collector)
            back_fill(options, source, collector)
        finally:
            source.kill()
            collector.kill()
    print("ok")


if __name__ == "__main__":
    main()
