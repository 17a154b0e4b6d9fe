#!/usr/bin/env python3
"""Tries what an OPC UA collector can beside values, on servers of a foreign make.

    NODE_PATH=DIRECTORY/node_modules python tests/peers/features.py --tacitus target/release/tacitus --directory /tmp/features

Events, alarms, conditions, methods, structures, percent deadbands, users with certificates, redundant servers and a server that
keeps its sessions and sends no notifications any more. Says `ok` or `FAIL` for each; exit code 0: no FAIL. Everything is on
loopback, on ports that the system chooses. Needs asyncua, node-opcua and openssl.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error

from restarts import HERE, Relay, Tacitus, free_port, wait_for

FAILED = []


def check(what: str, holds) -> None:
    found = wait_for(90, holds) if callable(holds) else holds
    print("ok  " if found else "FAIL", what, flush=True)
    if not found:
        FAILED.append(what)


def peer(directory: str, *command: str):
    noise = open(os.path.join(directory, "peers.log"), "a")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=noise, text=True)
    for line in process.stdout:
        if line.strip() == "ready":
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return process
    raise SystemExit(f"{command[1]} does not start: {noise.name}")


def define(tacitus: Tacitus, name: str, port: int, **more) -> None:
    settings = {
        "endpoint": f"opc.tcp://127.0.0.1:{port}",
        "prefix": name,
        "publishing_interval": "250 ms",
        "sampling_interval": "50 ms",
        "browse": {"root": "nsu=urn:tacitus:peer;s=Line", "include": ["*"]},
        **more,
    }
    tacitus.ask("PUT", f"/api/v1/collectors/{name}", {"kind": "opcua", "settings": settings})


def one(tacitus: Tacitus, statement: str) -> str:
    rows = tacitus.rows(statement)
    return next(iter(rows[0].values())) if rows else ""


def newest(tacitus: Tacitus, tag: str) -> float:
    return float(one(tacitus, f"SELECT value FROM latest WHERE tag = '{tag}' AND good") or "nan")


def call(tacitus: Tacitus, name: str, number: float):
    body = {
        "object": "nsu=urn:tacitus:peer;s=Line",
        "method": "nsu=urn:tacitus:peer;s=Line.double",
        "arguments": [{"type": "Double", "value": number}],
    }
    try:
        return json.loads(tacitus.ask("POST", f"/api/v1/collectors/{name}/call", body))
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


def events(tacitus: Tacitus, name: str):
    rows = tacitus.rows(f"SELECT tag, text FROM samples WHERE tag LIKE '%/{name}/events/%' ORDER BY ts")
    return [(row["tag"], json.loads(row["text"])) for row in rows if row["text"]]


def structures_and_methods(tacitus: Tacitus, name: str) -> None:
    check(f"{name}: the fields of a structure are tags", lambda: newest(tacitus, f"{name}/drive/Speed") > 1.5)
    check(f"{name}: an array in it too", lambda: newest(tacitus, f"{name}/drive/Axis/2") == 3)
    said = "SELECT text FROM latest WHERE tag = '{}/drive/Name'"
    check(f"{name}: and a text", lambda: one(tacitus, said.format(name)) == "M1")
    check(f"{name}: a method answers", lambda: call(tacitus, name, 21).get("outputs") == [42.0])


def asyncua_alone(tacitus: Tacitus, directory: str) -> None:
    port, other = free_port(), free_port()
    program = os.path.join(HERE, "features_asyncua.py")
    process = peer(directory, sys.executable, program, str(port), directory, str(other))
    define(tacitus, "asyncua", port, events=["nsu=urn:tacitus:peer;s=Line"])
    structures_and_methods(tacitus, "asyncua")
    told = lambda: any(event.get("message", "").startswith("event ") for _, event in events(tacitus, "asyncua"))
    check("asyncua: its events are text samples", told)
    numbers = lambda: [int(event["message"].split()[1]) for _, event in events(tacitus, "asyncua")]
    check("asyncua: none of them is missing", lambda: len(numbers()) > 5)
    check("asyncua: and they are in order", numbers() == list(range(numbers()[0], numbers()[-1] + 1, 4)))
    process.kill()
    process.wait()


def redundant(tacitus: Tacitus, directory: str) -> None:
    """Two servers, of which the settings name one."""
    ports = [free_port(), free_port()]
    program = os.path.join(HERE, "features_asyncua.py")
    start = lambda own, other: peer(directory, sys.executable, program, str(own), directory, str(other))
    pair = [start(*ports), start(*reversed(ports))]
    define(tacitus, "pair", ports[0])
    check("redundancy: the first serves", lambda: newest(tacitus, "pair/port") == ports[0])
    time.sleep(2)
    pair[0].kill()
    pair[0].wait()
    check("redundancy: the other one is found and takes over", lambda: newest(tacitus, "pair/port") == ports[1])
    entry = "SELECT count(*) AS n FROM gaps WHERE source = 'opcua:pair' AND to_ts IS NOT NULL"
    check("redundancy: the change stands in the ledger", lambda: int(one(tacitus, entry)) >= 1)
    pair[0] = start(*ports)
    pair[1].send_signal(signal.SIGSTOP)
    check("redundancy: and back, when the other one hangs", lambda: newest(tacitus, "pair/port") == ports[0])
    for process in pair:
        process.kill()
        process.wait()


def acknowledged(tacitus: Tacitus) -> None:
    """An alarm that is active is acknowledged from here, becomes inactive, and is not told twice."""
    told = lambda: [event for _, event in events(tacitus, "node") if event.get("condition") == "LevelAlarm"]
    state = lambda: one(tacitus, "SELECT state FROM alarms WHERE condition = 'LevelAlarm'")
    check("node: SQL knows that it is active and nobody has seen it", lambda: state() == "unacknowledged")
    last = told()[-1]
    arguments = [{"type": "ByteString", "value": last["event_id"]}, {"type": "LocalizedText", "value": "on my way"}]
    body = {"object": last["condition_id"], "method": "i=9111", "arguments": arguments}
    answer = tacitus.ask("POST", "/api/v1/collectors/node/call", body)
    check(f"node: it is acknowledged by a call of its method ({answer})", lambda: state() == "acknowledged")
    check("node: and is normal when it is over", lambda: state() == "normal")
    journal = "SELECT state, comment FROM alarm_journal WHERE condition = 'LevelAlarm' ORDER BY ts"
    states = [(row["state"], row["comment"]) for row in tacitus.rows(journal)]
    words = [word for word, _ in states]
    at = words.index("acknowledged")
    check(f"node: the journal has all of it ({words})", words[at - 1] == "unacknowledged" and words[at + 1] == "normal")
    check("node: with what was said", states[at][1] == "on my way")
    check("node: an alarm is active again", lambda: state() == "unacknowledged")
    for paused in (True, False):
        tacitus.ask("PATCH", "/api/v1/collectors/node", {"paused": paused})
    check("node: a new session", lambda: one(tacitus, "SELECT state FROM collectors WHERE name = 'node'") == "connected")
    time.sleep(3)
    # A branch tells of the same moment what was not yet acknowledged.
    words = ("time", "branch", "active", "acknowledged", "message")
    keys = [tuple(event.get(word) for word in words) for event in told()]
    check("node: what the refresh tells again is not doubled", len(keys) == len(set(keys)))


def node_opcua(tacitus: Tacitus, directory: str) -> None:
    key, certificate = os.path.join(directory, "user.key"), os.path.join(directory, "user.der")
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=user -outform der".split()
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    port = free_port()
    program = os.path.join(HERE, "features_node_opcua.js")
    process = peer(directory, "node", program, str(port), directory, certificate)
    define(tacitus, "node", port, events=["i=2253"], deadband="10 %")
    structures_and_methods(tacitus, "node")
    check("node: a method that refuses says so", "BadOutOfRange" in json.dumps(call(tacitus, "node", -1)))
    alarms = lambda: [event for _, event in events(tacitus, "node") if event.get("condition") == "LevelAlarm"]
    check("node: an alarm becomes active", lambda: any(event.get("active") is True for event in alarms()))
    check("node: and inactive again", lambda: any(event.get("active") is False for event in alarms()))
    levels = lambda: [float(row["value"]) for row in tacitus.rows("SELECT value FROM samples WHERE tag = 'node/level' AND good ORDER BY ts")]
    check("node: the level was far and near", lambda: len(levels()) > 3)
    steps = [abs(after - before) for before, after in zip(levels(), levels()[1:])]
    check(f"node: no step within 10 % of the range was sent ({min(steps)})", min(steps) > 20)
    check("node: what has no range has no deadband", lambda: int(one(tacitus, "SELECT count(*) FROM samples WHERE tag = 'node/count'")) > 20)
    acknowledged(tacitus)

    certified = dict(security="basic256sha256", certificate_file=certificate, key_file=key)
    define(tacitus, "certified", port, **certified)
    shown = lambda: json.loads(tacitus.ask("GET", "/api/v1/opcua/certificates"))["certificates"]
    check("certificates: the server's is shown and waits", lambda: len(shown()) == 1)
    for one_shown in shown():
        decision = {"thumbprint": one_shown["thumbprint"], "decision": "approve", "any_host": True}
        tacitus.ask("POST", "/api/v1/opcua/certificates", decision)
    tacitus.ask("PATCH", "/api/v1/collectors/certified", {"paused": True})
    tacitus.ask("PATCH", "/api/v1/collectors/certified", {"paused": False})
    check("certificates: the user with the trusted one gets in", lambda: newest(tacitus, "certified/count") > 0)
    strange = {"key_file": os.path.join(directory, "other.key"), "certificate_file": os.path.join(directory, "other.der")}
    subprocess.run([*make, "-keyout", strange["key_file"], "-out", strange["certificate_file"]], check=True, stderr=subprocess.DEVNULL)
    define(tacitus, "stranger", port, **{**certified, **strange})
    error = "SELECT last_error FROM collectors WHERE name = 'stranger'"
    check("certificates: another one does not", lambda: "BadIdentityToken" in one(tacitus, error))
    process.kill()
    process.wait()


class Deaf(Relay):
    """A line that swallows the answers to Publish, and nothing else: the server keeps the session and says nothing."""

    deaf = False

    async def _carry(self, reader, writer, other):
        try:
            while True:
                head = await reader.readexactly(8)
                body = await reader.readexactly(int.from_bytes(head[4:], "little") - 8)
                # Channel, token, sequence, request, then the type: ns=0;i=829 in four bytes.
                is_publish = head[:3] == b"MSG" and body[16:20] == b"\x01\x00\x3d\x03"
                if not (self.deaf and is_publish):
                    writer.write(head + body)
                    await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            for one_end in (writer, other):
                one_end.transport.abort()


def silent(tacitus: Tacitus, directory: str) -> None:
    far = free_port()
    program = os.path.join(HERE, "features_asyncua.py")
    process = peer(directory, sys.executable, program, str(far), directory, str(free_port()))
    line = Deaf(far)
    line.do(line._mend())
    define(tacitus, "silent", line.port)
    check("silence: values come", lambda: newest(tacitus, "silent/count") > 0)
    line.deaf = True
    time.sleep(1)
    before = newest(tacitus, "silent/count")
    noticed = "SELECT count(*) FROM gaps WHERE source = 'opcua:silent'"
    check("silence: it is noticed, though the server answers", lambda: int(one(tacitus, noticed)) > 0)
    line.deaf = False
    check("silence: values come again", lambda: newest(tacitus, "silent/count") > before)
    still = "SELECT count(*) FROM gaps WHERE source = 'opcua:silent' AND state = 'open'"
    check("silence: the entry is closed", lambda: int(one(tacitus, still)) == 0)
    process.kill()
    process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tacitus", required=True, help="the binary")
    parser.add_argument("--directory", required=True, help="an empty directory for all that is written")
    arguments = parser.parse_args()
    os.makedirs(arguments.directory, exist_ok=True)
    tacitus = Tacitus(os.path.abspath(arguments.tacitus), arguments.directory)
    try:
        for part in (asyncua_alone, node_opcua, silent, redundant):
            part(tacitus, arguments.directory)
    finally:
        tacitus.process.terminate()
        tacitus.process.wait(30)
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
