# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Values for Cilium's chart.

Hubble stays off: its certificates would be made anew at each rendering. Nodes have the networks that Kubernetes gives.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.charts import CHARTS
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object

Plan = t.Mapping[str, t.Any]
#: two operators do not run on one node
_OPERATORS = 2


def values(plan: Plan, directories: tuple[str, str]) -> Object:
    """Ours, without the user's.

    :param directories: of the engine, for CNI programs and their configuration.
    """
    cni, api = plan["cni"], plan["api"]
    v4, v6 = ([net for net in plan["networks"]["pod"] if (":" in net) is six] for six in (False, True))
    native = cni["backend"] == "native"
    ours: Object = {
        "ipam": {"mode": "kubernetes"},
        "k8s": {"requireIPv4PodCIDR": bool(v4), "requireIPv6PodCIDR": bool(v6)},
        "ipv4": {"enabled": bool(v4)},
        "ipv6": {"enabled": bool(v6)},
        "routingMode": "native" if native else "tunnel",
        "kubeProxyReplacement": "true" if cni["service_proxy"] else "false",
        # Its own address, not the service's: whoever does kube-proxy's work cannot wait for it.
        "k8sServiceHost": api["name"],
        "k8sServicePort": api["port"],
        "cni": {"binPath": directories[0], "confPath": directories[1]},
        "hubble": {"enabled": False},
        # Within the agent, not as a DaemonSet with an image of its own.
        "envoy": {"enabled": False},
        "operator": {"replicas": min(_OPERATORS, len(plan["machines"])), "rollOutPods": True},
        "rollOutCiliumPods": True,
    }
    if native:
        ours["autoDirectNodeRoutes"] = True
        ours |= {f"ipv{family}NativeRoutingCIDR": nets[0] for family, nets in ((4, v4), (6, v6)) if nets}
    else:
        ours["tunnelProtocol"] = cni["backend"]
    if cni["mtu"]:
        ours["MTU"] = cni["mtu"]
    if not cni["chart"]:
        # A chart of the user's names images of its own version.
        agent, operator = CHARTS["cilium"].images
        ours["image"] = {"digest": agent.digest, "useDigest": True}
        ours["operator"]["image"] = {"genericDigest": operator.digest, "useDigest": True}
    return ours


__all__ = ("values",)
