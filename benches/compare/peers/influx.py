"""InfluxDB 1.x over HTTP: line protocol in, InfluxQL out. One measurement a type."""

import json
import pathlib
import urllib.parse

import numpy as np

import data
from peers import Http, Process, Server, free_port, fresh

CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "tsi1"
  query-log-enabled = false
  cache-snapshot-write-cold-duration = "2s"
  compact-full-write-cold-duration = "3s"
  cache-max-memory-size = "4g"
  max-values-per-tag = 0
[coordinator]
  write-timeout = "60s"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
  max-body-size = 0
  max-row-limit = 0
[retention]
  check-interval = "24h"
[continuous_queries]
  enabled = false
"""


def words(one):
    """The values of a series as line protocol has them."""
    if one.type == "f64":
        return map(repr, one.values.tolist())
    if one.type == "i64":
        return (f"{value}i" for value in one.values.tolist())
    if one.type == "bool":
        return ("t" if value else "f" for value in one.values.tolist())
    return ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in one.values)


def name_of(one):
    """A tag's name as a label of line protocol."""
    return one.name.replace(" ", "\\ ").replace(",", "\\,").replace("=", "\\=")


class Influx(Server):
    """The store."""

    queries = ("year_buckets", "year_whole", "raw_hour", "plant_by_tag", "last_all")

    def __init__(self, folder, root):
        self.folder, self.root = fresh(folder), root
        file, port = folder.parent / f"{folder.name}.conf", free_port()
        file.write_text(CONFIGURATION.format(folder=folder, rpc=free_port(), http=port))
        self.process = Process([pathlib.Path(root) / "usr/bin/influxd", "-config", file],
                               folder.parent / f"{folder.name}.log")
        self.process.wait_for(port)
        self.http = Http(port)
        # One shard: a store of another shape would pay for a thousand of a week each.
        self.ask("CREATE DATABASE d WITH DURATION INF SHARD DURATION 5200w")

    def load(self, dataset):
        before = self.process.cpu()
        for one in dataset.series:
            head, ts = f"{dataset.name}_{one.type},t={name_of(one)} v=", one.ts.tolist()
            lines = [f"{head}{value} {at}" for value, at in zip(words(one), ts)]
            for at in range(0, len(lines), 100_000):
                self.http.ask("POST", "/write?db=d&precision=ms",
                              "\n".join(lines[at:at + 100_000]).encode())
        return self.process.cpu() - before

    def settle(self):
        before = self.process.cpu()
        self.settled(seconds=8)
        return self.process.cpu() - before

    def ask(self, text, whole=int):
        path = "/query?" + urllib.parse.urlencode({"db": "d", "epoch": "ms", "q": text})
        answer = json.loads(self.http.ask("POST", path), parse_int=whole)["results"][0]
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("series", [])

    def series(self, dataset):
        found = {}
        for one in dataset.series:
            name = one.name.replace("'", "\\'")
            # It writes the float -0.0 as -0, which as a whole number would lose its sign.
            whole = float if one.type == "f64" else int
            result = self.ask(f"SELECT v FROM {dataset.name}_{one.type} WHERE t = '{name}'", whole)
            rows = result[0]["values"] if result else []
            values = [row[1] for row in rows]
            dtype = {"f64": np.float64, "i64": np.int64, "bool": np.bool_, "str": object}[one.type]
            found[one.name] = (np.array([row[0] for row in rows], np.int64), np.array(values, dtype))
        return found

    FOUR = "count(v), min(v), max(v), mean(v)"
    # Nanoseconds, as InfluxQL wants them.
    FIRST = data.START_MS * 1_000_000

    def year_buckets(self):
        width, end = data.YEAR_BUCKET_S, self.FIRST + data.YEAR_SECONDS * 1_000_000_000
        offset = data.START_MS // 1000 % width
        result = self.ask(f"SELECT {self.FOUR} FROM year_f64 WHERE time >= {self.FIRST} "
                          f"AND time < {end} GROUP BY time({width}s, {offset}s)")
        return [(number, *row[1:]) for number, row in enumerate(result[0]["values"])]

    def year_whole(self):
        return [tuple(self.ask(f"SELECT {self.FOUR} FROM year_f64")[0]["values"][0][1:])]

    def raw_hour(self):
        first = self.FIRST + 180 * 86_400 * 1_000_000_000
        result = self.ask(f"SELECT v FROM year_f64 WHERE time >= {first} "
                          f"AND time < {first + 3_600 * 1_000_000_000}")
        return [tuple(row) for row in result[0]["values"]]

    def plant_by_tag(self):
        result = self.ask(f"SELECT {self.FOUR} FROM plant_f64 GROUP BY t")
        return sorted((row["tags"]["t"], *row["values"][0][1:]) for row in result)

    def last_all(self):
        return [(row["tags"]["t"], row["values"][0][1])
                for kind in data.ARROW
                for row in self.ask(f"SELECT last(v) FROM plant_{kind} GROUP BY t")]
