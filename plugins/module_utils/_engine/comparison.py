# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Whether a machine is what the tasks of the engine would make of it, and what it takes to change a running one.

Asked once, before any of the tasks runs.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import containerd
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm import Kubeadm
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm_verbs import settle_kubelet
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import Settled, settle
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.states import NodeState
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.units import (
    containerd_files,
    containerd_service,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node import images, install
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record


@dataclass(frozen=True)
class Wanted:
    """What the tasks would put on the machine.

    :param install_set: name of the set of programs.
    :param lower_oom_score: whether the machine may lower oom_score_adj.
    """

    install_set: str
    programs: tuple[install.WantedInstall, ...]
    images: tuple[images.WantedImage, ...]
    runtime_config: t.Mapping[str, t.Any]
    lower_oom_score: bool


#: what changing a running node means: nothing to do; nothing that runs notices; a service starts anew; pods must go
Change = t.Literal["none", "live", "restart", "drain"]
_RANK: tuple[Change, ...] = ("none", "live", "restart", "drain")
#: programs that run pods, or that the pods' processes are watched by
_RUNNING = ("bin/containerd", "bin/containerd-shim-runc-v2", "bin/runc", "bin/kubelet")


@dataclass(frozen=True)
class Look:
    """The parts that are not as they shall be: programs, containerd, images, control_plane, kubelet, node.

    A file that was touched counts, even if its content is right: the task then looks at it and writes that down.
    """

    parts: t.Mapping[str, Change]

    @property
    def lacking(self) -> list[str]:
        return [name for name, change in self.parts.items() if change != "none"]

    @property
    def change(self) -> Change:
        """The gravest change of all parts."""
        return max(self.parts.values(), key=_RANK.index, default="none")


def look(machine: Kubeadm, wanted: Wanted, state: NodeState) -> Look:
    """Compare a machine with what is wanted. What is no node yet is changed without anybody noticing."""
    parts: dict[str, Change] = {
        "programs": _programs(machine, wanted),
        "containerd": _containerd(machine, wanted),
        "images": _images(machine, wanted),
        "control_plane": "drain" if state.phase == "complete" and machine.control_plane_differs() else "none",
        "kubelet": _service(settle_kubelet(machine, joined=state.phase == "complete", check=True)),
        "node": "live" if _node(machine, state) else "none",
    }
    if state.phase != "complete":
        parts = {name: "none" if change == "none" else "live" for name, change in parts.items()}
    return Look(parts)


def _programs(machine: Kubeadm, wanted: Wanted) -> Change:
    record = Record.load(machine.state_directory)
    found = install.compare(wanted.programs, wanted.install_set, record)
    for item in found.missing:
        known = record.entries.get(item.path)
        # One that was put here and is gone is brought back as it was; another one is a change.
        same = known is not None and known.sha256 == item.sha256
        if item.source in _RUNNING and (Path(item.path).exists() or not same):
            return "drain"
    return "live" if found.seen or not found.empty else "none"


def _containerd(machine: Kubeadm, wanted: Wanted) -> Change:
    lower = wanted.lower_oom_score
    files = containerd_files(machine.layout, containerd.render(wanted.runtime_config), lower_oom_score=lower)
    service = containerd_service(machine.layout, files)
    return _service(settle("containerd", files, service, machine.run, check=True, directory=machine.state_directory))


def _service(settled: Settled) -> Change:
    """What it takes to settle a service. It starts anew for other files of its own, or for another program."""
    if not settled.changed:
        return "none"
    if settled.step.action != "restart":
        return "live"
    return "restart" if settled.changes else "drain"


def _images(machine: Kubeadm, wanted: Wanted) -> Change:
    have = images.present(machine.run, machine.layout.programs["bin/ctr"])
    missing = have is None or bool(images.compare(wanted.images, have, Record.load(machine.state_directory)))
    return "live" if missing else "none"


def _node(machine: Kubeadm, state: NodeState) -> bool:
    if state.phase != "complete" or (machine.is_server and not state.api_ready):
        return True
    return machine.is_forgotten()


__all__ = ("Change", "Look", "Wanted", "look")
