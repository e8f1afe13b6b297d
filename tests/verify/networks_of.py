# SPDX-License-Identifier: Apache-2.0
"""What a cluster shows of its pod network, by provider: the parts on every node, and how packets travel.

Written from the providers' public documentation and charts, not from this collection.
"""

from __future__ import annotations

import typing as t

Values = t.Callable[[str, t.Any], t.Any]

#: provider → part of the name of the DaemonSet that makes the network
AGENTS = {"flannel": "flannel", "calico": "calico-node", "kube_router": "kube-router", "cilium": "cilium"}
#: provider → the backend where the inventory names none
DEFAULTS = {"flannel": "vxlan", "calico": "vxlan", "kube_router": "ipip", "cilium": "vxlan"}


def parts_everywhere(value: Values) -> list[str]:
    """Parts of the names of DaemonSets that run on every node.

    :param value: of a variable of the inventory, or what is given beside its name.
    """
    k3s, provider = value("klubster_engine", "kubeadm") == "k3s", str(value("klubster_cni", "flannel"))
    parts = []
    if not k3s and str(value("klubster_cni_service_proxy", False)).lower() != "true":
        parts.append("kube-proxy")
    # k3s has Flannel within itself.
    if provider in AGENTS and not (k3s and provider == "flannel"):
        parts.append(AGENTS[provider])
    if value("klubster_load_balancer", "metallb") == "metallb" and value("klubster_metallb_speaker", "") != "cni":
        parts.append("speaker")
    return parts


def calicos(pool: t.Mapping[str, t.Any]) -> str:
    """The backend that a pool of Calico's stands for; ``spec`` of an IPPool."""
    for mode, backend in (("vxlanMode", "vxlan"), ("ipipMode", "ipip")):
        if pool.get(mode, "Never") != "Never":
            return backend
    return "bgp"


def ciliums(settings: t.Mapping[str, str]) -> str:
    """The backend of Cilium by its ConfigMap ``cilium-config``."""
    return "native" if settings.get("routing-mode") == "native" else settings.get("tunnel-protocol", "vxlan")


def kube_routers(arguments: t.Sequence[str]) -> str:
    """The backend of kube-router by the arguments of its container."""
    return "host-gw" if "--enable-overlay=false" in arguments else "ipip"


__all__ = ("AGENTS", "DEFAULTS", "calicos", "ciliums", "kube_routers", "parts_everywhere")
