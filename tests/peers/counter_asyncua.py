#!/usr/bin/env python3
"""A peer of restarts.py: counters of an OPC UA server by asyncua.

    pip install asyncua==2.1.0
    python tests/peers/counter_asyncua.py PORT LOG ITEMS PERIOD_MS

Objects/Line/c0 ... are doubles: c3 at tick 17 is 17003 (the tick times 1000, and the item). Every tick is
written to LOG ("NANOSECONDS TICK") before it is shown, and goes on from there after a restart. Every second
item keeps a history, which is that log: it outlives a kill. SIGTERM ends the server in an orderly way.
"""
import asyncio
import datetime
import os
import signal
import sys
import time

from asyncua import Server, ua
from asyncua.server.history import HistoryStorageInterface

UTC = datetime.timezone.utc


class Log(HistoryStorageInterface):
    """The ticks of all lives of this server."""

    def __init__(self, path: str) -> None:
        super().__init__(max_history_data_response_size=500)
        self.ticks = []
        if os.path.exists(path):
            with open(path) as lines:
                words = (line.split() for line in lines)
                self.ticks = [(int(pair[0]), int(pair[1])) for pair in words if len(pair) == 2]
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def next(self):
        ns = time.time_ns() // 1_000_000 * 1_000_000
        tick = self.ticks[-1][1] + 1 if self.ticks else 1
        os.write(self.file, b"%d %d\n" % (ns, tick))
        self.ticks.append((ns, tick))
        return ns, tick

    async def init(self):
        pass

    async def new_historized_node(self, node_id, period, count=0):
        pass

    async def save_node_value(self, node_id, datavalue):
        pass

    async def stop(self):
        pass

    async def read_node_history(self, node_id, start, end, nb_values):
        item = int(node_id.Identifier.rsplit("c", 1)[1])
        low, high = nanos(start), nanos(end)
        found = [tick for tick in self.ticks if low <= tick[0] <= high]
        # As asyncua's own stores: what is beyond the count asked for has no continuation point.
        found = found[:nb_values] if nb_values else found
        most = self.max_history_data_response_size
        after = moment(found[most][0]) if len(found) > most else None
        return [reading(ns, tick, item) for ns, tick in found[:most]], after


def nanos(time_of_day) -> int:
    whole = int(time_of_day.replace(microsecond=0, tzinfo=UTC).timestamp())
    return whole * 1_000_000_000 + time_of_day.microsecond * 1000


def moment(ns: int):
    return datetime.datetime.fromtimestamp(ns // 1_000_000_000, UTC).replace(microsecond=ns // 1000 % 1_000_000)


def reading(ns: int, tick: int, item: int):
    value = ua.Variant(float(tick * 1000 + item), ua.VariantType.Double)
    return ua.DataValue(value, SourceTimestamp=moment(ns), ServerTimestamp=moment(ns))


async def main(port: int, log: Log, items: int, period_ms: int) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.iserver.history_manager.set_storage(log)
    ns = await server.register_namespace("urn:tacitus:peer")
    line = await server.nodes.objects.add_object(ua.NodeId("Line", ns), ua.QualifiedName("Line", ns))
    first = log.next()
    nodes = []
    for item in range(items):
        name = f"c{item}"
        start = reading(*first, item)
        node = await line.add_variable(ua.NodeId(f"Line.{name}", ns), ua.QualifiedName(name, ns), start.Value)
        await server.write_attribute_value(node.nodeid, start)
        if item % 2 == 0:
            await server.historize_node_data_change(node)
        nodes.append(node)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with server:
        print("ready", flush=True)
        while not ended.is_set():
            ns, tick = log.next()
            for item, node in enumerate(nodes):
                await server.write_attribute_value(node.nodeid, reading(ns, tick, item))
            await asyncio.sleep(period_ms / 1000)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Log(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
