"""ADBC over Arrow Flight SQL: parameters, data frames, a bulk load.

Usage: python flight.py grpc://127.0.0.1:8429
"""

import datetime
import sys

import adbc_driver_flightsql.dbapi
import pyarrow

address = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:8429"
start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)

with adbc_driver_flightsql.dbapi.connect(address, autocommit=True) as connection:
    with connection.cursor() as cursor:
        # A bulk load: the columns of "samples". It is on disk when the call returns, and rows
        # that are sent again count once.
        rows = pyarrow.table({
            "tag": ["example/flow"] * 1000,
            "ts": pyarrow.array(
                [start + datetime.timedelta(seconds=second) for second in range(1000)],
                pyarrow.timestamp("ms", "UTC"),
            ),
            "value": [second % 60 / 2 for second in range(1000)],
        })
        print("written:", cursor.adbc_ingest("samples", rows, mode="append"))

        # Parameters are $1, $2, …; an answer is a table of Arrow columns.
        cursor.execute(
            "SELECT time_bucket('1 minute', ts) AS minute, avg(value) AS mean, max(value) AS peak "
            "FROM samples WHERE tag = $1 AND ts >= $2 GROUP BY minute ORDER BY minute",
            ("example/flow", start),
        )
        table = cursor.fetch_arrow_table()
        print(table.schema)
        assert table.num_rows == 17, table.num_rows

    # The same as a data frame, of whichever library is there.
    query = "SELECT ts, value FROM samples WHERE tag = 'example/flow' ORDER BY ts LIMIT 5"
    try:
        import pandas

        frame = pandas.read_sql(query, connection, index_col="ts")
        print(frame)
        assert str(frame.index.dtype) == "datetime64[ns, UTC]", frame.index.dtype
    except ImportError:
        print("pandas is not here")
    try:
        import polars

        frame = polars.read_database(query, connection)
        print(frame)
        assert frame["value"].to_list() == [0.0, 0.5, 1.0, 1.5, 2.0]
    except ImportError:
        print("polars is not here")

    # What there is, without SQL.
    print(connection.adbc_get_table_schema("samples"))
    objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    print([catalog["catalog_name"] for catalog in objects])
