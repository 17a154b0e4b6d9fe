#!/usr/bin/env python3
"""An OPC UA server of a foreign make, to try a collector on.

    pip install asyncua==2.1.0
    python tests/peers/asyncua_server.py [port] [variables] [namespaces to put before]

It serves Objects/Line/v0 ... as doubles that change ten times a second, and Line/state (text),
Line/count (int), Line/still (a double that never changes) and Line/sensor, whose status is bad
for five seconds in fifteen. The namespace is "urn:tacitus:peer"; put others before it to see what
a restart with other indices does.
"""
import asyncio
import datetime
import math
import sys

from asyncua import Server, ua


async def main(port: int, count: int, before: int) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    for number in range(before):
        await server.register_namespace(f"urn:tacitus:before:{number}")
    ns = await server.register_namespace("urn:tacitus:peer")
    line = await server.nodes.objects.add_object(ua.NodeId("Line", ns), ua.QualifiedName("Line", ns))

    async def variable(name, value):
        node = ua.NodeId(f"Line.{name}", ns)
        return await line.add_variable(node, ua.QualifiedName(name, ns), value)

    doubles = [await variable(f"v{number}", 0.0) for number in range(count)]
    state = await variable("state", "running")
    counter = await variable("count", ua.Variant(0, ua.VariantType.Int64))
    sensor = await variable("sensor", 1.5)
    await variable("still", 42.0)

    async with server:
        print(f"ready opc.tcp://127.0.0.1:{port} ns={ns}", flush=True)
        tick = 0
        while True:
            now = datetime.datetime.now(datetime.timezone.utc)
            for number, node in enumerate(doubles):
                value = math.sin(tick / 20 + number)
                await server.write_attribute_value(
                    node.nodeid, ua.DataValue(ua.Variant(value), SourceTimestamp=now)
                )
            if tick % 10 == 0:
                second = tick // 10
                bad = second % 15 >= 10
                code = ua.StatusCode(ua.StatusCodes.BadSensorFailure if bad else ua.StatusCodes.Good)
                reading = ua.DataValue(ua.Variant(1.5 + second), StatusCode=code, SourceTimestamp=now)
                await server.write_attribute_value(sensor.nodeid, reading)
                await counter.write_value(ua.Variant(second, ua.VariantType.Int64))
                await state.write_value("running" if second % 20 < 15 else "stopped")
            tick += 1
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]] + [4840, 20, 0][len(sys.argv) - 1 :]
    asyncio.run(main(*given))
