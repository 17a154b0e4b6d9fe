"""Loads every store, asks every store, writes a table and a JSON. Started by `run.py`.

*Rule.* A figure of Tacitus is never taken alone: each measurement of a peer is followed at once by
the same measurement of Tacitus, and ratios are of such pairs; the tables show medians of them.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import data  # noqa: E402
from peers import QUERIES, Embedded  # noqa: E402
from peers.influx import Influx  # noqa: E402
from peers.prometheus import Prometheus  # noqa: E402
from peers.tacitus import Tacitus  # noqa: E402
from peers.victoria import Victoria  # noqa: E402

PEERS = {
    "DuckDB": lambda folder, root: Embedded("peers.duck", "DuckDb", folder),
    "ClickHouse": lambda folder, root: Embedded("peers.click", "ClickHouse", folder),
    "VictoriaMetrics": Victoria,
    "InfluxDB 1.x": Influx,
    "Prometheus": Prometheus,
}
# Which questions are asked of which data.
ASKED = {
    "sets": [],
    "plant": ["plant_by_tag", "last_all"],
    "shift": ["unit_minutes", "shift_by_tag", "shift_filtered"],
    "year": ["year_buckets", "year_plot", "year_whole", "raw_hour"],
}
# A year takes Prometheus a gigabyte of text and InfluxDB a minute of CPU a query.
LEFT_OUT = {("year", "Prometheus"), ("shift", "Prometheus"), ("shift", "InfluxDB 1.x")}
ONCE = {("year", "InfluxDB 1.x")}
# Answers before those in a row are measured.
WARM = 5


def arguments():
    told = argparse.ArgumentParser(prog="run.py", description=__doc__)
    told.add_argument("--tacitus", metavar="PATH", type=pathlib.Path,
                      help="the release binary; without it only peers are measured")
    told.add_argument("--data", metavar="DIR", type=pathlib.Path,
                      default=os.environ.get("TACITUS_DATA", HERE / "../../../shared/data"),
                      help="the folder of NAME.csv.zst [TACITUS_DATA]")
    told.add_argument("--sets", nargs="*", default=list(ASKED), choices=list(ASKED),
                      help="what to load")
    told.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    told.add_argument("--loads", type=int, default=3, help="loads of each store (a year: one)")
    told.add_argument("--rounds", type=int, default=5, help="rounds of each question")
    told.add_argument("--out", type=pathlib.Path, default=pathlib.Path("compare"),
                      help="NAME.md and NAME.json are written")
    told.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    told.add_argument("--peers-root", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    return told.parse_args()


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def dataset(name, folder):
    """A data set, or None where it is not to be had."""
    if name == "plant":
        return data.plant()
    if name == "shift":
        return data.shift()
    if name == "year":
        return data.year()
    folder = pathlib.Path(folder)
    if not any(folder.glob("*.csv.zst")):
        say(f"there are no sets in {folder}: left out; name their folder with --data")
        return None
    return data.sets(folder)


def load(store, given):
    """Loads and settles a store: what that cost, and what it takes on disk."""
    fresh = store.load(given)
    before = store.bytes() if isinstance(store, Tacitus) else None
    settle = store.settle()
    found = {"ingest_cpu_s": fresh, "settle_cpu_s": settle, "bytes": store.bytes()}
    if before:
        found["bytes_fresh"] = before
    return found


def exactness(store, given):
    """How many values came back with other bits; None where that is not checked."""
    back = store.series(given)
    if back is None:
        return None
    empty = ([], [])
    return sum(data.inexact(one, back.get(one.name, empty)) for one in given.series)


def wanted(name, given):
    """The right answer of a question, as rows of numbers, from the data itself."""
    def four(values):
        return (len(values), values.min(), values.max(), values.mean())

    if name == "plant_by_tag":
        return [four(one.values) for one in given.series if one.type == "f64"]
    if name == "last_all":
        return None
    if name == "shift_by_tag":
        return [four(one.values) for one in given.series]
    if name == "shift_filtered":
        kept = (one.values[one.values > data.SHIFT_ABOVE] for one in given.series)
        return [four(values) for values in kept if len(values)]
    if name == "unit_minutes":
        group = [one for one in given.series if one.name.startswith(data.SHIFT_GROUP)]
        return [(part.mean(), part.min(), part.max())
                for one in group for part in one.values.reshape(-1, 60)]
    values = given.series[0].values
    if name == "year_buckets":
        return [four(part) for part in values.reshape(data.YEAR_BUCKETS, -1)]
    if name == "year_plot":
        return [(part[0], part.min(), part.max(), part[-1])
                for part in values.reshape(data.YEAR_BUCKETS, -1)]
    if name == "year_whole":
        return [four(values)]
    first = 180 * 86_400
    return [(value,) for value in values[first:first + 3_600]]


def misdrawn(answer, given):
    """What is wrong with the samples of a plot, or None: every row is a sample, and no extreme of a
    column of pixels is missed, though an envelope may be a quarter of a column wider."""
    values = given.series[0].values
    seconds = np.array([row[0].value // 10**9 - data.START_MS // 1000 for row in answer])
    drawn = np.array([row[1] for row in answer])
    inside = (seconds >= 0) & (seconds < len(values))
    seconds, drawn = seconds[inside], drawn[inside]
    if (values[seconds] != drawn).any():
        return "a row is no sample"
    width = data.YEAR_BUCKET_S
    for number, part in enumerate(values.reshape(data.YEAR_BUCKETS, -1)):
        first = number * width
        low, high = np.searchsorted(seconds, [first - width // 4, first + width + width // 4])
        near = drawn[low:high]
        if not len(near) or near.min() > part.min() or near.max() < part.max():
            return f"an extreme of column {number} is missed"
    return None


def fault(name, answer, given):
    """What is wrong with an answer, or None. Averages may differ in the last digits."""
    if name == "year_plot" and len(answer[0]) == 2:
        return misdrawn(answer, given)
    want = wanted(name, given)
    rows = len(given.series) if want is None else len(want)
    if len(answer) != rows:
        return f"{len(answer)} rows instead of {rows}"
    for number, right in enumerate(want or []):
        row = [float(cell) for cell in answer[number][-len(right):]]
        for at, (a, b) in enumerate(zip(row, right)):
            mean = name != "year_plot" and at == (0 if name == "unit_minutes" else 3)
            if a != b and not (mean and abs(a - b) <= 1e-9 * abs(b)):
                return f"row {number}: {a!r} instead of {b!r}"
    return None


class Run:
    """What was found so far."""

    def __init__(self, told):
        self.told, self.found = told, {}
        self.work = told.cache / "work"

    def note(self, kind, given, who, what):
        self.found.setdefault(given.name, {}).setdefault(who, {}).setdefault(kind, []).append(what)

    def tacitus(self, given):
        return Tacitus(self.work / f"tacitus-{given.name}", self.told.tacitus)

    def loaded(self, given, who, make):
        """A store with the data in it; its cost is noted, also of a failure."""
        store = None
        try:
            store = make()
            found = load(store, given)
        except Exception as error:
            say(f"{who} failed on {given.name}: {error}")
            self.note("failed", given, who, str(error)[-400:])
            if store is not None:
                store.close()
            return None
        self.note("load", given, who, found)
        size = next(iter(found["bytes"].values())) / given.samples
        say(f"{given.name:6} {who:16} {size:6.3f} B/sample, "
            f"{found['ingest_cpu_s'] / given.samples * 1e6:6.3f} CPU s/M")
        return store

    def over(self, given):
        """Loads and asks all stores about one data set."""
        peers = [who for who in self.told.peers if (given.name, who) not in LEFT_OUT]
        loads = 1 if given.name in ("year", "shift") else self.told.loads
        stores = {}
        for number in range(loads):
            for who in peers:
                if who in stores:
                    stores.pop(who).close()
                folder = self.work / f"{given.name}-{who.split()[0].lower()}"
                store = self.loaded(given, who,
                                    lambda: PEERS[who](folder, self.told.peers_root))
                if store is not None:
                    stores[who] = store
                if self.told.tacitus and (given.name not in ("year", "shift") or who == peers[0]):
                    ours = self.loaded(given, "Tacitus", lambda: self.tacitus(given))
                    if ours is not None:
                        stores["Tacitus"] = ours
        for who, store in stores.items():
            try:
                if given.name not in ("year", "shift"):
                    wrong = exactness(store, given)
                    self.note("inexact", given, who, wrong)
                    say(f"{given.name:6} {who:16} inexact: {wrong}")
            except Exception as error:
                say(f"{who} could not be read back: {error}")
                self.note("failed", given, who, str(error)[-400:])
        self.ask(given, stores)
        for store in stores.values():
            store.close()

    def ask(self, given, stores):
        ours = stores.get("Tacitus")
        if not ASKED[given.name]:
            return
        if ours:
            ours.serve()
        peers = [who for who in stores if who != "Tacitus"]
        for name in ASKED[given.name]:
            for number in range(self.told.rounds):
                for who in peers or ["Tacitus"]:
                    if name not in stores[who].queries or (number and (given.name, who) in ONCE):
                        continue
                    self.question(name, given, who, stores[who])
                    if ours and who != "Tacitus":
                        self.question(name, given, "Tacitus", ours, beside=who)
            for who, store in stores.items():
                if name in store.queries and (given.name, who) not in ONCE:
                    self.row(name, given, who, store)

    def row(self, name, given, who, store):
        """Asks again and again, as a dashboard does; what the first answers cost is left out."""
        try:
            asked = [store.query(name)[1:] for _ in range(WARM + self.told.rounds)][WARM:]
        except Exception as error:
            say(f"{who} failed at {name} in a row: {error}")
            return
        for cpu, wall in asked:
            self.note(f"{name} in a row", given, who, {"cpu_ms": cpu * 1e3, "wall_ms": wall * 1e3})

    def question(self, name, given, who, store, beside=None):
        try:
            answer, cpu, wall = store.query(name)
        except Exception as error:
            say(f"{who} failed at {name}: {error}")
            self.note("failed", given, who, f"{name}: {str(error)[-400:]}")
            return
        wrong = fault(name, answer, given)
        self.note(name, given, who, {"cpu_ms": cpu * 1e3, "wall_ms": wall * 1e3, "wrong": wrong,
                                     "beside": beside})
        if wrong:
            say(f"{who}, {name}: {wrong}")


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def cell(value, ours):
    """A figure, and in brackets how many times that of Tacitus it is."""
    text = f"{value:,.3f}" if value < 10 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
    return text if not ours else f"{text} ({value / ours:.2f}×)" if value / ours < 100 else \
        f"{text} ({value / ours:,.0f}×)"


def tables(found, samples):
    """The Markdown of all that was found."""
    out = []
    for name, stores in found.items():
        count = samples[name]
        ours = stores.get("Tacitus", {}).get("load")
        size = {"Tacitus": None}
        out += [f"### {name}: {count:,} samples", "",
                "| store | bytes a sample | CPU s a million, load | and merge | values that came back otherwise |",
                "|---|---:|---:|---:|---:|"]
        base = None
        if ours:
            part = "without the log" if "without the log" in ours[0]["bytes"] else "directory"
            base = (median([row["bytes"] for row in ours], part) / count,
                    median(ours, "ingest_cpu_s") / count * 1e6,
                    median(ours, "settle_cpu_s") / count * 1e6)
            for label, key in (("Tacitus, merged", "bytes"), ("Tacitus, as loaded", "bytes_fresh")):
                sizes = [row[key] for row in ours]
                whole = median(sizes, "directory") / count
                out.append(f"| {label} | {median(sizes, part) / count:.3f}; with its log {whole:.3f} |"
                           f" {base[1]:.3f} | {base[2] if key == 'bytes' else 0:.3f} |"
                           f" {stores['Tacitus'].get('inexact', ['–'])[0]} |")
        for who in [one for one in stores if one != "Tacitus"]:
            rows = stores[who].get("load")
            if not rows:
                out.append(f"| {who} | failed | | | |")
                continue
            size = median([row["bytes"] for row in rows], "directory") / count
            wrong = stores[who].get("inexact", [None])[0]
            out.append(f"| {who} | {cell(size, base and base[0])} |"
                       f" {cell(median(rows, 'ingest_cpu_s') / count * 1e6, base and base[1])} |"
                       f" {median(rows, 'settle_cpu_s') / count * 1e6:.3f} |"
                       f" {'not checked' if wrong is None else f'{wrong:,}'} |")
        out.append("")
        out += questions(name, stores)
    return "\n".join(out)


def questions(name, stores):
    if not ASKED[name]:
        return []
    who = [one for one in stores if any(query in stores[one] for query in QUERIES)]
    out = ["| CPU ms, wall ms | " + " | ".join(who) + " |", "|---|" + "---:|" * len(who)]
    for query in ASKED[name]:
        cells = []
        for one in who:
            rows = stores[one].get(query)
            if not rows:
                cells.append("")
                continue
            text = f"{median(rows, 'cpu_ms'):,.2f}, {median(rows, 'wall_ms'):,.2f}"
            ours = [row for row in stores.get("Tacitus", {}).get(query, []) if row["beside"] == one]
            if one != "Tacitus" and ours:
                ratios = [a["wall_ms"] / b["wall_ms"] for a, b in zip(rows, ours)]
                text += f" ({statistics.median(ratios):,.1f}×)"
            if any(row["wrong"] for row in rows):
                text += " *"
            cells.append(text)
        out.append(f"| {QUERIES[query]} | " + " | ".join(cells) + " |")
    if any(row["wrong"] for one in who for query in QUERIES for row in stores[one].get(query, [])):
        out += ["", "`*` the answer is not what the data says."]
    return [*out, "", *rows_in_a_row(name, stores, who)]


def rows_in_a_row(name, stores, who):
    """The table of what was asked again and again."""
    out = ["| in a row: wall ms | " + " | ".join(who) + " |", "|---|" + "---:|" * len(who)]
    for query in ASKED[name]:
        found = {one: stores[one].get(f"{query} in a row") for one in who}
        ours = found.get("Tacitus") and median(found["Tacitus"], "wall_ms")
        cells = [cell(median(rows, "wall_ms"), one != "Tacitus" and ours) if rows else ""
                 for one, rows in found.items()]
        out.append(f"| {QUERIES[query]} | " + " | ".join(cells) + " |")
    return [*out, ""]


def main():
    told = arguments()
    told.work = told.cache / "work"
    told.work.mkdir(parents=True, exist_ok=True)
    if told.tacitus:
        told.tacitus = told.tacitus.resolve()
    run, samples = Run(told), {}
    for name in told.sets:
        given = dataset(name, told.data)
        if given is None:
            continue
        samples[name] = given.samples
        run.over(given)
        report(told, run, samples)
    return 1 if any("failed" in store for one in run.found.values() for store in one.values()) else 0


def report(told, run, samples):
    """Written after every data set, so that a run that is stopped leaves what it found."""
    import chdb
    import duckdb

    facts = {"machine": platform.machine(), "cpus": os.cpu_count(), "load": os.getloadavg(),
             "rounds": told.rounds, "loads": told.loads,
             "chdb": chdb.__version__, "duckdb": duckdb.__version__}
    name = told.out
    name.with_suffix(".json").write_text(
        json.dumps({"facts": facts, "samples": samples, "found": run.found}, indent=1))
    text = tables(run.found, samples)
    name.with_suffix(".md").write_text(text + "\n")
    say(f"wrote {name.with_suffix('.md')} and {name.with_suffix('.json')}")
    if name == told.out and run.found.keys() >= {one for one in told.sets if one in samples}:
        print(text)


if __name__ == "__main__":
    sys.exit(main())
