# SPDX-License-Identifier: Apache-2.0
"""The programs that are parts of the real k3s's one process: they live and die with ours."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
import typing as t
from pathlib import Path

from k3s_standin.log import Stopped, info

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_GRACE = 5.0
#: it waits for watches that nobody ends; k3s's own process simply goes
_IMPATIENT = 1.0


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Children:
    """Start from the main thread only: the kernel ends children when the thread that started them ends."""

    def __init__(self, environment: t.Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.stop = threading.Event()
        #: why everything ends, when it is not by request
        self.failure = ""
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(
        self,
        name: str,
        arguments: t.Sequence[str],
        *,
        log: Path | None = None,
        environment: t.Mapping[str, str] | None = None,
        masked: bool = False,
    ) -> None:
        if self.stop.is_set():
            raise Stopped(name)
        info(f"Running {name} {' '.join(arguments[1:]) if not masked else '...'}")
        with contextlib.ExitStack() as stack:
            output = None
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(log.open("ab"))
            process = subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self.environment, **(environment or {})},
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - only a call that is bound already
            )
        self._running.append((name, process))
        threading.Thread(target=self._watch, args=(name, process), daemon=True).start()

    def fail(self, why: str) -> None:
        """A part is gone for good: end everything, as k3s does; systemd starts it again."""
        if not self.stop.is_set():
            self.failure = why
            self.stop.set()

    def check(self) -> None:
        if self.stop.is_set():
            raise Stopped(self.failure)

    def wait(self, seconds: float) -> None:
        """:raises Stopped: the end was asked for while waiting."""
        if self.stop.wait(seconds):
            raise Stopped(self.failure)

    def wait_for(self, what: str, done: t.Callable[[], bool], *, pause: float = 0.2) -> None:
        """Wait as long as it takes, as k3s does; say once a minute for what."""
        said = time.monotonic()
        while not done():
            self.wait(pause)
            if time.monotonic() - said > 60:
                info(f"Waiting for {what}")
                said = time.monotonic()

    def end(self) -> None:
        """Stop all, those that serve others last."""
        self.stop.set()
        for last in (False, True):
            group = [one for one in self._running if (one[0] in ("etcd", "containerd")) is last]
            for _name, process in group:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            begin = time.monotonic()
            for name, process in group:
                deadline = begin + (_IMPATIENT if name == "kube-apiserver" else _GRACE)
                try:
                    process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    info(f"{name} did not end, killing it")
                    process.kill()
                    process.wait()

    def _watch(self, name: str, process: subprocess.Popen[bytes]) -> None:
        status = process.wait()
        self.fail(f"{name} exited: exit status {status}")


def environment(programs: Path) -> dict[str, str]:
    """For children: our programs first on the path."""
    path = os.environ.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    kept = {name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "K3S_TOKEN")}
    return {**kept, "PATH": f"{programs}:{path}"}


__all__ = ("Children", "environment")
