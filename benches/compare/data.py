"""The data every store is given: the sets of a folder, a generated plant, a year of one tag.

A set is a list of series in the order of their names; a series is a name, a type and two columns
of equal length, times strictly rising in milliseconds. Nothing here depends on the machine or the
day: the plant and the year come from a fixed seed.
"""

import dataclasses
import json
import pathlib
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

SEED = 20250101
# Behind the clock of whoever runs this: some stores drop samples of the future.
START_MS = 1_735_689_600_000  # 2025-01-01T00:00:00Z
PLANT_TAGS, PLANT_SECONDS = 1_000, 3_600
SHIFT_TAGS, SHIFT_SECONDS = 1_000, 6 * 3_600
# Of the tags of a shift those whose name begins so are asked for together.
SHIFT_GROUP = "shift/unit0"
SHIFT_ABOVE = 250
YEAR_SECONDS = 365 * 86_400
YEAR_BUCKETS = 1_000
YEAR_BUCKET_S = YEAR_SECONDS // YEAR_BUCKETS

ARROW = {"f64": pa.float64(), "i64": pa.int64(), "bool": pa.bool_(), "str": pa.string()}


@dataclasses.dataclass
class Series:
    """One tag: `type` is f64, i64, bool or str."""

    name: str
    type: str
    ts: np.ndarray
    values: np.ndarray


