"""Random questions in the SQL that DuckDB has too: both must give the same answers.

    python against_duckdb.py HTTP_HOST HTTP_PORT [QUESTIONS [SEED]]

It stores the same rows in the server (JSON over HTTP) and in a DuckDB in memory (from PyPI), asks
both, and compares values, order and whether there is an error. The server should be empty. It says
every class of difference with an example, and exits with 1 if there is one that is not explained
in docs/clients.md (`EXPLAINED` below).
"""

import collections
import datetime
import http.client
import json
import math
import random
import sys

from check import needs

(duckdb,) = needs("duckdb")
HOST, PORT = (sys.argv[1:] + ["127.0.0.1", "8428"])[:2]
QUESTIONS = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1
START = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
TAGS = {  # name: (seconds between samples, samples, values)
    "duck/a/temperature": (1, 3000, lambda r, n: round(20 + 5 * math.sin(n / 200) + r.random(), 2)),
    "duck/a/pressure": (2, 2000, lambda r, n: r.choice([1.5, 2.5, 2.5, -4.0])),
    "duck/a/flow": (7, 700, lambda r, n: r.gauss(0, 1e3)),
    "duck/b/temperature": (1, 2500, lambda r, n: float(n % 50)),
    "duck/b/count": (10, 500, lambda r, n: n * 3),
    "duck/b/running": (5, 900, lambda r, n: n % 40 < 25),
    "duck/b/still": (60, 50, lambda r, n: 0.0),
    "duck/c/note": (30, 60, lambda r, n: r.choice(["open", "shut", "half open", ""])),
}
# What the two mean differently, by design: tests of the statement and of what is different.
EXPLAINED = {
    "the same expression twice wants a name (AS) here":
        lambda sql, found: "42701" in found,
    "corr of values that are all the same is null here, as in PostgreSQL":
        lambda sql, found: "corr(" in sql and "None, nan there" in found,
    "a cast to a whole number cuts off here, and rounds there":
        lambda sql, found: "AS BIGINT)" in sql and found.startswith("row"),
}


class Server:
    def __init__(self):
        self.connection = http.client.HTTPConnection(HOST, int(PORT), timeout=60)

    def send(self, path, body, media="text/plain"):
        try:
            self.connection.request("POST", path, body=body.encode(), headers={"content-type": media})
        except OSError:  # the server has closed a connection that was idle
            self.connection.close()
            self.connection.request("POST", path, body=body.encode(), headers={"content-type": media})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def ask(self, sql):
        status, body = self.send("/api/v1/sql", sql)
        answer = json.loads(body)
        if status != 200:
            raise RuntimeError(f"{answer.get('sqlstate')}: {answer.get('detail')}")
        return answer["rows"]


def rows(chance):
    """Every sample: tag, time, value, quality."""
    for tag, (step, count, value) in TAGS.items():
        at = START
        for number in range(count):
            at += datetime.timedelta(microseconds=step * 1_000_000 + chance.choice([0, 0, 0, 250_000]))
            quality = chance.choices([0, 0x80000000, 0x40000000], [95, 3, 2])[0]
            lost = number > 0 and chance.random() < 0.02  # the first says of which kind the tag is
            yield tag, at, None if lost else value(chance, number), quality


def load(server, duck, chance):
    all_rows = list(rows(chance))
    for first in range(0, len(all_rows), 1000):
        part = [{"tag": tag, "ts": ts.isoformat(), "value": value, "quality": quality}
                for tag, ts, value, quality in all_rows[first:first + 1000]]
        status, body = server.send("/api/v1/samples", json.dumps(part), "application/json")
        if status >= 300:
            sys.exit(f"the server took no samples: {status} {body[:300]}")
    # DuckDB gets what the server says it has of the catalog, and the samples as they were sent.
    duck.execute("SET TimeZone = 'UTC'; SET default_null_order = 'nulls_last_on_asc_first_on_desc'")
    duck.execute("CREATE TABLE tags (name VARCHAR, kind VARCHAR, unit VARCHAR, step BOOLEAN)")
    duck.executemany("INSERT INTO tags VALUES (?, ?, ?, ?)",
                     server.ask("SELECT name, kind, unit, step FROM tags WHERE name LIKE 'duck/%'"))
    duck.execute("CREATE TABLE samples (tag VARCHAR, ts TIMESTAMP, value DOUBLE, value_int BIGINT,"
                 " text VARCHAR, quality BIGINT, good BOOLEAN)")
    kinds = dict(duck.execute("SELECT name, kind FROM tags").fetchall())
    given = []
    for tag, ts, value, quality in all_rows:
        kind = kinds[tag]
        text = value if kind == "text" else None
        number = None if value is None or kind == "text" else float(value)
        whole = int(value) if value is not None and kind in ("int", "bool") else None
        given.append((tag, ts.replace(tzinfo=None), number, whole, text, quality, quality == 0))
    for first in range(0, len(given), 500):
        part = given[first:first + 500]
        frame = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(part))
        duck.execute(f"INSERT INTO samples VALUES {frame}", [cell for row in part for cell in row])
    stored = server.ask("SELECT count(*) FROM samples WHERE tag LIKE 'duck/%'")[0][0]
    if stored != len(given):
        sys.exit(f"the server has {stored} samples of {len(given)}: is it empty at the start?")


