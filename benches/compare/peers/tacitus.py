"""Tacitus: files in by `tacitus import`, SQL over HTTP out."""

import os
import pathlib
import subprocess

import numpy as np
import pyarrow.ipc

import data
from peers import Http, Process, Server, fresh, rows, tree_bytes

# A column of 0 and 1 is whole numbers unless one says otherwise; so is one of floats that are all
# written without a point.
KIND = {"f64": "float", "i64": "int", "bool": "bool", "str": "text"}


class Tacitus(Server):
    """The store. It is a process only while it is asked: import and compaction want it alone."""

    queries = ("year_buckets", "year_plot", "year_whole", "raw_hour", "plant_by_tag", "last_all",
               "unit_minutes", "shift_by_tag", "shift_filtered")

    def __init__(self, folder, binary):
        self.binary, self.folder = pathlib.Path(binary), fresh(folder)
        self.log = folder.parent / f"{folder.name}.log"
        self.process = None

    def run(self, *words):
        """CPU seconds of one command."""
        command = [str(word) for word in (self.binary, *words, "--data", self.folder)]
        with open(self.log, "ab") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            _, status, used = os.wait4(child.pid, 0)
        if status != 0:
            raise RuntimeError(f"{words[0]} ended with {os.waitstatus_to_exitcode(status)}, "
                               f"see {self.log}")
        return used.ru_utime + used.ru_stime

    def load(self, dataset):
        if dataset.files:
            kinds = (f"--kind={one.name}={KIND[one.type]}" for one in dataset.series)
            return self.run("import", *dataset.files, *kinds)
        given = self.folder.parent / f"{self.folder.name}-given"
        files = dataset.write_parquet(fresh(given))
        cpu = self.run("import", *files)
        for path in files:
            path.unlink()
        return cpu

    def settle(self):
        return self.run("compact")

    def bytes(self):
        """The whole directory, and what of it holds data at rest: the log is a fixed reserve."""
        logs = sum(path.stat().st_size for pattern in ("*.log", "*.spare")
                   for path in self.folder.rglob(pattern))
        whole = tree_bytes(self.folder)
        return {"directory": whole, "without the log": whole - logs}

    def serve(self):
        """Starts the server on the directory as it is."""
        self.process = Process(
            [self.binary, "serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0",
             "--data", self.folder], self.log, {"TACITUS_LOG_LEVEL": "warn"})
        port = None
        while port is None:
            if self.process.child.poll() is not None:
                raise RuntimeError(f"the server ended, see {self.log}")
            for line in self.log.read_text(errors="replace").splitlines():
                if line.startswith("tacitus ready "):
                    port = int(line.split("http=")[1].split()[0].rsplit(":", 1)[1])
        self.process.wait_for(port)
        self.http = Http(port)

    def close(self):
        if self.process is not None:
            self.process.stop()
            self.process = None

    def series(self, dataset):
        self.serve()
        answer = self.http.ask(
            "POST", "/api/v1/sql", b"SELECT tag, ts, value, value_int, text FROM samples ORDER BY tag, ts",
            {"accept": "application/vnd.apache.arrow.stream"})
        self.close()
        table = pyarrow.ipc.open_stream(answer).read_all()
        tags = table["tag"].cast("string").combine_chunks().dictionary_encode()
        order = {name: number for number, name in enumerate(tags.dictionary.to_pylist())}
        sid = tags.indices.to_numpy()
        ts = table["ts"].cast("int64").to_numpy() // 1_000_000
        lanes = {"f64": table["value"], "i64": table["value_int"], "bool": table["value_int"],
                 "str": table["text"]}
        lanes = {kind: lane.to_numpy() for kind, lane in lanes.items()}
        found = {}
        for one in dataset.series:
            low, high = np.searchsorted(sid, [order.get(one.name, -1), order.get(one.name, -2) + 1])
            found[one.name] = (ts[low:high], lanes[one.type][low:high])
        return found

    def ask(self, text):
        answer = self.http.ask("POST", "/api/v1/sql", text.encode(),
                               {"accept": "application/vnd.apache.arrow.stream"})
        return pyarrow.ipc.open_stream(answer).read_all()

    def query(self, name):
        table, cpu, wall = super().query(name)
        return rows(table), cpu, wall

    FIRST = f"{np.datetime64(data.START_MS, 'ms')}Z"
    FOUR = "count(*), min(value), max(value), avg(value)"

    def year_buckets(self):
        return self.ask(f"""SELECT time_bucket('{data.YEAR_BUCKET_S} seconds', ts, TIMESTAMPTZ '{self.FIRST}')
            AS b, {self.FOUR} FROM samples WHERE tag = 'year/sensor' GROUP BY b ORDER BY b""")

    def year_plot(self):
        end = np.datetime64(data.START_MS + data.YEAR_SECONDS * 1000, "ms")
        return self.ask(f"""SELECT ts, value FROM plot('year/sensor', TIMESTAMPTZ '{self.FIRST}',
            TIMESTAMPTZ '{end}Z', {data.YEAR_BUCKETS})""")

    def year_whole(self):
        return self.ask(f"SELECT {self.FOUR} FROM samples WHERE tag = 'year/sensor'")

    def raw_hour(self):
        first = np.datetime64(data.START_MS + 180 * 86_400_000, "ms")
        return self.ask(f"""SELECT ts, value FROM samples WHERE tag = 'year/sensor'
            AND ts >= '{first}Z' AND ts < '{first + np.timedelta64(3600, "s")}Z' ORDER BY ts""")

    def plant_by_tag(self):
        return self.ask(f"""SELECT tag, {self.FOUR} FROM samples WHERE tag IN
            (SELECT name FROM tags WHERE kind = 'float') GROUP BY tag ORDER BY tag""")

    def shift_by_tag(self):
        return self.ask(f"SELECT tag, {self.FOUR} FROM samples GROUP BY tag ORDER BY tag")

    def shift_filtered(self):
        return self.ask(f"""SELECT tag, {self.FOUR} FROM samples WHERE value > {data.SHIFT_ABOVE}
            GROUP BY tag ORDER BY tag""")

    def unit_minutes(self):
        return self.ask(f"""SELECT tag, time_bucket('1 minute', ts) AS m, avg(value), min(value),
            max(value) FROM samples WHERE tag LIKE '{data.SHIFT_GROUP}/%' GROUP BY tag, m
            ORDER BY tag, m""")

    def last_all(self):
        return self.ask("SELECT tag, ts, value, text FROM latest")
