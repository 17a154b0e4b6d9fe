"""Prometheus: blocks from OpenMetrics text by promtool. Size only: there is no other bulk way in."""

import os
import pathlib
import subprocess

from peers import fresh, tree_bytes
from peers.victoria import codes


class Prometheus:
    """The store."""

    queries = ()

    def __init__(self, folder, root):
        self.folder, self.tool = fresh(folder), pathlib.Path(root) / "usr/bin/promtool"

    def load(self, dataset):
        text = self.folder.parent / f"{self.folder.name}.om"
        with open(text, "w") as out:
            out.write(f"# TYPE {dataset.name} gauge\n")
            for one in dataset.series:
                name = one.name.replace("\\", "\\\\").replace('"', '\\"')
                head = f'{dataset.name}{{t="{name}"}} '
                for value, at in zip(codes(one.values).tolist(), one.ts.tolist()):
                    out.write(f"{head}{value!r} {at / 1000:.3f}\n")
            out.write("# EOF\n")
        command = [self.tool, "tsdb", "create-blocks-from", "--max-block-duration=87600h",
                   "openmetrics", text, self.folder]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        text.unlink()
        if status != 0:
            raise RuntimeError(f"promtool ended with {os.waitstatus_to_exitcode(status)}")
        return used.ru_utime + used.ru_stime

    def settle(self):
        return 0.0

    def bytes(self):
        return {"directory": tree_bytes(self.folder)}

    def series(self, dataset):
        return None

    def close(self):
        pass