class Both(str):
    """The statement for the server; `.duck` is the one for DuckDB."""

    duck = ""


def pair(ours, theirs=None):
    both = Both(ours)
    both.duck = ours if theirs is None else theirs
    return both


def distinct(parts):
    """Each once: the same expression twice wants a name here."""
    return list(dict.fromkeys(parts))


def join(glue, parts):
    parts = [part if isinstance(part, Both) else pair(part) for part in parts]
    return pair(glue.join(parts), glue.join(part.duck for part in parts))


def fill(shape, **parts):
    parts = {name: part if isinstance(part, Both) else pair(part) for name, part in parts.items()}
    return pair(shape.format(**parts),
                shape.format(**{name: part.duck for name, part in parts.items()}))


class Questions:
    """Makes statements."""

    def __init__(self, chance):
        self.chance = chance

    def one(self, *choices):
        choice = self.chance.choice(choices)
        return choice() if callable(choice) else choice if isinstance(choice, Both) else pair(choice)

    def number(self):
        return str(self.chance.choice([0, 1, 2.5, 20, 21.5, 24.99, -4, 49, 1000, 1e-3]))

    def moment(self):
        at = START + datetime.timedelta(seconds=self.chance.randrange(-100, 6000) / 2)
        text = at.strftime("%Y-%m-%d %H:%M:%S.%f")
        return pair(f"TIMESTAMPTZ '{text}Z'", f"TIMESTAMP '{text}'")

    def tag(self):
        return self.chance.choice([*TAGS, "duck/none"])

    def condition(self, of="", deep=2):
        col = lambda name: of + name  # noqa: E731
        op = self.chance.choice(["<", "<=", ">", ">=", "=", "<>"])
        choices = [
            lambda: pair(f"{col('value')} {op} {self.number()}"),
            lambda: fill(col("ts") + " " + self.chance.choice(["<", ">=", ">", "<="]) + " {at}",
                         at=self.moment()),
            lambda: fill(col("ts") + " BETWEEN {a} AND {b}", a=self.moment(), b=self.moment()),
            lambda: pair(f"{col('tag')} = '{self.tag()}'"),
            lambda: pair(f"{col('tag')} <> '{self.tag()}'"),
            lambda: pair(f"{col('tag')} IN ('{self.tag()}', '{self.tag()}')"),
            lambda: pair(f"{col('tag')} LIKE '{self.chance.choice(['duck/a/%', '%temp%', 'duck/_/count', '%'])}'"),
            lambda: pair(self.chance.choice(["", "NOT "]) + col("good")),
            lambda: pair(f"{col('quality')} {op} {self.chance.choice([0, 0x80000000, 0x40000000])}"),
            lambda: pair(f"{col('value')} IS {self.chance.choice(['', 'NOT '])}NULL"),
            lambda: pair(f"{col('value_int')} {op} {self.chance.randrange(1000)}"),
            lambda: pair(f"{col('text')} {op} '{self.chance.choice(['open', 'shut', ''])}'"),
            lambda: pair(f"{col('value')} BETWEEN {self.number()} AND {self.number()}"),
            lambda: pair(f"{col('value')} IN ({self.number()}, {self.number()}, NULL)"),
            lambda: pair(f"coalesce({col('value')}, {self.number()}) {op} {self.number()}"),
        ]
        if deep:
            choices += [
                lambda: fill("({a} AND {b})", a=self.condition(of, deep - 1), b=self.condition(of, deep - 1)),
                lambda: fill("({a} OR {b})", a=self.condition(of, deep - 1), b=self.condition(of, deep - 1)),
                lambda: fill("NOT ({a})", a=self.condition(of, deep - 1)),
            ]
        return self.chance.choice(choices)()

    def where(self, of=""):
        return self.one("", lambda: fill(" WHERE {c}", c=self.condition(of)),
                        lambda: fill(" WHERE {c}", c=self.condition(of)))

    def bucket(self):
        width = self.chance.choice(["1 minute", "7 minutes", "15 minutes", "1 hour", "90 seconds", "2 seconds",
                                    "1 day", "1 month"])
        fixed = width != "1 month"
        choices = [
            pair(f"time_bucket('{width}', ts)", f"time_bucket(INTERVAL '{width}', ts)"),
            pair(f"date_trunc('{self.chance.choice(['second', 'minute', 'hour', 'day', 'month'])}', ts)"),
        ]
        if fixed:
            choices.append(pair(f"date_bin(INTERVAL '{width}', ts)",
                                f"time_bucket(INTERVAL '{width}', ts, TIMESTAMP '1970-01-01')"))
            at = self.moment()
            choices.append(pair(f"time_bucket('{width}', ts, {at})",
                                f"time_bucket(INTERVAL '{width}', ts, {at.duck})"))
            choices.append(pair(f"date_bin(INTERVAL '{width}', ts, {at})",
                                f"time_bucket(INTERVAL '{width}', ts, {at.duck})"))
        return self.chance.choice(choices)

    def figure(self, good=True):
        value = self.chance.choice(["value", "value", "value", "value_int", "value * 2 + 1", "abs(value)"])
        plain = [
            "count(*)", f"count({value})", f"sum({value})", f"avg({value})", f"min({value})", f"max({value})",
            f"count(DISTINCT {value})", f"stddev_samp({value})", f"stddev_pop({value})", f"var_pop({value})",
            f"var_samp({value})", "min(ts)", "max(ts)", "bool_and(good)", "bool_or(good)",
            "sum(CASE WHEN good THEN 1 ELSE 0 END)", "max(text)", "min(tag)", "count(text)",
            "max(value) - min(value)", "sum(value) / count(*)", "corr(value, quality)",
        ]
        choice = pair(self.chance.choice(plain))
        if self.chance.random() < 0.15:
            order = self.chance.choice(["value", "value", "value DESC"])
            part = self.chance.choice([0, 0.1, 0.5, 0.95, 1])
            choice = pair(f"percentile_cont({part}) WITHIN GROUP (ORDER BY {order})")
        elif self.chance.random() < 0.15:
            choice = self.one(pair("first(value, ts)", "arg_min_null(value, ts)"),
                              pair("last(value, ts)", "arg_max_null(value, ts)"),
                              pair("first_value(value ORDER BY ts)", "first(value ORDER BY ts)"),
                              pair("last_value(value ORDER BY ts)", "last(value ORDER BY ts)"))
            choice = fill("{c}", c=choice)
        elif good and self.chance.random() < 0.2 and "percentile" not in choice and choice.count("(") == 1:
            return fill("{c} FILTER (WHERE {w})", c=choice, w=self.condition(deep=0))
        return choice

    def groups(self):
        """A grouping by tag and bucket, or less. One of a time alone cannot order ties by value."""
        keys = [key for key in (self.one("tag", "tag", "upper(tag)", ""), self.one("", self.bucket)) if key]
        few = distinct(self.figure() for _ in range(self.chance.randrange(1, 5)))
        ends = any("ORDER BY ts" in one or "first(" in one or "last(" in one for one in few)
        if ends and "tag" not in keys:
            keys.insert(0, pair("tag"))
        frame = "SELECT {columns} FROM samples{where}"
        if keys:
            numbers = ", ".join(str(at + 1) for at in range(len(keys)))
            having = self.one("", "", " HAVING count(*) > 5", " HAVING max(value) IS NOT NULL")
            order = ", ".join(f"{at + 1} {self.chance.choice(['ASC', 'DESC'])}" for at in range(len(keys)))
            limit = self.one("", "", " LIMIT 7", " LIMIT 3 OFFSET 2")
            frame += f" GROUP BY {numbers}{{having}} ORDER BY {order}{{limit}}"
            return fill(frame, columns=join(", ", [*keys, *few]), where=self.where(), having=having,
                        limit=limit), True
        return fill(frame, columns=join(", ", few), where=self.where()), True

    def expression(self):
        return self.one(
            "tag", "ts", "value", "value_int", "text", "quality", "good", "value * 2", "value + value_int",
            "-value", "abs(value)", "round(value)", "floor(value)", "ceil(value)", "sqrt(abs(value))",
            "CASE WHEN value > 20 THEN 'high' WHEN value < 0 THEN 'low' ELSE 'middle' END",
            "coalesce(value, -1)", "nullif(value, 2.5)", "upper(tag)", "length(tag)", "substr(tag, 6, 1)",
            "tag || '!'", "split_part(tag, '/', 2)", "replace(tag, 'duck', 'goose')",
            "value > 20", "value IS NULL", "extract(hour FROM ts)", "extract(minute FROM ts)",
            "extract(epoch FROM ts)", "date_trunc('minute', ts)", "greatest(value, 10)", "least(value, 10)",
            "value_int % 7", "CAST(value AS BIGINT)", "CAST(value_int AS DOUBLE)", "text = 'open'",
            "strpos(tag, '/')", "trim(text)", "lower(text)", "reverse(tag)", "left(tag, 6)", "sign(value)",
            "position('a' IN tag)", "starts_with(tag, 'duck/a')", "ln(abs(value) + 1)", "power(value, 2)",
            pair("date_part('second', ts)"), self.bucket)

    def plain(self):
        few = [self.expression() for _ in range(self.chance.randrange(1, 4))]
        columns = join(", ", distinct([pair("tag"), pair("ts"), *few]))
        order = self.one("tag, ts", "ts, tag", "ts DESC, tag", "value, tag, ts", "value DESC, tag, ts DESC",
                         "good, tag DESC, ts", "text, tag, ts", "value_int DESC, ts, tag")
        limit = self.one(" LIMIT 50", " LIMIT 5", " LIMIT 20 OFFSET 30", "")
        return fill("SELECT {columns} FROM samples{where} ORDER BY {order}{limit}", columns=columns,
                    where=self.where(), order=order, limit=limit), True

    def joined(self):
        kind = self.one("JOIN", "LEFT JOIN")
        where = self.where("s.")
        more = self.one("", " AND t.kind = 'float'", " AND t.step")
        if self.chance.random() < 0.5:
            return fill("SELECT t.kind, count(*), count(s.value), max(s.value), min(s.ts) FROM samples s {kind} tags t"
                        " ON t.name = s.tag{more}{where} GROUP BY t.kind ORDER BY 1", kind=kind, where=where,
                        more=more), True
        return fill("SELECT s.tag, s.ts, s.value, t.kind, t.step FROM samples s {kind} tags t ON t.name = s.tag{more}"
                    "{where} ORDER BY s.tag, s.ts LIMIT 40", kind=kind, where=where, more=more), True

    def windowed(self):
        over = self.one("PARTITION BY tag ORDER BY ts", "PARTITION BY tag, good ORDER BY ts",
                        "PARTITION BY tag ORDER BY ts DESC")
        frame = self.one("", " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                         " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                         " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW")
        ranked = self.one("row_number()", "rank()", "lag(value)", "lead(value, 2)", "lag(value, 1, 0.5)",
                          "dense_rank()", "ntile(4)")
        framed = self.one("sum(value)", "avg(value)", "min(value)", "max(value)", "count(*)", "first_value(value)",
                          "last_value(value)", "count(value)")
        return fill("SELECT tag, ts, {ranked} OVER ({over}), {framed} OVER ({over}{frame}) FROM samples{where}"
                    " ORDER BY tag, ts LIMIT 60", ranked=ranked, framed=framed, over=over, frame=frame,
                    where=self.where()), True

    def nested(self):
        inner = fill("SELECT tag, {bucket} AS b, {figure} AS f FROM samples{where} GROUP BY 1, 2",
                     bucket=self.bucket(), figure=self.one("avg(value)", "max(value)", "count(*)", "sum(value)"),
                     where=self.where())
        return self.one(
            lambda: fill("SELECT tag, count(*), max(f), min(b) FROM ({inner}) AS q GROUP BY tag ORDER BY tag", inner=inner),
            lambda: fill("WITH q AS ({inner}) SELECT a.tag, a.b, a.f, b.f FROM q a JOIN q b ON a.b = b.b AND a.tag < b.tag"
                         " ORDER BY 1, 2, b.tag LIMIT 40", inner=inner),
            lambda: fill("SELECT tag, count(*) FROM samples WHERE value > (SELECT avg(value) FROM samples{where})"
                         " GROUP BY tag ORDER BY tag", where=self.where()),
            lambda: fill("SELECT count(*), max(ts) FROM samples WHERE tag IN (SELECT name FROM tags WHERE kind = '{kind}')"
                         " AND {c}", kind=self.one("float", "int", "bool", "text"), c=self.condition()),
            lambda: fill("SELECT DISTINCT tag, good FROM samples{where} ORDER BY 1, 2", where=self.where()),
            lambda: fill("SELECT tag, value FROM samples{a} UNION SELECT tag, value FROM samples{b} ORDER BY 1, 2 LIMIT 50",
                         a=self.where(), b=self.where()),
            lambda: fill("SELECT name, kind FROM tags t WHERE EXISTS (SELECT 1 FROM samples s WHERE s.tag = t.name AND {c})"
                         " AND name LIKE 'duck/%' ORDER BY name", c=self.condition("s.")),
            lambda: fill("SELECT tag, value, count(*) FROM samples{a} GROUP BY tag, value ORDER BY 3 DESC, 1, 2 LIMIT 15",
                         a=self.where()),
            lambda: fill("SELECT tag, ts FROM samples{a} EXCEPT SELECT tag, ts FROM samples{b} ORDER BY 1, 2 LIMIT 30",
                         a=self.where(), b=self.where()),
            lambda: fill("SELECT tag, good, count(*) FROM samples{a} GROUP BY ROLLUP (tag, good) ORDER BY 1, 2, 3",
                         a=self.where()),
        ), True

    def next(self):
        kind = self.chance.choices([self.groups, self.plain, self.joined, self.windowed, self.nested],
                                   [40, 20, 10, 15, 15])[0]
        return kind.__name__, kind()[0]


