# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Whether a machine is what the tasks of the engine would make of it, asked once before any of them runs."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import containerd
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm import Kubeadm
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm_verbs import settle_kubelet
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import settle
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


def lacking(machine: Kubeadm, wanted: Wanted, state: NodeState) -> list[str]:
    """The parts that are not as they shall be: programs, containerd, images, kubelet, node.

    A file that was touched counts, even if its content is right: the task then looks at it and writes that down.
    """
    parts: dict[str, t.Callable[[], bool]] = {
        "programs": lambda: _programs(machine, wanted),
        "containerd": lambda: _containerd(machine, wanted),
        "images": lambda: _images(machine, wanted),
        "kubelet": lambda: settle_kubelet(machine, joined=state.phase == "complete", check=True).changed,
        "node": lambda: _node(machine, state),
    }
    return [name for name, differs in parts.items() if differs()]


def _programs(machine: Kubeadm, wanted: Wanted) -> bool:
    found = install.compare(wanted.programs, wanted.install_set, Record.load(machine.state_directory))
    return bool(found.seen) or not found.empty


def _containerd(machine: Kubeadm, wanted: Wanted) -> bool:
    lower = wanted.lower_oom_score
    files = containerd_files(machine.layout, containerd.render(wanted.runtime_config), lower_oom_score=lower)
    service = containerd_service(machine.layout, files)
    return settle("containerd", files, service, machine.run, check=True, directory=machine.state_directory).changed


def _images(machine: Kubeadm, wanted: Wanted) -> bool:
    have = images.present(machine.run, machine.layout.programs["bin/ctr"])
    return have is None or bool(images.compare(wanted.images, have, Record.load(machine.state_directory)))


def _node(machine: Kubeadm, state: NodeState) -> bool:
    if state.phase != "complete" or (machine.is_server and not state.api_ready):
        return True
    return machine.is_forgotten()


__all__ = ("Wanted", "lacking")
