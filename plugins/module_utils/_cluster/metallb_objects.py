# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""MetalLB's custom resources, from pools and advertisements as the plan has them.

https://metallb.io/apis/ says what each field means.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import announcing
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.announcing import (
    Plain,
    only_given,
    selectors_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object

NAMESPACE = "metallb-system"
_V1BETA1 = "metallb.io/v1beta1"
_V1BETA2 = "metallb.io/v1beta2"
#: name of the one object with all names of communities
_COMMUNITIES = "klubster"


def custom_resources(balancer: Plain) -> list[Object]:
    """All of them; BGP's only where somebody is spoken to."""
    bgp = balancer.get("bgp") or {}
    objects = given_pools(balancer)
    objects += [_l2_advertisement(one) for one in announcing.l2_advertisements(balancer)]
    objects += [_bfd_profile(one) for one in bgp.get("bfd_profiles") or []]
    objects += [_peer(one, bgp["asn"]) for one in bgp.get("peers") or []]
    if bgp.get("communities"):
        entries = [{"name": name, "value": value} for name, value in sorted(bgp["communities"].items())]
        objects.append(_custom("Community", _COMMUNITIES, {"communities": entries}))
    objects += [_bgp_advertisement(one) for one in announcing.bgp_advertisements(balancer)]
    return objects


def given_pools(balancer: Plain) -> list[Object]:
    """Where addresses come from; all that there is where somebody else announces them."""
    return [_pool(pool) for pool in balancer.get("pools") or []]


def password_secrets(balancer: Plain) -> list[Object]:
    """Secrets of peers with a password, which itself is not here: ``cluster_objects`` puts it in."""
    return [
        {
            "name": secret_name(peer),
            "namespace": NAMESPACE,
            "type": "kubernetes.io/basic-auth",
            "key": "password",
            "value": str(peer["name"]),
        }
        for peer in (balancer.get("bgp") or {}).get("peers") or []
        if peer.get("password")
    ]


def secret_name(peer: Plain) -> str:
    return f"bgp-peer-{peer['name']}"


def _pool(pool: Plain) -> Object:
    allocation = only_given(
        priority=pool.get("priority"),
        namespaces=list(pool.get("namespaces") or []),
        namespaceSelectors=selectors_of(pool.get("namespace_selectors")),
        serviceSelectors=selectors_of(pool.get("service_selectors")),
    )
    spec = {
        "addresses": [str(address) for address in pool["addresses"]],
        "autoAssign": bool(pool.get("auto_assign", True)),
        "avoidBuggyIPs": bool(pool.get("avoid_buggy_ips", False)),
        **only_given(serviceAllocation=allocation),
    }
    return _custom("IPAddressPool", str(pool["name"]), spec)


def _l2_advertisement(one: Plain) -> Object:
    spec = {
        "ipAddressPools": one["pools"],
        **only_given(
            interfaces=[str(interface) for interface in one.get("interfaces") or []],
            nodeSelectors=selectors_of(one.get("node_selectors")),
        ),
    }
    return _custom("L2Advertisement", str(one["name"]), spec)


def _bfd_profile(one: Plain) -> Object:
    spec = only_given(
        receiveInterval=one.get("receive"),
        transmitInterval=one.get("transmit"),
        detectMultiplier=one.get("multiplier"),
        echoMode=one.get("echo") or None,
        echoInterval=one.get("echo_interval"),
        passiveMode=one.get("passive") or None,
        minimumTtl=one.get("minimum_ttl"),
    )
    return _custom("BFDProfile", str(one["name"]), spec)


def _peer(one: Plain, asn: int) -> Object:
    # What is false is left out: MetalLB does not let enableGracefulRestart change, but lets it come and go.
    spec = {
        "myASN": int(asn),
        "peerAddress": str(one["address"]),
        "peerPort": int(one.get("port") or 179),
        **only_given(
            peerASN=one.get("asn"),
            dynamicASN=one.get("dynamic_asn"),
            holdTime=_seconds(one.get("hold_time")),
            keepaliveTime=_seconds(one.get("keepalive")),
            connectTime=_seconds(one.get("connect_time")),
            ebgpMultiHop=one.get("ebgp_multihop") or None,
            bfdProfile=one.get("bfd_profile"),
            sourceAddress=one.get("source_address"),
            routerID=one.get("router_id"),
            dualStackAddressFamily=one.get("dual_stack") or None,
            enableGracefulRestart=one.get("graceful_restart") or None,
            nodeSelectors=selectors_of(one.get("node_selectors")),
            passwordSecret={"name": secret_name(one), "namespace": NAMESPACE} if one.get("password") else None,
        ),
    }
    return _custom("BGPPeer", str(one["name"]), spec, _V1BETA2)


def _bgp_advertisement(one: Plain) -> Object:
    spec = {
        "ipAddressPools": one["pools"],
        **only_given(
            peers=list(one.get("peers") or []),
            aggregationLength=one.get("aggregation_length"),
            aggregationLengthV6=one.get("aggregation_length_v6"),
            localPref=one.get("local_preference") or None,
            communities=list(one.get("communities") or []),
            nodeSelectors=selectors_of(one.get("node_selectors")),
        ),
    }
    return _custom("BGPAdvertisement", str(one["name"]), spec)


def _seconds(value: t.Any) -> t.Optional[str]:
    """A time as the API server itself would write it, so that nothing differs for ever."""
    if value is None:
        return None
    hours, rest = divmod(int(value), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _custom(kind: str, name: str, spec: Object, api_version: str = _V1BETA1) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


__all__ = ("NAMESPACE", "custom_resources", "given_pools", "password_secrets", "secret_name")
