# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What moves the API's address on a server: one set of files, whoever does it, so that one takes the other's place.

Two that hold the same address at a time answer for each other, so who goes has gone before the next one starts.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._node import (
    keepalived,
    managed_files,
    selinux,
    services,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record, locked

#: of the set
NAME = "api-address"
Changes = tuple[managed_files.Change, ...]
_UNIT_FILE = f"/etc/systemd/system/{keepalived.UNIT}"


@dataclass(frozen=True)
class Moved:
    """What was done or, in check mode, would be."""

    changes: Changes
    #: whether the cluster lives, so that the address will come soon
    alive: bool = False

    @property
    def stops(self) -> bool:
        """Whether keepalived has to go."""
        return any(change.path == _UNIT_FILE and change.action == "remove" for change in self.changes)

    def as_result(self) -> dict[str, t.Any]:
        """What a module returns."""
        diff = managed_files.describe(self.changes)
        if self.stops:
            diff.append({"before": "", "after": f"{keepalived.UNIT}: stop\n"})
        return {
            "changed": bool(self.changes),
            "paths": [change.path for change in self.changes],
            "service": "stop" if self.stops else "",
            "awaited": bool(self.changes) and self.alive,
            "diff": diff,
        }


def plan(files: t.Sequence[managed_files.WantedFile], directory: Path | None = None) -> Changes:
    """What would change if the set were these files; what another provider put there goes."""
    return tuple(managed_files.plan(files, NAME, Record.load(directory)))


def settle(
    files: t.Sequence[managed_files.WantedFile], run: Runner, *, check: bool, directory: Path | None = None
) -> Moved:
    """Bring the set to files that no service of ours reads: kube-vip's pod, or none at all.

    :raises KlubsterError: a file cannot be written, or who had the address before does not end.
    """
    if check:
        return Moved(plan(files, directory))
    before = kube_vip.held()
    with locked(directory):
        record = Record.load(directory)
        if files:
            # The pod's file lies in a folder of k3s, which is not empty any more when k3s itself comes.
            record.note_data(K3S.data, K3S.incidental)
        done = Moved(tuple(managed_files.plan(files, NAME, record)))
        if done.stops:
            _stop(run)
            record.services.pop(keepalived.UNIT, None)
        managed_files.apply(files, done.changes, NAME, record)
        selinux.relabel([file.path for file in files if done.changes], run)
        if done.stops:
            run(["systemctl", "daemon-reload"])
    if before is not None and any(c.path == kube_vip.POD and c.action == "remove" for c in done.changes):
        kube_vip.give_up(before.address, before, run)
    return replace(done, alive=bool(files and done.changes) and lives(run))


def lives(run: Runner) -> bool:
    """Whether k3s serves an API here; before it does, waiting for the address is vain."""
    unit = K3S.unit("server")
    return services.states([unit], run)[unit].get("ActiveState") == "active"


def _stop(run: Runner) -> None:
    if Path(_UNIT_FILE).exists():
        run(["systemctl", "disable", "--now", "--quiet", keepalived.UNIT], timeout=120)
    else:
        # Somebody has taken the file away, and systemd refuses to disable it; what it started may run on.
        run(["systemctl", "stop", keepalived.UNIT], check=False, timeout=120)


def freed(address: str, run: Runner) -> t.Callable[[], None]:
    """For who takes kube-vip's place: waits, once the files are right, until no kube-vip here has the address.

    :raises KubeVipError: when called: it goes on.
    """
    before = kube_vip.held()

    def wait() -> None:
        gone = before if before is not None and not Path(kube_vip.POD).exists() else None
        kube_vip.give_up(address, gone, run)

    return wait


__all__ = ("NAME", "Moved", "freed", "lives", "plan", "settle")
