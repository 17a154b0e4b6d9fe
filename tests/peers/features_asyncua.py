#!/usr/bin/env python3
"""A peer of features.py by asyncua: events, a method, a structure, and a set of two redundant servers.

    pip install asyncua==2.1.0
    python tests/peers/features_asyncua.py PORT DIRECTORY OTHER_PORT

The server at PORT names the one at OTHER_PORT as the other of its set (RedundancySupport hot, ServerUriArray,
FindServers); nothing else is said of it. Objects/Line/count rises, and says from which server.
"""
import asyncio
import sys

from asyncua import Server, ua, uamethod
from asyncua.common.structures104 import new_struct, new_struct_field


@uamethod
def double(_parent, number):
    return number * 2


def uri(port: int) -> str:
    return f"urn:tacitus:peer:{port}"


async def redundant(server: Server, own: int, other: int) -> None:
    await server.set_application_uri(uri(own))
    support = server.get_node(ua.NodeId(ua.ObjectIds.Server_ServerRedundancy_RedundancySupport))
    await support.write_value(ua.Variant(ua.RedundancySupport.Hot, ua.VariantType.Int32))
    name = ua.NodeId(ua.ObjectIds.Server_ServerRedundancy_ServerUriArray)
    uris = ua.Variant([uri(own), uri(other)], ua.VariantType.String)
    try:
        await server.get_node(name).write_value(uris)
    except ua.UaError:
        parent = server.get_node(ua.NodeId(ua.ObjectIds.Server_ServerRedundancy))
        await parent.add_property(name, ua.QualifiedName("ServerUriArray", 0), uris)
    known = ua.RegisteredServer()
    known.ServerUri = uri(other)
    known.ServerNames = [ua.LocalizedText("other")]
    known.DiscoveryUrls = [f"opc.tcp://127.0.0.1:{other}"]
    server.iserver.register_server(known)


async def main(port: int, other: int) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    ns = await server.register_namespace("urn:tacitus:peer")
    await redundant(server, port, other)
    line = await server.nodes.objects.add_object(ua.NodeId("Line", ns), ua.QualifiedName("Line", ns))
    count = await line.add_variable(ua.NodeId("Line.count", ns), ua.QualifiedName("count", ns), 0)
    whose = await line.add_variable(ua.NodeId("Line.port", ns), ua.QualifiedName("port", ns), port)
    await new_struct(
        server, ns, "Motor",
        [
            new_struct_field("Speed", ua.VariantType.Double),
            new_struct_field("Name", ua.VariantType.String),
            new_struct_field("Axis", ua.VariantType.Int32, array=True),
        ],
    )
    await server.load_data_type_definitions()
    drive = await line.add_variable(ua.NodeId("Line.drive", ns), ua.QualifiedName("drive", ns), ua.Motor(1.5, "M1", [1, 2, 3]))
    await line.add_method(ua.NodeId("Line.double", ns), ua.QualifiedName("double", ns), double, [ua.VariantType.Double], [ua.VariantType.Double])
    events = await server.get_event_generator(ua.ObjectIds.SystemEventType, line)
    async with server:
        print("ready", flush=True)
        tick = 0
        while True:
            tick += 1
            await count.write_value(tick)
            await whose.write_value(port)
            await drive.write_value(ua.Motor(tick + 0.5, "M1", [1, 2, 3]))
            if tick % 4 == 0:
                events.event.Severity = 700
                await events.trigger(message=f"event {tick}")
            await asyncio.sleep(0.25)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[3])))
