"""DuckDB in process: one table a type, (sid, ts, value, quality), sorted by series and time."""

import duckdb
import numpy as np
import pyarrow as pa

import data
from peers import fresh, rows, timed, tree_bytes

COLUMN = {"f64": "DOUBLE", "i64": "BIGINT", "bool": "BOOLEAN", "str": "VARCHAR"}


def table_of(series, names, dtype):
    """The samples of some series as one Arrow table in the order of (sid, ts)."""
    sid = np.concatenate([np.full(len(one.ts), names[one.name], np.uint32) for one in series])
    ts = np.concatenate([one.ts for one in series])
    values = np.concatenate([one.values for one in series])
    return pa.table({
        "sid": pa.array(sid),
        "ts": pa.array(ts).cast(pa.timestamp("ms")),
        "value": pa.array(values, type=dtype),
        "quality": pa.array(np.zeros(len(ts), np.uint32)),
    })


class DuckDb:
    """The store; runs in a process of its own."""

    def __init__(self, folder):
        self.folder = fresh(folder)
        self.open()
        self.connection.execute("CREATE TABLE series (sid UINTEGER, name VARCHAR, type VARCHAR)")

    def open(self):
        self.connection = duckdb.connect(str(self.folder / "store.duckdb"))
        self.connection.execute("SET threads = 2; SET TimeZone = 'UTC'")

    def asked(self):
        return tuple(self.QUERIES)

    def load(self, dataset):
        names = {one.name: number for number, one in enumerate(dataset.series)}
        tables = {kind: table_of(series, names, data.ARROW[kind])
                  for kind, series in dataset.types().items()}
        self.names = names

        def insert():
            for kind, table in tables.items():
                self.connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {kind}s (sid UINTEGER, ts TIMESTAMP_MS,"
                    f" value {COLUMN[kind]}, quality UINTEGER)")
                self.connection.register("given", table)
                self.connection.execute(f"INSERT INTO {kind}s SELECT * FROM given")
                self.connection.unregister("given")
            for name, sid in names.items():
                self.connection.execute("INSERT INTO series VALUES (?, ?, '')", [sid, name])

        return timed(insert)[1]

    def settle(self):
        cpu = timed(lambda: self.connection.execute("CHECKPOINT"))[1]
        self.connection.close()
        self.open()
        return cpu

    def bytes(self):
        return {"directory": tree_bytes(self.folder)}

    def series(self, dataset):
        found = {}
        for kind, series in dataset.types().items():
            table = self.connection.sql(
                f"SELECT sid, epoch_ms(ts) AS ts, value FROM {kind}s ORDER BY sid, ts").to_arrow_table()
            sid, ts = table["sid"].to_numpy(), table["ts"].to_numpy()
            values = table["value"].to_numpy()
            for one in series:
                low, high = np.searchsorted(sid, [self.names[one.name], self.names[one.name] + 1])
                found[one.name] = (ts[low:high], values[low:high])
        return found

    YEAR = "FROM f64s WHERE sid = 0"
    QUERIES = {
        "year_buckets": f"""SELECT (epoch_ms(ts) - {data.START_MS}) // {data.YEAR_BUCKET_S * 1000} AS b,
            count(*), min(value), max(value), avg(value) {YEAR} GROUP BY b ORDER BY b""",
        "year_plot": f"""SELECT (epoch_ms(ts) - {data.START_MS}) // {data.YEAR_BUCKET_S * 1000} AS b,
            arg_min(value, ts), min(value), max(value), arg_max(value, ts) {YEAR}
            GROUP BY b ORDER BY b""",
        "year_whole": f"SELECT count(*), min(value), max(value), avg(value) {YEAR}",
        "raw_hour": f"""SELECT epoch_ms(ts), value {YEAR}
            AND ts >= make_timestamp_ms({data.START_MS + 180 * 86_400_000})
            AND ts < make_timestamp_ms({data.START_MS + 180 * 86_400_000 + 3_600_000}) ORDER BY ts""",
        "plant_by_tag": """SELECT name, count(*), min(value), max(value), avg(value)
            FROM f64s JOIN series USING (sid) GROUP BY name ORDER BY name""",
        "unit_minutes": f"""SELECT name, epoch_ms(ts) // 60000 AS m, avg(value), min(value), max(value)
            FROM f64s JOIN series USING (sid) WHERE name LIKE '{data.SHIFT_GROUP}/%'
            GROUP BY name, m ORDER BY name, m""",
        "shift_by_tag": """SELECT name, count(*), min(value), max(value), avg(value)
            FROM f64s JOIN series USING (sid) GROUP BY name ORDER BY name""",
        "shift_filtered": f"""SELECT name, count(*), min(value), max(value), avg(value)
            FROM f64s JOIN series USING (sid) WHERE value > {data.SHIFT_ABOVE}
            GROUP BY name ORDER BY name""",
        "last_all": " UNION ALL ".join(
            f"SELECT name, max(ts), arg_max(value, ts)::VARCHAR FROM {kind}s JOIN series USING (sid)"
            " GROUP BY name" for kind in COLUMN),
    }

    def query(self, name):
        table, cpu, wall = timed(lambda: self.connection.sql(self.QUERIES[name]).to_arrow_table())
        return rows(table), cpu, wall

    def close(self):
        self.connection.close()
