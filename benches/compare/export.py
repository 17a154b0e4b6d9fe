"""Raw export over each wire: how many samples a second arrive in a client, as columns or rows.

Usage: python export.py --binary target/release/tacitus [--samples 10000000] [--rounds 3]

Starts a server on a fresh directory, loads the samples over Arrow Flight SQL (twenty tags, two
decimals, a second apart), and reads them back. Clients: ADBC and HTTP into Arrow columns, psycopg
COPY in binary form without decoding. Needs adbc-driver-flightsql, pyarrow, numpy, psycopg.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
import urllib.request

import adbc_driver_flightsql.dbapi
import numpy
import psycopg
import pyarrow
import pyarrow.ipc

TAGS = 20
COLUMNS = "tag, ts, value"


def serve(binary, folder):
    server = subprocess.Popen(
        [binary, "serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data", folder],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    words = server.stdout.readline().split()
    return server, dict(word.split("=") for word in words if "=" in word)


def load(address, samples):
    draw = numpy.random.default_rng(7)
    per_tag = samples // TAGS
    times = pyarrow.array(
        1_600_000_000_000_000_000 + numpy.arange(per_tag) * 1_000_000_000,
        pyarrow.timestamp("ns", "UTC"))
    with adbc_driver_flightsql.dbapi.connect(f"grpc://{address}", autocommit=True) as connection:
        with connection.cursor() as cursor:
            for tag in range(TAGS):
                values = numpy.round(numpy.cumsum(draw.standard_normal(per_tag)), 2)
                names = pyarrow.repeat(f"plant/line{tag}/signal", per_tag)
                table = pyarrow.table({"tag": names, "ts": times, "value": values})
                batches = pyarrow.Table.from_batches(table.to_batches(max_chunksize=65_536))
                cursor.adbc_ingest("samples", batches, mode="append")


def over_flight(addresses, query):
    with adbc_driver_flightsql.dbapi.connect(f"grpc://{addresses['grpc']}", autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return sum(batch.num_rows for batch in cursor.fetch_record_batch())


def over_http(addresses, query):
    request = urllib.request.Request(
        f"http://{addresses['http']}/api/v1/sql", query.encode(),
        {"accept": "application/vnd.apache.arrow.stream"})
    with urllib.request.urlopen(request) as answer:
        return sum(batch.num_rows for batch in pyarrow.ipc.open_stream(answer))


def over_postgres(addresses, query):
    host, port = addresses["pg"].split(":")
    with psycopg.connect(host=host, port=port, user="bench", dbname="tacitus") as connection:
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as copy:
                for _ in copy:
                    pass
            return cursor.rowcount


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    wires = {"Arrow Flight SQL": over_flight, "HTTP, Arrow": over_http, "Postgres, COPY binary": over_postgres}
    with tempfile.TemporaryDirectory() as folder:
        server, addresses = serve(options.binary, folder)
        try:
            began = time.perf_counter()
            load(addresses["grpc"], options.samples)
            rate = options.samples / (time.perf_counter() - began)
            print(f"{'load, Flight SQL':24} {rate / 1e6:8.2f} M samples/s")
            for name, read in wires.items():
                rates = []
                for _ in range(options.rounds):
                    began = time.perf_counter()
                    rows = read(addresses, f"SELECT {COLUMNS} FROM samples")
                    rates.append(options.samples / (time.perf_counter() - began))
                    assert rows in (options.samples, -1), rows
                print(f"{name:24} {statistics.median(rates) / 1e6:8.2f} M samples/s")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
