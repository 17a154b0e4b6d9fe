#!/usr/bin/env python3
"""Tries a Modbus collector on a gateway by pymodbus.

    pip install pymodbus==3.16.1
    python tests/peers/features_modbus.py --tacitus target/release/tacitus --directory /tmp/modbus

Several units behind one gateway, one that is slow and one that is not there; registers that do not exist between those that do;
every type in every order of words and bytes; the longest reads. Says `ok` or `FAIL` for each; exit code 0: no FAIL.
"""
import argparse
import asyncio
import math
import os
import struct
import subprocess
import sys
import time

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from restarts import Tacitus, free_port, wait_for

FAILED = []
ORDERS = {
    4: {"ABCD": (0, 1, 2, 3), "BADC": (1, 0, 3, 2), "CDAB": (2, 3, 0, 1), "DCBA": (3, 2, 1, 0)},
    8: {
        "ABCDEFGH": (0, 1, 2, 3, 4, 5, 6, 7),
        "BADCFEHG": (1, 0, 3, 2, 5, 4, 7, 6),
        "GHEFCDAB": (6, 7, 4, 5, 2, 3, 0, 1),
        "HGFEDCBA": (7, 6, 5, 4, 3, 2, 1, 0),
    },
}
TYPES = {"int32": ("i", -123456789), "uint32": ("I", 3456789012), "float32": ("f", -12.375),
         "int64": ("q", -1234567890123), "float64": ("d", math.pi)}


def check(what: str, holds) -> None:
    found = wait_for(60, holds) if callable(holds) else holds
    print("ok  " if found else "FAIL", what, flush=True)
    if not found:
        FAILED.append(what)


def registers(layout: bytes):
    return [number for (number,) in struct.iter_unpack(">H", layout)]


def numbers():
    """Items and what their registers hold: every type in every order."""
    items, words = [], []
    for name, (letter, value) in TYPES.items():
        straight = struct.pack(">" + letter, value)
        for order, places in ORDERS[len(straight)].items():
            items.append({"tag": f"{name}/{order}", "at": f"holding:{len(words)}", "type": name, "order": order, "value": value})
            words += registers(bytes(straight[place] for place in places))
    return items, words


def device(unit: int, blocks, **more) -> SimDevice:
    data = [SimData(address, values=values, datatype=DataType.REGISTERS) for address, values in blocks]
    return SimDevice(unit, simdata=data, **more)


async def serve(port: int, log: str) -> None:
    """Unit 1: numbers. 2: 300 registers, and nothing from 40 to 49. 3: slow. 4: busy. Others: not there."""
    _, words = numbers()
    asked = open(log, "w", buffering=1)

    async def note(function, _first, address, count, _registers, _values):
        print(function, address, count, file=asked)

    async def slow(*_):
        await asyncio.sleep(0.4)

    async def busy(*_):
        return ExcCodes.DEVICE_BUSY

    devices = [
        device(1, [(0, words)]),
        device(2, [(0, list(range(40))), (50, list(range(50, 300)))], action=note),
        device(3, [(0, [33] * 4)], action=slow),
        device(4, [(0, [44] * 4)], action=busy),
    ]
    server = ModbusTcpServer(devices, address=("127.0.0.1", port), trace_pdu=absent)
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


def absent(sending: bool, pdu):
    """What a gateway says of a unit that it does not reach; pymodbus says "device failure"."""
    if sending and pdu.dev_id == 9 and pdu.isError():
        pdu.exception_code = ExcCodes.GATEWAY_NO_RESPONSE
    return pdu


def define(tacitus: Tacitus, name: str, port: int, items, **more) -> None:
    items = [{key: value for key, value in item.items() if key != "value"} for item in items]
    settings = {"address": f"127.0.0.1:{port}", "prefix": name, "every": "200 ms", "timeout": "2 s", "items": items, **more}
    tacitus.ask("PUT", f"/api/v1/collectors/{name}", {"kind": "modbus", "settings": settings})


