"""psycopg over the Postgres wire: a trend by time bucket.

Usage: python postgres.py "host=127.0.0.1 port=5433 user=me dbname=tacitus"
"""

import sys

import psycopg

target = sys.argv[1] if len(sys.argv) > 1 else "host=127.0.0.1 port=5433 user=me dbname=tacitus"

with psycopg.connect(target, autocommit=True) as connection:
    trend = connection.execute(
        "SELECT time_bucket('1 minute', ts) AS minute, tag, avg(value), min(value), max(value) "
        "FROM samples WHERE tag = ANY(%s) AND ts > now() - INTERVAL '1 hour' AND good "
        "GROUP BY minute, tag ORDER BY minute DESC LIMIT 10",
        (["demo/line1/filler/speed", "demo/line1/filler/power"],),
    )
    for minute, tag, mean, low, high in trend:
        print(f"{minute:%H:%M} {tag:30} {mean:8.2f} {low:8.2f} {high:8.2f}")

    count = connection.execute("SELECT count(*) FROM tags").fetchone()
    print("tags:", count[0])
    assert isinstance(count[0], int)
