# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Services of systemd and the files they read: a service restarts when, and only when, one of its files changed.

What a service was last started with is written down as a digest. So a run that is killed between changing a file and
restarting the service leaves a difference that the next run sees.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record, Stamp

Explain = t.Callable[[str], str]
_PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
#: systemd says it of every shim whenever a runtime starts anew; a cause drowns in it
_PODS_GO_ON = re.compile(
    r"Found left-over process \d+ \(containerd-shim|usually indicates unclean termination of a previous run"
)


class ServiceFailed(KlubsterError):
    """A service did not start."""


@dataclass(frozen=True)
class Service:
    """A service that shall run.

    :param reads: files and folders; when one of them differs from the last start, the service restarts.
    :param start: False enables it only; something else starts it the first time.
    """

    name: str
    reads: tuple[str, ...] = ()
    start: bool = True


@dataclass(frozen=True)
class Step:
    """What has to be done with one service."""

    service: Service
    enable: bool
    action: t.Literal["", "start", "restart"]
    digest: str

    @property
    def empty(self) -> bool:
        return not self.enable and not self.action


def states(names: t.Sequence[str], run: Runner) -> dict[str, dict[str, str]]:
    """The properties of units, by name, in one call."""
    if not names:
        return {}
    shown = run(["systemctl", "show", "--property", ",".join(_PROPERTIES), *names]).stdout
    found: dict[str, dict[str, str]] = {}
    for name, block in zip(names, shown.strip().split("\n\n")):
        rows = (line.partition("=") for line in block.splitlines())
        found[name] = {key: value for key, dummy, value in rows}
    return found


def plan(services: t.Sequence[Service], record: Record, run: Runner) -> list[Step]:
    """Compare services with the machine."""
    now = states([service.name for service in services], run)
    steps = []
    for service in services:
        state = now.get(service.name, {})
        digest = digest_of(service.reads, record)
        action: t.Literal["", "start", "restart"] = ""
        if service.start and state.get("ActiveState") not in {"active", "reloading", "activating"}:
            action = "start"
        elif service.start and record.services.get(service.name) != digest:
            action = "restart"
        steps.append(Step(service, state.get("UnitFileState") != "enabled", action, digest))
    return steps


def apply(steps: t.Sequence[Step], record: Record, run: Runner, explain: Explain | None = None) -> None:
    """Enable, start and restart; a unit file that changed is read again first.

    :raises ServiceFailed: with the end of the service's journal and, first, the likely cause.
    """
    names = [step.service.name for step in steps if not step.empty]
    if not names:
        return
    if any(state.get("NeedDaemonReload") == "yes" for state in states(names, run).values()) or any(
        step.enable for step in steps
    ):
        run(["systemctl", "daemon-reload"])
    fresh = [step.service.name for step in steps if step.enable]
    if fresh:
        run(["systemctl", "enable", "--quiet", *fresh])
    for step in steps:
        if step.action:
            _start(step, run, explain)
            record.services[step.service.name] = step.digest
            record.save()


def digest_of(paths: t.Sequence[str], record: Record) -> str:
    """One digest over the contents of files and folders. A verified file that did not change is not read again."""
    digest = hashlib.sha256()
    for name in paths:
        path = Path(name)
        files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
        for file in files:
            digest.update(f"{file} {_content(file, record)}\n".encode())
    return digest.hexdigest()


def journal(name: str, run: Runner, lines: int = 60, since: float | None = None) -> str:
    """The end of a unit's journal; empty when there is none. What systemd says of pods that go on is left out.

    :param since: seconds of the epoch; what is older says nothing about what happened now.
    """
    window = [] if since is None else ["--since", f"@{since:.0f}"]
    said = run(
        ["journalctl", "--unit", name, "--lines", str(lines), *window, "--no-pager", "--output", "cat"], check=False
    ).stdout
    return "".join(line for line in said.splitlines(keepends=True) if not _PODS_GO_ON.search(line))


def _content(path: Path, record: Record) -> str:
    known = record.entries.get(str(path))
    if known is not None and known.stamp is not None and known.stamp == Stamp.of(path):
        return known.sha256
    return sha256_of(path) if path.is_file() else "absent"


def _start(step: Step, run: Runner, explain: Explain | None) -> None:
    name = step.service.name
    # A unit that failed too often in a row would refuse to start.
    run(["systemctl", "reset-failed", name], check=False)
    try:
        run(["systemctl", step.action, name], timeout=120)
    except CommandFailed as exc:
        said = journal(name, run)
        cause = explain(said) if explain else ""
        tail = "\n".join(said.splitlines()[-15:])
        raise ServiceFailed(
            f"{cause or f'{name} did not {step.action}.'}\nThe journal of {name} ends:\n{tail}"
        ) from exc


__all__ = ("Explain", "Service", "ServiceFailed", "Step", "apply", "digest_of", "journal", "plan", "states")
