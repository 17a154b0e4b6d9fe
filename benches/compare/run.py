#!/usr/bin/env python3
"""Compares Tacitus with other stores: the same data, the same machine, the same run.

This file needs nothing but Python. It makes a virtual environment and unpacks the peers in a cache
folder outside the tree (no service is installed or started), then runs `measure.py` in it.

    benches/compare/run.py --tacitus target/release/tacitus

`--help` shows the rest. The README beside this file says what is measured, and how.
"""

import os
import pathlib
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(
    os.environ.get("TACITUS_COMPARE_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    / "tacitus" / "compare"
)
# Debian's packages, unpacked and not installed: no service, no user, no file outside the cache.
PACKAGES = {"victoria-metrics": "victoria-metrics", "influxdb": "influxd", "prometheus": "promtool"}


def python():
    """The interpreter of the virtual environment, made on first use."""
    interpreter = CACHE / "venv" / "bin" / "python"
    wanted = (HERE / "requirements.txt").read_text()
    done = CACHE / "venv" / "requirements.done"
    if not interpreter.exists():
        venv.create(CACHE / "venv", with_pip=True)
    if not done.exists() or done.read_text() != wanted:
        command = [interpreter, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"]
        subprocess.run(command, check=True)
        done.write_text(wanted)
    return interpreter


def unpack():
    """The peers that Debian has. One that cannot be had is left out of the comparison."""
    root, debs = CACHE / "peers", CACHE / "deb"
    for package, binary in PACKAGES.items():
        if (root / "usr" / "bin" / binary).exists():
            continue
        debs.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(["apt-get", "download", package], cwd=debs, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            newest = max(debs.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
            subprocess.run(["dpkg", "-x", newest, root], check=True)
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            print(f"{package} is not to be had here and is left out: {error}", file=sys.stderr)
    return root


def main():
    if sys.argv[1:] and sys.argv[1] in ("-h", "--help"):
        return subprocess.call([python(), HERE / "measure.py", "--help"])
    interpreter, root = python(), unpack()
    arguments = [interpreter, HERE / "measure.py", "--cache", CACHE, "--peers-root", root]
    return subprocess.call([*arguments, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
