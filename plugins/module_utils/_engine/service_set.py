# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A service together with the files it reads, compared and settled in one step."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.diagnosis import likely_cause
from ansible_collections.kateskit.klubster.plugins.module_utils._node import managed_files, services
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import STATE_DIRECTORY, Record, locked


@dataclass(frozen=True)
class Settled:
    """What was done or, in check mode, would be."""

    changes: tuple[managed_files.Change, ...]
    step: services.Step

    @property
    def changed(self) -> bool:
        return bool(self.changes) or not self.step.empty

    def as_result(self) -> dict[str, t.Any]:
        """What a module returns."""
        diff = managed_files.describe(self.changes)
        if not self.step.empty:
            done = self.step.action or "enable"
            diff.append({"before": "", "after": f"{self.step.service.name}: {done}\n"})
        return {
            "changed": self.changed,
            "paths": [change.path for change in self.changes],
            "service": self.step.action,
            "diff": diff,
        }


def settle(
    name: str,
    files: t.Sequence[managed_files.WantedFile],
    service: services.Service,
    run: Runner,
    *,
    check: bool,
    directory: Path = STATE_DIRECTORY,
    between: t.Callable[[], None] | None = None,
) -> Settled:
    """Bring files and service to what is wanted; in check mode only say what would be done.

    In check mode the digest is that of the files as they stand, so a change of a file counts as a restart.

    :param between: called when the files are right, before the service starts; not in check mode.
    :raises KlubsterError: a file cannot be written, or the service does not start; the likely cause comes first.
    """
    if check:
        record = Record.load(directory)
        changes = managed_files.plan(files, name, record)
        step = services.plan([service], record, run)[0]
        if changes and service.start and not step.action:
            step = services.Step(service, step.enable, "restart", step.digest)
        return Settled(tuple(changes), step)
    with locked(directory):
        record = Record.load(directory)
        changes = managed_files.plan(files, name, record)
        managed_files.apply(files, changes, name, record)
        if between is not None:
            between()
        step = services.plan([service], record, run)[0]
        services.apply([step], record, run, likely_cause)
    return Settled(tuple(changes), step)


__all__ = ("Settled", "settle")
