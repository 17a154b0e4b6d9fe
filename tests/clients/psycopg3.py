"""psycopg 3: parameters, prepared statements, server-side cursors, COPY, pipelines, cancel."""

import datetime

from check import Checks, needs, same, server

(psycopg,) = needs("psycopg")
host, port = server()
dsn = f"host={host} port={port} user=test dbname=tacitus"
checks = Checks("psycopg 3")
UTC = datetime.timezone.utc
START = datetime.datetime(2026, 3, 1, tzinfo=UTC)


def connect(**options):
    return psycopg.connect(dsn, autocommit=True, **options)


def one(sql, parameters=None, **options):
    with connect() as connection:
        return connection.execute(sql, parameters, **options).fetchone()


def copy_in():
    with connect() as connection, connection.cursor() as cursor:
        with cursor.copy("COPY samples (tag, ts, value) FROM STDIN") as copy:
            for at in range(1000):
                copy.write_row(("clients/psycopg3", START + datetime.timedelta(seconds=at), float(at)))
        same(cursor.rowcount, 1000)


def copy_in_binary():
    with connect() as connection, connection.cursor() as cursor:
        with cursor.copy("COPY samples (tag, ts, value) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["text", "timestamptz", "float8"])
            copy.write_row(("clients/psycopg3b", START, 1.5))
    same(one("SELECT value FROM samples WHERE tag = 'clients/psycopg3b'"), (1.5,))


def copy_out(form):
    with connect() as connection, connection.cursor() as cursor:
        sql = "COPY (SELECT tag, ts, value FROM samples WHERE tag = 'clients/psycopg3' ORDER BY ts)"
        with cursor.copy(f"{sql} TO STDOUT {form}") as copy:
            if "binary" in form:
                copy.set_types(["text", "timestamptz", "float8"])
            rows = list(copy.rows())
        same(len(rows), 1000)
        if "binary" in form:
            same(rows[3], ("clients/psycopg3", START + datetime.timedelta(seconds=3), 3.0))


def parameters():
    sql = "SELECT count(*) FROM samples WHERE tag = %s AND ts >= %s AND value < %s"
    same(one(sql, ("clients/psycopg3", START, 10.0)), (10,))
    same(one(sql, ("clients/psycopg3", START, 10.0), prepare=True), (10,))


def lists():
    sql = "SELECT count(*) FROM samples WHERE tag = ANY(%s)"
    same(one(sql, (["clients/psycopg3", "no/such"],)), (1000,))


def limit():
    with connect() as connection:
        rows = connection.execute("SELECT ts FROM samples ORDER BY ts LIMIT %s OFFSET %s", (5, 1))
        same(len(rows.fetchall()), 5)


def interval():
    same(one("SELECT %s::timestamptz + %s", (START, datetime.timedelta(hours=1)))[0],
         START + datetime.timedelta(hours=1))


def binary():
    with connect() as connection, connection.cursor(binary=True) as cursor:
        cursor.execute("SELECT tag, ts, value, quality, good FROM samples "
                       "WHERE tag = 'clients/psycopg3' ORDER BY ts LIMIT 1")
        same(cursor.fetchone(), ("clients/psycopg3", START, 0.0, 0, True))


def named_cursor(is_binary):
    with psycopg.connect(dsn) as connection:
        with connection.cursor("reader", binary=is_binary) as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT value FROM samples WHERE tag = 'clients/psycopg3' ORDER BY ts")
            same([row[0] for row in cursor], [float(at) for at in range(1000)])


def pipeline():
    with connect() as connection, connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (at,)) for at in range(20)]
        same([cursor.fetchone()[0] for cursor in cursors], list(range(20)))


def executemany():
    with connect() as connection, connection.cursor() as cursor:
        rows = [("clients/many", START + datetime.timedelta(seconds=at), at / 2) for at in range(50)]
        cursor.executemany("INSERT INTO samples (tag, ts, value) VALUES (%s, %s, %s)", rows)
    same(one("SELECT count(*) FROM samples WHERE tag = 'clients/many'"), (50,))


def transaction():
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT 1")
        try:
            connection.execute("SELECT nothing")
        except psycopg.errors.UndefinedColumn:
            pass
        try:
            connection.execute("SELECT 1")
        except psycopg.errors.InFailedSqlTransaction:
            connection.rollback()
        same(connection.execute("SELECT 2").fetchone(), (2,))


def savepoint():
    with psycopg.connect(dsn) as connection:
        with connection.transaction():
            with connection.transaction():
                connection.execute("SELECT 1")


def codes():
    for sql, error in [
        ("SELECT 1 / 0", psycopg.errors.DivisionByZero),
        ("SELEC 1", psycopg.errors.SyntaxError),
        ("SELECT * FROM nothing", psycopg.errors.UndefinedTable),
        ("UPDATE samples SET value = 1", psycopg.errors.ReadOnlySqlTransaction),
    ]:
        try:
            one(sql)
        except error:
            continue
        raise AssertionError(f"{sql} is no {error.__name__}")


def timeout():
    with connect() as connection:
        connection.execute("SET statement_timeout = '300ms'")
        try:
            connection.execute("SELECT count(*) FROM generate_series(1, 100000000000)")
        except psycopg.errors.QueryCanceled:
            return
    raise AssertionError("it was not stopped")


def cancel():
    import threading
    with connect() as connection:
        threading.Timer(0.3, connection.cancel).start()
        try:
            connection.execute("SELECT count(*) FROM generate_series(1, 100000000000)")
        except psycopg.errors.QueryCanceled:
            return
    raise AssertionError("it was not stopped")


def arrays():
    same(one("SELECT ARRAY[1, 2, 3], ARRAY['a', NULL]"), ([1, 2, 3], ["a", None]))


def zones():
    with connect() as connection:
        connection.execute("SET TIME ZONE 'Europe/Berlin'")
        same(connection.execute("SHOW timezone").fetchone(), ("Europe/Berlin",))
        same(connection.execute("SELECT min(ts)::text FROM samples WHERE tag = 'clients/many'")
             .fetchone() is not None, True)
        got = connection.execute("SELECT min(ts) FROM samples WHERE tag = 'clients/many'").fetchone()
        same(got[0], START)


checks.check("COPY in", copy_in)
checks.check("COPY in, binary", copy_in_binary)
checks.check("COPY out, text", lambda: copy_out(""))
checks.check("COPY out, binary", lambda: copy_out("(FORMAT binary)"))
checks.check("parameters", parameters)
checks.check("a list as a parameter", lists)
checks.check("LIMIT as a parameter", limit)
checks.check("an interval as a parameter", interval)
checks.check("binary rows", binary)
checks.check("a server-side cursor", lambda: named_cursor(False))
checks.check("a server-side cursor, binary", lambda: named_cursor(True))
checks.check("a pipeline", pipeline)
checks.check("executemany INSERT", executemany)
checks.check("a failed transaction", transaction)
checks.check("savepoints", savepoint)
checks.check("codes of errors", codes)
checks.check("statement_timeout", timeout)
checks.check("cancel", cancel)
checks.check("arrays", arrays)
checks.check("time zones", zones)
checks.end()
