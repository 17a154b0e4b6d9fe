"""psqlODBC by pyodbc: what Excel, Power BI and older MES use."""

import os

from check import Checks, needs, same, server

(pyodbc,) = needs("pyodbc")
host, port = server()
checks = Checks("psqlODBC")
names = [name for name in pyodbc.drivers() if "PostgreSQL" in name and "Unicode" in name]
if not names:
    print("skipped: psqlODBC is not installed")
    raise SystemExit(0)
dsn = f"Driver={{{names[0]}}};Server={host};Port={port};Database=tacitus;UID=test;PWD=x"


def connect():
    return pyodbc.connect(dsn + os.environ.get("ODBC_OPTIONS", ""), autocommit=True)


def question():
    same(connect().execute("SELECT 1, 'a'").fetchone()[1], "a")


def parameters():
    row = connect().execute("SELECT count(*) FROM samples WHERE tag = ?", "no/such").fetchone()
    same(row[0], 0)


def tables():
    found = [row.table_name for row in connect().cursor().tables()]
    same(set(found) >= {"latest", "samples", "tags"}, True)


def columns():
    found = [row.column_name for row in connect().cursor().columns(table="samples")]
    same(found[:3], ["tag", "ts", "value"])


checks.check("a question", question)
checks.check("parameters", parameters)
checks.check("tables", tables)
checks.check("columns", columns)
checks.check("primary keys", lambda: connect().cursor().primaryKeys("samples").fetchall())
checks.check("statistics", lambda: connect().cursor().statistics("samples").fetchall())
checks.check("types", lambda: connect().cursor().getTypeInfo().fetchall())
checks.end()
