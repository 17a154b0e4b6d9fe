"""What the Python scripts of this folder share: named checks, and a server to ask.

A script is run as `python psycopg3.py HOST PORT`. It writes one line for each check and exits with
the number of those that failed; where its client is not installed it says so and exits with 0.
"""

import importlib
import sys
import traceback


def server():
    host, port = (sys.argv[1:] + ["127.0.0.1", "5433"])[:2]
    return host, int(port)


def needs(*modules):
    """The modules, or the end of the script where one is not installed."""
    try:
        return [importlib.import_module(module) for module in modules]
    except ImportError as error:
        print(f"skipped: {error}")
        sys.exit(0)


class Checks:
    def __init__(self, client):
        self.client = client
        self.failed = 0

    def check(self, name, act):
        try:
            act()
            print(f"ok    {self.client}: {name}")
        except Exception as error:  # a check says what it met, whatever it is
            self.failed += 1
            line = str(error).strip().splitlines()
            print(f"FAIL  {self.client}: {name}: {type(error).__name__}: {line[0] if line else ''}")
            if "-v" in sys.argv:
                traceback.print_exc()

    def end(self):
        sys.exit(self.failed)


def same(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, wanted {want!r}")
