# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A node as it is wanted, by whatever engine: its name, its labels and its taints."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane:NoSchedule"
# kubelet may give itself labels of other kinds only; these are set through the API.
_RESERVED = ("kubernetes.io", "k8s.io")


@dataclass(frozen=True)
class NodeSettings:
    """This machine."""

    name: str
    address: str
    role: t.Literal["server", "agent"]
    labels: dict[str, str] = field(default_factory=dict)
    #: ``key=value:Effect``
    taints: tuple[str, ...] = ()
    #: entries for KubeletConfiguration on this machine only
    kubelet_config: dict[str, t.Any] = field(default_factory=dict)


def node_of(data: t.Mapping[str, t.Any]) -> NodeSettings:
    """A machine of the plan."""
    return NodeSettings(
        name=data["node_name"],
        address=data["address"],
        role=data["role"],
        labels={str(key): str(value) for key, value in (data.get("labels") or {}).items()},
        taints=tuple(data.get("taints") or ()),
        kubelet_config=dict(data.get("kubelet_config") or {}),
    )


def taint_of(written: str) -> dict[str, str]:
    """``key=value:Effect`` or ``key:Effect`` as the API has it."""
    left, dummy, effect = written.rpartition(":")
    key, dummy, value = left.partition("=")
    taint = {"key": key, "effect": effect}
    if value:
        taint["value"] = value
    return taint


def taints_of(node: NodeSettings, *, open_servers: bool) -> list[dict[str, str]]:
    """Taints that the node shall have from us: a server keeps the user's pods away where there are agents."""
    closed = (CONTROL_PLANE_TAINT,) if node.role == "server" and not open_servers else ()
    return [taint_of(written) for written in (*closed, *node.taints)]


def is_reserved(label: str) -> bool:
    """Whether only the API can give a node this label."""
    prefix = label.rpartition("/")[0]
    return any(prefix == domain or prefix.endswith(f".{domain}") for domain in _RESERVED)


__all__ = ("CONTROL_PLANE_TAINT", "NodeSettings", "is_reserved", "node_of", "taint_of", "taints_of")
