"""Whole tables at once: connectorx, ADBC, polars. These read by COPY in binary."""

from check import Checks, needs, same, server

host, port = server()
url = f"postgresql://test@{host}:{port}/tacitus"
SQL = "SELECT tag, ts, value, quality, good FROM samples ORDER BY tag, ts LIMIT 50"
checks = Checks("frames")


def connectorx(protocol):
    (cx,) = needs("connectorx")
    same(len(cx.read_sql(url, SQL, protocol=protocol, return_type="arrow")), 50)


def adbc():
    (dbapi,) = needs("adbc_driver_postgresql.dbapi")
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(SQL)
        same(cursor.fetch_arrow_table().num_rows, 50)


def adbc_ingest():
    import datetime
    pyarrow, dbapi = needs("pyarrow", "adbc_driver_postgresql.dbapi")
    start = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
    table = pyarrow.table({
        "tag": ["clients/adbc"],
        "ts": pyarrow.array([start], pyarrow.timestamp("us", "UTC")),
        "value": [2.5],
    })
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        same(cursor.adbc_ingest("samples", table, mode="append"), 1)


def polars():
    (polars,) = needs("polars")
    same(polars.read_database_uri(SQL, url, engine="connectorx").height, 50)


checks.check("connectorx, binary", lambda: connectorx("binary"))
checks.check("connectorx, csv", lambda: connectorx("csv"))
checks.check("connectorx, cursor", lambda: connectorx("cursor"))
checks.check("connectorx, simple", lambda: connectorx("simple"))
checks.check("ADBC PostgreSQL", adbc)
checks.check("ADBC PostgreSQL, ingest", adbc_ingest)
checks.check("polars", polars)
checks.end()
