"""The stores that are compared, each behind the same few methods.

    load(dataset)      puts a data set in; returns CPU seconds of the store
    settle()           merges and compacts all it can; returns CPU seconds
    bytes()            the whole directory, by name of its parts
    series(dataset)    {name: (times ms, values)} as read back, or None where that is not checked
    query(name)        runs one of QUERIES; returns (answer, CPU seconds, wall seconds)
    close()

A store that cannot answer a query does not list it in its `queries`.
"""

import http.client
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time
import traceback
from multiprocessing import get_context

QUERIES = {
    "year_buckets": "a tag-year, 1,000 buckets of count, min, max, avg",
    "year_plot": "a tag-year for a plot of 1,000 pixels: first, least, greatest, last of each",
    "year_whole": "a tag-year, count, min, max, avg of all of it",
    "raw_hour": "one hour of one tag, raw (3,600 samples)",
    "plant_by_tag": "count, min, max, avg of each of 800 float tags, one hour",
    "last_all": "last value of 1,000 tags",
    "unit_minutes": "avg, min, max of 100 tags by the minute, 6 hours",
    "shift_by_tag": "count, min, max, avg of each of 1,000 tags, 21.6 M samples",
    "shift_filtered": "the same of the samples above 250",
}


def tree_bytes(folder, without=()):
    """The bytes of all files below a folder. Of a file with holes only what is there counts.

    Folders named in `without` are left out.
    """
    total = 0
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in without]
        for name in names:
            try:
                found = os.lstat(os.path.join(base, name))
                total += min(found.st_size, found.st_blocks * 512)
            except FileNotFoundError:
                pass  # A store may drop a file while we look.
    return total


def free_port():
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def own_cpu():
    """CPU seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(action):
    """Result, CPU seconds of this process, wall seconds."""
    cpu, wall = own_cpu(), time.perf_counter()
    result = action()
    return result, own_cpu() - cpu, time.perf_counter() - wall


def rows(table):
    """The rows of an Arrow table."""
    return list(zip(*(column.to_pylist() for column in table.columns)))


class Process:
    """A server as a child process, with its CPU time to the nanosecond."""

    def __init__(self, command, log, environment=None):
        self.log = open(log, "wb")
        self.child = subprocess.Popen(
            [str(word) for word in command], stdout=self.log, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})

    def cpu(self):
        """CPU seconds so far: of live threads by the scheduler, or of all by the tick."""
        base = pathlib.Path(f"/proc/{self.child.pid}")
        exact = 0
        for task in (base / "task").iterdir():
            try:
                exact += int((task / "schedstat").read_text().split()[0])
            except (OSError, ValueError):
                pass
        fields = (base / "stat").read_text().rsplit(")", 1)[1].split()
        ticks = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        # Threads that ended are missing in the first; the second has ticks of 10 ms.
        return exact / 1e9 if exact / 1e9 > ticks - 0.05 else ticks

    def wait_for(self, port, deadline_s=60):
        """Until it accepts connections."""
        until = time.monotonic() + deadline_s
        while time.monotonic() < until:
            if self.child.poll() is not None:
                raise RuntimeError(f"ended with {self.child.returncode}, see {self.log.name}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"nobody listens on {port}, see {self.log.name}")

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(30)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.log.close()


class Http:
    """One connection that stays open, so that a query is timed and not a handshake."""

    def __init__(self, port, timeout_s=900):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def ask(self, method, path, body=None, headers=None):
        try:
            self.connection.request(method, path, body=body, headers=headers or {})
            answer = self.connection.getresponse()
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            # A server may close a connection on which nothing was asked for a while.
            self.connection.close()
            self.connection.request(method, path, body=body, headers=headers or {})
            answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path[:80]}: {answer.status} {data[:300]!r}")
        return data


class Server:
    """What the stores with a server of their own share."""

    queries = ()

    def timed(self, action):
        cpu, wall = self.process.cpu(), time.perf_counter()
        result = action()
        wall = time.perf_counter() - wall
        return result, self.process.cpu() - cpu, wall

    def query(self, name):
        return self.timed(lambda: getattr(self, name)())

    def bytes(self):
        return {"directory": tree_bytes(self.folder)}

    def settled(self, seconds=4, deadline_s=240):
        """Waits until neither the directory nor the CPU moves any more."""
        until, quiet, before = time.monotonic() + deadline_s, 0, None
        while quiet < seconds and time.monotonic() < until:
            cpu, size = self.process.cpu(), tree_bytes(self.folder)
            moved = before is None or size != before[1] or cpu - before[0] > 0.1
            quiet, before = (0 if moved else quiet + 1), (cpu, size)
            time.sleep(1)

    def close(self):
        self.process.stop()


def serve(pipe, module, name, arguments):
    """The loop of a process with an embedded store in it."""
    store = getattr(__import__(module, fromlist=[name]), name)(*arguments)
    while True:
        method, given = pipe.recv()
        try:
            pipe.send((True, getattr(store, method)(*given)))
        except BaseException:
            pipe.send((False, traceback.format_exc()))
        if method == "close":
            return


class Embedded:
    """A store that lives in a process, in one of its own: its CPU and memory are its own."""

    def __init__(self, module, name, *arguments):
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        self.child = context.Process(target=serve, args=(other, module, name, arguments))
        self.child.start()
        self.queries = self.call("asked")

    def call(self, method, *arguments):
        self.pipe.send((method, arguments))
        fine, answer = self.pipe.recv()
        if not fine:
            raise RuntimeError(answer)
        return answer

    def load(self, dataset):
        return self.call("load", dataset)

    def settle(self):
        return self.call("settle")

    def bytes(self):
        return self.call("bytes")

    def series(self, dataset):
        return self.call("series", dataset)

    def query(self, name):
        return self.call("query", name)

    def close(self):
        self.call("close")
        self.child.join(30)


def fresh(folder):
    """The folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
