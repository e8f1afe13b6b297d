# SPDX-License-Identifier: Apache-2.0
"""Runs a command and writes down with which arguments and environment every program of this host was started meanwhile.

Usage: exec_watch.py OUTPUT -- COMMAND...

The kernel tells of each program that starts (proc connector), on the host and in its containers, so even those that end
at once are seen, not only those that a look at /proc happens to meet. Each distinct argument list and variable is one
line of OUTPUT (a file for root only). The first line says how many programs were seen, and how many of them had ended
before they could be read. Needs root.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

# linux/connector.h, linux/cn_proc.h
_NETLINK_CONNECTOR = 11
_CN_IDX_PROC = 1
_PROC_CN_MCAST_LISTEN = 1
_PROC_EVENT_EXEC = 2
_HEADERS = 16 + 20
_BUFFER = 32 << 20


class Watch:
    """All programs from ``__enter__`` to ``__exit__``."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root
        self.lines: dict[str, None] = {}
        self.started, self.missed = 0, 0
        self._end = threading.Event()

    def __enter__(self) -> Watch:
        self._socket = _listen()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        # What runs already was started before anybody listened.
        for entry in self._root.iterdir():
            if entry.name.isdigit():
                self._read(int(entry.name))
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end.set()
        self._thread.join()
        self._socket.close()

    def write(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(json.dumps({"started": self.started, "missed": self.missed}) + "\n")
            stream.writelines(f"{line}\n" for line in self.lines)

    def _follow(self) -> None:
        # A program that ends at once leaves a moment only.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        while not self._end.is_set():
            ready, _w, _x = select.select([self._socket], [], [], 0.2)
            if not ready:
                continue
            try:
                data = self._socket.recv(65536)
            except OSError:
                # More came than the buffer holds: what was dropped was not seen.
                self.missed += 1
                continue
            what = struct.unpack_from("=I", data, _HEADERS)[0]
            if what == _PROC_EVENT_EXEC:
                self.started += 1
                if not self._read(struct.unpack_from("=I", data, _HEADERS + 16)[0]):
                    self.missed += 1

    def _read(self, pid: int) -> bool:
        found = False
        with contextlib.suppress(OSError):
            argv = (self._root / str(pid) / "cmdline").read_bytes().rstrip(b"\0")
            self._note("argv", argv.replace(b"\0", b" "))
            found = bool(argv)
            for variable in (self._root / str(pid) / "environ").read_bytes().split(b"\0"):
                self._note("environ", variable)
        return found

    def _note(self, kind: str, text: bytes) -> None:
        if text:
            self.lines[f"{kind} {text.decode(errors='replace')}".replace("\n", "\\n")] = None


def _listen() -> socket.socket:
    found = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_CONNECTOR)
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, 33, _BUFFER)  # SO_RCVBUFFORCE
    found.bind((0, _CN_IDX_PROC))
    wish = struct.pack("=I", _PROC_CN_MCAST_LISTEN)
    body = struct.pack("=IIIIHH", _CN_IDX_PROC, 1, 0, 0, len(wish), 0) + wish
    found.send(struct.pack("=IHHII", 16 + len(body), 3, 0, 0, os.getpid()) + body)
    # The kernel acknowledges; from then on nothing is lost.
    ready, _w, _x = select.select([found], [], [], 5)
    if not ready:
        raise SystemExit("The kernel tells nothing of programs that start (no proc connector here).")
    return found


def main() -> int:
    output, command = Path(sys.argv[1]), sys.argv[sys.argv.index("--") + 1 :]
    with Watch() as watch:
        done = subprocess.run(command, check=False)
        # The last programs that it started are still being told of.
        time.sleep(0.5)
    watch.write(output)
    print(f"{watch.started} programs started, {watch.missed} ended before they could be read", file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
