# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a machine is to its cluster under kubeadm and what it lacks: the answer of ``kubeadm_node_info``.

Asked once, before any of the engine's tasks runs: whether the machine is what they would make of it, and what it takes
to change a running one.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import containerd, kubeadm_verbs, kubeconfig
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm import Kubeadm
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.look import Change, Look, look_of
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


#: options of kubeadm_node_info
ARGUMENTS: dict[str, t.Any] = kubeadm_verbs.ARGUMENTS | {
    "install_set": {"type": "str", "required": True},
    "programs": {"type": "list", "elements": "dict", "default": [], "options": install.FILE_OPTIONS},
    "image_names": {"type": "list", "elements": "str", "default": []},
    "image_archives": {"type": "list", "elements": "dict", "default": []},
    "archives": {"type": "list", "elements": "dict", "default": [], "options": images.ARCHIVE_OPTIONS},
    "sandbox_image": {"type": "str", "required": True},
    "cgroup_driver": {"type": "str", "default": "systemd", "choices": ["systemd", "cgroupfs"]},
    "lower_oom_score": {"type": "bool", "default": True},
}
#: programs that run pods, or that the pods' processes are watched by
_RUNNING = ("bin/containerd", "bin/containerd-shim-runc-v2", "bin/runc", "bin/kubelet")


def look(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """From the options of ``kubeadm_node_info`` to its answer."""
    machine = kubeadm_verbs.machine_of(params)
    found = kubeadm_verbs.inspect(machine, params)
    wanted = Wanted(
        install_set=params["install_set"],
        programs=tuple(install.parse(params["programs"])),
        images=tuple(images.WantedImage(**entry) for entry in params["archives"]),
        runtime_config=containerd.config(
            sandbox_image=params["sandbox_image"],
            systemd_cgroup=params["cgroup_driver"] == "systemd",
            lower_oom_score=params["lower_oom_score"],
        ),
        lower_oom_score=params["lower_oom_score"],
    )
    seen = compare(machine, wanted, NodeState(**(found.node or {})))
    return {
        "lacking": seen.lacking,
        "change": seen.change,
        "node": found.node,
        "machine": found.machine,
        "kubeconfig_sha256": kubeconfig.digest_for(machine.root / machine.layout.kubeconfig.lstrip("/"), params),
        "kube_proxy_wanted": found.kube_proxy_wanted,
    }


def compare(machine: Kubeadm, wanted: Wanted, state: NodeState) -> Look:
    """Compare a machine with what is wanted: programs, containerd, images, control_plane, kubelet, node."""
    parts: dict[str, Change] = {
        "programs": _programs(machine, wanted),
        "containerd": _containerd(machine, wanted),
        "images": _images(machine, wanted),
        "control_plane": "drain" if state.phase == "complete" and machine.control_plane_differs() else "none",
        "kubelet": _service(kubeadm_verbs.settle_kubelet(machine, joined=state.phase == "complete", check=True)),
        "node": "live" if _node(machine, state) else "none",
    }
    return look_of(parts, is_node=state.phase == "complete")


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


__all__ = ("ARGUMENTS", "Wanted", "compare", "look")
