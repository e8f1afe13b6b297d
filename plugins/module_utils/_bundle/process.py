# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Runs programs so that all of them, with their children, can be stopped at once."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, KlubsterError

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Stopped(KlubsterError):
    """The program was ended because something else failed."""


class Processes:
    """A ``Runner`` whose programs run in groups of their own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def __call__(
        self,
        argv: t.Sequence[str],
        *,
        check: bool = True,
        stdin: str | None = None,
        env: t.Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Result:
        """As ``_command.run``; raises ``Stopped`` once ``stop`` was called."""
        process = self._start(argv, env)
        try:
            stdout, stderr = process.communicate(stdin or "", timeout=timeout)
        except subprocess.TimeoutExpired as exc:
            self._kill(process)
            raise CommandFailed(argv, 124, "", f"took longer than {timeout:g} s") from exc
        except BaseException:
            self._kill(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        if self._stopped:
            raise Stopped(f"{argv[0]} was stopped")
        if check and process.returncode != 0:
            raise CommandFailed(argv, process.returncode, stdout, stderr)
        return Result(process.returncode, stdout, stderr)

    def stop(self) -> None:
        """End every running program with its children; none starts any more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

    def _start(self, argv: t.Sequence[str], env: t.Mapping[str, str] | None) -> subprocess.Popen[str]:
        environment = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
        with self._lock:
            if self._stopped:
                raise Stopped(f"{argv[0]} was not started")
            try:
                # A build is ended with its whole process group.
                # pylint: disable-next=ansible-bad-function
                process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=environment,
                    start_new_session=True,
                    preexec_fn=end_with_parent,  # noqa: PLW1509 (one system call, nothing that takes a lock)
                )
            except FileNotFoundError as exc:
                raise CommandFailed(argv, 127, "", str(exc)) from exc
            self._running.add(process)
        return process

    @staticmethod
    def _kill(process: subprocess.Popen[str]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def end_with_parent() -> None:
    """This process shall not go on alone when Ansible is killed: the next run would meet it in the same folder."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


__all__ = ("Processes", "Stopped", "end_with_parent")
