# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a machine is to its cluster and what it lacks: the answers of ``kubeadm_node_info`` and ``k3s_node_info``."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import comparison, containerd, kubeconfig
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_verbs as k3s
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_verbs as kubeadm
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.states import NodeState
from ansible_collections.kateskit.klubster.plugins.module_utils._node import images, install

_ARCHIVES = {"type": "list", "elements": "dict", "default": []}
_FILES = {"type": "list", "elements": "dict", "default": [], "options": install.FILE_OPTIONS}
#: options of kubeadm_node_info and of k3s_node_info
KUBEADM_ARGUMENTS: dict[str, t.Any] = kubeadm.ARGUMENTS | {
    "install_set": {"type": "str", "required": True},
    "programs": _FILES,
    "image_names": {"type": "list", "elements": "str", "default": []},
    "image_archives": _ARCHIVES,
    "archives": {"type": "list", "elements": "dict", "default": [], "options": images.ARCHIVE_OPTIONS},
    "sandbox_image": {"type": "str", "required": True},
    "cgroup_driver": {"type": "str", "default": "systemd", "choices": ["systemd", "cgroupfs"]},
    "lower_oom_score": {"type": "bool", "default": True},
}
K3S_ARGUMENTS: dict[str, t.Any] = k3s.ARGUMENTS | {
    "release_dir": {"type": "path"},
    "architecture": {"type": "str", "default": "amd64"},
    "bundle_dir": {"type": "path"},
    "programs": _FILES,
    "archives": _FILES,
    "image_archives": _ARCHIVES,
    "nodes": {"type": "list", "elements": "dict", "default": []},
    "ca_hash": {"type": "str", "default": ""},
}


def kubeadm_look(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """From the options of ``kubeadm_node_info`` to its answer."""
    machine = kubeadm.machine_of(params)
    found = kubeadm.inspect(machine, params)
    wanted = comparison.Wanted(
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
    seen = comparison.look(machine, wanted, NodeState(**(found.node or {})))
    return {
        "lacking": seen.lacking,
        "change": seen.change,
        "node": found.node,
        "machine": found.machine,
        "kubeconfig_sha256": kubeconfig.digest_for(machine.root / machine.layout.kubeconfig.lstrip("/"), params),
        "kube_proxy_wanted": found.kube_proxy_wanted,
    }


#: a warning of a file in k3s's folder of drop-ins
STRANGER = "{path} was not written by this collection. k3s reads it last, so it beats what stands in ours."


def k3s_look(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """From the options of ``k3s_node_info`` to its answer."""
    machine = k3s.machine_of(params)
    seen = k3s.look(machine, params)
    versions = machine.versions() if "programs" in seen.lacking else ()
    found = k3s.inspect(machine, params, versions, reconfigured="config" in seen.lacking)
    return {
        "lacking": seen.lacking,
        "change": seen.change,
        "node": found.node,
        "machine": found.machine,
        "strangers": k3s.strangers(machine),
        "kubeconfig_sha256": kubeconfig.digest_for(machine.root / machine.layout.kubeconfig.lstrip("/"), params),
    }


__all__ = ("K3S_ARGUMENTS", "KUBEADM_ARGUMENTS", "STRANGER", "k3s_look", "kubeadm_look")