def cell(value):
    """A value as both have it."""
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds")
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day).isoformat(timespec="microseconds")
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if isinstance(value, str) and len(value) > 18 and value[4] == "-" and "T" in value:
        whole = datetime.datetime.fromisoformat(value)
        return whole.replace(tzinfo=None).isoformat(timespec="microseconds")
    if hasattr(value, "as_tuple"):
        return float(value)
    return value


def alike(one, other):
    one, other = cell(one), cell(other)
    numbers = (int, float)
    if isinstance(one, numbers) and isinstance(other, numbers):
        if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
            return True
        return one == other or abs(one - other) <= 1e-9 * (1 + max(abs(one), abs(other)))
    return one == other


def compared(ours, theirs):
    """What is different, or None."""
    if isinstance(ours, str) or isinstance(theirs, str):
        if isinstance(ours, str) and isinstance(theirs, str):
            return None
        return f"an error of one: {ours if isinstance(ours, str) else 'fine here, ' + theirs}"
    if len(ours) != len(theirs):
        return f"{len(ours)} rows, {len(theirs)} there"
    for number, (one, other) in enumerate(zip(ours, theirs)):
        for at, (a, b) in enumerate(zip(one, other)):
            if not alike(a, b):
                return f"row {number} column {at}: {a!r}, {b!r} there"
    return None


