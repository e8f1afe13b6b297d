# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What is known of every engine: its row of the layout table begins with this."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

Role = t.Literal["server", "agent"]

#: what any kubelet makes in passing
KUBELET_INCIDENTAL = (
    "/run/xtables.lock",
    "/usr/libexec/kubernetes",
    "/usr/libexec/kubernetes/kubelet-plugins",
    "/usr/libexec/kubernetes/kubelet-plugins/volume",
    "/usr/libexec/kubernetes/kubelet-plugins/volume/exec",
)


@dataclass(frozen=True)
class EngineLayout:
    """Paths, units and ports of an engine."""

    name: str
    #: path inside the bundle or release -> path on the machine
    programs: dict[str, str]
    #: the administrator's, on a server
    kubeconfig: str
    #: services that make the machine a node, and those that run its containers; stopped in this order
    node_units: tuple[str, ...]
    runtime_units: tuple[str, ...]
    #: paths that only a node has, whoever made it one
    signs: tuple[str, ...]
    #: folders below which volumes and containers are mounted
    mounts: tuple[str, ...]
    #: of etcd on a server: CA, certificate, key
    etcd_certificates: tuple[str, str, str]
    #: where etcd answers in JSON on its own server
    etcd_url: str
    #: whether it does so where its members say that they are asked, too
    etcd_url_of_members: bool
    #: TCP ports that the engine listens on
    server_ports: tuple[int, ...]
    node_ports: tuple[int, ...]
    #: folders in which the engine and its parts keep what they make, the outer ones first
    data: tuple[str, ...]
    #: what the engine makes in passing; removed when it was not there before and is empty
    incidental: tuple[str, ...]
    #: network interfaces of CNI plugins and flannel
    interfaces: tuple[str, ...]

    @property
    def marker(self) -> str:
        """File that tells what was begun on the machine."""
        return f"{self.name}.json"


__all__ = ("KUBELET_INCIDENTAL", "EngineLayout")
