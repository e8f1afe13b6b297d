# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""OpenELB's custom resources, from pools and peers as the plan has them.

Fields are those of its API network.kubesphere.io/v1alpha2; its documentation says what they mean ("Configure IP Address
Pools Using Eip", "Configure OpenELB in BGP Mode"). What it has no field for is refused by ``_model.openelb``.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import announcing
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.announcing import Plain, only_given
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.openelb import ONE_INTERFACE, ONE_RANGE

API_VERSION = "network.kubesphere.io/v1alpha2"
DEFAULT_EIP = "eip.openelb.kubesphere.io/is-default-eip"
#: the only name of a BgpConf that it looks at
_CONF = "default"
#: pools without a number come last, and none would be first to it
_LAST = 2**31 - 1
#: as far as packets go
_FAR = 255


def custom_resources(balancer: Plain) -> list[Object]:
    """All of them; BGP's only where somebody is spoken to.

    :param balancer: the plan's, with ``openelb.listen_port`` and ``openelb.paths``.
    :raises InvalidInput: a pool that nobody has looked at is more than one Eip.
    """
    by_bgp = {str(pool["name"]) for pool in announcing.pools_by("bgp", balancer)}
    _refuse(balancer, by_bgp)
    objects = [_eip(pool, by_bgp) for pool in balancer.get("pools") or []]
    bgp = balancer.get("bgp") or {}
    if bgp.get("peers"):
        conf = {"as": int(bgp["asn"]), "listenPort": int(balancer["openelb"]["listen_port"])}
        objects.append(_custom("BgpConf", _CONF, conf))
        objects += [_peer(one, int(balancer["openelb"]["paths"])) for one in bgp["peers"]]
    return objects


def service_annotations(address: str = "") -> dict[str, str]:
    """What a service says to be given an address by OpenELB, which passes over all others.

    :param address: the one that it wants; empty: any of a pool that is given out without being asked for.
    """
    asked = {"eip.openelb.kubesphere.io/v1alpha1": address} if address else {}
    return {"lb.kubesphere.io/v1alpha1": "openelb", **asked}


def _refuse(balancer: Plain, by_bgp: t.Collection[str]) -> None:
    """A plan's pools have been looked at; those that somebody gives the filter have not."""
    problems = []
    for index, pool in enumerate(balancer.get("pools") or []):
        addresses, interfaces = list(pool.get("addresses") or []), list(pool.get("interfaces") or [])
        if len(addresses) != 1:
            problems.append(Problem(f"pools[{index}].addresses", addresses, *ONE_RANGE))
        if pool["name"] not in by_bgp and len(interfaces) != 1:
            problems.append(Problem(f"pools[{index}].interfaces", interfaces, *ONE_INTERFACE))
    if problems:
        raise InvalidInput(problems)


def _eip(pool: Plain, by_bgp: t.Collection[str]) -> Object:
    (address,) = pool["addresses"]
    bound = only_given(namespaces=list(pool.get("namespaces") or []), namespaceSelector=_labels(pool))
    spec: Object = {"address": str(address), "protocol": "bgp", **bound}
    if pool["name"] not in by_bgp:
        (interface,) = pool["interfaces"]
        spec |= {"protocol": "layer2", "interface": str(interface)}
    if bound:
        spec["priority"] = int(pool.get("priority") or _LAST)
    made = _custom("Eip", str(pool["name"]), spec)
    if pool.get("auto_assign", True) and not bound:
        made["metadata"]["annotations"] = {DEFAULT_EIP: "true"}
    return made


def _labels(pool: Plain) -> t.Optional[dict[str, str]]:
    selectors = pool.get("namespace_selectors") or []
    return dict(selectors[0]["match_labels"]) if selectors else None


def _peer(one: Plain, paths: int) -> Object:
    spec = {
        "conf": {"neighborAddress": str(one["address"]), "peerAs": int(one["asn"])},
        "transport": {"remotePort": int(one.get("port") or 179)},
        # A node announces all nodes: the router has to hear of each, not only of the best.
        "afiSafis": [
            {
                "config": {"family": {"afi": "AFI_IP", "safi": "SAFI_UNICAST"}, "enabled": True},
                "addPaths": {"config": {"sendMax": paths}},
            }
        ],
        **only_given(
            ebgpMultihop={"enabled": True, "multihopTtl": _FAR} if one.get("ebgp_multihop") else None,
            timers=_timers(one),
            nodeSelector=_selector(one),
        ),
    }
    return _custom("BgpPeer", str(one["name"]), spec)


def _timers(one: Plain) -> t.Optional[Object]:
    """Seconds, as texts: its schema has no other numbers of 64 bits."""
    named = {"holdTime": "hold_time", "keepaliveInterval": "keepalive", "connectRetry": "connect_time"}
    found = {field: str(one[key]) for field, key in named.items() if one.get(key)}
    return {"config": found} if found else None


def _selector(one: Plain) -> t.Optional[Object]:
    selectors = announcing.selectors_of(one.get("node_selectors"))
    return selectors[0] if selectors else None


def _custom(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


__all__ = ("API_VERSION", "DEFAULT_EIP", "custom_resources", "service_annotations")