def asked(act):
    try:
        return act()
    except Exception as error:  # an error is an answer
        return f"{type(error).__name__}: {error}".splitlines()[0]


def main():
    chance = random.Random(SEED)
    server, duck = Server(), duckdb.connect()
    load(server, duck, chance)
    questions = Questions(chance)
    differ, examples, refused, asked_of = (collections.Counter(), {}, collections.Counter(),
                                           collections.Counter())
    for _ in range(QUESTIONS):
        name, sql = questions.next()
        asked_of[name] += 1
        ours = asked(lambda: server.ask(sql))
        theirs = asked(lambda: duck.execute(sql.duck).fetchall())
        if isinstance(ours, str) and isinstance(theirs, str):
            refused[name] += 1
        found = compared(ours, theirs)
        if found is None:
            continue
        why = next((why for why, test in EXPLAINED.items() if test(sql, found)), None)
        kind = why or f"{name}: {found.split(':')[0] if 'row' in found else found[:90]}"
        differ[(why is None, kind)] += 1
        examples.setdefault(kind, (found, sql, sql.duck))
    print(f"{QUESTIONS} questions, {sum(differ.values())} answered otherwise,"
          f" {sum(refused.values())} refused by both; {dict(asked_of)}")
    for (open_, kind), count in differ.most_common():
        found, ours, theirs = examples[kind]
        print(f"\n{'DIFFERENT' if open_ else 'explained'} ×{count}: {kind}\n  {found}\n  {ours}\n  {theirs}")
    sys.exit(1 if any(open_ for open_, _ in differ) else 0)


if __name__ == "__main__":
    main()
