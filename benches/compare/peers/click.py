"""ClickHouse in process (chdb): MergeTree ordered by (sid, ts), one table a type.

The codec of a value column is the smallest of CODECS for the data set at hand: more than a user
would do, so the comparison is against the best that ClickHouse has.
"""

import numpy as np
import pyarrow as pa

import data
from peers import fresh, rows, timed, tree_bytes
from peers.duck import table_of

COLUMN = {"f64": "Float64", "i64": "Int64", "bool": "UInt8", "str": "LowCardinality(String)"}
CODECS = {
    "f64": ["ALP, ZSTD(1)", "Gorilla, ZSTD(1)", "FPC(12), ZSTD(1)", "ZSTD(3)", "ZSTD(9)"],
    "i64": ["T64, ZSTD(1)", "DoubleDelta, ZSTD(1)", "Delta, ZSTD(3)", "ZSTD(3)"],
    "bool": ["T64, ZSTD(1)", "ZSTD(3)"],
    "str": ["ZSTD(3)"],
}


class ClickHouse:
    """The store; runs in a process of its own."""

    def __init__(self, folder):
        import chdb.session

        self.folder = fresh(folder)
        self.session = chdb.session.Session(str(folder / "store"))
        self.ask("SET enable_alp_codec = 1")
        self.ask("SET max_threads = 2")

    def asked(self):
        return tuple(self.QUERIES)

    def ask(self, text, form="CSV"):
        return self.session.query(text, form)

    def rows(self, text):
        return [line.split("\t") for line in self.ask(text, "TSV").bytes().decode().splitlines()]

    def create(self, name, kind, codec):
        self.ask(f"""CREATE TABLE d.{name} (sid UInt32 CODEC(Delta, ZSTD(1)),
            ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
            value {COLUMN[kind]} CODEC({codec}), quality UInt32 CODEC(ZSTD(1)))
            ENGINE = MergeTree ORDER BY (sid, ts)""")

    def best(self, kind, path):
        """The codec whose value column is the smallest for this data."""
        sizes = {}
        for number, codec in enumerate(CODECS[kind]):
            name = f"try_{kind}_{number}"
            try:
                self.create(name, kind, codec)
            except Exception:  # A codec this version does not have.
                continue
            self.ask(f"INSERT INTO d.{name} SELECT * FROM file('{path}', Parquet)")
            self.ask(f"OPTIMIZE TABLE d.{name} FINAL")
            found = self.rows(f"""SELECT sum(column_data_compressed_bytes)
                FROM system.parts_columns
                WHERE database = 'd' AND table = '{name}' AND column = 'value' AND active""")
            sizes[codec] = int(found[0][0])
            self.ask(f"DROP TABLE d.{name} SYNC")
        return min(sizes, key=sizes.get)

    def load(self, dataset):
        import pyarrow.parquet as pq

        self.ask("CREATE DATABASE IF NOT EXISTS d ENGINE = Atomic")
        self.names = {one.name: number for number, one in enumerate(dataset.series)}
        files = {}
        for kind, series in dataset.types().items():
            dtype = pa.uint8() if kind == "bool" else data.ARROW[kind]
            path = self.folder / f"{kind}.parquet"
            pq.write_table(table_of(series, self.names, dtype), path, compression="snappy")
            files[kind] = path
        # The choice is made on at most eight million samples.
        self.codecs = {kind: self.best(kind, path) if dataset.samples < 8_000_000 else "ALP, ZSTD(1)"
                       for kind, path in files.items()}

        def insert():
            self.ask("CREATE TABLE d.series (sid UInt32, name String) ENGINE = MergeTree ORDER BY sid")
            rows = ",".join(f"({sid}, '{name}')" for name, sid in self.names.items())
            self.ask(f"INSERT INTO d.series VALUES {rows}")
            for kind, path in files.items():
                self.create(kind + "s", kind, self.codecs[kind])
                self.ask(f"INSERT INTO d.{kind}s SELECT * FROM file('{path}', Parquet)")

        cpu = timed(insert)[1]
        for path in files.values():
            path.unlink()
        return cpu

    def settle(self):
        tables = [*(kind + "s" for kind in self.codecs), "series"]

        def merge():
            for table in tables:
                self.ask(f"OPTIMIZE TABLE d.{table} FINAL")

        cpu = timed(merge)[1]
        # Parts that were merged away stay for minutes and are not what the data costs.
        self.active = sum(int(self.rows(
            f"SELECT sum(bytes_on_disk) FROM system.parts WHERE database = 'd' "
            f"AND table = '{table}' AND active")[0][0]) for table in tables)
        return cpu

    def bytes(self):
        return {"directory": self.active, "with parts merged away": tree_bytes(self.folder)}

    def series(self, dataset):
        import pyarrow.ipc

        found = {}
        for kind, series in dataset.types().items():
            value = "toString(value)" if kind == "str" else "value"
            answer = self.ask(f"""SELECT sid, toUnixTimestamp64Milli(ts) AS ts, {value} AS value
                FROM d.{kind}s ORDER BY sid, ts
                SETTINGS output_format_arrow_string_as_string = 1""", "ArrowStream").bytes()
            table = pyarrow.ipc.open_stream(answer).read_all()
            sid, ts = table["sid"].to_numpy(), table["ts"].to_numpy()
            values = table["value"].to_numpy()
            for one in series:
                low, high = np.searchsorted(sid, [self.names[one.name], self.names[one.name] + 1])
                found[one.name] = (ts[low:high], values[low:high])
        return found

    HOUR_MS = data.START_MS + 180 * 86_400_000
    QUERIES = {
        "year_buckets": f"""SELECT intDiv(toUnixTimestamp64Milli(ts) - {data.START_MS},
            {data.YEAR_BUCKET_S * 1000}) AS b, count(), min(value), max(value), avg(value)
            FROM d.f64s WHERE sid = 0 GROUP BY b ORDER BY b""",
        "year_plot": f"""SELECT intDiv(toUnixTimestamp64Milli(ts) - {data.START_MS},
            {data.YEAR_BUCKET_S * 1000}) AS b, argMin(value, ts), min(value), max(value),
            argMax(value, ts) FROM d.f64s WHERE sid = 0 GROUP BY b ORDER BY b""",
        "year_whole": "SELECT count(), min(value), max(value), avg(value) FROM d.f64s WHERE sid = 0",
        "raw_hour": f"""SELECT toUnixTimestamp64Milli(ts), value FROM d.f64s WHERE sid = 0
            AND ts >= fromUnixTimestamp64Milli({HOUR_MS})
            AND ts < fromUnixTimestamp64Milli({HOUR_MS + 3_600_000}) ORDER BY ts""",
        "plant_by_tag": """SELECT name, count(), min(value), max(value), avg(value)
            FROM d.f64s JOIN d.series USING (sid) GROUP BY name ORDER BY name""",
        "unit_minutes": f"""SELECT name, intDiv(toUnixTimestamp64Milli(ts), 60000) AS m, avg(value),
            min(value), max(value) FROM d.f64s JOIN d.series USING (sid)
            WHERE name LIKE '{data.SHIFT_GROUP}/%' GROUP BY name, m ORDER BY name, m""",
        "shift_by_tag": """SELECT name, count(), min(value), max(value), avg(value)
            FROM d.f64s JOIN d.series USING (sid) GROUP BY name ORDER BY name""",
        "shift_filtered": f"""SELECT name, count(), min(value), max(value), avg(value)
            FROM d.f64s JOIN d.series USING (sid) WHERE value > {data.SHIFT_ABOVE}
            GROUP BY name ORDER BY name""",
        "last_all": " UNION ALL ".join(
            f"SELECT name, max(ts), toString(argMax(value, ts)) FROM d.{kind}s"
            " JOIN d.series USING (sid) GROUP BY name" for kind in COLUMN),
    }

    def query(self, name):
        import pyarrow.ipc

        def table():
            settings = " SETTINGS output_format_arrow_string_as_string = 1"
            answer = self.ask(self.QUERIES[name] + settings, "ArrowStream").bytes()
            return pyarrow.ipc.open_stream(answer).read_all()

        found, cpu, wall = timed(table)
        return rows(found), cpu, wall

    def close(self):
        self.session.close()
