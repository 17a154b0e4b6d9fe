#!/usr/bin/env python3
"""Kills and restarts a foreign device again and again, and holds what was stored against what it produced.

    python tests/peers/restarts.py --tacitus target/release/tacitus --peer asyncua --times 100

Starts the server on a fresh directory with one collector, and a device of PEER (asyncua, node-opcua, pymodbus)
behind a relay. Then as often as wished, at a moment drawn from the seed: the device is killed, or ended in an
orderly way, or stopped for a while (SIGSTOP), or the line is cut, or the line is frozen: bytes go nowhere, and
nobody hears of it. The device writes down each of its values before it shows them. In the end each of them is in the
store, or lies in an entry of the ledger of gaps; anything else is a fault, and so are: an entry that stays open, one
that says back-filled and is not, a cause that is not what was done, a loss without its sample of bad quality,
a value that the device never had, and a device that is not collected from again. How long after each disturbance
collecting went on is told too, and of what took longer than 30 s, what the collector said of it meanwhile.

Everything is on loopback, on ports that the system chooses. Exit code 0: no fault.
"""
import argparse
import asyncio
import bisect
import calendar
import csv
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))
SECOND = 1_000_000_000
# Milliseconds between two values: pymodbus is polled several times between them.
PERIOD_MS = {"asyncua": 100, "node-opcua": 200, "pymodbus": 400}
# What is done, how often of a hundred times, and for how many seconds.
DEEDS = {
    "kill": (45, 0.1, 4.0),
    "end": (15, 0.1, 4.0),
    "stop": (15, 1.0, 25.0),
    "cut": (15, 0.1, 20.0),
    "freeze": (10, 1.0, 25.0),
}
# A device that is back for longer than this and not collected from: what the collector said is shown.
LATE = 30 * SECOND
CAUSES = {"kill": "device_down", "end": "device_down", "stop": "network", "cut": "network", "freeze": "network"}


class Relay:
    """The line to the device: whole, cut (refuses and closes) or frozen (swallows)."""

    def __init__(self, port: int) -> None:
        self.far = port
        self.port = free_port()
        self.server = None
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.do(self._prepare())

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    async def _prepare(self):
        self.flows = asyncio.Event()
        self.flows.set()

    async def _carry(self, reader, writer, other):
        try:
            while data := await reader.read(65536):
                await self.flows.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            for one in (writer, other):
                one.transport.abort()

    async def _accept(self, reader, writer):
        self.writers.add(writer)
        try:
            await self.flows.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.far)
            self.writers.add(far_writer)
            await asyncio.gather(
                self._carry(reader, far_writer, writer), self._carry(far_reader, writer, far_writer)
            )
            self.writers.discard(far_writer)
        except OSError:
            writer.transport.abort()
        self.writers.discard(writer)

    async def _mend(self):
        if self.server is None:
            self.server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.flows.set()

    async def _cut(self):
        if self.server is not None:
            self.server.close()
            self.server = None
        for writer in list(self.writers):
            writer.transport.abort()
        self.flows.set()

    async def _freeze(self):
        self.flows.clear()


class Tacitus:
    """The server with its one collector."""

    def __init__(self, binary: str, directory: str, level: str = "info") -> None:
        log = open(os.path.join(directory, "tacitus.log"), "w")
        where = ["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--pg", "127.0.0.1:0"]
        data = os.path.join(directory, "data")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TACITUS_")}
        clean |= {"TACITUS_LOG_LEVEL": level, "TACITUS_LOG_FORMAT": "json"}
        self.process = subprocess.Popen(
            [binary, "serve", *where, "--data", data], stdout=subprocess.PIPE, stderr=log, text=True, env=clean
        )
        line = self.process.stdout.readline().split()
        self.http = next(word.split("=", 1)[1] for word in line if word.startswith("http="))

    def ask(self, method: str, path: str, body=None, accept="application/json") -> str:
        data = body.encode() if isinstance(body, str) else body and json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.http}{path}", data, {"accept": accept}, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()

    def rows(self, statement: str):
        return list(csv.DictReader(io.StringIO(self.ask("POST", "/api/v1/sql", statement, "text/csv"))))

    def collector(self):
        return self.rows("SELECT state, items_good, items_failed, last_error FROM collectors")[0]


