"""SQLAlchemy 2 over psycopg2 and psycopg, and pandas over it: what notebooks use."""

import datetime

from check import Checks, needs, same, server

sqlalchemy, psycopg2 = needs("sqlalchemy", "psycopg2")
host, port = server()
START = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
failed = 0

for driver in ["psycopg2", "psycopg"]:
    checks = Checks(f"SQLAlchemy 2, {driver}")
    engine = sqlalchemy.create_engine(f"postgresql+{driver}://test@{host}:{port}/tacitus")
    text = sqlalchemy.text

    def connects():
        with engine.connect() as connection:
            same(connection.execute(text("SELECT 1")).scalar(), 1)

    def parameters():
        with engine.connect() as connection:
            sql = text("SELECT count(*) FROM samples WHERE tag = :tag AND ts >= :start")
            answer = connection.execute(sql, {"tag": "no/such", "start": START})
            same(answer.scalar(), 0)

    def tables():
        inspector = sqlalchemy.inspect(engine)
        same(set(inspector.get_table_names()) >= {"latest", "samples", "tags"}, True)
        same(inspector.get_schema_names().count("public"), 1)

    def columns():
        found = sqlalchemy.inspect(engine).get_columns("samples")
        same([column["name"] for column in found][:3], ["tag", "ts", "value"])
        same(isinstance(found[1]["type"], sqlalchemy.TIMESTAMP), True)

    def keys():
        inspector = sqlalchemy.inspect(engine)
        inspector.get_pk_constraint("samples")
        same(inspector.get_foreign_keys("samples"), [])
        same(inspector.get_indexes("samples"), [])

    def reflection():
        table = sqlalchemy.Table("samples", sqlalchemy.MetaData(), autoload_with=engine)
        with engine.connect() as connection:
            connection.execute(sqlalchemy.select(table.c.tag, table.c.value).limit(1)).all()

    def insert():
        with engine.begin() as connection:
            sql = text("INSERT INTO samples (tag, ts, value) VALUES (:tag, :ts, :value)")
            connection.execute(sql, [{"tag": "clients/sqlalchemy", "ts": START, "value": 1.0}])

    def frame():
        pandas = needs("pandas")[0]
        sql = "SELECT ts, value FROM samples WHERE tag = 'clients/sqlalchemy'"
        got = pandas.read_sql(sql, engine, parse_dates=["ts"])
        same(list(got["value"]), [1.0])

    checks.check("connect", connects)
    checks.check("parameters", parameters)
    checks.check("tables", tables)
    checks.check("columns", columns)
    checks.check("keys and indexes", keys)
    checks.check("reflection", reflection)
    checks.check("INSERT", insert)
    checks.check("pandas.read_sql", frame)
    failed += checks.failed

raise SystemExit(failed)
