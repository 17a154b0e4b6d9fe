#!/usr/bin/env python3
"""A peer of restarts.py: counters of a Modbus TCP gateway by pymodbus, with two units behind it.

    pip install pymodbus==3.16.1
    python tests/peers/counter_pymodbus.py PORT LOG ITEMS PERIOD_MS

Item n is a uint32 in two holding registers of unit 1 (even n) or 2 (odd n), from register 2 * (n // 2), the
higher word first: the tick times 1000, and the item. Every tick is written to LOG ("NANOSECONDS TICK") before
it can be read, and goes on from there after a restart.
"""
import asyncio
import os
import signal
import sys
import time

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


class Ticks:
    def __init__(self, path: str) -> None:
        self.last = 0
        if os.path.exists(path):
            with open(path) as lines:
                pairs = [pair for pair in (line.split() for line in lines) if len(pair) == 2]
                self.last = int(pairs[-1][1]) if pairs else 0
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def next(self) -> None:
        os.write(self.file, b"%d %d\n" % (time.time_ns(), self.last + 1))
        self.last += 1


def device(unit: int, ticks: Ticks, items: int) -> SimDevice:
    own = range(unit - 1, items, 2)

    async def answer(_function, first, _address, _count, registers, _values):
        for place, item in enumerate(own):
            number = (ticks.last * 1000 + item) & 0xFFFF_FFFF
            registers[2 * place - first : 2 * place + 2 - first] = [number >> 16, number & 0xFFFF]

    data = SimData(0, values=[0] * (2 * len(own)), datatype=DataType.REGISTERS)
    return SimDevice(unit, simdata=[data], action=answer)


async def main(port: int, ticks: Ticks, items: int, period_ms: int) -> None:
    ticks.next()
    devices = [device(unit, ticks, items) for unit in (1, 2)]
    server = ModbusTcpServer(devices, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    print("ready", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    while not ended.is_set():
        await asyncio.sleep(period_ms / 1000)
        ticks.next()
    await server.shutdown()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Ticks(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