class Device:
    """The peer as a process."""

    def __init__(self, arguments, port: int, directory: str, items: int, period_ms: int) -> None:
        programs = {
            "asyncua": [sys.executable, os.path.join(HERE, "counter_asyncua.py")],
            "node-opcua": ["node", os.path.join(HERE, "counter_node_opcua.js")],
            "pymodbus": [sys.executable, os.path.join(HERE, "counter_pymodbus.py")],
        }
        self.port = port
        self.log = os.path.join(directory, "produced.log")
        self.command = [*programs[arguments.peer], str(port), self.log, str(items), str(period_ms)]
        self.noise = open(os.path.join(directory, "device.log"), "w")
        self.process = None

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.noise, text=True)
        for line in self.process.stdout:
            if line.strip() == "ready":
                break
        else:
            raise SystemExit(f"the device does not start: {self.noise.name}")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def send(self, number) -> None:
        self.process.send_signal(number)

    def gone(self) -> None:
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def produced(self):
        """Pairs of time and tick."""
        with open(self.log) as lines:
            pairs = (line.split() for line in lines)
            return [(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def definition(peer: str, port: int, items: int):
    if peer == "pymodbus":
        places = [
            {"tag": f"c{item}", "unit_id": 1 + item % 2, "at": f"holding:{2 * (item // 2)}", "type": "uint32"}
            for item in range(items)
        ]
        settings = {
            "address": f"127.0.0.1:{port}", "prefix": "peer", "every": "100 ms", "timeout": "1 s", "items": places
        }
        return {"kind": "modbus", "settings": settings}
    settings = {
        "endpoint": f"opc.tcp://127.0.0.1:{port}",
        "prefix": "peer",
        "publishing_interval": "250 ms",
        "sampling_interval": "0 ms",
        "queue_size": 50,
        "browse": {"root": "nsu=urn:tacitus:peer;s=Line"},
    }
    return {"kind": "opcua", "settings": settings}


def wait_for(seconds: float, condition):
    """When the condition held; nothing if it did not in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def connected(tacitus: Tacitus, items: int) -> bool:
    now = tacitus.collector()
    return now["state"] == "connected" and int(now["items_good"]) == items


def disturb(deed: str, seconds: float, device: Device, relay: Relay) -> None:
    if deed in ("kill", "end"):
        device.send(signal.SIGKILL if deed == "kill" else signal.SIGTERM)
        device.gone()
        relay.do(relay._cut())
        time.sleep(seconds)
        device.start()
        relay.do(relay._mend())
    elif deed == "stop":
        device.send(signal.SIGSTOP)
        time.sleep(seconds)
        device.send(signal.SIGCONT)
    else:
        relay.do(relay._cut() if deed == "cut" else relay._freeze())
        time.sleep(seconds)
        relay.do(relay._mend())


def run(arguments, tacitus: Tacitus, device: Device, relay: Relay, faults: list):
    """The disturbances: what, from when, to when, and whether it was collected before."""
    chance = random.Random(arguments.seed)
    names = list(DEEDS)
    done = []
    for number in range(arguments.times):
        patient = chance.random() < 0.85
        settled = patient and wait_for(120, lambda: connected(tacitus, arguments.items))
        if patient and not settled:
            faults.append(f"not collected from before disturbance {number}: {tacitus.collector()}")
        time.sleep(chance.uniform(0.5, 4.0))
        deed = chance.choices(names, [DEEDS[name][0] for name in names])[0]
        _, low, high = DEEDS[deed]
        begin = time.time_ns()
        disturb(deed, chance.uniform(low, high), device, relay)
        done.append((deed, begin, time.time_ns(), settled))
        print(f"{number + 1:4} {deed:6} {(time.time_ns() - begin) / SECOND:5.1f} s", flush=True)
    if not wait_for(180, lambda: connected(tacitus, arguments.items)):
        faults.append(f"not collected from in the end: {tacitus.collector()}")
    still = "SELECT count(*) AS n FROM gaps WHERE state = 'open'"
    if not wait_for(180, lambda: tacitus.rows(still)[0]["n"] == "0"):
        faults.append(f"entries stay open: {tacitus.rows('SELECT * FROM gaps WHERE state = $$open$$')[:5]}")
    return done


def ledger(tacitus: Tacitus):
    fields = "id, tags, cause, state, recovered, from_ts, to_ts"
    entries = tacitus.rows(f"SELECT {fields} FROM gaps ORDER BY id")
    for entry in entries:
        entry["tags"] = set(json.loads(entry["tags"])) if entry["tags"] else None
        entry["from"] = nanos(entry["from_ts"])
        entry["to"] = nanos(entry["to_ts"]) if entry["to_ts"] else None
    return entries


def keep(directory: str, entries, done) -> None:
    """What a person wants to look at when there is a fault."""
    with open(os.path.join(directory, "ledger.txt"), "w") as out:
        events = [(entry["from"], str(entry)) for entry in entries]
        events += [(begin, f"{deed} until {end}, settled before: {settled}") for deed, begin, end, settled in done]
        for ns, text in sorted(events):
            print(ns, text, file=out)


def nanos(text: str) -> int:
    """The nanoseconds of an RFC 3339 text in UTC."""
    whole, _, rest = text.rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole.replace(" ", "T"), "%Y-%m-%dT%H:%M:%S"))
    return seconds * SECOND + int((rest or "0").ljust(9, "0")[:9])


class Verdict:
    """What was produced, against what is stored and what the ledger says."""

    def __init__(self, arguments, entries, produced, until: int, done) -> None:
        self.until = until
        self.peer = arguments.peer
        self.items = arguments.items
        self.entries = [entry for entry in entries if entry["to"] is not None]
        self.produced = produced
        self.done = done
        self.count = Counter()
        self.explained = Counter()
        self.faults = []
        self.samples = defaultdict(list)

    def fault(self, text: str) -> None:
        self.count["faults"] += 1
        if self.count["faults"] <= 40:
            self.faults.append(text)

    def of(self, tag: str):
        return [entry for entry in self.entries if entry["tags"] is None or tag in entry["tags"]]

    def tag(self, item: int, rows) -> None:
        """One tag: each of its values is stored, or explained."""
        tag = f"peer/c{item}"
        own = self.of(tag)
        stored = {}
        marks = []
        moments = [nanos(row["ts"]) for row in rows]
        for ns, row in zip(moments, rows):
            if row["good"] == "true":
                stored.setdefault(int(float(row["value"])), []).append(ns)
            elif row["value"] == "":
                marks.append(ns)
        known = set()
        first = self.produced[0][0] if not stored else min(min(times) for times in stored.values())
        following = [ns for ns, _ in self.produced[1:]] + [None]
        for (ns, tick), until in zip(self.produced, following):
            value = tick * 1000 + item
            known.add(value)
            if until is None or ns < first or ns > self.until:
                continue
            self.count["produced"] += 1
            times = stored.get(value, [])
            if self.is_stored(ns, until, times):
                self.count["stored"] += 1
                continue
            self.missing(tag, own, ns, until, tick)
        for value in stored.keys() - known:
            self.fault(f"{tag} has {value}, which never was")
        for entry in own:
            lost = entry["state"] == "lost" and entry["cause"] != "overflow"
            # Within, or before and still in force: what is in a gap already has no second one.
            shown = any(entry["from"] - SECOND <= ns <= entry["to"] for ns in marks)
            before = bisect.bisect_right(moments, entry["from"])
            shown = shown or (before and rows[before - 1]["value"] == "")
            if lost and entry["from"] > first and not shown:
                self.fault(f"{tag} has no sample of bad quality for entry {entry['id']}")

    def is_stored(self, ns: int, until: int, times) -> bool:
        # A device that is polled states no time: the value is seen while it lasts.
        return bool(times) if self.peer == "pymodbus" else ns in times

    def missing(self, tag: str, own, ns: int, until: int, tick: int) -> None:
        slack = 50_000_000 if self.peer == "pymodbus" else 0
        end = until if self.peer == "pymodbus" else ns
        for entry in own:
            if entry["from"] - slack <= ns and end <= entry["to"] + slack:
                self.count["explained"] += 1
                self.explained[entry["cause"], entry["state"]] += 1
                if entry["state"] == "back_filled":
                    self.fault(f"{tag} lacks tick {tick} at {ns}, entry {entry['id']} says back-filled")
                return
        self.count["unexplained"] += 1
        near = [(entry["id"], (entry["from"] - ns) / 1e6, (entry["to"] - ns) / 1e6) for entry in own]
        near = sorted(near, key=lambda one: min(abs(one[1]), abs(one[2])))[:2]
        deed = [(name, (begin - ns) / 1e6, (end - ns) / 1e6) for name, begin, end, _ in self.done]
        deed = sorted(deed, key=lambda one: min(abs(one[1]), abs(one[2])))[:1]
        self.fault(f"{tag} lacks tick {tick} at {ns}; entries (ms from it) {near}, disturbance {deed}")

    def lateness(self):
        """How long after its last disturbance each interruption lasted, with that disturbance."""
        for entry in self.entries:
            before = [(end, deed) for deed, begin, end, _ in self.done if begin < entry["to"]]
            if entry["tags"] is None and entry["cause"] in ("device_down", "network") and before:
                end, deed = before[-1]
                if entry["from"] < end <= entry["to"]:
                    yield entry["to"] - end, deed, end, entry

    def causes(self) -> None:
        """A disturbance that stands alone has an entry of its own cause."""
        for place, (deed, begin, end, settled) in enumerate(self.done):
            alone = settled and (place + 1 == len(self.done) or self.done[place + 1][3])
            over = [entry for entry in self.entries if entry["from"] < end and begin < entry["to"]]
            over = [entry for entry in over if entry["cause"] in ("device_down", "network", "collector_down")]
            if not over:
                self.count[f"{deed} without an entry"] += 1
                if deed in ("kill", "end"):
                    self.fault(f"disturbance {place} ({deed}) at {begin} has no entry")
                continue
            self.count[f"{deed} with an entry"] += 1
            want = "network" if self.peer == "pymodbus" else CAUSES[deed]
            if alone and all(entry["cause"] != want for entry in over):
                self.fault(f"disturbance {place} ({deed}) at {begin} is called {[e['cause'] for e in over]}")


def said(directory: str, begin: int, end: int) -> None:
    """Prints what the server logged between two moments."""
    with open(os.path.join(directory, "tacitus.log")) as lines:
        for line in lines:
            if line.startswith("{") and begin <= nanos(json.loads(line)["timestamp"]) <= end:
                print("    ", line.rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tacitus", required=True, help="the binary")
    parser.add_argument("--peer", required=True, choices=list(PERIOD_MS))
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", default="info", help="the level of the server's log")
    parser.add_argument("--directory", required=True, help="an empty directory for all that is written")
    arguments = parser.parse_args()
    os.makedirs(arguments.directory, exist_ok=True)
    relay = Relay(free_port())
    device = Device(arguments, relay.far, arguments.directory, arguments.items, PERIOD_MS[arguments.peer])
    device.start()
    relay.do(relay._mend())
    tacitus = Tacitus(os.path.abspath(arguments.tacitus), arguments.directory, arguments.log)
    faults = []
    try:
        tacitus.ask("PUT", "/api/v1/collectors/peer", definition(arguments.peer, relay.port, arguments.items))
        if not wait_for(60, lambda: connected(tacitus, arguments.items)):
            raise SystemExit(f"never connected: {tacitus.collector()}")
        done = run(arguments, tacitus, device, relay, faults)
        # What is under way arrives, and the end is one that both sides have seen.
        until = time.time_ns()
        time.sleep(3)
        seen = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entries = ledger(tacitus)
        keep(arguments.directory, entries, done)
        verdict = Verdict(arguments, entries, device.produced(), until, done)
        verdict.faults += faults
        verdict.count["faults"] += len(faults)
        for item in range(arguments.items):
            of = f"tag = 'peer/c{item}' AND ts < TIMESTAMPTZ '{seen}'"
            verdict.tag(item, tacitus.rows(f"SELECT ts, value, good FROM samples WHERE {of} ORDER BY ts"))
        verdict.causes()
        report(arguments, verdict, tacitus)
    finally:
        relay.do(relay._cut())
        device.process.kill()
        tacitus.process.terminate()
        tacitus.process.wait(30)
    sys.exit(1 if verdict.count["faults"] else 0)


def report(arguments, verdict: Verdict, tacitus: Tacitus) -> None:
    count = verdict.count
    recovered = sum(int(entry["recovered"]) for entry in verdict.entries)
    states = Counter((entry["cause"], entry["state"]) for entry in verdict.entries)
    print(f"{arguments.peer}: {arguments.times} disturbances: {dict(Counter(deed for deed, *_ in verdict.done))}")
    print(f"values produced {count['produced']}, stored {count['stored']}, fetched from history {recovered}")
    print(f"explained {count['explained']}: {dict(verdict.explained)}")
    print(f"unexplained {count['unexplained']}, faults {count['faults']}")
    print(f"entries {dict(states)}")
    print({name: number for name, number in count.items() if "entry" in name})
    lasted = sum(entry["to"] - entry["from"] for entry in verdict.entries if entry["tags"] is None) / SECOND
    print(f"entries of all tags last {lasted:.0f} s")
    waits = sorted(verdict.lateness(), key=lambda one: one[0])
    if waits:
        half, most = waits[len(waits) // 2][0] / SECOND, waits[-1][0] / SECOND
        print(f"collected again after {half:.1f} s in the middle, {most:.1f} s at the most")
    for late, deed, end, entry in [one for one in waits if one[0] > LATE]:
        print(f"LATE by {late / SECOND:.1f} s after {deed} at {end}, entry {entry['id']}")
        said(arguments.directory, end, entry["to"])
    for text in verdict.faults:
        print("FAULT", text)


if __name__ == "__main__":
    main()
