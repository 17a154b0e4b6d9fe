"""asyncpg: everything is prepared and binary; types are looked up in the catalog."""

import asyncio
import datetime

from check import Checks, needs, same, server

(asyncpg,) = needs("asyncpg")
host, port = server()
checks = Checks("asyncpg")
START = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)


def run(act):
    async def whole():
        connection = await asyncpg.connect(host=host, port=port, user="test", database="tacitus")
        try:
            await act(connection)
        finally:
            await connection.close()

    return lambda: asyncio.run(asyncio.wait_for(whole(), 30))


async def insert(connection):
    rows = [("clients/asyncpg", START + datetime.timedelta(seconds=at), float(at)) for at in range(20)]
    await connection.executemany("INSERT INTO samples (tag, ts, value) VALUES ($1, $2, $3)", rows)


async def copy(connection):
    rows = [("clients/asyncpg", START + datetime.timedelta(seconds=at), float(at)) for at in range(100)]
    done = await connection.copy_records_to_table("samples", records=rows, columns=["tag", "ts", "value"])
    same(done, "COPY 100")


async def parameters(connection):
    sql = "SELECT tag, ts, value, good FROM samples WHERE tag = $1 AND ts >= $2 ORDER BY ts LIMIT $3"
    rows = await connection.fetch(sql, "clients/asyncpg", START, 2)
    same([tuple(row) for row in rows][1],
         ("clients/asyncpg", START + datetime.timedelta(seconds=1), 1.0, True))


async def lists(connection):
    sql = "SELECT count(*) FROM samples WHERE tag = ANY($1)"
    same(await connection.fetchval(sql, ["clients/asyncpg", "x"]), 100)


async def arrays(connection):
    same(await connection.fetchval("SELECT ARRAY[1, 2, 3]"), [1, 2, 3])
    same(await connection.fetchval("SELECT ARRAY['a', 'b']"), ["a", "b"])


async def interval(connection):
    got = await connection.fetchval("SELECT now() - $1::interval < now()", datetime.timedelta(days=1))
    same(got, True)


async def cursor(connection):
    async with connection.transaction():
        values = []
        sql = "SELECT value FROM samples WHERE tag = 'clients/asyncpg' ORDER BY ts"
        async for row in connection.cursor(sql, prefetch=7):
            values.append(row[0])
        same(values, [float(at) for at in range(100)])


async def timeout(connection):
    try:
        await connection.fetch("SELECT count(*) FROM generate_series(1, 100000000000)", timeout=0.3)
    except asyncio.TimeoutError:
        same(await connection.fetchval("SELECT 1"), 1)
        return
    raise AssertionError("it was not stopped")


async def export(connection):
    import io
    out = io.BytesIO()
    await connection.copy_from_query("SELECT 1, 'a'", output=out, format="csv")
    same(out.getvalue(), b"1,a\n")


checks.check("executemany INSERT", run(insert))
checks.check("COPY in", run(copy))
checks.check("parameters and LIMIT", run(parameters))
checks.check("a list as a parameter", run(lists))
checks.check("arrays", run(arrays))
checks.check("an interval as a parameter", run(interval))
checks.check("a cursor", run(cursor))
checks.check("a timeout cancels", run(timeout))
checks.check("COPY out", run(export))
checks.end()
