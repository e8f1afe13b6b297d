# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""FRR on this machine: its files, its service, its shell."""

from __future__ import annotations

import json
import pwd
import re
import tempfile
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically
from ansible_collections.kateskit.klubster.plugins.module_utils._node import services

SERVICE = "frr.service"
_BIN, _LIB = "/usr/bin", "/usr/lib/frr"
_POLL = 0.2
_DAEMON = re.compile(r"^(\w+)=(yes|no)\b", re.MULTILINE)


class FrrError(KlubsterError):
    """FRR does not do what it shall."""


@dataclass(frozen=True)
class Folder:
    """Where FRR's files are."""

    path: Path = Path("/etc/frr")

    @property
    def config(self) -> Path:
        return self.path / "frr.conf"

    @property
    def daemons(self) -> Path:
        return self.path / "daemons"

    @property
    def backup(self) -> Path:
        return self.path / "frr.conf.before"

    @property
    def trial(self) -> Path:
        return self.path / "frr.conf.trial"


class Clock(t.Protocol):
    """Time, so that tests need none."""

    def now(self) -> float: ...

    def pause(self, seconds: float) -> None: ...


class RealClock:
    """The machine's."""

    def now(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)


class Frr:
    """Speaks with FRR by its own tools."""

    def __init__(self, run: Runner, folder: t.Optional[Folder] = None, clock: t.Optional[Clock] = None) -> None:
        self._run = run
        self.folder = folder or Folder()
        self._clock = clock or RealClock()

    # --- the service

    @staticmethod
    def installed() -> bool:
        """Whether FRR is there, with the tool that changes a running one."""
        return Path(_LIB, "frr-reload.py").exists() and Path(_BIN, "vtysh").exists()

    def state(self) -> tuple[bool, bool]:
        """Whether the service runs, and whether it starts with the machine."""
        found = services.states([SERVICE], self._run)[SERVICE]
        return found.get("ActiveState") in ("active", "reloading"), found.get("UnitFileState") == "enabled"

    def service(self, verb: str) -> None:
        """Start, stop, reload or enable the service.

        :raises FrrError: with the end of its journal.
        """
        try:
            self._run(["systemctl", verb, SERVICE], timeout=120)
        except CommandFailed as exc:
            tail = "\n".join(services.journal(SERVICE, self._run).splitlines()[-15:])
            raise FrrError(f"FRR did not {verb}: {exc}\nIts journal ends:\n{tail}") from exc

    def daemons(self) -> str:
        return self.folder.daemons.read_text(encoding="utf-8") if self.folder.daemons.exists() else ""

    def write_daemons(self, text: str) -> None:
        uid, gid = _owner()
        write_atomically(self.folder.daemons, text.encode(), mode=0o640, uid=uid, gid=gid)

    def wait_for(self, names: t.Collection[str], timeout: float = 30) -> None:
        """Wait until these daemons answer."""
        missing = self.until(lambda: sorted(set(names) - self._answering()), timeout)
        if missing:
            raise FrrError(f"These daemons of FRR did not start within {timeout:g} s: {', '.join(missing)}.")

    def _answering(self) -> set[str]:
        done = self._run(["vtysh", "-c", "show daemons"], check=False)
        return set(done.stdout.split()) if done.rc == 0 else set()

    def until(self, lacking: t.Callable[[], list[str]], timeout: float) -> list[str]:
        """Ask until nothing is lacking, or the time is over; what is lacking then."""
        deadline = self._clock.now() + timeout
        found = lacking()
        while found and self._clock.now() < deadline:
            self._clock.pause(_POLL)
            found = lacking()
        return found

    # --- the configuration

    def running(self) -> str:
        """The running configuration, as FRR prints it."""
        return self._run(["vtysh", "-c", "show running-config"], timeout=60).stdout

    def saved(self) -> str:
        """frr.conf; empty when there is none."""
        return self.folder.config.read_text(encoding="utf-8") if self.folder.config.exists() else ""

    def write(self, path: Path, text: str) -> None:
        """A file with secrets, for FRR alone."""
        uid, gid = _owner()
        write_atomically(path, text.encode(), mode=0o600, uid=uid, gid=gid)

    def refused_lines(self, text: str) -> list[str]:
        """What FRR's own parser says of a configuration; empty when it takes every line."""
        self.write(self.folder.trial, text)
        try:
            done = self._run(["vtysh", "-C", "-f", str(self.folder.trial)], check=False, timeout=60)
        finally:
            self.folder.trial.unlink()
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return said or [f"vtysh ended with exit status {done.rc}"] if done.rc else []

    def load(self, text: str) -> str:
        """Make ``text`` the file and the running configuration; what went wrong, empty when nothing did.

        The tool compares and sends only the difference, so sessions that need not end go on.
        """
        self.write(self.folder.config, text)
        # Its log, and the file with the difference that it makes, would show passwords to others.
        with tempfile.TemporaryDirectory(prefix="frr-reload-") as private:
            argv = [f"{_LIB}/frr-reload.py", "--reload", "--stdout", "--log-level", "error", "--bindir", _BIN]
            argv += ["--confdir", str(self.folder.path), "--rundir", private, str(self.folder.config)]
            done = self._run(argv, check=False, timeout=120)
        said = (done.stdout + done.stderr).strip()
        return (said[-2000:] or f"exit status {done.rc}") if done.rc else ""

    def filter_again(self) -> str:
        """Let all sessions ask for and send their routes again; what went wrong, empty when nothing did.

        FRR looks again by itself when a route map changed, not when a prefix list did that a neighbour has of its own.
        Sessions go on.
        """
        done = self._run(["vtysh", "-c", "clear bgp * soft"], check=False, timeout=60)
        return (done.stdout + done.stderr).strip()[-500:] or f"exit status {done.rc}" if done.rc else ""

    def ask_again(self) -> None:
        """Let all sessions ask for the neighbours' routes again, which changes nothing (RFC 2918).

        A neighbour whose routes are kept (``soft_reconfiguration``) is not asked.
        """
        self._run(["vtysh", "-c", "clear bgp * soft in"], check=False, timeout=60)

    def json(self, command: str) -> t.Any:
        """What a ``show`` command says as JSON; an empty mapping where its daemon does not run."""
        done = self._run(["vtysh", "-c", f"{command} json"], check=False, timeout=60)
        if done.rc != 0 and "is not running" in done.stdout + done.stderr:
            return {}
        if done.rc != 0:
            raise FrrError(f"FRR did not answer {command!r}: {(done.stderr or done.stdout).strip()[-500:]}")
        try:
            return json.loads(done.stdout or "{}")
        except ValueError as exc:
            said = (done.stdout + done.stderr).strip()[:200]
            raise FrrError(f"FRR answered {command!r} with something that is no JSON: {said}") from exc


def with_daemons(text: str, names: t.Iterable[str]) -> str:
    """The file of daemons with these switched on; nothing is switched off, and other lines stay."""
    missing = dict.fromkeys(names)

    def line(found: re.Match[str]) -> str:
        if found.group(1) not in missing:
            return found.group(0)
        del missing[found.group(1)]
        return f"{found.group(1)}=yes"

    new = _DAEMON.sub(line, text)
    if missing:
        new = new.rstrip("\n") + "\n" if new.strip() else ""
    return new + "".join(f"{name}=yes\n" for name in missing)


def _owner() -> tuple[int, int]:
    try:
        found = pwd.getpwnam("frr")
    except KeyError:
        return 0, 0
    return found.pw_uid, found.pw_gid


__all__ = ("SERVICE", "Clock", "Folder", "Frr", "FrrError", "RealClock", "with_daemons")
