"""VictoriaMetrics over HTTP: JSON lines in, MetricsQL out. Texts go in as numbers."""

import json
import pathlib
import time
import urllib.parse

import numpy as np

import data
from peers import Http, Process, Server, free_port, fresh, tree_bytes


def codes(values):
    """Values as the numbers VictoriaMetrics has."""
    if values.dtype == object:
        names = {name: number for number, name in enumerate(dict.fromkeys(values))}
        return np.array([names[value] for value in values], np.float64)
    return values.astype(np.float64)


class Victoria(Server):
    """The store."""

    queries = ("year_buckets", "year_plot", "year_whole", "raw_hour", "plant_by_tag", "last_all",
               "unit_minutes", "shift_by_tag")

    def __init__(self, folder, root):
        self.folder, self.root = fresh(folder), root
        self.start()

    def start(self):
        port = free_port()
        self.process = Process([
            pathlib.Path(self.root) / "usr/bin/victoria-metrics",
            f"-storageDataPath={self.folder}", "-retentionPeriod=100y",
            f"-httpListenAddr=127.0.0.1:{port}", "-loggerLevel=ERROR",
            "-search.maxSamplesPerQuery=1000000000", "-search.maxSamplesPerSeries=1000000000",
            "-search.disableCache",
            "-search.latencyOffset=0s", "-search.maxQueryDuration=10m",
            "-search.maxStalenessInterval=0", "-memory.allowedPercent=40",
            "-import.maxLineLen=104857600",
        ], self.folder.parent / f"{self.folder.name}.log")
        self.process.wait_for(port)
        self.http = Http(port)

    def load(self, dataset):
        before = self.process.cpu()
        for one in dataset.series:
            values, metric = codes(one.values), {"__name__": dataset.name, "t": one.name, "k": one.type}
            # Made before it is timed; the server's CPU is what counts.
            for at in range(0, len(one.ts), 100_000):
                body = json.dumps({"metric": metric, "values": values[at:at + 100_000].tolist(),
                                   "timestamps": one.ts[at:at + 100_000].tolist()})
                self.http.ask("POST", "/api/v1/import", body.encode())
        self.http.ask("GET", "/internal/force_flush")
        return self.process.cpu() - before

    def settle(self):
        before = self.process.cpu()
        self.http.ask("GET", "/internal/force_flush")
        self.http.ask("GET", "/internal/force_merge")
        self.settled()
        cpu = self.process.cpu() - before
        # What a restart leaves is what the data costs: caches are written, old parts dropped.
        self.close()
        self.start()
        time.sleep(1)
        return cpu

    def bytes(self):
        """Its caches can be thrown away and are not counted."""
        return {"directory": tree_bytes(self.folder, without=("cache",)),
                "with caches": tree_bytes(self.folder)}

    def series(self, dataset):
        found = {}
        for one in dataset.series:
            match = urllib.parse.quote(f'{dataset.name}{{t="{one.name}"}}')
            text = self.http.ask("GET", f"/api/v1/export?match[]={match}").decode()
            rows = [json.loads(line) for line in text.splitlines()]
            ts = np.array([t for row in rows for t in row["timestamps"]], np.int64)
            values = np.array([v for row in rows for v in row["values"]], np.float64)
            order = np.argsort(ts, kind="stable")
            ts, values = ts[order], values[order]
            if one.type == "str":
                # The codes stand for the texts; a code that changed is a text that changed.
                names = list(dict.fromkeys(one.values))
                known = dict(enumerate(names))
                values = np.array([known.get(code) for code in values], dtype=object)
            found[one.name] = (ts, values)
        return found

    def ask(self, path, **parameters):
        answer = self.http.ask("GET", f"/api/v1/{path}?" + urllib.parse.urlencode(parameters))
        return json.loads(answer)["data"]["result"]

    ROLLUP = '"count_over_time", "min_over_time", "max_over_time", "avg_over_time"'

    PLOT = '"first_over_time", "min_over_time", "max_over_time", "last_over_time"'

    def year_buckets(self):
        return self.year(self.ROLLUP)

    def year_plot(self):
        return self.year(self.PLOT)

    def year(self, rollup):
        """A row a bucket: its number and what was rolled up."""
        width = data.YEAR_BUCKET_S
        first = data.START_MS / 1000 + width - 0.001
        result = self.ask("query_range", nocache=1, start=first, step=f"{width}s",
                          end=first + (data.YEAR_BUCKETS - 1) * width,
                          query=f"aggr_over_time(({rollup}), year[{width}s])")
        lanes = {row["metric"]["rollup"]: row["values"] for row in result}
        order = [lanes[name.strip(' "')] for name in rollup.split(",")]
        return [(number, *(float(value[1]) for value in row)) for number, row in enumerate(zip(*order))]

    def year_whole(self):
        width = data.YEAR_SECONDS
        result = self.ask("query", nocache=1, time=data.START_MS / 1000 + width - 0.001,
                          query=f"aggr_over_time(({self.ROLLUP}), year[{width}s])")
        lanes = {row["metric"]["rollup"]: float(row["value"][1]) for row in result}
        return [tuple(lanes[name.strip(' "')] for name in self.ROLLUP.split(","))]

    def raw_hour(self):
        first = data.START_MS / 1000 + 180 * 86_400
        text = self.http.ask("GET", "/api/v1/export?" + urllib.parse.urlencode(
            {"match[]": "year", "start": first, "end": first + 3_599.999}))
        rows = [json.loads(line) for line in text.decode().splitlines()]
        return sorted(pair for row in rows for pair in zip(row["timestamps"], row["values"]))

    def plant_by_tag(self):
        return self.by_tag(data.PLANT_SECONDS, 'plant{k="f64"}')

    def shift_by_tag(self):
        return self.by_tag(data.SHIFT_SECONDS, "shift")

    def unit_minutes(self):
        first = data.START_MS / 1000 + 60 - 0.001
        result = self.ask(
            "query_range", nocache=1, start=first, step="60s", end=first + data.SHIFT_SECONDS - 60,
            query='aggr_over_time(("avg_over_time", "min_over_time", "max_over_time"), '
                  f'shift{{t=~"{data.SHIFT_GROUP}/.*"}}[60s])')
        tags = {}
        for row in result:
            lanes = tags.setdefault(row["metric"]["t"], {})
            lanes[row["metric"]["rollup"]] = [float(value) for _, value in row["values"]]
        lanes = ("avg_over_time", "min_over_time", "max_over_time")
        return [row for _, found in sorted(tags.items()) for row in zip(*(found[one] for one in lanes))]

    def by_tag(self, width, selector):
        result = self.ask("query", nocache=1, time=data.START_MS / 1000 + width - 0.001,
                          query=f'aggr_over_time(({self.ROLLUP}), {selector}[{width}s])')
        tags = {}
        for row in result:
            tags.setdefault(row["metric"]["t"], {})[row["metric"]["rollup"]] = float(row["value"][1])
        return [(name, *(lanes[word.strip(' "')] for word in self.ROLLUP.split(",")))
                for name, lanes in sorted(tags.items())]

    def last_all(self):
        result = self.ask("query", nocache=1, time=data.START_MS / 1000 + data.PLANT_SECONDS,
                          query="last_over_time(plant[2h])")
        return [(row["metric"]["t"], row["value"][1]) for row in result]
