"""psycopg2: literals on the client's side, named cursors, COPY, cancel."""

import io

from check import Checks, needs, same, server

(psycopg2,) = needs("psycopg2")
host, port = server()
checks = Checks("psycopg2")


def connect():
    return psycopg2.connect(host=host, port=port, user="test", dbname="tacitus")


def question():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s, %s::float8, %s", ("it's", 1.5, None))
        same(cursor.fetchone(), ("it's", 1.5, None))


def copy():
    with connect() as connection, connection.cursor() as cursor:
        rows = "".join(f"clients/psycopg2\t2026-03-01 00:00:{at:02}Z\t{at}\n" for at in range(60))
        cursor.copy_expert("COPY samples (tag, ts, value) FROM STDIN", io.StringIO(rows))
        same(cursor.rowcount, 60)
        connection.commit()
        out = io.StringIO()
        sql = "SELECT value FROM samples WHERE tag = 'clients/psycopg2' ORDER BY ts"
        cursor.copy_expert(f"COPY ({sql}) TO STDOUT WITH CSV HEADER", out)
        same(out.getvalue().splitlines()[:3], ["value", "0", "1"])


def named_cursor():
    with connect() as connection, connection.cursor("reader") as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT value FROM samples WHERE tag = 'clients/psycopg2' ORDER BY ts")
        same(len(list(cursor)), 60)


def lists():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM samples WHERE tag = ANY(%s)", (["clients/psycopg2"],))
        same(cursor.fetchone(), (60,))


checks.check("a question", question)
checks.check("COPY", copy)
checks.check("a named cursor", named_cursor)
checks.check("a list as a parameter", lists)
checks.end()
