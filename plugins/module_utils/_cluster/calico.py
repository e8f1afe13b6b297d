# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Calico by its operator: values for the operator's chart, and the Installation that tells it what to make."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object

Plan = t.Mapping[str, t.Any]
NAMESPACE = "tigera-operator"
#: how pools carry packets, by backend
_ENCAPSULATIONS = {"vxlan": "VXLAN", "ipip": "IPIP", "bgp": "None"}
#: bits of the network that a node gets at once, Calico's own defaults
BLOCKS = {4: 26, 6: 122}


def values() -> Object:
    """Ours, without the user's: the chart brings the operator and its definitions, we bring what it acts on."""
    return {part: {"enabled": False} for part in ("installation", "apiServer", "goldmane", "whisker")}


def installation(plan: Plan) -> Object:
    """The Installation. Its pools are exactly the pods' networks of the engine."""
    cni, networks = plan["cni"], plan["networks"]["pod"]
    families = {6 if ":" in network else 4 for network in networks}
    network: Object = {
        # VXLAN needs no routes of others; IPIP and plain routes are told by BGP, from each node to each.
        "bgp": "Disabled" if cni["backend"] == "vxlan" else "Enabled",
        "linuxDataplane": "Iptables",
        "hostPorts": "Enabled",
        # k3s needs pods that forward packets: its ServiceLB is one.
        "containerIPForwarding": "Enabled",
        "ipPools": [_pool(one, cni["backend"]) for one in networks],
    }
    for family in sorted(families):
        network[f"nodeAddressAutodetectionV{family}"] = {"kubernetes": "NodeInternalIP"}
    if cni["mtu"]:
        network["mtu"] = cni["mtu"]
    return {
        "apiVersion": "operator.tigera.io/v1",
        "kind": "Installation",
        "metadata": {"name": "default"},
        "spec": {
            "variant": "Calico",
            "cni": {"type": "Calico", "ipam": {"type": "Calico"}},
            # No volumes by CSI: nothing here uses them, and the folder differs from engine to engine.
            "kubeletVolumePluginPath": "None",
            "calicoNetwork": network,
        },
    }


def namespace() -> Object:
    """The operator's: ``helm template`` makes none. It works in the nodes' own network, which a profile may forbid."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _pool(network: str, backend: str) -> Object:
    family = 6 if ":" in network else 4
    return {
        "cidr": network,
        "blockSize": BLOCKS[family],
        "encapsulation": _ENCAPSULATIONS[backend],
        "natOutgoing": "Enabled",
        "nodeSelector": "all()",
    }


__all__ = ("BLOCKS", "NAMESPACE", "installation", "namespace", "values")