@dataclasses.dataclass
class Dataset:
    """A named list of series, and the files it came from (empty for generated data)."""

    name: str
    series: list
    files: list

    @property
    def samples(self):
        return sum(len(one.ts) for one in self.series)

    def types(self):
        """The series by type."""
        found = {}
        for one in self.series:
            found.setdefault(one.type, []).append(one)
        return found

    def write_parquet(self, folder):
        """Narrow files sorted by tag and time, one a type: tag, ts, value."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for kind, series in sorted(self.types().items()):
            path = folder / f"{self.name}-{kind}.parquet"
            schema = pa.schema([
                ("tag", pa.dictionary(pa.int32(), pa.string())),
                ("ts", pa.timestamp("ms", tz="UTC")),
                ("value", ARROW[kind]),
            ])
            with pq.ParquetWriter(path, schema, compression="snappy") as out:
                for one in series:
                    for at in range(0, len(one.ts), 1 << 20):
                        part = slice(at, at + (1 << 20))
                        rows = len(one.ts[part])
                        tag = pa.DictionaryArray.from_arrays(
                            pa.array(np.zeros(rows, np.int32)), pa.array([one.name]))
                        ts = pa.array(one.ts[part]).cast(pa.timestamp("ms", tz="UTC"))
                        value = pa.array(one.values[part], type=ARROW[kind])
                        out.write_table(pa.Table.from_arrays([tag, ts, value], schema=schema))
            paths.append(path)
        return paths


def sets(folder):
    """Every NAME.csv.zst of a folder, typed as NAME.schema.json says, as one data set."""
    series, files = [], sorted(pathlib.Path(folder).glob("*.csv.zst"))
    for path in files:
        stem = path.name.removesuffix(".csv.zst")
        schema = json.loads((path.parent / f"{stem}.schema.json").read_text())
        text = subprocess.run(["zstd", "-dc", path], check=True, stdout=subprocess.PIPE).stdout
        # Numbers are read by Python's own correctly rounding parser, not by Arrow's.
        convert = pacsv.ConvertOptions(
            column_types={"ts": pa.string()} | {c["name"]: pa.string() for c in schema["columns"]},
            strings_can_be_null=True)
        table = pacsv.read_csv(pa.BufferReader(text), convert_options=convert)
        stamps = np.array([stamp.rstrip("Z") for stamp in table["ts"].to_pylist()],
                          dtype="datetime64[ms]").astype(np.int64)
        for column in schema["columns"]:
            cells = table[column["name"]].to_pylist()
            kept = np.array([cell is not None and cell != "" for cell in cells])
            cells = [cell for cell, keep in zip(cells, kept) if keep]
            values = {
                "f64": lambda: np.array([float(cell) for cell in cells], np.float64),
                "i64": lambda: np.array([int(cell) for cell in cells], np.int64),
                "bool": lambda: np.array([cell == "1" for cell in cells], np.bool_),
                "str": lambda: np.array(cells, dtype=object),
            }[column["type"]]()
            series.append(Series(f"{stem}/{column['name']}", column["type"], stamps[kept], values))
    series.sort(key=lambda one: one.name)
    return Dataset("sets", series, files)


def walk(chance, rows, decimals, step, noise):
    """A sensor: a slow walk with noise, cut to the decimals its transmitter has."""
    slow = np.cumsum(chance.normal(0, step, rows)) + chance.uniform(10, 500)
    return np.round(slow + chance.normal(0, noise, rows), decimals)


def held(chance, rows, seconds, values):
    """A value that stays for about `seconds`, then becomes another."""
    changes = chance.random(rows) < 1 / seconds
    changes[0] = True
    picks = chance.integers(0, len(values), rows)
    last = np.maximum.accumulate(np.where(changes, np.arange(rows), 0))
    return np.asarray(values)[picks[last]]


def plant(tags=PLANT_TAGS, seconds=PLANT_SECONDS):
    """A plant of `tags` at 1 Hz: of ten tags six sensors with few decimals, three of them with the
    digits of a computed double, a set-point, a counter or enumeration, a boolean, and a sensor
    that is smoothed and so moves by its last digit only."""
    series = []
    ts = START_MS + 1_000 * np.arange(seconds, dtype=np.int64)
    for number in range(tags):
        chance = np.random.default_rng([SEED, number])
        what = number % 10
        name = f"plant/area{number // 100}/unit{number // 10 % 10}/tag{number:04}"
        if what < 6:
            decimals = 1 + what % 3
            digit = 10.0 ** -decimals
            values = walk(chance, seconds, decimals, digit * chance.uniform(0.5, 6),
                          digit * 10 ** chance.uniform(0.3, 2.7))
            # Degrees Fahrenheit: a double with all its digits.
            values = values * 1.8 + 32.0 if what >= 3 else values
            kind = "f64"
        elif what == 6:
            values = walk(chance, seconds, 2, 0.003, 0.002)
            kind = "f64"
        elif what == 7:
            values = held(chance, seconds, 900, np.round(chance.uniform(20, 90, 8), 1))
            kind = "f64"
        elif what == 8 and number % 20 == 8:
            values = np.cumsum(chance.random(seconds) < chance.uniform(0.1, 0.9)).astype(np.int64)
            kind = "i64"
        elif what == 8:
            names = np.array(["idle", "starting", "running", "stopping", "fault"], dtype=object)
            values, kind = held(chance, seconds, 240, names), "str"
        else:
            values = held(chance, seconds, 120, np.array([False, True]))
            kind = "bool"
        series.append(Series(name, kind, ts, values))
    series.sort(key=lambda one: one.name)
    return Dataset("plant", series, [])


def shift(tags=SHIFT_TAGS, seconds=SHIFT_SECONDS):
    """Sensors of six hours at 1 Hz, a hundred of each unit."""
    ts = START_MS + 1_000 * np.arange(seconds, dtype=np.int64)
    series = []
    for number in range(tags):
        chance = np.random.default_rng([SEED, 6, number])
        digit = 10.0 ** -(1 + number % 3)
        values = walk(chance, seconds, 1 + number % 3, digit * chance.uniform(0.5, 6), 4 * digit)
        series.append(Series(f"shift/unit{number // 100}/tag{number:04}", "f64", ts, values))
    return Dataset("shift", series, [])


def year(seconds=YEAR_SECONDS):
    """One sensor for a year at 1 Hz: a daily swing, a slow walk, noise, two decimals."""
    chance = np.random.default_rng([SEED, 365])
    at = np.arange(seconds, dtype=np.int64)
    values = 60 + 8 * np.sin(at * (2 * np.pi / 86_400))
    values += np.cumsum(chance.normal(0, 0.002, seconds))
    values += chance.normal(0, 0.02, seconds)
    return Dataset("year", [Series("year/sensor", "f64", START_MS + 1_000 * at,
                                   np.round(values, 2))], [])


def inexact(want, got):
    """How many values of a series came back with other bits, or did not come back."""
    if len(want.ts) != len(got[0]) or not np.array_equal(want.ts, got[0]):
        return len(want.ts)
    if want.type == "f64":
        ours = want.values.view(np.uint64)
        theirs = np.asarray(got[1], np.float64).view(np.uint64)
        return int(np.count_nonzero(ours != theirs))
    if want.type == "str":
        return sum(a != b for a, b in zip(want.values, got[1]))
    return int(np.count_nonzero(want.values.astype(np.int64) != np.asarray(got[1]).astype(np.int64)))