def latest(tacitus: Tacitus, pattern: str):
    rows = tacitus.rows(f"SELECT tag, value, quality FROM latest WHERE tag LIKE '{pattern}'")
    return {row["tag"].split("/", 1)[1]: (float(row["value"]) if row["value"] else None, int(row["quality"])) for row in rows}


def orders(tacitus: Tacitus, port: int) -> None:
    items, _ = numbers()
    define(tacitus, "orders", port, items)
    for item in items:
        want = item["value"]
        check(f"{item['tag']} is {want}", lambda: latest(tacitus, "orders/%").get(item["tag"], (None,))[0] == want)


def holes(tacitus: Tacitus, port: int, log: str) -> None:
    """One collector of all registers: 40 to 49 do not exist."""
    items = [{"tag": f"r{number}", "at": f"holding:{number}", "unit_id": 2} for number in range(300)]
    define(tacitus, "holes", port, items)
    good = lambda: {tag for tag, (_, quality) in latest(tacitus, "holes/%").items() if quality == 0}
    check("every register that exists has its value", lambda: len(good()) == 290)
    bad = {tag for tag, (_, quality) in latest(tacitus, "holes/%").items() if quality == 0x80890000}
    check("and the others say that the settings do not fit", bad == {f"r{number}" for number in range(40, 50)})
    time.sleep(3)
    with open(log) as lines:
        reads = [tuple(int(word) for word in line.split()) for line in lines]
    check("no read is longer than 125 registers", max(count for _, _, count in reads) <= 125)
    rounds = sum(1 for _, address, _ in reads[-60:] if address == 0)
    check(f"few reads once that is known ({60 / max(rounds, 1):.0f} a round)", 60 / max(rounds, 1) <= 9)


def units(tacitus: Tacitus, port: int) -> None:
    items = [{"tag": f"unit{unit}", "at": "holding:0", "unit_id": unit} for unit in (1, 2, 3, 4, 9)]
    define(tacitus, "units", port, items, order="ABCD")
    check("a slow unit is read", lambda: latest(tacitus, "units/%").get("unit3") == (33.0, 0))
    check("a busy one says device failure", lambda: latest(tacitus, "units/%").get("unit4") == (None, 0x808B0000))
    check("one that is not there says no communication", lambda: latest(tacitus, "units/%").get("unit9") == (None, 0x80310000))
    count = lambda unit: int(tacitus.rows(f"SELECT count(*) AS n FROM samples WHERE tag = 'units/unit{unit}' AND good")[0]["n"])
    before = count(2), count(3), time.monotonic()
    time.sleep(8)
    spent = time.monotonic() - before[2]
    rates = [(count(2) - before[0]) / spent, (count(3) - before[1]) / spent]
    check(f"the others go on beside it ({rates[0]:.1f} and {rates[1]:.1f} a second)", rates[0] > 1 and rates[1] > 1)
    entry = "SELECT cause, state FROM gaps WHERE tags LIKE '%units/unit9%'"
    found = [(row["cause"], row["state"]) for row in tacitus.rows(entry)]
    check(f"what never answered has its entry {found}", found == [("device_down", "open")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tacitus", help="the binary")
    parser.add_argument("--directory", help="an empty directory for all that is written")
    parser.add_argument("--serve", nargs=2, metavar=("PORT", "LOG"), help="be the gateway")
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(int(arguments.serve[0]), arguments.serve[1]))
    os.makedirs(arguments.directory, exist_ok=True)
    port, log = free_port(), os.path.join(arguments.directory, "asked.log")
    noise = open(os.path.join(arguments.directory, "gateway.log"), "w")
    command = [sys.executable, __file__, "--serve", str(port), log]
    gateway = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=noise, text=True)
    gateway.stdout.readline()
    tacitus = Tacitus(os.path.abspath(arguments.tacitus), arguments.directory)
    try:
        orders(tacitus, port)
        holes(tacitus, port, log)
        units(tacitus, port)
    finally:
        gateway.kill()
        tacitus.process.terminate()
        tacitus.process.wait(30)
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
